//! What a strategy is tried on.

use tuner::{Params, Space};

/// A task with a space and a known best loss.
pub trait Problem: Sync {
    /// The name, unique among the tasks of a run.
    fn name(&self) -> &str;

    /// Where it is searched.
    fn space(&self) -> &Space;

    /// How many epochs a full training takes.
    fn epochs(&self) -> u32 {
        1
    }

    /// What a training of `params` measures after each epoch; `None` if it fails. Noise depends on `seed`.
    fn train(&self, params: &Params, seed: u64) -> Option<Vec<Measured>>;

    /// How long an epoch of a configuration takes, in any unit.
    fn epoch_seconds(&self, params: &Params) -> f64 {
        let _ = params;
        1.0
    }

    /// (loss - best loss) / |median loss - best loss|: 0 is the best there is, 1 no better than half of the space.
    fn regret(&self, loss: f64) -> f64;
}

/// A loss, lower is better.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// As the strategy sees it.
    pub reported: f64,
    /// Without noise.
    pub actual: f64,
}

impl Measured {
    /// A loss without noise.
    pub fn exact(loss: f64) -> Self {
        Self { reported: loss, actual: loss }
    }
}
