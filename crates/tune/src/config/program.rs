//! `[objective_command]`: a program of the user's own that trains.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use toml::Spanned;
use toml::de::DeValue;
use tuner::space::nearest;
use tuner::{Objective, Space, Value};

use super::load::read_time;
use super::source::Section;
use super::space::Refusal;

/// Seconds between the request to end and the end by force.
const GRACE_SECONDS: f64 = 5.0;

/// A program of the user's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The program and its arguments. It is started as it stands here, never through a shell.
    pub command: Vec<String>,
    pub protocol: Protocol,
    pub params: Arguments,
    /// How long it may take to end after it was asked to.
    pub grace_seconds: f64,
    /// Where it runs: the folder of the study file.
    pub directory: PathBuf,
}

/// How a program is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// One process per execution, metrics on its output.
    Simple,
    /// One process per job, which speaks the worker protocol.
    Full,
}

/// How a program of the simple kind is told its hyperparameters, besides `TUNE_PARAMS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// As `--name value`, after the arguments of the command.
    Arguments,
    /// In no other way; or in the places that the command names as `{name}`.
    Environment,
}

/// What a `{place}` in a command may stand for besides a hyperparameter.
const PLACES: &[&str] = &["trial", "execution", "seed", "epochs", "from_epoch", "checkpoint"];

/// Puts values into the places of one argument: `{name}` becomes the value, `{{` and `}}` become braces. Braces around
/// anything but a plain name are left as they are.
pub struct Fill<'a> {
    pub params: &'a Map<String, Json>,
    /// The values of [`PLACES`].
    pub places: &'a [(&'static str, String)],
}

impl Fill<'_> {
    pub fn fill(&self, argument: &str) -> String {
        let mut text = String::new();
        for piece in pieces(argument) {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Place(name) => {
                    let place = self.places.iter().find(|(place, _)| *place == name);
                    match (self.params.get(name), place) {
                        (Some(value), _) => text.push_str(&plain(value)),
                        (None, Some((_, value))) => text.push_str(value),
                        (None, None) => {}
                    }
                }
            }
        }
        text
    }
}

/// A value as an argument: a text without its quotes.
pub fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

enum Piece<'t> {
    Text(&'t str),
    /// A name in braces.
    Place(&'t str),
}

fn pieces(argument: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(found) = argument[at..].find(['{', '}']) {
        let brace = at + found;
        let rest = &argument[brace..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            pieces.push(Piece::Text(&argument[start..=brace]));
            (start, at) = (brace + 2, brace + 2);
            continue;
        }
        let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
        if let Some(name) = name.filter(|name| is_plain(name)) {
            pieces.push(Piece::Text(&argument[start..brace]));
            let end = brace + name.len() + 2;
            pieces.push(Piece::Place(name));
            (start, at) = (end, end);
        } else {
            at = brace + 1;
        }
    }
    pieces.push(Piece::Text(&argument[start..]));
    pieces
}

fn is_plain(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Any name that can be an argument's, and any value.
pub(super) fn permitted(name: &str, _: &Value) -> Result<(), Refusal> {
    if is_plain(name) {
        return Ok(());
    }
    Err(Refusal {
        message: format!("`{name}` cannot be the name of a hyperparameter"),
        help: Some("a name begins with a letter and has letters, digits, `_`, `-` and `.`".to_owned()),
        unknown_name: true,
    })
}

/// A study of a program has no data and no network.
pub(super) fn refuse_network_tables(root: &mut Section<'_, '_>) {
    for key in ["data", "limits"] {
        if let Some(table) = root.get(key) {
            root.source().report(
                table.span(),
                format!("[{key}] does not go with [objective_command]"),
                "for the built-in networks only",
                Some("remove one of the two tables".to_owned()),
            );
        }
    }
}

/// The metric that early stopping watches: any, as long as its direction is known.
pub(super) fn read_monitor(section: &mut Section<'_, '_>, objective: Option<&Objective>) -> Option<String> {
    let present = section.is_present();
    let Some(text) = section.text("monitor") else {
        return objective.filter(|_| present).map(|objective| objective.metric.clone());
    };
    let metric = (*text.get_ref()).to_owned();
    if let Err(error) = monitored(&metric, objective) {
        section.source().report(text.span(), error, "its direction is not known", None);
    }
    Some(metric)
}

/// The metric with its direction: the objective's, or what its name says.
pub fn monitored(metric: &str, objective: Option<&Objective>) -> Result<Objective, tuner::objective::ObjectiveError> {
    match objective.filter(|objective| objective.metric == metric) {
        Some(objective) => Ok(objective.clone()),
        None => Objective::infer(metric),
    }
}

pub(super) fn read(mut section: Section<'_, '_>, file: &Path, space: Option<&Space>) -> Option<Program> {
    let command = read_command(&mut section, space);
    let protocol = section.word("protocol", &[("simple", Protocol::Simple), ("full", Protocol::Full)]);
    let params =
        section.word("params", &[("arguments", Arguments::Arguments), ("environment", Arguments::Environment)]);
    let grace = read_time(&mut section, "grace");
    section.finish();
    let (command, filled) = command?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(Program {
        command,
        protocol: protocol.unwrap_or(Protocol::Simple),
        params: params.unwrap_or(if filled { Arguments::Environment } else { Arguments::Arguments }),
        grace_seconds: grace.unwrap_or(GRACE_SECONDS),
        directory: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
    })
}

/// The command, and whether it names a place for a hyperparameter.
fn read_command(section: &mut Section<'_, '_>, space: Option<&Space>) -> Option<(Vec<String>, bool)> {
    const EXPECTED: &str = "an array of texts such as [\"python3\", \"train.py\"]";
    let Some(value) = section.get("command") else {
        section.missing("command", "command = [\"python3\", \"train.py\"]");
        return None;
    };
    let items = value.get_ref().as_array().filter(|items| !items.is_empty());
    let texts: Option<Vec<(&str, &Spanned<DeValue<'_>>)>> =
        items.and_then(|items| items.iter().map(|item| Some((item.get_ref().as_str()?, item))).collect());
    let Some(texts) =
        texts.filter(|texts| texts.iter().all(|(text, _)| !text.contains('\0')) && !texts[0].0.is_empty())
    else {
        section.mistyped("command", value, EXPECTED);
        return None;
    };
    let mut filled = false;
    if let Some(space) = space {
        for (text, item) in &texts {
            for piece in pieces(text) {
                if let Piece::Place(name) = piece
                    && !PLACES.contains(&name)
                {
                    filled = true;
                    check_place(section, space, name, item.span());
                }
            }
        }
    }
    Some((texts.into_iter().map(|(text, _)| text.to_owned()).collect(), filled))
}

fn check_place(section: &Section<'_, '_>, space: &Space, name: &str, span: Range<usize>) {
    match space.get(name) {
        None => {
            let names = space.hyperparameters().iter().map(|hp| hp.name.as_str()).chain(PLACES.iter().copied());
            let help = nearest(name, names).map_or_else(
                || "what is not to be filled in is written with two braces: {{…}}".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            let message = format!("`{{{name}}}` is no hyperparameter of this study");
            section.source().report(span, message, "nothing to fill in here", Some(help));
        }
        Some(hyperparameter) if !hyperparameter.conditions.is_empty() => {
            let message = format!("`{{{name}}}` has no value when `{name}` is not active");
            let help = "read conditional hyperparameters from the arguments or from TUNE_PARAMS".to_owned();
            section.source().report(span, message, "cannot always be filled in", Some(help));
        }
        Some(_) => {}
    }
}

impl Program {
    /// The command with everything filled in.
    pub fn arguments(&self, fill: &Fill<'_>) -> Vec<String> {
        let mut command: Vec<String> = self.command.iter().map(|argument| fill.fill(argument)).collect();
        if self.params == Arguments::Arguments {
            for (name, value) in fill.params {
                command.extend([format!("--{name}"), plain(value)]);
            }
        }
        command
    }

    /// The program's file: one that is named with a folder is looked for from where it runs.
    pub fn file(&self, name: &str) -> PathBuf {
        let path = Path::new(name);
        if path.components().count() > 1 { self.directory.join(path) } else { path.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(argument: &str) -> String {
        let params = json!({ "learning_rate": 0.001, "optimizer": "adam", "dropout": true });
        let places = [("trial", "7".to_owned())];
        Fill { params: params.as_object().unwrap(), places: &places }.fill(argument)
    }

    #[test]
    fn places_are_filled_and_other_braces_left_alone() {
        assert_eq!(fill("--lr={learning_rate}"), "--lr=0.001");
        assert_eq!(fill("{optimizer}-{trial}.{dropout}"), "adam-7.true");
        assert_eq!(fill("{{optimizer}} {print $1} {} { } }{"), "{optimizer} {print $1} {} { } }{");
        assert_eq!(fill("ä{optimizer}ö{"), "äadamö{");
        assert_eq!(fill(""), "");
    }

    #[test]
    fn a_name_cannot_become_another_argument() {
        for name in ["", "-x", "--x", "a b", "a=b", "a/b", "{i}", "ä"] {
            assert!(permitted(name, &Value::Int(1)).is_err(), "{name}");
        }
        assert!(permitted("learning_rate", &Value::Int(1)).is_ok());
    }
}
