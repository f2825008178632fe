//! `tune clean`: removes checkpoints that are not wanted any more.

use std::path::Path;

use tuner::analysis::ranking;
use tuner::store::DirectoryStore;
use tuner::{TrialId, TrialState};

use crate::cli::Clean;
use crate::error::Error;
use crate::{study, tables};

pub fn run(arguments: &Clean) -> Result<(), Error> {
    let folder = study::locate(Some(&arguments.study), &arguments.results.results)?;
    // Nobody searches the study while its checkpoints are removed.
    let (_claim, _) = DirectoryStore::open(&folder)?;
    let study = study::read(&folder)?;
    let keep = arguments.keep.or(study.file.settings.search.keep_checkpoints).unwrap_or(usize::MAX);
    let ranked = ranking(&study.history, &study.file.objective);
    let best: Vec<TrialId> = ranked.into_iter().take(keep).map(|trial| trial.id).collect();
    let is_wanted = |id: TrialId| match study.history.get(id).map(|trial| &trial.state) {
        Some(TrialState::Paused) => !arguments.paused,
        Some(state) => !state.is_final() || best.contains(&id),
        None => false,
    };
    let (mut trials, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(folder.join("checkpoints")).into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(TrialId) else { continue };
        if !is_wanted(id) {
            let size = size(&entry.path());
            std::fs::remove_dir_all(entry.path()).map_err(|error| Error::writing(&entry.path(), error))?;
            trials += 1;
            bytes += size;
        }
    }
    let plural = if trials == 1 { "" } else { "s" };
    super::print(&format!("Removed the checkpoints of {trials} trial{plural}: {}\n", tables::bytes(bytes)))
}

/// The bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.metadata().map_or(0, |data| if data.is_dir() { size(&entry.path()) } else { data.len() }))
        .sum()
}
