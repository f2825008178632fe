//! Finds a study by what a user calls it, and reads it.

use std::path::{Path, PathBuf};

use tuner::space::nearest;
use tuner::store::{DirectoryStore, StudyEnd};
use tuner::{History, Trial, TrialId};

use crate::config::{self, Overrides, StudyFile};
use crate::error::Error;

/// A study as read from disk, without a claim on it.
pub struct Finished {
    pub folder: PathBuf,
    pub file: StudyFile,
    pub history: History,
    /// Why it ended, if it has.
    pub end: Option<StudyEnd>,
    /// Trial files that could not be read, and why.
    pub damaged: Vec<String>,
}

impl Finished {
    /// The trial of this number, or the best one.
    pub fn trial(&self, number: Option<u64>) -> Result<&Trial, Error> {
        let Some(number) = number else {
            let best = self.history.best(&self.file.objective);
            return best.ok_or_else(|| Error::NothingScored { study: self.file.name.clone() });
        };
        self.history.get(TrialId(number)).ok_or_else(|| Error::NoTrial {
            study: self.file.name.clone(),
            trial: number,
            count: self.history.len(),
        })
    }
}

/// The folder of a study named by its folder, its study file or its name; without a name, of the one that changed last.
pub fn locate(name: Option<&str>, results: &Path) -> Result<PathBuf, Error> {
    let Some(name) = name else {
        let newest = studies(results).into_iter().max_by_key(|(_, changed)| *changed);
        return newest.map(|(folder, _)| folder).ok_or_else(|| Error::NoStudy {
            name: results.display().to_string(),
            hint: Some("no study has been searched here yet: `tune search STUDY.toml` starts one".to_owned()),
        });
    };
    let direct = Path::new(name);
    if is_study(direct) {
        return Ok(direct.to_owned());
    }
    if direct.is_file() {
        let file = config::load(direct, &Overrides::default())?;
        return locate(Some(&file.name), results);
    }
    let folder = results.join(name);
    if tuner::store::check_name(name).is_ok() && is_study(&folder) {
        return Ok(folder);
    }
    let known: Vec<String> = studies(results)
        .into_iter()
        .filter_map(|(folder, _)| folder.file_name().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => {
            Some(format!("{} has no studies; --results names another folder", results.display()))
        }
        None => Some(format!("{} has {}", results.display(), known.join(", "))),
    };
    Err(Error::NoStudy { name: name.to_owned(), hint })
}

/// Whether a folder holds a study.
pub fn is_study(folder: &Path) -> bool {
    folder.join("study.json").is_file()
}

/// Reads the study in `folder`, also while it is being searched.
pub fn read(folder: &Path) -> Result<Finished, Error> {
    let (record, loaded) = DirectoryStore::read(folder)?;
    let settings = serde_json::from_value(record.study)
        .map_err(|error| Error::reading(&folder.join("study.json"), std::io::Error::other(error)))?;
    let file = StudyFile {
        name: record.name,
        objective: record.objective,
        strategy: record.strategy,
        seed: record.seed,
        space: record.space,
        settings,
    };
    let damaged = loaded.damaged.iter().map(ToString::to_string).collect();
    Ok(Finished {
        folder: folder.to_owned(),
        file,
        history: loaded.trials.into_iter().collect(),
        end: DirectoryStore::read_end(folder)?,
        damaged,
    })
}

/// The studies below `results` and when each changed last.
fn studies(results: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let Ok(entries) = std::fs::read_dir(results) else { return Vec::new() };
    let mut studies: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|folder| is_study(folder))
        .filter_map(|folder| {
            let changed = [folder.join("trials"), folder.join("study.json")]
                .iter()
                .filter_map(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok())
                .max()?;
            Some((folder, changed))
        })
        .collect();
    studies.sort();
    studies
}
