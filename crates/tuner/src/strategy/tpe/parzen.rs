//! A density over configurations: the mean of one bump around each of some configurations, and of the uniform density.
//!
//! A bump is a product over hyperparameters: a normal density cut off at the ends of the range, the same in cells for
//! numbers that can be counted, and for an unordered choice most of the mass on the value itself. A hyperparameter that is
//! inactive in a bump's centre says nothing there: its factor is uniform. One that is inactive in the
//! configuration that is judged is left out. (Bergstra et al. 2011; Falkner et al. 2018; Watanabe 2023, arXiv 2304.11127.)

use rand::{Rng, RngExt};

use super::super::encoding::{Dimension, Encoding, INACTIVE, Point};
use super::super::numeric::{exp::exp, normal};

/// How wide the bumps are.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    /// The standard deviation of a single bump, in units of the range; among n bumps in d dimensions it is
    /// n^(-1/(d+4)) of that.
    pub single: f64,
    /// Never less than this.
    pub least: f64,
    /// The mass that a single bump of an unordered choice leaves to the other values, shrinking likewise.
    pub spread: f64,
}

/// Ranges of more values count as continuous here.
const MOST_CELLS: usize = 128;

/// A density over configurations.
#[derive(Debug)]
pub struct Parzen<'a> {
    encoding: &'a Encoding<'a>,
    centres: Vec<&'a [f64]>,
    weight: f64,
    /// Of each dimension.
    factors: Vec<Factor>,
}

#[derive(Debug)]
enum Factor {
    /// `mass[to][from]` by the number of the value, after the last one the mass of a uniform draw; and each centre's
    /// value, which is that last one if the hyperparameter is inactive there.
    Cells { mass: Vec<Vec<f64>>, from: Vec<u32> },
    /// Standard deviation; and of each centre its coordinate, one over the standard deviation, the height of its bump, and
    /// the share of the normal density that lies within the range. Where the hyperparameter is inactive the bump is flat.
    Range { sd: f64, centres: Vec<f64>, rates: Vec<f64>, heights: Vec<f64>, inside: Vec<f64> },
}

impl<'a> Parzen<'a> {
    /// Bumps around `centres`, each with `weight` relative to the uniform density's 1.
    pub fn new(encoding: &'a Encoding<'a>, centres: Vec<&'a [f64]>, weight: f64, width: Width) -> Self {
        let dimensions = encoding.dimensions().len() as f64;
        let shrink = libm::pow(centres.len().max(1) as f64, -1.0 / (dimensions + 4.0));
        let sd = (width.single * shrink).max(width.least);
        let factor = |(j, &dimension): (usize, &Dimension)| match dimension {
            Dimension::Categorical(n) => {
                let others = (width.spread * shrink).min(0.9) / n as f64;
                let mass = |to: usize, from: usize| {
                    if to == from { 1.0 - others * (n as f64 - 1.0) } else { others }
                };
                cells(dimension, n, mass, j, &centres)
            }
            Dimension::Ordinal(n) if n <= MOST_CELLS => {
                let sd = sd.max(0.25 / n as f64);
                let edge = |k: usize| k as f64 / n as f64;
                let below = |k: usize, from: usize| normal::cdf((edge(k) - edge(from) - 0.5 / n as f64) / sd);
                let mass = |to: usize, from: usize| {
                    (below(to + 1, from) - below(to, from)) / (below(n, from) - below(0, from))
                };
                cells(dimension, n, mass, j, &centres)
            }
            Dimension::Continuous | Dimension::Ordinal(_) => {
                let centres: Vec<f64> = centres.iter().map(|centre| centre[j]).collect();
                let inside: Vec<f64> =
                    centres.iter().map(|x| normal::cdf((1.0 - x) / sd) - normal::cdf(-x / sd)).collect();
                let peak = 1.0 / (sd * (2.0 * std::f64::consts::PI).sqrt());
                let of_active = |(x, inside): (&f64, &f64)| {
                    if *x == INACTIVE { (0.0, 1.0) } else { (1.0 / sd, peak / inside) }
                };
                let (rates, heights) = centres.iter().zip(&inside).map(of_active).unzip();
                Factor::Range { sd, centres, rates, heights, inside }
            }
        };
        let factors = encoding.dimensions().iter().enumerate().map(factor).collect();
        Self { encoding, centres, weight, factors }
    }

    /// A draw, with coordinates for what is inactive too.
    pub fn draw(&self, rng: &mut impl Rng) -> Point {
        let mut point = self.encoding.draw(rng);
        let chosen = (rng.random::<f64>() * self.total() - 1.0) / self.weight;
        if chosen < 0.0 || self.centres.is_empty() {
            return point;
        }
        let chosen = (chosen as usize).min(self.centres.len() - 1);
        for (j, (&dimension, factor)) in self.encoding.dimensions().iter().zip(&self.factors).enumerate() {
            let centre = self.centres[chosen][j];
            if centre == INACTIVE {
                continue;
            }
            point[j] = match factor {
                Factor::Cells { mass, from } => {
                    let mut left = rng.random::<f64>();
                    let level = mass.iter().position(|to| {
                        left -= to[from[chosen] as usize];
                        left < 0.0
                    });
                    let last = mass.len() - 1;
                    dimension.coordinate(level.unwrap_or(last))
                }
                Factor::Range { sd, inside, .. } => {
                    let p = normal::cdf(-centre / sd) + rng.random::<f64>() * inside[chosen];
                    let x = centre + sd * normal::quantile(p.clamp(1e-300, 1.0 - f64::EPSILON));
                    dimension.nearest(x.clamp(0.0, 1.0))
                }
            };
        }
        point
    }

    /// The logarithm of the density at a point whose inactive coordinates are marked.
    pub fn log_density(&self, point: &[f64]) -> f64 {
        let mut bumps = vec![self.weight; self.centres.len()];
        let mut uniform = 1.0;
        let mut exponent = vec![0.0; bumps.len()];
        let mut curved = false;
        for (j, (&dimension, factor)) in self.encoding.dimensions().iter().zip(&self.factors).enumerate() {
            let x = point[j];
            if x == INACTIVE {
                continue;
            }
            match factor {
                Factor::Cells { mass, from } => {
                    let mass = &mass[dimension.level(x)];
                    bumps.iter_mut().zip(from).for_each(|(bump, &from)| *bump *= mass[from as usize]);
                    uniform *= mass[mass.len() - 1];
                }
                Factor::Range { centres, rates, heights, .. } => {
                    curved = true;
                    let of_bumps = centres.iter().zip(rates).zip(heights);
                    for ((exponent, bump), ((centre, rate), height)) in
                        exponent.iter_mut().zip(&mut bumps).zip(of_bumps)
                    {
                        let z = (x - centre) * rate;
                        *exponent -= 0.5 * z * z;
                        *bump *= height;
                    }
                }
            }
        }
        if curved {
            bumps.iter_mut().zip(&exponent).for_each(|(bump, &e)| *bump *= exp(e));
        }
        libm::log((uniform + bumps.iter().sum::<f64>()) / self.total())
    }

    fn total(&self) -> f64 {
        1.0 + self.weight * self.centres.len() as f64
    }
}

fn cells(dimension: Dimension, n: usize, mass: impl Fn(usize, usize) -> f64, j: usize, centres: &[&[f64]]) -> Factor {
    let row = |to: usize| (0..n).map(|from| mass(to, from)).chain([1.0 / n as f64]).collect();
    let from = |centre: &&[f64]| match centre[j] {
        INACTIVE => n as u32,
        x => dimension.level(x) as u32,
    };
    Factor::Cells { mass: (0..n).map(row).collect(), from: centres.iter().map(from).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Domain, Hyperparameter, Space};

    const WIDTH: Width = Width { single: 0.15, least: 0.12, spread: 0.3 };

    fn total(space: &Space, configurations: impl Iterator<Item = crate::Params>) -> f64 {
        let encoding = Encoding::new(space);
        let centres: Vec<Point> =
            space.iter_with_points(3).step_by(3).filter_map(|params| encoding.encode(&params)).collect();
        let parzen = Parzen::new(&encoding, centres.iter().map(Vec::as_slice).collect(), 2.0, WIDTH);
        configurations.map(|params| parzen.log_density(&encoding.encode(&params).unwrap()).exp()).sum()
    }

    /// With conditions too, a density is one: inactive hyperparameters neither add mass nor lose any.
    #[test]
    fn mass_of_all_configurations_is_one() {
        let choice = Domain::choice(vec!["adam".into(), "sgd".into(), "rmsprop".into()], false).unwrap();
        let space = Space::new(vec![
            Hyperparameter::new("optimizer", choice),
            Hyperparameter::new("nesterov", Domain::boolean()).when("optimizer", ["sgd"]),
            Hyperparameter::new("layers", Domain::int(1, 7).unwrap()),
        ])
        .unwrap();
        assert!((total(&space, space.iter()) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn density_of_a_range_integrates_to_one() {
        const POINTS: u32 = 2_001;
        let space = Space::new(vec![Hyperparameter::new("x", Domain::float(0.0, 1.0).unwrap())]).unwrap();
        let mean = total(&space, space.iter_with_points(POINTS)) / f64::from(POINTS);
        assert!((mean - 1.0).abs() < 2e-3, "{mean}");
    }
}
