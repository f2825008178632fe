//! Where all randomness comes from: streams that are derived, never stored.
//!
//! A stream belongs to a study's seed, a trial's number and a purpose, and to nothing else. What happened before, in
//! this process or another, does not move it, so that a resumed study draws what the uninterrupted one would have.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::trial::TrialId;

/// The stream of one trial of a study for one purpose.
///
/// `ChaCha` with 8 rounds under the key `seed ‖ trial ‖ FNV-1a(purpose) ‖ "tune v1\0"`, numbers in little-endian order.
pub fn stream(seed: u64, trial: TrialId, purpose: &str) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&trial.0.to_le_bytes());
    key[16..24].copy_from_slice(&fnv1a(purpose).to_le_bytes());
    key[24..].copy_from_slice(b"tune v1\0");
    ChaCha8Rng::from_seed(key)
}

/// The seed of one execution of a trial. It is below 2³², which every program can take.
pub fn execution_seed(seed: u64, trial: TrialId, execution: usize) -> u64 {
    stream(seed, trial, &format!("execution {execution}")).next_u32().into()
}

/// The 64-bit FNV-1a hash of Fowler, Noll and Vo.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_has_its_published_values() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn streams_differ_in_each_part() {
        let first = |seed, trial, purpose| stream(seed, TrialId(trial), purpose).next_u64();
        let base = first(0, 1, "random");
        assert_eq!(base, first(0, 1, "random"));
        assert_ne!(base, first(1, 1, "random"));
        assert_ne!(base, first(0, 2, "random"));
        assert_ne!(base, first(0, 1, "sobol"));
    }

    /// A change of these numbers changes every study that anyone repeats.
    #[test]
    fn streams_are_stable() {
        let seeds = [(0, 1, 0), (0, 1, 1), (42, 7, 0)]
            .map(|(seed, trial, execution)| execution_seed(seed, TrialId(trial), execution));
        assert_eq!(seeds, [2_697_240_104, 3_770_253_199, 843_367_602]);
    }
}
