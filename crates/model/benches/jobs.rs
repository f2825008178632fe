//! One trial that computes with two threads against two trials of one thread each, in processes of their own. They
//! take turns. Then, how long a trial takes to start.
//!
//! `cargo bench -p model --bench jobs -- [rounds]`

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use common::{BATCH, NETWORKS, Network, WARM_UP, median, options};
use model::Config;
use model::data::{DataSource, load};
use model::device::set_threads;
use model::train::{Decision, Event, TrainingData, fit};
use serde_json::json;

/// A training in a process of its own that trains an epoch when told.
struct Trial {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Trial {
    fn start(network: &Network, threads: usize) -> std::io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["trial", network.name, &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || std::io::Error::other("a pipe of the trial is missing");
        let orders = process.stdin.take().ok_or_else(missing)?;
        let answers = BufReader::new(process.stdout.take().ok_or_else(missing)?);
        let mut trial = Self { process, orders, answers };
        // The first epoch needs no order.
        trial.wait()?;
        Ok(trial)
    }

    fn order(&mut self) -> std::io::Result<()> {
        writeln!(self.orders, "go")
    }

    fn wait(&mut self) -> std::io::Result<()> {
        self.answers.read_line(&mut String::new()).map(drop)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Images a second of all trials together.
fn speed(trials: &mut [Trial], network: &Network) -> std::io::Result<f64> {
    let begun = Instant::now();
    trials.iter_mut().try_for_each(Trial::order)?;
    trials.iter_mut().try_for_each(Trial::wait)?;
    Ok((trials.len() * network.steps * BATCH) as f64 / begun.elapsed().as_secs_f64())
}

fn compare(network: &Network, rounds: usize) -> std::io::Result<()> {
    let mut together = [Trial::start(network, 2)?];
    let mut apart = [Trial::start(network, 1)?, Trial::start(network, 1)?];
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for round in 0..rounds + WARM_UP {
        let speeds = (speed(&mut together, network)?, speed(&mut apart, network)?);
        if round >= WARM_UP {
            one.push(speeds.0);
            two.push(speeds.1);
        }
    }
    let (one, two) = (median(one), median(two));
    println!(
        "{}: one trial of two threads {one:.0} images/s, two of one {two:.0}: {:.2} times",
        network.name,
        two / one
    );
    Ok(())
}

/// A whole training, an epoch for each line on standard input.
fn trial(network: &Network, threads: usize) {
    kernels::memory::keep_pages();
    if let Err(error) = set_threads(threads) {
        panic!("{error}");
    }
    network.train(10_000, |_| {
        println!("done");
        let _ = std::io::stdin().read_line(&mut String::new());
    });
}

/// Seconds from nothing to the data, and from there to the first batch's end.
fn start_of_a_trial() -> (f64, f64) {
    let begun = Instant::now();
    let digits = load(&DataSource::new("digits")).unwrap_or_else(|error| panic!("{error}"));
    let loaded = begun.elapsed().as_secs_f64();
    let values = json!({ "conv_layers": 2, "filters": 32, "pool0": "max", "dense_layers": 1, "units": 64 });
    let config = Config::from_values(values.as_object().unwrap_or(&serde_json::Map::new()));
    let config = config.unwrap_or_else(|error| panic!("{error:?}"));
    let data = TrainingData { train: &digits.train, validation: &digits.test };
    let begun = Instant::now();
    let mut first = 0.0;
    let ended = fit(&config, data, &options(1), &mut |event| match event {
        Event::Progress(_) => {
            first = begun.elapsed().as_secs_f64();
            Decision::Stop
        }
        _ => Decision::Continue,
    });
    if let Err(error) = ended {
        panic!("{error}");
    }
    (loaded, first)
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [command, name, threads] = arguments.as_slice()
        && command == "trial"
        && let Some(network) = NETWORKS.iter().find(|network| network.name == name)
    {
        trial(network, threads.parse().unwrap_or(1));
        return;
    }
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(15_usize).max(1);
    for network in &NETWORKS {
        if let Err(error) = compare(network, rounds) {
            panic!("{error}");
        }
    }
    let (loaded, first) = start_of_a_trial();
    println!(
        "a trial on digits: data after {:.1} ms, the first batch trained {:.1} ms later",
        loaded * 1e3,
        first * 1e3
    );
}
