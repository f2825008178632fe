//! Begins a study or goes on with it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tuner::store::{DirectoryStore, FORMAT, StudyRecord};
use tuner::{Study, StudySettings, TrialId};

use super::Judge;
use crate::config::StudyFile;
use crate::error::Error;

/// Keys of a study that may change from one run to the next: they say how much is done and where, not what.
const MAY_CHANGE: &[&str] = &[
    "study.search.trials",
    "study.search.max_time_seconds",
    "study.search.target",
    "study.search.max_epochs_total",
    "study.search.plateau",
    "study.search.max_consecutive_failures",
    "study.search.max_retries",
    "study.search.trial_timeout_seconds",
    "study.search.silence_timeout_seconds",
    "study.search.memory_limit_bytes",
    "study.search.jobs",
    "study.search.threads",
    "study.search.backend",
    "study.search.devices",
    "study.search.keep_checkpoints",
    "study.objective_command.directory",
    "study.objective_command.grace_seconds",
];

/// The study in `folder`, new or as earlier runs left it, and what the user should know about it.
///
/// # Errors
///
/// The study was started with other settings, another search is running it, or the folder cannot be read or written.
pub fn open(file: &StudyFile, folder: &Path, overwrite: bool, judge: Judge) -> Result<(Study, Vec<String>), Error> {
    let store = if overwrite {
        DirectoryStore::overwrite(folder, &record(file)?)?
    } else if super::is_study(folder) {
        go_on(file, folder)?
    } else {
        DirectoryStore::create(folder, &record(file)?)?
    };
    let search = &file.settings.search;
    let mut study = Study::new(
        file.space.clone(),
        file.objective.clone(),
        tuner::strategy::by_name(&file.strategy, &search.strategies)?,
        Box::new(store),
        StudySettings {
            seed: file.seed,
            trials: search.trials,
            epochs: search.epochs,
            executions_per_trial: search.executions_per_trial,
            default_first: search.default_first,
            max_time: search.max_time_seconds.map(Duration::from_secs_f64),
            target: search.target,
            max_consecutive_failures: search.max_consecutive_failures,
            max_retries: search.max_retries,
            max_epochs_total: search.max_epochs_total,
            plateau: search.plateau,
        },
    )?
    .with_feasibility(judge);
    for params in &file.settings.enqueue {
        study.enqueue(params)?;
    }
    let damaged = study.damaged().iter().map(ToString::to_string);
    let notes = damaged.chain(missing(&study, folder)).collect();
    Ok((study, notes))
}

/// Trials are numbered without gaps: one that has no file, not even a damaged one, was taken away.
fn missing(study: &Study, folder: &Path) -> Vec<String> {
    let last = study.history().next_id();
    let absent = (1..last.0).map(TrialId).filter(|id| study.history().get(*id).is_none());
    absent
        .map(|id| folder.join("trials").join(format!("{id}.json")))
        .filter(|path| !path.with_extension("json.damaged").exists())
        .map(|path| {
            format!("{} is missing: what that trial found is lost, and its number is not used again", path.display())
        })
        .collect()
}

/// Opens a study that is there, if it is the same one.
fn go_on(file: &StudyFile, folder: &Path) -> Result<DirectoryStore, Error> {
    let (store, mut on_disk) = DirectoryStore::open(folder)?;
    let now = record(file)?;
    let differences = differences(&defining(&on_disk), &defining(&now));
    if !differences.is_empty() {
        return Err(Error::Differs { folder: folder.to_owned(), differences });
    }
    if on_disk.study != now.study {
        on_disk.study = now.study;
        store.rewrite(folder, &on_disk)?;
    }
    Ok(store)
}

fn record(file: &StudyFile) -> Result<StudyRecord, Error> {
    Ok(StudyRecord {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        created: tuner::clock::now(),
        name: file.name.clone(),
        strategy: file.strategy.clone(),
        seed: file.seed,
        objective: file.objective.clone(),
        study: serde_json::to_value(&file.settings)?,
        space: file.space.clone(),
    })
}

/// What makes a study this study and no other.
fn defining(record: &StudyRecord) -> Value {
    json!({
        "objective": record.objective,
        "strategy": record.strategy,
        "seed": record.seed,
        "space": record.space,
        "study": record.study,
    })
}

/// The settings that differ and may not, one line each: `search.epochs: 8 on disk, 10 now`.
fn differences(on_disk: &Value, now: &Value) -> Vec<String> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    flatten("", on_disk, &mut before);
    flatten("", now, &mut after);
    let find = |list: &[(String, String)], key: &str| {
        list.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    };
    let mut keys: Vec<&String> = before.iter().chain(&after).map(|(key, _)| key).collect();
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|key| seen.insert(*key));
    keys.into_iter()
        .filter(|key| !MAY_CHANGE.contains(&key.as_str()))
        .filter_map(|key| {
            let (old, new) = (find(&before, key), find(&after, key));
            let absent = || "absent".to_owned();
            (old != new).then(|| {
                let key = key.strip_prefix("study.").unwrap_or(key);
                format!("  {key}: {} on disk, {} now", old.unwrap_or_else(absent), new.unwrap_or_else(absent))
            })
        })
        .collect()
}

/// Leaves of a JSON value with their dotted paths; elements that have a `name` go by it.
fn flatten(path: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                flatten(&below(key), value, leaves);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str).map_or_else(|| index.to_string(), str::to_owned);
                flatten(&below(&name), item, leaves);
            }
        }
        other => leaves.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_defines_the_study_counts_as_a_difference() {
        let before =
            json!({ "study": { "search": { "trials": 4, "epochs": 8 } }, "space": [{ "name": "units", "max": 64 }] });
        let after =
            json!({ "study": { "search": { "trials": 9, "epochs": 10 } }, "space": [{ "name": "units", "max": 32 }] });
        assert_eq!(
            differences(&before, &after),
            ["  search.epochs: 8 on disk, 10 now", "  space.units.max: 64 on disk, 32 now"]
        );
    }

    #[test]
    fn what_is_new_or_gone_is_named() {
        assert_eq!(
            differences(&json!({ "a": 1 }), &json!({ "b": 2 })),
            ["  a: 1 on disk, absent now", "  b: absent on disk, 2 now"]
        );
    }
}
