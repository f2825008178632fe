//! The commands that are done at once: each prints one thing and ends.

pub mod clean;
pub mod control;
pub mod data;
pub mod evaluate;
pub mod filter;
pub mod init;
pub mod model;
pub mod space;
pub mod status;
pub mod summary;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::error::Error;

/// Writes a file the user named; one that exists is replaced only by force.
fn write_new(path: &Path, contents: &[u8], force: bool) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(path).and_then(|mut file| file.write_all(contents)).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            Error::Exists(path.to_owned())
        } else {
            Error::writing(path, error)
        }
    })
}

/// Prints a result. A reader that closed the pipe early is no error.
fn print(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::writing(Path::new("standard output"), error)),
        _ => Ok(()),
    }
}

/// Prints JSON for machines: indented, with a line's end.
fn print_json(value: &serde_json::Value) -> Result<(), Error> {
    print(&format!("{value:#}\n"))
}
