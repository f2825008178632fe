//! The built-in training.

use std::sync::mpsc::Receiver;

use model::data::Split;
use model::hyperparameters::Config;
use model::train::{self, CheckpointError, Event, FitError, FitOptions, Monitor, TrainingData};
use tuner::objective::Reduction;
use tuner::{Decision, Direction, Epoch, Failure, FailureReason, Infeasible, InfeasibleReason, Objective};

use super::{Trainer, report};
use crate::config::Data;
use crate::error::Error;
use crate::protocol::{End, Order, Progress, Report, Run, Setup};

/// The built-in training.
pub struct Network {
    setup: Setup,
    split: Split,
}

impl Network {
    pub fn prepare(setup: Setup, data: &Data) -> Result<Self, Error> {
        model::device::set_threads(setup.threads)?;
        model::device::device(&setup.backend)?;
        let dataset = model::data::load(&data.source)?;
        let split = dataset.split(data.validation, setup.seed)?;
        Ok(Network { setup, split })
    }
}

impl Trainer for Network {
    fn train(&mut self, run: &Run, orders: &Receiver<Order>) -> Result<Report, Error> {
        let config = match Config::from_values(&run.params) {
            Ok(config) => config,
            Err(error) => return Ok(Report::Failed(Failure::new(FailureReason::Error, error.to_string()))),
        };
        let early_stopping = self.setup.early_stopping.as_ref().map(|early| train::EarlyStopping {
            monitor: Monitor::infer(early.monitor.clone()),
            patience: early.patience,
            min_delta: early.min_delta,
        });
        let options = FitOptions {
            seed: run.seed,
            from_epoch: run.from_epoch,
            to_epoch: run.to_epoch,
            full_epochs: self.setup.epochs,
            best: best_epoch_by(&self.setup.objective),
            early_stopping,
            checkpoint: Some(&run.checkpoint),
            device: model::device::device(&self.setup.backend)?,
        };
        let data = TrainingData { train: &self.split.train, validation: &self.split.validation };
        let mut broken = None;
        let outcome = train::fit(&config, data, &options, &mut |event| {
            exchange(&event, orders).unwrap_or_else(|error| {
                broken = Some(error);
                train::Decision::Stop
            })
        });
        if let Some(error) = broken {
            return Err(error);
        }
        Ok(match outcome {
            Ok(end) => Report::Done {
                end: match end.reason {
                    train::EndReason::Epochs => End::Budget,
                    train::EndReason::EarlyStopping => End::EarlyStopping,
                    train::EndReason::Paused => End::Paused,
                    train::EndReason::Stopped => End::Stopped,
                },
                best_epoch: end.best_epoch,
            },
            Err(error) => failure(&error),
        })
    }
}

/// Passes an event on and, after an epoch, waits for the decision.
fn exchange(event: &Event<'_>, orders: &Receiver<Order>) -> Result<train::Decision, Error> {
    match event {
        Event::Progress(progress) => {
            report(&Report::Progress(Progress {
                epoch: progress.epoch,
                batch: progress.batch as u64,
                batches: progress.batches as u64,
                metrics: [("loss", progress.loss), ("accuracy", progress.accuracy)]
                    .into_iter()
                    .filter(|(_, value)| value.is_finite())
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                images_per_second: progress.images_per_second,
            }))?;
            Ok(train::Decision::Continue)
        }
        Event::Note(message) => {
            report(&Report::Note { message: (*message).to_owned() })?;
            Ok(train::Decision::Continue)
        }
        Event::Epoch(epoch) => {
            let epoch = Epoch::new(epoch.epoch, epoch.seconds, epoch.metrics.clone());
            Ok(match super::report_epoch(epoch, orders)? {
                Decision::Continue => train::Decision::Continue,
                Decision::Pause => train::Decision::Pause,
                Decision::Stop => train::Decision::Stop,
            })
        }
    }
}

/// The best epoch is the objective's; where that is a cost, which has no best epoch, the validation loss decides.
fn best_epoch_by(objective: &Objective) -> Monitor {
    match objective.reduction() {
        Reduction::Best => {
            Monitor { metric: objective.metric.clone(), maximize: objective.direction == Direction::Maximize }
        }
        Reduction::Last => Monitor::infer("val_loss"),
    }
}

fn failure(error: &FitError) -> Report {
    let message = error.to_string();
    match error {
        FitError::NonFinite { .. } => Report::Failed(Failure::new(FailureReason::NonFinite, message)),
        FitError::Infeasible(_) => Report::Infeasible(Infeasible::new(InfeasibleReason::Shape, message)),
        // It is not this trial's fault, and would be every other's too.
        FitError::Checkpoint(CheckpointError::NoRoom { .. } | CheckpointError::Io { action: "write", .. }) => {
            Report::Unable { message }
        }
        _ => Report::Failed(Failure::new(FailureReason::Error, message)),
    }
}
