//! Enumerating the configurations of a space.

use super::{Domain, Params, Space, Value};

/// Every configuration of a space, once each, lazily: the full product with the last hyperparameter fastest, conditions
/// respected. (A parent that is declared after its child counts as declared before it.)
///
/// Each hyperparameter starts at its default, so that the default configuration comes first, and then takes its other
/// values in order.
#[derive(Debug, Clone)]
pub struct Configurations<'s> {
    space: &'s Space,
    /// For each hyperparameter all its values, as far as they are listed.
    axes: Vec<Axis>,
    next: Option<Vec<Option<u64>>>,
}

/// The values of one hyperparameter, default first.
#[derive(Debug, Clone)]
struct Axis {
    count: u64,
    /// Where the default is in the ascending order.
    default: u64,
    /// The values of a continuous range; those of the others are computed.
    points: Option<Vec<Value>>,
}

impl Axis {
    /// The ascending index of the value at `place` in the order of the enumeration.
    fn index(&self, place: u64) -> u64 {
        match place {
            0 => self.default,
            place if place <= self.default => place - 1,
            place => place,
        }
    }

    /// The inverse of [`Self::index`].
    fn place(&self, index: u64) -> u64 {
        match index {
            index if index == self.default => 0,
            index if index < self.default => index + 1,
            index => index,
        }
    }
}

impl<'s> Configurations<'s> {
    pub(super) fn new(space: &'s Space, points: u32) -> Self {
        let axes = space
            .hyperparameters
            .iter()
            .map(|hp| {
                if let Some(count) = hp.domain.cardinality() {
                    let default = hp.domain.index_of(&hp.default_value()).unwrap_or(0);
                    Axis { count, default, points: None }
                } else {
                    let values = continuous_points(&hp.domain, &hp.default_value(), points);
                    let default = values.iter().position(|value| *value == hp.default_value()).unwrap_or(0);
                    Axis { count: values.len() as u64, default: default as u64, points: Some(values) }
                }
            })
            .collect();
        let mut all = Self { space, axes, next: None };
        let mut places = vec![None; space.hyperparameters.len()];
        all.reset_from(0, &mut places);
        all.next = Some(places);
        all
    }

    /// What comes after a configuration; from the start when it is not one of those listed.
    #[must_use]
    pub fn after(mut self, params: &Params) -> Self {
        if let Some(mut places) = self.places_of(params) {
            self.next = self.advance(&mut places).then_some(places);
        }
        self
    }

    fn places_of(&self, params: &Params) -> Option<Vec<Option<u64>>> {
        let places: Option<Vec<_>> = self
            .space
            .hyperparameters
            .iter()
            .zip(&self.axes)
            .map(|(hp, axis)| {
                let Some(value) = params.get(&hp.name) else {
                    return Some(None);
                };
                let index = match &axis.points {
                    Some(points) => points.iter().position(|point| point == value)? as u64,
                    None => hp.domain.index_of(value)?,
                };
                Some(Some(axis.place(index)))
            })
            .collect();
        places
    }

    fn value(&self, position: usize, place: u64) -> Value {
        let axis = &self.axes[position];
        let index = axis.index(place);
        match &axis.points {
            Some(points) => points[index as usize].clone(),
            None => self.space.hyperparameters[position].domain.nth(index),
        }
    }

    /// Starts over everything from a rank of the order on; what is inactive has no place.
    fn reset_from(&self, rank: usize, places: &mut [Option<u64>]) {
        for &position in &self.space.order[rank..] {
            places[position] = self.is_active(position, places).then_some(0);
        }
    }

    fn is_active(&self, position: usize, places: &[Option<u64>]) -> bool {
        let conditions = &self.space.hyperparameters[position].conditions;
        let mut pairs = conditions.iter().zip(&self.space.parents[position]);
        pairs.all(|(condition, parent)| {
            places[*parent].is_some_and(|place| condition.holds(&self.value(*parent, place)))
        })
    }

    /// Moves to the next configuration; false when there is none.
    fn advance(&self, places: &mut [Option<u64>]) -> bool {
        for rank in (0..self.space.order.len()).rev() {
            let position = self.space.order[rank];
            if let Some(place) = places[position]
                && place + 1 < self.axes[position].count
            {
                places[position] = Some(place + 1);
                self.reset_from(rank + 1, places);
                return true;
            }
        }
        false
    }

    fn params(&self, places: &[Option<u64>]) -> Params {
        let hyperparameters = self.space.hyperparameters.iter().enumerate();
        hyperparameters
            .filter_map(|(position, hp)| Some((hp.name.clone(), self.value(position, places[position]?))))
            .collect()
    }
}

impl Iterator for Configurations<'_> {
    type Item = Params;

    fn next(&mut self) -> Option<Params> {
        let mut places = self.next.take()?;
        let params = self.params(&places);
        self.next = self.advance(&mut places).then_some(places);
        Some(params)
    }
}

fn continuous_points(domain: &Domain, default: &Value, points: u32) -> Vec<Value> {
    match (points, domain) {
        (2.., Domain::Float(range)) => {
            let last = f64::from(points - 1);
            (0..points).map(|i| Value::Float(range.tidy_value_at(f64::from(i) / last))).collect()
        }
        _ => vec![default.clone()],
    }
}
