//! What can be wrong with a data set, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a data set could not be read, divided or fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// No data set has this name.
    #[error("there is no data set `{name}`: {}", name_help(.nearest.as_deref(), .known))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The most similar name of the catalogue, if one is similar at all.
        nearest: Option<String>,
        /// All names of the catalogue.
        known: Vec<&'static str>,
    },
    /// An option of the source means nothing for this data set.
    #[error("`{option}` does not apply to the data set `{dataset}`: remove it from [data]")]
    UnusedOption {
        /// The data set.
        dataset: &'static str,
        /// The key in `[data]`.
        option: &'static str,
    },
    /// An option of the source has a value that it cannot have.
    #[error("`{option}` in [data] is {found}: give {expected}")]
    BadOption {
        /// The key in `[data]`.
        option: &'static str,
        /// Its value.
        found: String,
        /// What it can be.
        expected: String,
    },
    /// A data set of the user's own files has no default place.
    #[error("the data set `{dataset}` needs `path` in [data]: {layout}")]
    PathNeeded {
        /// The data set.
        dataset: &'static str,
        /// What has to be at the path.
        layout: &'static str,
    },
    /// The data set is in none of the places it was looked for in.
    #[error("the data set `{dataset}` is not in {}. {advice}", places(.looked_in))]
    Missing {
        /// The data set.
        dataset: &'static str,
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
        /// How to get it.
        advice: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}. {}", .path.display(), io_advice(action))]
    Io {
        /// `read`, `write` or `remove`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is damaged, cut short, or of another kind than its place says.
    #[error("{}: expected {expected}, found {found}. {advice}", .path.display())]
    Malformed {
        /// The file, or the file and the array in it.
        path: PathBuf,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
        /// What to do.
        advice: String,
    },
    /// The part of the training set for validation would be empty, or everything.
    #[error(
        "validation = {fraction} of {samples} training samples leaves nothing on one side: give a fraction between 0 and 1 that leaves samples for both"
    )]
    Fraction {
        /// The fraction that was asked for.
        fraction: f64,
        /// Size of the training set.
        samples: usize,
    },
    /// `validation = "own"`, but the source has no validation part.
    #[error(
        "validation = \"own\", but the data set has no validation part of its own: use \"test\" or a fraction of the training set, such as 0.1"
    )]
    NoValidation,
    /// The data set has no public address.
    #[error("there is nothing to fetch for the data set `{dataset}`: {reason}")]
    NothingToFetch {
        /// The data set.
        dataset: &'static str,
        /// Where it comes from instead.
        reason: String,
    },
    /// The server did not hand out the file.
    #[error("{url}: {reason}. Try again later, or give another address with --url")]
    Unavailable {
        /// What was asked for.
        url: String,
        /// The status, or why there was none.
        reason: String,
    },
    /// The download ended early; what has arrived is kept.
    #[error(
        "{url}: the download ended after {received_bytes} of {expected_bytes} bytes ({reason}). The part is kept: run the same command again to go on from there"
    )]
    Interrupted {
        /// What was asked for.
        url: String,
        /// Bytes on disk now.
        received_bytes: u64,
        /// Bytes of the whole file.
        expected_bytes: u64,
        /// What ended it.
        reason: String,
    },
    /// The bytes that arrived are not those of the published file.
    #[error(
        "{url}: the file does not have the published checksum (expected {expected}, found {found}) and was deleted. Run the same command again; if it fails again, the address serves something else: give another with --url"
    )]
    Checksum {
        /// Where it came from.
        url: String,
        /// SHA-256 (hexadecimal) or size that was published.
        expected: String,
        /// SHA-256 (hexadecimal) or size of what came.
        found: String,
    },
    /// The archive is damaged or would write where it must not.
    #[error("{}: {reason}. Nothing of it was kept: delete the archive and fetch it from a source you trust", .path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl DataError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn malformed(
        path: &Path,
        expected: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Malformed { path: path.to_owned(), expected: expected.into(), found: found.into(), advice: advice.into() }
    }
}

fn name_help(nearest: Option<&str>, known: &[&str]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("the data sets are {}", known.join(", ")),
    }
}

fn io_advice(action: &str) -> &'static str {
    match action {
        "read" => "Check that it is there and that you may read it",
        _ => "Check that you may write there and that the disk has room",
    }
}

fn places(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(" or ")
}
