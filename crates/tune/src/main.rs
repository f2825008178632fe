//! The `tune` program: hyperparameter tuning for Burn.

mod cli;
mod commands;
mod config;
mod error;
mod process;
mod protocol;
mod search;
mod study;
mod tables;
mod values;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use study::Request;

fn main() -> ExitCode {
    kernels::memory::keep_pages();
    let outcome = match Cli::parse().command {
        Command::Search(arguments) => search::run(&arguments),
        Command::Summary(arguments) => commands::summary::run(&arguments),
        Command::Status(arguments) => commands::status::run(&arguments),
        Command::Pause(arguments) => commands::control::run(Request::Pause, &arguments),
        Command::Resume(arguments) => commands::control::run(Request::Resume, &arguments),
        Command::Stop(arguments) => commands::control::run(Request::Stop, &arguments),
        Command::Clean(arguments) => commands::clean::run(&arguments),
        Command::Space(arguments) => commands::space::run(&arguments),
        Command::Model(arguments) => commands::model::run(&arguments),
        Command::Evaluate(arguments) => commands::evaluate::run(&arguments),
        Command::Filter(arguments) => commands::filter::run(&arguments),
        Command::Data(command) => commands::data::run(&command),
        Command::Init(arguments) => commands::init::run(&arguments),
        Command::Worker => worker::run(),
    };
    outcome.map_or_else(|error| error.show(), |()| ExitCode::SUCCESS)
}
