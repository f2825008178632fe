//! How long a study goes on, and why it ended.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::StudyError;
use crate::trial::FailureReason;

/// How a study is run, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct StudySettings {
    /// What all randomness derives from; 0 is a seed like any other.
    pub seed: u64,
    /// How many trials to begin in total, those before a resume included.
    pub trials: u64,
    /// The most epochs of one execution: a full training.
    pub epochs: u32,
    /// How often each configuration is trained, with a seed of its own each time.
    pub executions_per_trial: u32,
    /// Whether the default configuration is tried first, where nothing is enqueued.
    pub default_first: bool,
    /// No new work is given out after this time, counted from when this process opened the study.
    pub max_time: Option<Duration>,
    /// The study ends when a completed trial's score is at least this good.
    pub target: Option<f64>,
    /// The study ends when so many trials fail one after the other.
    pub max_consecutive_failures: u32,
    /// How often a trial that failed is tried again. `None` is once for one that was killed, which need not be its own
    /// fault, and not at all for others. A number counts for every failure but a metric that is not finite, which would
    /// be the same again.
    pub max_retries: Option<u32>,
    /// No new work is given out after all trials together have trained so many epochs.
    pub max_epochs_total: Option<u64>,
    /// The study ends when so many trials in a row have not improved on the best.
    pub plateau: Option<u64>,
}

impl Default for StudySettings {
    fn default() -> Self {
        Self {
            seed: 0,
            trials: 100,
            epochs: 1,
            executions_per_trial: 1,
            default_first: true,
            max_time: None,
            target: None,
            max_consecutive_failures: 5,
            max_retries: None,
            max_epochs_total: None,
            plateau: None,
        }
    }
}

impl StudySettings {
    pub(super) fn check(&self) -> Result<(), StudyError> {
        let wrong = |setting, found: &dyn fmt::Display, expected| {
            Err(StudyError::Setting { setting, found: found.to_string(), expected })
        };
        if self.epochs == 0 {
            return wrong("epochs", &self.epochs, "at least 1");
        }
        if self.executions_per_trial == 0 {
            return wrong("executions_per_trial", &self.executions_per_trial, "at least 1");
        }
        if self.max_consecutive_failures == 0 {
            return wrong("max_consecutive_failures", &self.max_consecutive_failures, "at least 1");
        }
        if self.plateau == Some(0) {
            return wrong("plateau", &0, "at least 1");
        }
        match self.target {
            Some(target) if !target.is_finite() => wrong("target", &target, "a finite number"),
            _ => Ok(()),
        }
    }

    /// How often a failure of this kind is answered by trying again.
    pub(super) fn retries(&self, reason: FailureReason) -> u32 {
        match (reason, self.max_retries) {
            (FailureReason::NonFinite, _) => 0,
            (_, Some(retries)) => retries,
            (FailureReason::Killed { .. }, None) => 1,
            (_, None) => 0,
        }
    }
}

/// Why a study ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum StopReason {
    /// All trials asked for were run.
    Trials,
    /// Every configuration was tried.
    Exhausted,
    /// All that the strategy was set to do is done.
    Plan,
    /// The time is over.
    MaxTime,
    /// The target was reached.
    Target,
    /// So many trials failed one after the other.
    ConsecutiveFailures {
        /// How many.
        count: u32,
    },
    /// So many trials in a row did not improve on the best.
    Plateau {
        /// How many.
        trials: u64,
    },
    /// The epochs that all trials together may train are used up.
    EpochsTotal,
    /// Somebody stopped it.
    Interrupted,
}

/// As the end of a sentence: `the study ended: every configuration was tried`.
impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Trials => f.write_str("all trials asked for were run"),
            StopReason::Exhausted => f.write_str("every configuration was tried"),
            StopReason::Plan => f.write_str("all that the strategy was set to do is done"),
            StopReason::MaxTime => f.write_str("the time is over"),
            StopReason::Target => f.write_str("the target was reached"),
            StopReason::ConsecutiveFailures { count } => write!(f, "{count} trials failed one after the other"),
            StopReason::Plateau { trials } => write!(f, "{trials} trials in a row did not improve on the best"),
            StopReason::EpochsTotal => f.write_str("the epochs that all trials together may train are used up"),
            StopReason::Interrupted => f.write_str("it was interrupted"),
        }
    }
}
