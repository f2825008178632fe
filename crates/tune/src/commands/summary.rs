//! `tune summary`: the best trials, and what became of the others.

use serde_json::{Value as Json, json};
use tuner::analysis::{Counts, Effort, paused, ranking};
use tuner::{Trial, TrialState};

use crate::cli::{Summary, TableFormat};
use crate::error::Error;
use crate::study::{self, Finished};
use crate::{tables, values};

/// Columns of a table that fit a line beside the names.
const TRIALS_ABREAST: usize = 5;

pub fn run(arguments: &Summary) -> Result<(), Error> {
    let folder = study::locate(arguments.study.as_deref(), &arguments.results.results)?;
    let study = study::read(&folder)?;
    for damaged in &study.damaged {
        eprintln!("warning: {damaged}");
    }
    let ranked = ranking(&study.history, &study.file.objective);
    let best = &ranked[..ranked.len().min(arguments.top)];
    match arguments.format {
        TableFormat::Text => super::print(&text(&study, best, ranked.len())),
        TableFormat::Json => super::print_json(&as_json(&study, best)),
        TableFormat::Csv => super::print(&csv(&study, best)),
    }
}

fn text(study: &Finished, best: &[&Trial], scored: usize) -> String {
    let file = &study.file;
    let objective = &file.objective;
    let mut text = format!(
        "Study {} in {}\nObjective: {} ({})   Strategy: {}   Seed: {}\n{}",
        file.name,
        study.folder.display(),
        objective.metric,
        objective.direction,
        file.strategy,
        file.seed,
        tables::counts(&study.history)
    );
    if let Some(end) = &study.end {
        text += &format!("Ended: {}\n", end.reason);
    }
    text += &tables::effort(&study.history, file.settings.search.epochs);
    for trial in study.history.iter() {
        if let TrialState::Failed(_) | TrialState::Infeasible(_) = trial.state {
            text += &format!("  trial {} {}\n", trial.id, first_line(&tables::state(&trial.state)));
        }
    }
    if best.is_empty() {
        return text + "\nNo trial has a score yet.\n" + &waiting(study);
    }
    text += &format!("\nBest {} of {scored} trials with a score\n", best.len());
    for (group, trials) in best.chunks(TRIALS_ABREAST).enumerate() {
        text += &abreast(study, trials, group * TRIALS_ABREAST);
        text.push('\n');
    }
    text + &waiting(study)
}

/// The trials that have paused, by budget: what was measured after fewer epochs is not ranked with the rest.
fn waiting(study: &Finished) -> String {
    let objective = &study.file.objective;
    let budgets = paused(&study.history, objective);
    if budgets.is_empty() {
        return String::new();
    }
    let mut table = tables::table(["Paused after", "Trials", "Best", objective.metric.as_str()]);
    for (budget, trials) in budgets {
        let best = trials.first();
        let score = best.and_then(|trial| trial.score_at(objective, budget));
        table.add_row([
            format!("{budget} epoch{}", if budget == 1 { "" } else { "s" }),
            trials.len().to_string(),
            best.map_or_else(String::new, |trial| trial.id.to_string()),
            score.map_or_else(|| "-".to_owned(), tables::number),
        ]);
    }
    format!("\n{table}\n")
}

/// Trials side by side, a row for each hyperparameter.
fn abreast(study: &Finished, trials: &[&Trial], before: usize) -> String {
    let objective = &study.file.objective;
    let mut header = vec!["Trial".to_owned()];
    header.extend(trials.iter().enumerate().map(|(rank, trial)| format!("#{} {}", before + rank + 1, trial.id)));
    let mut table = tables::table(header);
    let mut row = |name: &str, cell: &dyn Fn(&Trial) -> Option<String>| {
        let cells: Vec<Option<String>> = trials.iter().map(|trial| cell(trial)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
            table.add_row(std::iter::once(name.to_owned()).chain(cells));
        }
    };
    row(&objective.metric, &|trial| trial.score.map(tables::number));
    for name in tables::SHOWN_METRICS.iter().filter(|name| **name != objective.metric) {
        row(name, &|trial| tables::metrics(trial, objective).get(*name).map(|metric| tables::number(*metric)));
    }
    row("epochs", &|trial| Some(epochs(trial)));
    for hyperparameter in study.file.space.searched() {
        row(&hyperparameter.name, &|trial| trial.params.get(&hyperparameter.name).map(tables::value));
    }
    table.to_string()
}

/// Trained epochs of a budget, as in `6/8`, for each execution.
fn epochs(trial: &Trial) -> String {
    let trained: Vec<String> = trial.executions.iter().map(|execution| execution.epochs.len().to_string()).collect();
    format!("{}/{}", trained.join("+"), trial.budget)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn as_json(study: &Finished, best: &[&Trial]) -> Json {
    let file = &study.file;
    json!({
        "name": file.name,
        "folder": study.folder,
        "objective": file.objective,
        "strategy": file.strategy,
        "seed": file.seed,
        "trials": Counts::of(&study.history),
        "end": study.end,
        "epochs": Effort::of(&study.history, file.settings.search.epochs),
        "paused": paused(&study.history, &file.objective).into_iter().map(|(budget, trials)| json!({
            "budget": budget,
            "trials": trials.iter().map(|trial| trial.id).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "best": best.iter().map(|trial| json!({
            "trial": trial.id,
            "score": trial.score,
            "budget": trial.budget,
            "epochs": trial.executions.iter().map(|execution| execution.epochs.len()).collect::<Vec<_>>(),
            "metrics": tables::metrics(trial, &file.objective),
            "params": values::to_object(&trial.params),
        })).collect::<Vec<_>>(),
    })
}

fn csv(study: &Finished, best: &[&Trial]) -> String {
    let file = &study.file;
    let mut header = vec!["trial".to_owned(), "score".to_owned(), "budget".to_owned()];
    header.extend(tables::SHOWN_METRICS.iter().map(|name| (*name).to_owned()));
    header.extend(file.space.hyperparameters().iter().map(|hyperparameter| hyperparameter.name.clone()));
    let mut text = record(&header);
    for trial in best {
        let metrics = tables::metrics(trial, &file.objective);
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let mut cells = vec![trial.id.0.to_string(), number(trial.score), trial.budget.to_string()];
        cells.extend(tables::SHOWN_METRICS.iter().map(|name| number(metrics.get(*name).copied())));
        cells.extend(file.space.hyperparameters().iter().map(|hyperparameter| {
            trial.params.get(&hyperparameter.name).map_or_else(String::new, ToString::to_string)
        }));
        text += &record(&cells);
    }
    text
}

/// One line of CSV after RFC 4180.
fn record(cells: &[String]) -> String {
    let quoted = cells.iter().map(|cell| {
        if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}
