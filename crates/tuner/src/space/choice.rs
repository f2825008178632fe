//! Choices from a list.

use std::fmt;

use super::{SpaceError, Value};

/// A list of distinct values. Their order means something only when the choice says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    values: Vec<Value>,
    ordered: bool,
}

impl Choice {
    /// See [`Domain::choice`](super::Domain::choice).
    pub(super) fn new(values: Vec<Value>, ordered: bool) -> Result<Self, SpaceError> {
        if values.is_empty() {
            return Err(SpaceError::NoValues);
        }
        for (i, value) in values.iter().enumerate() {
            if let Value::Float(x) = value
                && !x.is_finite()
            {
                return Err(SpaceError::NotANumber { value: *x });
            }
            if values[..i].contains(value) {
                return Err(SpaceError::DuplicateValue { value: value.clone() });
            }
        }
        Ok(Self { values, ordered })
    }

    /// The values, as listed.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Whether neighbours in the list are alike.
    pub fn ordered(&self) -> bool {
        self.ordered
    }

    /// The index of a member. An integer stands for the float of its value, where only that is listed.
    pub fn index_of(&self, value: &Value) -> Option<u64> {
        let find = |value: &Value| self.values.iter().position(|member| member == value);
        let index = find(value).or_else(|| match value {
            Value::Int(i) => find(&Value::Float(*i as f64)),
            _ => None,
        });
        index.map(|index| index as u64)
    }

    pub(super) fn holds_only_integers(&self) -> bool {
        self.values.iter().all(|value| matches!(value, Value::Int(_)))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.values.as_slice() {
            return write!(f, "{only}");
        }
        f.write_str("one of ")?;
        for (i, value) in self.values.iter().enumerate() {
            write!(f, "{}{value}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
