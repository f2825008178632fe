//! Grid search.

use super::draw::{Drawn, Sieve};
use super::{Proposal, Settings, Strategy, StrategyError, StudyView};

/// How many infeasible configurations in a row are skipped. The grid's slow dimensions can make a long run of them.
const INFEASIBLE_IN_A_ROW: u64 = 1 << 20;

/// The full product of all values, in the order of [`Space::iter`](crate::Space::iter): the last hyperparameter
/// fastest, each beginning at its default. Of a continuous range it takes some evenly spread points.
#[derive(Debug)]
pub struct Grid {
    points: u32,
}

impl Grid {
    /// A grid with so many points, both ends among them, of each continuous range.
    pub fn new(points: u32) -> Self {
        Self { points }
    }
}

impl Default for Grid {
    fn default() -> Self {
        Self::new(Settings::default().grid_points)
    }
}

impl Strategy for Grid {
    fn name(&self) -> &'static str {
        "grid"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        Ok(self.next(study)?.map_or(Proposal::Exhausted, |drawn| drawn.start(study.epochs)))
    }
}

impl Grid {
    fn next(&self, study: &StudyView<'_>) -> Result<Option<Drawn>, StrategyError> {
        let mut sieve = Sieve::new(study);
        if let Some(drawn) = sieve.first() {
            return Ok(Some(drawn));
        }
        let all = study.space.iter_with_points(self.points);
        // The last trial says how far the grid has come: nothing else is remembered.
        let ahead = match study.history.iter().rev().find(|trial| !trial.enqueued) {
            Some(last) => all.clone().after(&last.params),
            None => all.clone(),
        };
        for params in ahead {
            if sieve.admits(&params) {
                return Ok(Some(sieve.drawn(params)));
            }
            if sieve.infeasible() >= INFEASIBLE_IN_A_ROW {
                return sieve.nothing_found();
            }
        }
        self.passed_over(study, &sieve)
    }

    /// What an earlier pass left out, because its trial was lost or the last one was not on the grid.
    fn passed_over(&self, study: &StudyView<'_>, ahead: &Sieve<'_>) -> Result<Option<Drawn>, StrategyError> {
        let size = study.space.size().finite();
        if size.is_some_and(|size| u128::from(study.history.configurations()) >= size) {
            return Ok(None);
        }
        let mut sieve = Sieve::new(study);
        for params in study.space.iter_with_points(self.points) {
            if sieve.admits(&params) {
                return Ok(Some(ahead.drawn(params)));
            }
        }
        if study.history.started() > 0 { Ok(None) } else { sieve.nothing_found() }
    }
}
