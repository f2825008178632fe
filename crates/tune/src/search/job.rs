//! One of the places for a worker, and what its worker was told last.

use std::time::Instant;

use tuner::{Assignment, Decision, Outcome};

use super::process::WorkerProcess;
use crate::protocol::{End, Order, Run};

/// One of the `jobs` places for a worker.
pub struct Job {
    pub worker: Option<WorkerProcess>,
    /// Which of all workers that were started it is.
    pub start: u64,
    pub state: JobState,
    /// When the worker was started, given work, or last said something.
    pub heard: Instant,
}

pub enum JobState {
    /// No worker, or one that is loading its data.
    Starting,
    Idle,
    Running {
        assignment: Assignment,
        since: Instant,
        answer: Answer,
    },
}

/// What becomes of a run after its last epoch, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Continue,
    /// The strategy wants to see others first.
    Pause,
    /// The strategy wants no more of it.
    Stop,
    /// It does not improve any more.
    StopEarly,
    /// The search pauses or ends: the trial is taken up again later.
    Release,
}

impl Default for Job {
    fn default() -> Self {
        Job { worker: None, start: 0, state: JobState::Starting, heard: Instant::now() }
    }
}

impl Job {
    pub fn starting(worker: WorkerProcess, start: u64) -> Self {
        Job { worker: Some(worker), start, ..Job::default() }
    }

    /// Takes work; the order is to be given when the study knows of it for certain.
    pub fn run(&mut self, run: Run, assignment: Assignment) -> Order {
        self.heard = Instant::now();
        self.state = JobState::Running { assignment, since: self.heard, answer: Answer::Continue };
        Order::Run(run)
    }

    /// Answers an epoch; the order is to be given when the study knows of it for certain.
    pub fn answer(&mut self, given: Answer) -> Order {
        if let JobState::Running { answer, .. } = &mut self.state {
            *answer = given;
        }
        Order::Decision { decision: given.decision() }
    }

    /// A worker that is gone already says so through its output.
    pub fn order(&mut self, order: &Order) {
        if let Some(worker) = &mut self.worker {
            let _ = worker.order(order);
        }
    }
}

impl Answer {
    fn decision(self) -> Decision {
        match self {
            Answer::Continue => Decision::Continue,
            Answer::Pause | Answer::Release => Decision::Pause,
            Answer::Stop | Answer::StopEarly => Decision::Stop,
        }
    }

    /// How the execution has ended, given how its run has: `None` when it is to be taken up again.
    ///
    /// # Errors
    ///
    /// When the worker did what it was not told.
    pub fn outcome(self, end: End, best_epoch: Option<u32>) -> Result<Option<Outcome>, String> {
        let finished = |stopped_early| Some(Outcome::Finished { stopped_early, best_epoch });
        Ok(match (end, self) {
            (End::Budget, _) => finished(false),
            (End::EarlyStopping, _) | (End::Stopped, Answer::StopEarly) => finished(true),
            (End::Paused, Answer::Pause) => Some(Outcome::Paused),
            (End::Paused, Answer::Release) => None,
            (End::Stopped, Answer::Stop) => Some(Outcome::Pruned),
            (End::Paused | End::Stopped, _) => {
                return Err(format!("the worker said `{}` without being told to", name(end)));
            }
        })
    }
}

fn name(end: End) -> &'static str {
    match end {
        End::Budget => "budget",
        End::EarlyStopping => "early_stopping",
        End::Paused => "paused",
        End::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_ends_as_it_was_told() {
        let finished = |stopped_early| Ok(Some(Outcome::Finished { stopped_early, best_epoch: Some(2) }));
        assert_eq!(Answer::Continue.outcome(End::Budget, Some(2)), finished(false));
        assert_eq!(Answer::Continue.outcome(End::EarlyStopping, Some(2)), finished(true));
        assert_eq!(Answer::StopEarly.outcome(End::Stopped, Some(2)), finished(true));
        assert_eq!(Answer::Stop.outcome(End::Stopped, None), Ok(Some(Outcome::Pruned)));
        assert_eq!(Answer::Pause.outcome(End::Paused, None), Ok(Some(Outcome::Paused)));
        assert_eq!(Answer::Release.outcome(End::Paused, None), Ok(None));
        for (answer, end) in
            [(Answer::Continue, End::Paused), (Answer::Continue, End::Stopped), (Answer::Stop, End::Paused)]
        {
            assert!(answer.outcome(end, None).is_err(), "{answer:?} {end:?}");
        }
    }
}
