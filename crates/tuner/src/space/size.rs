//! Counting the configurations of a space.

use std::collections::BTreeMap;
use std::fmt;

use super::{Condition, Domain, Space, Value};

/// How many distinct configurations a space has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// So many.
    Finite(u128),
    /// Infinitely many, because of so many continuous hyperparameters.
    Infinite {
        /// How many hyperparameters are continuous.
        continuous: usize,
    },
    /// Finitely many, but more than a `u128` holds.
    Overflow,
}

impl Size {
    /// The number, when it is finite and fits.
    pub fn finite(self) -> Option<u128> {
        match self {
            Size::Finite(size) => Some(size),
            Size::Infinite { .. } | Size::Overflow => None,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Finite(size) => write!(f, "{size}"),
            Size::Infinite { .. } => f.write_str("infinite"),
            Size::Overflow => write!(f, "more than {:.1e}", u128::MAX as f64),
        }
    }
}

/// A hyperparameter still to be counted, with the parents of its conditions that are still open.
#[derive(Clone)]
struct Open {
    position: usize,
    parents: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Count {
    Finite(u128),
    Overflow,
    Infinite,
}

impl Count {
    fn times(self, other: Count) -> Count {
        self.join(other, u128::checked_mul)
    }

    fn plus(self, other: Count) -> Count {
        self.join(other, u128::checked_add)
    }

    fn join(self, other: Count, operation: fn(u128, u128) -> Option<u128>) -> Count {
        match (self, other) {
            (Count::Infinite, _) | (_, Count::Infinite) => Count::Infinite,
            (Count::Finite(a), Count::Finite(b)) => operation(a, b).map_or(Count::Overflow, Count::Finite),
            _ => Count::Overflow,
        }
    }
}

pub(super) fn size(space: &Space) -> Size {
    let open = (0..space.hyperparameters.len())
        .map(|position| Open { position, parents: space.parents[position].clone() })
        .collect();
    match count(space, open) {
        Count::Finite(size) => Size::Finite(size),
        Count::Overflow => Size::Overflow,
        Count::Infinite => {
            let domains = space.hyperparameters.iter().map(|hp| &hp.domain);
            Size::Infinite { continuous: domains.filter(|domain| domain.cardinality().is_none()).count() }
        }
    }
}

/// Independent groups multiply. Within a group, the values of one parent that decide the same conditions are counted
/// together; once it is decided, what depended on it alone falls apart into independent groups.
fn count(space: &Space, open: Vec<Open>) -> Count {
    groups(open).into_iter().map(|group| count_group(space, group)).fold(Count::Finite(1), Count::times)
}

fn count_group(space: &Space, mut group: Vec<Open>) -> Count {
    // Conditions have no circles, so that something is free of them; decide what most depends on first.
    let dependants = |position: usize| group.iter().filter(|open| open.parents.contains(&position)).count();
    let Some(decided) = (0..group.len())
        .filter(|index| group[*index].parents.is_empty())
        .max_by_key(|index| dependants(group[*index].position))
    else {
        return Count::Finite(1);
    };
    let position = group.swap_remove(decided).position;
    let domain = &space.hyperparameters[position].domain;
    let Some(cardinality) = domain.cardinality() else {
        return Count::Infinite.times(count(space, group));
    };
    if group.is_empty() {
        return Count::Finite(cardinality.into());
    }
    values_by_outcome(space, position, domain, cardinality, &group)
        .into_iter()
        .map(|(value, values)| {
            Count::Finite(values.into()).times(count(space, decide(space, &group, position, &value)))
        })
        .fold(Count::Finite(0), Count::plus)
}

/// One value for each outcome of the conditions on `position`, with how many values share the outcome.
fn values_by_outcome(
    space: &Space,
    position: usize,
    domain: &Domain,
    cardinality: u64,
    group: &[Open],
) -> Vec<(Value, u64)> {
    let conditions: Vec<_> = group
        .iter()
        .flat_map(|open| {
            let conditions = &space.hyperparameters[open.position].conditions;
            conditions.iter().zip(&space.parents[open.position]).filter(|(_, parent)| **parent == position)
        })
        .map(|(condition, _)| condition)
        .collect();
    let mut by_outcome: BTreeMap<Vec<bool>, (Value, u64)> = BTreeMap::new();
    for run in runs(domain, cardinality, &conditions).windows(2) {
        let value = domain.nth(run[0]);
        let outcome = conditions.iter().map(|condition| condition.holds(&value)).collect();
        by_outcome.entry(outcome).or_insert((value, 0)).1 += run[1] - run[0];
    }
    by_outcome.into_values().collect()
}

/// Indices at which the outcome of a condition can change, with 0 and the cardinality at the ends: a range of a billion
/// integers with a condition on one of them has three runs.
fn runs(domain: &Domain, cardinality: u64, conditions: &[&Condition]) -> Vec<u64> {
    let mut cuts = vec![0, cardinality];
    for condition in conditions {
        match (condition, domain) {
            (Condition::OneOf { values, .. }, _) => {
                let indices = values.iter().filter_map(|value| domain.index_of(value));
                cuts.extend(indices.flat_map(|index| [index, index + 1]));
            }
            (Condition::GreaterThan { bound, .. }, Domain::Int(range)) => {
                cuts.push(range.first_above(*bound));
            }
            (Condition::GreaterThan { .. }, _) => cuts.extend(0..cardinality),
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// What is left open once `position` has a value: conditions that hold are settled, and what is inactive is gone, with
/// all that depends on it.
fn decide(space: &Space, group: &[Open], position: usize, value: &Value) -> Vec<Open> {
    let mut gone = vec![false; space.hyperparameters.len()];
    for open in group {
        let mut conditions = space.hyperparameters[open.position].conditions.iter().zip(&space.parents[open.position]);
        gone[open.position] = conditions.any(|(condition, parent)| *parent == position && !condition.holds(value));
    }
    for &inner in &space.order {
        gone[inner] = gone[inner] || space.parents[inner].iter().any(|parent| gone[*parent]);
    }
    let left = group.iter().filter(|open| !gone[open.position]);
    left.map(|open| Open {
        position: open.position,
        parents: open.parents.iter().copied().filter(|parent| *parent != position).collect(),
    })
    .collect()
}

/// Splits into groups that no condition joins.
fn groups(open: Vec<Open>) -> Vec<Vec<Open>> {
    let mut groups: Vec<Vec<Open>> = Vec::new();
    for item in open {
        let joined = |group: &Vec<Open>| {
            group.iter().any(|other| {
                other.parents.contains(&item.position)
                    || item.parents.contains(&other.position)
                    || other.parents.iter().any(|parent| item.parents.contains(parent))
            })
        };
        let (touching, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(joined);
        groups = apart;
        let mut group: Vec<Open> = touching.into_iter().flatten().collect();
        group.push(item);
        groups.push(group);
    }
    groups
}
