//! The commands that read: each prints one thing and ends.

pub mod data;
pub mod evaluate;
pub mod init;
pub mod model;
pub mod space;
pub mod summary;

use std::io::Write as _;

use crate::error::Error;

/// Prints a result. A reader that closed the pipe early is no error.
fn print(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::writing(std::path::Path::new("standard output"), error))
        }
        _ => Ok(()),
    }
}

/// Prints JSON for machines: indented, with a line's end.
fn print_json(value: &serde_json::Value) -> Result<(), Error> {
    print(&format!("{value:#}\n"))
}
