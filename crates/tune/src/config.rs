//! The study file: TOML in, a resolved [`StudyFile`] or every mistake with its place out.

#[cfg(test)]
mod fuzz;
mod load;
mod program;
mod source;
mod space;

use std::path::PathBuf;

use model::data::{DataSource, Validation};
use serde::{Deserialize, Serialize};
use tuner::{Objective, Params, Space};

use crate::error::Error;

pub use load::{Jobs, Overrides, load};
pub use program::{Fill, Program, Protocol, monitored};
pub use source::Problem;

/// A study as it will be run: the study file with the command line's overrides and all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyFile {
    pub name: String,
    pub objective: Objective,
    pub strategy: String,
    pub seed: u64,
    pub space: Space,
    pub settings: Settings,
}

/// All of a study that the search engine need not know of: what `study.json` keeps as `study`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub search: Search,
    pub early_stopping: Option<EarlyStopping>,
    #[serde(flatten)]
    pub work: Work,
    pub limits: Limits,
    pub enqueue: Vec<Params>,
}

/// What a trial trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// `[data]`: a network on images.
    #[serde(rename = "data")]
    Network(Data),
    /// `[objective_command]`: a program of the user's own.
    #[serde(rename = "objective_command")]
    Program(Program),
}

impl StudyFile {
    /// The data of a study of networks.
    ///
    /// # Errors
    ///
    /// When the study is of a program of the user's own.
    pub fn data(&self) -> Result<&Data, Error> {
        match &self.settings.work {
            Work::Network(data) => Ok(data),
            Work::Program(_) => Err(Error::NoNetwork { study: self.name.clone() }),
        }
    }
}

/// `[search]`: every key has a flag on the command line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// All trials of the study, those of earlier runs included.
    pub trials: u64,
    /// The most epochs of one execution.
    pub epochs: u32,
    pub executions_per_trial: u32,
    /// Whether the first trial is the configuration of all defaults.
    pub default_first: bool,
    pub max_time_seconds: Option<f64>,
    /// The study ends when a score is at least as good as this.
    pub target: Option<f64>,
    /// The study ends when all trials together have trained so many epochs.
    #[serde(default)]
    pub max_epochs_total: Option<u64>,
    /// The study ends after this many trials in a row without a better one.
    #[serde(default)]
    pub plateau: Option<u64>,
    /// The study ends after this many failed trials in a row.
    pub max_consecutive_failures: u32,
    /// How often a failed trial is tried again; `None` is once after it was killed, else never.
    #[serde(default)]
    pub max_retries: Option<u32>,
    /// How long one execution of a trial may take in one run of the program.
    #[serde(default)]
    pub trial_timeout_seconds: Option<f64>,
    /// How long a worker may say nothing.
    #[serde(default)]
    pub silence_timeout_seconds: Option<f64>,
    /// What one worker process may allocate.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// Worker processes.
    pub jobs: usize,
    /// Whether the number of jobs is to be measured first.
    #[serde(skip)]
    pub measure_jobs: bool,
    /// The devices that workers are spread over, by index; empty is the backend's default.
    #[serde(default)]
    pub devices: Vec<usize>,
    /// Threads of one worker.
    pub threads: usize,
    pub backend: String,
    /// Checkpoints are kept for this many of the best trials; `None` keeps all.
    pub keep_checkpoints: Option<usize>,
    /// `[search.grid]` and the like: what can be set of strategies.
    pub strategies: tuner::strategy::Settings,
}

/// `[early_stopping]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    pub monitor: String,
    /// Epochs without improvement after which an execution ends.
    pub patience: u32,
    /// What counts as an improvement at least.
    pub min_delta: f64,
}

/// `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    #[serde(flatten)]
    pub source: DataSource,
    /// What the validation metrics are measured on.
    pub validation: Validation,
}

/// `[limits]`: a configuration beyond one of them is infeasible.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    pub parameters: Option<u64>,
    pub memory_bytes: Option<u64>,
}

/// Where a study lives: `<results>/<name>`.
pub fn study_folder(results: &std::path::Path, name: &str) -> PathBuf {
    results.join(name)
}
