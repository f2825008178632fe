//! Where the acquisition function is largest, in a mixed and conditional space.
//!
//! Candidates come from the whole space and from the neighbourhoods of the best trials; from the most promising, a
//! local search changes one hyperparameter at a time until nothing is gained. Only configurations that exist and were
//! not tried are ever scored.

use std::collections::HashSet;

use rand::{Rng, RngExt};

use super::super::encoding::{Dimension, Encoding, Point, fingerprint};
use super::super::numeric::normal;

/// How hard to look.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Every combination is a candidate if there are no more of them.
    pub listed: usize,
    /// Candidates drawn from the whole space.
    pub drawn: usize,
    /// Changes of several hyperparameters at once, around each of the best trials.
    pub mutated: usize,
    /// Candidates that a local search starts from.
    pub climbs: usize,
    /// Steps of a local search at most.
    pub steps: usize,
    /// Of the candidates drawn from the whole space, those that show whether the score tells good from bad.
    pub blind: usize,
}

/// Scores closer than this are no reason to prefer one candidate: they are logarithms.
const INDIFFERENT: f64 = 1.0;

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// Untried configurations, the best first, complete with coordinates for what is inactive.
    pub ranked: Vec<Point>,
    /// Whether the score of the best stands out from those of a few configurations drawn blindly.
    pub telling: bool,
}

/// At most this many neighbours along one dimension.
const NEIGHBOURS: usize = 8;

/// Untried configurations by descending `score`: the best, and what else was looked at on the way. `score` is asked for
/// many points at a time, inactive coordinates marked.
pub fn ranked(
    encoding: &Encoding<'_>,
    incumbents: &[Point],
    tried: HashSet<u64>,
    effort: Effort,
    rng: &mut impl Rng,
    mut score: impl FnMut(&[&[f64]]) -> Vec<f64>,
) -> Found {
    let mut pool = Pool { encoding, seen: tried, full: Vec::new(), marked: Vec::new() };
    let few = encoding.combinations(effort.listed);
    let drawn = if few.is_some() { effort.blind } else { effort.drawn };
    for _ in 0..drawn {
        pool.offer(encoding.draw(rng));
    }
    if let Some(all) = few {
        (0..all).for_each(|index| pool.offer(encoding.combination(index)));
    } else {
        for incumbent in incumbents {
            let full = encoding.complete(incumbent, rng);
            pool.offer_neighbours(&full, rng);
            for _ in 0..effort.mutated {
                let changed = mutate(encoding, &full, rng);
                pool.offer(changed);
            }
        }
    }
    let mut found = pool.take_scored(&mut score);
    let blind = found.iter().take(effort.blind).map(|(height, _)| *height).fold(f64::NEG_INFINITY, f64::max);
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    if few.is_none() {
        for (mut height, mut here) in found.iter().take(effort.climbs).cloned().collect::<Vec<_>>() {
            for _ in 0..effort.steps {
                pool.offer_neighbours(&here, rng);
                let next = pool.take_scored(&mut score).into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
                match next {
                    Some((higher, point)) if higher > height => (height, here) = (higher, point),
                    _ => break,
                }
            }
            found.push((height, here));
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
    }
    let telling = found.first().is_some_and(|(height, _)| *height > blind + INDIFFERENT);
    Found { ranked: found.into_iter().map(|(_, point)| point).collect(), telling }
}

/// Candidates waiting for their score, none of them seen before.
struct Pool<'a> {
    encoding: &'a Encoding<'a>,
    seen: HashSet<u64>,
    full: Vec<Point>,
    marked: Vec<Point>,
}

impl Pool<'_> {
    fn offer(&mut self, full: Point) {
        let mut marked = full.clone();
        self.encoding.mark_inactive(&mut marked);
        if self.seen.insert(fingerprint(&marked)) {
            self.full.push(full);
            self.marked.push(marked);
        }
    }

    fn offer_neighbours(&mut self, full: &[f64], rng: &mut impl Rng) {
        for (j, &dimension) in self.encoding.dimensions().iter().enumerate() {
            for x in neighbours(dimension, full[j], rng) {
                let mut changed = full.to_vec();
                changed[j] = x;
                self.offer(changed);
            }
        }
    }

    fn take_scored(&mut self, score: &mut impl FnMut(&[&[f64]]) -> Vec<f64>) -> Vec<(f64, Point)> {
        let marked = std::mem::take(&mut self.marked);
        let rows: Vec<&[f64]> = marked.iter().map(Vec::as_slice).collect();
        score(&rows).into_iter().zip(std::mem::take(&mut self.full)).collect()
    }
}

/// Other values of one coordinate: all of them if they are few, else some at every distance.
fn neighbours(dimension: Dimension, x: f64, rng: &mut impl Rng) -> Vec<f64> {
    match dimension {
        Dimension::Continuous => {
            let step = |k: usize| gaussian(rng) * 0.3 / f64::from(1 << k);
            (0..NEIGHBOURS).map(step).map(|step| reflect(x + step)).collect()
        }
        Dimension::Ordinal(n) | Dimension::Categorical(n) if n <= NEIGHBOURS + 2 => {
            let here = dimension.level(x);
            (0..n).filter(|&level| level != here).map(|level| dimension.coordinate(level)).collect()
        }
        Dimension::Categorical(n) => {
            (0..NEIGHBOURS).map(|_| dimension.coordinate(rng.random_range(0..n))).filter(|&other| other != x).collect()
        }
        Dimension::Ordinal(n) => {
            let here = dimension.level(x) as i64;
            let far = |_| (gaussian(rng) * 0.2 * n as f64) as i64;
            let steps: Vec<i64> = [-2, -1, 1, 2].into_iter().chain((4..NEIGHBOURS).map(far)).collect();
            let inside = |step: i64| (here + step).clamp(0, n as i64 - 1);
            steps.into_iter().map(inside).filter(|&l| l != here).map(|l| dimension.coordinate(l as usize)).collect()
        }
    }
}

/// Changes two or more coordinates.
fn mutate(encoding: &Encoding<'_>, full: &[f64], rng: &mut impl Rng) -> Point {
    let dimensions = encoding.dimensions();
    let mut changed = full.to_vec();
    let changes = 2 + usize::from(rng.random::<f64>() < 0.3);
    for _ in 0..changes {
        let j = rng.random_range(0..dimensions.len());
        let others = neighbours(dimensions[j], full[j], rng);
        if !others.is_empty() {
            changed[j] = others[rng.random_range(0..others.len())];
        }
    }
    changed
}

fn gaussian(rng: &mut impl Rng) -> f64 {
    normal::quantile(rng.random::<f64>().clamp(1e-12, 1.0 - 1e-12))
}

fn reflect(x: f64) -> f64 {
    let x = x.abs();
    (if x > 1.0 { 2.0 - x } else { x }).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::space::{Domain, Hyperparameter, Space};

    const EFFORT: Effort = Effort { listed: 200, drawn: 200, mutated: 5, climbs: 2, steps: 10, blind: 8 };

    fn search(domain: &Domain, score: fn(&[f64]) -> f64) -> Found {
        let hyperparameters = (0..2).map(|i| Hyperparameter::new(format!("x{i}"), domain.clone())).collect();
        let space = Space::new(hyperparameters).unwrap();
        let encoding = Encoding::new(&space);
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let incumbent = encoding.draw(rng);
        ranked(&encoding, &[incumbent], HashSet::new(), EFFORT, rng, |rows| rows.iter().map(|row| score(row)).collect())
    }

    /// Whether every combination is scored or a few hundred of them.
    #[test]
    fn the_best_of_a_peak_is_found_and_stands_out() {
        let peak = |row: &[f64]| -1e3 * ((row[0] - 0.3).powi(2) + (row[1] - 0.6).powi(2));
        for domain in [Domain::float(0.0, 1.0).unwrap(), Domain::int(0, 13).unwrap()] {
            let found = search(&domain, peak);
            assert!(found.telling && peak(&found.ranked[0]) > -3.0, "{domain:?}: {:?}", found.ranked[0]);
        }
    }

    #[test]
    fn a_flat_score_tells_nothing() {
        for domain in [Domain::float(0.0, 1.0).unwrap(), Domain::int(0, 5).unwrap()] {
            assert!(!search(&domain, |row| 0.5 * row[0]).telling, "{domain:?}");
        }
    }
}
