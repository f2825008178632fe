//! A study: asking for work, reporting epochs, telling how it ended.
//!
//! [`Study::run`] is the whole loop for a closure. A program that runs trials elsewhere calls [`Study::ask`],
//! [`Study::report`] and [`Study::tell`] itself, from as many workers as it likes.
//!
//! Whatever a study knows is in its store before a call returns. A study that was killed at any moment and is opened
//! again goes on as if nothing had happened.

mod error;
mod run;
mod settings;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::history::History;
use crate::objective::Objective;
use crate::seeds::execution_seed;
use crate::space::{Params, Space};
use crate::store::{Damaged, Store, StudyEnd};
use crate::strategy::{Decision, Proposal, Strategy, StudyView};
use crate::trial::{
    Epoch, Execution, Failure, FailureReason, Infeasible, InfeasibleReason, Trial, TrialId, TrialState,
};

pub use error::StudyError;
pub use run::{TrialError, TrialRun};
pub use settings::{StopReason, StudySettings};

type Feasibility = Box<dyn Fn(&Params) -> Result<(), Infeasible> + Send>;

/// A search under way.
pub struct Study {
    space: Space,
    objective: Objective,
    strategy: Box<dyn Strategy>,
    store: Box<dyn Store>,
    settings: StudySettings,
    feasibility: Feasibility,
    history: History,
    damaged: Vec<Damaged>,
    /// Configurations to try before any that the strategy chooses.
    queue: VecDeque<Params>,
    /// Trials with work to do that nobody is at.
    open: BTreeSet<TrialId>,
    /// Trials that were under way when their process ended: what was decided after their last report is not known.
    undecided: BTreeSet<TrialId>,
    /// Trials given out, and which execution of each.
    claimed: BTreeMap<TrialId, usize>,
    best: Option<TrialId>,
    consecutive_failures: u32,
    exhausted: bool,
    /// Trials that are to be kept at the next flush; `None` keeps each at once.
    unsaved: Option<BTreeSet<TrialId>>,
    opened: Instant,
}

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
    /// A study with what its store has of it. Trials that were under way are taken up again.
    ///
    /// # Errors
    /// When a setting is out of its range, the store cannot be read, or has trials of another space.
    pub fn new(
        space: Space,
        objective: Objective,
        strategy: Box<dyn Strategy>,
        mut store: Box<dyn Store>,
        settings: StudySettings,
    ) -> Result<Self, StudyError> {
        settings.check()?;
        let loaded = store.load()?;
        for trial in &loaded.trials {
            space.validate(&trial.params).map_err(|source| StudyError::Foreign { trial: trial.id, source })?;
        }
        let mut history: History = loaded.trials.into_iter().collect();
        if let Some(last) = loaded.last {
            history.reserve_through(last);
        }
        let open: BTreeSet<_> =
            history.pending().filter(|trial| trial.state != TrialState::Paused).map(|trial| trial.id).collect();
        Ok(Self {
            // Who opens a study again after too many failures wants it to go on.
            consecutive_failures: failures_in_a_row(&history) % settings.max_consecutive_failures,
            best: history.best(&objective).map(|trial| trial.id),
            undecided: open.clone(),
            open,
            history,
            space,
            objective,
            strategy,
            store,
            settings,
            feasibility: Box::new(|_| Ok(())),
            damaged: loaded.damaged,
            queue: VecDeque::new(),
            claimed: BTreeMap::new(),
            exhausted: false,
            unsaved: None,
            opened: Instant::now(),
        })
    }

    /// With a test that says which configurations can be trained at all: cheap, and always of the same opinion. What it
    /// rejects is never proposed.
    #[must_use]
    pub fn with_feasibility(
        mut self,
        feasibility: impl Fn(&Params) -> Result<(), Infeasible> + Send + 'static,
    ) -> Self {
        self.feasibility = Box::new(feasibility);
        self
    }

    /// Puts a configuration before all that the strategy will choose; what it leaves open is at its default. One that
    /// has been tried is not tried again; one that is infeasible is recorded as such, and costs no trial.
    ///
    /// # Errors
    /// When it is not a configuration of the space.
    pub fn enqueue(&mut self, params: &Params) -> Result<(), StudyError> {
        let params = self.space.complete(params)?;
        if !self.history.contains(&params) && !self.queue.contains(&params) {
            self.queue.push_back(params);
        }
        Ok(())
    }

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
                Proposal::Start { .. } | Proposal::Exhausted => {
                    self.exhausted |= trials_left > 0;
                    let reason = if trials_left > 0 { StopReason::Exhausted } else { StopReason::Trials };
                    return Ok(if self.claimed.is_empty() { Ask::Finished(reason) } else { Ask::Wait });
                }
            }
        }
    }

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

    /// Keeps how an execution ended. A failure that [`StudySettings::max_retries`] allows puts the trial back, to be
    /// asked for again.
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

    /// Keeps nothing from now on until [`Self::flush`], which keeps everything since at once. For who serves many workers: none
    /// of them may learn of anything before it is flushed.
    pub fn defer(&mut self) {
        self.unsaved.get_or_insert_default();
    }

    /// Keeps what was deferred.
    ///
    /// # Errors
    /// When it could not be kept; the study cannot go on then.
    pub fn flush(&mut self) -> Result<(), StudyError> {
        if let Some(unsaved) = &mut self.unsaved {
            let trials: Vec<&Trial> = unsaved.iter().filter_map(|id| self.history.get(*id)).collect();
            self.store.save_all(&trials)?;
            unsaved.clear();
        }
        Ok(())
    }

    /// All trials.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Where it is searched.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// What is searched for.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// How the study is run.
    pub fn settings(&self) -> &StudySettings {
        &self.settings
    }

    /// The name of the strategy.
    pub fn strategy(&self) -> &'static str {
        self.strategy.name()
    }

    /// The best completed trial, the first of equals.
    pub fn best(&self) -> Option<&Trial> {
        self.best.and_then(|id| self.history.get(id))
    }

    /// Trials of the store that made no sense, and were set aside.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Keeps why the study has ended, for whoever reads it later. A study that goes on forgets it.
    ///
    /// # Errors
    /// When that could not be kept.
    pub fn end(&mut self, reason: StopReason) -> Result<(), StudyError> {
        self.flush()?;
        Ok(self.store.end(&StudyEnd { reason, at: clock::now() })?)
    }

    /// The limit that is reached, if one is: no new work is given out then.
    pub fn limit(&self) -> Option<StopReason> {
        let is_reached = |target: f64, score: f64| !self.objective.is_better(target, score);
        let best = self.best().and_then(|trial| trial.score);
        if self.settings.target.zip(best).is_some_and(|(target, score)| is_reached(target, score)) {
            return Some(StopReason::Target);
        }
        if self.consecutive_failures >= self.settings.max_consecutive_failures {
            return Some(StopReason::ConsecutiveFailures { count: self.consecutive_failures });
        }
        if self.settings.max_epochs_total.is_some_and(|most| self.history.epochs_trained() >= most) {
            return Some(StopReason::EpochsTotal);
        }
        if let Some(trials) = self.settings.plateau.filter(|trials| self.is_at_plateau(*trials)) {
            return Some(StopReason::Plateau { trials });
        }
        self.settings.max_time.is_some_and(|max| self.opened.elapsed() >= max).then_some(StopReason::MaxTime)
    }

    /// Whether so many trials have ended since the best one began, none of them better.
    fn is_at_plateau(&self, trials: u64) -> bool {
        let since = |best| self.history.iter().rev().take_while(move |trial| trial.id > best);
        let ended = |trial: &&Trial| trial.was_started() && trial.state.is_final();
        self.best.is_some_and(|best| since(best).filter(ended).take(trials as usize).count() as u64 == trials)
    }

    /// Whether there is no budget beyond this one.
    fn is_full(&self, budget: u32) -> bool {
        budget >= self.settings.epochs
    }

    fn propose(&mut self, trials_left: u64) -> Result<Proposal, StudyError> {
        let default = (self.settings.default_first && self.queue.is_empty() && self.history.started() == 0)
            .then(|| self.space.default_params());
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

    fn decide(&self, trial: TrialId) -> Decision {
        let view = StudyView {
            space: &self.space,
            objective: &self.objective,
            history: &self.history,
            seed: self.settings.seed,
            epochs: self.settings.epochs,
            trials_left: self.settings.trials.saturating_sub(self.history.started()),
            first: None,
            feasibility: &*self.feasibility,
        };
        self.strategy.decide(&view, trial)
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

    /// The first execution that has something left to do within the trial's budget.
    fn next_execution(&self, trial: &Trial) -> Option<usize> {
        let can_be_more = !self.is_full(trial.budget);
        (0..self.settings.executions_per_trial as usize).find(|index| {
            trial.executions.get(*index).is_none_or(|execution| {
                let paused = can_be_more && execution.epochs_done() >= trial.budget;
                !execution.finished && !paused
            })
        })
    }

    /// What a trial is after one of its executions has ended well.
    fn conclude(&self, trial: &mut Trial) {
        trial.score = self.objective.score(&trial.executions);
        if self.next_execution(trial).is_some() {
            trial.state = TrialState::Waiting;
        } else if trial.executions.iter().all(|execution| execution.finished) {
            end(trial, TrialState::Completed);
        } else {
            trial.state = TrialState::Paused;
            if trial.rungs.last() != Some(&trial.budget) {
                trial.rungs.push(trial.budget);
            }
        }
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
    fn settle(&mut self, trial: Trial) -> Result<(), StudyError> {
        let (id, state, score) = (trial.id, trial.state.clone(), trial.score);
        self.keep(trial)?;
        self.claimed.remove(&id);
        self.undecided.remove(&id);
        self.open.remove(&id);
        match state {
            TrialState::Waiting => {
                self.open.insert(id);
            }
            TrialState::Running | TrialState::Paused => {}
            TrialState::Failed(_) => self.consecutive_failures += 1,
            TrialState::Completed => {
                self.consecutive_failures = 0;
                let best = self.best().and_then(|trial| trial.score);
                if score.is_some_and(|score| best.is_none_or(|best| self.objective.is_better(score, best))) {
                    self.best = Some(id);
                }
            }
            TrialState::Pruned | TrialState::Infeasible(_) => self.consecutive_failures = 0,
        }
        Ok(())
    }

    fn keep(&mut self, trial: Trial) -> Result<(), StudyError> {
        match &mut self.unsaved {
            Some(unsaved) => drop(unsaved.insert(trial.id)),
            None => self.store.save(&trial)?,
        }
        self.history.push(trial);
        Ok(())
    }

    fn under_way(&self, trial: TrialId, execution: usize) -> Result<Trial, StudyError> {
        match (self.claimed.get(&trial), self.history.get(trial)) {
            (Some(claimed), Some(trial)) if *claimed == execution => Ok(trial.clone()),
            _ => Err(StudyError::NotUnderWay { trial, execution }),
        }
    }

    fn bad_proposal(&self, fault: &str) -> StudyError {
        StudyError::BadProposal { strategy: self.strategy.name(), fault: fault.to_owned() }
    }
}

impl fmt::Debug for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Study")
            .field("strategy", &self.strategy.name())
            .field("objective", &self.objective)
            .field("settings", &self.settings)
            .field("trials", &self.history.len())
            .finish_non_exhaustive()
    }
}

/// Ends a trial. Only what was trained as meant has a score.
fn end(trial: &mut Trial, state: TrialState) {
    if matches!(state, TrialState::Failed(_) | TrialState::Infeasible(_)) {
        trial.score = None;
    }
    trial.state = state;
    trial.finished = Some(clock::now());
}

/// How many of the last trials that ended have failed.
fn failures_in_a_row(history: &History) -> u32 {
    let ended = history.finished().rev().filter(|trial| trial.was_started());
    ended.take_while(|trial| matches!(trial.state, TrialState::Failed(_))).count() as u32
}

#[cfg(test)]
mod tests;
