//! Batches, made from bytes as they are needed.
//!
//! They are made as plain numbers, which any thread can do while another trains, and become tensors where they
//! are used.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

use super::config::{ClassWeights, TrainConfig};
use crate::hyperparameters::Config;
use crate::preprocess::{Augmentation, Normalization, Samples};
use crate::random::{Purpose, stream};

/// Samples with what the network should make of them.
pub(super) struct Batch {
    /// `[batch, values]`.
    pub samples: Tensor<2>,
    /// What each class counts in the loss of each sample, `[batch, classes]`: target, smoothing and
    /// class weight in one. All of it adds up to 1, so that the loss is a weighted mean.
    pub targets: Tensor<2>,
    /// The label of each sample, of the greater part of a mixed one, `[batch, 1]`.
    pub labels: Tensor<2, Int>,
    pub size: usize,
}

/// A [`Batch`] of plain numbers, in the same order.
pub(super) struct Rows {
    pub samples: Vec<f32>,
    pub targets: Vec<f32>,
    pub labels: Vec<i32>,
}

impl Rows {
    pub fn upload(self, device: &Device) -> Batch {
        let size = self.labels.len();
        let tensor = |values: Vec<f32>| {
            let width = values.len() / size;
            Tensor::from_data(TensorData::new(values, [size, width]), device)
        };
        Batch {
            samples: tensor(self.samples),
            targets: tensor(self.targets),
            labels: Tensor::from_data(TensorData::new(self.labels, [size, 1]), device),
            size,
        }
    }
}

/// Makes the training batches of every epoch.
pub(super) struct Batcher<'a> {
    pub samples: &'a Samples<'a>,
    pub normalization: &'a Normalization,
    classes: usize,
    class_weights: Vec<f32>,
    label_smoothing: f32,
    augmentation: Option<Augmentation>,
    mixing: Option<Beta<f64>>,
    batch_size: usize,
    shuffle: bool,
    seed: u64,
}

/// The batches of one epoch, in order.
pub(super) struct EpochBatches<'a> {
    batcher: &'a Batcher<'a>,
    order: Vec<usize>,
    rng: ChaCha8Rng,
    next: usize,
}

impl<'a> Batcher<'a> {
    pub fn new(
        config: &Config,
        samples: &'a Samples<'a>,
        normalization: &'a Normalization,
        classes: usize,
        seed: u64,
    ) -> Self {
        Self {
            samples,
            normalization,
            classes,
            class_weights: class_weights(&config.training, samples, classes),
            label_smoothing: config.training.label_smoothing as f32,
            augmentation: Augmentation::new(&config.preprocess),
            mixing: Beta::new(config.preprocess.mixup, config.preprocess.mixup).ok(),
            batch_size: config.training.batch_size,
            shuffle: config.training.shuffle,
            seed,
        }
    }

    /// Batches of an epoch; the last one has what is left.
    pub fn count(&self) -> usize {
        self.samples.len().div_ceil(self.batch_size)
    }

    pub fn epoch(&'a self, epoch: u32) -> EpochBatches<'a> {
        let mut order: Vec<usize> = (0..self.samples.len()).collect();
        if self.shuffle {
            order.shuffle(&mut stream(self.seed, epoch, Purpose::Shuffle));
        }
        EpochBatches { batcher: self, order, rng: stream(self.seed, epoch, Purpose::Augment), next: 0 }
    }
}

impl Iterator for EpochBatches<'_> {
    type Item = Rows;

    fn next(&mut self) -> Option<Rows> {
        let batcher = self.batcher;
        let end = (self.next + batcher.batch_size).min(self.order.len());
        let indices = &self.order[self.next..end];
        if indices.is_empty() {
            return None;
        }
        self.next = end;

        let mut rows = Maker::new(indices.len(), batcher);
        for &index in indices {
            rows.push(index, &mut self.rng);
        }
        if let Some(beta) = &batcher.mixing {
            rows.mix(beta.sample(&mut self.rng) as f32, &mut self.rng);
        }
        Some(rows.finish())
    }
}

/// A batch in the making.
struct Maker<'a> {
    batcher: &'a Batcher<'a>,
    rows: Rows,
}

impl<'a> Maker<'a> {
    fn new(size: usize, batcher: &'a Batcher<'a>) -> Self {
        Self {
            batcher,
            rows: Rows {
                samples: Vec::with_capacity(size * batcher.samples.shape().elements()),
                targets: Vec::with_capacity(size * batcher.classes),
                labels: Vec::with_capacity(size),
            },
        }
    }

    fn push(&mut self, index: usize, rng: &mut ChaCha8Rng) {
        let Batcher { samples, normalization, classes, label_smoothing, .. } = self.batcher;
        let bytes = samples.bytes(index);
        match &self.batcher.augmentation {
            Some(augmentation) => {
                normalization.append(&augmentation.apply(bytes, samples.shape(), rng), &mut self.rows.samples);
            }
            None => normalization.append(bytes, &mut self.rows.samples),
        }
        let label = samples.label(index) as usize;
        let elsewhere = label_smoothing / *classes as f32;
        let row = (0..*classes).map(|class| if class == label { 1.0 - label_smoothing + elsewhere } else { elsewhere });
        self.rows.targets.extend(row);
        self.rows.labels.push(label as i32);
    }

    /// Mixes each sample, and its target, with that of a random partner.
    fn mix(&mut self, share: f32, rng: &mut ChaCha8Rng) {
        let Rows { samples, targets, labels } = &mut self.rows;
        let size = labels.len();
        let mut partners: Vec<usize> = (0..size).collect();
        partners.shuffle(rng);
        blend(samples, size, &partners, share);
        blend(targets, size, &partners, share);
        if share < 0.5 {
            *labels = partners.iter().map(|&partner| labels[partner]).collect();
        }
    }

    /// Gives each class its weight.
    fn finish(mut self) -> Rows {
        let targets = &mut self.rows.targets;
        for row in targets.chunks_exact_mut(self.batcher.classes) {
            for (target, weight) in row.iter_mut().zip(&self.batcher.class_weights) {
                *target *= weight;
            }
        }
        let total: f32 = targets.iter().sum();
        if total > 0.0 {
            for target in targets {
                *target /= total;
            }
        }
        self.rows
    }
}

fn blend(rows: &mut [f32], size: usize, partners: &[usize], share: f32) {
    let before = rows.to_vec();
    let width = rows.len() / size;
    for (row, &partner) in rows.chunks_exact_mut(width).zip(partners) {
        let other = &before[partner * width..(partner + 1) * width];
        for (value, other) in row.iter_mut().zip(other) {
            *value = share * *value + (1.0 - share) * other;
        }
    }
}

/// N / (classes · Nᶜ) for each class c; 0 for one without samples.
fn class_weights(config: &TrainConfig, samples: &Samples<'_>, classes: usize) -> Vec<f32> {
    if config.class_weights == ClassWeights::None {
        return vec![1.0; classes];
    }
    let mut counts = vec![0_usize; classes];
    for &label in samples.labels() {
        counts[label as usize] += 1;
    }
    let even = samples.len() as f32 / classes as f32;
    counts.iter().map(|&count| if count == 0 { 0.0 } else { even / count as f32 }).collect()
}
