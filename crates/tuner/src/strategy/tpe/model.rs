//! What the estimator makes of the results so far.

use std::collections::HashSet;

use rand::Rng;

use super::super::encoding::{Encoding, Point, fingerprint};
use super::super::evidence::Evidence;
use super::parzen::{Parzen, Width};

/// The constants of the estimator.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The share of the trials that count as good.
    pub good: f64,
    /// At most so many of them.
    pub most_good: usize,
    /// Candidates drawn from the density of the good ones.
    pub candidates: usize,
    /// How wide the bumps are.
    pub width: Width,
    /// The weight of a bump relative to the uniform density.
    pub weight: f64,
}

impl Default for Shape {
    fn default() -> Self {
        let width = Width { single: 0.15, least: 0.12, spread: 0.3 };
        Self { good: 0.15, most_good: 25, candidates: 64, width, weight: 1.0 }
    }
}

/// Untried candidates drawn from the density of good trials, those first that are likeliest good rather than bad;
/// nothing if no trial has a result.
pub fn suggestions(encoding: &Encoding<'_>, evidence: &Evidence, shape: &Shape, rng: &mut impl Rng) -> Vec<Point> {
    let ranked: Vec<&[f64]> = evidence.ranking().into_iter().map(|i| evidence.observed[i].0.as_slice()).collect();
    if ranked.is_empty() || encoding.dimensions().is_empty() {
        return Vec::new();
    }
    let good = ((ranked.len() as f64 * shape.good).ceil() as usize).clamp(1, shape.most_good).min(ranked.len());
    let (good, rest) = ranked.split_at(good);
    let unwanted = evidence.failed.iter().chain(&evidence.pending).map(Vec::as_slice);
    let bad: Vec<&[f64]> = rest.iter().copied().chain(unwanted).collect();
    let good = Parzen::new(encoding, good.to_vec(), shape.weight, shape.width);
    let bad = Parzen::new(encoding, bad, shape.weight, shape.width);

    let mut seen: HashSet<u64> = evidence.tried();
    let mut scored = Vec::with_capacity(shape.candidates);
    for _ in 0..shape.candidates {
        let point = good.draw(rng);
        let mut marked = point.clone();
        encoding.mark_inactive(&mut marked);
        if seen.insert(fingerprint(&marked)) {
            scored.push((good.log_density(&marked) - bad.log_density(&marked), point));
        }
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().map(|(_, point)| point).collect()
}
