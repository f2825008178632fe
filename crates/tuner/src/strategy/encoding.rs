//! Configurations as points: what the model-based strategies compute with.
//!
//! A space is compiled once into dimensions and rules of activity, so that a thousand candidates can be drawn,
//! changed and compared without building a single [`Params`].

use rand::{Rng, RngExt};

use super::bayesian::kernel::{Dimension, INACTIVE};
use crate::space::{Condition, Domain, DomainKind, Params, Space, Value};

/// One coordinate for each hyperparameter, in declared order: 0..=1, or [`INACTIVE`].
pub type Point = Vec<f64>;

/// A space, compiled.
#[derive(Debug)]
pub struct Encoding<'a> {
    space: &'a Space,
    dimensions: Vec<Dimension>,
    rules: Vec<Vec<Rule>>,
    /// Parents before children.
    order: Vec<usize>,
    searched: Vec<usize>,
}

#[derive(Debug)]
struct Rule {
    parent: usize,
    allows: Allows,
}

#[derive(Debug)]
enum Allows {
    Levels(Vec<bool>),
    /// Of a parent whose values cannot be counted.
    Coordinates(Vec<f64>),
}

impl Rule {
    fn new(space: &Space, condition: &Condition) -> Option<Self> {
        let (name, holds): (&str, &dyn Fn(&Value) -> bool) = match condition {
            Condition::OneOf { parent, values } => (parent, &|value| values.contains(value)),
            Condition::GreaterThan { parent, bound } => {
                (parent, &|value| matches!(value, Value::Int(value) if value > bound))
            }
        };
        let parent = space.hyperparameters().iter().position(|hp| hp.name == name)?;
        let domain = &space.hyperparameters()[parent].domain;
        let allows = match (domain.cardinality(), condition) {
            (Some(n), _) => Allows::Levels((0..n).map(|i| holds(&domain.nth(i))).collect()),
            (None, Condition::OneOf { values, .. }) => {
                Allows::Coordinates(values.iter().filter_map(|value| domain.unit_of(value)).collect())
            }
            (None, Condition::GreaterThan { .. }) => return None,
        };
        Some(Self { parent, allows })
    }

    fn holds(&self, parent: Dimension, coordinate: f64) -> bool {
        coordinate != INACTIVE
            && match &self.allows {
                Allows::Levels(levels) => levels.get(parent.level(coordinate)).is_some_and(|&allowed| allowed),
                Allows::Coordinates(all) => all.contains(&coordinate),
            }
    }
}

fn dimension(domain: &Domain) -> Dimension {
    match domain.kind() {
        DomainKind::Continuous => Dimension::Continuous,
        DomainKind::Ordinal(n) => Dimension::Ordinal(n as usize),
        DomainKind::Categorical(n) => Dimension::Categorical(n as usize),
    }
}

impl<'a> Encoding<'a> {
    /// Compiles `space`.
    pub fn new(space: &'a Space) -> Self {
        let all = space.hyperparameters();
        let dimensions: Vec<Dimension> = all.iter().map(|hp| dimension(&hp.domain)).collect();
        let rules: Vec<Vec<Rule>> = all
            .iter()
            .map(|hp| hp.conditions.iter().filter_map(|condition| Rule::new(space, condition)).collect())
            .collect();
        let mut order: Vec<usize> = Vec::with_capacity(all.len());
        let mut placed = vec![false; all.len()];
        while order.len() < all.len() {
            let before = order.len();
            for j in 0..all.len() {
                if !placed[j] && rules[j].iter().all(|rule: &Rule| placed[rule.parent]) {
                    placed[j] = true;
                    order.push(j);
                }
            }
            // A valid space has no cycle, so that each pass places at least one.
            if order.len() == before {
                break;
            }
        }
        let searched = (0..all.len()).filter(|&j| dimensions[j].levels() != Some(1)).collect();
        Self { space, dimensions, rules, order, searched }
    }

    /// The dimension of each hyperparameter, in declared order.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The hyperparameters with more than one value.
    pub fn searched(&self) -> &[usize] {
        &self.searched
    }

    /// The hyperparameters whose activity hyperparameter `j` decides.
    pub fn is_parent(&self, j: usize) -> bool {
        self.rules.iter().flatten().any(|rule| rule.parent == j)
    }

    /// Whether hyperparameter `j` has conditions.
    pub fn is_conditional(&self, j: usize) -> bool {
        !self.rules[j].is_empty()
    }

    /// The point whose coordinates lie at `unit`, each in 0..1, inactive ones included.
    pub fn at_unit(&self, unit: impl IntoIterator<Item = f64>) -> Point {
        let coordinate = |(u, &dimension): (f64, &Dimension)| match dimension.levels() {
            None => u,
            Some(n) => dimension.coordinate(((u * n as f64) as usize).min(n.saturating_sub(1))),
        };
        unit.into_iter().zip(&self.dimensions).map(coordinate).collect()
    }

    /// A uniform draw, inactive coordinates included.
    pub fn draw(&self, rng: &mut impl Rng) -> Point {
        self.at_unit(std::iter::repeat_with(|| rng.random::<f64>()))
    }

    /// The same configuration with a coordinate for what is inactive too, drawn uniformly.
    pub fn complete(&self, point: &[f64], rng: &mut impl Rng) -> Point {
        let drawn = self.draw(rng);
        point.iter().zip(drawn).map(|(&x, drawn)| if x == INACTIVE { drawn } else { x }).collect()
    }

    /// Marks what is inactive, so that two points are equal exactly when their configurations are.
    pub fn mark_inactive(&self, point: &mut [f64]) {
        for &j in &self.order {
            let active = self.rules[j].iter().all(|rule| rule.holds(self.dimensions[rule.parent], point[rule.parent]));
            if !active {
                point[j] = INACTIVE;
            }
        }
    }

    /// The point of a configuration; `None` if it is not one of this space.
    pub fn encode(&self, params: &Params) -> Option<Point> {
        let mut point = vec![INACTIVE; self.dimensions.len()];
        let mut values = params.iter();
        for ((x, hp), dimension) in point.iter_mut().zip(self.space.hyperparameters()).zip(&self.dimensions) {
            let mut ahead = values.clone();
            let value = match ahead.next() {
                Some((name, value)) if name == hp.name.as_str() => {
                    values = ahead;
                    Some(value)
                }
                _ => params.get(&hp.name),
            };
            let Some(value) = value else { continue };
            *x = match dimension.levels() {
                Some(_) => dimension.coordinate(hp.domain.index_of(value)? as usize),
                None => hp.domain.unit_of(value)?,
            };
        }
        Some(point)
    }

    /// The configuration of a point.
    pub fn decode(&self, point: &[f64]) -> Params {
        let unit = |(&x, dimension): (&f64, &Dimension)| match dimension.levels() {
            None => x.clamp(0.0, 1.0 - f64::EPSILON),
            Some(n) => (dimension.level(x.max(0.0)) as f64 + 0.5) / n as f64,
        };
        let unit: Vec<f64> = point.iter().zip(&self.dimensions).map(unit).collect();
        self.space.from_unit(&unit)
    }
}

/// A number that equal points share and, but for one pair in 2⁶⁴, no others.
pub fn fingerprint(point: &[f64]) -> u64 {
    point.iter().fold(0x9e37_79b9_7f4a_7c15, |hash, x| {
        let mixed = (hash ^ x.to_bits()).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (mixed >> 32)
    })
}
