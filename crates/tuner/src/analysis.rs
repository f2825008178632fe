//! What can be said of a study as a whole.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::History;
use crate::objective::Objective;
use crate::trial::{Trial, TrialState};

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
    let mut scored: Vec<_> = history.scored().collect();
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
