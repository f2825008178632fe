//! `[space]`, `[fixed]` and `[[enqueue]]`: TOML tables to a [`Space`] and the configurations to try first.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tuner::space::nearest;
use tuner::{Condition, Domain, Hyperparameter, Params, Sampling, Space, Value};

use super::source::{Section, Source, describe, scalar};

const INDEX: &str = "{i}";
/// Each repetition is a hyperparameter of its own.
const MOST_REPETITIONS: i64 = 1_000;
const SAMPLINGS: &[(&str, Sampling)] =
    &[("linear", Sampling::Linear), ("log", Sampling::Log), ("reverse_log", Sampling::ReverseLog)];

/// Judges one value of one named hyperparameter; the message says what was expected.
pub type Check<'c> = &'c dyn Fn(&str, &Value) -> Result<(), Refusal>;

/// Why a name or value is not one of the model's.
pub struct Refusal {
    pub message: String,
    pub help: Option<String>,
    /// The name itself is unknown, whatever its value.
    pub unknown_name: bool,
}

/// Reads the space; `None` when a mistake that was reported left none to speak of.
pub fn read(space: &Section<'_, '_>, fixed: &Section<'_, '_>, check: Check<'_>) -> Option<Space> {
    let source = space.source();
    let mut reader = SpaceReader { source, check, places: HashMap::new(), hyperparameters: Vec::new(), sound: true };
    for (name, place, value) in fixed.entries() {
        reader.read_fixed(name, place, value);
    }
    let pinned = reader.hyperparameters.len();
    let mut repeats = Vec::new();
    for (name, place, value) in space.entries() {
        match value.get_ref().as_table() {
            None => {
                space.mistyped(name, value, "a table such as { type = \"int\", min = 1, max = 4 }");
                reader.sound = false;
            }
            Some(table) => reader.read_entry(name, place, value.span(), table, &mut repeats),
        }
    }
    reader.expand(repeats);
    reader.finish(pinned, space)
}

/// Reads `[[enqueue]]`: partial configurations that the space completes.
pub fn read_enqueued(source: &Source, value: Option<&Spanned<DeValue<'_>>>, space: &Space) -> Vec<Params> {
    let Some(value) = value else { return Vec::new() };
    let Some(tables) = value.get_ref().as_array() else {
        source.report(value.span(), "`enqueue` must be [[enqueue]] tables", "expected [[enqueue]]", None);
        return Vec::new();
    };
    let mut enqueued = Vec::new();
    for item in tables {
        let Some(table) = item.get_ref().as_table() else {
            source.report(item.span(), "`enqueue` must be [[enqueue]] tables", "expected a table", None);
            continue;
        };
        let mut partial = Params::default();
        let mut places: HashMap<String, Range<usize>> = HashMap::new();
        for (name, value) in table {
            places.insert(name.get_ref().to_string(), name.span());
            match scalar(value.get_ref()) {
                Some(scalar) => {
                    partial.insert(name.get_ref().as_ref(), scalar);
                }
                None => source.report(
                    value.span(),
                    format!("`{}` must be a plain value", name.get_ref()),
                    format!("found {}", describe(value.get_ref())),
                    None,
                ),
            }
        }
        match space.complete(&partial) {
            Ok(params) => enqueued.push(params),
            Err(error) => {
                let place = error.subject().and_then(|name| places.get(name)).cloned();
                source.report(place.unwrap_or_else(|| item.span()), error, "in this configuration", None);
            }
        }
    }
    enqueued
}

struct SpaceReader<'s, 'c> {
    source: &'s Source,
    check: Check<'c>,
    /// Where each declared name stands.
    places: HashMap<String, Range<usize>>,
    hyperparameters: Vec<Hyperparameter>,
    sound: bool,
}

/// One entry of `[space]`, its `{i}` not yet expanded.
struct Template<'t> {
    name: String,
    place: Range<usize>,
    domain: Domain,
    default: Option<Value>,
    when: Vec<(&'t str, Vec<Value>)>,
    repeat: Option<Repeat<'t>>,
}

struct Repeat<'t> {
    parent: Spanned<&'t str>,
    from: i64,
}

impl SpaceReader<'_, '_> {
    fn refuse(
        &mut self,
        place: Range<usize>,
        message: impl std::fmt::Display,
        label: impl std::fmt::Display,
        help: Option<String>,
    ) {
        self.sound = false;
        self.source.report(place, message, label, help);
    }

    fn read_fixed(&mut self, name: &str, place: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let Some(scalar) = scalar(value.get_ref()) else {
            let found = describe(value.get_ref());
            let help = Some("what is searched belongs into [space]".to_owned());
            self.refuse(
                value.span(),
                format!("`{name}` of [fixed] must be one plain value"),
                format!("found {found}"),
                help,
            );
            return;
        };
        if self.is_permitted(name, &place, [(&scalar, value.span())]) {
            match Hyperparameter::fixed(name, scalar) {
                Ok(hyperparameter) => self.declare(hyperparameter, place),
                Err(error) => self.refuse(value.span(), error, "not possible here", None),
            }
        }
    }

    fn read_entry<'t>(
        &mut self,
        name: &'t str,
        place: Range<usize>,
        span: Range<usize>,
        table: &'t DeTable<'t>,
        templates: &mut Vec<Template<'t>>,
    ) {
        let mut section = Section::new(self.source, format!("space.{name}"), span, Some(table));
        let Some((domain, spans)) = self.read_domain(&mut section) else {
            self.sound = false;
            return;
        };
        let default = section.get("default").and_then(|value| self.read_member(name, &domain, value));
        let when = self.read_when(&mut section);
        let from = section.integer("from", 0).unwrap_or(0);
        let repeat = section.text("repeat").map(|parent| Repeat { parent, from });
        section.finish();

        if name.contains(INDEX) && repeat.is_none() {
            let help = Some("add repeat = \"conv_layers\", say, or write the index: name0".to_owned());
            self.refuse(place, format!("`{name}` needs a `repeat`"), "{i} stands for the index of a repetition", help);
            return;
        }
        if let Some(repeat) = repeat.as_ref().filter(|_| !name.contains(INDEX)) {
            let help = Some(format!("write \"{name}{INDEX}\" = …"));
            self.refuse(
                repeat.parent.span(),
                format!("`{name}` is repeated but has no {INDEX} in its name"),
                "repeated here",
                help,
            );
            return;
        }
        let representative = name.replace(INDEX, &from.to_string());
        let values = representatives(&domain);
        let places = values.iter().zip(spans.iter().chain(std::iter::repeat(&spans[spans.len() - 1])));
        if self.is_permitted(&representative, &place, places.map(|(value, span)| (value, span.clone()))) {
            templates.push(Template { name: name.to_owned(), place, domain, default, when, repeat });
        }
    }

    /// The domain and the places of the values that stand for it, in the order of [`representatives`].
    fn read_domain(&mut self, section: &mut Section<'_, '_>) -> Option<(Domain, Vec<Range<usize>>)> {
        let kind = section.text("type");
        let Some(kind) = kind else {
            if section.get("type").is_none() {
                section.missing("type", "type is \"int\", \"float\", \"choice\" or \"boolean\"");
            }
            return None;
        };
        let (domain, places) = match *kind.get_ref() {
            "int" | "float" => {
                let sampling = section.word("sampling", SAMPLINGS).unwrap_or(Sampling::Linear);
                let (min, max) = (section.get("min"), section.get("max"));
                let places = [min, max].into_iter().flatten().map(Spanned::span).collect();
                for (key, value) in [("min", min), ("max", max)] {
                    if value.is_none() {
                        section.missing(key, "a range needs `min` and `max`");
                    }
                }
                let domain = if *kind.get_ref() == "int" {
                    let (min, max) = (section.integer("min", i64::MIN), section.integer("max", i64::MIN));
                    let step = section.integer("step", 1);
                    Domain::int_with(min?, max?, step, sampling)
                } else {
                    let (min, max, step) = (section.float("min"), section.float("max"), section.float("step"));
                    Domain::float_with(min?.into_inner(), max?.into_inner(), step.map(Spanned::into_inner), sampling)
                };
                (domain, places)
            }
            "choice" => {
                let ordered = section.boolean("ordered");
                let Some(values) = section.get("values") else {
                    section.missing("values", "a choice needs values = [ … ]");
                    return None;
                };
                let Some(items) = values.get_ref().as_array() else {
                    section.mistyped("values", values, "an array");
                    return None;
                };
                let scalars: Option<Vec<Value>> = items.iter().map(|item| scalar(item.get_ref())).collect();
                let Some(scalars) = scalars else {
                    section.mistyped("values", values, "an array of texts, numbers or booleans");
                    return None;
                };
                let numeric = scalars.iter().all(|value| matches!(value, Value::Int(_) | Value::Float(_)));
                (Domain::choice(scalars, ordered.unwrap_or(numeric)), items.iter().map(Spanned::span).collect())
            }
            "boolean" => (Ok(Domain::boolean()), vec![section.span()]),
            other => {
                let kinds = ["int", "float", "choice", "boolean"];
                let help = nearest(other, kinds).map(|name| format!("did you mean `{name}`?"));
                let expected = format!("expected {}", super::source::alternatives(kinds));
                self.refuse(kind.span(), format!("`{other}` is not a type of hyperparameter"), expected, help);
                return None;
            }
        };
        match domain {
            Ok(domain) => Some((domain, places)),
            Err(error) => {
                self.refuse(section.span(), error, "this domain is not valid", None);
                None
            }
        }
    }

    fn read_member(&mut self, name: &str, domain: &Domain, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let member = scalar(value.get_ref()).ok_or(()).and_then(|scalar| domain.coerce(scalar).map_err(|_| ()));
        if member.is_err() {
            let label = format!("{} is not in the domain", describe(value.get_ref()));
            self.refuse(value.span(), format!("the default of `{name}` must be one of its values"), label, None);
        }
        member.ok()
    }

    fn read_when<'t>(&mut self, section: &mut Section<'_, 't>) -> Vec<(&'t str, Vec<Value>)> {
        let mut conditions = Vec::new();
        for (parent, _, value) in section.section("when").entries() {
            let values = match value.get_ref() {
                DeValue::Array(items) => items.iter().map(|item| scalar(item.get_ref())).collect(),
                single => scalar(single).map(|value| vec![value]),
            };
            match values {
                Some(values) => conditions.push((parent, values)),
                None => self.refuse(
                    value.span(),
                    format!("`when` needs a value of `{parent}`, or an array of values"),
                    format!("found {}", describe(value.get_ref())),
                    None,
                ),
            }
        }
        conditions
    }

    /// Asks the vocabulary about each value; an unknown name is reported once, at the name.
    fn is_permitted<'v>(
        &mut self,
        name: &str,
        place: &Range<usize>,
        values: impl IntoIterator<Item = (&'v Value, Range<usize>)>,
    ) -> bool {
        for (value, span) in values {
            if let Err(refusal) = (self.check)(name, value) {
                let (at, label) = if refusal.unknown_name {
                    (place.clone(), "not a known name")
                } else {
                    (span, "not possible here")
                };
                self.refuse(at, refusal.message, label, refusal.help);
                return false;
            }
        }
        true
    }

    fn declare(&mut self, hyperparameter: Hyperparameter, place: Range<usize>) {
        let name = hyperparameter.name.clone();
        if self.places.contains_key(&name) {
            let help = Some(
                "a name stands once in [space] and [fixed] together; {i} counts with every index it takes".to_owned(),
            );
            self.refuse(place, format!("`{name}` is declared twice"), "declared again here", help);
            return;
        }
        self.places.insert(name, place);
        self.hyperparameters.push(hyperparameter);
    }

    fn expand(&mut self, templates: Vec<Template<'_>>) {
        let ranges: HashMap<String, (i64, i64, bool)> = templates
            .iter()
            .map(|t| (t.name.clone(), &t.domain, !t.when.is_empty() || t.repeat.is_some()))
            .chain(self.hyperparameters.iter().map(|h| (h.name.clone(), &h.domain, false)))
            .filter_map(|(name, domain, conditional)| {
                integers(domain).map(|(min, max)| (name, (min, max, conditional)))
            })
            .collect();
        for template in templates {
            let Some(repeat) = &template.repeat else {
                self.declare_instance(&template, None, None);
                continue;
            };
            let parent = *repeat.parent.get_ref();
            let Some(&(least, most, conditional)) = ranges.get(parent) else {
                let help =
                    nearest(parent, ranges.keys().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
                let label = "expected the name of an int in [space] or [fixed]";
                self.refuse(
                    repeat.parent.span(),
                    format!("`{}` repeats over an unknown `{parent}`", template.name),
                    label,
                    help,
                );
                continue;
            };
            if most.saturating_sub(repeat.from) > MOST_REPETITIONS {
                let label =
                    format!("`{parent}` goes up to {most}; at most {MOST_REPETITIONS} repetitions are possible");
                self.refuse(repeat.parent.span(), format!("`{}` repeats too often", template.name), label, None);
                continue;
            }
            for index in repeat.from..most {
                let condition = (index >= least || conditional)
                    .then(|| Condition::GreaterThan { parent: parent.to_owned(), bound: index });
                self.declare_instance(&template, Some(index), condition);
            }
        }
    }

    fn declare_instance(&mut self, template: &Template<'_>, index: Option<i64>, repeated: Option<Condition>) {
        let with_index = |name: &str| index.map_or_else(|| name.to_owned(), |i| name.replace(INDEX, &i.to_string()));
        let when = template
            .when
            .iter()
            .map(|(parent, values)| Condition::OneOf { parent: with_index(parent), values: values.clone() });
        let hyperparameter = Hyperparameter {
            name: with_index(&template.name),
            domain: template.domain.clone(),
            default: template.default.clone(),
            conditions: repeated.into_iter().chain(when).collect(),
        };
        self.declare(hyperparameter, template.place.clone());
    }

    fn finish(mut self, pinned: usize, space: &Section<'_, '_>) -> Option<Space> {
        if !self.sound {
            return None;
        }
        // What is searched reads first; what is pinned follows.
        self.hyperparameters.rotate_left(pinned);
        if self.hyperparameters.is_empty() {
            space.source().report(
                space.span(),
                "[space] is empty",
                "nothing to search",
                Some("`tune init` writes a study to start from".to_owned()),
            );
            return None;
        }
        match Space::new(self.hyperparameters) {
            Ok(space) => Some(space),
            Err(error) => {
                let place = error.subject().and_then(|name| self.places.get(name)).cloned();
                self.source.report(place.unwrap_or_else(|| space.span()), &error, "declared here", None);
                None
            }
        }
    }
}

/// The values that stand for a domain when its limits are checked: the ends of a range, every value of a choice.
fn representatives(domain: &Domain) -> Vec<Value> {
    match domain {
        Domain::Int(_) | Domain::Float(_) => vec![domain.value_at(0.0), domain.value_at(1.0)],
        Domain::Choice(_) | Domain::Boolean => {
            (0..domain.cardinality().unwrap_or(0)).map(|index| domain.nth(index)).collect()
        }
    }
}

/// The least and greatest value of a domain of integers.
fn integers(domain: &Domain) -> Option<(i64, i64)> {
    let integers: Option<Vec<i64>> = representatives(domain)
        .iter()
        .map(|value| match value {
            Value::Int(integer) => Some(*integer),
            _ => None,
        })
        .collect();
    let integers = integers?;
    Some((*integers.iter().min()?, *integers.iter().max()?))
}
