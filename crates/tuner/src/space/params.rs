//! One configuration.

use std::fmt::Write;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Value;

/// One configuration: a value for each hyperparameter that is *active* in it, in the order of the space.
///
/// Two configurations are equal when their active values are, whatever their order. In JSON it is an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(IndexMap<String, Value>);

impl Params {
    /// A configuration without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of an active hyperparameter.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value of an integer hyperparameter.
    pub fn get_int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Int(i)) => Some(*i),
            _ => None,
        }
    }

    /// The value of a numeric hyperparameter.
    pub fn get_float(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Value::Float(x)) => Some(*x),
            Some(Value::Int(i)) => Some(*i as f64),
            _ => None,
        }
    }

    /// The value of a Boolean hyperparameter.
    pub fn get_bool(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Value::Bool(b)) => Some(*b),
            _ => None,
        }
    }

    /// The value of a hyperparameter that holds a text.
    pub fn get_text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Sets a value; one already there keeps its place. Returns the value before.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(name.into(), value.into())
    }

    /// Names and values, in the order of the space.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The configuration's identity: equal for equal configurations, whatever the order of their values.
    pub fn key(&self) -> String {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        let mut key = String::with_capacity(entries.len() * 24);
        for (name, value) in entries {
            // Quoted names and texts: no name or text can look like two entries.
            // Writing to a string does not fail.
            let _ = write!(key, "{name:?}={value},");
        }
        key
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl IntoIterator for Params {
    type Item = (String, Value);
    type IntoIter = indexmap::map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_ignores_order_and_keeps_types() {
        let ab = Params::from_iter([("a", Value::from(1)), ("b", Value::from("x"))]);
        let ba = Params::from_iter([("b", Value::from("x")), ("a", Value::from(1))]);
        assert_eq!(ab, ba);
        assert_eq!(ab.key(), ba.key());

        let float = Params::from_iter([("a", Value::from(1.0)), ("b", Value::from("x"))]);
        assert_ne!(ab.key(), float.key());
    }

    #[test]
    fn no_text_looks_like_two_entries() {
        let one = Params::from_iter([("a", "1\",\"b\"=\"2")]);
        let two = Params::from_iter([("a", "1"), ("b", "2")]);
        assert_ne!(one.key(), two.key());
    }

    #[test]
    fn is_a_json_object_in_order() {
        let params = Params::from_iter([("z", Value::from(1.0)), ("a", Value::from(true))]);
        let json = serde_json::to_string(&params).unwrap();
        assert_eq!(json, r#"{"z":1.0,"a":true}"#);
        assert_eq!(serde_json::from_str::<Params>(&json).unwrap(), params);
    }
}
