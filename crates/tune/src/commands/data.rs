//! `tune data`: which data sets there are, and getting one.

use std::path::Path;

use comfy_table::CellAlignment;
use indicatif::{ProgressBar, ProgressStyle};
use model::data::{self, Content, DatasetInfo, Origin};

use crate::cli::Data;
use crate::error::Error;
use crate::tables;

pub fn run(command: &Data) -> Result<(), Error> {
    match command {
        Data::List => super::print(&list()),
        Data::Info { name } => super::print(&info(data::info(name)?)),
        Data::Fetch { name, into, url } => fetch(name, into, url.as_deref()),
    }
}

fn list() -> String {
    let mut table = tables::table(["Data set", "What it shows", "Shape", "Classes", "Train", "Test", "Where"]);
    for info in data::catalog() {
        let of = |number: &dyn Fn(&Content) -> String| info.content.as_ref().map_or_else(|| "yours".to_owned(), number);
        table.add_row([
            info.name.to_owned(),
            info.description.to_owned(),
            of(&|content| content.shape().to_string()),
            of(&|content| content.classes.to_string()),
            of(&|content| tables::count(content.train as u128)),
            of(&|content| tables::count(content.test as u128)),
            place(info),
        ]);
    }
    for index in [1, 6] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    format!("{table}\n\n`tune data info NAME` says more, `tune data fetch NAME` downloads.\n")
}

/// Where a data set is, in a word.
fn place(info: &DatasetInfo) -> String {
    match info.origin {
        Origin::BuiltIn => "built in".to_owned(),
        Origin::OwnFiles { .. } => "your files".to_owned(),
        Origin::Download(_) => {
            data::locate(info.name, None).map_or_else(|| "not here".to_owned(), |path| path.display().to_string())
        }
    }
}

fn info(info: &DatasetInfo) -> String {
    let mut text = format!("{}: {}\n\n", info.name, info.description);
    let mut line = |name: &str, value: &str| text += &format!("{name:<12}{value}\n");
    if let Some(content) = &info.content {
        line("Shape", &content.shape().to_string());
        line("Classes", &content.classes.to_string());
        line("Train", &tables::count(content.train as u128));
        line("Test", &tables::count(content.test as u128));
    }
    line("Source", info.source);
    line("Licence", info.licence);
    line("Where", &place(info));
    match &info.origin {
        Origin::BuiltIn => {}
        Origin::OwnFiles { layout } => line("Needs", &format!("`path` in [data]: {layout}")),
        Origin::Download(download) => {
            let places: Vec<String> = info.default_places().iter().map(|place| place.display().to_string()).collect();
            line("Looked for", &places.join(", "));
            let megabytes = download.files.iter().map(|file| file.bytes).sum::<u64>() as f64 / 1e6;
            line("Get it", &format!("`tune data fetch {}` ({megabytes:.1} MB)", info.name));
            if let Some(copy) = download.system {
                line("", &format!("or install Debian's package {}", copy.package));
            }
            for file in download.files {
                line("", &format!("{}{}", file.base_url, file.name));
            }
        }
    }
    text
}

fn fetch(name: &str, into: &Path, url: Option<&str>) -> Result<(), Error> {
    let bar = ProgressBar::no_length();
    let style =
        ProgressStyle::with_template("{msg} {bar:30.cyan/dim} {bytes}/{total_bytes}  {bytes_per_sec}  left {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(name.to_owned());
    let fetched = data::fetch(name, into, url, &mut |done, total| {
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(done);
    });
    bar.finish_and_clear();
    super::print(&format!("{name} is in {}\n", fetched?.display()))
}
