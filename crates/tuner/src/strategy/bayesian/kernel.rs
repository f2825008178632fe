//! How alike two configurations are.
//!
//! The kernel is a product with one factor per hyperparameter: Matérn-5/2 with a length scale of its own for a number,
//! exp(-1/ℓ) for two different values of an unordered choice (a Hamming kernel), 1 for two equal values.
//!
//! A hyperparameter that is inactive in both configurations contributes 1. When it is active in only one of
//! them, the factor is a constant: the largest that keeps the kernel positive definite, so that an inactive
//! hyperparameter sets configurations apart as little as a kernel may. Its parent, whose values differ there too, has
//! its own factor. With κ the factor among active values, the block matrix [[κ, c], [c, 1]] is positive
//! definite when c² ‖1‖² ≤ 1, the norm of the constant function being that of κ's own space:
//! 9/8 + 3√5/(16 ℓ) for Matérn-5/2 on an interval of length 1, and K/(1 + (K-1) exp(-1/ℓ)) for K categories.

use super::super::encoding::{Dimension, INACTIVE};
use super::super::numeric::exp::exp;

const SQRT_5: f64 = 2.236_067_977_499_79;

impl Dimension {
    pub(super) fn scale(self, log_length: f64) -> Scale {
        let length = exp(log_length);
        match self {
            Self::Continuous | Self::Ordinal(_) => {
                let rate = SQRT_5 / length;
                let part = 3.0 / 16.0 * rate;
                let norm = 9.0 / 8.0 + part;
                Scale { rate, matern: true, across: 1.0 / norm.sqrt(), across_slope: 0.5 * part / norm }
            }
            Self::Categorical(n) => {
                let rate = 1.0 / length;
                let others = n.saturating_sub(1) as f64 * exp(-rate);
                let across = ((1.0 + others) / n.max(1) as f64).sqrt();
                Scale { rate, matern: false, across, across_slope: 0.5 * others * rate / (1.0 + others) }
            }
        }
    }

    /// The distance that the factor is a function of.
    fn distance(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Categorical(_) => f64::from(u8::from(a != b)),
            Self::Continuous | Self::Ordinal(_) => (a - b).abs(),
        }
    }
}

/// One factor, its length scale given.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// What a distance is multiplied with.
    rate: f64,
    matern: bool,
    /// The factor when only one of the two is active, and the slope of its logarithm in log ℓ.
    across: f64,
    across_slope: f64,
}

impl Scale {
    fn at(&self, distance: f64) -> f64 {
        let t = self.rate * distance;
        if self.matern { (1.0 + t + t * t / 3.0) * exp(-t) } else { exp(-t) }
    }
}

/// The factors of one dimension between `coordinate` and every entry of `column`.
pub(super) fn factors(dimension: Dimension, scale: &Scale, coordinate: f64, column: &[f64], out: &mut [f64]) {
    for (out, &other) in out.iter_mut().zip(column) {
        *out = match (coordinate == INACTIVE, other == INACTIVE) {
            (true, true) => 1.0,
            (false, false) => scale.at(dimension.distance(coordinate, other)),
            _ => scale.across,
        };
    }
}

/// The distances between all pairs of the rows that a model is fitted to: row i with every row before it.
#[derive(Debug)]
pub struct Pairs {
    count: usize,
    dimensions: Vec<PairsOfDimension>,
}

#[derive(Debug)]
struct PairsOfDimension {
    distance: Vec<f64>,
    /// The pairs of which only one is active.
    across: Vec<usize>,
}

impl Pairs {
    /// Measures rows given column by column.
    pub fn new(dimensions: &[Dimension], columns: &[Vec<f64>]) -> Self {
        let n = columns.first().map_or(0, Vec::len);
        let count = n * n.saturating_sub(1) / 2;
        let of = |(dimension, column): (&Dimension, &Vec<f64>)| {
            let mut pairs = PairsOfDimension { distance: Vec::with_capacity(count), across: Vec::new() };
            for i in 0..n {
                for j in 0..i {
                    let (a, b) = (column[i], column[j]);
                    let both = a != INACTIVE && b != INACTIVE;
                    if !both && a != b {
                        pairs.across.push(pairs.distance.len());
                    }
                    pairs.distance.push(if both { dimension.distance(a, b) } else { 0.0 });
                }
            }
            pairs
        };
        Self { count, dimensions: dimensions.iter().zip(columns).map(of).collect() }
    }

    /// The correlation of each pair.
    pub fn correlations(&self, scales: &[Scale]) -> Vec<f64> {
        let mut product = vec![1.0; self.count];
        let mut exponent = vec![0.0; self.count];
        for (pairs, scale) in self.dimensions.iter().zip(scales) {
            let rate = scale.rate;
            if scale.matern {
                for ((p, e), d) in product.iter_mut().zip(&mut exponent).zip(&pairs.distance) {
                    let t = rate * d;
                    *p *= 1.0 + t + t * t * (1.0 / 3.0);
                    *e -= t;
                }
            } else {
                for (e, d) in exponent.iter_mut().zip(&pairs.distance) {
                    *e -= rate * d;
                }
            }
            for &pair in &pairs.across {
                product[pair] *= scale.across;
            }
        }
        for (p, e) in product.iter_mut().zip(&exponent) {
            *p *= exp(*e);
        }
        product
    }

    /// Σ over pairs of `weights` times the slope of log(factor) in log ℓ, for each dimension.
    pub fn slopes(&self, scales: &[Scale], weights: &[f64]) -> Vec<f64> {
        let slope = |(pairs, scale): (&PairsOfDimension, &Scale)| {
            let rate = scale.rate;
            let mut lanes = [0.0; 4];
            let body = pairs.distance.chunks_exact(4).zip(weights.chunks_exact(4));
            let tail = body.len() * 4;
            let one = |d: f64, w: f64| {
                let t = rate * d;
                if scale.matern { w * t * t * (1.0 + t) / (3.0 + 3.0 * t + t * t) } else { w * t }
            };
            for (d, w) in body {
                for k in 0..4 {
                    lanes[k] += one(d[k], w[k]);
                }
            }
            let rest: f64 = pairs.distance[tail..].iter().zip(&weights[tail..]).map(|(&d, &w)| one(d, w)).sum();
            let across: f64 = pairs.across.iter().map(|&pair| weights[pair]).sum();
            lanes.iter().sum::<f64>() + rest + across * scale.across_slope
        };
        self.dimensions.iter().zip(scales).map(slope).collect()
    }
}
