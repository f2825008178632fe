//! Bayesian optimisation: a Gaussian process over mixed, conditional spaces, and log expected improvement.
//!
//! A proposal is made from nothing but history. The losses are [warped](warp) to a normal shape; a
//! [Gaussian process](gp) is fitted to them; trials under way count with the value that is expected of them; where trials
//! failed, a second process learns where trials succeed. The proposal is the untried configuration
//! with the largest product of the expected improvement and the probability of success that a [search](search) finds;
//! where that product is nearly the same everywhere, the [Parzen estimator](super::tpe) proposes.

pub mod acquisition;
pub mod gp;
pub mod kernel;
pub mod search;
pub mod success;
pub mod warp;

use std::borrow::Cow;

use rand::Rng;
use serde::{Deserialize, Serialize};

use self::acquisition::Acquisition;
use self::search::Effort;
use super::draw::Draw;
use super::encoding::{Encoding, Point, replace_inactive};
use super::evidence::Evidence;
use super::tpe::{self, model::Shape};
use super::{Proposal, Strategy, StrategyError, StudyView, initial};

/// What can be set, in `[search.bayesian]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BayesianSettings {
    /// How many trials are spread evenly before the model is used. More make the search slower to start and
    /// less likely to overlook a region.
    pub initial: u64,
    /// What the model makes of inactive hyperparameters.
    pub inactive: Inactive,
}

impl Default for BayesianSettings {
    fn default() -> Self {
        Self { initial: 6, inactive: Inactive::Neutral }
    }
}

/// What a model makes of hyperparameters that are inactive in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inactive {
    /// They neither separate nor join two configurations.
    Neutral,
    /// They count as if they had their default values: what other tools do, here to compare with.
    Default,
}

/// Bayesian optimisation.
#[derive(Debug, Default)]
pub struct Bayesian {
    settings: BayesianSettings,
    draw: Draw,
}

impl Bayesian {
    /// With these settings.
    pub fn new(settings: BayesianSettings) -> Self {
        Self { settings, draw: Draw::default() }
    }
}

impl Strategy for Bayesian {
    fn name(&self) -> &'static str {
        "bayesian"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let encoding = Encoding::new(study.space);
        let settings = self.settings;
        let candidates = std::iter::once_with(|| {
            let evidence = Evidence::of_study(&encoding, study);
            if study.next_trial().0 <= settings.initial {
                return initial::points(&encoding, study.seed, study.next_trial()).take(100).collect();
            }
            suggestions(&encoding, &evidence, settings.inactive, &mut study.rng("bayesian"))
        });
        let drawn = self.draw.next(study, candidates.flatten().map(|point| encoding.decode(&point)))?;
        Ok(drawn.map_or(Proposal::Exhausted, |drawn| drawn.start(study.epochs)))
    }
}

const EFFORT: Effort = Effort { listed: 2_000, drawn: 500, mutated: 20, climbs: 3, steps: 10, blind: 32 };
/// The best trials, around which the search looks first.
const INCUMBENTS: usize = 5;

/// What to try next, the most promising first; nothing if there is too little evidence to go by.
///
/// Where noise hides what there is to learn, or little is known yet, the process is nearly flat, and its largest expected
/// improvement is in some corner, where its variance is. Then configurations drawn blindly promise as much, and the
/// [Parzen estimator](super::tpe), which stays close to good trials without a model of noise, goes first.
pub fn suggestions(encoding: &Encoding<'_>, evidence: &Evidence, inactive: Inactive, rng: &mut impl Rng) -> Vec<Point> {
    let best = evidence.best(INCUMBENTS);
    let defaults = (inactive == Inactive::Default).then(|| evidence.at_full(&encoding.defaults()));
    let modelled = match &defaults {
        None => Cow::Borrowed(evidence),
        Some(defaults) => Cow::Owned(evidence.with_inactive(defaults)),
    };
    let dimensions = evidence.dimensions(encoding);
    let Some(acquisition) = Acquisition::new(&dimensions, &modelled) else { return Vec::new() };
    let complete = |row: &[f64]| {
        let full = evidence.at_full(row);
        defaults.as_ref().map_or(full.clone(), |defaults| replace_inactive(&full, defaults))
    };
    let found = search::ranked(encoding, &best, evidence.tried(), EFFORT, rng, |rows| {
        let complete: Vec<Point> = rows.iter().map(|row| complete(row)).collect();
        acquisition.at(&complete.iter().map(Vec::as_slice).collect::<Vec<_>>())
    });
    // Of failures the process knows more, and of trainings of different length.
    if found.telling || !evidence.failed.is_empty() || evidence.has_budgets {
        return found.ranked;
    }
    let mut first = tpe::model::suggestions(encoding, evidence, &Shape::default(), rng);
    first.extend(found.ranked);
    first
}
