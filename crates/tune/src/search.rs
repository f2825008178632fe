//! `tune search`: owns the study, starts the workers, hands out trials and writes down what comes back.

mod job;
mod launch;
mod measure;
mod patience;
mod process;
mod supervisor;
mod view;

use std::io::Write as _;
use std::sync::mpsc::sync_channel;

use tuner::{StopReason, TrialState};

use crate::cli;
use crate::config::{self, StudyFile, Work};
use crate::error::Error;
use crate::study::{self, Feasibility};
use crate::tables;

use supervisor::{Event, Supervisor};
use view::Overview;

/// Reports that wait to be heard; workers that say more wait.
const EVENTS_AHEAD: usize = 1024;

/// Runs or goes on with the study of a study file.
pub fn run(arguments: &cli::Search) -> Result<(), Error> {
    let mut file = config::load(&arguments.config, &arguments.overrides())?;
    check(&file)?;
    let judge = Feasibility::judge_of(&file)?;
    let jobs = if file.settings.search.measure_jobs { Some(measure::choose_jobs(&mut file)?) } else { None };
    let folder = config::study_folder(&arguments.results.results, &file.name);
    let (study, mut notes) = study::open(&file, &folder, arguments.overwrite, judge)?;

    let (inbox, events) = sync_channel(EVENTS_AHEAD);
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
    notes.extend(jobs);
    for note in &notes {
        supervisor.note(note);
    }
    let reason = supervisor.run()?;
    let study = supervisor.into_study();
    conclude(&file, &study, reason, arguments)
}

/// Finds out what is missing before anything is written.
fn check(file: &StudyFile) -> Result<(), Error> {
    let Work::Network(data) = &file.settings.work else { return Ok(()) };
    model::device::device(&file.settings.search.backend)?;
    if model::data::locate(&data.source.dataset, data.source.path.as_deref()).is_none() {
        // Built in, or missing: the error says how to get it.
        model::data::load(&data.source)?;
    }
    Ok(())
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
        if best.is_some() && matches!(file.settings.work, Work::Network(_)) {
            text += &format!("On the test data:   tune evaluate {}{elsewhere}\n", file.name);
        }
    }
    let _ = write!(std::io::stdout(), "{text}");
    match reason {
        StopReason::Interrupted => Err(Error::Interrupted),
        StopReason::ConsecutiveFailures { .. } => {
            let failed = |trial: &&tuner::Trial| matches!(trial.state, TrialState::Failed(_));
            let last = study.history().finished().rev().find(failed);
            Err(Error::GaveUp { last: last.map(|trial| tables::state(&trial.state)).unwrap_or_default() })
        }
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
