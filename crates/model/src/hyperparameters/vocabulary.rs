use std::ops::Bound::{Excluded, Included, Unbounded};

use super::{Group, HyperparameterDoc, Kind};
use crate::cnn::{Activation, ConvKind, Head, Padding, Size};
use crate::preprocess::Normalize;
use crate::train::{ClassWeights, OptimizerKind, ScheduleKind};

/// Every hyperparameter of the model, group after group.
pub fn vocabulary() -> &'static [HyperparameterDoc] {
    VOCABULARY
}

const POOLS: &[&str] = &["none", "max", "average", "min", "adaptive_average", "adaptive_max"];
const LAYERS: Kind = Kind::Int { min: 0, max: 64 };
const PIXELS: Kind = Kind::Int { min: 0, max: Size::MAX as i64 };
const SHARE: Kind = Kind::Float { min: Included(0.0), max: Excluded(1.0) };
const POSITIVE: Kind = Kind::Float { min: Excluded(0.0), max: Unbounded };
const NOT_NEGATIVE: Kind = Kind::Float { min: Included(0.0), max: Unbounded };

const fn entry(
    group: Group,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> HyperparameterDoc {
    HyperparameterDoc { name, group, kind, default, doc }
}

const VOCABULARY: &[HyperparameterDoc] = {
    use Group::{Convolution, Head as HeadGroup, Preprocessing, Training};
    &[
        entry(Convolution, "conv_layers", LAYERS, "2", "number of convolutions"),
        entry(
            Convolution,
            "layer{i}",
            Kind::Text(ConvKind::NAMES),
            "\"conv\"",
            "how weights are shared: one kernel for all positions, one a channel then 1×1, or one a position",
        ),
        entry(Convolution, "filters{i}", Kind::Int { min: 1, max: 65_536 }, "32", "output channels"),
        entry(Convolution, "kernel_size{i}", Kind::Size, "3", "extent of the kernel"),
        entry(Convolution, "stride{i}", Kind::Size, "1", "steps between positions"),
        entry(Convolution, "dilation{i}", Kind::Size, "1", "steps between the inputs of a kernel"),
        entry(
            Convolution,
            "padding{i}",
            Kind::Text(Padding::NAMES),
            "\"valid\"",
            "zeros around the input: none, or enough to keep its size (divided by the stride)",
        ),
        entry(Convolution, "batch_norm{i}", Kind::Bool, "false", "normalise over the batch, before the activation"),
        entry(Convolution, "activation{i}", Kind::Text(Activation::NAMES), "\"relu\"", "function of each output"),
        entry(Convolution, "pool{i}", Kind::Text(POOLS), "\"none\"", "pool after the activation"),
        entry(
            Convolution,
            "pool_size{i}",
            Kind::Size,
            "2",
            "extent of the pool's window; of its output for an adaptive pool",
        ),
        entry(Convolution, "pool_stride{i}", Kind::Size, "the pool's size", "steps between the pool's windows"),
        entry(
            Convolution,
            "dropout{i}",
            Kind::Bool,
            "true where a rate is given, else false",
            "drop values after the pool, in training",
        ),
        entry(Convolution, "dropout_rate{i}", SHARE, "0.2", "share of the values dropped"),
        entry(
            Convolution,
            "final_pool",
            Kind::Text(POOLS),
            "that of its layer",
            "pool after the last convolution, in place of its own",
        ),
        entry(Convolution, "final_pool_size", Kind::Size, "2", "extent of the final pool's window, or of its output"),
        entry(
            Convolution,
            "final_pool_stride",
            Kind::Size,
            "the pool's size",
            "steps between the final pool's windows",
        ),
        entry(
            Convolution,
            "residual",
            Kind::Bool,
            "false",
            "add a convolution's input to its activated output, before the pool, where their shapes agree",
        ),
        entry(HeadGroup, "head", Kind::Text(Head::NAMES), "\"flatten\"", "how feature maps reach the dense layers"),
        entry(
            HeadGroup,
            "dense_layers",
            LAYERS,
            "1",
            "number of hidden dense layers; the output layer comes after them",
        ),
        entry(HeadGroup, "units{i}", Kind::Int { min: 1, max: 1_048_576 }, "64", "outputs of a dense layer"),
        entry(HeadGroup, "dense_activation{i}", Kind::Text(Activation::NAMES), "\"relu\"", "function of each output"),
        entry(HeadGroup, "dense_dropout_rate{i}", SHARE, "0.0", "share of a dense layer's outputs dropped in training"),
        entry(
            Preprocessing,
            "filter",
            Kind::Filter(&["none", "blur", "edge", "sobel_h", "sobel_v"]),
            "\"none\"",
            "fixed filter over every sample, each channel and slice alike",
        ),
        entry(
            Preprocessing,
            "normalize",
            Kind::Text(Normalize::NAMES),
            "\"unit\"",
            "how bytes become numbers: as they are, 0 to 1, or mean 0 and deviation 1 in each channel",
        ),
        entry(
            Preprocessing,
            "horizontal_flip",
            Kind::Bool,
            "false",
            "mirror half of the training samples left to right",
        ),
        entry(
            Preprocessing,
            "random_crop",
            PIXELS,
            "0",
            "pixels of zero padding from which a window of the old size is cut at random",
        ),
        entry(
            Preprocessing,
            "rotation",
            Kind::Float { min: Included(0.0), max: Included(180.0) },
            "0.0",
            "largest random rotation in degrees, either way",
        ),
        entry(Preprocessing, "cutout", PIXELS, "0", "side of a square set to zero at a random place"),
        entry(
            Preprocessing,
            "mixup",
            NOT_NEGATIVE,
            "0.0",
            "α of the Beta distribution by which pairs of samples are mixed",
        ),
        entry(
            Training,
            "optimizer",
            Kind::Text(OptimizerKind::NAMES),
            "\"adam\"",
            "rule that turns gradients into steps",
        ),
        entry(Training, "learning_rate", POSITIVE, "0.001", "step size"),
        entry(Training, "momentum", SHARE, "0.0", "momentum of sgd and rmsprop"),
        entry(Training, "nesterov", Kind::Bool, "false", "Nesterov's form of the momentum of sgd"),
        entry(Training, "weight_decay", NOT_NEGATIVE, "0.0", "L2 penalty on all parameters; decoupled for adamw"),
        entry(Training, "batch_size", Kind::Int { min: 1, max: 65_536 }, "32", "samples a step"),
        entry(Training, "shuffle", Kind::Bool, "true", "a new random order of the samples every epoch"),
        entry(Training, "schedule", Kind::Text(ScheduleKind::NAMES), "\"constant\"", "how the learning rate moves"),
        entry(Training, "schedule_warmup", NOT_NEGATIVE, "0.0", "epochs of linear warm-up, before any schedule"),
        entry(
            Training,
            "schedule_epochs",
            Kind::Int { min: 0, max: 1_000_000 },
            "0",
            "epochs the cosine spans; 0 for those of a full training",
        ),
        entry(
            Training,
            "schedule_step",
            Kind::Int { min: 1, max: 1_000_000 },
            "10",
            "epochs between the drops of the step schedule",
        ),
        entry(
            Training,
            "schedule_factor",
            Kind::Float { min: Excluded(0.0), max: Included(1.0) },
            "0.1",
            "what a drop multiplies the learning rate by",
        ),
        entry(
            Training,
            "schedule_floor",
            Kind::Float { min: Included(0.0), max: Included(1.0) },
            "0.0",
            "where the cosine ends, as a fraction of the learning rate",
        ),
        entry(
            Training,
            "gradient_clipping",
            NOT_NEGATIVE,
            "0.0",
            "largest norm of each parameter's gradient; 0 for no limit",
        ),
        entry(Training, "label_smoothing", SHARE, "0.0", "share of the target spread evenly over the classes"),
        entry(
            Training,
            "class_weights",
            Kind::Text(ClassWeights::NAMES),
            "\"none\"",
            "weigh classes in the loss against their frequency",
        ),
    ]
};
