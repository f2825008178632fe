//! Tree-structured Parzen estimator.

pub mod model;
pub mod parzen;

use serde::{Deserialize, Serialize};

use self::model::Shape;
use super::draw::Draw;
use super::encoding::Encoding;
use super::evidence::Evidence;
use super::{Proposal, Strategy, StrategyError, StudyView, initial};

/// What can be set, in `[search.tpe]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TpeSettings {
    /// How many trials are spread evenly before the estimator is used.
    pub initial: u64,
    /// How many candidates are compared for each proposal. More make the search greedier.
    pub candidates: usize,
    /// The share of the trials that count as good.
    pub good: f64,
}

impl Default for TpeSettings {
    fn default() -> Self {
        Self { initial: 5, candidates: 64, good: 0.15 }
    }
}

impl TpeSettings {
    pub(super) fn shape(self) -> Shape {
        Shape { good: self.good, candidates: self.candidates, ..Shape::default() }
    }
}

/// Tree-structured Parzen estimator: of configurations drawn from the density of the good trials, the one that is
/// likeliest among good rather than among bad ones.
///
/// Bergstra et al., *Algorithms for hyper-parameter optimization*, 2011; multivariate, as in Falkner et al. 2018; which
/// details matter is from Watanabe 2023, arXiv 2304.11127. Failed trials and those under way count as bad.
#[derive(Debug, Default)]
pub struct Tpe {
    settings: TpeSettings,
    draw: Draw,
}

impl Tpe {
    /// With these settings.
    pub fn new(settings: TpeSettings) -> Self {
        Self { settings, draw: Draw::default() }
    }
}

impl Strategy for Tpe {
    fn name(&self) -> &'static str {
        "tpe"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let encoding = Encoding::new(study.space);
        let settings = self.settings;
        let candidates = std::iter::once_with(|| {
            if study.next_trial().0 <= settings.initial {
                return initial::points(&encoding, study.seed, study.next_trial()).take(100).collect();
            }
            let evidence = Evidence::of_study(&encoding, study);
            model::suggestions(&encoding, &evidence, &settings.shape(), &mut study.rng("tpe"))
        });
        let drawn = self.draw.next(study, candidates.flatten().map(|point| encoding.decode(&point)))?;
        Ok(drawn.map_or(Proposal::Exhausted, |drawn| drawn.start(study.epochs)))
    }
}
