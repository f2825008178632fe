//! A study file as text with places, and typed access to its tables that collects every mistake instead of stopping at the
//! first one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tuner::Value;
use tuner::space::nearest;

/// One mistake in a study file, with its place.
#[derive(Debug, Clone, Error, Diagnostic)]
#[error("{message}")]
pub struct Problem {
    message: String,
    label: String,
    #[label("{label}")]
    span: SourceSpan,
    #[help]
    help: Option<String>,
    #[source_code]
    source_code: NamedSource<Arc<str>>,
}

/// The text of a study file and the mistakes found in it so far.
pub struct Source {
    named: NamedSource<Arc<str>>,
    problems: RefCell<Vec<Problem>>,
}

impl Source {
    pub fn new(path: &Path, text: &str) -> Self {
        Source {
            named: NamedSource::new(path.display().to_string(), Arc::from(text)).with_language("toml"),
            problems: RefCell::default(),
        }
    }

    /// Records a mistake; reading goes on.
    pub fn report(&self, span: Range<usize>, message: impl Display, label: impl Display, help: Option<String>) {
        self.problems.borrow_mut().push(Problem {
            message: message.to_string(),
            label: label.to_string(),
            span: span.into(),
            help,
            source_code: self.named.clone(),
        });
    }

    /// The mistakes in the order of the file.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.span.offset());
        problems
    }
}

/// "`a`, `b` or `c`".
pub fn alternatives<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// A table that is being read. A key counts as known once it has been asked for, so that the reading code is the only list of
/// keys there is; what nobody asked for is a mistake.
pub struct Section<'s, 't> {
    source: &'s Source,
    name: String,
    span: Range<usize>,
    table: Option<&'t DeTable<'t>>,
    known: BTreeSet<&'static str>,
}

impl<'s, 't> Section<'s, 't> {
    pub fn new(
        source: &'s Source,
        name: impl Into<String>,
        span: Range<usize>,
        table: Option<&'t DeTable<'t>>,
    ) -> Self {
        Section { source, name: name.into(), span, table, known: BTreeSet::new() }
    }

    pub fn source(&self) -> &'s Source {
        self.source
    }

    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub fn is_present(&self) -> bool {
        self.table.is_some()
    }

    pub fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.insert(key);
        self.table.and_then(|table| table.get(key))
    }

    /// The sub-table `key`; an absent one reads as empty.
    pub fn section(&mut self, key: &'static str) -> Section<'s, 't> {
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        match self.get(key) {
            None => Section::new(self.source, name, self.span(), None),
            Some(value) => {
                let table = value.get_ref().as_table();
                if table.is_none() {
                    self.mistyped(key, value, "a table");
                }
                Section::new(self.source, name, value.span(), table)
            }
        }
    }

    /// All entries in the order of the file, for a table whose keys are free.
    pub fn entries(&self) -> impl Iterator<Item = (&'t str, Range<usize>, &'t Spanned<DeValue<'t>>)> + use<'t> {
        self.table.into_iter().flatten().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
    }

    pub fn text(&mut self, key: &'static str) -> Option<Spanned<&'t str>> {
        let value = self.get(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.mistyped(key, value, "a text in quotes");
        }
        text.map(|text| Spanned::new(value.span(), text))
    }

    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            self.mistyped(key, value, "true or false");
        }
        boolean
    }

    pub fn float(&mut self, key: &'static str) -> Option<Spanned<f64>> {
        let value = self.get(key)?;
        let number = match scalar(value.get_ref()) {
            Some(Value::Float(number)) if number.is_finite() => Some(number),
            Some(Value::Int(number)) => Some(number as f64),
            _ => None,
        };
        if number.is_none() {
            self.mistyped(key, value, "a finite number");
        }
        number.map(|number| Spanned::new(value.span(), number))
    }

    /// A whole number no smaller than `least`.
    pub fn integer<T: TryFrom<i64>>(&mut self, key: &'static str, least: i64) -> Option<T> {
        let value = self.get(key)?;
        let number = match scalar(value.get_ref()) {
            Some(Value::Int(number)) if number >= least => T::try_from(number).ok(),
            _ => None,
        };
        if number.is_none() {
            self.mistyped(key, value, &format!("a whole number of at least {least}"));
        }
        number
    }

    /// One of a fixed set of words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| word == text.get_ref());
        if found.is_none() {
            let names = || words.iter().map(|(word, _)| *word);
            self.source.report(
                text.span(),
                format!("{} cannot be `{}`", self.path(key), text.get_ref()),
                format!("expected {}", alternatives(names())),
                nearest(text.get_ref(), names()).map(|name| format!("did you mean `{name}`?")),
            );
        }
        found.map(|(_, value)| *value)
    }

    pub fn missing(&self, key: &'static str, help: impl Into<String>) {
        self.source.report(
            self.span.start..self.span.start,
            format!("{} is missing", self.path(key)),
            "expected in this table",
            Some(help.into()),
        );
    }

    pub fn mistyped(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        self.source.report(
            value.span(),
            format!("{} must be {expected}", self.path(key)),
            format!("expected {expected}, found {}", describe(value.get_ref())),
            None,
        );
    }

    /// Reports every key that was never asked for.
    pub fn finish(self) {
        for (key, span, _) in self.entries() {
            if !self.known.contains(key) {
                let place = if self.name.is_empty() { "a study file".to_owned() } else { format!("[{}]", self.name) };
                let help = nearest(key, self.known.iter().copied()).map_or_else(
                    || format!("{place} knows {}", alternatives(self.known.iter().copied())),
                    |name| format!("did you mean `{name}`?"),
                );
                self.source.report(span, format!("unknown key `{key}` in {place}"), "not a known key", Some(help));
            }
        }
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { format!("`{key}`") } else { format!("`{key}` of [{}]", self.name) }
    }
}

/// A TOML scalar as a hyperparameter value; `None` for arrays, tables, dates and integers beyond 64 bits.
pub fn scalar(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Boolean(boolean) => Some(Value::Bool(*boolean)),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Value::Int),
        DeValue::Float(float) => float.as_str().parse().ok().map(Value::Float),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// A value as an error message names it: its kind, and for a scalar what it says.
pub fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(integer) => format!("the integer {integer}"),
        DeValue::Float(float) => format!("the number {float}"),
        DeValue::Boolean(boolean) => format!("{boolean}"),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(alternatives(["a"]), "`a`");
        assert_eq!(alternatives(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
