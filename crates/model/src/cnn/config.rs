//! What a network is made of, as declared: sizes may still be wrong for the data.

use serde::{Deserialize, Serialize};

use super::Size;
use crate::named::named_enum;

named_enum! {
    /// How a convolution shares its weights.
    pub enum ConvKind {
        /// One kernel for every position, over all input channels.
        Standard = "conv",
        /// A kernel for each input channel, then a 1×1 convolution across them. 2-D data only.
        Separable = "separable_conv",
        /// A kernel of its own at every position. 2-D data only.
        LocallyConnected = "locally_connected",
    }
}

named_enum! {
    /// What surrounds the input of a convolution.
    pub enum Padding {
        /// Nothing: the output is smaller than the input by the kernel less one.
        Valid = "valid",
        /// Zeros, so that the output is the input divided by the stride, rounded up. An odd number
        /// of zeros has the extra one at the end, as in Keras.
        Same = "same",
    }
}

named_enum! {
    /// The function applied to each output of a layer.
    pub enum Activation {
        /// max(x, 0).
        Relu = "relu",
        /// The hyperbolic tangent.
        Tanh = "tanh",
        /// x Φ(x), with the exact normal distribution function (arXiv 1606.08415).
        Gelu = "gelu",
        /// x where positive, 0.01 x elsewhere.
        LeakyRelu = "leaky_relu",
        /// x σ(x), also called swish.
        Silu = "silu",
        /// x where positive, eˣ − 1 elsewhere.
        Elu = "elu",
        /// The identity.
        None = "none",
    }
}

named_enum! {
    /// How a window, or a whole feature map, becomes one number.
    pub enum PoolKind {
        /// The largest value of each window.
        Max = "max",
        /// The mean of each window.
        Average = "average",
        /// The smallest value of each window.
        Min = "min",
        /// The mean of each of a given number of parts.
        AdaptiveAverage = "adaptive_average",
        /// The largest value of each of a given number of parts.
        AdaptiveMax = "adaptive_max",
    }
}

impl Activation {
    /// Whether a larger input never gives a smaller output.
    pub const fn keeps_order(self) -> bool {
        !matches!(self, Self::Gelu | Self::Silu)
    }
}

impl PoolKind {
    /// Whether the number is one of the window's, and which one depends on their order alone.
    pub const fn picks(self) -> bool {
        matches!(self, Self::Max | Self::Min | Self::AdaptiveMax)
    }

    /// Whether the size states the output, rather than the window.
    pub const fn is_adaptive(self) -> bool {
        matches!(self, Self::AdaptiveAverage | Self::AdaptiveMax)
    }
}

named_enum! {
    /// How feature maps become the input of the dense layers.
    pub enum Head {
        /// Every value of every feature map.
        Flatten = "flatten",
        /// The mean of each feature map.
        GlobalAverage = "global_average",
        /// The largest value of each feature map.
        GlobalMax = "global_max",
    }
}

/// A convolutional network for classification: convolutions, a head, dense layers, and a softmax
/// over the classes (kept as logits; the loss applies it).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CnnConfig {
    /// The convolutions with what follows each.
    pub conv: Vec<ConvLayer>,
    /// Whether the input of each convolution is added to its activated output, before the pool,
    /// wherever the two have the same shape (arXiv 1512.03385).
    pub residual: bool,
    /// How the last feature maps reach the dense layers.
    pub head: Head,
    /// The hidden dense layers. The output layer, one unit per class, comes after them.
    pub dense: Vec<DenseLayer>,
}

/// One convolution, then in this order: batch normalisation, activation, pool, dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvLayer {
    /// How weights are shared.
    pub kind: ConvKind,
    /// Output channels.
    pub filters: usize,
    /// Extent of the kernel.
    pub kernel: Size,
    /// Steps between positions.
    pub stride: Size,
    /// Steps between the inputs of a kernel.
    pub dilation: Size,
    /// What surrounds the input.
    pub padding: Padding,
    /// Whether the output is normalised over the batch (arXiv 1502.03167).
    pub batch_norm: bool,
    /// Applied to the (normalised) output.
    pub activation: Activation,
    /// Applied to the activation.
    pub pool: Option<Pool>,
    /// Share of values set to zero in training, 0..1; 0 for none.
    pub dropout: f64,
}

/// A pool after a convolution. It has no padding: what a window does not cover is dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// How a window becomes a number.
    pub kind: PoolKind,
    /// Extent of the window; of the output for an adaptive pool.
    pub size: Size,
    /// Steps between windows. Of no meaning to an adaptive pool.
    pub stride: Size,
}

/// A hidden dense layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DenseLayer {
    /// Output values.
    pub units: usize,
    /// Applied to each.
    pub activation: Activation,
    /// Share of values set to zero in training, 0..1; 0 for none.
    pub dropout: f64,
}
