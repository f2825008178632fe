//! The study file: TOML in, a resolved [`StudyFile`] or every mistake with its place out.

#[cfg(test)]
mod fuzz;
mod load;
mod source;
mod space;

use std::path::PathBuf;

use model::data::{DataSource, Validation};
use serde::{Deserialize, Serialize};
use tuner::{Objective, Params, Space};

pub use load::{Overrides, load};
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
    pub data: Data,
    pub limits: Limits,
    pub enqueue: Vec<Params>,
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
    /// The study ends after this many failed trials in a row.
    pub max_consecutive_failures: u32,
    /// Worker processes.
    pub jobs: usize,
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
