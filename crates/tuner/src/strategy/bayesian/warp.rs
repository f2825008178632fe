//! Targets made Gaussian, as the process expects them.

use super::super::numeric::normal;

/// Losses as the process sees them: normal quantiles of their ranks. Only their order counts, so that a loss of 1e6 is no
/// more than the worst of its study, and the best ones are told apart however close they are.
pub fn gaussian(losses: &[f64]) -> Vec<f64> {
    let mut y = rank(losses);
    standardize(&mut y);
    y
}

/// Mean 0, variance 1; all zeros if the targets are all alike.
pub fn standardize(y: &mut [f64]) {
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let variance = y.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n;
    let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
    for y in y {
        *y = (*y - mean) * scale;
    }
}

/// Replaces targets by normal quantiles of their ranks; equal targets stay equal.
pub fn rank(y: &[f64]) -> Vec<f64> {
    let n = y.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| y[a].total_cmp(&y[b]));
    let mut out = vec![0.0; n];
    let mut first = 0;
    while first < n {
        let mut last = first;
        while last + 1 < n && y[order[last + 1]] == y[order[first]] {
            last += 1;
        }
        let middle = (first + last) as f64 / 2.0;
        let quantile = normal::quantile((middle + 0.5) / n as f64);
        order[first..=last].iter().for_each(|&i| out[i] = quantile);
        first = last + 1;
    }
    out
}
