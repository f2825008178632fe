//! Stopping trials that are worse than most others were at the same epoch.

use serde::{Deserialize, Serialize};

use super::{Decision, Proposal, Stage, Strategy, StrategyError, StudyView};
use crate::objective::Objective;
use crate::trial::{Execution, Trial, TrialId, TrialState};

/// Which trials are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Those worse than half of the others.
    Median,
    /// Those that are not among the best `percentile` percent.
    Percentile,
}

/// What can be set, in `[pruning]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruningSettings {
    /// Which trials are stopped.
    pub rule: Rule,
    /// Of `percentile`: the share of the trials that go on, in percent, from 0 to 100.
    #[serde(default = "half")]
    pub percentile: f64,
    /// No trial is stopped before so many were completed.
    #[serde(default = "warmup_trials")]
    pub warmup_trials: u64,
    /// No trial is stopped before it was trained for so many epochs.
    #[serde(default = "one")]
    pub warmup_epochs: u32,
    /// Trials are judged every so many epochs.
    #[serde(default = "one")]
    pub interval: u32,
}

fn half() -> f64 {
    50.0
}

fn warmup_trials() -> u64 {
    5
}

fn one() -> u32 {
    1
}

impl PruningSettings {
    /// A rule with everything else as it is by default.
    pub fn new(rule: Rule) -> Self {
        Self { rule, percentile: half(), warmup_trials: warmup_trials(), warmup_epochs: one(), interval: one() }
    }

    /// The share of the trials that go on, in 0..=1.
    fn share(&self) -> f64 {
        match self.rule {
            Rule::Median => 0.5,
            Rule::Percentile => (self.percentile / 100.0).clamp(0.0, 1.0),
        }
    }
}

/// A strategy with a rule that stops trials early, whatever the strategy is.
///
/// A trial is stopped after an epoch when its score so far is worse than the quantile of the scores that other trials had
/// after as many epochs (Golovin et al., *Google Vizier*, 2017). A score is that of the objective: the best epoch so far.
pub struct Pruned {
    inner: Box<dyn Strategy>,
    settings: PruningSettings,
}

impl Pruned {
    /// Adds the rule to a strategy.
    pub fn new(inner: Box<dyn Strategy>, settings: PruningSettings) -> Self {
        Self { inner, settings }
    }

    fn is_hopeless(&self, study: &StudyView<'_>, trial: &Trial) -> Option<bool> {
        let settings = &self.settings;
        let epochs = trial.executions.iter().map(Execution::epochs_done).min()?;
        let since_warmup = epochs.checked_sub(settings.warmup_epochs.max(1));
        if since_warmup.is_none_or(|epochs| !epochs.is_multiple_of(settings.interval.max(1))) {
            return Some(false);
        }
        let completed = study.history.iter().filter(|other| other.state == TrialState::Completed);
        if (completed.take(settings.warmup_trials as usize).count() as u64) < settings.warmup_trials {
            return Some(false);
        }
        let own = trial.score_at(study.objective, epochs)?;
        let others = study.history.at_budget(study.objective, epochs).filter(|(other, _)| other.id != trial.id);
        let bar = quantile(study.objective, others.map(|(_, score)| score).collect(), settings.share())?;
        Some(study.objective.is_better(bar, own))
    }
}

/// The worst of the best `share` of some scores, at least the best one; `None` if there are none.
fn quantile(objective: &Objective, scores: Vec<f64>, share: f64) -> Option<f64> {
    let sign = objective.direction.sign();
    let mut losses: Vec<f64> = scores.into_iter().map(|score| sign * score).collect();
    let at = ((losses.len() as f64 * share).ceil() as usize).max(1) - 1;
    let last = losses.len().checked_sub(1)?;
    let (_, loss, _) = losses.select_nth_unstable_by(at.min(last), f64::total_cmp);
    Some(sign * *loss)
}

impl Strategy for Pruned {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        self.inner.propose(study)
    }

    fn decide(&self, study: &StudyView<'_>, trial: TrialId) -> Decision {
        let decision = self.inner.decide(study, trial);
        let is_hopeless = || study.history.get(trial).and_then(|trial| self.is_hopeless(study, trial));
        if decision == Decision::Continue && is_hopeless() == Some(true) { Decision::Stop } else { decision }
    }

    fn stage(&self, epochs: u32, trial: &Trial) -> Option<Stage> {
        self.inner.stage(epochs, trial)
    }

    fn may_resume(&self, study: &StudyView<'_>, trial: &Trial) -> bool {
        self.inner.may_resume(study, trial)
    }
}
