//! `tune worker`: trains what a supervisor orders. Orders come as lines on standard input, reports leave as lines on standard
//! output; when the supervisor goes away the worker ends by itself.

use std::io;
use std::sync::mpsc::{Receiver, channel};

use model::data::Split;
use model::hyperparameters::Config;
use model::train::{self, Event, FitError, FitOptions, Monitor, TrainingData};
use tuner::objective::Reduction;
use tuner::{Decision, Direction, Epoch, FailureReason, InfeasibleReason, Objective};

use crate::error::Error;
use crate::protocol::{self, End, Order, Progress, Report, Run, Setup};

/// Serves orders until the supervisor says quit or goes away.
pub fn run() -> Result<(), Error> {
    let orders = listen();
    let Ok(Order::Setup(setup)) = orders.recv() else {
        return Err(Error::Worker("expected a setup order first; `tune search` starts workers".to_owned()));
    };
    let worker = match Worker::prepare(setup) {
        Ok(worker) => worker,
        Err(error) => {
            report(&Report::Unable { message: error.to_string() })?;
            return Ok(());
        }
    };
    report(&Report::Ready { protocol: protocol::VERSION })?;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Run(run) => report(&worker.train(&run, &orders)?)?,
            Order::Quit => break,
            Order::Setup(_) | Order::Decision { .. } => {
                return Err(Error::Worker(format!("expected a run, got {order:?}")));
            }
        }
    }
    Ok(())
}

/// Reads orders on a thread of its own, so that the end of the supervisor is noticed in the middle of an epoch.
fn listen() -> Receiver<Order> {
    let (sender, orders) = channel();
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            match protocol::receive(&mut input) {
                Ok(Some(order)) => {
                    if sender.send(order).is_err() {
                        return;
                    }
                }
                Ok(None) => std::process::exit(0),
                Err(error) => {
                    eprintln!("error: {error}");
                    std::process::exit(1);
                }
            }
        }
    });
    orders
}

fn report(report: &Report) -> Result<(), Error> {
    protocol::send(io::stdout().lock(), report).map_err(|error| Error::Protocol(error.into()))
}

struct Worker {
    setup: Setup,
    split: Split,
}

impl Worker {
    fn prepare(setup: Setup) -> Result<Self, Error> {
        if setup.protocol != protocol::VERSION {
            let message =
                format!("the supervisor speaks version {} of the protocol, not {}", setup.protocol, protocol::VERSION);
            return Err(Error::Worker(message));
        }
        model::device::set_threads(setup.threads)?;
        model::device::device(&setup.backend)?;
        let dataset = model::data::load(&setup.data.source)?;
        let split = dataset.split(setup.data.validation, setup.seed)?;
        Ok(Worker { setup, split })
    }

    /// Trains one execution; the last report of it is the answer.
    fn train(&self, run: &Run, orders: &Receiver<Order>) -> Result<Report, Error> {
        let config = match Config::from_values(&run.params) {
            Ok(config) => config,
            Err(error) => return Ok(Report::Failed { reason: FailureReason::Error, message: error.to_string() }),
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
            report(&Report::Epoch { epoch })?;
            match orders.recv() {
                Ok(Order::Decision { decision }) => Ok(match decision {
                    Decision::Continue => train::Decision::Continue,
                    Decision::Pause => train::Decision::Pause,
                    Decision::Stop => train::Decision::Stop,
                }),
                Ok(order) => Err(Error::Worker(format!("expected a decision, got {order:?}"))),
                Err(_) => Err(Error::Worker("the supervisor went away".to_owned())),
            }
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
        FitError::NonFinite { .. } => Report::Failed { reason: FailureReason::NonFinite, message },
        FitError::Infeasible(_) => Report::Infeasible { reason: InfeasibleReason::Shape, message },
        _ => Report::Failed { reason: FailureReason::Error, message },
    }
}
