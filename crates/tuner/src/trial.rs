//! One trial: a configuration, what was asked for, and everything that came of it.
//!
//! These types serialise to what a trial's file holds; `docs/formats.md` describes the fields.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::objective::Objective;
use crate::space::Params;

/// The number of a trial in its study, from 1. Displayed with four digits at least: `0007`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub u64);

impl TrialId {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

/// What one epoch of one execution measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The number of the epoch, from 1.
    pub epoch: u32,
    /// How long it took.
    pub seconds: f64,
    /// The metrics that are finite.
    pub metrics: BTreeMap<String, f64>,
    /// The names of the metrics that were NaN or infinite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_finite: Vec<String>,
}

impl Epoch {
    /// An epoch with its metrics. One that is NaN or infinite has no value, its name is noted.
    pub fn new<N: Into<String>>(epoch: u32, seconds: f64, metrics: impl IntoIterator<Item = (N, f64)>) -> Self {
        let (finite, rest): (Vec<_>, Vec<_>) =
            metrics.into_iter().map(|(name, value)| (name.into(), value)).partition(|(_, value)| value.is_finite());
        let seconds = if seconds.is_finite() { seconds } else { 0.0 };
        Self {
            epoch,
            seconds,
            metrics: finite.into_iter().collect(),
            non_finite: rest.into_iter().map(|(name, _)| name).collect(),
        }
    }
}

/// One training of a trial's configuration, with a seed of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// What everything random in it derives from; below 2³².
    pub seed: u64,
    /// The epochs so far, numbered 1, 2, 3 …
    pub epochs: Vec<Epoch>,
    /// Whether it has ended, and will not be taken up again.
    pub finished: bool,
    /// Whether it ended before its budget, by patience or by its own decision.
    #[serde(default)]
    pub stopped_early: bool,
    /// The epoch whose checkpoint is kept as the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<u32>,
}

impl Execution {
    /// An execution that has not begun.
    pub fn new(seed: u64) -> Self {
        Self { seed, epochs: Vec::new(), finished: false, stopped_early: false, best_epoch: None }
    }

    /// How many epochs are done.
    pub fn epochs_done(&self) -> u32 {
        self.epochs.last().map_or(0, |epoch| epoch.epoch)
    }

    /// How long its epochs took together.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.seconds).sum()
    }
}

/// Why a trial failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum FailureReason {
    /// The training program panicked.
    Panic,
    /// A loss or the objective was NaN or infinite.
    NonFinite,
    /// There was not enough memory.
    OutOfMemory,
    /// It took too long, or was silent for too long.
    Timeout,
    /// The training program was killed.
    Killed {
        /// By which signal.
        signal: i32,
    },
    /// The training program gave up with an error.
    Error,
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureReason::Panic => f.write_str("panic"),
            FailureReason::NonFinite => f.write_str("non-finite"),
            FailureReason::OutOfMemory => f.write_str("out of memory"),
            FailureReason::Timeout => f.write_str("timeout"),
            FailureReason::Killed { signal } => write!(f, "killed by signal {signal}"),
            FailureReason::Error => f.write_str("error"),
        }
    }
}

/// How a trial failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    #[serde(flatten)]
    pub reason: FailureReason,
    /// What the training program said.
    pub message: String,
}

impl Failure {
    /// A failure.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// Why a configuration cannot be trained at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InfeasibleReason {
    /// Some shape vanishes or does not fit.
    Shape,
    /// It has more parameters than allowed.
    ParameterLimit,
    /// It needs more memory than allowed.
    MemoryLimit,
}

impl fmt::Display for InfeasibleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InfeasibleReason::Shape => "shape",
            InfeasibleReason::ParameterLimit => "parameter limit",
            InfeasibleReason::MemoryLimit => "memory limit",
        })
    }
}

/// How a configuration is infeasible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Infeasible {
    /// The kind of obstacle.
    pub reason: InfeasibleReason,
    /// Where it is, and by how much.
    pub message: String,
}

impl Infeasible {
    /// An obstacle.
    pub fn new(reason: InfeasibleReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl fmt::Display for Infeasible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// Where a trial is: `waiting → running → (paused ⇄ running) → completed | pruned | failed | infeasible`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "detail", rename_all = "snake_case")]
pub enum TrialState {
    /// It has work to do, and nobody is at it.
    Waiting,
    /// Somebody is at work on it.
    Running,
    /// It reached its budget and may be given more.
    Paused,
    /// All its executions came to their end.
    Completed,
    /// The strategy ended it: it did not look promising.
    Pruned,
    /// Its training failed.
    Failed(Failure),
    /// It turned out that its configuration cannot be trained.
    Infeasible(Infeasible),
}

impl TrialState {
    /// Whether nothing more will come.
    pub fn is_final(&self) -> bool {
        !matches!(self, TrialState::Waiting | TrialState::Running | TrialState::Paused)
    }
}

impl fmt::Display for TrialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrialState::Waiting => f.write_str("waiting"),
            TrialState::Running => f.write_str("running"),
            TrialState::Paused => f.write_str("paused"),
            TrialState::Completed => f.write_str("completed"),
            TrialState::Pruned => f.write_str("pruned"),
            TrialState::Failed(failure) => write!(f, "failed ({})", failure.reason),
            TrialState::Infeasible(infeasible) => write!(f, "infeasible ({})", infeasible.reason),
        }
    }
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number.
    pub id: TrialId,
    /// Where it is.
    #[serde(flatten)]
    pub state: TrialState,
    /// The objective over all executions: finite, or absent. Of a trial that is not completed it is the score so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The configuration.
    pub params: Params,
    /// How many epochs each execution may train, so far.
    pub budget: u32,
    /// The budgets at which it paused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<u32>,
    /// Whether it was asked for by name, not proposed by the strategy.
    #[serde(default)]
    pub enqueued: bool,
    /// How many infeasible configurations were discarded on the way to this one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rejected: BTreeMap<InfeasibleReason, u64>,
    /// How it failed before it was tried again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retried: Vec<Failure>,
    /// When it was proposed, in UTC.
    pub created: String,
    /// When it ended, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// Its trainings, in the order in which they began.
    pub executions: Vec<Execution>,
}

impl Trial {
    /// A trial that waits for somebody to run it.
    pub fn new(id: TrialId, params: Params, budget: u32) -> Self {
        Self {
            id,
            state: TrialState::Waiting,
            score: None,
            params,
            budget,
            rungs: Vec::new(),
            enqueued: false,
            rejected: BTreeMap::new(),
            retried: Vec::new(),
            created: crate::clock::now(),
            finished: None,
            executions: Vec::new(),
        }
    }

    /// Whether any training of it was ever begun. Only such trials count against a study's limit.
    pub fn was_started(&self) -> bool {
        !self.executions.is_empty()
    }

    /// The epochs that its executions have trained together.
    pub fn epochs_trained(&self) -> u64 {
        self.executions.iter().map(|execution| u64::from(execution.epochs_done())).sum()
    }

    /// How long its epochs took together.
    pub fn seconds(&self) -> f64 {
        self.executions.iter().map(Execution::seconds).sum()
    }

    /// The score after `budget` epochs, if every execution came that far or ended before.
    pub fn score_at(&self, objective: &Objective, budget: u32) -> Option<f64> {
        let reached = |execution: &Execution| execution.finished || execution.epochs_done() >= budget;
        let failed = matches!(self.state, TrialState::Failed(_) | TrialState::Infeasible(_));
        if failed || self.budget < budget || !self.executions.iter().all(reached) {
            return None;
        }
        objective.score_at(&self.executions, budget)
    }

    /// What of the record contradicts itself, if something does.
    pub(crate) fn inconsistency(&self) -> Option<String> {
        if self.id.0 == 0 {
            return Some("trials are numbered from 1, and this one is 0".to_owned());
        }
        self.executions.iter().enumerate().find_map(|(index, execution)| {
            let mut pairs = (1..).zip(&execution.epochs);
            pairs.find(|(expected, epoch)| epoch.epoch != *expected).map(|(expected, epoch)| {
                format!("in execution {index}, epoch {} is where epoch {expected} should be", epoch.epoch)
            })
        })
    }
}

#[cfg(test)]
pub(crate) mod arbitrary;
