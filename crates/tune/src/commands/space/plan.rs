//! What a strategy that trains in rungs is going to do.

use serde_json::{Value as Json, json};
use tuner::History;
use tuner::strategy::rungs::Plan;

use crate::config::{Search, StudyFile};
use crate::tables;

/// A strategy's plan for a study.
pub struct Planned<'a> {
    strategy: &'a str,
    search: &'a Search,
    plan: Plan,
    /// How often the plan is run.
    iterations: u64,
    /// Of the epochs that the study has trained; absent while it has none.
    seconds_per_epoch: Option<f64>,
}

impl<'a> Planned<'a> {
    /// The plan of the study's strategy, if it has one. Times come from what the study has trained so far.
    pub fn of(file: &'a StudyFile, history: Option<&History>) -> Option<Self> {
        let search = &file.settings.search;
        let settings = &search.strategies;
        let (plan, iterations) = match file.strategy.as_str() {
            "hyperband" => {
                let plan = settings.hyperband.plan(search.epochs);
                let affordable = search.trials.div_ceil(plan.trials());
                (plan, settings.hyperband.iterations.map_or(affordable, |most| most.min(affordable)))
            }
            "asha" => (Plan { brackets: vec![settings.asha.plan(search.epochs, search.trials)] }, 1),
            _ => return None,
        };
        let timed: Vec<f64> = history
            .into_iter()
            .flat_map(History::iter)
            .flat_map(|trial| &trial.executions)
            .flat_map(|execution| execution.epochs.iter().map(|epoch| epoch.seconds))
            .collect();
        let seconds_per_epoch = (!timed.is_empty()).then(|| timed.iter().sum::<f64>() / timed.len() as f64);
        Some(Self { strategy: &file.strategy, search, plan, iterations, seconds_per_epoch })
    }

    fn epochs(&self) -> u64 {
        self.iterations * self.plan.epochs() * u64::from(self.search.executions_per_trial)
    }

    /// How long it takes, as long as all jobs are busy.
    fn seconds(&self) -> Option<f64> {
        self.seconds_per_epoch.map(|seconds| seconds * self.epochs() as f64 / self.search.jobs as f64)
    }

    pub fn text(&self) -> String {
        let mut table = tables::table(["Bracket", "Rung", "Trials", "Epochs each", "Epochs trained"]);
        for (index, bracket) in self.plan.brackets.iter().enumerate() {
            let mut before = 0;
            for (rung, tuner::strategy::rungs::Rung { trials, epochs }) in bracket.rungs.iter().enumerate() {
                let bracket = if rung == 0 { (index + 1).to_string() } else { String::new() };
                let trained = trials * u64::from(epochs - before);
                table.add_row([
                    bracket,
                    (rung + 1).to_string(),
                    trials.to_string(),
                    epochs.to_string(),
                    trained.to_string(),
                ]);
                before = *epochs;
            }
        }
        let (trials, epochs) = (u128::from(self.plan.trials()), u128::from(self.plan.epochs()));
        let about = if self.strategy == "asha" { "about " } else { "" };
        let mut text = format!("\nPlan of {}\n{table}\n", self.strategy);
        text += &format!("{} trials, {about}{} epochs", tables::count(trials), tables::count(epochs));
        if self.iterations > 1 {
            text += &format!(" in one iteration; {} iterations", self.iterations);
        }
        if self.search.executions_per_trial > 1 {
            text += &format!("; {} executions of each trial", self.search.executions_per_trial);
        }
        if self.search.trials < self.iterations * self.plan.trials() {
            text += &format!("; the study ends after {} trials", self.search.trials);
        }
        text += "\n";
        text + &match (self.seconds_per_epoch, self.seconds()) {
            (Some(each), Some(all)) => format!(
                "About {} with {} at a time, at {} an epoch so far\n",
                tables::duration(all),
                self.search.jobs,
                tables::duration(each)
            ),
            _ => "How long it takes is known once its first epochs are timed\n".to_owned(),
        }
    }

    pub fn as_json(&self) -> Json {
        json!({
            "strategy": self.strategy,
            "brackets": self.plan.brackets,
            "trials": self.plan.trials(),
            "epochs": self.plan.epochs(),
            "iterations": self.iterations,
            "seconds": self.seconds(),
        })
    }
}
