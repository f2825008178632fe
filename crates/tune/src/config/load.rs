//! Reads a study file from top to bottom.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use model::data::{DataSource, Validation};
use model::hyperparameters;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tuner::space::nearest;
use tuner::strategy::{PruningSettings, Rule, Sampler};
use tuner::{Direction, Objective, Value};

use super::source::{Section, Source, alternatives};
use super::space::{self, Refusal};
use super::{Data, EarlyStopping, Limits, Search, Settings, StudyFile, Work, program};
use crate::error::Error;

/// What the command line says; each overrides a key of the file.
#[derive(Debug, Default, Clone)]
pub struct Overrides {
    pub strategy: Option<String>,
    pub trials: Option<u64>,
    pub epochs: Option<u32>,
    pub seed: Option<u64>,
    pub backend: Option<String>,
    pub max_time_seconds: Option<f64>,
    pub target: Option<f64>,
    pub max_epochs_total: Option<u64>,
    pub jobs: Option<Jobs>,
    pub threads: Option<usize>,
    pub devices: Option<Vec<usize>>,
}

/// How many trials are trained at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// As many as are measured to be fastest together.
    Auto,
    Number(usize),
}

/// Reads and resolves the study file at `path`.
///
/// # Errors
///
/// The file cannot be read, or it has mistakes: all of them, each with its place.
pub fn load(path: &Path, overrides: &Overrides) -> Result<StudyFile, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::reading(path, source))?;
    parse(path, &text, overrides)
}

pub(super) fn parse(path: &Path, text: &str, overrides: &Overrides) -> Result<StudyFile, Error> {
    let source = Source::new(path, text);
    let (document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        for error in syntax {
            source.report(error.span().unwrap_or(0..0), error.message(), "not valid TOML here", None);
        }
        return Err(Error::StudyFile(source.into_problems()));
    }
    let mut root = Section::new(&source, "", document.span(), Some(document.get_ref()));
    let study = read(&mut root, path, overrides);
    root.finish();
    let problems = source.into_problems();
    match study {
        Some(study) if problems.is_empty() => Ok(study),
        _ => Err(Error::StudyFile(problems)),
    }
}

fn read(root: &mut Section<'_, '_>, path: &Path, overrides: &Overrides) -> Option<StudyFile> {
    let name = read_name(root, path);
    let program = root.get("objective_command").is_some();
    let objective = read_objective(root, program);
    let seed = root.integer("seed", 0);
    let (strategy, mut search) = read_search(root.section("search"), overrides, program);
    search.strategies.pruning = read_pruning(root.section("pruning"));
    let early_stopping = read_early_stopping(root.section("early_stopping"), objective.as_ref(), program);
    let (space, work, limits) = if program {
        program::refuse_network_tables(root);
        let space = space::read(&root.section("space"), &root.section("fixed"), &program::permitted);
        let section = root.section("objective_command");
        let program = program::read(section, path, space.as_ref());
        (space, program.map(Work::Program), Limits::default())
    } else {
        let data = read_data(root.section("data"));
        let limits = read_limits(root.section("limits"));
        let rank = data.as_ref().and_then(|data| model::data::info(&data.source.dataset).ok()?.rank());
        let permitted = |name: &str, value: &Value| permitted(name, value, rank);
        (space::read(&root.section("space"), &root.section("fixed"), &permitted), data.map(Work::Network), limits)
    };
    let enqueue = root.get("enqueue");
    let enqueue = space.as_ref().map(|space| space::read_enqueued(root.source(), enqueue, space));
    Some(StudyFile {
        name: name?,
        objective: objective?,
        strategy,
        seed: overrides.seed.or(seed).unwrap_or(0),
        space: space?,
        settings: Settings { search, early_stopping, work: work?, limits, enqueue: enqueue? },
    })
}

/// Whether the model has this hyperparameter and takes this value over data of `rank` dimensions, where that is known.
fn permitted(name: &str, value: &Value, rank: Option<usize>) -> Result<(), Refusal> {
    let value = crate::values::to_json(value);
    let checked = hyperparameters::check(name, &value)
        .and_then(|()| rank.map_or(Ok(()), |rank| hyperparameters::check_rank(name, &value, rank)));
    checked.map_err(|error| Refusal {
        message: error.to_string(),
        help: error.suggestion.as_ref().map(|name| format!("did you mean `{name}`?")),
        unknown_name: hyperparameters::lookup(name).is_err(),
    })
}

fn read_name(root: &mut Section<'_, '_>, path: &Path) -> Option<String> {
    let Some(name) = root.text("name") else {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if root.get("name").is_none() && tuner::store::check_name(&stem).is_ok() {
            return Some(stem);
        }
        root.missing("name", "name = \"my_study\": the folder under results/");
        return None;
    };
    match tuner::store::check_name(name.get_ref()) {
        Ok(()) => Some((*name.get_ref()).to_owned()),
        Err(error) => {
            root.source().report(name.span(), error, "not a study name", None);
            None
        }
    }
}

const DIRECTIONS: &[(&str, Direction)] = &[("min", Direction::Minimize), ("max", Direction::Maximize)];

fn read_objective(root: &mut Section<'_, '_>, free: bool) -> Option<Objective> {
    let Some(value) = root.get("objective") else {
        root.missing("objective", "objective = \"val_accuracy\", say");
        return None;
    };
    let (metric, place, stated) = match value.get_ref() {
        DeValue::String(metric) => (metric.to_string(), value.span(), None),
        DeValue::Table(_) => {
            let mut section = root.section("objective");
            let metric = section.text("metric");
            let stated = section.word("direction", DIRECTIONS);
            if metric.is_none() && section.get("metric").is_none() {
                section.missing("metric", "{ metric = \"val_loss\", direction = \"min\" }");
            }
            section.finish();
            let metric = metric?;
            ((*metric.get_ref()).to_owned(), metric.span(), stated)
        }
        _ => {
            root.mistyped("objective", value, "a metric's name, or { metric = \"…\", direction = \"min\" }");
            return None;
        }
    };
    let known = model::train::METRICS;
    if !free && !known.iter().any(|(name, _)| *name == metric) {
        let names = || known.iter().map(|(name, _)| *name);
        let help = nearest(&metric, names()).map_or_else(
            || format!("the metrics are {}", alternatives(names())),
            |name| format!("did you mean `{name}`?"),
        );
        root.source().report(place, format!("the training reports no metric `{metric}`"), "not a metric", Some(help));
        return None;
    }
    let objective = match stated {
        Some(direction) => Ok(Objective::new(metric, direction)),
        None => Objective::infer(&metric),
    };
    objective.map_err(|error| root.source().report(place, error, "its direction is not known", None)).ok()
}

fn read_search(mut section: Section<'_, '_>, overrides: &Overrides, program: bool) -> (String, Search) {
    let strategies: Vec<(&'static str, &'static str)> =
        tuner::strategy::STRATEGIES.iter().map(|(name, _)| (*name, *name)).collect();
    let backends: Vec<(&'static str, &'static str)> =
        model::device::backends().iter().map(|b| (b.name, b.name)).collect();
    let strategy = section.word("strategy", &strategies);
    let backend = section.word("backend", &backends);
    let trials = section.integer("trials", 1);
    let epochs = section.integer("epochs", 1);
    let executions = section.integer("executions_per_trial", 1);
    let default_first = section.boolean("default_first");
    let max_time = read_time(&mut section, "max_time");
    let trial_timeout = read_time(&mut section, "trial_timeout");
    let silence_timeout = read_time(&mut section, "silence_timeout");
    let max_epochs_total = section.integer("max_epochs_total", 1);
    let plateau = section.integer("plateau", 1);
    let max_retries = section.integer("max_retries", 0);
    let memory_limit = read_size(&mut section, "memory_limit");
    let target = section.float("target").map(Spanned::into_inner);
    let failures = section.integer("max_consecutive_failures", 1);
    let jobs = read_jobs(&mut section);
    let devices = read_devices(&mut section);
    let threads = section.integer("threads", 1);
    let keep_checkpoints = read_keep_checkpoints(&mut section);
    let (strategies, max_epochs) = read_strategies(&mut section);
    section.finish();

    let devices = overrides.devices.clone().or(devices).unwrap_or_default();
    let jobs = overrides.jobs.or(jobs).unwrap_or(Jobs::Number(devices.len().max(1)));
    let measure_jobs = jobs == Jobs::Auto;
    let jobs = if let Jobs::Number(jobs) = jobs { jobs } else { 1 };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let strategy = overrides.strategy.clone().unwrap_or_else(|| strategy.unwrap_or("auto").to_owned());
    let epochs = overrides.epochs.or(max_epochs.of(&strategy)).or(epochs).unwrap_or(10);
    let search = Search {
        trials: overrides.trials.or(trials).unwrap_or_else(|| usual_trials(&strategy, &strategies, epochs)),
        epochs,
        executions_per_trial: executions.unwrap_or(1),
        default_first: default_first.unwrap_or(true),
        max_time_seconds: overrides.max_time_seconds.or(max_time),
        target: overrides.target.or(target),
        max_epochs_total: overrides.max_epochs_total.or(max_epochs_total),
        plateau,
        max_consecutive_failures: failures.unwrap_or(5),
        max_retries,
        trial_timeout_seconds: trial_timeout,
        // The built-in training says something ten times a second; how often a program does, its author knows.
        silence_timeout_seconds: silence_timeout.or((!program).then_some(SILENCE_SECONDS)),
        memory_limit_bytes: memory_limit,
        jobs,
        measure_jobs,
        devices,
        threads: overrides.threads.or(threads).unwrap_or((cores / jobs).max(1)),
        backend: overrides
            .backend
            .clone()
            .unwrap_or_else(|| backend.unwrap_or(model::device::backends()[0].name).to_owned()),
        keep_checkpoints,
        strategies,
    };
    (strategy, search)
}

/// How long a worker of the built-in training may be silent: much longer than the first step of any backend takes.
const SILENCE_SECONDS: f64 = 1800.0;

/// A number, or `"auto"`.
fn read_jobs(section: &mut Section<'_, '_>) -> Option<Jobs> {
    match section.get("jobs").map(Spanned::get_ref) {
        Some(DeValue::String(_)) => section.word("jobs", &[("auto", Jobs::Auto)]),
        _ => section.integer("jobs", 1).map(Jobs::Number),
    }
}

/// Indices of devices, as in `devices = [0, 1]`.
fn read_devices(section: &mut Section<'_, '_>) -> Option<Vec<usize>> {
    let value = section.get("devices")?;
    let index = |item: &Spanned<DeValue<'_>>| match super::source::scalar(item.get_ref()) {
        Some(Value::Int(index)) => usize::try_from(index).ok(),
        _ => None,
    };
    let devices: Option<Vec<usize>> = value.get_ref().as_array().and_then(|items| items.iter().map(index).collect());
    if devices.is_none() {
        section.mistyped("devices", value, "an array of device numbers such as [0, 1]");
    }
    devices
}

/// How many trials a study has that does not say: with `hyperband`, what its plan comes to.
fn usual_trials(strategy: &str, settings: &tuner::strategy::Settings, epochs: u32) -> u64 {
    match strategy {
        "hyperband" => settings.hyperband.iterations.unwrap_or(1) * settings.hyperband.plan(epochs).trials(),
        _ => 10,
    }
}

/// `[search.grid]` and the like, one table for each strategy that has something to set.
fn read_strategies(search: &mut Section<'_, '_>) -> (tuner::strategy::Settings, MaxEpochs) {
    let mut settings = tuner::strategy::Settings::default();
    let mut grid = search.section("grid");
    settings.grid_points = grid.integer("points", 1).unwrap_or(settings.grid_points);
    grid.finish();
    let mut tpe = search.section("tpe");
    settings.tpe.initial = tpe.integer("initial", 1).unwrap_or(settings.tpe.initial);
    settings.tpe.candidates = tpe.integer("candidates", 1).unwrap_or(settings.tpe.candidates);
    if let Some(good) = tpe.float("good") {
        if *good.get_ref() > 0.0 && *good.get_ref() < 1.0 {
            settings.tpe.good = good.into_inner();
        } else {
            let label = "expected a number between 0 and 1";
            tpe.source().report(good.span(), "`good` of [search.tpe] is a share of the trials", label, None);
        }
    }
    tpe.finish();
    let mut bayesian = search.section("bayesian");
    settings.bayesian.initial = bayesian.integer("initial", 1).unwrap_or(settings.bayesian.initial);
    bayesian.finish();
    let mut hyperband = search.section("hyperband");
    let iterations = hyperband.integer("iterations", 1);
    settings.hyperband.iterations = iterations.or(settings.hyperband.iterations);
    settings.hyperband.min_epochs = hyperband.integer("min_epochs", 1).unwrap_or(settings.hyperband.min_epochs);
    settings.hyperband.factor = hyperband.integer("factor", 2).unwrap_or(settings.hyperband.factor);
    settings.hyperband.sampler = hyperband.word("sampler", SAMPLERS).unwrap_or(settings.hyperband.sampler);
    let hyperband_epochs = hyperband.integer("max_epochs", 1);
    hyperband.finish();
    let mut asha = search.section("asha");
    settings.asha.min_epochs = asha.integer("min_epochs", 1).unwrap_or(settings.asha.min_epochs);
    settings.asha.factor = asha.integer("factor", 2).unwrap_or(settings.asha.factor);
    settings.asha.sampler = asha.word("sampler", SAMPLERS).unwrap_or(settings.asha.sampler);
    let asha_epochs = asha.integer("max_epochs", 1);
    asha.finish();
    let max_epochs = MaxEpochs { hyperband: hyperband_epochs, asha: asha_epochs };
    (settings, max_epochs)
}

const SAMPLERS: &[(&str, Sampler)] =
    &[("random", Sampler::Random), ("tpe", Sampler::Tpe), ("bayesian", Sampler::Bayesian)];

/// A strategy's own word for `epochs` of `[search]`.
struct MaxEpochs {
    hyperband: Option<u32>,
    asha: Option<u32>,
}

impl MaxEpochs {
    fn of(&self, strategy: &str) -> Option<u32> {
        match strategy {
            "hyperband" => self.hyperband,
            "asha" => self.asha,
            _ => None,
        }
    }
}

/// `[pruning]`: a rule for any strategy.
fn read_pruning(mut section: Section<'_, '_>) -> Option<PruningSettings> {
    let present = section.is_present();
    let rule = section.word("rule", &[("median", Rule::Median), ("percentile", Rule::Percentile)]);
    let percentile = section.float("percentile");
    let warmup_trials = section.integer("warmup_trials", 0);
    let warmup_epochs = section.integer("warmup_epochs", 1);
    let interval = section.integer("interval", 1);
    if let Some(wrong) = percentile.as_ref().filter(|percent| !(0.0..=100.0).contains(percent.get_ref())) {
        let label = "expected a number from 0 to 100";
        section.source().report(wrong.span(), "`percentile` of [pruning] is a share in percent", label, None);
    }
    if present && rule.is_none() && section.get("rule").is_none() {
        section.missing("rule", "rule = \"median\"");
    }
    section.finish();
    let usual = PruningSettings::new(rule?);
    Some(PruningSettings {
        percentile: percentile.map_or(usual.percentile, Spanned::into_inner),
        warmup_trials: warmup_trials.unwrap_or(usual.warmup_trials),
        warmup_epochs: warmup_epochs.unwrap_or(usual.warmup_epochs),
        interval: interval.unwrap_or(usual.interval),
        ..usual
    })
}

/// `"all"`, `"best"` or how many of the best trials.
fn read_keep_checkpoints(section: &mut Section<'_, '_>) -> Option<usize> {
    const DEFAULT: usize = 5;
    let key = "keep_checkpoints";
    match section.get(key).map(Spanned::get_ref) {
        None => Some(DEFAULT),
        Some(DeValue::String(_)) => section.word(key, &[("all", None), ("best", Some(1))]).unwrap_or(Some(DEFAULT)),
        Some(_) => section.integer(key, 1).or(Some(DEFAULT)),
    }
}

fn read_early_stopping(
    mut section: Section<'_, '_>,
    objective: Option<&Objective>,
    program: bool,
) -> Option<EarlyStopping> {
    let monitors: Vec<(&'static str, &'static str)> =
        model::train::METRICS.iter().map(|(name, _)| (*name, *name)).collect();
    let present = section.is_present();
    let monitor = if program {
        program::read_monitor(&mut section, objective)
    } else {
        section.word("monitor", &monitors).map(str::to_owned)
    };
    let patience = section.integer("patience", 0);
    let min_delta = section.float("min_delta").map(Spanned::into_inner);
    if let Some(negative) = section.float("min_delta").filter(|delta| *delta.get_ref() < 0.0) {
        section.source().report(negative.span(), "`min_delta` must not be negative", "expected at least 0", None);
    }
    section.finish();
    present.then(|| EarlyStopping {
        monitor: monitor.unwrap_or_else(|| "val_loss".to_owned()),
        patience: patience.unwrap_or(3),
        min_delta: min_delta.unwrap_or(0.0),
    })
}

fn read_data(mut section: Section<'_, '_>) -> Option<Data> {
    let dataset = section.text("dataset");
    let names = || model::data::catalog().iter().map(|info| info.name);
    if let Some(name) = dataset.as_ref().filter(|name| !names().any(|known| known == *name.get_ref())) {
        let help = nearest(name.get_ref(), names()).map_or_else(
            || format!("the data sets are {}", alternatives(names())),
            |known| format!("did you mean `{known}`?"),
        );
        section.source().report(
            name.span(),
            format!("unknown data set `{}`", name.get_ref()),
            "not a data set",
            Some(help),
        );
        return None;
    }
    let path = section.text("path").map(|path| PathBuf::from(*path.get_ref()));
    let resize = section.get("resize");
    let resize = resize.and_then(|value| {
        let sizes: Option<Vec<usize>> = value.get_ref().as_array().and_then(|items| {
            items
                .iter()
                .map(|item| match super::source::scalar(item.get_ref())? {
                    Value::Int(size) => usize::try_from(size).ok().filter(|size| *size > 0),
                    _ => None,
                })
                .collect()
        });
        let pair = sizes.and_then(|sizes| <[usize; 2]>::try_from(sizes).ok());
        if pair.is_none() {
            section.mistyped("resize", value, "[height, width] in pixels");
        }
        pair
    });
    let grey = section.boolean("grey");
    let validation = match section.get("validation") {
        None => Some(Validation::Fraction(0.2)),
        Some(value) => {
            let fraction = match value.get_ref() {
                DeValue::String(text) if text == "test" => Some(Validation::Test),
                DeValue::String(text) if text == "own" => Some(Validation::Own),
                DeValue::Float(number) => {
                    f64::from_str(number.as_str()).ok().filter(|f| *f > 0.0 && *f < 1.0).map(Validation::Fraction)
                }
                _ => None,
            };
            if fraction.is_none() {
                section.mistyped(
                    "validation",
                    value,
                    "\"test\", \"own\" or a fraction of the training set between 0 and 1",
                );
            }
            fraction
        }
    };
    section.finish();
    let dataset = dataset.map_or("digits", Spanned::into_inner).to_owned();
    let source = DataSource { dataset, path, resize, grey: grey.unwrap_or(false) };
    Some(Data { source, validation: validation? })
}

fn read_limits(mut section: Section<'_, '_>) -> Limits {
    let parameters = section.integer("parameters", 1);
    let memory_bytes = read_size(&mut section, "memory");
    section.finish();
    Limits { parameters, memory_bytes }
}

/// A time in seconds.
pub(super) fn read_time(section: &mut Section<'_, '_>, key: &'static str) -> Option<f64> {
    read_parsed(section, key, "a time such as \"90s\", \"2h\" or \"1h 30m\"", |text| {
        humantime::parse_duration(text).ok().map(|time| time.as_secs_f64())
    })
}

/// A size in bytes.
fn read_size(section: &mut Section<'_, '_>, key: &'static str) -> Option<u64> {
    read_parsed(section, key, "a size such as \"512MiB\" or \"2GiB\"", |text| {
        bytesize::ByteSize::from_str(text).ok().map(|size| size.as_u64())
    })
}

fn read_parsed<T>(
    section: &mut Section<'_, '_>,
    key: &'static str,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text = section.text(key)?;
    let parsed = parse(text.get_ref());
    if parsed.is_none() {
        section.source().report(
            text.span(),
            format!("`{key}` cannot be \"{}\"", text.get_ref()),
            format!("expected {expected}"),
            None,
        );
    }
    parsed
}
