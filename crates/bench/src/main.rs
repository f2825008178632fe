//! Compares search strategies on tables of real training results and on test functions.

mod curves;
mod functions;
mod problem;
mod replay;
mod report;
mod simulation;
mod synchronous;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::ArgPredicate;
use rayon::prelude::*;
use tuner::strategy::{Settings, Strategy, StrategyError, by_name};

use crate::curves::{Counted, Curves, Method};
use crate::problem::Problem;
use crate::replay::{Replay, replay};
use crate::simulation::{Simulation, simulate};
use crate::synchronous::Synchronous;

/// Replays search strategies on tables of real training results, and compares them with recorded curves.
#[derive(Parser)]
struct Options {
    /// A folder of tables: NAME.json with NAME.f32 or NAME.u16.
    #[arg(long, value_name = "DIR")]
    tables: Vec<PathBuf>,
    /// Test functions too: `all`, or some of them by name.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    functions: Vec<String>,
    /// The strategies to run.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "random,sobol,tpe,bayesian",
        default_value_if("fidelity", "true", "hyperband,asha"),
        default_value_if("workers", ArgPredicate::IsPresent, "hyperband,asha")
    )]
    strategies: Vec<String>,
    /// Compare by epochs spent, with strategies that cut trainings short: on tables of learning curves.
    #[arg(long)]
    fidelity: bool,
    /// Simulate so many workers, each configuration with its own time per epoch, and compare by simulated time.
    #[arg(long, value_name = "N", conflicts_with_all = ["fidelity", "pending"])]
    workers: Option<usize>,
    /// Only tasks with this in their name.
    #[arg(long, default_value = "")]
    only: String,
    /// Trials of each run: full trainings, or as many epochs; with --workers, of each worker.
    #[arg(
        long,
        default_value_t = 100,
        default_value_if("fidelity", "true", "32"),
        default_value_if("workers", ArgPredicate::IsPresent, "8")
    )]
    trials: usize,
    /// Runs of each strategy on each task.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Trials under way at any time.
    #[arg(long, default_value_t = 1)]
    pending: usize,
    /// Threads that runs are spread over; 0 is one for each core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Recorded curves to compare with: a folder of METHOD.json. Of several, the last that has a task counts.
    #[arg(long, value_name = "DIR")]
    against: Vec<PathBuf>,
    /// Where to write the curves; of several strategies, each to FILE with its name added.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Median regrets below this count as this much when ratios are formed.
    #[arg(long, default_value_t = 1e-4)]
    floor: f64,
    /// Settings of the strategies, as JSON: `{"bayesian": {"initial": 10}}`.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let settings: Settings = serde_json::from_str(&options.settings).map_err(|error| format!("--settings: {error}"))?;
    for name in &options.strategies {
        strategy(name, &settings).map_err(|error| format!("--strategies: {error}"))?;
    }
    let problems = problems(options)?;
    let counted = match (options.workers, options.fidelity) {
        (Some(_), _) => Counted::SimulatedTime,
        (None, true) => Counted::Epochs,
        (None, false) => Counted::Trials,
    };
    let recorded = curves::read_folders(&options.against, counted)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build_global()
        .map_err(|error| format!("--threads: {error}"))?;

    let methods = replay_all(options, &settings, &problems)?;
    if let Some(path) = &options.out {
        for method in &methods {
            let path = if methods.len() == 1 { path.clone() } else { curves::with_suffix(path, &method.name) };
            curves::write(&path, &method.curves)?;
        }
    }
    let tasks: Vec<&str> = problems.iter().map(|problem| problem.name()).collect();
    if counted == Counted::Trials {
        print!("{}", report::report(&tasks, &methods, &recorded, options.trials, options.floor));
    } else {
        print!("{}", report::fidelity(&tasks, &methods, &recorded, options.trials));
    }
    Ok(())
}

fn strategy(name: &str, settings: &Settings) -> Result<Box<dyn Strategy>, StrategyError> {
    if name == synchronous::NAME { Ok(Box::new(Synchronous::new(settings))) } else { by_name(name, settings) }
}

fn problems(options: &Options) -> Result<Vec<Box<dyn Problem>>, String> {
    let mut all: Vec<Box<dyn Problem>> = Vec::new();
    for folder in &options.tables {
        for table in table::read_folder(folder)? {
            all.push(Box::new(table));
        }
    }
    all.extend(functions::named(&options.functions)?);
    all.retain(|problem| problem.name().contains(&options.only));
    if all.is_empty() {
        return Err("no task: name a folder with --tables, or --functions all".to_owned());
    }
    Ok(all)
}

fn replay_all(options: &Options, settings: &Settings, problems: &[Box<dyn Problem>]) -> Result<Vec<Method>, String> {
    let run_one = |strategy: &String, problem: &dyn Problem, seed: u64| {
        let replayed = Replay { trials: options.trials, cut_short: options.fidelity, pending: options.pending, seed };
        self::strategy(strategy, settings)
            .map_err(|error| error.to_string())
            .and_then(|built| match options.workers {
                Some(workers) => simulate(problem, built, &Simulation { workers, trials: options.trials, seed }),
                None => replay(problem, built, &replayed),
            })
            .map_err(|error| format!("{strategy} on {}: {error}", problem.name()))
    };
    options
        .strategies
        .iter()
        .map(|strategy| {
            let jobs: Vec<(&dyn Problem, u64)> = (0..options.seeds)
                .flat_map(|seed| problems.iter().map(move |problem| (problem.as_ref(), options.first_seed + seed)))
                .collect();
            let runs = jobs.par_iter().map(|&(problem, seed)| run_one(strategy, problem, seed));
            let runs: Vec<replay::Run> = runs.collect::<Result<_, String>>()?;
            let mut method = Method { name: strategy.clone(), curves: Curves::default() };
            for ((problem, seed), run) in jobs.into_iter().zip(runs) {
                let task = method.curves.entry(problem.name().to_owned()).or_default();
                task.curves.insert(seed.to_string(), run.regrets);
                task.sec.insert(seed.to_string(), run.seconds);
                task.utilisation.extend(run.utilisation.map(|busy| (seed.to_string(), busy)));
            }
            Ok(method)
        })
        .collect()
}
