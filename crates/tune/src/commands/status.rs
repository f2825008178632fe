//! `tune status`: whether a study is being searched, and how far it is.

use serde_json::{Value as Json, json};
use tuner::analysis::Counts;
use tuner::store::{AtWork, DirectoryStore, StudyEnd};
use tuner::{Execution, Trial, TrialState};

use crate::cli::{self, Format};
use crate::error::Error;
use crate::study::{self, Finished, Requests};
use crate::tables;

pub fn run(arguments: &cli::Status) -> Result<(), Error> {
    let folder = study::locate(arguments.study.as_deref(), &arguments.results.results)?;
    let status = Status {
        work: DirectoryStore::at_work(&folder)?,
        paused: Requests::of(&folder).is_paused(),
        study: study::read(&folder)?,
    };
    match arguments.format {
        Format::Text => super::print(&status.text()),
        Format::Json => super::print_json(&status.json()),
    }
}

struct Status {
    study: Finished,
    work: Option<AtWork>,
    paused: bool,
}

impl Status {
    fn word(&self) -> &'static str {
        match (self.work, self.paused, &self.study.end) {
            (Some(_), true, _) => "paused",
            (Some(_), false, _) => "searching",
            (None, _, Some(_)) => "ended",
            (None, _, None) => "interrupted",
        }
    }

    fn running(&self) -> impl Iterator<Item = &Trial> {
        self.study.history.pending().filter(|trial| trial.state == TrialState::Running)
    }

    fn text(&self) -> String {
        let file = &self.study.file;
        let mut text = format!("Study {} in {}: {}", file.name, self.study.folder.display(), self.word());
        match (self.work.and_then(|work| work.process), &self.study.end) {
            (Some(process), _) => text += &format!(" by process {process}"),
            (None, Some(StudyEnd { reason, at })) => text += &format!(" at {at}: {reason}"),
            (None, None) => text += "; the same search command goes on",
        }
        text += &format!(
            "\n{} of {} trials begun, {} epochs trained\n{}",
            self.study.history.started(),
            file.settings.search.trials,
            self.study.history.epochs_trained(),
            tables::counts(&self.study.history),
        );
        for trial in self.running() {
            let epochs = trial.executions.last().map_or(0, Execution::epochs_done);
            text += &format!("  trial {}", trial.id);
            if file.settings.search.executions_per_trial > 1 {
                text += &format!(" execution {}/{}", trial.executions.len(), file.settings.search.executions_per_trial);
            }
            text += &format!(" epoch {epochs}/{}", trial.budget);
            if let Some(score) = trial.score {
                text += &format!("  {} {}", file.objective.metric, tables::number(score));
            }
            text.push('\n');
        }
        if let Some(best) = self.study.history.best(&file.objective) {
            let score = best.score.map(tables::number).unwrap_or_default();
            text += &format!("Best trial: {} with {} {score}\n", best.id, file.objective.metric);
        }
        text
    }

    fn json(&self) -> Json {
        let file = &self.study.file;
        let best = self.study.history.best(&file.objective);
        json!({
            "name": file.name,
            "folder": self.study.folder,
            "status": self.word(),
            "process": self.work.and_then(|work| work.process),
            "end": self.study.end,
            "trials": file.settings.search.trials,
            "begun": self.study.history.started(),
            "epochs": self.study.history.epochs_trained(),
            "counts": Counts::of(&self.study.history),
            "running": self.running().map(|trial| json!({
                "trial": trial.id,
                "execution": trial.executions.len().saturating_sub(1),
                "epoch": trial.executions.last().map_or(0, Execution::epochs_done),
                "budget": trial.budget,
            })).collect::<Vec<_>>(),
            "best": best.map(|trial| json!({ "trial": trial.id, "score": trial.score })),
        })
    }
}
