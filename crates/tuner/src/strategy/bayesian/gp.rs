//! Gaussian process regression with a constant, unknown mean.
//!
//! y = m + f(x) + ε with m ~ N(0, v), f ~ GP(0, s² k), ε ~ N(0, σ²); v is given, and s², σ² and the length
//! scales of k are fitted: the most probable ones under log-normal priors (Hvarfner, Hellsten, Nardi 2024, arXiv 2402.02229).
//! The unknown mean is integrated out, which adds the constant v to the kernel.

use super::super::encoding::{Dimension, INACTIVE};
use super::super::numeric::cholesky::{Lower, Square, dot};
use super::super::numeric::exp::exp;
use super::super::numeric::lbfgs;
use super::kernel::{Pairs, Scale, factors};

/// log s², log σ², then log ℓ of each dimension.
pub type Theta = Vec<f64>;

/// Mean and standard deviation of a normal distribution.
#[derive(Debug, Clone, Copy)]
pub struct Normal {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
}

impl Normal {
    fn log_density(self, x: f64) -> (f64, f64) {
        let z = (x - self.mean) / self.sd;
        (-0.5 * z * z, -z / self.sd)
    }
}

/// What is believed of the hyperparameters before any trial; every distribution is of a logarithm.
#[derive(Debug, Clone)]
pub struct Priors {
    /// v, the variance of the unknown mean.
    pub mean_variance: f64,
    /// Of s².
    pub signal: Normal,
    /// Of σ².
    pub noise: Normal,
    /// Of the length scale of a numeric dimension.
    pub length: Normal,
    /// Of that of an unordered choice.
    pub choice_length: Normal,
}

/// Observations, ready for fitting.
#[derive(Debug)]
pub struct Data<'a> {
    dimensions: &'a [Dimension],
    columns: Vec<Vec<f64>>,
    y: Vec<f64>,
    pairs: Pairs,
}

impl<'a> Data<'a> {
    /// `rows` hold one coordinate per dimension, `y` one target per row, about standardised.
    pub fn new(dimensions: &'a [Dimension], rows: &[&[f64]], y: Vec<f64>) -> Self {
        let columns: Vec<Vec<f64>> = (0..dimensions.len()).map(|j| rows.iter().map(|row| row[j]).collect()).collect();
        let pairs = Pairs::new(dimensions, &columns);
        Self { dimensions, columns, y, pairs }
    }

    /// log p(y | θ) and its gradient; `None` where the covariance is not positive definite in floating point.
    pub fn log_likelihood(&self, theta: &[f64], mean_variance: f64) -> Option<(f64, Vec<f64>)> {
        let n = self.y.len();
        let (signal, noise) = (exp(theta[0]), exp(theta[1]));
        let scales = self.scales(theta);
        let mut weights = self.pairs.correlations(&scales);
        let inverse = self.covariance(&weights, signal, noise, mean_variance).cholesky()?;
        let log_determinant = inverse.log_determinant();
        let inverse = inverse.inverse();
        let alpha = inverse.transposed_times(&inverse.times(&self.y));
        let fit = dot(&self.y, &alpha);
        let value = -0.5 * (fit + log_determinant + n as f64 * (2.0 * std::f64::consts::PI).ln());

        let inverse = inverse.gram();
        let mut trace = 0.0;
        let mut at = 0;
        for i in 0..n {
            let row = &inverse.row(i)[..=i];
            trace += alpha[i] * alpha[i] - row[i];
            for ((w, k), a) in weights[at..at + i].iter_mut().zip(row).zip(&alpha) {
                *w *= signal * (alpha[i] * a - k);
            }
            at += i;
        }
        let mut gradient = vec![weights.iter().sum::<f64>() + 0.5 * signal * trace, 0.5 * noise * trace];
        gradient.extend(self.pairs.slopes(&scales, &weights));
        Some((value, gradient))
    }

    /// log p(θ | y) up to a constant, and its gradient.
    pub fn log_posterior(&self, theta: &[f64], priors: &Priors) -> Option<(f64, Vec<f64>)> {
        let (mut value, mut gradient) = self.log_likelihood(theta, priors.mean_variance)?;
        let lengths = self.dimensions.iter().map(|dimension| match dimension {
            Dimension::Categorical(_) => priors.choice_length,
            Dimension::Continuous | Dimension::Ordinal(_) => priors.length,
        });
        let all = [priors.signal, priors.noise].into_iter().chain(lengths);
        for ((prior, &x), gradient) in all.zip(theta).zip(&mut gradient) {
            let (log_density, slope) = prior.log_density(x);
            value += log_density;
            *gradient += slope;
        }
        Some((value, gradient))
    }

    /// The most probable θ, from each of `starts` in turn within `evaluations` of the posterior each, and
    /// its log posterior.
    pub fn most_probable(&self, priors: &Priors, starts: &[Theta], evaluations: usize) -> Option<(Theta, f64)> {
        let downhill = |theta: &[f64]| {
            let (value, gradient) = self.log_posterior(theta, priors)?;
            value.is_finite().then(|| (-value, gradient.iter().map(|g| -g).collect()))
        };
        let found = starts.iter().filter_map(|start| lbfgs::minimize(start.clone(), evaluations, 1e-3, downhill));
        found.min_by(|a, b| a.value.total_cmp(&b.value)).map(|best| (best.x, -best.value))
    }

    /// The process given these observations and θ.
    pub fn condition(self, theta: &[f64], mean_variance: f64) -> Option<Gp<'a>> {
        let (signal, noise) = (exp(theta[0]), exp(theta[1]));
        let scales = self.scales(theta);
        let correlations = self.pairs.correlations(&scales);
        let root = self.covariance(&correlations, signal, noise, mean_variance).cholesky()?.inverse();
        let alpha = root.transposed_times(&root.times(&self.y));
        let tables = (self.dimensions.iter().zip(&scales).zip(&self.columns))
            .map(|((&dimension, scale), column)| tabulate(dimension, scale, column))
            .collect();
        let Self { dimensions, columns, .. } = self;
        Some(Gp { dimensions, columns, scales, signal, noise, mean_variance, root, alpha, tables })
    }

    fn scales(&self, theta: &[f64]) -> Vec<Scale> {
        self.dimensions.iter().zip(&theta[2..]).map(|(dimension, &log)| dimension.scale(log)).collect()
    }

    fn covariance(&self, correlations: &[f64], signal: f64, noise: f64, mean_variance: f64) -> Square {
        let n = self.y.len();
        let mut k = Square::zeros(n);
        let mut at = 0;
        for i in 0..n {
            let row = k.row_mut(i);
            for (k, r) in row.iter_mut().zip(&correlations[at..at + i]) {
                *k = signal * r + mean_variance;
            }
            row[i] = signal + mean_variance + noise;
            at += i;
        }
        k
    }
}

/// The factors between every value of a dimension that can be counted, inactive last, and the training rows.
fn tabulate(dimension: Dimension, scale: &Scale, column: &[f64]) -> Option<Vec<Vec<f64>>> {
    const MOST_LEVELS: usize = 64;
    let levels = dimension.levels().filter(|&n| n <= MOST_LEVELS)?;
    let coordinates = (0..levels).map(|level| dimension.coordinate(level)).chain([INACTIVE]);
    let row = |coordinate| {
        let mut out = vec![0.0; column.len()];
        factors(dimension, scale, coordinate, column, &mut out);
        out
    };
    Some(coordinates.map(row).collect())
}

/// A Gaussian process conditioned on observations.
#[derive(Debug)]
pub struct Gp<'a> {
    dimensions: &'a [Dimension],
    columns: Vec<Vec<f64>>,
    scales: Vec<Scale>,
    signal: f64,
    noise: f64,
    mean_variance: f64,
    /// The inverse of the covariance's Cholesky factor.
    root: Lower,
    alpha: Vec<f64>,
    tables: Vec<Option<Vec<Vec<f64>>>>,
}

impl Gp<'_> {
    /// σ², the noise that was fitted.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// Mean and variance of m + f at each row, without noise.
    pub fn posterior(&self, rows: &[&[f64]]) -> Vec<(f64, f64)> {
        let n = self.alpha.len();
        let mut out = Vec::with_capacity(rows.len());
        let mut k = [const { Vec::new() }; 4].map(|_: Vec<f64>| vec![0.0; n]);
        let mut scratch = vec![0.0; n];
        for block in rows.chunks(4) {
            for (row, k) in block.iter().zip(&mut k) {
                self.covariances(row, k, &mut scratch);
            }
            let explained = self.root.squared_norms([&k[0], &k[1], &k[2], &k[3]]);
            for (k, explained) in k.iter().zip(explained).take(block.len()) {
                let variance = self.signal + self.mean_variance - explained;
                out.push((dot(k, &self.alpha), variance.max(1e-12 * self.signal)));
            }
        }
        out
    }

    /// The means alone, at a fraction of the cost.
    pub fn means(&self, rows: &[&[f64]]) -> Vec<f64> {
        let n = self.alpha.len();
        let (mut k, mut scratch) = (vec![0.0; n], vec![0.0; n]);
        let mean = |row: &&[f64]| {
            self.covariances(row, &mut k, &mut scratch);
            dot(&k, &self.alpha)
        };
        rows.iter().map(mean).collect()
    }

    fn covariances(&self, row: &[f64], k: &mut [f64], scratch: &mut [f64]) {
        k.fill(self.signal);
        for (j, &coordinate) in row.iter().enumerate() {
            let dimension = self.dimensions[j];
            let row = if let Some(table) = &self.tables[j] {
                let level = if coordinate == INACTIVE { table.len() - 1 } else { dimension.level(coordinate) };
                &table[level]
            } else {
                factors(dimension, &self.scales[j], coordinate, &self.columns[j], scratch);
                &*scratch
            };
            k.iter_mut().zip(row).for_each(|(k, factor)| *k *= factor);
        }
        for k in k {
            *k += self.mean_variance;
        }
    }
}

#[cfg(test)]
mod tests;
