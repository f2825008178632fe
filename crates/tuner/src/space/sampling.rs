//! The scales on which a range is drawn from.

use serde::{Deserialize, Serialize};

/// How values of a range lie in the unit interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Evenly.
    #[default]
    Linear,
    /// By their logarithm: most of the interval goes to small values.
    Log,
    /// The mirror image of `Log`: most of the interval goes to large values.
    ReverseLog,
}

impl Sampling {
    pub(super) fn is_linear(self) -> bool {
        self == Sampling::Linear
    }

    /// The point of `[min, max]` at `u` in `[0, 1]`.
    ///
    /// The logarithms are `libm`'s, which give the same bits on every machine.
    pub(super) fn place(self, min: f64, max: f64, u: f64) -> f64 {
        let log = |u: f64| min * libm::exp(u * libm::log(max / min));
        let value = match self {
            Sampling::Linear => min + u * (max - min),
            Sampling::Log => log(u),
            Sampling::ReverseLog => max + min - log(1.0 - u),
        };
        value.clamp(min, max)
    }

    /// Where in `[0, 1)` a value of `[min, max]` lies: the inverse of [`Self::place`].
    pub(super) fn locate(self, min: f64, max: f64, value: f64) -> f64 {
        let log = |value: f64| libm::log(value / min) / libm::log(max / min);
        let u = match self {
            Sampling::Linear => (value - min) / (max - min),
            Sampling::Log => log(value),
            Sampling::ReverseLog => 1.0 - log(max + min - value),
        };
        u.clamp(0.0, 1.0 - f64::EPSILON / 2.0)
    }
}

/// The cell, of `count` equal ones, that `u` falls into.
pub(super) fn cell(u: f64, count: u64) -> u64 {
    ((u * count as f64) as u64).min(count - 1)
}

/// The middle of the cell: what [`cell`] takes back to `index`.
pub(super) fn middle(index: u64, count: u64) -> f64 {
    (index as f64 + 0.5) / count as f64
}
