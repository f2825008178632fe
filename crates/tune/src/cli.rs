//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Jobs, Overrides};

/// Hyperparameter tuning for Burn: declare a search space in TOML, search it, read what was found.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Search the space of a study; the same command again goes on where it stopped
    Search(Search),
    /// Show the best trials of a study, and what became of the others
    Summary(Summary),
    /// Show whether a study is being searched, by whom, and how far it is
    Status(Status),
    /// Let a search finish its running epochs, and wait until it is told to resume
    Pause(Control),
    /// Let a paused search go on
    Resume(Control),
    /// Let a search finish its running epochs, and end; the search command goes on later
    Stop(Control),
    /// Remove checkpoints that are not wanted any more
    Clean(Clean),
    /// Print the search space of a study file: its size, how much of it can be built, every hyperparameter
    Space(Space),
    /// Print the network of a configuration, layer by layer, with shapes and parameters
    Model(Model),
    /// Measure a trial's checkpoint on the test data: loss, accuracy, confusion matrix
    Evaluate(Evaluate),
    /// Filter an image with a fixed kernel, as a study's `filter` would
    Filter(Filter),
    /// List, describe and download data sets
    #[command(subcommand)]
    Data(Data),
    /// Write a commented study file to start from
    Init(Init),
    /// Train what a supervisor orders on standard input (started by `tune search`)
    #[command(hide = true)]
    Worker,
}

/// Where studies are.
#[derive(Debug, Args)]
pub struct Results {
    /// The folder of all studies
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
}

#[derive(Debug, Args)]
pub struct Search {
    /// The study file
    pub config: PathBuf,
    /// How configurations are chosen [default: the file's, else auto]
    #[arg(long, value_name = "NAME", value_parser = strategies())]
    pub strategy: Option<String>,
    /// Trials of the study in all, those of earlier runs included [default: the file's, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub trials: Option<u64>,
    /// The most epochs of one execution [default: the file's, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// What all random choices derive from [default: the file's, else 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What computes: flex, ndarray, wgpu, cuda [default: the file's, else flex]
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
    /// End after this time, such as 90s or 2h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub max_time: Option<f64>,
    /// End once a score is at least as good as this
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    pub target: Option<f64>,
    /// End once all trials together have trained so many epochs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_epochs_total: Option<u64>,
    /// Trials trained at the same time, each in a process of its own; auto measures how many are fastest
    /// [default: the file's, else one a device]
    #[arg(long, value_name = "N|auto", value_parser = jobs)]
    pub jobs: Option<Jobs>,
    /// Devices of the backend to spread the workers over, such as 0,1 [default: the file's, else the first]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub devices: Option<Vec<usize>>,
    /// Threads of one trial [default: the file's, else the cores divided by the jobs]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub results: Results,
    /// Delete what the study has and start anew
    #[arg(long)]
    pub overwrite: bool,
    /// Print the result only
    #[arg(long, short)]
    pub quiet: bool,
}

impl Search {
    pub fn overrides(&self) -> Overrides {
        Overrides {
            strategy: self.strategy.clone(),
            trials: self.trials,
            epochs: self.epochs,
            seed: self.seed,
            backend: self.backend.clone(),
            max_time_seconds: self.max_time,
            target: self.target,
            max_epochs_total: self.max_epochs_total,
            jobs: self.jobs,
            threads: self.threads,
            devices: self.devices.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub struct Summary {
    /// The study: its name, its folder or its study file [default: the one that changed last]
    pub study: Option<String>,
    /// How many of the best trials to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// The form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = TableFormat::Text)]
    pub format: TableFormat,
    #[command(flatten)]
    pub results: Results,
}

#[derive(Debug, Args)]
pub struct Status {
    /// The study: its name, its folder or its study file [default: the one that changed last]
    pub study: Option<String>,
    /// The form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub results: Results,
}

#[derive(Debug, Args)]
pub struct Control {
    /// The study: its name, its folder or its study file
    pub study: String,
    #[command(flatten)]
    pub results: Results,
}

#[derive(Debug, Args)]
pub struct Clean {
    /// The study: its name, its folder or its study file
    pub study: String,
    /// Keep the checkpoints of so many of the best trials [default: as many as the study keeps]
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Remove those of paused trials too: where one is resumed after all, it is trained from its beginning
    #[arg(long)]
    pub paused: bool,
    #[command(flatten)]
    pub results: Results,
}

#[derive(Debug, Args)]
pub struct Space {
    /// The study file
    pub config: PathBuf,
    /// Print the plan of this strategy too: brackets, rungs, trials, epochs [default: the file's, if it has one]
    #[arg(long, value_name = "NAME", value_parser = strategies())]
    pub strategy: Option<String>,
    /// The most epochs of one execution [default: the file's, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    #[command(flatten)]
    pub results: Results,
    /// The form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Model {
    /// A study file, or a study's name or folder
    pub study: String,
    /// The trial whose network to print [default: the best; of a study file, the default configuration]
    #[arg(long, value_name = "N")]
    pub trial: Option<u64>,
    /// The form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub results: Results,
}

#[derive(Debug, Args)]
pub struct Evaluate {
    /// The study: its name, its folder or its study file
    pub study: String,
    /// The trial to evaluate [default: the best]
    #[arg(long, value_name = "N")]
    pub trial: Option<u64>,
    /// What computes [default: the study's]
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
    /// The form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub results: Results,
}

#[derive(Debug, Args)]
pub struct Filter {
    /// The image, PNG or JPEG, grey or colour
    pub image: PathBuf,
    /// blur, edge, sobel-h, sobel-v, or a file with rows of numbers
    #[arg(long, short, value_name = "NAME|FILE")]
    pub kernel: String,
    /// The PNG file to write
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Subcommand)]
pub enum Data {
    /// All data sets: size, classes, whether they are here
    List,
    /// One data set: what it holds, its licence, where it is looked for, how to get it
    Info {
        /// The data set's name
        name: String,
    },
    /// Download a data set, verify and unpack it; an interrupted download goes on
    Fetch {
        /// The data set's name
        name: String,
        /// The folder to put it in
        #[arg(long, value_name = "DIR", default_value = model::data::DATA_FOLDER)]
        into: PathBuf,
        /// Download from this mirror instead of the data set's own address
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct Init {
    /// The file to write; the study is named after it
    #[arg(default_value = "study.toml")]
    pub file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    Text,
    Json,
    Csv,
}

fn strategies() -> clap::builder::PossibleValuesParser {
    tuner::strategy::STRATEGIES
        .iter()
        .map(|(name, about)| clap::builder::PossibleValue::new(*name).help(*about))
        .collect::<Vec<_>>()
        .into()
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a whole number of at least 1".to_owned())
}

fn jobs(text: &str) -> Result<Jobs, String> {
    if text == "auto" { Ok(Jobs::Auto) } else { at_least_one(text).map(Jobs::Number) }
}

fn seconds(text: &str) -> Result<f64, String> {
    humantime::parse_duration(text).map(|time| time.as_secs_f64()).map_err(|error| error.to_string())
}
