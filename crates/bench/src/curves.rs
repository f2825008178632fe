//! Regret curves, in the layout of the recorded ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The curves of one method, by task.
pub type Curves = BTreeMap<String, TaskCurves>;

/// The curves of one method on one task, by seed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TaskCurves {
    /// Regret after each trial.
    pub curves: BTreeMap<String, Vec<f64>>,
    /// Seconds that the run took.
    pub sec: BTreeMap<String, f64>,
    /// The share of the simulated workers' time in which they had something to do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub utilisation: BTreeMap<String, f64>,
}

/// A method with its curves.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// What it reached.
    pub curves: Curves,
}

/// What a recorded curve counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Full trainings. Of methods that cut trainings short (`mf-…`), only those that do not (`…-full`) belong here.
    Trials,
    /// Epochs, in full trainings' worth of them (`mf-…`).
    Epochs,
    /// Simulated time of many workers, in the time of an average full training (`workers-…`).
    SimulatedTime,
}

impl Counted {
    /// The name of the method in `file`, if its curves count this.
    fn method(self, file: &str) -> Option<&str> {
        let name = file.strip_suffix(".json")?;
        match (self, name.strip_prefix("mf-"), name.strip_prefix("workers-")) {
            (Self::Trials, None, None) => Some(name),
            (Self::Trials, Some(inner), None) => inner.strip_suffix("-full"),
            (Self::Trials, _, Some(_)) => None,
            (Self::Epochs, inner, _) | (Self::SimulatedTime, _, inner) => inner,
        }
    }
}

/// Every method recorded in the folders, with curves that count this.
pub fn read_folders(folders: &[PathBuf], counted: Counted) -> Result<Vec<Method>, String> {
    let mut methods = Vec::new();
    folders.iter().try_for_each(|folder| read_folder(folder, counted, &mut methods))?;
    Ok(methods)
}

fn read_folder(folder: &Path, counted: Counted, methods: &mut Vec<Method>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(|file| counted.method(file)) else {
            continue;
        };
        let curves = read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        match methods.iter_mut().find(|method| method.name == name) {
            Some(known) => known.curves.extend(curves),
            None => methods.push(Method { name: name.to_owned(), curves }),
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Curves, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Writes the curves of one method.
pub fn write(path: &Path, curves: &Curves) -> Result<(), String> {
    let text = serde_json::to_string(curves).map_err(|error| error.to_string())?;
    std::fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))
}

/// `curves.json` for `tpe`: `curves-tpe.json`.
pub fn with_suffix(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("curves");
    path.with_file_name(format!("{stem}-{name}.json"))
}
