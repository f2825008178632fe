//! Activation functions, their gradients, and the exponential under them.
//!
//! They are written so that the compiler makes vectors of them: no branches, no calls, and the same
//! operations in the same order on each processor, so that the results are the same on each.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

use burn::backend::flex::FlexTensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::flex::{in_order, own_values, tensor, values};
use crate::produce::produce;

/// A function of each value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    Relu,
    /// The slope below zero, which is not negative.
    LeakyRelu(f32),
    Tanh,
    Sigmoid,
    Elu,
    Silu,
    Gelu,
}

impl Activation {
    /// Whether the gradient is computed from the input; for the others the output is enough.
    pub fn needs_input(self) -> bool {
        matches!(self, Self::Silu | Self::Gelu)
    }

    /// Applies the function, in place where nothing else holds the values.
    pub fn forward(self, x: FlexTensor) -> FlexTensor {
        match self {
            Self::Relu => map(x, |x| if x < 0.0 { 0.0 } else { x }),
            Self::LeakyRelu(slope) => map(x, move |x| if x < 0.0 { slope * x } else { x }),
            Self::Tanh => map(x, tanh),
            Self::Sigmoid => map(x, sigmoid),
            Self::Elu => map(x, |x| if x < 0.0 { exp_minus_1(x) } else { x }),
            Self::Silu => map(x, |x| x * sigmoid(x)),
            Self::Gelu => map(x, |x| x * normal(x).0),
        }
    }

    /// The gradient of the input from that of the output, in the latter's place where nothing else holds it.
    ///
    /// `kept` is the input if the function [needs it](Self::needs_input), else the output.
    pub fn backward(self, kept: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        match self {
            Self::Relu => map_with(gradient, kept, |g, y| if y > 0.0 { g } else { 0.0 }),
            Self::LeakyRelu(slope) => map_with(gradient, kept, move |g, y| if y > 0.0 { g } else { slope * g }),
            Self::Tanh => map_with(gradient, kept, |g, y| g * (1.0 - y * y)),
            Self::Sigmoid => map_with(gradient, kept, |g, y| g * y * (1.0 - y)),
            Self::Elu => map_with(gradient, kept, |g, y| if y < 0.0 { g * (y + 1.0) } else { g }),
            Self::Silu => map_with(gradient, kept, |g, x| {
                let s = sigmoid(x);
                g * s * (1.0 + x * (1.0 - s))
            }),
            Self::Gelu => map_with(gradient, kept, |g, x| {
                let (below, density) = normal(x);
                g * (below + x * density)
            }),
        }
    }
}

/// `eˣ - 1`, with a small relative error also near zero.
///
/// `x` is split into a multiple of ln 2 and a rest of at most half of that, for which seven terms of
/// the series do.
#[inline(always)]
fn exp_minus_1(x: f32) -> f32 {
    // Added to a small number it leaves that rounded, as an integer, in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts; the first has so few bits that its multiples are exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let r = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)));
    let series = r + r * r * (0.5 + r * (1.0 / 6.0 + r * tail));
    power * series + (power - 1.0)
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    let e = exp_minus_1(2.0 * x.abs());
    (e / (e + 2.0)).copysign(x)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (2.0 + exp_minus_1(-x))
}

/// The standard normal distribution: the probability of less than `x`, and the density at `x`.
///
/// The former as in Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26, to 3e-7.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    const DENSITY_AT_0: f32 = 0.398_942_3;
    let bell = 1.0 + exp_minus_1(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * FRAC_1_SQRT_2 * x.abs());
    let terms = 1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4);
    let series = t * (0.254_829_6 + t * (-0.284_496_72 + t * terms));
    let beyond = 0.5 * bell * series;
    let below = if x < 0.0 { beyond } else { 1.0 - beyond };
    (below, DENSITY_AT_0 * bell)
}

/// Values of one piece of parallel work: enough to be worth it, few enough to stay in the first caches.
const PIECE: usize = 16 * 1024;

fn map(x: FlexTensor, function: impl Fn(f32) -> f32 + Copy + Send + Sync) -> FlexTensor {
    let mut x = in_order(x);
    if let Some(values) = own_values(&mut x) {
        values.par_chunks_mut(PIECE).for_each(|values| Arch::new().dispatch(InPlace { values, function }));
        return x;
    }
    let from = values(&x);
    let to = produce(
        from.len(),
        PIECE,
        || (),
        |(), index, to| {
            to.copy_from_slice(&from[index * PIECE..][..to.len()]);
            Arch::new().dispatch(InPlace { values: to, function });
        },
    );
    tensor(to, x.layout().shape().clone())
}

fn map_with(x: FlexTensor, other: FlexTensor, function: impl Fn(f32, f32) -> f32 + Copy + Send + Sync) -> FlexTensor {
    let (mut x, other) = (in_order(x), in_order(other));
    let others = values(&other);
    if let Some(values) = own_values(&mut x) {
        values.par_chunks_mut(PIECE).zip(others.par_chunks(PIECE)).for_each(|(values, others)| {
            Arch::new().dispatch(InPlaceWith { values, others, function });
        });
        return x;
    }
    let from = values(&x);
    let to = produce(
        from.len(),
        PIECE,
        || (),
        |(), index, to| {
            let piece = index * PIECE..index * PIECE + to.len();
            to.copy_from_slice(&from[piece.clone()]);
            Arch::new().dispatch(InPlaceWith { values: to, others: &others[piece], function });
        },
    );
    tensor(to, x.layout().shape().clone())
}

struct InPlace<'a, F> {
    values: &'a mut [f32],
    function: F,
}

impl<F: Fn(f32) -> f32> WithSimd for InPlace<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for value in self.values {
            *value = (self.function)(*value);
        }
    }
}

struct InPlaceWith<'a, F> {
    values: &'a mut [f32],
    others: &'a [f32],
    function: F,
}

impl<F: Fn(f32, f32) -> f32> WithSimd for InPlaceWith<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (value, other) in self.values.iter_mut().zip(self.others) {
            *value = (self.function)(*value, *other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(function: fn(f32) -> f32, exact: fn(f64) -> f64, relative: f64, absolute: f64) {
        for step in -20_000..=20_000 {
            let x = step as f32 * 6e-4;
            let (found, expected) = (f64::from(function(x)), exact(f64::from(x)));
            let error = (found - expected).abs();
            let bound = relative * expected.abs() + absolute;
            assert!(error <= bound, "at {x}: {found}, not {expected}");
        }
    }

    #[test]
    fn approximations_are_as_exact_as_single_precision_allows() {
        assert_close(exp_minus_1, f64::exp_m1, 3e-7, 0.0);
        assert_close(tanh, f64::tanh, 3e-7, 0.0);
        assert_close(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 4e-7, 0.0);
        let below = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
        assert_close(|x| normal(x).0, below, 0.0, 3e-7);
    }

    #[test]
    fn functions_keep_their_limits_and_pass_nan_on() {
        assert_eq!(tanh(f32::INFINITY), 1.0);
        assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
        assert_eq!(tanh(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(sigmoid(f32::INFINITY), 1.0);
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-37);
        assert_eq!(normal(40.0), (1.0, normal(-40.0).1));
        for function in [tanh, sigmoid, exp_minus_1, |x| normal(x).0] {
            assert!(function(f32::NAN).is_nan());
        }
    }
}
