//! Streams of random numbers, derived from what they are for, so that none has to be saved.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the numbers are drawn for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The tensor library's own stream: initial weights (epoch 0) and dropout.
    Device = 1,
    /// The order of the samples.
    Shuffle = 2,
    /// Augmentation of samples, and mixing of pairs.
    Augment = 3,
}

/// The stream of one purpose in one epoch of a training.
pub(crate) fn stream(seed: u64, epoch: u32, purpose: Purpose) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(epoch) << 8 | purpose as u64);
    rng
}

/// A seed for the tensor library in one epoch of a training.
pub(crate) fn device_seed(seed: u64, epoch: u32) -> u64 {
    stream(seed, epoch, Purpose::Device).next_u64()
}
