//! What can be said of a study as a whole.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::History;
use crate::objective::Objective;
use crate::trial::{Execution, Trial, TrialState};

/// How many trials are in which state, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// With work to do, and nobody at it.
    pub waiting: u64,
    /// Under way.
    pub running: u64,
    /// Short of a full training, and perhaps taken up again.
    pub paused: u64,
    /// Trained to their end.
    pub completed: u64,
    /// Ended by the strategy.
    pub pruned: u64,
    /// Failed, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Found infeasible after they were begun or asked for, by reason.
    pub infeasible: BTreeMap<String, u64>,
    /// Infeasible configurations that never became a trial, by reason.
    pub rejected: BTreeMap<String, u64>,
}

impl Counts {
    /// The counts of a history.
    pub fn of(history: &History) -> Self {
        let mut counts = Self::default();
        for trial in history.iter() {
            match &trial.state {
                TrialState::Waiting => counts.waiting += 1,
                TrialState::Running => counts.running += 1,
                TrialState::Paused => counts.paused += 1,
                TrialState::Completed => counts.completed += 1,
                TrialState::Pruned => counts.pruned += 1,
                TrialState::Failed(failure) => *counts.failed.entry(failure.reason.to_string()).or_default() += 1,
                TrialState::Infeasible(infeasible) => {
                    *counts.infeasible.entry(infeasible.reason.to_string()).or_default() += 1;
                }
            }
            for (reason, count) in &trial.rejected {
                *counts.rejected.entry(reason.to_string()).or_default() += count;
            }
        }
        counts
    }
}

/// The completed trials, best first; among equals the earlier one.
pub fn ranking<'h>(history: &'h History, objective: &Objective) -> Vec<&'h Trial> {
    ranked(history.scored().collect(), objective)
}

/// The trials that paused and have not gone on, by the budget that they came to: the highest budget first, and
/// at each budget the best trial first. Scores at different budgets do not compare.
pub fn paused<'h>(history: &'h History, objective: &Objective) -> Vec<(u32, Vec<&'h Trial>)> {
    let mut budgets: BTreeMap<u32, Vec<(&Trial, f64)>> = BTreeMap::new();
    for trial in history.pending().filter(|trial| trial.state == TrialState::Paused) {
        let score = trial.score_at(objective, trial.budget).unwrap_or(f64::NAN);
        budgets.entry(trial.budget).or_default().push((trial, score));
    }
    budgets.into_iter().rev().map(|(budget, trials)| (budget, ranked(trials, objective))).collect()
}

fn ranked<'h>(mut scored: Vec<(&'h Trial, f64)>, objective: &Objective) -> Vec<&'h Trial> {
    scored.sort_by(|(_, a), (_, b)| {
        if objective.is_better(*a, *b) {
            std::cmp::Ordering::Less
        } else if objective.is_better(*b, *a) {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Equal
        }
    });
    scored.into_iter().map(|(trial, _)| trial).collect()
}

/// Epochs trained, and those that were not because trials paused, were stopped or ended early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Effort {
    /// Epochs of all executions of all trials.
    pub trained: u64,
    /// Epochs that would have been needed besides to train every execution that began in full. Trials that failed, or are
    /// under way, are left out.
    pub saved: u64,
}

impl Effort {
    /// The effort of a history, where a full training takes `epochs`.
    pub fn of(history: &History, epochs: u32) -> Self {
        let mut effort = Self::default();
        for trial in history.iter() {
            effort.trained += trial.epochs_trained();
            if matches!(trial.state, TrialState::Paused | TrialState::Completed | TrialState::Pruned) {
                let left = |execution: &Execution| u64::from(epochs.saturating_sub(execution.epochs_done()));
                effort.saved += trial.executions.iter().map(left).sum::<u64>();
            }
        }
        effort
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Params;
    use crate::trial::{Epoch, TrialId};

    fn trial(id: u64, state: TrialState, losses: &[f64]) -> Trial {
        let mut execution = Execution::new(0);
        execution.epochs = (1..).zip(losses).map(|(epoch, &loss)| Epoch::new(epoch, 0.0, [("loss", loss)])).collect();
        let params = Params::from_iter([("x", id as i64)]);
        Trial { state, executions: vec![execution], ..Trial::new(TrialId(id), params, losses.len() as u32) }
    }

    #[test]
    fn paused_trials_are_ranked_within_their_budget() {
        let objective = Objective::infer("loss").unwrap();
        let history = History::from_iter([
            trial(1, TrialState::Paused, &[3.0]),
            trial(2, TrialState::Paused, &[5.0, 4.0, 3.5]),
            trial(3, TrialState::Paused, &[1.0]),
            trial(4, TrialState::Completed, &[0.5, 0.4, 0.3]),
            trial(5, TrialState::Paused, &[f64::NAN]),
        ]);
        let by_budget = paused(&history, &objective).into_iter();
        let numbers: Vec<(u32, Vec<u64>)> =
            by_budget.map(|(budget, trials)| (budget, trials.iter().map(|trial| trial.id.0).collect())).collect();
        assert_eq!(numbers, [(3, vec![2]), (1, vec![3, 1, 5])]);
        assert_eq!(Effort::of(&history, 9), Effort { trained: 9, saved: 8 + 6 + 8 + 6 + 8 });
    }
}
