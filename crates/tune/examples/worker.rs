//! A worker of the full protocol, in full: `docs/protocol.md` describes it.
//!
//! It "trains" a curve of the hyperparameter `x`, and remembers in its checkpoint folder how far it has come. In a study file:
//!
//! ```toml
//! [objective_command]
//! command  = ["target/release/examples/worker"]
//! protocol = "full"
//! ```
//!
//! With a hyperparameter `fault` it shows what can go wrong in a worker: `panic`, `memory`, `silence`, `nonsense`, `gap`.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut orders = std::io::stdin().lock().lines();
    // The supervisor goes away: the orders end, and so does the worker.
    while let Some(order) = orders.next() {
        let order: Value = serde_json::from_str(&order?)?;
        match order["type"].as_str() {
            Some("setup") => say(&json!({ "type": "ready", "protocol": order["protocol"] }))?,
            Some("run") => train(&order, &mut orders)?,
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn say(report: &Value) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{report}")?;
    output.flush()
}

type Orders<'a> = &'a mut dyn Iterator<Item = std::io::Result<String>>;

fn train(run: &Value, orders: Orders<'_>) -> Result<(), Box<dyn Error>> {
    let x = run["params"]["x"].as_f64().unwrap_or(0.0);
    let pause = Duration::from_millis(run["params"]["milliseconds"].as_u64().unwrap_or(0));
    let (from, to) = (run["from_epoch"].as_u64().unwrap_or(0), run["to_epoch"].as_u64().unwrap_or(1));
    let checkpoint = checkpoint(run);
    for epoch in from + 1..=to {
        // An epoch that the checkpoint has is not trained again, only reported.
        if trained(&checkpoint) < epoch {
            std::thread::sleep(pause);
            std::fs::write(&checkpoint, epoch.to_string())?;
            log(run, epoch)?;
        }
        if let Some(fault) = run["params"]["fault"].as_str().filter(|_| epoch == 2) {
            go_wrong(fault)?;
        }
        let loss = (x - 3.0).powi(2) + 1.0 / epoch as f64;
        say(
            &json!({ "type": "epoch", "epoch": { "epoch": epoch, "seconds": pause.as_secs_f64(), "metrics": { "val_loss": loss } } }),
        )?;
        let answer: Value = serde_json::from_str(&orders.next().ok_or("the supervisor went away")??)?;
        let end = match answer["decision"].as_str() {
            Some("continue") => continue,
            Some("pause") => "paused",
            _ => "stopped",
        };
        return Ok(say(&json!({ "type": "done", "end": end }))?);
    }
    Ok(say(&json!({ "type": "done", "end": "budget" }))?)
}

fn checkpoint(run: &Value) -> PathBuf {
    let folder = Path::new(run["checkpoint"].as_str().unwrap_or("."));
    // Where it cannot be made, nothing can be written either, which says so.
    let _ = std::fs::create_dir_all(folder);
    folder.join("epoch")
}

fn trained(checkpoint: &Path) -> u64 {
    std::fs::read_to_string(checkpoint).ok().and_then(|epoch| epoch.parse().ok()).unwrap_or(0)
}

/// Every epoch that is really trained, for whoever wants to count them.
fn log(run: &Value, epoch: u64) -> std::io::Result<()> {
    let Some(path) = std::env::var_os("WORKER_LOG") else { return Ok(()) };
    let mut log = std::fs::File::options().create(true).append(true).open(path)?;
    writeln!(log, "{} {epoch}", run["trial"])
}

fn go_wrong(fault: &str) -> std::io::Result<()> {
    match fault {
        "panic" => panic!("the worker was asked to panic"),
        "memory" => {
            let mut held = Vec::new();
            loop {
                held.push(vec![1_u8; 1 << 24]);
            }
        }
        "silence" => loop {
            std::thread::sleep(Duration::from_hours(1));
        },
        "nonsense" => writeln!(std::io::stdout(), "epoch 2 is done"),
        "gap" => say(&json!({ "type": "epoch", "epoch": { "epoch": 9, "seconds": 0.0, "metrics": {} } })),
        _ => Ok(()),
    }
}
