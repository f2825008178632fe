//! What is searched for: one metric, in one direction.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::trial::{Epoch, Execution};

/// Whether less or more of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Less is better.
    #[serde(rename = "min")]
    Minimize,
    /// More is better.
    #[serde(rename = "max")]
    Maximize,
}

impl Direction {
    /// 1 where less is better, else -1: a score times it is a loss.
    pub fn sign(self) -> f64 {
        match self {
            Direction::Minimize => 1.0,
            Direction::Maximize => -1.0,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Minimize => "min",
            Direction::Maximize => "max",
        })
    }
}

/// How the epochs of one execution become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The best epoch counts: its checkpoint is the one that is kept.
    Best,
    /// The last epoch counts: the metric is a cost, and the best of a cost is not what it cost.
    Last,
}

/// The metric that a study improves, and its direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The name under which epochs report it.
    pub metric: String,
    /// Whether less or more is better.
    pub direction: Direction,
}

/// A metric whose direction cannot be told from its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "whether `{metric}` is to be minimized or maximized cannot be told from its name: \
     say objective = {{ metric = \"{metric}\", direction = \"min\" }}, or \"max\""
)]
pub struct ObjectiveError {
    /// The metric's name.
    pub metric: String,
}

const MAXIMIZED: &[&str] = &["accuracy", "acc", "auc", "f1", "f1_score", "precision", "r2", "recall", "per_second"];
const MINIMIZED: &[&str] = &["bytes", "error", "loss", "mae", "mse", "perplexity", "rmse"];
const COSTS: &[&str] = &["bytes", "multiply_adds", "parameters", "seconds"];

/// Whether a name is a word, or ends with `_` and the word.
fn ends_with_word(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
}

impl Objective {
    /// An objective with its direction said outright.
    pub fn new(metric: impl Into<String>, direction: Direction) -> Self {
        Self { metric: metric.into(), direction }
    }

    /// An objective whose direction follows from the last word of its name: `val_accuracy` is maximized, `val_loss` and
    /// `train_seconds` are minimized.
    ///
    /// # Errors
    /// When the name does not tell.
    pub fn infer(metric: impl Into<String>) -> Result<Self, ObjectiveError> {
        let metric = metric.into();
        if ends_with_word(&metric, MAXIMIZED) {
            Ok(Self::new(metric, Direction::Maximize))
        } else if ends_with_word(&metric, MINIMIZED) || ends_with_word(&metric, COSTS) {
            Ok(Self::new(metric, Direction::Minimize))
        } else {
            Err(ObjectiveError { metric })
        }
    }

    /// `Last` for what costs time, memory or computation, else `Best`.
    pub fn reduction(&self) -> Reduction {
        if ends_with_word(&self.metric, COSTS) { Reduction::Last } else { Reduction::Best }
    }

    /// Whether `a` is strictly better than `b`. Nothing is better than a finite number by being NaN or infinite.
    pub fn is_better(&self, a: f64, b: f64) -> bool {
        a.is_finite()
            && (!b.is_finite()
                || match self.direction {
                    Direction::Minimize => a < b,
                    Direction::Maximize => a > b,
                })
    }

    /// The score of a trial: the mean over its executions. `None` when there is none, or one has no value.
    pub fn score(&self, executions: &[Execution]) -> Option<f64> {
        self.score_at(executions, u32::MAX)
    }

    /// The score as it was after so many epochs.
    pub fn score_at(&self, executions: &[Execution], epochs: u32) -> Option<f64> {
        let values: Option<Vec<f64>> =
            executions.iter().map(|execution| self.deciding_epoch(execution, epochs).map(|(_, value)| value)).collect();
        let values = values.filter(|values| !values.is_empty())?;
        let count = values.len() as f64;
        let mean: f64 = values.iter().map(|value| value / count).sum();
        mean.is_finite().then_some(mean)
    }

    /// The epoch that decides an execution's value: the first of the best, or the last, as [`Self::reduction`] says.
    pub fn best_epoch<'e>(&self, execution: &'e Execution) -> Option<&'e Epoch> {
        self.deciding_epoch(execution, u32::MAX).map(|(epoch, _)| epoch)
    }

    fn deciding_epoch<'e>(&self, execution: &'e Execution, epochs: u32) -> Option<(&'e Epoch, f64)> {
        let values = execution
            .epochs
            .iter()
            .take_while(|epoch| epoch.epoch <= epochs)
            .filter_map(|epoch| Some((epoch, *epoch.metrics.get(&self.metric)?)))
            .filter(|(_, value)| value.is_finite());
        values.reduce(|best, next| match self.reduction() {
            Reduction::Best if !self.is_better(next.1, best.1) => best,
            Reduction::Best | Reduction::Last => next,
        })
    }
}

/// `val_accuracy (max)`.
impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.metric, self.direction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execution(metric: &str, values: &[f64]) -> Execution {
        let mut execution = Execution::new(1);
        for (i, value) in values.iter().enumerate() {
            execution.epochs.push(Epoch::new(i as u32 + 1, 1.0, [(metric, *value)]));
        }
        execution
    }

    #[test]
    fn direction_follows_from_the_last_word() {
        for (metric, direction) in [
            ("val_accuracy", Direction::Maximize),
            ("f1", Direction::Maximize),
            ("images_per_second", Direction::Maximize),
            ("val_loss", Direction::Minimize),
            ("train_seconds", Direction::Minimize),
            ("model_bytes", Direction::Minimize),
            ("multiply_adds", Direction::Minimize),
        ] {
            assert_eq!(Objective::infer(metric).unwrap().direction, direction, "{metric}");
        }
        insta::assert_snapshot!(
            Objective::infer("closs").unwrap_err(),
            @r#"whether `closs` is to be minimized or maximized cannot be told from its name: say objective = { metric = "closs", direction = "min" }, or "max""#
        );
    }

    #[test]
    fn a_score_is_the_mean_of_the_best_epochs() {
        let objective = Objective::infer("val_accuracy").unwrap();
        let executions = [execution("val_accuracy", &[0.5, 0.9, 0.7]), execution("val_accuracy", &[0.6])];
        assert_eq!(objective.score(&executions), Some(0.75));
        assert_eq!(objective.score_at(&executions, 1), Some(0.55));
        assert_eq!(objective.best_epoch(&executions[0]).map(|epoch| epoch.epoch), Some(2));
    }

    #[test]
    fn of_a_cost_the_last_epoch_counts() {
        let objective = Objective::infer("train_seconds").unwrap();
        assert_eq!(objective.score(&[execution("train_seconds", &[1.0, 2.0, 3.0])]), Some(3.0));
    }

    #[test]
    fn what_was_not_reported_has_no_score() {
        let objective = Objective::infer("loss").unwrap();
        assert_eq!(objective.score(&[]), None);
        assert_eq!(objective.score(&[execution("loss", &[1.0]), execution("accuracy", &[1.0])]), None);
        assert_eq!(objective.score(&[execution("loss", &[f64::INFINITY, f64::NAN])]), None);
        assert_eq!(objective.score(&[execution("loss", &[f64::NAN, 2.0, f64::NEG_INFINITY])]), Some(2.0));
    }

    #[test]
    fn a_mean_of_large_losses_is_finite() {
        let objective = Objective::infer("loss").unwrap();
        let huge = execution("loss", &[1.5e308]);
        assert!(objective.score(&[huge.clone(), huge]).is_some());
    }

    #[test]
    fn nothing_that_is_not_finite_is_better() {
        let objective = Objective::infer("loss").unwrap();
        assert!(!objective.is_better(f64::NEG_INFINITY, 1.0));
        assert!(!objective.is_better(f64::NAN, 1.0));
        assert!(objective.is_better(1.0, f64::NAN));
        assert!(!objective.is_better(1.0, 1.0));
    }
}
