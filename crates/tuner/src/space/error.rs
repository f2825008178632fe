//! What can be wrong with a space, or with a configuration given for it.

use super::Value;

/// What is wrong with a domain, a space, or a configuration given for it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// The range is empty.
    #[error("the minimum {min} is above the maximum {max}: exchange them")]
    EmptyRange {
        /// The smaller end, as given.
        min: Value,
        /// The larger end, as given.
        max: Value,
    },
    /// A bound or a step is NaN or infinite, or the range is wider than a float.
    #[error("a range needs finite numbers and a finite width, found {min:?} to {max:?}")]
    NotFinite {
        /// The smaller end.
        min: f64,
        /// The larger end.
        max: f64,
    },
    /// The step does not lead from one value to the next.
    #[error("the step must be above {above}, found {step}")]
    Step {
        /// The step, as given.
        step: Value,
        /// What it must exceed: 0 for linear ranges, 1 for those on a log scale, where a step multiplies.
        above: i64,
    },
    /// A log scale needs positive numbers.
    #[error("sampling on a log scale needs a minimum above 0, found {min}")]
    LogOfNothing {
        /// The minimum, as given.
        min: Value,
    },
    /// More values than a strategy can tell apart.
    #[error("the range {min} to {max} holds too many values: use a larger step, or a float")]
    TooManyValues {
        /// The smaller end.
        min: Value,
        /// The larger end.
        max: Value,
    },
    /// A number that is NaN or infinite.
    #[error("expected a finite number, found {value}")]
    NotANumber {
        /// What was found.
        value: f64,
    },
    /// A choice of nothing.
    #[error("a choice needs at least one value")]
    NoValues,
    /// A value is listed twice.
    #[error("the value {value} is listed twice")]
    DuplicateValue {
        /// The value.
        value: Value,
    },
    /// A value outside of its domain.
    #[error("expected {expected}, found {value}")]
    NotAMember {
        /// The value.
        value: Value,
        /// The domain, in words.
        expected: String,
    },
    /// Something wrong with one hyperparameter.
    #[error("hyperparameter `{name}`: {source}")]
    Hyperparameter {
        /// Its name.
        name: String,
        /// What is wrong.
        source: Box<SpaceError>,
    },
    /// Two hyperparameters of one name.
    #[error("hyperparameter `{name}` is declared twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A condition on a hyperparameter that is not there.
    #[error("hyperparameter `{name}` depends on `{parent}`, which is not declared{}", did_you_mean(nearest.as_deref()))]
    UnknownParent {
        /// The hyperparameter with the condition.
        name: String,
        /// The parent it names.
        parent: String,
        /// A declared name that looks like it.
        nearest: Option<String>,
    },
    /// A hyperparameter depends on itself.
    #[error("hyperparameter `{name}` depends on itself, by way of its conditions")]
    Cycle {
        /// One of the hyperparameters in the circle.
        name: String,
    },
    /// A condition on something that is not a finite set of values.
    #[error("a condition needs a parent with a finite number of values, and `{parent}` is continuous: give it a step")]
    ContinuousParent {
        /// The parent.
        parent: String,
    },
    /// A bound for a parent without integers.
    #[error("the condition `{parent} > {bound}` needs a parent that holds integers")]
    NotAnInteger {
        /// The parent.
        parent: String,
        /// The bound.
        bound: i64,
    },
    /// A condition on a value that its parent cannot have.
    #[error("the condition on `{parent}`: {source}")]
    ConditionValue {
        /// The parent.
        parent: String,
        /// What is wrong with the value.
        source: Box<SpaceError>,
    },
    /// A condition without values.
    #[error("the condition on `{parent}` lists no value: it would never hold")]
    EmptyCondition {
        /// The parent.
        parent: String,
    },
    /// A value for something the space does not have.
    #[error("there is no hyperparameter `{name}` in this space{}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// The name.
        name: String,
        /// A declared name that looks like it.
        nearest: Option<String>,
    },
    /// A value for a hyperparameter that this configuration does not use.
    #[error("hyperparameter `{name}` is inactive here, it needs {needs}: leave it out")]
    Inactive {
        /// The name.
        name: String,
        /// The conditions, in words.
        needs: String,
    },
    /// An active hyperparameter has no value.
    #[error("hyperparameter `{name}` is active here and has no value")]
    Missing {
        /// The name.
        name: String,
    },
}

impl SpaceError {
    /// The hyperparameter that the error is about, by which a caller finds its place in a file.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Hyperparameter { name, .. }
            | Self::DuplicateName { name }
            | Self::UnknownParent { name, .. }
            | Self::Cycle { name }
            | Self::Unknown { name, .. }
            | Self::Inactive { name, .. }
            | Self::Missing { name } => Some(name),
            Self::ContinuousParent { parent }
            | Self::NotAnInteger { parent, .. }
            | Self::ConditionValue { parent, .. }
            | Self::EmptyCondition { parent } => Some(parent),
            Self::EmptyRange { .. }
            | Self::NotFinite { .. }
            | Self::NotANumber { .. }
            | Self::Step { .. }
            | Self::LogOfNothing { .. }
            | Self::TooManyValues { .. }
            | Self::NoValues
            | Self::DuplicateValue { .. }
            | Self::NotAMember { .. } => None,
        }
    }

    pub(super) fn of(name: &str) -> impl Fn(SpaceError) -> SpaceError {
        move |source| SpaceError::Hyperparameter { name: name.to_owned(), source: Box::new(source) }
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(": did you mean `{name}`?"))
}

/// The one of `known` that looks most like `name`, if one looks like it at all.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}
