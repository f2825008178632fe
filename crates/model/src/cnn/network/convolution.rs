use burn::module::{Initializer, Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig, Conv3d, Conv3dConfig};
use burn::nn::{PaddingConfig2d, PaddingConfig3d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use crate::cnn::ConvKind;
use crate::cnn::plan::{BlockPlan, PoolPlan, Window};
use crate::layers::pool::{pool_2d, pool_3d};
use crate::layers::{LocallyConnected2d, LocallyConnected2dConfig};

const GLOROT: Initializer = Initializer::XavierUniform { gain: 1.0 };

/// What a block needs of its number of dimensions. `D` counts batch and channels too.
pub(super) trait Spatial<const D: usize>: Module {
    /// `[batch, channels, …]` to `[batch, filters, …]`.
    fn forward(&self, x: Tensor<D>) -> Tensor<D>;

    fn pool(plan: &PoolPlan, x: Tensor<D>) -> Tensor<D>;
}

#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has a handful of them")]
pub(super) enum Convolution2d {
    Standard(Conv2d),
    Separable(Separable2d),
    LocallyConnected(LocallyConnected2d),
}

/// A kernel for each input channel, then a 1×1 convolution across them. As in Keras the bias is
/// added once, at the end.
#[derive(Module, Debug)]
pub(super) struct Separable2d {
    depthwise: Conv2d,
    pointwise: Conv2d,
}

impl Convolution2d {
    pub(super) fn new(plan: &BlockPlan, input: &[usize], device: &Device) -> Self {
        match plan.kind {
            ConvKind::Standard => Self::Standard(conv_2d(&kernel_2d(plan, plan.filters), device)),
            ConvKind::Separable => Self::Separable(Separable2d {
                depthwise: kernel_2d(plan, plan.channels).with_groups(plan.channels).with_bias(false).init(device),
                pointwise: conv_2d(&Conv2dConfig::new([plan.channels, plan.filters], [1, 1]), device),
            }),
            ConvKind::LocallyConnected => {
                let config = LocallyConnected2dConfig {
                    channels: plan.channels,
                    filters: plan.filters,
                    input: std::array::from_fn(|d| input[d]),
                    kernel: each(&plan.windows, |window| window.extent),
                    stride: each(&plan.windows, |window| window.stride),
                    dilation: each(&plan.windows, |window| window.dilation),
                    padding: each(&plan.windows, |window| window.padding),
                };
                Self::LocallyConnected(config.init(device))
            }
        }
    }
}

impl Spatial<4> for Convolution2d {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Standard(conv) => convolve_2d(conv, x),
            Self::Separable(conv) => convolve_2d(&conv.pointwise, convolve_2d(&conv.depthwise, x)),
            Self::LocallyConnected(layer) => layer.forward(x),
        }
    }

    fn pool(plan: &PoolPlan, x: Tensor<4>) -> Tensor<4> {
        let (size, stride) = size_and_stride(plan);
        pool_2d(plan.kind, x, size, stride)
    }
}

/// A convolution over volumes. Burn pads them alike at both ends, so uneven padding is added first.
#[derive(Module, Debug)]
pub(super) struct Convolution3d {
    conv: Conv3d,
    #[module(skip)]
    uneven: Option<[(usize, usize); 3]>,
}

impl Convolution3d {
    pub(super) fn new(plan: &BlockPlan, _input: &[usize], device: &Device) -> Self {
        let padding: [(usize, usize); 3] = each(&plan.windows, |window| window.padding);
        let uneven = padding.iter().any(|(before, after)| before != after).then_some(padding);
        let [depth, height, width] = if uneven.is_some() { [0; 3] } else { padding.map(|(before, _)| before) };
        let mut conv = Conv3dConfig::new([plan.channels, plan.filters], each(&plan.windows, |window| window.extent))
            .with_stride(each(&plan.windows, |window| window.stride))
            .with_dilation(each(&plan.windows, |window| window.dilation))
            .with_padding(PaddingConfig3d::Explicit(depth, height, width))
            .with_initializer(GLOROT)
            .init(device);
        conv.bias = Some(Initializer::Zeros.init([plan.filters], device));
        Self { conv, uneven }
    }
}

impl Spatial<5> for Convolution3d {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let x = match self.uneven {
            Some(padding) => x.pad(padding, 0.0),
            None => x,
        };
        convolve_3d(&self.conv, x)
    }

    fn pool(plan: &PoolPlan, x: Tensor<5>) -> Tensor<5> {
        let (size, stride) = size_and_stride(plan);
        pool_3d(plan.kind, x, size, stride)
    }
}

fn kernel_2d(plan: &BlockPlan, filters: usize) -> Conv2dConfig {
    let [(top, bottom), (left, right)] = each(&plan.windows, |window| window.padding);
    Conv2dConfig::new([plan.channels, filters], each(&plan.windows, |window| window.extent))
        .with_stride(each(&plan.windows, |window| window.stride))
        .with_dilation(each(&plan.windows, |window| window.dilation))
        .with_padding(PaddingConfig2d::Explicit(top, left, bottom, right))
        .with_initializer(GLOROT)
}

fn conv_2d(config: &Conv2dConfig, device: &Device) -> Conv2d {
    let mut conv = config.clone().with_initializer(GLOROT).init(device);
    conv.bias = Some(Initializer::Zeros.init([config.channels[1]], device));
    conv
}

/// Below so many multiply-adds, handing the work out costs the kernels more than they save.
const WORTH_KERNELS: usize = 1 << 18;

/// What `conv.forward(x)` gives, from the faster kernels where the device has them and there is enough to do.
fn convolve_2d(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let work = x.shape().num_elements() * conv.weight.shape().num_elements() / x.dims()[1];
    if work / (conv.stride[0] * conv.stride[1]) < WORTH_KERNELS {
        return conv.forward(x);
    }
    let padding = match conv.padding {
        PaddingConfig2d::Valid => [(0, 0); 2],
        PaddingConfig2d::Explicit(top, left, bottom, right) => [(top, bottom), (left, right)],
        PaddingConfig2d::Same => return conv.forward(x),
    };
    let options = ConvOptions::new_with_padding(conv.stride, padding, conv.dilation, conv.groups);
    kernels::conv2d(x, conv.weight.val(), conv.bias.as_ref().map(Param::val), options)
}

/// What `conv.forward(x)` gives, from the faster kernels where the device has them.
fn convolve_3d(conv: &Conv3d, x: Tensor<5>) -> Tensor<5> {
    let padding = match conv.padding {
        PaddingConfig3d::Valid => [0; 3],
        PaddingConfig3d::Explicit(depth, height, width) => [depth, height, width],
        PaddingConfig3d::Same => return conv.forward(x),
    };
    let options = ConvOptions::new(conv.stride, padding, conv.dilation, conv.groups);
    kernels::conv3d(x, conv.weight.val(), conv.bias.as_ref().map(Param::val), options)
}

fn size_and_stride<const R: usize>(plan: &PoolPlan) -> ([usize; R], [usize; R]) {
    if plan.kind.is_adaptive() {
        (std::array::from_fn(|d| plan.output[d]), [1; R])
    } else {
        (each(&plan.windows, |window| window.extent), each(&plan.windows, |window| window.stride))
    }
}

/// A property of the window in each of the `R` dimensions that a plan of that rank has.
fn each<const R: usize, T>(windows: &[Window], property: impl Fn(&Window) -> T) -> [T; R] {
    std::array::from_fn(|d| property(&windows[d]))
}
