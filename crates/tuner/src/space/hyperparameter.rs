//! A named domain, and when it matters.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Domain, SpaceError, Value};

/// A named domain with an optional default. It is active in a configuration in which all its conditions hold; the
/// others leave it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hyperparameter {
    /// The name: its identity within a space.
    pub name: String,
    /// The values it may take.
    pub domain: Domain,
    /// The value to try first; without one, [`Domain::default_value`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// All of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A demand on the value of another hyperparameter, the parent. Where the parent is inactive, it does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// The parent has one of these values.
    OneOf {
        /// The parent's name.
        parent: String,
        /// Members of its domain.
        values: Vec<Value>,
    },
    /// The parent, which holds integers, is above a bound.
    GreaterThan {
        /// The parent's name.
        parent: String,
        /// The bound, itself not enough.
        bound: i64,
    },
}

impl Hyperparameter {
    /// A hyperparameter that is always active.
    pub fn new(name: impl Into<String>, domain: Domain) -> Self {
        Self { name: name.into(), domain, default: None, conditions: Vec::new() }
    }

    /// A hyperparameter pinned to one value.
    ///
    /// # Errors
    /// When the value is a float that is not finite.
    pub fn fixed(name: impl Into<String>, value: impl Into<Value>) -> Result<Self, SpaceError> {
        let name = name.into();
        let domain = Domain::choice(vec![value.into()], false).map_err(SpaceError::of(&name))?;
        Ok(Self::new(name, domain))
    }

    /// With the value to try first.
    ///
    /// # Errors
    /// When it is not a member of the domain.
    pub fn with_default(mut self, value: impl Into<Value>) -> Result<Self, SpaceError> {
        self.default = Some(self.domain.coerce(value.into()).map_err(SpaceError::of(&self.name))?);
        Ok(self)
    }

    /// Active only while `parent` has one of `values`; several conditions must all hold.
    #[must_use]
    pub fn when<V: Into<Value>>(mut self, parent: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.conditions.push(Condition::OneOf { parent: parent.into(), values });
        self
    }

    /// Active only while `parent > bound`.
    #[must_use]
    pub fn when_greater(mut self, parent: impl Into<String>, bound: i64) -> Self {
        self.conditions.push(Condition::GreaterThan { parent: parent.into(), bound });
        self
    }

    /// The value of the default configuration.
    pub fn default_value(&self) -> Value {
        self.default.clone().unwrap_or_else(|| self.domain.default_value())
    }
}

impl Condition {
    /// The name of the hyperparameter it is about.
    pub fn parent(&self) -> &str {
        match self {
            Condition::OneOf { parent, .. } | Condition::GreaterThan { parent, .. } => parent,
        }
    }

    /// Whether it holds for a value of the parent.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Condition::OneOf { values, .. } => values.contains(value),
            Condition::GreaterThan { bound, .. } => matches!(value, Value::Int(i) if i > bound),
        }
    }

    /// Checks the condition against the parent's domain, and brings its values into the domain's form.
    pub(super) fn settle(&mut self, domain: &Domain) -> Result<(), SpaceError> {
        if domain.cardinality().is_none() {
            return Err(SpaceError::ContinuousParent { parent: self.parent().to_owned() });
        }
        match self {
            Condition::OneOf { parent, values } => {
                if values.is_empty() {
                    return Err(SpaceError::EmptyCondition { parent: parent.clone() });
                }
                for value in values {
                    *value = domain.coerce(value.clone()).map_err(|source| SpaceError::ConditionValue {
                        parent: parent.clone(),
                        source: Box::new(source),
                    })?;
                }
                Ok(())
            }
            Condition::GreaterThan { parent, bound } => {
                let integers = match domain {
                    Domain::Int(_) => true,
                    Domain::Choice(choice) => choice.holds_only_integers(),
                    Domain::Float(_) | Domain::Boolean => false,
                };
                if integers { Ok(()) } else { Err(SpaceError::NotAnInteger { parent: parent.clone(), bound: *bound }) }
            }
        }
    }
}

/// As one would say it: `optimizer = "sgd"`, `conv_layers > 2`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::OneOf { parent, values } => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "{parent} = {}", values.join(" or "))
            }
            Condition::GreaterThan { parent, bound } => write!(f, "{parent} > {bound}"),
        }
    }
}
