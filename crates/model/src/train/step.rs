//! Losses and correct answers, of training steps and of whole data sets.

use std::ops::Range;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};

use super::ahead::ahead;
use super::batch::{Batch, Rows};
use crate::cnn::{Cnn, Plan};
use crate::preprocess::{Normalization, Samples};

/// The loss of a batch: cross-entropy with the weighted targets.
pub(super) fn loss(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (log_softmax(logits, 1) * targets).sum().neg()
}

/// Loss and number of correct answers of one batch, still on the device.
pub(super) fn measure(loss: Tensor<1>, logits: Tensor<2>, labels: Tensor<2, Int>) -> Tensor<1> {
    let correct = logits.argmax(1).equal(labels).int().sum().float();
    Tensor::cat(vec![loss, correct], 0)
}

/// Sums over the batches of an epoch. Measurements stay on the device until they are asked for:
/// on a GPU each reading would wait for all that has been queued.
#[derive(Default)]
pub(super) struct Sums {
    waiting: Vec<(Tensor<1>, usize)>,
    loss: f64,
    correct: f64,
    samples: usize,
    batches: usize,
}

impl Sums {
    pub fn add(&mut self, measured: Tensor<1>, size: usize) {
        self.waiting.push((measured, size));
    }

    /// Reads what waits. The error is the number of the batch, from 1, whose loss is not finite.
    pub fn read(&mut self) -> Result<(), usize> {
        for (measured, size) in std::mem::take(&mut self.waiting) {
            self.batches += 1;
            let data = measured.into_data();
            let mut values = data.iter::<f64>();
            let (loss, correct) = (values.next().unwrap_or(f64::NAN), values.next().unwrap_or(0.0));
            if !loss.is_finite() {
                return Err(self.batches);
            }
            self.loss += loss * size as f64;
            self.correct += correct;
            self.samples += size;
        }
        Ok(())
    }

    /// Mean loss over the samples read.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.samples.max(1) as f64
    }

    /// Share of the samples read that were classified rightly.
    pub fn accuracy(&self) -> f64 {
        self.correct / self.samples.max(1) as f64
    }

    pub fn samples(&self) -> usize {
        self.samples
    }
}

/// Gives the logits of all samples, batch after batch, with the index of the first sample of each.
///
/// Batches are as large as is good for speed, as long as their feature maps stay within bounds.
pub(super) fn infer(
    model: &Cnn,
    plan: &Plan,
    samples: &Samples<'_>,
    normalization: &Normalization,
    device: &Device,
    mut on_batch: impl FnMut(usize, Tensor<2>, Batch),
) {
    let batch_size = inference_batch(plan);
    let starts = (0..samples.len()).step_by(batch_size);
    let batches = starts.clone().map(|start| {
        let end = (start + batch_size).min(samples.len());
        plain_batch(samples, normalization, plan.classes(), start..end)
    });
    ahead(batches, |batches| {
        for (start, rows) in starts.zip(batches) {
            let batch = rows.upload(device);
            let logits = model.forward(batch.samples.clone());
            on_batch(start, logits, batch);
        }
    });
}

/// At most 512 samples, at least one, and no layer's output over 64 MiB if that can be.
fn inference_batch(plan: &Plan) -> usize {
    let largest = plan.layers().iter().map(|layer| 4 * layer.output.elements()).max().unwrap_or(1).max(1);
    ((64 << 20) / largest).clamp(1, 512)
}

fn plain_batch(samples: &Samples<'_>, normalization: &Normalization, classes: usize, range: Range<usize>) -> Rows {
    let size = range.len();
    let mut values = Vec::with_capacity(size * samples.shape().elements());
    let mut targets = vec![0.0_f32; size * classes];
    let mut labels = Vec::with_capacity(size);
    for (row, index) in range.enumerate() {
        normalization.append(samples.bytes(index), &mut values);
        targets[row * classes + samples.label(index) as usize] = 1.0 / size as f32;
        labels.push(samples.label(index) as i32);
    }
    Rows { samples: values, targets, labels }
}
