//! Asking a study for work.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{StopReason, Study, StudyError, end};
use crate::seeds::execution_seed;
use crate::space::Params;
use crate::strategy::{Decision, Proposal, Stage, StudyView};
use crate::trial::{Execution, InfeasibleReason, Trial, TrialId, TrialState};

/// What there is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Train this.
    Run(Assignment),
    /// Nothing until something under way has ended; ask again then.
    Wait,
    /// Nothing any more. What is under way may be brought to its end.
    Finished(StopReason),
}

/// A part of a trial to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The trial.
    pub trial: TrialId,
    /// Which of its executions, from 0.
    pub execution: usize,
    /// The configuration.
    pub params: Params,
    /// The seed of everything random in this execution, below 2³².
    pub seed: u64,
    /// How many epochs are done.
    pub from_epoch: u32,
    /// The last epoch to train. Equal to `from_epoch` when the process was killed after the last epoch, before it could
    /// tell how it ended: then only that is to be told.
    pub to_epoch: u32,
}

impl Study {
    /// The next piece of work. It belongs to the caller until [`Self::tell`] or [`Self::release`].
    ///
    /// # Errors
    /// When the strategy has no answer, or the trial could not be kept.
    pub fn ask(&mut self) -> Result<Ask, StudyError> {
        if let Some(reason) = self.limit() {
            return Ok(Ask::Finished(reason));
        }
        self.discard_infeasible_queue()?;
        loop {
            while let Some(id) = self.open.first().copied() {
                if let Some(assignment) = self.take_up(id)? {
                    return Ok(Ask::Run(assignment));
                }
            }
            let trials_left = self.settings.trials.saturating_sub(self.history.started());
            // Without new trials, only paused ones can be given more work.
            let may_propose = !self.exhausted && (trials_left > 0 || self.history.pending_count() > self.claimed.len());
            let proposal = if may_propose { self.propose(trials_left)? } else { Proposal::Exhausted };
            match proposal {
                Proposal::Start { params, budget, rejected } if trials_left > 0 => {
                    self.start(params, budget, rejected)?;
                }
                Proposal::Resume { trial, budget } => self.resume(trial, budget)?,
                Proposal::Wait if self.claimed.is_empty() => {
                    return Err(self.bad_proposal("waits while nothing is under way"));
                }
                Proposal::Wait => return Ok(Ask::Wait),
                Proposal::Start { .. } | Proposal::Exhausted | Proposal::Complete => {
                    self.exhausted |= trials_left > 0;
                    let reason = match proposal {
                        _ if trials_left == 0 => StopReason::Trials,
                        Proposal::Complete => StopReason::Plan,
                        _ => StopReason::Exhausted,
                    };
                    return Ok(if self.claimed.is_empty() { Ask::Finished(reason) } else { Ask::Wait });
                }
            }
        }
    }

    fn propose(&mut self, trials_left: u64) -> Result<Proposal, StudyError> {
        let default = (self.settings.default_first && self.queue.is_empty() && self.history.started() == 0)
            .then(|| self.space.default_params());
        // Field by field: the strategy is changed while the rest is looked at.
        let view = StudyView {
            space: &self.space,
            objective: &self.objective,
            history: &self.history,
            seed: self.settings.seed,
            epochs: self.settings.epochs,
            trials_left,
            first: self.queue.front().or(default.as_ref()),
            feasibility: &*self.feasibility,
        };
        Ok(self.strategy.propose(&view)?)
    }

    pub(super) fn decide(&self, trial: TrialId) -> Decision {
        self.strategy.decide(&self.view(), trial)
    }

    /// The study without what goes before the strategy's own choice.
    fn view(&self) -> StudyView<'_> {
        StudyView {
            space: &self.space,
            objective: &self.objective,
            history: &self.history,
            seed: self.settings.seed,
            epochs: self.settings.epochs,
            trials_left: self.settings.trials.saturating_sub(self.history.started()),
            first: None,
            feasibility: &*self.feasibility,
        }
    }

    /// Where a trial is on its way to a full training, if the strategy trains in rungs.
    pub fn stage(&self, trial: &Trial) -> Option<Stage> {
        self.strategy.stage(self.settings.epochs, trial)
    }

    /// Whether a trial may still be trained, now or one day: if not, nobody needs the state of its training.
    pub fn may_train(&self, trial: &Trial) -> bool {
        match trial.state {
            TrialState::Waiting | TrialState::Running => true,
            TrialState::Paused => self.strategy.may_resume(&self.view(), trial),
            _ => false,
        }
    }

    /// What is at the head of the queue and cannot be tried is recorded, or forgotten where it was tried.
    fn discard_infeasible_queue(&mut self) -> Result<(), StudyError> {
        while let Some(params) = self.queue.front() {
            if !self.history.contains(params) {
                let Err(infeasible) = (self.feasibility)(params) else { return Ok(()) };
                let mut trial = Trial::new(self.history.next_id(), params.clone(), self.settings.epochs);
                trial.enqueued = true;
                end(&mut trial, TrialState::Infeasible(infeasible));
                self.keep(trial)?;
            }
            self.queue.pop_front();
        }
        Ok(())
    }

    fn start(
        &mut self,
        params: Params,
        budget: u32,
        rejected: BTreeMap<InfeasibleReason, u64>,
    ) -> Result<(), StudyError> {
        if let Err(error) = self.space.validate(&params) {
            return Err(self.bad_proposal(&format!("proposed a configuration that is none of the space ({error})")));
        }
        let mut trial = Trial::new(self.history.next_id(), params, budget.clamp(1, self.settings.epochs));
        trial.rejected = rejected;
        if self.queue.front() == Some(&trial.params) {
            trial.enqueued = true;
            self.queue.pop_front();
        }
        // It is kept when it is taken up, which is next: until then it has cost nothing.
        self.open.insert(trial.id);
        self.history.push(trial);
        Ok(())
    }

    fn resume(&mut self, id: TrialId, budget: u32) -> Result<(), StudyError> {
        let budget = budget.min(self.settings.epochs);
        match self.history.get(id) {
            Some(trial) if trial.state == TrialState::Paused && budget > trial.budget => {
                self.history.update(id, |trial| trial.budget = budget);
                self.open.insert(id);
                Ok(())
            }
            Some(trial) => Err(self.bad_proposal(&format!(
                "resumed trial {id}, which is {} at {} epochs, to {budget} epochs",
                trial.state, trial.budget
            ))),
            None => Err(self.bad_proposal(&format!("resumed trial {id}, which does not exist"))),
        }
    }

    /// Gives a trial out, if one of its executions has something left to do; else concludes it.
    fn take_up(&mut self, id: TrialId) -> Result<Option<Assignment>, StudyError> {
        let Some(trial) = self.history.get(id) else {
            self.open.remove(&id);
            return Ok(None);
        };
        let mut trial = trial.clone();
        let Some(execution) = self.next_execution(&trial) else {
            self.conclude(&mut trial);
            self.settle(trial)?;
            return Ok(None);
        };
        if execution == trial.executions.len() {
            trial.executions.push(Execution::new(execution_seed(self.settings.seed, id, execution)));
        }
        let from_epoch = trial.executions[execution].epochs_done();
        if self.undecided.contains(&id) && from_epoch > 0 && from_epoch < trial.budget {
            match self.decide(id) {
                Decision::Continue => {}
                Decision::Pause => {
                    trial.budget = from_epoch;
                    self.conclude(&mut trial);
                    self.settle(trial)?;
                    return Ok(None);
                }
                Decision::Stop => {
                    end(&mut trial, TrialState::Pruned);
                    self.settle(trial)?;
                    return Ok(None);
                }
            }
        }
        trial.state = TrialState::Running;
        let assignment = Assignment {
            trial: id,
            execution,
            params: trial.params.clone(),
            seed: trial.executions[execution].seed,
            from_epoch,
            to_epoch: trial.budget,
        };
        self.keep(trial)?;
        self.open.remove(&id);
        self.undecided.remove(&id);
        self.claimed.insert(id, execution);
        Ok(Some(assignment))
    }
}
