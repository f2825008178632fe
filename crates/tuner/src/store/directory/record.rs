//! What a study is, as its folder says it.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::record_path;
use crate::objective::Objective;
use crate::space::Space;
use crate::store::StoreError;

/// The version of the format that is written: of the record and of the trials beside it.
pub const FORMAT: u32 = 1;

/// What a study is: the contents of `study.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyRecord {
    /// The version of the format of all files in the folder.
    pub format: u32,
    /// The version of the program that began the study.
    pub program: String,
    /// When it was begun, in UTC.
    pub created: String,
    /// Its name.
    pub name: String,
    /// The name of its strategy.
    pub strategy: String,
    /// What all its randomness derives from.
    pub seed: u64,
    /// What is searched for.
    pub objective: Objective,
    /// The study file with everything that was left open filled in, as the program understands it.
    pub study: serde_json::Value,
    /// Where it is searched.
    pub space: Space,
}

impl StudyRecord {
    pub(super) fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = record_path(folder);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NotAStudy { path: folder.to_owned() });
            }
            bytes => bytes.map_err(StoreError::io("read", &path))?,
        };
        Self::parse(&bytes, &path)
    }

    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, StoreError> {
        let damaged =
            |error: serde_json::Error| StoreError::DamagedRecord { path: path.to_owned(), message: error.to_string() };
        // The format first: what a newer version wrote need not look like a record of this one.
        let FormatOnly { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format > FORMAT.into() {
            return Err(StoreError::NewerFormat { path: path.to_owned(), found: format, known: FORMAT });
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

/// Whether a study may have this name: it is that of a folder, which must not lead out of the results.
///
/// # Errors
/// When it has other characters than letters, digits, `-`, `_` and `.`, or begins with `.`.
pub fn check_name(name: &str) -> Result<(), StoreError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain) {
        Ok(())
    } else {
        Err(StoreError::Name { name: name.to_owned() })
    }
}
