//! How much a trial of a configuration promises.

use super::super::encoding::Dimension;
use super::super::evidence::Evidence;
use super::super::numeric::normal;
use super::gp::{Data, Gp, Normal, Priors, Theta};
use super::success::Success;
use super::warp::Warp;

/// Beyond this many results, a selection of them is used: the best half of it, and others spread evenly by rank.
const MOST_RESULTS: usize = 300;
/// The same for fitting the hyperparameters, which takes many factorisations.
pub(super) const MOST_FITTED: usize = 120;
/// Evaluations of the posterior from each start.
const EVALUATIONS: usize = 30;

/// The logarithm of the expected improvement, plus what the chance of [success](Success) weighs.
///
/// The improvement is that of the *result*, noise included, over the best result: what is kept in the end is the
/// best trial that was seen.
#[derive(Debug)]
pub struct Acquisition<'a> {
    loss: Gp<'a>,
    best: f64,
    success: Option<Success<'a>>,
}

impl<'a> Acquisition<'a> {
    /// Fits the models; `None` if there are fewer than two results to fit them to.
    pub fn new(dimensions: &'a [Dimension], evidence: &Evidence) -> Option<Self> {
        let ranking = evidence.ranking();
        if ranking.len() < 2 || dimensions.is_empty() {
            return None;
        }
        let losses: Vec<f64> = evidence.observed.iter().map(|(_, loss)| *loss).collect();
        let targets = Warp::turn(losses.len()).apply(&losses);
        let best = targets[ranking[0]];
        let rows_of =
            |chosen: &[usize]| -> Vec<&[f64]> { chosen.iter().map(|&i| evidence.observed[i].0.as_slice()).collect() };
        let targets_of = |chosen: &[usize]| -> Vec<f64> { chosen.iter().map(|&i| targets[i]).collect() };
        let fitted = select(&ranking, MOST_FITTED);
        let theta = fit(dimensions, &rows_of(&fitted), targets_of(&fitted), &LOSS)?;
        let used = select(&ranking, MOST_RESULTS);
        let (mut rows, mut y) = (rows_of(&used), targets_of(&used));
        let mut loss = Data::new(dimensions, &rows, y.clone()).condition(&theta, LOSS.mean_variance)?;
        if !evidence.pending.is_empty() {
            let pending: Vec<&[f64]> = evidence.pending.iter().map(Vec::as_slice).collect();
            y.extend(loss.means(&pending));
            rows.extend(pending);
            loss = Data::new(dimensions, &rows, y).condition(&theta, LOSS.mean_variance)?;
        }
        Some(Self { loss, best, success: Success::new(dimensions, evidence, &rows_of(&used)) })
    }

    /// The value at each of `rows`.
    pub fn at(&self, rows: &[&[f64]]) -> Vec<f64> {
        let improvement = |(mean, variance): (f64, f64)| {
            let sd = (variance + self.loss.noise()).sqrt();
            normal::log_improvement((self.best - mean) / sd) + libm::log(sd)
        };
        let mut values: Vec<f64> = self.loss.posterior(rows).into_iter().map(improvement).collect();
        if let Some(success) = &self.success {
            for (value, weight) in values.iter_mut().zip(success.log_weights(rows)) {
                *value += weight;
            }
        }
        values
    }
}

/// At most `most` of a ranking: the better half of them all, and the others spread evenly over the rest.
fn select(ranking: &[usize], most: usize) -> Vec<usize> {
    let (best, rest) = ranking.split_at(ranking.len().min(most / 2));
    best.iter().copied().chain(spread(rest, most - best.len())).collect()
}

/// At most `most` of a list, spread evenly over it.
pub(super) fn spread<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    let count = all.len().min(most);
    (0..count).map(|i| all[i * all.len() / count]).collect()
}

const LOSS: Priors = Priors {
    mean_variance: 0.2,
    signal: Normal { mean: 0.0, sd: 1.0 },
    noise: Normal { mean: -2.0, sd: 1.5 },
    length: Normal { mean: 0.5, sd: 1.0 },
    choice_length: Normal { mean: 0.7, sd: 1.0 },
};

pub(super) fn fit(dimensions: &[Dimension], rows: &[&[f64]], y: Vec<f64>, priors: &Priors) -> Option<Theta> {
    let start = |log_length: f64, log_noise: f64| {
        let mut theta = vec![0.0, log_noise];
        theta.resize(2 + dimensions.len(), log_length);
        theta
    };
    let starts = [start(0.0, -4.0), start(1.0, -1.0)];
    Data::new(dimensions, rows, y).most_probable(priors, &starts, EVALUATIONS).map(|(theta, _)| theta)
}
