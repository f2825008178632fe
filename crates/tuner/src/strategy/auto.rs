//! The strategy that the study asks for.

use super::{Bayesian, Grid, Proposal, Settings, Strategy, StrategyError, StudyView, Tpe};
use crate::space::{Size, Space};
use crate::strategy::Decision;
use crate::trial::TrialId;

/// Up to so many hyperparameters, a Gaussian process costs less than a second per proposal.
const MOST_DIMENSIONS: usize = 60;

/// What was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The strategy's name.
    pub strategy: &'static str,
    /// The reason, to be shown: `100 trials for 30000 configurations: …`.
    pub reason: String,
}

/// Chooses the strategy for a search of `space` in so many trials.
///
/// A space with no more configurations than trials is searched exhaustively. Otherwise it is `bayesian`, which is the best
/// of all strategies at every budget that was measured, unless the space is too wide for its process.
pub fn choose(space: &Space, trials: u64) -> Choice {
    let dimensions = space.searched().count();
    let size = space.size();
    match size {
        Size::Finite(size) if size <= u128::from(trials) => Choice {
            strategy: "grid",
            reason: format!("{trials} trials are enough for every one of {size} configurations"),
        },
        _ if dimensions > MOST_DIMENSIONS => Choice {
            strategy: "tpe",
            reason: format!("with {dimensions} hyperparameters a Gaussian process would be slow, and knows too little"),
        },
        _ => Choice {
            strategy: "bayesian",
            reason: format!(
                "{trials} trials cannot cover {}: a model of the results so far chooses the next one",
                match size {
                    Size::Finite(size) => format!("{size} configurations"),
                    _ => "the space".to_owned(),
                }
            ),
        },
    }
}

/// The strategy that [`choose`] chooses.
#[derive(Debug, Default)]
pub struct Auto {
    grid: Grid,
    tpe: Tpe,
    bayesian: Bayesian,
}

impl Auto {
    /// With these settings for whatever will be chosen.
    pub fn new(settings: &Settings) -> Self {
        Self {
            grid: Grid::new(settings.grid_points),
            tpe: Tpe::new(settings.tpe),
            bayesian: Bayesian::new(settings.bayesian),
        }
    }
}

impl Strategy for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let trials = study.history.started() + study.trials_left;
        match choose(study.space, trials).strategy {
            "grid" => self.grid.propose(study),
            "tpe" => self.tpe.propose(study),
            _ => self.bayesian.propose(study),
        }
    }

    fn decide(&self, _: &StudyView<'_>, _: TrialId) -> Decision {
        Decision::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Hyperparameter};

    fn space(hyperparameters: usize, domain: &Domain) -> Space {
        Space::new((0..hyperparameters).map(|i| Hyperparameter::new(format!("x{i}"), domain.clone())).collect())
            .unwrap()
    }

    #[test]
    fn choice_follows_size_and_budget() {
        let pairs = space(2, &Domain::int(1, 5).unwrap());
        assert_eq!(choose(&pairs, 25).strategy, "grid");
        assert_eq!(choose(&pairs, 24).strategy, "bayesian");
        let wide = space(MOST_DIMENSIONS + 1, &Domain::float(0.0, 1.0).unwrap());
        assert_eq!(choose(&wide, 100).strategy, "tpe");
        insta::assert_snapshot!(choose(&pairs, 24).reason, @"24 trials cannot cover 25 configurations: a model of the results so far chooses the next one");
        insta::assert_snapshot!(choose(&pairs, 30).reason, @"30 trials are enough for every one of 25 configurations");
    }
}
