//! Asynchronous successive halving.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rungs::{Bracket, Ladder, loss_at};
use super::sampler::{Sampler, Source};
use super::{Proposal, Settings, Stage, Strategy, StrategyError, StudyView};
use crate::trial::{Trial, TrialId, TrialState};

/// What can be set, in `[search.asha]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AshaSettings {
    /// No trial pauses before so many epochs.
    pub min_epochs: u32,
    /// By how much budgets grow and numbers of trials shrink from one rung to the next; at least 2.
    pub factor: u32,
    /// Where configurations come from.
    pub sampler: Sampler,
}

impl Default for AshaSettings {
    fn default() -> Self {
        Self { min_epochs: 1, factor: 4, sampler: Sampler::default() }
    }
}

impl AshaSettings {
    fn ladder(&self, max_epochs: u32) -> Ladder {
        Ladder::new(max_epochs, self.min_epochs, self.factor)
    }

    /// What so many trials come to, about, where a full training takes `max_epochs`: how many are promoted when
    /// depends on which of them are good.
    pub fn plan(&self, max_epochs: u32, trials: u64) -> Bracket {
        self.ladder(max_epochs).bracket(trials)
    }
}

/// Asynchronous successive halving: whenever a worker is free, a trial goes on that is among the best of its rung so far; if
/// there is none, a new one begins. Nobody waits for a rung to be complete.
///
/// When no new trial may begin and none has been trained in full, the best go on regardless.
///
/// Li et al., *A system for massively parallel hyperparameter tuning*, `MLSys` 2020, arXiv 1810.05934.
#[derive(Debug)]
pub struct Asha {
    settings: AshaSettings,
    source: Source,
    standings: Standings,
}

impl Asha {
    /// With these settings.
    pub fn new(settings: &Settings) -> Self {
        let source = Source::new(settings.asha.sampler, settings.tpe, settings.bayesian);
        Self { settings: settings.asha, source, standings: Standings::default() }
    }
}

impl Default for Asha {
    fn default() -> Self {
        Self::new(&Settings::default())
    }
}

impl Strategy for Asha {
    fn name(&self) -> &'static str {
        "asha"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let ladder = self.settings.ladder(study.epochs);
        self.standings.follow(study, &ladder);
        if let Some(promotion) = self.standings.promotion(&ladder) {
            return Ok(promotion);
        }
        let drawn = if study.trials_left > 0 { self.source.next(study, ladder.budgets())? } else { None };
        if let Some(drawn) = drawn {
            return Ok(drawn.start(ladder.budgets().first().copied().unwrap_or(study.epochs)));
        }
        if study.history.under_way().next().is_some() {
            return Ok(Proposal::Wait);
        }
        Ok(self.standings.last_resort(&ladder).unwrap_or(Proposal::Exhausted))
    }

    fn stage(&self, epochs: u32, trial: &Trial) -> Option<Stage> {
        let bracket = self.settings.plan(epochs, 1);
        Some(Stage { bracket: None, rung: bracket.rung_at(trial.budget) + 1, rungs: bracket.rungs.len() })
    }
}

/// A loss of a trial. The order is that of the ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Standing {
    loss: f64,
    trial: TrialId,
}

impl Eq for Standing {}

impl Ord for Standing {
    fn cmp(&self, other: &Self) -> Ordering {
        self.loss.total_cmp(&other.loss).then(self.trial.cmp(&other.trial))
    }
}

impl PartialOrd for Standing {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The trials that came to one budget.
#[derive(Debug, Default)]
struct Rung {
    /// The best of them, one of every `factor`.
    top: BTreeSet<Standing>,
    /// The others.
    rest: BTreeSet<Standing>,
    /// Those that can go on.
    paused: BTreeSet<Standing>,
}

impl Rung {
    fn remove(&mut self, standing: Standing) {
        self.paused.remove(&standing);
        if !self.top.remove(&standing) {
            self.rest.remove(&standing);
        }
    }

    fn insert(&mut self, standing: Standing, is_paused: bool) {
        if is_paused {
            self.paused.insert(standing);
        }
        let is_of_the_best = self.top.last().is_some_and(|last| standing < *last);
        if is_of_the_best {
            self.top.insert(standing)
        } else {
            self.rest.insert(standing)
        };
    }

    /// Moves what is on the wrong side after trials came or went.
    fn level(&mut self, factor: u32) {
        let size = (self.top.len() + self.rest.len()) / factor as usize;
        while self.top.len() > size {
            self.rest.extend(self.top.pop_last());
        }
        while self.top.len() < size {
            self.top.extend(self.rest.pop_first());
        }
    }

    fn promotable(&self) -> Option<TrialId> {
        let best = self.paused.first()?;
        self.top.last().is_some_and(|last| best <= last).then_some(best.trial)
    }
}

/// The ranking at every budget, kept up to date with what changes in history: a cache.
#[derive(Debug, Default)]
struct Standings {
    revision: u64,
    rungs: Vec<Rung>,
    /// Where each trial stands, from the lowest rung on.
    known: BTreeMap<TrialId, Vec<(usize, Standing)>>,
}

impl Standings {
    fn follow(&mut self, study: &StudyView<'_>, ladder: &Ladder) {
        self.rungs.resize_with(ladder.budgets().len(), Rung::default);
        for trial in study.history.changed_since(self.revision) {
            for (rung, standing) in self.known.remove(&trial.id).unwrap_or_default() {
                self.rungs[rung].remove(standing);
                self.rungs[rung].level(ladder.factor());
            }
            let reached = standings_of(study, ladder, trial);
            for &(rung, standing) in &reached {
                let is_paused = trial.state == TrialState::Paused && trial.budget == ladder.budgets()[rung];
                self.rungs[rung].insert(standing, is_paused);
                self.rungs[rung].level(ladder.factor());
            }
            self.known.insert(trial.id, reached);
        }
        self.revision = study.history.revision();
    }

    /// A trial to go on with, from the highest rung that has one.
    fn promotion(&self, ladder: &Ladder) -> Option<Proposal> {
        let mut steps = self.rungs.iter().zip(ladder.budgets().iter().skip(1)).rev();
        steps.find_map(|(rung, &budget)| Some(Proposal::Resume { trial: rung.promotable()?, budget }))
    }

    /// The best trial of the highest rung, if nothing was trained in full.
    fn last_resort(&self, ladder: &Ladder) -> Option<Proposal> {
        let (full, below) = self.rungs.split_last()?;
        if !full.rest.is_empty() || !full.top.is_empty() {
            return None;
        }
        let mut steps = below.iter().zip(ladder.budgets().iter().skip(1)).rev();
        steps.find_map(|(rung, &budget)| Some(Proposal::Resume { trial: rung.paused.first()?.trial, budget }))
    }
}

fn standings_of(study: &StudyView<'_>, ladder: &Ladder, trial: &Trial) -> Vec<(usize, Standing)> {
    let losses = ladder.budgets().iter().map_while(|&epochs| loss_at(study, trial, epochs)).enumerate();
    losses.map(|(rung, loss)| (rung, Standing { loss, trial: trial.id })).collect()
}
