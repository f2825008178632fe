//! `tune worker`: trains what a supervisor orders. Orders come as lines on standard input, reports leave as lines on standard
//! output; when the supervisor goes away the worker ends by itself.

mod metrics;
mod network;
mod program;

use std::io;
use std::sync::mpsc::{Receiver, channel};

use tuner::{Decision, Epoch};

use crate::config::Work;
use crate::error::Error;
use crate::protocol::{self, Order, Report, Run, Setup};

/// Trains one execution after the other.
trait Trainer {
    /// Trains one execution; the last report of it is the answer.
    fn train(&mut self, run: &Run, orders: &Receiver<Order>) -> Result<Report, Error>;
}

/// Serves orders until the supervisor says quit or goes away.
pub fn run() -> Result<(), Error> {
    let orders = listen();
    let Ok(Order::Setup(setup)) = orders.recv() else {
        return Err(Error::Worker("expected a setup order first; `tune search` starts workers".to_owned()));
    };
    let mut trainer = match prepare(setup) {
        Ok(trainer) => trainer,
        Err(error) => {
            report(&Report::Unable { message: error.to_string() })?;
            return Ok(());
        }
    };
    report(&Report::Ready { protocol: protocol::VERSION })?;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Run(run) => report(&trainer.train(&run, &orders)?)?,
            Order::Quit => break,
            Order::Setup(_) | Order::Decision { .. } => {
                return Err(Error::Worker(format!("expected a run, got {order:?}")));
            }
        }
    }
    Ok(())
}

fn prepare(setup: Setup) -> Result<Box<dyn Trainer>, Error> {
    if setup.protocol != protocol::VERSION {
        let message =
            format!("the supervisor speaks version {} of the protocol, not {}", setup.protocol, protocol::VERSION);
        return Err(Error::Worker(message));
    }
    Ok(match setup.work.clone() {
        Work::Network(data) => Box::new(network::Network::prepare(setup, &data)?),
        Work::Program(program) => Box::new(program::Adapter::prepare(setup, program)?),
    })
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
                Ok(None) => program::exit(0),
                Err(error) => {
                    eprintln!("error: {error}");
                    program::exit(1);
                }
            }
        }
    });
    orders
}

fn report(report: &Report) -> Result<(), Error> {
    protocol::send(io::stdout().lock(), report).map_err(|error| Error::Protocol(error.into()))
}

/// Reports an epoch and waits for what becomes of the trial.
fn report_epoch(epoch: Epoch, orders: &Receiver<Order>) -> Result<Decision, Error> {
    report(&Report::Epoch { epoch })?;
    match orders.recv() {
        Ok(Order::Decision { decision }) => Ok(decision),
        Ok(order) => Err(Error::Worker(format!("expected a decision, got {order:?}"))),
        Err(_) => Err(Error::Worker("the supervisor went away".to_owned())),
    }
}
