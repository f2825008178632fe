//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with a store. Nothing kept before is lost by it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was to be done: `write`, `read` …
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a study already.
    #[error("there is a study in {} already: continue it, or choose another name", path.display())]
    Exists {
        /// The study's folder.
        path: PathBuf,
    },
    /// There is no study.
    #[error("there is no study in {}: it has no file study.json", path.display())]
    NotAStudy {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a later version of this program.
    #[error(
        "{} has format {found}, and this version knows formats up to {known}: it was written by a newer version; \
         use that one. Nothing was changed", path.display()
    )]
    NewerFormat {
        /// The study's record.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format known.
        known: u32,
    },
    /// The record of the study makes no sense.
    #[error("{} is damaged: {message}. Restore it from a copy, or start the study anew", path.display())]
    DamagedRecord {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Another process works on the study.
    #[error(
        "another search{} is at work on the study in {}: wait for it, or stop it",
        holder.map_or_else(String::new, |pid| format!(" (process {pid})")), path.display()
    )]
    Locked {
        /// The study's folder.
        path: PathBuf,
        /// The process, where it is known.
        holder: Option<u32>,
    },
    /// A name that cannot be that of a folder.
    #[error(
        "`{name}` cannot be the name of a study: a name has letters, digits, `-`, `_` and `.`, and does not begin with `.`"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Something could not be put into JSON.
    #[error("cannot put {what} into JSON: {source}")]
    Json {
        /// What it was.
        what: String,
        /// Why not.
        source: serde_json::Error,
    },
}

impl StoreError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
        move |source| StoreError::Io { action, path: path.to_owned(), source }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". Make room and run the same command again: what was known is kept"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            ". Make the folder writable, or choose another one for the results"
        }
        _ => "",
    }
}
