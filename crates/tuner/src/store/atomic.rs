//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::fault::{Step, permit};

/// The ending of a file that is being written.
pub(super) const UNFINISHED: &str = ".tmp";

/// Replaces a file whole. Whenever the process or the machine stops, the file holds either what it held before or all
/// of `bytes`; once this returns, it holds `bytes`.
///
/// Written beside (`x.json.tmp`), synced, renamed, and the folder synced.
///
/// # Errors
/// When the system refuses; the file is then as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let unfinished = unfinished(path);
    let written = write_synced(&unfinished, bytes)
        .and_then(|()| permit(Step::Rename))
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(StoreError::io("write", path));
    if written.is_err() {
        // Best effort: a leftover is ignored, and removed when the study is opened.
        let _ = permit(Step::Remove).and_then(|()| fs::remove_file(&unfinished));
    }
    written?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Replaces a file whole, as [`write_atomically`] does, but leaves it to the system when it becomes durable.
pub(super) fn write_soon(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let unfinished = unfinished(path);
    let written = permit(Step::Create)
        .and_then(|()| permit(Step::Write))
        .and_then(|()| fs::write(&unfinished, bytes))
        .and_then(|()| permit(Step::Rename))
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = permit(Step::Remove).and_then(|()| fs::remove_file(&unfinished));
    }
    written.map_err(StoreError::io("write", path))
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    PathBuf::from(name)
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    permit(Step::Create)?;
    let mut file = File::create(path)?;
    if let Err(error) = permit(Step::Write) {
        // Whoever is killed here, or finds the disk full, has written a part.
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(error);
    }
    file.write_all(bytes)?;
    permit(Step::Sync)?;
    file.sync_all()
}

/// Makes the names in a folder as durable as the files' contents.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    // Other systems do not open folders, and order the renames themselves.
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        permit(Step::SyncFolder)
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(StoreError::io("sync", folder))?;
    }
    Ok(())
}
