use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;

use super::ahead::ahead;
use super::batch::{Batcher, Rows};
use super::error::FitError;
use super::metrics::{EarlyStopping, METRICS, Monitor, Patience};
use super::state::{Best, EpochReport, Header, State, identity};
use super::step::{Sums, infer, loss, measure};
use crate::cnn::{Cnn, Plan};
use crate::device::reads_are_free;
use crate::hyperparameters::Config;
use crate::image_data::ImageData;
use crate::preprocess::{Normalization, Samples};
use crate::random::device_seed;

/// What a network is trained and validated on.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// What it learns from.
    pub train: &'a ImageData,
    /// What it is measured on after each epoch.
    pub validation: &'a ImageData,
}

/// How far to train, and from where.
#[derive(Debug, Clone)]
pub struct FitOptions<'a> {
    /// Decides every random number of the training.
    pub seed: u64,
    /// Epochs whose reports the caller already has.
    pub from_epoch: u32,
    /// Epochs to have trained in the end.
    pub to_epoch: u32,
    /// Epochs of a full training: what a schedule spans when it is not told otherwise. It has to be
    /// the same every time a training is continued.
    pub full_epochs: u32,
    /// What makes an epoch the best one.
    pub best: Monitor,
    /// When to end before the epochs are used up.
    pub early_stopping: Option<EarlyStopping>,
    /// The folder of this training's checkpoints, `last.ckpt` and `best.ckpt`; made if need be.
    pub checkpoint: Option<&'a Path>,
    /// Where to compute; with or without autodiff.
    pub device: Device,
}

/// What a training tells while it runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// Some batches further; at most ten times a second.
    Progress(Progress),
    /// An epoch is over and its checkpoint is on disk.
    Epoch(&'a EpochReport),
    /// Something the user should know, such as a checkpoint that could not be used.
    Note(&'a str),
}

/// Where an epoch stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// From 1.
    pub epoch: u32,
    /// Batches done.
    pub batch: usize,
    /// Batches of the epoch.
    pub batches: usize,
    /// Mean training loss of the epoch so far.
    pub loss: f64,
    /// Training accuracy of the epoch so far.
    pub accuracy: f64,
    /// Training samples a second, of the epoch so far.
    pub images_per_second: f64,
}

/// The answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Continue,
    /// End here; the training may be continued later.
    Pause,
    /// End here for good.
    Stop,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitEnd {
    /// Epochs trained, those before a pause included.
    pub epochs: u32,
    /// Whether patience ended it.
    pub stopped_early: bool,
    /// The best epoch, from 1.
    pub best_epoch: Option<u32>,
    /// Why it ended.
    pub reason: EndReason,
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// All epochs asked for are done.
    Epochs,
    /// Patience was at its end.
    EarlyStopping,
    /// It was told to pause.
    Paused,
    /// It was told to stop.
    Stopped,
}

/// Trains a network until `to_epoch`, until early stopping ends it, or until `on_event` answers
/// otherwise than [`Decision::Continue`].
///
/// With a checkpoint folder, each epoch is on disk before it is reported. A checkpoint found there
/// that is ahead of `from_epoch` is taken up: the epochs the caller lacks are reported from its
/// record, then training goes on. One that is missing, damaged, or of another training is left
/// aside with a [note](Event::Note) and training begins anew; the epochs before `from_epoch` then
/// come to the same numbers again and are not reported twice.
///
/// An answer other than `Continue` takes effect at once: in the middle of an epoch, that epoch's
/// steps are lost.
///
/// # Errors
///
/// See [`FitError`]; above all a network that does not suit the data, and a loss that is not finite.
pub fn fit(
    config: &Config,
    data: TrainingData<'_>,
    options: &FitOptions<'_>,
    on_event: &mut dyn FnMut(Event<'_>) -> Decision,
) -> Result<FitEnd, FitError> {
    check(data, options)?;
    let plan = Plan::new(&config.cnn, &data.train.shape, data.train.classes());
    if let Some(reason) = plan.infeasible() {
        return Err(reason.clone().into());
    }
    let train = Samples::new(&config.preprocess, data.train)?;
    let validation = Samples::new(&config.preprocess, data.validation)?;
    let device = options.device.clone().without_autodiff();

    let (mut state, mut decision) = begin(config, &plan, &train, validation.len(), options, on_event)?;
    let normalization = state.header.normalization.clone();
    let batcher = Batcher::new(config, &train, &normalization, plan.classes(), options.seed);
    while decision == Decision::Continue && state.epoch() < options.to_epoch && !state.header.stopped {
        let mut epoch = Epoch {
            config,
            plan: &plan,
            options,
            batcher: &batcher,
            validation: &validation,
            device: &device,
            number: state.epoch() + 1,
        };
        decision = epoch.run(&mut state, on_event)?;
    }

    let stopped_early = state.header.stopped;
    Ok(FitEnd {
        epochs: state.epoch(),
        stopped_early,
        best_epoch: state.header.best.map(|best| best.epoch),
        reason: match decision {
            Decision::Pause => EndReason::Paused,
            Decision::Stop => EndReason::Stopped,
            Decision::Continue if stopped_early => EndReason::EarlyStopping,
            Decision::Continue => EndReason::Epochs,
        },
    })
}

/// The state to train on from, and the answer to the epochs reported from its record.
fn begin(
    config: &Config,
    plan: &Plan,
    train: &Samples<'_>,
    validation: usize,
    options: &FitOptions<'_>,
    on_event: &mut dyn FnMut(Event<'_>) -> Decision,
) -> Result<(State, Decision), FitError> {
    let device = options.device.clone().without_autodiff();
    let identity = identity(config, options.seed, plan, [train.len(), validation]);
    if let Some(folder) = options.checkpoint {
        match State::load(config, plan, &device, folder, &identity) {
            Ok(Some(state)) if state.epoch() >= options.from_epoch => {
                let decision = report_again(&state.header.epochs, options, on_event);
                return Ok((state, decision));
            }
            Ok(Some(state)) => {
                let (found, expected) = (state.epoch(), options.from_epoch);
                let note = format!("the checkpoint is at epoch {found}, not {expected}; training begins anew");
                on_event(Event::Note(&note));
            }
            Ok(None) if options.from_epoch > 0 => {
                let note = format!("there is no checkpoint in `{}`; training begins anew", folder.display());
                on_event(Event::Note(&note));
            }
            Ok(None) => {}
            Err(FitError::Checkpoint(error)) => {
                on_event(Event::Note(&format!("{error}; training begins anew")));
            }
            Err(error) => return Err(error),
        }
    }
    let header = Header {
        identity,
        normalization: Normalization::fit(config.preprocess.normalize, train),
        epochs: Vec::new(),
        best: None,
        patience: Patience::default(),
        stopped: false,
    };
    Ok((State::new(config, plan, options.seed, &device, header)?, Decision::Continue))
}

/// Reports the epochs that the caller lacks and asks for.
fn report_again(
    epochs: &[EpochReport],
    options: &FitOptions<'_>,
    on_event: &mut dyn FnMut(Event<'_>) -> Decision,
) -> Decision {
    let lacking = epochs.iter().filter(|epoch| (options.from_epoch + 1..=options.to_epoch).contains(&epoch.epoch));
    let mut answers = lacking.map(|epoch| on_event(Event::Epoch(epoch)));
    answers.find(|answer| *answer != Decision::Continue).unwrap_or(Decision::Continue)
}

fn check(data: TrainingData<'_>, options: &FitOptions<'_>) -> Result<(), FitError> {
    let (train, validation) = (data.train, data.validation);
    if train.is_empty() || validation.is_empty() {
        let part = if train.is_empty() { "training" } else { "validation" };
        return Err(FitError::Data(format!("the {part} data hold no sample")));
    }
    if train.shape != validation.shape || train.classes() != validation.classes() {
        return Err(FitError::Data(format!(
            "training data are {} in {} classes, validation data {} in {}",
            train.shape,
            train.classes(),
            validation.shape,
            validation.classes(),
        )));
    }
    let watched = std::iter::once(&options.best).chain(options.early_stopping.as_ref().map(|rule| &rule.monitor));
    for monitor in watched {
        if METRICS.iter().all(|(name, _)| *name != monitor.metric) {
            return Err(FitError::Metric { metric: monitor.metric.clone() });
        }
    }
    Ok(())
}

/// One epoch with all it needs.
struct Epoch<'a> {
    config: &'a Config,
    plan: &'a Plan,
    options: &'a FitOptions<'a>,
    batcher: &'a Batcher<'a>,
    validation: &'a Samples<'a>,
    /// Without autodiff.
    device: &'a Device,
    /// From 1.
    number: u32,
}

/// What the training part of an epoch came to.
struct Trained {
    sums: Sums,
    learning_rate: f64,
    time: Duration,
}

impl Epoch<'_> {
    /// Trains, validates, saves and reports.
    fn run(
        &mut self,
        state: &mut State,
        on_event: &mut dyn FnMut(Event<'_>) -> Decision,
    ) -> Result<Decision, FitError> {
        self.device.seed(device_seed(self.options.seed, self.number));
        let begun = Instant::now();
        let trained = match self.train(state, on_event)? {
            Ok(trained) => trained,
            Err(decision) => return Ok(decision),
        };
        let Some(model) = &state.model else { return Ok(Decision::Stop) };
        let snapshot = model.valid();
        let validated = self.validate(&snapshot)?;
        let seconds = begun.elapsed().as_secs_f64();

        let report = EpochReport { epoch: self.number, seconds, metrics: self.metrics(state, &trained, &validated) };
        self.judge(&mut state.header, &report);
        state.header.epochs.push(report);
        if let Some(folder) = self.options.checkpoint {
            state.save(folder, &snapshot)?;
        }
        if self.number <= self.options.from_epoch {
            return Ok(Decision::Continue);
        }
        Ok(state.header.epochs.last().map_or(Decision::Continue, |report| on_event(Event::Epoch(report))))
    }

    /// Trains on every batch; the inner error is the answer that ended it.
    fn train(
        &self,
        state: &mut State,
        on_event: &mut dyn FnMut(Event<'_>) -> Decision,
    ) -> Result<Result<Trained, Decision>, FitError> {
        ahead(self.batcher.epoch(self.number), |batches| self.steps(batches, state, on_event))
    }

    fn steps(
        &self,
        all: &mut dyn Iterator<Item = Rows>,
        state: &mut State,
        on_event: &mut dyn FnMut(Event<'_>) -> Decision,
    ) -> Result<Result<Trained, Decision>, FitError> {
        let training = &self.config.training;
        let device = self.device.clone().autodiff();
        let reads_are_free = reads_are_free(self.device);
        let batches = self.batcher.count();
        let mut throttle = Throttle::new();
        let mut sums = Sums::default();
        let mut learning_rate = training.learning_rate;
        let mut done = 0;
        let begun = Instant::now();
        let Some(mut model) = state.model.take() else { return Ok(Err(Decision::Stop)) };
        for rows in all {
            let batch = rows.upload(&device);
            let passed = f64::from(self.number - 1) + done as f64 / batches as f64;
            learning_rate = training.learning_rate * training.schedule.factor_at(passed, self.options.full_epochs);

            let logits = model.forward(batch.samples);
            let loss = loss(logits.clone(), batch.targets);
            sums.add(measure(loss.clone().inner(), logits.inner(), batch.labels.inner()), batch.size);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = state.optimizer.step(learning_rate, model, gradients);
            done += 1;

            let due = throttle.is_due();
            if due || reads_are_free || done == batches {
                sums.read().map_err(|batch| FitError::NonFinite {
                    epoch: self.number,
                    batch: Some(batch),
                    what: "training loss",
                })?;
            }
            if due {
                let progress = self.progress(&sums, done, batches, begun.elapsed());
                match on_event(Event::Progress(progress)) {
                    Decision::Continue => {}
                    decision => return Ok(Err(decision)),
                }
            }
        }
        state.model = Some(model);
        Ok(Ok(Trained { sums, learning_rate, time: begun.elapsed() }))
    }

    fn validate(&self, model: &Cnn) -> Result<Sums, FitError> {
        let mut sums = Sums::default();
        let normalization = self.batcher.normalization;
        infer(model, self.plan, self.validation, normalization, self.device, |_, logits, batch| {
            sums.add(measure(loss(logits.clone(), batch.targets), logits, batch.labels), batch.size);
        });
        let not_finite = |_| FitError::NonFinite { epoch: self.number, batch: None, what: "validation loss" };
        sums.read().map_err(not_finite)?;
        Ok(sums)
    }

    fn metrics(&self, state: &State, trained: &Trained, validated: &Sums) -> BTreeMap<String, f64> {
        let seconds = trained.time.as_secs_f64();
        let before = state.header.epochs.last().and_then(|epoch| epoch.metrics.get("train_seconds"));
        let metrics = [
            ("loss", trained.sums.mean_loss()),
            ("accuracy", trained.sums.accuracy()),
            ("val_loss", validated.mean_loss()),
            ("val_accuracy", validated.accuracy()),
            ("learning_rate", trained.learning_rate),
            ("train_seconds", before.unwrap_or(&0.0) + seconds),
            ("images_per_second", per_second(trained.sums.samples(), trained.time)),
            ("parameters", self.plan.parameters() as f64),
            ("multiply_adds", self.plan.multiply_adds() as f64),
            ("model_bytes", self.plan.model_bytes() as f64),
        ];
        metrics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Whether the epoch is the best so far, and whether patience is at its end.
    fn judge(&self, header: &mut Header, report: &EpochReport) {
        let monitor = &self.options.best;
        if let Some(&value) = report.metrics.get(&monitor.metric)
            && monitor.improves(value, header.best.map(|best| best.value), 0.0)
        {
            header.best = Some(Best { epoch: report.epoch, value });
        }
        if let Some(rule) = &self.options.early_stopping
            && let Some(&value) = report.metrics.get(&rule.monitor.metric)
        {
            header.stopped = header.patience.is_over(rule, value);
        }
    }

    fn progress(&self, sums: &Sums, batch: usize, batches: usize, time: Duration) -> Progress {
        Progress {
            epoch: self.number,
            batch,
            batches,
            loss: sums.mean_loss(),
            accuracy: sums.accuracy(),
            images_per_second: per_second(sums.samples(), time),
        }
    }
}

fn per_second(samples: usize, time: Duration) -> f64 {
    samples as f64 / time.as_secs_f64().max(1e-9)
}

/// Lets through one event in a tenth of a second.
struct Throttle {
    last: Option<Instant>,
}

impl Throttle {
    fn new() -> Self {
        Self { last: None }
    }

    fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= Duration::from_millis(100));
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}
