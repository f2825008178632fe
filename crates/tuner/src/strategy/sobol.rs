//! A scrambled Sobol sequence.

use super::draw::Draw;
use super::{Proposal, Strategy, StrategyError, StudyView};

/// The points of an Owen-scrambled Sobol sequence, which cover the unit cube more evenly than random ones.
///
/// Point n belongs to trial n: what is tried does not depend on what became of earlier trials. In a space with
/// conditions each hyperparameter keeps its dimension, whether it is active or not. Directions of Joe and
/// Kuo (2008), scrambling by hashing (Burley, *Practical Hash-based Owen Scrambling*, JCGT 9, 2020).
#[derive(Debug, Default)]
pub struct Sobol {
    draw: Draw,
}

/// The sequence repeats itself after this many points.
const POINTS: u64 = 1 << 16;
const DIMENSIONS: usize = sobol_burley::NUM_DIMENSIONS as usize;

impl Strategy for Sobol {
    fn name(&self) -> &'static str {
        "sobol"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let dimensions = study.space.hyperparameters().len();
        let first = study.next_trial().0 - 1;
        // A point that is taken or infeasible is replaced by one that no trial of the study would come to by itself.
        let spare = u64::from(u32::MAX).max(first + study.trials_left);
        let points = std::iter::once(first).chain(spare..).map(|index| {
            let point: Vec<f64> = (0..dimensions).map(|dimension| coordinate(index, dimension, study.seed)).collect();
            study.space.from_unit(&point)
        });
        let drawn = self.draw.next(study, points)?;
        Ok(drawn.map_or(Proposal::Exhausted, |drawn| drawn.start(study.epochs)))
    }
}

/// Coordinate `dimension` of point `index`, in 0..1. Sequences of different seeds are independent; so are the blocks
/// of 65,536 points, and of 256 dimensions, that the construction is made of.
pub fn coordinate(index: u64, dimension: usize, seed: u64) -> f64 {
    let block = (index / POINTS) << 32 | (dimension / DIMENSIONS) as u64;
    let scramble = mix(mix(seed) ^ block);
    let point = sobol_burley::sample((index % POINTS) as u32, (dimension % DIMENSIONS) as u32, scramble as u32);
    f64::from(point)
}

/// The finalizer of `SplitMix64`.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every elementary interval of the first 2^k points holds as many as it should, in each dimension.
    #[test]
    fn points_are_stratified_in_each_dimension() {
        for dimension in [0, 1, 5, 40, 255, 256, 300] {
            for seed in [0, 1, u64::MAX] {
                let mut counts = [0; 64];
                for index in 0..64 {
                    let x = coordinate(index, dimension, seed);
                    assert!((0.0..1.0).contains(&x));
                    counts[(x * 64.0) as usize] += 1;
                }
                assert_eq!(counts, [1; 64], "dimension {dimension}, seed {seed}");
            }
        }
    }

    #[test]
    fn seeds_and_blocks_differ() {
        let point = |index, dimension, seed| coordinate(index, dimension, seed).to_bits();
        assert_ne!(point(3, 2, 0), point(3, 2, 1));
        assert_ne!(point(3, 2, 0), point(3 + POINTS, 2, 0));
        assert_ne!(point(3, 2, 0), point(3, 2 + 256, 0));
        assert_ne!(point(3, 2, 0), point(3, 2, 1 << 32));
    }
}
