//! Hyperband: many trials trained a little, and few in full.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::rungs::{Bracket, Ladder, Plan, Rung, loss_at};
use super::sampler::{Sampler, Source};
use super::{Proposal, Settings, Stage, Strategy, StrategyError, StudyView};
use crate::trial::{Execution, Trial, TrialId, TrialState};

/// What can be set, in `[search.hyperband]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HyperbandSettings {
    /// No trial pauses before so many epochs.
    pub min_epochs: u32,
    /// By how much budgets grow and numbers of trials shrink from one rung to the next; at least 2.
    pub factor: u32,
    /// How many times all brackets are run; without it, as often as the study has trials for.
    pub iterations: Option<u64>,
    /// Where configurations come from.
    pub sampler: Sampler,
}

impl Default for HyperbandSettings {
    fn default() -> Self {
        Self { min_epochs: 1, factor: 3, iterations: None, sampler: Sampler::default() }
    }
}

impl HyperbandSettings {
    /// What is trained in one iteration, where a full training takes `max_epochs`.
    pub fn plan(&self, max_epochs: u32) -> Plan {
        Ladder::new(max_epochs, self.min_epochs, self.factor).plan()
    }
}

/// Hyperband: brackets of successive halving that begin with trainings of different length, in which a trial that goes on is
/// the same trial, resumed.
///
/// The number of a trial says which bracket it belongs to: nothing else needs to be remembered. A bracket's rung is
/// decided when all its trials are there; meanwhile the next bracket begins. Where a trial fails, the next best one has its place. A
/// bracket that the space, or the study's number of trials, leaves incomplete shrinks in proportion, and still ends with
/// a full training.
///
/// Li, Jamieson, `DeSalvo`, Rostamizadeh, Talwalkar, *Hyperband*, JMLR 18, 2018, arXiv 1603.06560.
#[derive(Debug)]
pub struct Hyperband {
    settings: HyperbandSettings,
    source: Source,
    /// How many brackets, from the first on, are done with: a cache.
    done: u64,
}

impl Hyperband {
    /// With these settings.
    pub fn new(settings: &Settings) -> Self {
        let source = Source::new(settings.hyperband.sampler, settings.tpe, settings.bayesian);
        Self { settings: settings.hyperband, source, done: 0 }
    }
}

impl Default for Hyperband {
    fn default() -> Self {
        Self::new(&Settings::default())
    }
}

impl Strategy for Hyperband {
    fn name(&self) -> &'static str {
        "hyperband"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let ladder = Ladder::new(study.epochs, self.settings.min_epochs, self.settings.factor);
        let plan = ladder.plan();
        let next = plan.bracket_of(study.next_trial().0);
        let is_planned = self.settings.iterations.is_none_or(|most| next < most * plan.brackets.len() as u64);
        let may_start = is_planned && study.trials_left > 0;
        if let Some(promotion) = self.promote(study, &plan, !may_start) {
            return Ok(promotion);
        }
        if may_start {
            if let Some(drawn) = self.source.next(study, ladder.budgets())? {
                let first_rung = plan.bracket(next).0.rungs.first();
                return Ok(drawn.start(first_rung.map_or(study.epochs, |rung| rung.epochs)));
            }
            // Every configuration was tried: the brackets remain as they are.
            if let Some(promotion) = self.promote(study, &plan, true) {
                return Ok(promotion);
            }
        }
        Ok(match study.history.under_way().next() {
            Some(_) => Proposal::Wait,
            None if is_planned => Proposal::Exhausted,
            None => Proposal::Complete,
        })
    }

    fn stage(&self, epochs: u32, trial: &Trial) -> Option<Stage> {
        let plan = self.settings.plan(epochs);
        let index = plan.bracket_of(trial.id.0);
        let (bracket, _) = plan.bracket(index);
        Some(Stage { bracket: Some(index + 1), rung: bracket.rung_at(trial.budget) + 1, rungs: bracket.rungs.len() })
    }

    /// Not when its bracket is done with. One that is only incomplete, because the study has no more trials, can be
    /// given more.
    fn may_resume(&self, study: &StudyView<'_>, trial: &Trial) -> bool {
        let plan = self.settings.plan(study.epochs);
        let index = plan.bracket_of(trial.id.0);
        index >= self.done || plan.bracket(index).1.end > study.next_trial().0
    }
}

impl Hyperband {
    /// The next trial to go on with, from the first bracket that has one.
    fn promote(&mut self, study: &StudyView<'_>, plan: &Plan, nothing_new: bool) -> Option<Proposal> {
        for index in self.done.. {
            let (bracket, numbers) = plan.bracket(index);
            if numbers.start >= study.next_trial().0 {
                return None;
            }
            match next_of(study, bracket, numbers, nothing_new) {
                Next::Promote(trial, budget) => return Some(Proposal::Resume { trial, budget }),
                Next::Nothing if index == self.done => self.done += 1,
                Next::Nothing | Next::Later => {}
            }
        }
        None
    }
}

/// What there is to do in a bracket.
enum Next {
    /// Training a trial to the budget.
    Promote(TrialId, u32),
    /// Nothing before a trial has come or ended.
    Later,
    /// Nothing ever.
    Nothing,
}

fn next_of(study: &StudyView<'_>, bracket: &Bracket, numbers: Range<u64>, nothing_new: bool) -> Next {
    let used = numbers.end.min(study.next_trial().0) - numbers.start;
    if used < bracket.trials() && !nothing_new {
        return Next::Later;
    }
    let all: Vec<&Trial> = numbers.filter_map(|number| study.history.get(TrialId(number))).collect();
    for pair in bracket.rungs.windows(2) {
        let [rung, above] = [pair[0], pair[1]];
        if all.iter().any(|trial| trial.budget == rung.epochs && is_under_way(trial)) {
            return Next::Later;
        }
        let places = (used * above.trials / bracket.trials()).max(1);
        if let Some(trial) = best_below(study, &all, rung, above, places) {
            return Next::Promote(trial, above.epochs);
        }
    }
    if all.iter().any(|trial| is_under_way(trial)) { Next::Later } else { Next::Nothing }
}

fn is_under_way(trial: &Trial) -> bool {
    matches!(trial.state, TrialState::Waiting | TrialState::Running)
}

/// The best trial in `rung` that has not gone on, if fewer than `places` have. A trial that ended early
/// for lack of progress keeps its place: it has been trained as far as it goes.
fn best_below(study: &StudyView<'_>, all: &[&Trial], rung: Rung, above: Rung, places: u64) -> Option<TrialId> {
    let has_gone_on = |trial: &&&Trial| trial.budget >= above.epochs;
    let got_nowhere = |trial: &Trial| {
        matches!(trial.state, TrialState::Failed(_) | TrialState::Infeasible(_))
            && trial.executions.iter().any(|execution| Execution::epochs_done(execution) < above.epochs)
    };
    let taken = all.iter().filter(has_gone_on).filter(|trial| !got_nowhere(trial)).count() as u64;
    let waiting = all.iter().filter(|trial| trial.budget == rung.epochs);
    let ranked = waiting.filter_map(|trial| Some((loss_at(study, trial, rung.epochs)?, *trial)));
    let mut ranked: Vec<(f64, &Trial)> =
        ranked.filter(|(_, trial)| matches!(trial.state, TrialState::Paused | TrialState::Completed)).collect();
    ranked.sort_by(|(a, one), (b, other)| a.total_cmp(b).then(one.id.cmp(&other.id)));
    let within = ranked.iter().take(places.saturating_sub(taken) as usize);
    within.map(|(_, trial)| trial).find(|trial| trial.state == TrialState::Paused).map(|trial| trial.id)
}
