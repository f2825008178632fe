//! `tune pause`, `tune resume` and `tune stop`: asks a search in another terminal.

use tuner::store::DirectoryStore;

use crate::cli;
use crate::error::Error;
use crate::study::{self, Request, Requests};

pub fn run(request: Request, arguments: &cli::Control) -> Result<(), Error> {
    let folder = study::locate(Some(&arguments.study), &arguments.results.results)?;
    let name = || folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(work) = DirectoryStore::at_work(&folder)? else {
        return Err(Error::NotAtWork { study: name() });
    };
    Requests::of(&folder).ask(request)?;
    let who = work.process.map_or_else(|| "the search".to_owned(), |process| format!("process {process}"));
    let what = match request {
        Request::Pause => "pauses after the running epochs",
        Request::Resume => "goes on",
        Request::Stop => "stops after the running epochs; the same search command goes on later",
    };
    super::print(&format!("study {}: {who} {what}\n", name()))
}
