//! Runs the built program in a folder of its own.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod programs;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A study that trains in a second: two tiny networks at a time on the built-in digits.
pub const TINY: &str = r#"
name      = "tiny"
objective = "val_accuracy"
seed      = 7

[search]
trials  = 4
epochs  = 2
threads = 1

[data]
dataset    = "digits"
validation = 0.2

[space]
filters0      = { type = "int", min = 2, max = 8, step = 2 }
activation    = { type = "choice", values = ["relu", "tanh"] }
learning_rate = { type = "float", min = 1e-3, max = 1e-1, sampling = "log" }
optimizer     = { type = "choice", values = ["adam", "sgd"] }
momentum      = { type = "float", min = 0.0, max = 0.9, when = { optimizer = "sgd" } }

[fixed]
conv_layers = 1
pool0       = "max"
units       = 8
batch_size  = 64
"#;

pub struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty folder with the study file `tiny.toml`.
    pub fn new() -> Self {
        let place = Place { folder: TempDir::new().unwrap() };
        place.write("tiny.toml", TINY);
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tune"));
        command.args(arguments).current_dir(self.path()).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the program prints when all is well.
    pub fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The exit code and what the program says when something is wrong.
    pub fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded: {}", text(&output.stdout));
        (output.status.code().unwrap(), text(&output.stderr))
    }

    pub fn json(&self, name: &str) -> Value {
        let path = self.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap()
    }

    /// All trial files of a study in order, without what depends on the clock.
    pub fn trials(&self, study: &str) -> Vec<Value> {
        let folder = self.path().join("results").join(study).join("trials");
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"))
            .collect();
        names.sort();
        names.iter().map(|name| timeless(self.json(&format!("results/{study}/trials/{name}")))).collect()
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A trial without times: what the same seed must give again.
pub fn timeless(mut trial: Value) -> Value {
    let object = trial.as_object_mut().unwrap();
    object.remove("created");
    object.remove("finished");
    for execution in object["executions"].as_array_mut().unwrap() {
        for epoch in execution["epochs"].as_array_mut().unwrap() {
            epoch.as_object_mut().unwrap().remove("seconds");
            let metrics = epoch["metrics"].as_object_mut().unwrap();
            metrics.remove("train_seconds");
            metrics.remove("images_per_second");
        }
    }
    trial
}
