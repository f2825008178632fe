//! What a model-based strategy learns from.

use std::collections::HashSet;

use super::StudyView;
use super::encoding::{Encoding, Point, fingerprint, replace_inactive};
use crate::objective::Direction;
use crate::trial::{Trial, TrialState};

/// How many trials back a failure is of late.
const LATELY: usize = 10;

/// Results, as points and losses.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Configurations with their losses, lower is better, in the order of the trials.
    pub observed: Vec<(Point, f64)>,
    /// Configurations that failed.
    pub failed: Vec<Point>,
    /// Whether one of the last ten trials that came to an end failed.
    pub failed_lately: bool,
    /// Configurations that are still under way.
    pub pending: Vec<Point>,
}

impl Evidence {
    /// All trials of a study. A trial that was pruned counts with its score so far, or as the median of the
    /// completed ones where that is worse: what was stopped early for being bad must not look good.
    pub fn of_study(encoding: &Encoding<'_>, study: &StudyView<'_>) -> Self {
        let sign = match study.objective.direction {
            Direction::Minimize => 1.0,
            Direction::Maximize => -1.0,
        };
        let mut evidence = Self::default();
        let mut pruned = Vec::new();
        for trial in study.history.iter() {
            let Some(point) = encoding.encode(&trial.params) else { continue };
            match &trial.state {
                TrialState::Completed => match finite_score(trial) {
                    Some(score) => evidence.observed.push((point, sign * score)),
                    None => evidence.failed.push(point),
                },
                TrialState::Pruned => pruned.push((point, finite_score(trial).map(|score| sign * score))),
                TrialState::Failed(_) | TrialState::Infeasible(_) => evidence.failed.push(point),
                TrialState::Waiting | TrialState::Running | TrialState::Paused => evidence.pending.push(point),
            }
        }
        let ended = study.history.iter().filter(|trial| trial.state.is_final());
        evidence.failed_lately = ended.rev().take(LATELY).any(has_failed);
        if let Some(median) = median(evidence.observed.iter().map(|(_, loss)| *loss)) {
            let at_least = |loss: Option<f64>| loss.map_or(median, |loss| loss.max(median));
            evidence.observed.extend(pruned.into_iter().map(|(point, loss)| (point, at_least(loss))));
        } else {
            evidence.observed.extend(pruned.into_iter().filter_map(|(point, loss)| Some((point, loss?))));
        }
        evidence
    }

    /// The same with other coordinates in place of inactive ones.
    pub fn with_inactive(&self, others: &[f64]) -> Self {
        let mut replaced = self.clone();
        let observed = replaced.observed.iter_mut().map(|(point, _)| point);
        for point in observed.chain(&mut replaced.failed).chain(&mut replaced.pending) {
            *point = replace_inactive(point, others);
        }
        replaced
    }

    /// The fingerprint of every configuration in it.
    pub fn tried(&self) -> HashSet<u64> {
        let observed = self.observed.iter().map(|(point, _)| point);
        observed.chain(&self.failed).chain(&self.pending).map(|point| fingerprint(point)).collect()
    }

    /// The positions of the observations, the best first.
    pub fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.observed.len()).collect();
        order.sort_by(|&a, &b| self.observed[a].1.total_cmp(&self.observed[b].1));
        order
    }
}

fn has_failed(trial: &Trial) -> bool {
    match trial.state {
        TrialState::Failed(_) | TrialState::Infeasible(_) => true,
        TrialState::Completed => finite_score(trial).is_none(),
        _ => false,
    }
}

fn finite_score(trial: &Trial) -> Option<f64> {
    trial.score.filter(|score| score.is_finite())
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
