//! Ranges of integers.

use std::fmt;

use super::sampling::{cell, middle};
use super::{Sampling, SpaceError};

/// Up to here, (index + 0.5) / count and a logarithm lead back to the same integer.
const MOST_VALUES: u64 = 1 << 40;

/// A range of integers, ends included: with a step `min, min + step, …`, or, on a log scale, `min, min · step, …`
/// (mirrored for the reverse log scale). A maximum that no step hits is not a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntRange {
    min: i64,
    max: i64,
    step: Option<i64>,
    sampling: Sampling,
    count: u64,
}

impl IntRange {
    /// See [`Domain::int_with`](super::Domain::int_with).
    pub(super) fn new(min: i64, max: i64, step: Option<i64>, sampling: Sampling) -> Result<Self, SpaceError> {
        if min > max {
            return Err(SpaceError::EmptyRange { min: min.into(), max: max.into() });
        }
        if !sampling.is_linear() && min <= 0 {
            return Err(SpaceError::LogOfNothing { min: min.into() });
        }
        let least_step = i64::from(!sampling.is_linear());
        if let Some(step) = step.filter(|step| *step <= least_step) {
            return Err(SpaceError::Step { step: step.into(), above: least_step });
        }
        let span = i128::from(max) - i128::from(min);
        let count = match (sampling.is_linear(), step) {
            (true, step) => span / i128::from(step.unwrap_or(1)) + 1,
            (false, None) => span + 1,
            (false, Some(step)) => {
                let values = std::iter::successors(Some(min), |value| value.checked_mul(step));
                values.take_while(|value| *value <= max).count() as i128
            }
        };
        let too_large_for_log = !sampling.is_linear() && step.is_none() && max.unsigned_abs() > MOST_VALUES;
        match u64::try_from(count) {
            Ok(count) if count <= MOST_VALUES && !too_large_for_log => Ok(Self { min, max, step, sampling, count }),
            _ => Err(SpaceError::TooManyValues { min: min.into(), max: max.into() }),
        }
    }

    /// The smaller end.
    pub fn min(&self) -> i64 {
        self.min
    }

    /// The larger end; a member only if a step hits it.
    pub fn max(&self) -> i64 {
        self.max
    }

    /// The distance between values, or, on a log scale, their ratio.
    pub fn step(&self) -> Option<i64> {
        self.step
    }

    /// The scale.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value at an index below [`Self::count`], ascending.
    pub fn nth(&self, index: u64) -> i64 {
        let index = index.min(self.count - 1);
        match (self.sampling, self.step) {
            (Sampling::Linear, step) => {
                (i128::from(self.min) + i128::from(index) * i128::from(step.unwrap_or(1))) as i64
            }
            (_, None) => self.min + index as i64,
            (Sampling::Log, Some(step)) => self.min * step.pow(index as u32),
            (Sampling::ReverseLog, Some(step)) => {
                self.max + (self.min - self.min * step.pow((self.count - 1 - index) as u32))
            }
        }
    }

    /// The index of a member.
    pub fn index_of(&self, value: i64) -> Option<u64> {
        if value < self.min || value > self.max {
            return None;
        }
        match (self.sampling.is_linear(), self.step) {
            (true, Some(step)) => {
                let offset = i128::from(value) - i128::from(self.min);
                (offset % i128::from(step) == 0).then(|| (offset / i128::from(step)) as u64)
            }
            (false, Some(_)) => (0..self.count).find(|index| self.nth(*index) == value),
            (_, None) => Some((i128::from(value) - i128::from(self.min)) as u64),
        }
    }

    /// Without a step, a log scale gives the integers cells of different widths; else all have the same.
    fn has_even_cells(&self) -> bool {
        self.sampling.is_linear() || self.step.is_some() || self.count == 1
    }

    pub(super) fn value_at(&self, u: f64) -> i64 {
        if self.has_even_cells() {
            self.nth(cell(u, self.count))
        } else {
            // One past the maximum, so that it has a cell of its own.
            let value = self.sampling.place(self.min as f64, self.max as f64 + 1.0, u);
            (value as i64).clamp(self.min, self.max)
        }
    }

    pub(super) fn unit_of(&self, value: i64) -> Option<f64> {
        let index = self.index_of(value)?;
        Some(if self.has_even_cells() {
            middle(index, self.count)
        } else {
            self.sampling.locate(self.min as f64, self.max as f64 + 1.0, value as f64 + 0.5)
        })
    }

    /// The first index whose value is above `bound`; [`Self::count`] when there is none.
    pub(super) fn first_above(&self, bound: i64) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let mid = low + (high - low) / 2;
            if self.nth(mid) > bound {
                high = mid;
            } else {
                low = mid + 1;
            }
        }
        low
    }
}

impl fmt::Display for IntRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer from {} to {}", self.min, self.max)?;
        match (self.step, self.sampling) {
            (Some(step), Sampling::Linear) if step != 1 => write!(f, " in steps of {step}"),
            (Some(step), Sampling::Log | Sampling::ReverseLog) => {
                write!(f, " in multiples of {step}")
            }
            _ => Ok(()),
        }
    }
}
