//! What the user sees of a running search: bars and tables on a terminal, plain lines elsewhere, or nothing.

mod lines;
mod screen;

pub use screen::TICK;

use std::io::IsTerminal as _;

use tuner::strategy::Stage;
use tuner::{Epoch, Objective, Params, Trial};

use crate::protocol::Progress;

/// What is known when the search begins.
pub struct Overview<'a> {
    pub name: &'a str,
    pub strategy: &'a str,
    pub objective: &'a Objective,
    /// Trials of the study in all.
    pub trials: u64,
    /// Trials that earlier runs finished.
    pub finished: u64,
    pub executions: u32,
    pub jobs: usize,
}

/// Where in the search something happens.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub job: usize,
    pub trial: tuner::TrialId,
    /// From 0.
    pub execution: usize,
    /// The last epoch of the budget.
    pub to_epoch: u32,
}

/// Something worth showing.
pub enum Happening<'a> {
    /// An execution begins (or goes on after `from_epoch` epochs).
    Started {
        place: Place,
        params: &'a Params,
        from_epoch: u32,
        /// Where it is on its way to a full training.
        stage: Option<Stage>,
        best: Option<&'a Trial>,
    },
    /// A trial has come to its rung, and may go on later.
    Paused {
        trial: &'a Trial,
        stage: Option<Stage>,
        /// How many trials have paused, this one among them.
        paused: usize,
    },
    Progress {
        place: Place,
        progress: &'a Progress,
    },
    Epoch {
        place: Place,
        epoch: &'a Epoch,
    },
    /// A trial has come to its end.
    Ended {
        trial: &'a Trial,
        best: Option<&'a Trial>,
        finished: u64,
    },
    Note {
        text: &'a str,
    },
    /// The user asked to stop; running epochs are finished first.
    Stopping,
}

pub trait View {
    fn show(&mut self, happening: &Happening<'_>);

    /// Shows time passing; called a few times a second.
    fn tick(&mut self) {}

    /// Takes everything that moves off the screen.
    fn close(&mut self) {}
}

/// The view that suits where the output goes.
pub fn view(overview: &Overview<'_>, quiet: bool) -> Box<dyn View> {
    if quiet {
        Box::new(Nothing)
    } else if std::io::stderr().is_terminal() {
        Box::new(screen::Screen::new(overview))
    } else {
        Box::new(lines::Lines::new(overview))
    }
}

struct Nothing;

impl View for Nothing {
    fn show(&mut self, _: &Happening<'_>) {}
}

/// "loss 0.1234  accuracy 0.9712 …": the metrics of training in a fixed order, then the objective if it is another.
fn measured(epoch: &Epoch, objective: &Objective) -> String {
    let usual = ["loss", "accuracy", "val_loss", "val_accuracy"];
    let own = (!usual.contains(&objective.metric.as_str())).then_some(objective.metric.as_str());
    usual
        .into_iter()
        .chain(own)
        .filter_map(|name| epoch.metrics.get(name).map(|value| format!("{name} {}", crate::tables::number(*value))))
        .collect::<Vec<_>>()
        .join("  ")
}

/// One line that says how far a trial has come: `trial 0003 paused after epoch 3 (bracket 1, rung 2 of 4)  val_accuracy
/// 0.91; 7 paused`.
fn pausing(trial: &Trial, stage: Option<Stage>, paused: usize, objective: &Objective) -> String {
    let mut line = format!("trial {} paused after epoch {}", trial.id, trial.budget);
    if let Some(stage) = stage {
        line += &format!(" ({stage})");
    }
    if let Some(score) = trial.score {
        line += &format!("  {} {}", objective.metric, crate::tables::number(score));
    }
    line + &format!("; {paused} paused")
}

/// `, bracket 1, rung 1 of 4`, `, going on after epoch 1 to bracket 1, rung 2 of 4` or `, going on after epoch 3`; nothing for a trial that begins without rungs.
fn onward(from_epoch: u32, stage: Option<Stage>) -> String {
    match (from_epoch, stage) {
        (0, None) => String::new(),
        (0, Some(stage)) => format!(", {stage}"),
        (after, None) => format!(", going on after epoch {after}"),
        (after, Some(stage)) => format!(", going on after epoch {after} to {stage}"),
    }
}

/// One line that says how a trial ended.
fn ending(trial: &Trial, objective: &Objective, best: Option<&Trial>) -> String {
    let mut line = format!("trial {} {}", trial.id, crate::tables::state(&trial.state));
    if let Some(score) = trial.score {
        line += &format!("  {} {}", objective.metric, crate::tables::number(score));
    }
    if let Some((best, score)) = best.and_then(|best| best.score.map(|score| (best, score))) {
        line += &format!("  (best so far {} in trial {})", crate::tables::number(score), best.id);
    }
    line
}

/// What the search is about: `random search, objective val_accuracy (max), 20 trials; going on after 3`.
fn introduction(overview: &Overview<'_>) -> String {
    let mut text = format!(
        "{} search, objective {} ({}), {} trials",
        overview.strategy, overview.objective.metric, overview.objective.direction, overview.trials
    );
    if overview.executions > 1 {
        text += &format!(" of {} executions", overview.executions);
    }
    if overview.finished > 0 {
        text += &format!("; going on after {}", overview.finished);
    }
    text
}
