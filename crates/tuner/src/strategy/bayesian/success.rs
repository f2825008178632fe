//! Where trials succeed, learned from those that failed.

use super::super::encoding::Dimension;
use super::super::evidence::Evidence;
use super::super::numeric::normal;
use super::acquisition::{MOST_FITTED, fit, spread};
use super::gp::{Data, Gp, Normal, Priors};

/// How much surer of success than of failure a proposal is to be, in standard deviations; and the power to which the
/// probability of that is raised.
const MARGIN: f64 = 2.0;
const CAUTION: f64 = 4.0;
/// Of the trials that succeeded, the share that may have been likelier to fail than a proposal after a failure.
const DARING: f64 = 0.25;
/// What one standard deviation short of that weighs: more than any improvement.
const SHORTFALL: f64 = 1e3;

/// Failures come in regions, if there is anything to learn of them at all.
const PRIORS: Priors = Priors {
    mean_variance: 1.0,
    signal: Normal { mean: 0.0, sd: 1.0 },
    noise: Normal { mean: -3.0, sd: 1.0 },
    length: Normal { mean: 0.0, sd: 1.0 },
    choice_length: Normal { mean: 0.0, sd: 1.0 },
};

/// A process over 1 for trials that gave a result and -1 for those that failed: where it is above zero, a trial is likelier
/// to succeed than not.
///
/// A probability alone does not keep a search away from failures. Where a valley leads into a region that fails, its
/// expected improvement outweighs any probability by orders of magnitude, again and again, because nothing is measured
/// there that would end the promise. So, once a trial has failed lately, the next ones must be about as sure to
/// succeed as most of those that did. That is a standard which can be met: where failures come by chance, no
/// configuration is sure, and none is refused for it.
#[derive(Debug)]
pub struct Success<'a> {
    process: Gp<'a>,
    /// The least certainty, in standard deviations, after a failure.
    least: Option<f64>,
}

impl<'a> Success<'a> {
    /// Fits the process; `None` if nothing failed.
    pub fn new(dimensions: &'a [Dimension], evidence: &Evidence, succeeded: &[&[f64]]) -> Option<Self> {
        if evidence.failed.is_empty() {
            return None;
        }
        let failed: Vec<&[f64]> = evidence.failed.iter().rev().take(MOST_FITTED / 2).map(Vec::as_slice).collect();
        let succeeded = spread(succeeded, MOST_FITTED - failed.len());
        let mut y = vec![1.0; succeeded.len()];
        y.resize(succeeded.len() + failed.len(), -1.0);
        let rows: Vec<&[f64]> = succeeded.iter().copied().chain(failed).collect();
        let theta = fit(dimensions, &rows, y.clone(), &PRIORS)?;
        let process = Data::new(dimensions, &rows, y).condition(&theta, PRIORS.mean_variance)?;
        let mut success = Self { process, least: None };
        if evidence.failed_lately {
            let mut known = success.certainties(&succeeded);
            known.sort_by(f64::total_cmp);
            success.least = known.get((known.len() as f64 * DARING) as usize).map(|least| least.min(MARGIN));
        }
        Some(success)
    }

    /// What the chance of success adds to the logarithm of the improvement, at each of `rows`.
    pub fn log_weights(&self, rows: &[&[f64]]) -> Vec<f64> {
        let weight = |z: f64| {
            let short = self.least.map_or(0.0, |least| (least - z).max(0.0));
            CAUTION * normal::log_cdf(z - MARGIN) - SHORTFALL * short
        };
        self.certainties(rows).into_iter().map(weight).collect()
    }

    /// How far above zero an outcome is expected, in standard deviations.
    fn certainties(&self, rows: &[&[f64]]) -> Vec<f64> {
        let certainty = |(mean, variance): (f64, f64)| mean / (variance + self.process.noise()).sqrt();
        self.process.posterior(rows).into_iter().map(certainty).collect()
    }
}
