//! `tune evaluate`: a trial's best checkpoint on the test data.

use model::hyperparameters::Config;
use model::train::{self, Evaluation};
use serde_json::json;
use tuner::{Objective, Trial};

use crate::cli::{self, Format};
use crate::error::Error;
use crate::study::{self, Checkpoints, Finished};
use crate::{tables, values};

pub fn run(arguments: &cli::Evaluate) -> Result<(), Error> {
    let folder = study::locate(Some(&arguments.study), &arguments.results.results)?;
    let study = study::read(&folder)?;
    let trial = study.trial(arguments.trial)?;
    let execution = best_execution(trial, &study.file.objective);
    let checkpoint = Checkpoints::of(&study.folder, None).execution(trial.id, execution);
    if !checkpoint.exists() {
        return Err(Error::NoCheckpoint { trial: trial.id.to_string() });
    }
    let search = &study.file.settings.search;
    model::device::set_threads(search.threads)?;
    let device = model::device::device(arguments.backend.as_ref().unwrap_or(&search.backend))?;
    let data = model::data::load(&study.file.data()?.source)?;
    let config = Config::from_values(&values::to_object(&trial.params))?;
    let evaluation = train::evaluate(&checkpoint, &config, &data.test, &device)?;
    match arguments.format {
        Format::Text => super::print(&text(&study, trial, execution, &evaluation)),
        Format::Json => super::print_json(&json!({
            "study": study.file.name,
            "trial": trial.id,
            "execution": execution,
            "images": data.test.labels.len(),
            "loss": evaluation.loss,
            "accuracy": evaluation.accuracy,
            "classes": evaluation.class_names,
            "confusion": evaluation.confusion,
        })),
    }
}

/// The execution whose best epoch is the best of the trial.
fn best_execution(trial: &Trial, objective: &Objective) -> usize {
    let score = |index: usize| trial.executions.get(index..=index).and_then(|execution| objective.score(execution));
    (1..trial.executions.len()).fold(0, |best, index| match (score(best), score(index)) {
        (Some(known), Some(other)) if objective.is_better(other, known) => index,
        (None, Some(_)) => index,
        _ => best,
    })
}

fn text(study: &Finished, trial: &Trial, execution: usize, evaluation: &Evaluation) -> String {
    let images: u64 = evaluation.confusion.iter().flatten().sum();
    let mut text = format!("Study {}, trial {}", study.file.name, trial.id);
    if trial.executions.len() > 1 {
        text += &format!(", execution {} of {}", execution + 1, trial.executions.len());
    }
    text += &format!(
        ", on {} test images\n\nloss      {}\naccuracy  {}\n\nConfusion matrix (rows: true class, columns: predicted class)\n",
        tables::count(u128::from(images)),
        tables::number(evaluation.loss),
        tables::number(evaluation.accuracy),
    );
    let names = &evaluation.class_names;
    let header = std::iter::once(String::new()).chain(names.iter().cloned()).chain(["recall".to_owned()]);
    let mut table = tables::table(header);
    for (class, row) in evaluation.confusion.iter().enumerate() {
        let total: u64 = row.iter().sum();
        let recall = if total == 0 { "-".to_owned() } else { tables::number(row[class] as f64 / total as f64) };
        let cells = row.iter().map(|number| if *number == 0 { ".".to_owned() } else { number.to_string() });
        table.add_row(std::iter::once(names[class].clone()).chain(cells).chain([recall]));
    }
    format!("{text}{table}\n")
}
