//! The vocabulary of a study file: every hyperparameter of the model, its meaning, range and
//! default. This is the one place that names them.
//!
//! A name that ends in `{i}` belongs to a layer: `filters` applies to every layer, `filters3` to
//! the fourth alone (layers count from 0), and the more particular one wins.

mod config;
mod vocabulary;

use std::ops::Bound;

use serde_json::Value;

pub use config::Config;
pub use vocabulary::vocabulary;

use crate::cnn::{ConvKind, Size};
use crate::filters::Kernel;
use crate::named::named_enum;

named_enum! {
    /// What a hyperparameter is about.
    pub enum Group {
        /// The convolutions.
        Convolution = "Convolutions",
        /// The head and the dense layers.
        Head = "Head and dense layers",
        /// What happens to samples before the network sees them.
        Preprocessing = "Preprocessing",
        /// Optimizer, schedule and loss.
        Training = "Training",
    }
}

/// One hyperparameter of the vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct HyperparameterDoc {
    /// Its name; with `{i}` at the end where it belongs to a layer.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// Which values it takes.
    pub kind: Kind,
    /// Its default as written in a study file, or in words where it follows from another.
    pub default: &'static str,
    /// Its meaning in one line.
    pub doc: &'static str,
}

impl HyperparameterDoc {
    /// The name without `{i}`.
    pub fn base(&self) -> &'static str {
        self.name.strip_suffix("{i}").unwrap_or(self.name)
    }

    /// Whether layers may each have their own.
    pub fn per_layer(&self) -> bool {
        self.name.ends_with("{i}")
    }
}

/// The values a hyperparameter takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number in a range, bounds included.
    Int {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A number between two bounds.
    Float {
        /// Where it begins.
        min: Bound<f64>,
        /// Where it ends.
        max: Bound<f64>,
    },
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Text(&'static [&'static str]),
    /// `3`, `"2x8"` or `"3x3x3"`.
    Size,
    /// One of these words, or the path of a kernel file.
    Filter(&'static [&'static str]),
}

/// What is expected, as an error or a manual says it.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Float { min, max } => {
                f.write_str("a number")?;
                match min {
                    Bound::Included(min) => write!(f, " from {min}")?,
                    Bound::Excluded(min) => write!(f, " above {min}")?,
                    Bound::Unbounded => {}
                }
                match max {
                    Bound::Included(max) => write!(f, " to {max}"),
                    Bound::Excluded(max) => write!(f, " and below {max}"),
                    Bound::Unbounded => Ok(()),
                }
            }
            Self::Bool => f.write_str("true or false"),
            Self::Text(words) => f.write_str(&words.join(", ")),
            Self::Size => write!(f, "a size: 3, \"2x8\" or \"3x3x3\", each number from 1 to {}", Size::MAX),
            Self::Filter(words) => write!(f, "{}, or the path of a kernel file", words.join(", ")),
        }
    }
}

/// A name or value the model does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct ConfigError {
    /// The hyperparameter, as given.
    pub name: String,
    /// What was expected and what was found.
    pub message: String,
    /// The nearest known name or value, if one is near.
    pub suggestion: Option<String>,
}

/// Checks that `name` is a hyperparameter and that it may take `value`.
///
/// The name may be general (`filters`), of one layer (`filters3`) or of any (`filters{i}`).
///
/// # Errors
///
/// When the name is unknown, or the value has the wrong type or is out of range. For a fixed filter
/// given as a path, also when the file is no kernel.
pub fn check(name: &str, value: &Value) -> Result<(), ConfigError> {
    let doc = lookup(name)?;
    let mismatch = |suggestion: Option<String>| ConfigError {
        name: name.to_owned(),
        message: format!("expected {}, found {}", doc.kind, shown(value)),
        suggestion,
    };
    let fits = match doc.kind {
        Kind::Int { min, max } => value.as_i64().is_some_and(|n| (min..=max).contains(&n)),
        Kind::Float { min, max } => value.as_f64().is_some_and(|x| std::ops::RangeBounds::contains(&(min, max), &x)),
        Kind::Bool => value.is_boolean(),
        Kind::Text(words) => match value.as_str() {
            Some(text) if words.contains(&text) => true,
            Some(text) => return Err(mismatch(nearest(text, words.iter().copied()))),
            None => false,
        },
        Kind::Size => config::size(value).is_some(),
        Kind::Filter(words) => match value.as_str() {
            Some(text) if words.contains(&text) => true,
            Some(text) if text.contains(['/', '\\', '.']) => {
                Kernel::named(text).map_err(|error| ConfigError {
                    name: name.to_owned(),
                    message: error.to_string(),
                    suggestion: None,
                })?;
                true
            }
            Some(text) => return Err(mismatch(nearest(text, words.iter().copied()))),
            None => false,
        },
    };
    if fits { Ok(()) } else { Err(mismatch(None)) }
}

/// Checks that a network over data of `rank` dimensions, 2 for images and 3 for volumes, may have `value`, which
/// [`check`] has let pass.
///
/// # Errors
///
/// When the value is made for another number of dimensions: a `3x3x3` kernel over images, or a layer over volumes that
/// exists for images only.
pub fn check_rank(name: &str, value: &Value, rank: usize) -> Result<(), ConfigError> {
    let refuse = |message| Err(ConfigError { name: name.to_owned(), message, suggestion: None });
    let doc = lookup(name)?;
    if let (Kind::Size, Some(size)) = (doc.kind, config::size(value))
        && let Some(found) = size.rank().filter(|found| *found != rank)
    {
        return refuse(format!("{size} has {found} dimensions, the data {rank}"));
    }
    let kind = value.as_str().filter(|_| doc.base() == "layer").and_then(ConvKind::from_name);
    if let Some(kind) = kind.filter(|kind| rank != 2 && *kind != ConvKind::Standard) {
        return refuse(format!("`{kind}` exists for 2-D data only; the data has {rank} dimensions"));
    }
    Ok(())
}

/// The entry of the vocabulary that `name` belongs to.
///
/// # Errors
///
/// When there is none, with the nearest name.
pub fn lookup(name: &str) -> Result<&'static HyperparameterDoc, ConfigError> {
    let (base, layer) = split(name);
    let found = vocabulary().iter().find(|doc| doc.base() == base && (layer.is_empty() || doc.per_layer()));
    found.ok_or_else(|| {
        let one_for_all = vocabulary().iter().any(|doc| doc.base() == base);
        if one_for_all {
            return ConfigError {
                name: name.to_owned(),
                message: format!("`{base}` is one for the whole model; layers have none of their own"),
                suggestion: Some(base.to_owned()),
            };
        }
        let candidates = vocabulary().iter().filter(|doc| layer.is_empty() || doc.per_layer());
        let suggestion = nearest(base, candidates.map(HyperparameterDoc::base)).map(|near| format!("{near}{layer}"));
        ConfigError { name: name.to_owned(), message: "not a hyperparameter of the model".to_owned(), suggestion }
    })
}

/// A name without its layer, and the layer as written (`3`, `{i}` or nothing).
fn split(name: &str) -> (&str, &str) {
    if let Some(base) = name.strip_suffix("{i}") {
        return (base, "{i}");
    }
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let layer = &name[base.len()..];
    let canonical = layer == "0" || !layer.starts_with('0');
    if canonical { (base, layer) } else { (name, "") }
}

/// The candidate nearest to `text`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let lower = text.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&lower, candidate), candidate))
        .min()
        .filter(|&(distance, candidate)| {
            let typo = distance <= 1.max(candidate.len().min(text.len()) / 3);
            typo || (lower.len() > 2 && candidate.starts_with(&lower))
        })
        .map(|(_, candidate)| candidate.to_owned())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;

    fn refusal(name: &str, value: &Value) -> String {
        let error = check(name, value).unwrap_err();
        let hint = error.suggestion.as_ref().map(|near| format!(" [{near}]")).unwrap_or_default();
        format!("{error}{hint}")
    }

    #[test]
    fn names_may_be_general_or_of_a_layer() {
        for name in ["filters", "filters0", "filters12", "filters{i}"] {
            assert_eq!(check(name, &json!(32)), Ok(()), "{name}");
        }
        assert_eq!(check("learning_rate", &json!(1)), Ok(()));
        assert_eq!(check("kernel_size2", &json!("2x8")), Ok(()));
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        assert_snapshot!(refusal("filter_3", &json!(1)), @"filter_3: not a hyperparameter of the model [filters3]");
        assert_snapshot!(refusal("lerning_rate", &json!(1)), @"lerning_rate: not a hyperparameter of the model [learning_rate]");
        assert_snapshot!(refusal("filters03", &json!(1)), @"filters03: not a hyperparameter of the model [filters]");
        assert_snapshot!(refusal("learning_rate3", &json!(1)), @"learning_rate3: `learning_rate` is one for the whole model; layers have none of their own [learning_rate]");
        assert_snapshot!(refusal("colour", &json!(1)), @"colour: not a hyperparameter of the model");
    }

    #[test]
    fn impossible_values_are_refused_with_what_was_expected() {
        assert_snapshot!(refusal("filters2", &json!(0)), @"filters2: expected a whole number from 1 to 65536, found 0");
        assert_snapshot!(refusal("kernel_size", &json!("3x0")), @r#"kernel_size: expected a size: 3, "2x8" or "3x3x3", each number from 1 to 4096, found "3x0""#);
        assert_snapshot!(refusal("random_crop", &json!(-2)), @"random_crop: expected a whole number from 0 to 4096, found -2");
        assert_snapshot!(refusal("activation1", &json!("rellu")), @r#"activation1: expected relu, tanh, gelu, leaky_relu, silu, elu, none, found "rellu" [relu]"#);
        assert_snapshot!(refusal("learning_rate", &json!(0)), @"learning_rate: expected a number above 0, found 0");
        assert_snapshot!(refusal("momentum", &json!(1.0)), @"momentum: expected a number from 0 and below 1, found 1.0");
        assert_snapshot!(refusal("shuffle", &json!(1)), @"shuffle: expected true or false, found 1");
        assert_snapshot!(refusal("layer0", &json!("seperable_conv")), @r#"layer0: expected conv, separable_conv, locally_connected, found "seperable_conv" [separable_conv]"#);
        assert_snapshot!(refusal("filter", &json!("sobel")), @r#"filter: expected none, blur, edge, sobel_h, sobel_v, or the path of a kernel file, found "sobel" [sobel_h]"#);
        assert_snapshot!(refusal("filters", &json!([32])), @"filters: expected a whole number from 1 to 65536, found a list");
    }

    #[test]
    fn what_contradicts_the_dimensions_of_the_data_is_refused() {
        let refusal = |name, value, rank| check_rank(name, &value, rank).unwrap_err().to_string();
        assert_snapshot!(refusal("layer{i}", json!("separable_conv"), 3), @"layer{i}: `separable_conv` exists for 2-D data only; the data has 3 dimensions");
        assert_snapshot!(refusal("kernel_size", json!("3x3x3"), 2), @"kernel_size: 3×3×3 has 3 dimensions, the data 2");
        assert_snapshot!(refusal("pool_stride1", json!("1x2"), 3), @"pool_stride1: 1×2 has 2 dimensions, the data 3");
        for (name, value) in
            [("kernel_size", json!(3)), ("kernel_size", json!("2x8")), ("layer", json!("separable_conv"))]
        {
            assert_eq!(check_rank(name, &value, 2), Ok(()), "{name}");
        }
    }
}
