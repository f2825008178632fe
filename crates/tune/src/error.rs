//! What can go wrong in the program, said so that the user knows what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use miette::{GraphicalReportHandler, GraphicalTheme};
use thiserror::Error;

use crate::config::Problem;

/// An expected error: it ends the program with one clear message. Anything else is a bug.
#[derive(Debug, Error)]
pub enum Error {
    #[error("the study file has mistakes")]
    StudyFile(Vec<Problem>),

    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} exists already\n\nname another file, or add --force to replace it", .0.display())]
    Exists(PathBuf),

    #[error(
        "the study in {} was started with other settings:\n\n{}\n\ngive it another `name`, restore the settings, or add --overwrite to delete it and start anew",
        folder.display(),
        differences.join("\n")
    )]
    Differs { folder: PathBuf, differences: Vec<String> },

    #[error("there is no study `{name}`{}", hint.as_ref().map(|hint| format!("\n\n{hint}")).unwrap_or_default())]
    NoStudy { name: String, hint: Option<String> },

    #[error("study `{study}` has no trial {trial}; it has {count}")]
    NoTrial { study: String, trial: u64, count: usize },

    #[error(
        "no trial of study `{study}` has a score yet\n\n`tune search` the study first, or name a trial with --trial"
    )]
    NothingScored { study: String },

    #[error(
        "the checkpoint of trial {trial} is not kept\n\nonly those of the best trials are: set keep_checkpoints = \"all\" in [search] before searching"
    )]
    NoCheckpoint { trial: String },

    #[error(
        "study `{study}` trains a program of your own, and has no network\n\n`tune summary`, `tune space` and `tune status` know such studies"
    )]
    NoNetwork { study: String },

    #[error("no search is at work on study `{study}`\n\n`tune search` starts one, or goes on with the study")]
    NotAtWork { study: String },

    #[error("the worker could not start: {0}")]
    Worker(String),

    #[error("{0}")]
    Device(#[from] model::device::DeviceError),

    #[error("{0}")]
    Data(#[from] model::data::DataError),

    #[error("{0}")]
    Kernel(#[from] model::filters::KernelError),

    #[error("{0}")]
    Filter(#[from] model::filters::FilterError),

    #[error("{0}")]
    Training(#[from] model::train::FitError),

    #[error("{0}")]
    Hyperparameters(#[from] model::hyperparameters::ConfigError),

    #[error("{0}")]
    Study(#[from] tuner::StudyError),

    #[error("{0}")]
    Store(#[from] tuner::StoreError),

    #[error("{0}")]
    Strategy(#[from] tuner::StrategyError),

    #[error("{0}")]
    Protocol(#[from] crate::protocol::ProtocolError),

    #[error("cannot be put into JSON: {0}")]
    Json(#[from] serde_json::Error),

    /// The study stopped itself.
    #[error(
        "too many trials failed in a row; the last of them: {last}\n\nthe same search command goes on when the cause is mended"
    )]
    GaveUp { last: String },

    /// Not a failure: the user asked to stop, and was told how to go on.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub fn reading(path: &Path, source: io::Error) -> Self {
        Error::Read { path: path.to_owned(), source }
    }

    pub fn writing(path: &Path, source: io::Error) -> Self {
        Error::Write { path: path.to_owned(), source }
    }

    /// Shows the error on standard error and says how the program ends: 2 for what the user wrote, 130 after an
    /// interruption, else 1.
    pub fn show(&self) -> ExitCode {
        match self {
            Error::Interrupted => return ExitCode::from(130),
            Error::StudyFile(problems) => {
                let handler = GraphicalReportHandler::new_themed(theme()).with_width(100);
                for problem in problems {
                    let mut text = String::new();
                    if handler.render_report(&mut text, problem).is_ok() {
                        eprintln!("error:{text}");
                    }
                }
                if problems.len() > 1 {
                    eprintln!("{} mistakes in the study file", problems.len());
                }
            }
            other => eprintln!("error: {other}"),
        }
        match self {
            Error::StudyFile(_)
            | Error::Device(_)
            | Error::NoStudy { .. }
            | Error::NoNetwork { .. }
            | Error::Exists(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

fn theme() -> GraphicalTheme {
    use std::io::IsTerminal as _;
    let plain = std::env::var_os("NO_COLOR").is_some() || !io::stderr().is_terminal();
    if plain { GraphicalTheme::unicode_nocolor() } else { GraphicalTheme::unicode() }
}
