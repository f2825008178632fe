//! A network worked out in whole numbers before a tensor exists: every shape and count, or why it
//! cannot be.

mod arithmetic;
mod build;

use serde::Serialize;

use super::{Activation, CnnConfig, ConvKind, Head, PoolKind};
use crate::cnn::size::times;
use crate::image_data::InputShape;
use crate::named::named_enum;
pub(crate) use arithmetic::Window;

named_enum! {
    /// The kind of a layer, by the name Keras gives it; `2D` or `3D` follows where it has one.
    pub enum LayerKind {
        /// A convolution.
        Conv = "Conv",
        /// A depthwise, then a pointwise convolution.
        SeparableConv = "SeparableConv",
        /// A convolution that shares no weights.
        LocallyConnected = "LocallyConnected",
        /// Normalisation over the batch.
        BatchNormalization = "BatchNormalization",
        /// The sum with an earlier layer's output.
        Add = "Add",
        /// The largest of each window.
        MaxPooling = "MaxPooling",
        /// The mean of each window.
        AveragePooling = "AveragePooling",
        /// The smallest of each window.
        MinPooling = "MinPooling",
        /// The mean of each part.
        AdaptiveAveragePooling = "AdaptiveAveragePooling",
        /// The largest of each part.
        AdaptiveMaxPooling = "AdaptiveMaxPooling",
        /// The mean of each feature map.
        GlobalAveragePooling = "GlobalAveragePooling",
        /// The largest value of each feature map.
        GlobalMaxPooling = "GlobalMaxPooling",
        /// Values set to zero in training.
        Dropout = "Dropout",
        /// Feature maps laid out in one row.
        Flatten = "Flatten",
        /// A fully connected layer.
        Dense = "Dense",
    }
}

impl LayerKind {
    const fn is_spatial(self) -> bool {
        !matches!(self, Self::BatchNormalization | Self::Add | Self::Dropout | Self::Flatten | Self::Dense)
    }
}

/// The shape of one sample's output of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Feature maps.
    Maps(InputShape),
    /// A row of this many values.
    Row(usize),
}

impl Shape {
    /// Number of values.
    pub fn elements(&self) -> usize {
        match self {
            Self::Maps(shape) => shape.elements(),
            Self::Row(values) => *values,
        }
    }

    /// `[batch, …]` as Burn orders it.
    pub fn with_batch(&self, batch: usize) -> Vec<usize> {
        match self {
            Self::Maps(shape) => [&[batch, shape.channels], shape.dims.as_slice()].concat(),
            Self::Row(values) => vec![batch, *values],
        }
    }
}

/// Channels last, as people write it.
impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Maps(shape) => shape.fmt(f),
            Self::Row(values) => values.fmt(f),
        }
    }
}

/// One layer of a plan, a row of the summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerPlan {
    /// The kind and a number counted per kind from 1, as Keras names layers: `conv2d_1`.
    pub name: String,
    /// What it is.
    pub kind: LayerKind,
    /// The kind with its dimensions: `Conv2D`.
    pub type_name: String,
    /// What it was configured with, in words: `kernel 3×3, relu`.
    pub detail: String,
    /// The shape of one sample's output.
    pub output: Shape,
    /// Parameters learned by gradient.
    pub trainable: u64,
    /// Parameters kept but not learned: the running statistics of batch normalisation.
    pub non_trainable: u64,
    /// Products of a weight and an input, summed up, for one sample's forward pass. Counted for
    /// convolutions and dense layers; what the others do is small beside them.
    pub multiply_adds: u64,
    /// Bytes of 32-bit floats (and indices) that a training step keeps of one sample until the
    /// backward pass: the outputs, and what their gradients need.
    pub activation_bytes: u64,
}

impl LayerPlan {
    /// All parameters, learned or not.
    pub fn parameters(&self) -> u64 {
        self.trainable.saturating_add(self.non_trainable)
    }
}

/// Why a network cannot be built for its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{layer}: {message}")]
pub struct Infeasible {
    /// The layer that fails, by the name it would have had.
    pub layer: String,
    /// The dimension that is too small, where that is the reason: `depth`, `height` or `width`.
    pub dimension: Option<&'static str>,
    /// What does not fit.
    pub message: String,
}

/// Every layer of a network with its shape and counts, or the reason it cannot be.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) input: InputShape,
    pub(crate) classes: usize,
    pub(crate) blocks: Vec<BlockPlan>,
    pub(crate) head: Head,
    pub(crate) dense: Vec<DensePlan>,
    layers: Vec<LayerPlan>,
    infeasible: Option<Infeasible>,
}

/// A convolution with what follows it, every extent resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BlockPlan {
    pub kind: ConvKind,
    pub channels: usize,
    pub filters: usize,
    pub windows: Vec<Window>,
    pub output: Vec<usize>,
    pub batch_norm: bool,
    pub activation: Activation,
    pub residual: bool,
    pub pool: Option<PoolPlan>,
    pub dropout: f64,
}

impl BlockPlan {
    /// Whether the pool may come before the activation: an activation that keeps the order of values lets the
    /// pool pick the same ones, and has fewer to work on.
    pub(crate) fn pools_first(&self) -> bool {
        let picks = self.pool.as_ref().is_some_and(|pool| pool.kind.picks());
        picks && self.activation.keeps_order() && !self.residual
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PoolPlan {
    pub kind: PoolKind,
    pub windows: Vec<Window>,
    /// Extents after the pool.
    pub output: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DensePlan {
    pub inputs: usize,
    pub units: usize,
    pub activation: Activation,
    pub dropout: f64,
}

impl Plan {
    /// Plans `config` for samples of shape `input` and `classes` classes.
    pub fn new(config: &CnnConfig, input: &InputShape, classes: usize) -> Self {
        build::plan(config, input, classes)
    }

    /// The reason the network cannot be built, if there is one. The layers are then those before
    /// the one that fails.
    pub fn infeasible(&self) -> Option<&Infeasible> {
        self.infeasible.as_ref()
    }

    /// The layers in order, from the first convolution to the output.
    pub fn layers(&self) -> &[LayerPlan] {
        &self.layers
    }

    /// The shape of one sample.
    pub fn input(&self) -> &InputShape {
        &self.input
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All parameters, learned or not.
    pub fn parameters(&self) -> u64 {
        self.total(LayerPlan::parameters)
    }

    /// Parameters learned by gradient.
    pub fn trainable(&self) -> u64 {
        self.total(|layer| layer.trainable)
    }

    /// Parameters kept but not learned.
    pub fn non_trainable(&self) -> u64 {
        self.total(|layer| layer.non_trainable)
    }

    /// Multiplications with an addition for one sample's forward pass.
    pub fn multiply_adds(&self) -> u64 {
        self.total(|layer| layer.multiply_adds)
    }

    /// Bytes of the parameters as 32-bit floats.
    pub fn model_bytes(&self) -> u64 {
        self.parameters().saturating_mul(4)
    }

    /// An estimate of the bytes one training step holds at its fullest: the parameters, their
    /// gradients and two values of optimizer state each (Adam; the other optimizers keep less),
    /// the input and all activations kept for the backward pass, and the gradients of the largest
    /// activation on both sides of a layer. Workspace of the tensor library is not in it.
    pub fn memory_bytes(&self, batch_size: usize) -> u64 {
        let input = 4 * self.input.elements() as u64;
        let largest = self.layers.iter().map(|layer| 4 * layer.output.elements() as u64).max();
        let per_sample = self
            .total(|layer| layer.activation_bytes)
            .saturating_add(input)
            .saturating_add(largest.unwrap_or(0).saturating_mul(2));
        self.model_bytes().saturating_mul(4).saturating_add(per_sample.saturating_mul(batch_size as u64))
    }

    fn total(&self, of: impl Fn(&LayerPlan) -> u64) -> u64 {
        self.layers.iter().fold(0, |sum, layer| sum.saturating_add(of(layer)))
    }
}
