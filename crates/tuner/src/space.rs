//! The search space: hyperparameters, their domains, and the conditions between them.
//!
//! ```
//! use tuner::{Domain, Hyperparameter, Sampling, Space};
//!
//! let space = Space::new(vec![
//!     Hyperparameter::new("optimizer", Domain::choice(vec!["adam".into(), "sgd".into()], false)?),
//!     Hyperparameter::new("learning_rate", Domain::float_with(1e-4, 1e-2, None, Sampling::Log)?),
//!     Hyperparameter::new("momentum", Domain::float(0.0, 0.99)?).when("optimizer", ["sgd"]),
//! ])?;
//! let params = space.default_params();
//! assert_eq!(params.get_text("optimizer"), Some("adam"));
//! assert_eq!(params.get("momentum"), None);
//! # Ok::<(), tuner::SpaceError>(())
//! ```

mod choice;
mod configurations;
mod domain;
mod error;
mod float_range;
mod hyperparameter;
mod int_range;
mod params;
mod sampling;
mod size;
mod value;

use std::collections::HashMap;
use std::sync::OnceLock;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

pub use choice::Choice;
pub use configurations::Configurations;
pub use domain::{Domain, DomainKind};
pub use error::{SpaceError, nearest};
pub use float_range::FloatRange;
pub use hyperparameter::{Condition, Hyperparameter};
pub use int_range::IntRange;
pub use params::Params;
pub use sampling::Sampling;
pub use size::Size;
pub use value::Value;

/// Hyperparameters with unique names whose conditions make sense. One that exists is valid.
///
/// In JSON it is the list of its hyperparameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<Hyperparameter>", into = "Vec<Hyperparameter>")]
pub struct Space {
    hyperparameters: Vec<Hyperparameter>,
    positions: HashMap<String, usize>,
    /// For each hyperparameter, the positions of its conditions' parents.
    parents: Vec<Vec<usize>>,
    /// All positions, parents before children, as declared wherever that is possible.
    order: Vec<usize>,
    size: OnceLock<Size>,
}

impl Space {
    /// A space of hyperparameters, in the order in which they are to be shown and enumerated.
    ///
    /// # Errors
    /// When a name is used twice, a default is not a member of its domain, or a condition is on something unknown,
    /// continuous, circular, or never fulfilled.
    pub fn new(mut hyperparameters: Vec<Hyperparameter>) -> Result<Self, SpaceError> {
        let mut positions = HashMap::with_capacity(hyperparameters.len());
        for (position, hp) in hyperparameters.iter_mut().enumerate() {
            if positions.insert(hp.name.clone(), position).is_some() {
                return Err(SpaceError::DuplicateName { name: hp.name.clone() });
            }
            if let Some(default) = hp.default.take() {
                hp.default = Some(hp.domain.coerce(default).map_err(SpaceError::of(&hp.name))?);
            }
        }
        let mut parents = Vec::with_capacity(hyperparameters.len());
        for position in 0..hyperparameters.len() {
            let mut conditions = std::mem::take(&mut hyperparameters[position].conditions);
            let mut own_parents = Vec::with_capacity(conditions.len());
            for condition in &mut conditions {
                let parent = find_parent(&positions, &hyperparameters[position].name, condition)?;
                condition
                    .settle(&hyperparameters[parent].domain)
                    .map_err(SpaceError::of(&hyperparameters[position].name))?;
                own_parents.push(parent);
            }
            hyperparameters[position].conditions = conditions;
            parents.push(own_parents);
        }
        let order = parents_first(&parents)
            .map_err(|position| SpaceError::Cycle { name: hyperparameters[position].name.clone() })?;
        Ok(Self { hyperparameters, positions, parents, order, size: OnceLock::new() })
    }

    /// All hyperparameters, as declared.
    pub fn hyperparameters(&self) -> &[Hyperparameter] {
        &self.hyperparameters
    }

    /// The hyperparameter of a name.
    pub fn get(&self, name: &str) -> Option<&Hyperparameter> {
        self.positions.get(name).map(|position| &self.hyperparameters[*position])
    }

    /// The hyperparameters with more than one value: what a search is about.
    pub fn searched(&self) -> impl Iterator<Item = &Hyperparameter> {
        self.hyperparameters.iter().filter(|hp| hp.domain.cardinality() != Some(1))
    }

    /// Every active hyperparameter at its default.
    pub fn default_params(&self) -> Params {
        self.build(|hp, _| hp.default_value())
    }

    /// Whether all conditions of a hyperparameter hold in a configuration.
    pub fn is_active(&self, hp: &Hyperparameter, params: &Params) -> bool {
        hp.conditions.iter().all(|condition| params.get(condition.parent()).is_some_and(|value| condition.holds(value)))
    }

    /// The configuration at a point of the unit cube, one coordinate per hyperparameter, as declared. Coordinates of
    /// inactive hyperparameters are ignored, missing ones count as 0.
    pub fn from_unit(&self, point: &[f64]) -> Params {
        self.build(|hp, position| hp.domain.value_at(point.get(position).copied().unwrap_or(0.0)))
    }

    /// The point that [`Self::from_unit`] takes back to the configuration; `None` for each inactive hyperparameter.
    pub fn to_unit(&self, params: &Params) -> Vec<Option<f64>> {
        self.hyperparameters.iter().map(|hp| params.get(&hp.name).and_then(|value| hp.domain.unit_of(value))).collect()
    }

    /// A configuration drawn uniformly from the unit cube.
    pub fn sample(&self, rng: &mut impl Rng) -> Params {
        // One number for every hyperparameter, active or not: a value does not depend on its neighbours' activity.
        let point: Vec<f64> = self.hyperparameters.iter().map(|_| rng.random()).collect();
        self.from_unit(&point)
    }

    /// A configuration from some of its values; the other active hyperparameters are at their defaults.
    ///
    /// # Errors
    /// When a name is unknown, a value is not in its domain, or a value is given for an inactive hyperparameter.
    pub fn complete(&self, partial: &Params) -> Result<Params, SpaceError> {
        self.check_names(partial)?;
        let params = self.try_build(|hp, _| match partial.get(&hp.name) {
            Some(value) => hp.domain.coerce(value.clone()).map_err(SpaceError::of(&hp.name)),
            None => Ok(hp.default_value()),
        })?;
        self.check_no_inactive(partial, &params)?;
        Ok(params)
    }

    /// Whether a configuration is one of this space: a value of its domain for every active hyperparameter, and no
    /// other value.
    ///
    /// # Errors
    /// Says which hyperparameter is wrong, and why.
    pub fn validate(&self, params: &Params) -> Result<(), SpaceError> {
        self.check_names(params)?;
        let expected = self.try_build(|hp, _| match params.get(&hp.name) {
            Some(value) => hp.domain.coerce(value.clone()).map_err(SpaceError::of(&hp.name)),
            None => Err(SpaceError::Missing { name: hp.name.clone() }),
        })?;
        self.check_no_inactive(params, &expected)
    }

    /// How many distinct configurations there are, conditions respected.
    pub fn size(&self) -> Size {
        *self.size.get_or_init(|| size::size(self))
    }

    /// Every configuration of a finite space, as [`Configurations`] describes. Of a continuous range it knows only the
    /// default: see [`Self::iter_with_points`].
    pub fn iter(&self) -> Configurations<'_> {
        self.iter_with_points(1)
    }

    /// Every configuration of the grid that has `points` values, evenly spread with both ends, of each continuous range.
    pub fn iter_with_points(&self, points: u32) -> Configurations<'_> {
        Configurations::new(self, points)
    }

    /// The configuration whose active hyperparameters have the values that `value` gives.
    fn build(&self, mut value: impl FnMut(&Hyperparameter, usize) -> Value) -> Params {
        match self.try_build::<std::convert::Infallible>(|hp, position| Ok(value(hp, position))) {
            Ok(params) => params,
            Err(never) => match never {},
        }
    }

    fn try_build<E>(&self, mut value: impl FnMut(&Hyperparameter, usize) -> Result<Value, E>) -> Result<Params, E> {
        let mut values: Vec<Option<Value>> = vec![None; self.hyperparameters.len()];
        for &position in &self.order {
            if self.is_active_at(position, |parent| values[parent].as_ref()) {
                values[position] = Some(value(&self.hyperparameters[position], position)?);
            }
        }
        let named = self.hyperparameters.iter().zip(values);
        Ok(named.filter_map(|(hp, value)| Some((hp.name.clone(), value?))).collect())
    }

    /// Whether all conditions hold, given the values of the active parents.
    fn is_active_at<'v>(&self, position: usize, value: impl Fn(usize) -> Option<&'v Value>) -> bool {
        let conditions = &self.hyperparameters[position].conditions;
        let mut pairs = conditions.iter().zip(&self.parents[position]);
        pairs.all(|(condition, parent)| value(*parent).is_some_and(|value| condition.holds(value)))
    }

    fn check_names(&self, params: &Params) -> Result<(), SpaceError> {
        match params.iter().find(|(name, _)| !self.positions.contains_key(*name)) {
            None => Ok(()),
            Some((name, _)) => Err(SpaceError::Unknown {
                name: name.to_owned(),
                nearest: nearest(name, self.hyperparameters.iter().map(|hp| hp.name.as_str())),
            }),
        }
    }

    fn check_no_inactive(&self, given: &Params, active: &Params) -> Result<(), SpaceError> {
        match given.iter().find(|(name, _)| active.get(name).is_none()) {
            None => Ok(()),
            Some((name, _)) => Err(SpaceError::Inactive {
                name: name.to_owned(),
                needs: self.hyperparameters[self.positions[name]]
                    .conditions
                    .iter()
                    .map(Condition::to_string)
                    .collect::<Vec<_>>()
                    .join(" and "),
            }),
        }
    }
}

impl PartialEq for Space {
    fn eq(&self, other: &Self) -> bool {
        self.hyperparameters == other.hyperparameters
    }
}

impl<'s> IntoIterator for &'s Space {
    type Item = Params;
    type IntoIter = Configurations<'s>;

    fn into_iter(self) -> Configurations<'s> {
        self.iter()
    }
}

impl TryFrom<Vec<Hyperparameter>> for Space {
    type Error = SpaceError;

    fn try_from(hyperparameters: Vec<Hyperparameter>) -> Result<Self, SpaceError> {
        Self::new(hyperparameters)
    }
}

impl From<Space> for Vec<Hyperparameter> {
    fn from(space: Space) -> Self {
        space.hyperparameters
    }
}

fn find_parent(positions: &HashMap<String, usize>, name: &str, condition: &Condition) -> Result<usize, SpaceError> {
    let parent = condition.parent();
    positions.get(parent).copied().ok_or_else(|| SpaceError::UnknownParent {
        name: name.to_owned(),
        parent: parent.to_owned(),
        nearest: nearest(parent, positions.keys().map(String::as_str).filter(|known| *known != name)),
    })
}

/// Positions with parents before children, otherwise ascending; `Err` is a position in a circle.
fn parents_first(parents: &[Vec<usize>]) -> Result<Vec<usize>, usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut order = Vec::with_capacity(parents.len());
    let mut marks = vec![Mark::New; parents.len()];
    for start in 0..parents.len() {
        let mut stack = vec![start];
        while let Some(&position) = stack.last() {
            match marks[position] {
                Mark::Done => {
                    stack.pop();
                }
                Mark::New => {
                    marks[position] = Mark::Open;
                    for &parent in parents[position].iter().rev() {
                        match marks[parent] {
                            Mark::New => stack.push(parent),
                            Mark::Open => return Err(parent),
                            Mark::Done => {}
                        }
                    }
                }
                Mark::Open => {
                    marks[position] = Mark::Done;
                    order.push(position);
                    stack.pop();
                }
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod tests;
