//! `tune search`: owns the study, starts the workers, hands out trials and writes down what comes back.

mod process;
mod supervisor;
mod view;

use std::io::Write as _;
use std::sync::mpsc::channel;

use tuner::StopReason;

use crate::cli;
use crate::config::{self, StudyFile};
use crate::error::Error;
use crate::study::{self, Feasibility};
use crate::tables;

use supervisor::{Event, Supervisor};
use view::Overview;

/// Runs or goes on with the study of a study file.
pub fn run(arguments: &cli::Search) -> Result<(), Error> {
    let file = config::load(&arguments.config, &arguments.overrides())?;
    model::device::device(&file.settings.search.backend)?;
    let data = &file.settings.data.source;
    if model::data::locate(&data.dataset, data.path.as_deref()).is_none() {
        // Built in, or missing: the error says how to get it, before anything is written.
        model::data::load(data)?;
    }
    let feasibility = Feasibility::of(&file)?;
    let folder = config::study_folder(&arguments.results.results, &file.name);
    let (study, notes) = study::open(&file, &folder, arguments.overwrite, feasibility)?;

    let (inbox, events) = channel();
    let interrupt = inbox.clone();
    ctrlc::set_handler(move || drop(interrupt.send(Event::Interrupt)))
        .map_err(|error| Error::Worker(error.to_string()))?;

    let overview = Overview {
        name: &file.name,
        strategy: &file.strategy,
        objective: &file.objective,
        trials: file.settings.search.trials,
        finished: supervisor::finished(&study),
        executions: file.settings.search.executions_per_trial,
        jobs: file.settings.search.jobs,
    };
    let view = view::view(&overview, arguments.quiet);
    let mut supervisor = Supervisor::new(&file, &folder, study, view, inbox, events);
    if file.strategy == "auto" {
        let choice = tuner::strategy::auto::choose(&file.space, file.settings.search.trials);
        supervisor.note(&format!("strategy auto chose {}: {}", choice.strategy, choice.reason));
    }
    for note in &notes {
        supervisor.note(note);
    }
    let reason = supervisor.run()?;
    let study = supervisor.into_study();
    conclude(&file, &study, reason, arguments)
}

/// The last words of a search: why it ended, what it found, what to do next.
fn conclude(file: &StudyFile, study: &tuner::Study, reason: StopReason, arguments: &cli::Search) -> Result<(), Error> {
    let mut text = String::new();
    text += &format!("\nStudy {} ended: {reason}\n", file.name);
    text += &tables::counts(study.history());
    let best = study.best();
    match best {
        Some(best) => {
            text += &format!("\nBest trial: {}\n", best.id);
            text += &tables::best(best, &file.objective);
            text.push('\n');
        }
        None => text += "\nNo trial has a score.\n",
    }
    let results = &arguments.results.results;
    let elsewhere = if results == std::path::Path::new("results") {
        String::new()
    } else {
        format!(" --results {}", results.display())
    };
    if reason == StopReason::Interrupted {
        text += &format!("\nGo on with the same command: {}\n", command_line());
    } else {
        text += &format!("\nAll trials:         tune summary {}{elsewhere}\n", file.name);
        if best.is_some() {
            text += &format!("On the test data:   tune evaluate {}{elsewhere}\n", file.name);
        }
    }
    let _ = write!(std::io::stdout(), "{text}");
    match reason {
        StopReason::Interrupted => Err(Error::Interrupted),
        StopReason::ConsecutiveFailures { .. } => Err(Error::GaveUp),
        _ => Ok(()),
    }
}

/// The command as the user can type it again; a second `--overwrite` would delete what there is.
fn command_line() -> String {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--overwrite");
    std::iter::once("tune".to_owned()).chain(arguments.map(quote)).collect::<Vec<_>>().join(" ")
}

fn quote(argument: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}
