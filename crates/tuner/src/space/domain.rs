//! The values a hyperparameter may take.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::sampling::{cell, middle};
use super::{Choice, FloatRange, IntRange, Sampling, SpaceError, Value};

/// The values a hyperparameter may take. One that exists is valid.
///
/// Every domain maps to and from the unit interval `[0, 1)`: a continuous range by its [`Sampling`], every other
/// one cell by cell, all cells of the same width (an integer range on a log scale without a step has cells that
/// shrink with the logarithm).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub enum Domain {
    /// Integers.
    Int(IntRange),
    /// Real numbers.
    Float(FloatRange),
    /// A list.
    Choice(Choice),
    /// `false` or `true`.
    Boolean,
}

/// What a surrogate model needs to know of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DomainKind {
    /// Any number of the unit interval is a value.
    Continuous,
    /// So many values, in an order that means something.
    Ordinal(u64),
    /// So many values without an order.
    Categorical(u64),
}

impl Domain {
    /// The integers from `min` to `max`, both included.
    ///
    /// # Errors
    /// When `min > max`, or there are more than 2⁴⁰ values.
    pub fn int(min: i64, max: i64) -> Result<Self, SpaceError> {
        Self::int_with(min, max, None, Sampling::Linear)
    }

    /// The integers `min, min + step, …` up to `max`; on a log scale `min, min · step, …`, and every integer where
    /// there is no step.
    ///
    /// # Errors
    /// When `min > max`, the step is not positive (not above 1 on a log scale), a log scale starts below 1, or there
    /// are more than 2⁴⁰ values.
    pub fn int_with(min: i64, max: i64, step: Option<i64>, sampling: Sampling) -> Result<Self, SpaceError> {
        IntRange::new(min, max, step, sampling).map(Domain::Int)
    }

    /// The real numbers from `min` to `max`, both included.
    ///
    /// # Errors
    /// When `min > max`, or the width is not finite.
    pub fn float(min: f64, max: f64) -> Result<Self, SpaceError> {
        Self::float_with(min, max, None, Sampling::Linear)
    }

    /// The numbers `min, min + step, …` up to `max`, which is included when it is on the grid up to rounding; on a log
    /// scale `min, min · step, …`. Without a step, every real number between.
    ///
    /// # Errors
    /// When `min > max`, the width is not finite, the step is not positive (not above 1 on a log scale), a log scale
    /// does not start above 0, or there are more than 2⁴⁰ values.
    pub fn float_with(min: f64, max: f64, step: Option<f64>, sampling: Sampling) -> Result<Self, SpaceError> {
        FloatRange::new(min, max, step, sampling).map(Domain::Float)
    }

    /// One of `values`; `ordered` says that neighbours in the list are alike.
    ///
    /// # Errors
    /// When there is no value, one is listed twice, or a float is not finite.
    pub fn choice(values: Vec<Value>, ordered: bool) -> Result<Self, SpaceError> {
        Choice::new(values, ordered).map(Domain::Choice)
    }

    /// `false` or `true`.
    pub fn boolean() -> Self {
        Domain::Boolean
    }

    /// How many values there are; `None` when continuous.
    pub fn cardinality(&self) -> Option<u64> {
        match self {
            Domain::Int(range) => Some(range.count()),
            Domain::Float(range) => range.count(),
            Domain::Choice(choice) => Some(choice.values().len() as u64),
            Domain::Boolean => Some(2),
        }
    }

    /// The value at a point of the unit interval; points outside count as its nearest end.
    pub fn value_at(&self, u: f64) -> Value {
        match self {
            Domain::Int(range) => Value::Int(range.value_at(u)),
            Domain::Float(range) => Value::Float(range.value_at(u)),
            Domain::Choice(choice) => choice.values()[cell(u, choice.values().len() as u64) as usize].clone(),
            Domain::Boolean => Value::Bool(cell(u, 2) == 1),
        }
    }

    /// The point in `[0, 1)` that [`Self::value_at`] takes back to the value; `None` when it is not a member.
    pub fn unit_of(&self, value: &Value) -> Option<f64> {
        match (self, value) {
            (Domain::Int(range), Value::Int(i)) => range.unit_of(*i),
            (Domain::Float(range), Value::Float(x)) => range.unit_of(*x),
            (Domain::Float(range), Value::Int(i)) => range.unit_of(*i as f64),
            (Domain::Choice(_) | Domain::Boolean, _) => Some(middle(self.index_of(value)?, self.cardinality()?)),
            _ => None,
        }
    }

    /// The value at an index of a finite domain, indices past the last count as the last; the minimum of a
    /// continuous one.
    pub fn nth(&self, index: u64) -> Value {
        match self {
            Domain::Int(range) => Value::Int(range.nth(index)),
            Domain::Float(range) => Value::Float(range.nth(index)),
            Domain::Choice(choice) => choice.values()[(index as usize).min(choice.values().len() - 1)].clone(),
            Domain::Boolean => Value::Bool(index > 0),
        }
    }

    /// The index of a member of a finite domain.
    pub fn index_of(&self, value: &Value) -> Option<u64> {
        match (self, value) {
            (Domain::Int(range), Value::Int(i)) => range.index_of(*i),
            (Domain::Float(range), Value::Float(x)) => range.index_of(*x),
            (Domain::Float(range), Value::Int(i)) => range.index_of(*i as f64),
            (Domain::Choice(choice), value) => choice.index_of(value),
            (Domain::Boolean, Value::Bool(b)) => Some((*b).into()),
            _ => None,
        }
    }

    /// Whether a value is a member; an integer is accepted where a float is due.
    pub fn contains(&self, value: &Value) -> bool {
        self.member(value).is_some()
    }

    /// The member that a value stands for: an integer becomes the float that is due, a float within rounding of a step
    /// becomes the step.
    ///
    /// # Errors
    /// When the value is not a member.
    pub fn coerce(&self, value: Value) -> Result<Value, SpaceError> {
        self.member(&value).ok_or_else(|| SpaceError::NotAMember { value, expected: self.to_string() })
    }

    fn member(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Domain::Float(range), Value::Float(x)) => range.member(*x).map(Value::Float),
            (Domain::Float(range), Value::Int(i)) => range.member(*i as f64).map(Value::Float),
            _ => self.index_of(value).map(|index| self.nth(index)),
        }
    }

    /// The value in place of a missing default: the smallest of a range, the first of a choice, `false`.
    pub fn default_value(&self) -> Value {
        self.nth(0)
    }

    /// What a surrogate model needs to know: a Boolean and an unordered choice are categorical, an ordered choice, the
    /// integers and a stepped range are ordinal.
    pub fn kind(&self) -> DomainKind {
        match self {
            Domain::Int(range) => DomainKind::Ordinal(range.count()),
            Domain::Float(range) => range.count().map_or(DomainKind::Continuous, DomainKind::Ordinal),
            Domain::Choice(choice) if choice.ordered() => DomainKind::Ordinal(choice.values().len() as u64),
            Domain::Choice(choice) => DomainKind::Categorical(choice.values().len() as u64),
            Domain::Boolean => DomainKind::Categorical(2),
        }
    }
}

/// In words, after "expected": `an integer from 32 to 256 in steps of 32`.
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Int(range) => range.fmt(f),
            Domain::Float(range) => range.fmt(f),
            Domain::Choice(choice) => choice.fmt(f),
            Domain::Boolean => f.write_str("true or false"),
        }
    }
}

/// The written form, the one of a study file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Form {
    Int {
        min: i64,
        max: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<i64>,
        #[serde(default)]
        sampling: Sampling,
    },
    Float {
        min: f64,
        max: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
        #[serde(default)]
        sampling: Sampling,
    },
    Choice {
        values: Vec<Value>,
        #[serde(default)]
        ordered: bool,
    },
    Boolean,
}

impl TryFrom<Form> for Domain {
    type Error = SpaceError;

    fn try_from(form: Form) -> Result<Self, SpaceError> {
        match form {
            Form::Int { min, max, step, sampling } => Domain::int_with(min, max, step, sampling),
            Form::Float { min, max, step, sampling } => Domain::float_with(min, max, step, sampling),
            Form::Choice { values, ordered } => Domain::choice(values, ordered),
            Form::Boolean => Ok(Domain::Boolean),
        }
    }
}

impl From<Domain> for Form {
    fn from(domain: Domain) -> Self {
        match domain {
            Domain::Int(range) => {
                Form::Int { min: range.min(), max: range.max(), step: range.step(), sampling: range.sampling() }
            }
            Domain::Float(range) => {
                Form::Float { min: range.min(), max: range.max(), step: range.step(), sampling: range.sampling() }
            }
            Domain::Choice(choice) => Form::Choice { values: choice.values().to_vec(), ordered: choice.ordered() },
            Domain::Boolean => Form::Boolean,
        }
    }
}
