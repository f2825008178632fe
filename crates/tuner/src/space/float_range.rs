//! Ranges of real numbers.

use std::fmt;

use super::sampling::{cell, middle};
use super::{Sampling, SpaceError, Value};

/// Up to here, (index + 0.5) / count leads back to the same value.
const MOST_VALUES: f64 = (1u64 << 40) as f64;

/// How far from a step, in steps, a number may be and still count as on it.
const ROUNDING: f64 = 1e-9;

/// A range of real numbers, ends included. With a step it holds `min, min + step, …` (on a log scale
/// `min, min · step, …`; mirrored for the reverse log scale), and the maximum when a step hits it up to rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatRange {
    min: f64,
    max: f64,
    step: Option<f64>,
    sampling: Sampling,
    /// `None`: continuous.
    count: Option<u64>,
}

impl FloatRange {
    /// See [`Domain::float_with`](super::Domain::float_with).
    pub(super) fn new(min: f64, max: f64, step: Option<f64>, sampling: Sampling) -> Result<Self, SpaceError> {
        // Without the sign of zero.
        let (min, max) = (min + 0.0, max + 0.0);
        if !(max - min).is_finite() {
            return Err(SpaceError::NotFinite { min, max });
        }
        if min > max {
            return Err(SpaceError::EmptyRange { min: min.into(), max: max.into() });
        }
        if !sampling.is_linear() && min <= 0.0 {
            return Err(SpaceError::LogOfNothing { min: min.into() });
        }
        if !sampling.is_linear() && !(max / min).is_finite() {
            return Err(SpaceError::NotFinite { min, max });
        }
        let least_step = i32::from(!sampling.is_linear());
        if let Some(step) = step.filter(|step| !step.is_finite() || *step <= f64::from(least_step)) {
            return Err(SpaceError::Step { step: step.into(), above: least_step.into() });
        }
        let count = match step {
            None => (min == max).then_some(1.0),
            Some(step) if sampling.is_linear() => Some(steps_within((max - min) / step) + 1.0),
            Some(step) => Some(steps_within(libm::log(max / min) / libm::log(step)) + 1.0),
        };
        if count.is_some_and(|count| count > MOST_VALUES) {
            return Err(SpaceError::TooManyValues { min: min.into(), max: max.into() });
        }
        Ok(Self { min, max, step, sampling, count: count.map(|count| count as u64) })
    }

    /// The smaller end.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The larger end; with a step a member only if a step hits it.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// The distance between values, or, on a log scale, their ratio. `None`: continuous.
    pub fn step(&self) -> Option<f64> {
        self.step
    }

    /// The scale.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// How many values there are; `None` for a continuous range.
    pub fn count(&self) -> Option<u64> {
        self.count
    }

    /// The value at an index below [`Self::count`], ascending; the minimum of a continuous range.
    pub fn nth(&self, index: u64) -> f64 {
        let (Some(count), Some(step)) = (self.count, self.step) else {
            return self.min;
        };
        let index = index.min(count - 1);
        let geometric = |index: u64| significant(self.min * powi(step, index));
        let value = match self.sampling {
            // The number one would write: 0.6, not 0.6000000000000001.
            Sampling::Linear => round_to(self.min + index as f64 * step, decimals(self.min).max(decimals(step))),
            Sampling::Log => geometric(index),
            Sampling::ReverseLog => significant(self.max + (self.min - geometric(count - 1 - index))),
        };
        value.clamp(self.min, self.max)
    }

    /// The index of a member of a stepped range; a value within rounding of a step counts as on it.
    pub fn index_of(&self, value: f64) -> Option<u64> {
        let (count, step) = (self.count?, self.step.unwrap_or(1.0));
        if !value.is_finite() {
            return None;
        }
        let steps = match self.sampling {
            _ if count == 1 => 0.0,
            Sampling::Linear => (value - self.min) / step,
            Sampling::Log => libm::log(value / self.min) / libm::log(step),
            Sampling::ReverseLog => {
                (count - 1) as f64 - libm::log((self.max + self.min - value) / self.min) / libm::log(step)
            }
        };
        let index = steps.round().clamp(0.0, (count - 1) as f64) as u64;
        let here = self.nth(index);
        let gap = if index + 1 < count { self.nth(index + 1) - here } else { here - self.nth(index.saturating_sub(1)) };
        let tolerance = (gap.abs() * ROUNDING).max(here.abs() * f64::EPSILON * 4.0);
        ((value - here).abs() <= tolerance).then_some(index)
    }

    /// The member that a number stands for.
    pub(super) fn member(&self, value: f64) -> Option<f64> {
        match self.count {
            Some(_) => self.index_of(value).map(|index| self.nth(index)),
            None => (self.min..=self.max).contains(&value).then_some(value + 0.0),
        }
    }

    pub(super) fn value_at(&self, u: f64) -> f64 {
        match self.count {
            Some(count) => self.nth(cell(u, count)),
            None => self.sampling.place(self.min, self.max, if u.is_nan() { 0.0 } else { u.clamp(0.0, 1.0) }),
        }
    }

    /// The value at `u`, with as few digits as one would write: 0.001, not 0.0010000000000000002.
    pub(super) fn tidy_value_at(&self, u: f64) -> f64 {
        significant(self.value_at(u)).clamp(self.min, self.max)
    }

    pub(super) fn unit_of(&self, value: f64) -> Option<f64> {
        match self.count {
            Some(count) => self.index_of(value).map(|index| middle(index, count)),
            None => self.member(value).map(|value| self.sampling.locate(self.min, self.max, value)),
        }
    }
}

/// How many whole steps fit, when a last one that misses by rounding counts.
fn steps_within(quotient: f64) -> f64 {
    let nearest = quotient.round();
    if (quotient - nearest).abs() <= ROUNDING * nearest.max(1.0) { nearest } else { quotient.floor() }
}

/// `base` to a whole power, by multiplications alone: the same bits on every machine.
fn powi(base: f64, exponent: u64) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * base)
}

/// The decimals of a number as one writes it.
fn decimals(x: f64) -> usize {
    let text = x.to_string();
    text.split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

fn round_to(x: f64, decimals: usize) -> f64 {
    format!("{x:.decimals$}").parse().unwrap_or(x) + 0.0
}

/// The number without the rounding noise of its last digit.
fn significant(x: f64) -> f64 {
    format!("{x:.14e}").parse().unwrap_or(x)
}

impl fmt::Display for FloatRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from {} to {}", Value::Float(self.min), Value::Float(self.max))?;
        match (self.step, self.sampling) {
            (Some(step), Sampling::Linear) => write!(f, " in steps of {}", Value::Float(step)),
            (Some(step), _) => write!(f, " in multiples of {}", Value::Float(step)),
            (None, _) => Ok(()),
        }
    }
}
