//! `tune model`: the network of a configuration, layer by layer.

use model::hyperparameters::Config;
use model::summary::Summary;

use crate::cli::{self, Format};
use crate::config::{self, Overrides};
use crate::error::Error;
use crate::study::{self, Feasibility};
use crate::values;

pub fn run(arguments: &cli::Model) -> Result<(), Error> {
    let path = std::path::Path::new(&arguments.study);
    let (file, params, title) = if path.is_file() && arguments.trial.is_none() {
        let file = config::load(path, &Overrides::default())?;
        // What is enqueued is what the author of the study wants to see first.
        let params = file.settings.enqueue.first().cloned().unwrap_or_else(|| file.space.default_params());
        let title =
            if file.settings.enqueue.is_empty() { "default configuration" } else { "first enqueued configuration" };
        let title = format!("{}: {title}", file.name);
        (file, params, title)
    } else {
        let folder = study::locate(Some(&arguments.study), &arguments.results.results)?;
        let study = study::read(&folder)?;
        let trial = study.trial(arguments.trial)?;
        let (params, title) = (trial.params.clone(), format!("{}: trial {}", study.file.name, trial.id));
        (study.file, params, title)
    };
    let config = Config::from_values(&values::to_object(&params))?;
    let plan = Feasibility::of(&file)?.plan(&config);
    let summary = Summary::new(&plan, config.training.batch_size);
    match arguments.format {
        Format::Text => super::print(&format!("{title}\n\n{}\n", summary.to_string().trim_end())),
        Format::Json => super::print_json(&serde_json::to_value(&summary)?),
    }
}
