//! Running a study with a closure that trains.

use std::any::Any;
use std::error::Error;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::{Ask, Assignment, Outcome, StopReason, Study, StudyError};
use crate::space::Params;
use crate::strategy::Decision;
use crate::trial::{Epoch, Failure, FailureReason, Infeasible, TrialId};

/// Why a closure did not finish a trial.
///
/// Every error converts into it with `?`, and counts as the failure of the trial. (For that it is no
/// [`Error`] itself.)
#[derive(Debug)]
pub enum TrialError {
    /// The trial failed; the study goes on.
    Failed(Failure),
    /// The configuration cannot be trained; the study goes on.
    Infeasible(Infeasible),
    /// The study cannot go on.
    Study(StudyError),
}

impl TrialError {
    /// A failure in the closure's own words.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(FailureReason::Error, message))
    }
}

impl<E: Error + 'static> From<E> for TrialError {
    fn from(error: E) -> Self {
        let error: Box<dyn Error> = Box::new(error);
        match error.downcast::<StudyError>() {
            Ok(error) => Self::Study(*error),
            Err(error) => Self::failed(with_causes(error.as_ref())),
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}

/// One execution of a trial, as the closure that trains sees it.
#[derive(Debug)]
pub struct TrialRun<'s> {
    study: &'s mut Study,
    assignment: Assignment,
    done: u32,
    decision: Decision,
    since: Instant,
}

impl TrialRun<'_> {
    /// The configuration to train.
    pub fn params(&self) -> &Params {
        &self.assignment.params
    }

    /// The seed of everything random in this execution, below 2³².
    pub fn seed(&self) -> u64 {
        self.assignment.seed
    }

    /// The trial's number.
    pub fn trial(&self) -> TrialId {
        self.assignment.trial
    }

    /// Which of the trial's executions it is, from 0.
    pub fn execution(&self) -> usize {
        self.assignment.execution
    }

    /// Goes on after the epochs that an earlier process, or an earlier part of this trial, has trained, and returns how
    /// many these are: for a closure that has its checkpoint of them. Without this call an execution begins anew.
    pub fn resume(&mut self) -> u32 {
        self.done = self.assignment.from_epoch;
        self.done
    }

    /// The epochs to train, from 1: those of the budget that are not done.
    pub fn epochs(&self) -> RangeInclusive<u32> {
        self.done + 1..=self.assignment.to_epoch
    }

    /// Reports the metrics of the next epoch, and says what to do: [`Decision::Continue`], or return from the closure
    /// now. Keep a checkpoint of the epoch before you report it, if you keep any.
    ///
    /// # Errors
    /// When the report could not be kept; the study cannot go on then.
    pub fn report<N: Into<String>>(
        &mut self,
        metrics: impl IntoIterator<Item = (N, f64)>,
    ) -> Result<Decision, StudyError> {
        let seconds = self.since.elapsed().as_secs_f64();
        let epoch = Epoch::new(self.done + 1, seconds, metrics);
        self.decision = self.study.report(self.assignment.trial, self.assignment.execution, epoch)?;
        self.done += 1;
        self.since = Instant::now();
        Ok(self.decision)
    }

    fn outcome(&self) -> Outcome {
        match self.decision {
            Decision::Continue => {
                Outcome::Finished { stopped_early: self.done < self.assignment.to_epoch, best_epoch: None }
            }
            Decision::Pause => Outcome::Paused,
            Decision::Stop => Outcome::Pruned,
        }
    }
}

impl Study {
    /// Runs the study to its end, one trial after the other, with a closure that trains one execution. An error that
    /// the closure returns, or its panic, costs the trial, not the study.
    ///
    /// # Errors
    /// When trials cannot be kept, or the strategy finds nothing to propose.
    pub fn run(
        &mut self,
        mut train: impl FnMut(&mut TrialRun<'_>) -> Result<(), TrialError>,
    ) -> Result<StopReason, StudyError> {
        loop {
            let assignment = match self.ask()? {
                Ask::Run(assignment) => assignment,
                Ask::Finished(reason) => {
                    self.end(reason)?;
                    return Ok(reason);
                }
                Ask::Wait => return Err(self.bad_proposal("waits while nothing is under way")),
            };
            let (trial, execution) = (assignment.trial, assignment.execution);
            let mut run =
                TrialRun { study: self, assignment, done: 0, decision: Decision::Continue, since: Instant::now() };
            let outcome = match catch_unwind(AssertUnwindSafe(|| train(&mut run))) {
                Ok(Ok(())) => run.outcome(),
                Ok(Err(TrialError::Failed(failure))) => Outcome::Failed(failure),
                Ok(Err(TrialError::Infeasible(infeasible))) => Outcome::Infeasible(infeasible),
                Ok(Err(TrialError::Study(error))) => return Err(error),
                Err(panic) => Outcome::Failed(Failure::new(FailureReason::Panic, panic_message(panic.as_ref()))),
            };
            self.tell(trial, execution, outcome)?;
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
