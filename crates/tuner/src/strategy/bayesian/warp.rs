//! Targets made Gaussian, as the process expects them.

use super::super::numeric::normal;

/// Losses as the process sees them, in one of two ways.
///
/// Ranks forget distances: a loss of 1e6 is no more than the worst of its study, and the best are told apart however
/// close they are. That makes the search quick, and blind: it polishes the best region long after nothing is to be gained
/// there. Gaps to the best loss, linear where they are small and logarithmic where they are large, know when a region is
/// used up, but are slow to find it. A search that takes turns has the better of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warp {
    /// Normal quantiles of the ranks.
    Ranks,
    /// log(1 + gap to the best / gap from the median to the best).
    Gaps,
}

impl Warp {
    /// The turn after so many results.
    pub fn turn(results: usize) -> Self {
        if results.is_multiple_of(2) { Self::Ranks } else { Self::Gaps }
    }

    /// Losses, lower is better, with mean 0 and variance 1.
    pub fn apply(self, losses: &[f64]) -> Vec<f64> {
        let mut y = match self {
            Self::Ranks => rank(losses),
            Self::Gaps => gaps(losses),
        };
        standardize(&mut y);
        y
    }
}

fn gaps(losses: &[f64]) -> Vec<f64> {
    let mut sorted = losses.to_vec();
    sorted.sort_by(f64::total_cmp);
    let best = sorted[0];
    // Finite losses can be further apart than the largest number.
    let gap = |loss: f64| (loss - best).min(f64::MAX);
    let Some(typical) = sorted[sorted.len() / 2..].iter().map(|&loss| gap(loss)).find(|&gap| gap > 0.0) else {
        return vec![0.0; losses.len()];
    };
    losses.iter().map(|&loss| libm::log1p((gap(loss) / typical).min(f64::MAX))).collect()
}

/// Mean 0, variance 1; all zeros if the targets are all alike.
fn standardize(y: &mut [f64]) {
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let variance = y.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n;
    let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
    for y in y {
        *y = (*y - mean) * scale;
    }
}

/// Replaces targets by normal quantiles of their ranks; equal targets stay equal.
fn rank(y: &[f64]) -> Vec<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_whatever_the_scale() {
        for losses in [
            vec![3.0, 1.0, 2.0, 2.0, 50.0],
            vec![1e-5, 1e6, 3e-5, 1.0, 1.0],
            vec![f64::MIN, f64::MAX, 0.0],
            vec![0.0, 0.0, 0.0, f64::MIN_POSITIVE],
            vec![7.0; 4],
        ] {
            for warp in [Warp::Ranks, Warp::Gaps] {
                let y = warp.apply(&losses);
                assert!(y.iter().all(|y| y.is_finite()), "{warp:?} {losses:?} {y:?}");
                for (i, a) in losses.iter().enumerate() {
                    for (j, b) in losses.iter().enumerate() {
                        assert!(a > b || y[i] <= y[j], "{warp:?} {losses:?} {y:?}");
                    }
                }
            }
        }
    }
}
