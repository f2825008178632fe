//! `tune space`: the search space, its size, and how much of it can be built.

mod plan;

use serde_json::{Value as Json, json};
use tuner::{Condition, Domain, Hyperparameter, Params, Sampling, Size, Space, TrialId};

use crate::cli::{self, Format};
use crate::config::{self, Overrides};
use crate::error::Error;
use crate::study::{self, Feasibility};
use crate::tables;
use plan::Planned;

/// Spaces up to this many configurations are judged one by one.
const EXACT_UP_TO: u128 = 20_000;
/// How many configurations of a larger space are judged.
const SAMPLES: usize = 2_000;

pub fn run(arguments: &cli::Space) -> Result<(), Error> {
    let (strategy, epochs) = (arguments.strategy.clone(), arguments.epochs);
    let file = config::load(&arguments.config, &Overrides { strategy, epochs, ..Overrides::default() })?;
    let folder = config::study_folder(&arguments.results.results, &file.name);
    let known = study::read(&folder).ok();
    let plan = Planned::of(&file, known.as_ref().map(|study| &study.history));
    let judge = Feasibility::judge_of(&file)?;
    let feasible = Feasible::of(&file.space, file.seed, &|params| judge(params).is_ok());
    match arguments.format {
        Format::Text => {
            let plan = plan.as_ref().map_or_else(String::new, Planned::text);
            super::print(&(text(&file.space, &feasible) + &plan))
        }
        Format::Json => {
            let mut json = as_json(&file.space, &feasible);
            if let Some(plan) = &plan {
                json["plan"] = plan.as_json();
            }
            super::print_json(&json)
        }
    }
}

/// How many configurations can be built.
enum Feasible {
    /// All were judged.
    Exact { feasible: u64, of: u64 },
    /// As many samples were judged.
    Estimated { feasible: usize, samples: usize },
}

impl Feasible {
    fn of(space: &Space, seed: u64, judge: &dyn Fn(&Params) -> bool) -> Self {
        match space.size() {
            Size::Finite(size) if size <= EXACT_UP_TO => {
                let feasible = space.iter().filter(judge).count() as u64;
                Feasible::Exact { feasible, of: size as u64 }
            }
            _ => {
                let mut rng = tuner::seeds::stream(seed, TrialId(0), "feasibility");
                let samples = (0..SAMPLES).filter(|_| judge(&space.sample(&mut rng))).count();
                Feasible::Estimated { feasible: samples, samples: SAMPLES }
            }
        }
    }

    fn share(&self) -> f64 {
        match *self {
            Feasible::Exact { feasible, of } => feasible as f64 / of.max(1) as f64,
            Feasible::Estimated { feasible, samples } => feasible as f64 / samples as f64,
        }
    }
}

fn text(space: &Space, feasible: &Feasible) -> String {
    let searched = space.searched().count();
    let pinned: Vec<&Hyperparameter> = space.hyperparameters().iter().filter(|hp| is_pinned(hp)).collect();
    let mut text = format!(
        "Search space summary\nDefault search space size: {searched}\nConfigurations: {}\n",
        size(&space.size())
    );
    let percent = 100.0 * feasible.share();
    text += &match feasible {
        Feasible::Exact { feasible, of } => format!(
            "Feasible: {} of {} ({percent:.1}%), all judged\n\n",
            tables::count(u128::from(*feasible)),
            tables::count(u128::from(*of)),
        ),
        Feasible::Estimated { samples, .. } => {
            format!("Feasible: about {percent:.1}%, estimated from {} samples\n\n", tables::count(*samples as u128))
        }
    };
    let mut table = tables::table(["Hyperparameter", "Type", "Values", "Step", "Sampling", "Default", "Active when"]);
    for hyperparameter in space.searched() {
        let row = Row::of(hyperparameter);
        table.add_row([row.name, row.kind.to_owned(), row.values, row.step, row.sampling, row.default, row.conditions]);
    }
    for index in 1..7 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(comfy_table::CellAlignment::Left);
        }
    }
    text += &format!("{table}\n");
    if !pinned.is_empty() {
        text += "\nFixed:\n";
        for hyperparameter in pinned {
            text += &format!("  {} = {}\n", hyperparameter.name, hyperparameter.domain.nth(0));
        }
    }
    text
}

fn is_pinned(hyperparameter: &Hyperparameter) -> bool {
    hyperparameter.domain.cardinality() == Some(1)
}

fn size(size: &Size) -> String {
    match size {
        Size::Finite(number) => tables::count(*number),
        Size::Overflow => "more than 10^38".to_owned(),
        Size::Infinite { continuous } => format!("infinitely many ({continuous} continuous)"),
    }
}

/// What the table says of a hyperparameter.
struct Row {
    name: String,
    kind: &'static str,
    values: String,
    step: String,
    sampling: String,
    default: String,
    conditions: String,
}

impl Row {
    fn of(hyperparameter: &Hyperparameter) -> Self {
        let (kind, values, step, sampling) = match &hyperparameter.domain {
            Domain::Int(range) => (
                "Int",
                format!("{} to {}", range.min(), range.max()),
                range.step().map_or_else(|| "1".to_owned(), |step| step.to_string()),
                word(range.sampling()),
            ),
            Domain::Float(range) => (
                "Float",
                format!("{} to {}", tables::number(range.min()), tables::number(range.max())),
                range.step().map_or_else(|| "-".to_owned(), tables::number),
                word(range.sampling()),
            ),
            Domain::Choice(choice) => {
                let values: Vec<String> = choice.values().iter().map(tables::value).collect();
                let order = if choice.ordered() { "ordered" } else { "unordered" };
                ("Choice", values.join(", "), "-".to_owned(), order)
            }
            Domain::Boolean => ("Boolean", "false, true".to_owned(), "-".to_owned(), "-"),
        };
        let conditions: Vec<String> = hyperparameter.conditions.iter().map(condition).collect();
        Row {
            name: hyperparameter.name.clone(),
            kind,
            values,
            step,
            sampling: sampling.to_owned(),
            default: tables::value(&hyperparameter.default_value()),
            conditions: if conditions.is_empty() { "always".to_owned() } else { conditions.join(" and ") },
        }
    }
}

fn word(sampling: Sampling) -> &'static str {
    match sampling {
        Sampling::Linear => "linear",
        Sampling::Log => "log",
        Sampling::ReverseLog => "reverse_log",
    }
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::GreaterThan { parent, bound } => format!("{parent} > {bound}"),
        Condition::OneOf { parent, values } => match &values[..] {
            [only] => format!("{parent} = {}", tables::value(only)),
            several => format!("{parent} in {}", several.iter().map(tables::value).collect::<Vec<_>>().join(", ")),
        },
    }
}

fn as_json(space: &Space, feasible: &Feasible) -> Json {
    let configurations = match space.size() {
        // JSON numbers are exact up to 2^53 only.
        Size::Finite(number) => json!(number.to_string()),
        Size::Overflow | Size::Infinite { .. } => Json::Null,
    };
    json!({
        "size": space.searched().count(),
        "configurations": configurations,
        "feasible": {
            "share": feasible.share(),
            "exact": matches!(feasible, Feasible::Exact { .. }),
            "judged": match *feasible { Feasible::Exact { of, .. } => of, Feasible::Estimated { samples, .. } => samples as u64 },
        },
        "space": space,
    })
}
