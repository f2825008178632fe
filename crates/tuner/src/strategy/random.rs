//! Random search.

use super::draw::Draw;
use super::{Proposal, Strategy, StrategyError, StudyView};

/// Configurations drawn uniformly from the unit cube, none twice.
///
/// Bergstra and Bengio, *Random search for hyper-parameter optimization*, JMLR 13, 2012.
#[derive(Debug, Default)]
pub struct Random {
    draw: Draw,
}

impl Strategy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let drawn = self.draw.next(study, std::iter::empty())?;
        Ok(drawn.map_or(Proposal::Exhausted, |drawn| drawn.start(study.epochs)))
    }
}
