//! The first configurations of a model-based search: spread evenly, because nothing is known.

use super::encoding::{Encoding, Point};
use super::sobol;
use crate::trial::TrialId;

/// The points that a study of `seed` would try as trial `first` and after it: a scrambled Sobol sequence.
pub fn points<'e>(encoding: &'e Encoding<'_>, seed: u64, first: TrialId) -> impl Iterator<Item = Point> + 'e {
    (first.0.saturating_sub(1)..).map(move |index| {
        let unit = (0..encoding.dimensions().len()).map(|dimension| sobol::coordinate(index, dimension, seed));
        encoding.at_unit(unit)
    })
}
