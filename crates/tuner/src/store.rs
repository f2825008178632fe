//! Where trials are kept.

mod atomic;
mod directory;
mod error;
mod fault;
mod json;
mod memory;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::study::StopReason;
use crate::trial::{Trial, TrialId};

pub use atomic::write_atomically;
pub use directory::{AtWork, DirectoryStore, FORMAT, StudyRecord, check_name};
pub use error::StoreError;
pub use memory::MemoryStore;

/// Where the trials of one study are kept.
pub trait Store: Send {
    /// Everything kept so far.
    ///
    /// # Errors
    /// When it cannot be read. A trial that can be read but makes no sense is no error: it is set aside.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Keeps a trial, in place of what was kept of it before. Once this returns, the trial survives whatever happens to
    /// the process or the machine.
    ///
    /// # Errors
    /// When it cannot be written. What was kept before is then still there.
    fn save(&mut self, trial: &Trial) -> Result<(), StoreError>;

    /// Keeps several trials, as [`Self::save`] keeps one; where it can, at the price of one. With none it may use the time to tidy
    /// up.
    ///
    /// # Errors
    /// When one of them cannot be written. Others may then be kept already.
    fn save_all(&mut self, trials: &[&Trial]) -> Result<(), StoreError> {
        trials.iter().try_for_each(|trial| self.save(trial))
    }

    /// Keeps why the study has ended, until another trial is saved.
    ///
    /// # Errors
    /// When it cannot be written.
    fn end(&mut self, _end: &StudyEnd) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Why and when a study ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyEnd {
    /// Why.
    #[serde(flatten)]
    pub reason: StopReason,
    /// When, in UTC.
    pub at: String,
}

/// What a store had.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The trials, by ascending number.
    pub trials: Vec<Trial>,
    /// What made no sense.
    pub damaged: Vec<Damaged>,
    /// The largest number that any trial ever had, lost ones included.
    pub last: Option<TrialId>,
}

/// A trial that makes no sense, and where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The file it was in.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
    /// The name it was set aside under; `None` when it was only read.
    pub moved_to: Option<PathBuf>,
}

/// `trials/0007.json: expected value at line 1; it is now 0007.json.damaged`.
impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged: {}", self.path.display(), self.message)?;
        match &self.moved_to {
            Some(moved_to) => write!(f, ". It was set aside as {}", moved_to.display()),
            None => Ok(()),
        }
    }
}
