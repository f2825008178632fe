//! A log in front of the trial files: one sync makes many trials durable.
//!
//! A record is a trial as a line of JSON. While there is a log, its last record of a trial is newer than the trial's file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::atomic::sync_folder;
use crate::store::fault::{Step, permit};
use crate::trial::{Trial, TrialId};

/// The log of one study.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
}

impl Log {
    /// The log in a study's folder, which has none yet.
    pub fn of(folder: &Path) -> Self {
        Self { path: folder.join("log"), file: None, bytes: 0 }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds trials. Once this returns they survive whatever happens.
    pub fn append(&mut self, trials: &[&Trial]) -> Result<(), StoreError> {
        let mut records = Vec::new();
        for trial in trials {
            serde_json::to_writer(&mut records, trial)
                .map_err(|source| StoreError::Json { what: format!("trial {}", trial.id), source })?;
            records.push(b'\n');
        }
        let is_new = self.file.is_none();
        let written = self.write(&records);
        if written.is_err()
            && let Some(file) = &self.file
        {
            // Best effort: half a record at the end is passed over when the log is read.
            let _ = permit(Step::Remove).and_then(|()| file.set_len(self.bytes));
        }
        written.map_err(StoreError::io("write", &self.path))?;
        self.bytes += records.len() as u64;
        if is_new { self.path.parent().map_or(Ok(()), sync_folder) } else { Ok(()) }
    }

    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                permit(Step::Create)?;
                empty.insert(File::options().create(true).append(true).open(&self.path)?)
            }
        };
        if let Err(error) = permit(Step::Write) {
            file.write_all(&records[..records.len() / 2])?;
            return Err(error);
        }
        file.write_all(records)?;
        permit(Step::Sync)?;
        file.sync_data()
    }

    /// The newest record of each trial that a log in this folder has. What follows a record that makes no sense was never
    /// said to be kept.
    pub fn read(folder: &Path) -> Result<BTreeMap<TrialId, Trial>, StoreError> {
        let path = folder.join("log");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            bytes => bytes.map_err(StoreError::io("read", &path))?,
        };
        Ok(parse(&bytes))
    }

    /// Removes the log: all that it has is in files that are durable.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        self.file = None;
        self.bytes = 0;
        match permit(Step::Remove).and_then(|()| fs::remove_file(&self.path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => {
                removed.map_err(StoreError::io("remove", &self.path))?;
                self.path.parent().map_or(Ok(()), sync_folder)
            }
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> BTreeMap<TrialId, Trial> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let records = bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let trials = records
        .map_while(|line| serde_json::from_slice::<Trial>(line).ok().filter(|trial| trial.inconsistency().is_none()));
    trials.map(|trial| (trial.id, trial)).collect()
}
