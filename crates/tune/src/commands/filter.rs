//! `tune filter`: a fixed kernel over an image.

use model::filters::{Kernel, apply_to_file};

use crate::cli::Filter;
use crate::error::Error;

pub fn run(arguments: &Filter) -> Result<(), Error> {
    let kernel = Kernel::named(&arguments.kernel)?;
    let png = apply_to_file(&arguments.image, &kernel)?;
    super::write_new(&arguments.output, &png, arguments.force)?;
    super::print(&format!("wrote {}\n", arguments.output.display()))
}
