//! A study: asking for work, reporting epochs, telling how it ended.
//!
//! [`Study::run`] is the whole loop for a closure. A program that runs trials elsewhere calls [`Study::ask`],
//! [`Study::report`] and [`Study::tell`] itself, from as many workers as it likes.
//!
//! Whatever a study knows is in its store before a call returns. A study that was killed at any moment and is opened
//! again goes on as if nothing had happened.

mod ask;
mod error;
mod limits;
mod run;
mod settings;
mod tell;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Instant;

use crate::clock;
use crate::history::History;
use crate::objective::Objective;
use crate::space::{Params, Space};
use crate::store::{Damaged, Store, StudyEnd};
use crate::strategy::Strategy;
use crate::trial::{Infeasible, Trial, TrialId, TrialState};

pub use ask::{Ask, Assignment};
pub use error::StudyError;
pub use run::{TrialError, TrialRun};
pub use settings::{StopReason, StudySettings};
pub use tell::Outcome;

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

    /// Whether there is no budget beyond this one.
    fn is_full(&self, budget: u32) -> bool {
        budget >= self.settings.epochs
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

    fn keep(&mut self, trial: Trial) -> Result<(), StudyError> {
        match &mut self.unsaved {
            Some(unsaved) => drop(unsaved.insert(trial.id)),
            None => self.store.save(&trial)?,
        }
        self.history.push(trial);
        Ok(())
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

/// How many of the last trials that ended or paused have failed.
fn failures_in_a_row(history: &History) -> u32 {
    let ended = history.iter().rev().filter(|trial| trial.was_started());
    let ended = ended.filter(|trial| trial.state.is_final() || trial.state == TrialState::Paused);
    ended.take_while(|trial| matches!(trial.state, TrialState::Failed(_))).count() as u32
}

#[cfg(test)]
mod tests;
