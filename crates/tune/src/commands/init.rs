//! `tune init`: a commented study file to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};

use crate::cli::Init;
use crate::error::Error;

const STARTER: &str = include_str!("init/study.toml");
/// The name inside the starter, replaced by that of the file.
const STARTER_NAME: &str = "my_study";

pub fn run(arguments: &Init) -> Result<(), Error> {
    let path = &arguments.file;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    tuner::store::check_name(&stem)?;
    let text = STARTER.replacen(STARTER_NAME, &stem, 1);
    let mut options = OpenOptions::new();
    options.write(true);
    if arguments.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists { Error::Exists(path.clone()) } else { Error::writing(path, error) }
    })?;
    super::print(&format!("wrote {0}\n\nnext: tune space {0}\n      tune search {0}\n", path.display()))
}
