//! What the tests of training share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use model::data::{DataSource, load};
use model::train::{Decision, EpochReport, Event, FitEnd, FitError, FitOptions, Monitor, TrainingData, fit};
use model::{Config, ImageData};
use serde_json::Value;

/// The tensor library has one random stream for the process: tests that train take turns.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn config(values: Value) -> Config {
    let Value::Object(values) = values else { panic!("an object is expected") };
    Config::from_values(&values).unwrap()
}

/// The first digits of the set, for training and for validation.
pub fn digits(train: usize, validation: usize) -> (ImageData, ImageData) {
    let digits = load(&DataSource::new("digits")).unwrap();
    let first = |data: &ImageData, count: usize| data.select(&(0..count).collect::<Vec<_>>());
    (first(&digits.train, train), first(&digits.test, validation))
}

pub fn options<'a>(seed: u64, epochs: u32) -> FitOptions<'a> {
    FitOptions {
        seed,
        from_epoch: 0,
        to_epoch: epochs,
        full_epochs: epochs,
        best: Monitor::infer("val_accuracy"),
        early_stopping: None,
        checkpoint: None,
        device: model::device::device("flex").unwrap(),
    }
}

/// Trains to the end: the epochs reported, the notes, and how it ended.
pub fn train(
    config: &Config,
    data: &(ImageData, ImageData),
    options: &FitOptions<'_>,
) -> Result<(Vec<EpochReport>, Vec<String>, FitEnd), FitError> {
    let (mut epochs, mut notes) = (Vec::new(), Vec::new());
    let data = TrainingData { train: &data.0, validation: &data.1 };
    let end = fit(config, data, options, &mut |event| {
        match event {
            Event::Epoch(epoch) => epochs.push(epoch.clone()),
            Event::Note(note) => notes.push(note.to_owned()),
            Event::Progress(_) => {}
        }
        Decision::Continue
    })?;
    Ok((epochs, notes, end))
}

/// The reports without what a clock decides.
pub fn timeless(mut epochs: Vec<EpochReport>) -> Vec<EpochReport> {
    for epoch in &mut epochs {
        epoch.seconds = 0.0;
        epoch.metrics.remove("train_seconds");
        epoch.metrics.remove("images_per_second");
    }
    epochs
}
