//! Training of two networks, as a trial does it, beside `PyTorch` and Keras on `TensorFlow` where `python3` (or
//! `$PYTHON`) has them. They take turns, so that a busy machine slows all alike.
//!
//! `cargo bench -p model --bench training -- [small|large] [rounds]`

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::{BATCH, NETWORKS, Network, WARM_UP, median};
use model::device::set_threads;
use serde_json::json;

const THREADS: usize = 2;

/// What the other frameworks need to know.
fn description(network: &Network) -> String {
    json!({ "convolutions": network.convolutions, "units": network.units, "batch": BATCH, "threads": THREADS })
        .to_string()
}

/// The same network in another framework, in a process of its own that takes steps when told.
struct Rival {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Rival {
    fn start(script: &str, network: &Network) -> Option<Self> {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        let script = format!("{}/benches/python/{script}.py", env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(python)
            .args([script, description(network)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let orders = process.stdin.take()?;
        let answers = BufReader::new(process.stdout.take()?);
        let mut started = Self { process, orders, answers };
        started.images_per_second(1).map(|_| started)
    }

    fn images_per_second(&mut self, steps: usize) -> Option<f64> {
        writeln!(self.orders, "{steps}").ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        let seconds: f64 = answer.trim().parse().ok()?;
        Some((steps * BATCH) as f64 / seconds)
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The most memory a process has held so far, in bytes, where the system tells.
fn peak_bytes(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

fn compare(network: &Network, rounds: usize) {
    let names = ["PyTorch", "Keras on TensorFlow"];
    let mut rivals = ["pytorch", "keras"].map(|script| Rival::start(script, network));
    let mut speeds = [const { Vec::new() }; 3];
    let mut multiply_adds = 0.0;
    network.train(rounds + WARM_UP, |report| {
        multiply_adds = report.metrics["multiply_adds"];
        let mut round = vec![Some(report.metrics["images_per_second"])];
        round.extend(rivals.iter_mut().map(|rival| rival.as_mut()?.images_per_second(network.steps)));
        if report.epoch as usize > WARM_UP {
            for (speeds, speed) in speeds.iter_mut().zip(round) {
                speeds.extend(speed);
            }
        }
    });

    let [ours, theirs @ ..] = speeds.map(median);
    let memory = |process: &str| {
        peak_bytes(process).map_or_else(String::new, |bytes| format!(", at most {} MB of memory", bytes / 1_000_000))
    };
    println!(
        "{}: batch {BATCH}, {THREADS} threads, medians of {rounds} rounds of {} steps",
        network.name, network.steps
    );
    // Twice as much again for the gradients.
    let gigaflops = 6.0 * multiply_adds * ours / 1e9;
    println!("  this crate {ours:.0} images/s ({gigaflops:.0} GFLOP/s){}", memory("self"));
    for ((name, theirs), rival) in names.iter().zip(theirs).zip(&rivals) {
        match rival {
            Some(rival) => {
                let memory = memory(&rival.process.id().to_string());
                println!("  {name} {theirs:.0} images/s{memory}; this crate is {:.2} times as fast", ours / theirs);
            }
            None => println!("  {name} is not there"),
        }
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(15_usize).max(1);
    let named = NETWORKS.iter().find(|network| arguments.iter().any(|argument| argument == network.name));
    if let Some(network) = named {
        kernels::memory::keep_pages();
        if let Err(error) = set_threads(THREADS) {
            panic!("{error}");
        }
        compare(network, rounds);
        return;
    }
    // Each in a process of its own: memory is counted by process.
    for network in &NETWORKS {
        let itself = std::env::current_exe().map(Command::new);
        let ran = itself.and_then(|mut itself| itself.args([network.name, &rounds.to_string()]).status());
        if let Err(error) = ran {
            panic!("{error}");
        }
    }
}
