//! What a model-based strategy learns from.

use std::collections::HashSet;

use super::StudyView;
use super::encoding::{Dimension, Encoding, Point, fingerprint, replace_inactive};
use super::rungs::loss_at;
use crate::trial::{Execution, Trial, TrialState};

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
    /// Whether every point has one coordinate more: the budget of the result, from 0 for one epoch to
    /// [`FULL_TRAINING`].
    pub has_budgets: bool,
}

/// The coordinate of the budget of a full training.
pub const FULL_TRAINING: f64 = 1.0;

impl Evidence {
    /// All trials of a study. A trial that was pruned counts with its score so far, or as the median of the
    /// completed ones where that is worse: what was stopped early for being bad must not look good.
    pub fn of_study(encoding: &Encoding<'_>, study: &StudyView<'_>) -> Self {
        let sign = study.objective.direction.sign();
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

    /// The results that trials had at each of `budgets`, the last of which is a full training. A trial that ended early
    /// for lack of progress counts as trained in full.
    pub fn of_rungs(encoding: &Encoding<'_>, study: &StudyView<'_>, budgets: &[u32]) -> Self {
        let full = budgets.last().copied().unwrap_or(1);
        let coordinate = |epochs: u32| {
            if epochs >= full {
                FULL_TRAINING
            } else {
                libm::log(f64::from(epochs.max(1))) / libm::log(f64::from(full))
            }
        };
        let mut evidence = Self { has_budgets: true, ..Self::default() };
        for trial in study.history.iter() {
            let Some(point) = encoding.encode(&trial.params) else { continue };
            let at = |budget: f64| [point.as_slice(), &[budget]].concat();
            let rungs = budgets.iter().filter_map(|&epochs| Some((epochs, loss_at(study, trial, epochs)?)));
            evidence.observed.extend(rungs.map(|(epochs, loss)| (at(coordinate(epochs)), loss)));
            let last = finite_score(trial).map(|score| study.objective.direction.sign() * score);
            match (&trial.state, last) {
                (TrialState::Completed, Some(loss)) if trial.budget < full => {
                    evidence.observed.push((at(FULL_TRAINING), loss));
                }
                (TrialState::Pruned, Some(loss)) => {
                    let epochs = trial.executions.iter().map(Execution::epochs_done).min().unwrap_or(0);
                    evidence.observed.push((at(coordinate(epochs)), loss));
                }
                (TrialState::Failed(_) | TrialState::Infeasible(_), _) => evidence.failed.push(at(FULL_TRAINING)),
                (TrialState::Waiting | TrialState::Running, _) => evidence.pending.push(at(coordinate(trial.budget))),
                _ => {}
            }
        }
        evidence
    }

    /// The results at the highest of `budgets` that at least `enough` trials have come to, or else at the lowest; trials
    /// that are there no more, or not yet, are left out.
    pub fn at_highest(encoding: &Encoding<'_>, study: &StudyView<'_>, budgets: &[u32], enough: usize) -> Self {
        let mut evidence = Self::default();
        for &budget in budgets.iter().rev() {
            evidence.observed.clear();
            for trial in study.history.iter() {
                if let Some(loss) = loss_at(study, trial, budget)
                    && let Some(point) = encoding.encode(&trial.params)
                {
                    evidence.observed.push((point, loss));
                }
            }
            if evidence.observed.len() >= enough {
                break;
            }
        }
        for trial in study.history.iter() {
            let Some(point) = encoding.encode(&trial.params) else { continue };
            match trial.state {
                TrialState::Failed(_) | TrialState::Infeasible(_) => evidence.failed.push(point),
                TrialState::Waiting | TrialState::Running => evidence.pending.push(point),
                TrialState::Paused | TrialState::Completed | TrialState::Pruned => {}
            }
        }
        evidence
    }

    /// What a point is made of.
    pub fn dimensions(&self, encoding: &Encoding<'_>) -> Vec<Dimension> {
        let budget = self.has_budgets.then_some(Dimension::Continuous);
        encoding.dimensions().iter().copied().chain(budget).collect()
    }

    /// A configuration as a point of full training.
    pub fn at_full(&self, configuration: &[f64]) -> Point {
        let budget: &[f64] = if self.has_budgets { &[FULL_TRAINING] } else { &[] };
        [configuration, budget].concat()
    }

    fn configuration<'p>(&self, point: &'p [f64]) -> &'p [f64] {
        &point[..point.len() - usize::from(self.has_budgets)]
    }

    /// The configurations with the best results, at most so many.
    pub fn best(&self, most: usize) -> Vec<Point> {
        let mut seen = HashSet::new();
        let ranked = self.ranking().into_iter().map(|i| self.configuration(&self.observed[i].0));
        ranked.filter(|configuration| seen.insert(fingerprint(configuration))).take(most).map(<[f64]>::to_vec).collect()
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
        let points = observed.chain(&self.failed).chain(&self.pending);
        points.map(|point| fingerprint(self.configuration(point))).collect()
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
