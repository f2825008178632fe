//! A study as a folder of JSON files that a person can read.
//!
//! ```text
//! <study>/study.json         what is searched, and how
//! <study>/trials/0001.json   one file per trial, replaced whole at each epoch
//! <study>/end.json           why it ended; absent while it goes on
//! <study>/lock               locked while a search is at work
//! ```

mod record;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::atomic::{UNFINISHED, sync_folder};
use super::fault::{Step, permit};
use super::{Damaged, Loaded, Store, StoreError, StudyEnd, json, write_atomically};
use crate::trial::{Trial, TrialId};

pub use record::{FORMAT, StudyRecord, check_name};

/// The ending of a file that was set aside.
const DAMAGED: &str = ".damaged";

/// A process that works on a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtWork {
    /// Its number, where that is known.
    pub process: Option<u32>,
}

/// A study in a folder. While it exists, no other process can open the study.
#[derive(Debug)]
pub struct DirectoryStore {
    trials: PathBuf,
    end: PathBuf,
    /// Whether there may be a record of the study's end.
    ended: bool,
    _lock: File,
}

impl DirectoryStore {
    /// A new study in a folder, which is made if need be.
    ///
    /// # Errors
    /// When there is a study already, the name is none for a folder, or the system refuses.
    pub fn create(folder: &Path, record: &StudyRecord) -> Result<Self, StoreError> {
        check_name(&record.name)?;
        let store = Self::enter(folder, true)?;
        if record_path(folder).exists() {
            return Err(StoreError::Exists { path: folder.to_owned() });
        }
        store.begin(folder, record)
    }

    /// A new study in place of the one in a folder, whose trials and checkpoints are removed.
    ///
    /// # Errors
    /// When another process works on the study there, the name is none for a folder, or the system refuses.
    pub fn overwrite(folder: &Path, record: &StudyRecord) -> Result<Self, StoreError> {
        check_name(&record.name)?;
        let mut store = Self::enter(folder, true)?;
        store.forget_end()?;
        for old in [store.trials.clone(), folder.join("checkpoints")] {
            match fs::remove_dir_all(&old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &old)(error));
                }
                _ => {}
            }
        }
        store.begin(folder, record)
    }

    /// The study in a folder, to go on with it.
    ///
    /// # Errors
    /// When there is none, its record makes no sense or is of a newer format, another process works on it, or the system
    /// refuses.
    pub fn open(folder: &Path) -> Result<(Self, StudyRecord), StoreError> {
        // Before anything is touched: the study may be of a newer version.
        StudyRecord::read(folder)?;
        let store = Self::enter(folder, false)?;
        let record = StudyRecord::read(folder)?;
        store.make_trials_folder()?;
        for place in [folder, &store.trials] {
            remove_unfinished(place)?;
        }
        Ok((store, record))
    }

    /// The study in a folder, to look at it: nothing is changed, and a search may be at work.
    ///
    /// # Errors
    /// When there is none, its record makes no sense or is of a newer format, or the system refuses.
    pub fn read(folder: &Path) -> Result<(StudyRecord, Loaded), StoreError> {
        let record = StudyRecord::read(folder)?;
        Ok((record, load(&folder.join("trials"), false)?))
    }

    /// Why the study in a folder ended; `None` while it goes on, or when nothing readable says why.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn read_end(folder: &Path) -> Result<Option<StudyEnd>, StoreError> {
        let path = end_path(folder);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => Ok(serde_json::from_slice(&bytes.map_err(StoreError::io("read", &path))?).ok()),
        }
    }

    /// The process that works on the study in a folder, if one does: its number, where that is known.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn at_work(folder: &Path) -> Result<Option<AtWork>, StoreError> {
        let path = lock_path(folder);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(StoreError::io("open", &path))?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(AtWork { process: holder(&path) })),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
        }
    }

    fn enter(folder: &Path, make: bool) -> Result<Self, StoreError> {
        if make {
            fs::create_dir_all(folder).map_err(StoreError::io("make the folder", folder))?;
            folder.parent().map_or(Ok(()), sync_folder)?;
        }
        let lock = lock(folder)?;
        Ok(Self { trials: folder.join("trials"), end: end_path(folder), ended: true, _lock: lock })
    }

    /// Replaces what the folder says of the study: settings that may change while it goes on.
    ///
    /// # Errors
    /// When the system refuses; the old record is then still there.
    pub fn rewrite(&self, folder: &Path, record: &StudyRecord) -> Result<(), StoreError> {
        write_atomically(&record_path(folder), &json::to_bytes(record, "the study's record")?)
    }

    fn begin(self, folder: &Path, record: &StudyRecord) -> Result<Self, StoreError> {
        self.make_trials_folder()?;
        self.rewrite(folder, record)?;
        Ok(self)
    }

    fn forget_end(&mut self) -> Result<(), StoreError> {
        if self.ended {
            match permit(Step::Remove).and_then(|()| fs::remove_file(&self.end)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &self.end)(error));
                }
                _ => self.ended = false,
            }
        }
        Ok(())
    }

    fn make_trials_folder(&self) -> Result<(), StoreError> {
        if self.trials.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.trials).map_err(StoreError::io("make the folder", &self.trials))?;
        self.trials.parent().map_or(Ok(()), sync_folder)
    }
}

impl Store for DirectoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        load(&self.trials, true)
    }

    fn save(&mut self, trial: &Trial) -> Result<(), StoreError> {
        self.forget_end()?;
        let bytes = json::to_bytes(trial, &format!("trial {}", trial.id))?;
        write_atomically(&self.trials.join(format!("{}.json", trial.id)), &bytes)
    }

    fn end(&mut self, end: &StudyEnd) -> Result<(), StoreError> {
        self.ended = true;
        write_atomically(&self.end, &json::to_bytes(end, "the study's end")?)
    }
}

fn end_path(folder: &Path) -> PathBuf {
    folder.join("end.json")
}

fn record_path(folder: &Path) -> PathBuf {
    folder.join("study.json")
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

fn holder(lock: &Path) -> Option<u32> {
    fs::read_to_string(lock).ok().and_then(|pid| pid.trim().parse().ok())
}

/// Locks the study until the file is dropped, or the process ends in whatever way.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = lock_path(folder);
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {
            let holder = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            holder.map_err(StoreError::io("write", &path))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: folder.to_owned(), holder: holder(&path) }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
    }
}

/// Files in a folder, by name; none when there is no folder.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::io("read", folder))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io("read", folder))?.path();
        // Our own names are plain; a file with another name is not ours.
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            files.push((name.to_owned(), path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn remove_unfinished(folder: &Path) -> Result<(), StoreError> {
    for (name, path) in files(folder)? {
        if name.ends_with(&format!(".json{UNFINISHED}")) {
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn load(folder: &Path, set_aside: bool) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    for (name, path) in files(folder)? {
        let Some((number, ending)) = name.split_once('.') else { continue };
        let (Ok(id), "json" | "json.damaged") = (number.parse().map(TrialId), ending) else { continue };
        loaded.last = loaded.last.max(Some(id));
        if ending != "json" {
            continue;
        }
        let bytes = match fs::read(&path) {
            // A search that is at work may have set it aside since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes.map_err(StoreError::io("read", &path))?,
        };
        match parse(&bytes, id) {
            Ok(trial) => loaded.trials.push(trial),
            Err(message) => {
                let moved_to = if set_aside { Some(put_aside(&path)?) } else { None };
                loaded.damaged.push(Damaged { path, message, moved_to });
            }
        }
    }
    if loaded.damaged.iter().any(|damaged| damaged.moved_to.is_some()) {
        sync_folder(folder)?;
    }
    loaded.trials.sort_unstable_by_key(|trial| trial.id);
    Ok(loaded)
}

fn parse(bytes: &[u8], id: TrialId) -> Result<Trial, String> {
    let trial: Trial = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if trial.id != id {
        return Err(format!("it is the file of trial {id}, and says that it is trial {}", trial.id));
    }
    trial.inconsistency().map_or(Ok(trial), Err)
}

fn put_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(DAMAGED);
    let aside = PathBuf::from(name);
    fs::rename(path, &aside).map_err(StoreError::io("set aside", path))?;
    Ok(aside)
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
