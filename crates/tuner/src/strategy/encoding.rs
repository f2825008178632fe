//! Configurations as points: what the model-based strategies compute with.
//!
//! A space is compiled into dimensions and rules of activity, so that a thousand candidates can be drawn, changed
//! and compared without building a single [`Params`].

use rand::{Rng, RngExt};

use crate::space::{Condition, Domain, DomainKind, Hyperparameter, Params, Space};

/// One coordinate for each hyperparameter that is searched, in declared order: 0..=1, or [`INACTIVE`].
pub type Point = Vec<f64>;

/// The coordinate of a hyperparameter that is inactive.
pub const INACTIVE: f64 = -1.0;

/// What a model knows of one hyperparameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Dimension {
    /// Any number in 0..=1.
    Continuous,
    /// One of this many numbers, evenly spaced over 0..=1.
    Ordinal(usize),
    /// One of this many values without an order, numbered like those of an ordinal one.
    Categorical(usize),
}

impl Dimension {
    fn of(domain: &Domain) -> Self {
        match domain.kind() {
            DomainKind::Continuous => Self::Continuous,
            DomainKind::Ordinal(n) => Self::Ordinal(n as usize),
            DomainKind::Categorical(n) => Self::Categorical(n as usize),
        }
    }

    /// How many values there are, if they can be counted.
    pub fn levels(self) -> Option<usize> {
        match self {
            Self::Continuous => None,
            Self::Ordinal(n) | Self::Categorical(n) => Some(n),
        }
    }

    /// The coordinate of value number `level`.
    pub fn coordinate(self, level: usize) -> f64 {
        match self.levels() {
            None | Some(0 | 1) => 0.5,
            Some(n) => level as f64 / (n - 1) as f64,
        }
    }

    /// The number of the value at `coordinate`, of a dimension that can be counted.
    pub fn level(self, coordinate: f64) -> usize {
        self.levels().map_or(0, |n| (coordinate * n.saturating_sub(1) as f64).round() as usize)
    }

    /// The coordinate of the value closest to `x`.
    pub fn nearest(self, x: f64) -> f64 {
        if self.levels().is_some() { self.coordinate(self.level(x)) } else { x }
    }

    /// The coordinate at `u`, in 0..1, of the unit interval.
    fn at_unit(self, u: f64) -> f64 {
        match self.levels() {
            None => u,
            Some(n) => self.coordinate(((u * n as f64) as usize).min(n.saturating_sub(1))),
        }
    }

    /// The point of the unit interval at `coordinate`.
    fn unit(self, coordinate: f64) -> f64 {
        match self.levels() {
            None => coordinate.clamp(0.0, 1.0 - f64::EPSILON),
            Some(n) => (self.level(coordinate.max(0.0)) as f64 + 0.5) / n as f64,
        }
    }
}

/// A space, compiled. Hyperparameters that have one value, or are never active, are left out.
#[derive(Debug)]
pub struct Encoding<'a> {
    space: &'a Space,
    dimensions: Vec<Dimension>,
    /// The place of each dimension among the space's hyperparameters.
    places: Vec<usize>,
    rules: Vec<Vec<Rule>>,
    /// Dimensions with rules, parents before children.
    conditional: Vec<usize>,
}

/// A condition: which values of the parent, by their number, it holds for.
#[derive(Debug)]
struct Rule {
    parent: usize,
    allowed: Vec<bool>,
}

impl Rule {
    fn holds(&self, parent: Dimension, coordinate: f64) -> bool {
        coordinate != INACTIVE && self.allowed.get(parent.level(coordinate)).is_some_and(|&allowed| allowed)
    }
}

impl<'a> Encoding<'a> {
    /// Compiles `space`.
    pub fn new(space: &'a Space) -> Self {
        let all = space.hyperparameters();
        let searched = |hp: &Hyperparameter| hp.domain.cardinality() != Some(1);
        let conditions: Vec<Option<Vec<&Condition>>> =
            all.iter().map(|hp| searched(hp).then(|| open_conditions(space, hp)).flatten()).collect();
        let places: Vec<usize> = (0..all.len()).filter(|&place| conditions[place].is_some()).collect();
        let dimensions: Vec<Dimension> = places.iter().map(|&place| Dimension::of(&all[place].domain)).collect();
        let rule = |condition: &&Condition| {
            let parent = places.iter().position(|&place| all[place].name == condition.parent())?;
            let domain = &all[places[parent]].domain;
            // A valid space has no condition on a continuous hyperparameter.
            let allowed = (0..domain.cardinality()?).map(|i| condition.holds(&domain.nth(i))).collect();
            Some(Rule { parent, allowed })
        };
        let rules: Vec<Vec<Rule>> =
            places.iter().map(|&place| conditions[place].iter().flatten().filter_map(rule).collect()).collect();
        let conditional = parents_first(&rules);
        Self { space, dimensions, places, rules, conditional }
    }

    /// The hyperparameters that are searched, in declared order.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The point at `unit`, one number in 0..1 per dimension; inactive coordinates are not marked.
    pub fn at_unit(&self, unit: impl IntoIterator<Item = f64>) -> Point {
        self.dimensions.iter().zip(unit).map(|(dimension, u)| dimension.at_unit(u)).collect()
    }

    /// A uniform draw; inactive coordinates are not marked.
    pub fn draw(&self, rng: &mut impl Rng) -> Point {
        self.at_unit(std::iter::repeat_with(|| rng.random::<f64>()))
    }

    /// How many combinations of values there are, inactive ones counted, if none is continuous and there are at
    /// most `limit`.
    pub fn combinations(&self, limit: usize) -> Option<usize> {
        self.dimensions.iter().try_fold(1_usize, |product, dimension| {
            dimension.levels().and_then(|n| product.checked_mul(n)).filter(|&product| product <= limit)
        })
    }

    /// Combination number `index` of them.
    pub fn combination(&self, mut index: usize) -> Point {
        let coordinate = |dimension: &Dimension| {
            let n = dimension.levels().unwrap_or(1);
            let level = index % n;
            index /= n;
            dimension.coordinate(level)
        };
        self.dimensions.iter().map(coordinate).collect()
    }

    /// The same configuration with a coordinate for what is inactive too, drawn uniformly.
    pub fn complete(&self, point: &[f64], rng: &mut impl Rng) -> Point {
        replace_inactive(point, &self.draw(rng))
    }

    /// Marks what is inactive, so that two points are equal exactly when their configurations are.
    pub fn mark_inactive(&self, point: &mut [f64]) {
        for &j in &self.conditional {
            let active = self.rules[j].iter().all(|rule| rule.holds(self.dimensions[rule.parent], point[rule.parent]));
            if !active {
                point[j] = INACTIVE;
            }
        }
    }

    /// The point of a configuration, inactive coordinates marked; `None` if it has values that are not of this space.
    pub fn encode(&self, params: &Params) -> Option<Point> {
        let all = self.space.hyperparameters();
        let mut values = params.iter().peekable();
        let mut point = Vec::with_capacity(self.places.len());
        for (&place, dimension) in self.places.iter().zip(&self.dimensions) {
            let hp = &all[place];
            // Values come in the order of the space: a look-up by name is the exception.
            while values.next_if(|(name, _)| *name != hp.name && self.is_left_out(name)).is_some() {}
            let value = match values.next_if(|(name, _)| *name == hp.name) {
                Some((_, value)) => Some(value),
                None => params.get(&hp.name),
            };
            point.push(match (value, dimension.levels()) {
                (None, _) => INACTIVE,
                (Some(value), Some(_)) => dimension.coordinate(hp.domain.index_of(value)? as usize),
                (Some(value), None) => hp.domain.unit_of(value)?,
            });
        }
        Some(point)
    }

    /// Where each hyperparameter has its default value, be it active or not.
    pub fn defaults(&self) -> Point {
        let default = |(&place, dimension): (&usize, &Dimension)| {
            let hp = &self.space.hyperparameters()[place];
            let value = hp.default_value();
            match dimension.levels() {
                Some(_) => dimension.coordinate(hp.domain.index_of(&value).unwrap_or(0) as usize),
                None => hp.domain.unit_of(&value).unwrap_or(0.0),
            }
        };
        self.places.iter().zip(&self.dimensions).map(default).collect()
    }

    fn is_left_out(&self, name: &str) -> bool {
        self.space.get(name).is_none_or(|hp| hp.domain.cardinality() == Some(1))
    }

    /// The configuration of a point.
    pub fn decode(&self, point: &[f64]) -> Params {
        let mut unit = vec![0.5; self.space.hyperparameters().len()];
        for ((&place, dimension), &x) in self.places.iter().zip(&self.dimensions).zip(point) {
            unit[place] = dimension.unit(x);
        }
        self.space.from_unit(&unit)
    }
}

/// The conditions of a hyperparameter that depend on what is searched, those of its fixed parents in place of the ones
/// on them; `None` if it is never active.
fn open_conditions<'a>(space: &'a Space, hp: &'a Hyperparameter) -> Option<Vec<&'a Condition>> {
    let mut open = Vec::new();
    for condition in &hp.conditions {
        let parent = space.get(condition.parent())?;
        if parent.domain.cardinality() != Some(1) {
            open.push(condition);
        } else if condition.holds(&parent.domain.nth(0)) {
            open.extend(open_conditions(space, parent)?);
        } else {
            return None;
        }
    }
    Some(open)
}

fn parents_first(rules: &[Vec<Rule>]) -> Vec<usize> {
    let mut placed: Vec<bool> = rules.iter().map(Vec::is_empty).collect();
    let mut order = Vec::new();
    // A valid space has no cycle: each pass places at least one, or nothing is left.
    loop {
        let ready = |&j: &usize| !placed[j] && rules[j].iter().all(|rule| placed[rule.parent]);
        let next: Vec<usize> = (0..rules.len()).filter(ready).collect();
        if next.is_empty() {
            return order;
        }
        for &j in &next {
            placed[j] = true;
        }
        order.extend(next);
    }
}

/// The point with other coordinates in place of inactive ones.
pub fn replace_inactive(point: &[f64], others: &[f64]) -> Point {
    point.iter().zip(others).map(|(&x, &other)| if x == INACTIVE { other } else { x }).collect()
}

/// A number that equal points share and, but for one pair in 2⁶⁴, no others.
pub fn fingerprint(point: &[f64]) -> u64 {
    point.iter().fold(0x9e37_79b9_7f4a_7c15, |hash, x| {
        let mixed = (hash ^ x.to_bits()).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (mixed >> 32)
    })
}
