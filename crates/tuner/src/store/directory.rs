//! A study as a folder of JSON files that a person can read.
//!
//! ```text
//! <study>/study.json         what is searched, and how
//! <study>/trials/0001.json   one file per trial, replaced whole at each epoch
//! <study>/log                what was saved last, while many trials end each second; its records go into the files
//! <study>/end.json           why it ended; absent while it goes on
//! <study>/lock               locked while a search is at work
//! ```

mod log;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::atomic::{UNFINISHED, sync_folder, write_soon};
use super::fault::{Step, permit};
use super::{Damaged, Loaded, Store, StoreError, StudyEnd, json, write_atomically};
use crate::trial::{Trial, TrialId};

use log::Log;
pub use record::{FORMAT, StudyRecord, check_name};

/// The ending of a file that was set aside.
const DAMAGED: &str = ".damaged";

/// More trials at once than this go into the log first.
const FEW: usize = 2;

/// How long after that the log stays in use.
const CALM: Duration = Duration::from_secs(1);

/// A log larger than this is put into the trial files.
const LONGEST_LOG_BYTES: u64 = 8 << 20;

/// How old the file of a trial that is under way may be while its newest state is in the log.
const OLDEST_FILE: Duration = Duration::from_secs(1);

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
    log: Log,
    /// When many trials were saved at once for the last time.
    busy: Option<Instant>,
    /// Trials that are in the log, and whose files may not be durable.
    logged: BTreeSet<TrialId>,
    /// Trials under way whose files may be behind the log: when they were last written, and what they should say.
    behind: BTreeMap<TrialId, (Instant, Trial)>,
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
        store.log.clear()?;
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
        let mut store = Self::enter(folder, false)?;
        let record = StudyRecord::read(folder)?;
        store.make_trials_folder()?;
        for place in [folder, &store.trials] {
            remove_unfinished(place)?;
        }
        let logged = Log::read(folder)?;
        for trial in logged.values() {
            store.write(trial)?;
        }
        store.log.clear()?;
        Ok((store, record))
    }

    /// The study in a folder, to look at it: nothing is changed, and a search may be at work.
    ///
    /// # Errors
    /// When there is none, its record makes no sense or is of a newer format, or the system refuses.
    pub fn read(folder: &Path) -> Result<(StudyRecord, Loaded), StoreError> {
        let record = StudyRecord::read(folder)?;
        // A search may empty the log meanwhile: the files are read after it.
        let logged = Log::read(folder)?;
        let mut loaded = load(&folder.join("trials"), false)?;
        if !logged.is_empty() {
            let mut trials: BTreeMap<TrialId, Trial> =
                std::mem::take(&mut loaded.trials).into_iter().map(|trial| (trial.id, trial)).collect();
            trials.extend(logged);
            loaded.last = loaded.last.max(trials.keys().next_back().copied());
            loaded.trials = trials.into_values().collect();
        }
        Ok((record, loaded))
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
        Ok(Self {
            trials: folder.join("trials"),
            end: end_path(folder),
            ended: true,
            log: Log::of(folder),
            busy: None,
            logged: BTreeSet::new(),
            behind: BTreeMap::new(),
            _lock: lock,
        })
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

    fn path(&self, trial: TrialId) -> PathBuf {
        self.trials.join(format!("{trial}.json"))
    }

    fn write(&self, trial: &Trial) -> Result<(), StoreError> {
        write_atomically(&self.path(trial.id), &to_json(trial)?)
    }

    /// Writes the file of a trial that is in the log, unless it was written a moment ago and will be again.
    fn write_logged(&mut self, trial: &Trial) -> Result<(), StoreError> {
        let since = self.behind.get(&trial.id).map_or(OLDEST_FILE, |(since, _)| since.elapsed());
        if trial.state.is_final() || since >= OLDEST_FILE {
            write_soon(&self.path(trial.id), &to_json(trial)?)?;
            // Only now: a log is emptied when nothing is behind it.
            self.behind.remove(&trial.id);
        }
        Ok(())
    }

    /// Puts what only the log has for certain into durable files, and empties the log.
    fn empty_log(&mut self) -> Result<(), StoreError> {
        if self.logged.is_empty() {
            return Ok(());
        }
        for (id, (_, trial)) in &self.behind {
            write_soon(&self.path(*id), &to_json(trial)?)?;
        }
        self.behind.clear();
        permit(Step::Sync)
            .and_then(|()| sync_files(&self.trials, &self.logged))
            .map_err(StoreError::io("sync", &self.trials))?;
        self.logged.clear();
        self.log.clear()
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
        self.save_all(&[trial])
    }

    fn save_all(&mut self, trials: &[&Trial]) -> Result<(), StoreError> {
        if trials.len() > FEW {
            self.busy = Some(Instant::now());
        }
        let is_busy = self.busy.is_some_and(|since| since.elapsed() < CALM);
        if !is_busy {
            self.empty_log()?;
        }
        if trials.is_empty() {
            return Ok(());
        }
        self.forget_end()?;
        if !is_busy {
            return trials.iter().try_for_each(|trial| self.write(trial));
        }
        self.log.append(trials)?;
        let now = Instant::now();
        for trial in trials {
            self.logged.insert(trial.id);
            self.behind.entry(trial.id).or_insert_with(|| (now, Trial::clone(trial))).1.clone_from(trial);
        }
        for trial in trials {
            self.write_logged(trial)?;
        }
        if self.log.bytes() > LONGEST_LOG_BYTES { self.empty_log() } else { Ok(()) }
    }

    fn end(&mut self, end: &StudyEnd) -> Result<(), StoreError> {
        self.empty_log()?;
        self.ended = true;
        write_atomically(&self.end, &json::to_bytes(end, "the study's end")?)
    }
}

impl Drop for DirectoryStore {
    fn drop(&mut self) {
        // Best effort: who opens the study finds the log.
        let _ = self.empty_log();
    }
}

fn to_json(trial: &Trial) -> Result<Vec<u8>, StoreError> {
    json::to_bytes(trial, &format!("trial {}", trial.id))
}

/// Makes the files of these trials durable, and their names.
fn sync_files(folder: &Path, trials: &BTreeSet<TrialId>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // One call for all of them.
        let _ = trials;
        Ok(rustix::fs::syncfs(File::open(folder)?)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        for trial in trials {
            File::open(folder.join(format!("{trial}.json")))?.sync_all()?;
        }
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
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
    match try_lock(&file) {
        Ok(()) => {
            let holder = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            holder.map_err(StoreError::io("write", &path))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: folder.to_owned(), holder: holder(&path) }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
    }
}

/// Whoever only looks whether the study is locked holds its lock for a moment.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            locked => return locked,
        }
    }
    file.try_lock()
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
