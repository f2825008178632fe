use std::path::Path;

use burn::tensor::Device;
use serde::Serialize;

use super::error::FitError;
use super::state::load_best;
use super::step::{Sums, infer, loss, measure};
use crate::cnn::Plan;
use crate::hyperparameters::Config;
use crate::image_data::ImageData;
use crate::preprocess::Samples;

/// How a trained network does on data it has not seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The epoch the network is from.
    pub epoch: Option<u32>,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Share of samples classified rightly.
    pub accuracy: f64,
    /// Samples by true class (row) and predicted class (column).
    pub confusion: Vec<Vec<u64>>,
    /// The names of the classes.
    pub class_names: Vec<String>,
}

/// Measures the best epoch of the training whose checkpoints are in the folder `checkpoint`.
///
/// # Errors
///
/// When there is no such checkpoint, it is damaged or of another configuration, or the data do not
/// suit the network.
pub fn evaluate(checkpoint: &Path, config: &Config, data: &ImageData, device: &Device) -> Result<Evaluation, FitError> {
    if data.is_empty() {
        return Err(FitError::Data("the data hold no sample".to_owned()));
    }
    let device = device.clone().without_autodiff();
    let plan = Plan::new(&config.cnn, &data.shape, data.classes());
    let (header, model) = load_best(&plan, &device, checkpoint)?
        .ok_or_else(|| FitError::NoCheckpoint(checkpoint.display().to_string()))?;
    let samples = Samples::new(&config.preprocess, data)?;

    let classes = plan.classes();
    let mut sums = Sums::default();
    let mut confusion = vec![vec![0_u64; classes]; classes];
    infer(&model, &plan, &samples, &header.normalization, &device, |start, logits, batch| {
        let predicted = logits.clone().argmax(1).into_data();
        for (row, class) in predicted.iter::<i64>().enumerate() {
            confusion[samples.label(start + row) as usize][class as usize] += 1;
        }
        sums.add(measure(loss(logits.clone(), batch.targets), logits, batch.labels), batch.size);
    });
    let epoch = header.best.map(|best| best.epoch);
    sums.read().map_err(|_| FitError::NonFinite { epoch: epoch.unwrap_or(0), batch: None, what: "loss" })?;
    Ok(Evaluation {
        epoch,
        loss: sums.mean_loss(),
        accuracy: sums.accuracy(),
        confusion,
        class_names: data.class_names.clone(),
    })
}
