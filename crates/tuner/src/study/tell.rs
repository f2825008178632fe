//! Telling a study what came of its work.

use serde::{Deserialize, Serialize};

use super::{Study, StudyError, end};
use crate::strategy::Decision;
use crate::trial::{Epoch, Execution, Failure, FailureReason, Infeasible, Trial, TrialId, TrialState};

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It came to its end.
    Finished {
        /// Whether that was before its budget, by patience or by its own decision.
        stopped_early: bool,
        /// The epoch whose checkpoint is kept as the best.
        best_epoch: Option<u32>,
    },
    /// It wrote its checkpoint because the study decided so, and may be given more epochs. (A worker that goes away for
    /// other reasons is [released](Study::release).)
    Paused,
    /// It was stopped because the study decided so.
    Pruned,
    /// It failed.
    Failed(Failure),
    /// It turned out that the configuration cannot be trained.
    Infeasible(Infeasible),
}

impl Study {
    /// Keeps what an epoch measured, and says what becomes of the trial. An epoch that is known already replaces what
    /// was known of it and of all after it: its worker had to begin again.
    ///
    /// # Errors
    /// When the execution is not under way, an epoch was left out, or the report could not be kept.
    pub fn report(&mut self, trial: TrialId, execution: usize, epoch: Epoch) -> Result<Decision, StudyError> {
        let mut changed = self.under_way(trial, execution)?;
        let number = epoch.epoch;
        let expected = changed.executions[execution].epochs_done() + 1;
        if number == 0 || number > expected {
            return Err(StudyError::EpochGap { trial, expected, found: number });
        }
        if number > changed.budget {
            // Its worker does not know of budgets: what it trains beyond does not count.
            return Ok(if self.is_full(changed.budget) { Decision::Stop } else { Decision::Pause });
        }
        let budget = changed.budget;
        let epochs = &mut changed.executions[execution].epochs;
        epochs.truncate(number as usize - 1);
        epochs.push(epoch);
        changed.score = self.objective.score(&changed.executions);
        self.keep(changed)?;
        Ok(match (number < budget, self.is_full(budget)) {
            (true, _) => self.decide(trial),
            (false, false) => Decision::Pause,
            (false, true) => Decision::Continue,
        })
    }

    /// Keeps how an execution ended. A failure that [`StudySettings::max_retries`](super::StudySettings::max_retries) allows puts
    /// the trial back, to be asked for again.
    ///
    /// # Errors
    /// When the execution is not under way, or its end could not be kept.
    pub fn tell(&mut self, trial: TrialId, execution: usize, outcome: Outcome) -> Result<(), StudyError> {
        let mut changed = self.under_way(trial, execution)?;
        match outcome {
            Outcome::Finished { stopped_early, best_epoch } => {
                let ended = &mut changed.executions[execution];
                ended.best_epoch = best_epoch.or_else(|| self.objective.best_epoch(ended).map(|epoch| epoch.epoch));
                let at_budget = ended.epochs_done() >= changed.budget;
                // Who trained all that was asked for, and can be asked for more, has only paused.
                ended.finished = stopped_early || !at_budget || self.is_full(changed.budget);
                ended.stopped_early = stopped_early;
                match self.missing_score(&changed.executions[execution]) {
                    Some(failure) => end(&mut changed, TrialState::Failed(failure)),
                    None => self.conclude(&mut changed),
                }
            }
            Outcome::Paused if changed.executions[execution].epochs.is_empty() => return self.release(trial),
            Outcome::Paused => {
                // A pause short of the budget is the strategy's decision: so far, and no further for now.
                changed.budget = changed.executions[execution].epochs_done().min(changed.budget);
                self.conclude(&mut changed);
            }
            Outcome::Pruned => end(&mut changed, TrialState::Pruned),
            Outcome::Failed(failure) if (changed.retried.len() as u32) < self.settings.retries(failure.reason) => {
                changed.retried.push(failure);
                changed.state = TrialState::Waiting;
            }
            Outcome::Failed(failure) => end(&mut changed, TrialState::Failed(failure)),
            Outcome::Infeasible(infeasible) => end(&mut changed, TrialState::Infeasible(infeasible)),
        }
        self.settle(changed)
    }

    /// Gives a trial back: its worker is gone. It will be asked for again, from its last epoch on.
    ///
    /// # Errors
    /// When that could not be kept.
    pub fn release(&mut self, trial: TrialId) -> Result<(), StudyError> {
        if let (Some(_), Some(released)) = (self.claimed.remove(&trial), self.history.get(trial)) {
            let mut released = released.clone();
            released.state = TrialState::Waiting;
            self.open.insert(trial);
            self.keep(released)?;
        }
        Ok(())
    }

    /// Why an execution that ended has no score.
    fn missing_score(&self, execution: &Execution) -> Option<Failure> {
        let metric = &self.objective.metric;
        if self.objective.best_epoch(execution).is_some() {
            return None;
        }
        let Some(last) = execution.epochs.last() else {
            return Some(Failure::new(FailureReason::Error, "it ended without reporting an epoch"));
        };
        Some(if execution.epochs.iter().any(|epoch| epoch.non_finite.contains(metric)) {
            Failure::new(FailureReason::NonFinite, format!("`{metric}` was not finite in any epoch"))
        } else {
            let reported: Vec<_> = last.metrics.keys().map(String::as_str).collect();
            let message = format!("it never reported the objective `{metric}`; it reported {}", reported.join(", "));
            Failure::new(FailureReason::Error, message)
        })
    }

    /// Keeps a trial whose execution has ended.
    pub(super) fn settle(&mut self, trial: Trial) -> Result<(), StudyError> {
        let (id, state, score) = (trial.id, trial.state.clone(), trial.score);
        self.keep(trial)?;
        self.claimed.remove(&id);
        self.undecided.remove(&id);
        self.open.remove(&id);
        match state {
            TrialState::Waiting => {
                self.open.insert(id);
            }
            TrialState::Running => {}
            TrialState::Failed(_) => self.consecutive_failures += 1,
            TrialState::Completed => {
                self.consecutive_failures = 0;
                let best = self.best().and_then(|trial| trial.score);
                if score.is_some_and(|score| best.is_none_or(|best| self.objective.is_better(score, best))) {
                    self.best = Some(id);
                }
            }
            TrialState::Paused | TrialState::Pruned | TrialState::Infeasible(_) => self.consecutive_failures = 0,
        }
        Ok(())
    }

    fn under_way(&self, trial: TrialId, execution: usize) -> Result<Trial, StudyError> {
        match (self.claimed.get(&trial), self.history.get(trial)) {
            (Some(claimed), Some(trial)) if *claimed == execution => Ok(trial.clone()),
            _ => Err(StudyError::NotUnderWay { trial, execution }),
        }
    }
}
