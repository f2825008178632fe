//! `tune init`: a commented study file to start from.

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
    super::write_new(path, text.as_bytes(), arguments.force)?;
    super::print(&format!("wrote {0}\n\nnext: tune space {0}\n      tune search {0}\n", path.display()))
}
