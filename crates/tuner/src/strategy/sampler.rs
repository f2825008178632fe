//! Where a strategy that trains in rungs gets its new configurations from.

use serde::{Deserialize, Serialize};

use super::bayesian::{self, BayesianSettings};
use super::draw::{Draw, Drawn};
use super::encoding::{Encoding, Point};
use super::evidence::Evidence;
use super::tpe::{TpeSettings, model};
use super::{StrategyError, StudyView, initial};

/// How new configurations are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Uniformly.
    Random,
    /// By a Parzen estimator over the results at the highest budget that enough trials have come to (Falkner, Klein, Hutter 2018,
    /// arXiv 1807.01774).
    Tpe,
    /// By a Gaussian process over configurations and budgets at once, asked for full trainings (Swersky, Snoek, Adams
    /// 2014, arXiv 1406.3896, and Klein et al. 2017, arXiv 1605.07079, are the idea).
    #[default]
    Bayesian,
}

/// Draws configurations; what it keeps is a cache.
#[derive(Debug)]
pub(super) struct Source {
    sampler: Sampler,
    tpe: TpeSettings,
    bayesian: BayesianSettings,
    draw: Draw,
}

impl Source {
    pub(super) fn new(sampler: Sampler, tpe: TpeSettings, bayesian: BayesianSettings) -> Self {
        Self { sampler, tpe, bayesian, draw: Draw::default() }
    }

    /// The next configuration, given what came of the others at each of `budgets`; `None` when every one was tried.
    pub(super) fn next(&mut self, study: &StudyView<'_>, budgets: &[u32]) -> Result<Option<Drawn>, StrategyError> {
        let Self { sampler, tpe, bayesian, ref mut draw } = *self;
        let encoding = Encoding::new(study.space);
        // At the lowest budget a trial is cheap and says little: more of them are spread evenly than elsewhere.
        let dimensions = encoding.dimensions().len();
        let is_initial = |trials: u64| study.next_trial().0 <= trials.max(2 * dimensions as u64 + 2);
        let evenly =
            || -> Vec<Point> { initial::points(&encoding, study.seed, study.next_trial()).take(100).collect() };
        let candidates = std::iter::once_with(|| match sampler {
            Sampler::Random => Vec::new(),
            Sampler::Tpe if is_initial(tpe.initial) => evenly(),
            Sampler::Bayesian if is_initial(bayesian.initial) => evenly(),
            Sampler::Tpe => {
                // As many as there are hyperparameters, and two more.
                let evidence = Evidence::at_highest(&encoding, study, budgets, dimensions + 2);
                model::suggestions(&encoding, &evidence, &tpe.shape(), &mut study.rng("tpe"))
            }
            Sampler::Bayesian => {
                let evidence = Evidence::of_rungs(&encoding, study, budgets);
                bayesian::suggestions(&encoding, &evidence, bayesian.inactive, &mut study.rng("bayesian"))
            }
        });
        draw.next(study, candidates.flatten().map(|point| encoding.decode(&point)))
    }
}
