//! The operations as an extension of Burn's backends, and the functions that choose between them and Burn's own.

mod backward;

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchTensor, DispatchTensorKind, Flex, TensorMetadata, backend_extension};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{DType, Tensor, activation, module};

use crate::activation::Activation;
use crate::convolution::{Geometry, forward};
use crate::flex::{in_order, tensor, values};
use crate::pool::Window;

/// The operations on the backends that have them.
#[backend_extension(Flex, Autodiff)]
pub trait Kernels: Backend {
    /// A convolution of `[images, channels, …]` to `[images, filters, …]`.
    fn convolve(input: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self>;

    /// A convolution with a bias `[filters]`.
    fn convolve_biased(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self>;

    /// A function of each value.
    fn activate(input: FloatTensor<Self>, function: Activation) -> FloatTensor<Self>;

    /// The largest value of each window.
    fn pool_max(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self>;

    /// The mean of each window.
    fn pool_mean(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self>;
}

impl Kernels for Flex {
    fn convolve(input: FlexTensor, weight: FlexTensor, geometry: Geometry) -> FlexTensor {
        let (input, weight) = (in_order(input), in_order(weight));
        let output = forward(values(&input), values(&weight), None, &geometry);
        tensor(output, geometry.output_shape(input.rank()))
    }

    fn convolve_biased(input: FlexTensor, weight: FlexTensor, bias: FlexTensor, geometry: Geometry) -> FlexTensor {
        let (input, weight, bias) = (in_order(input), in_order(weight), in_order(bias));
        let output = forward(values(&input), values(&weight), Some(values(&bias)), &geometry);
        tensor(output, geometry.output_shape(input.rank()))
    }

    fn activate(input: FlexTensor, function: Activation) -> FlexTensor {
        function.forward(input)
    }

    fn pool_max(input: FlexTensor, window: Window) -> FlexTensor {
        let input = in_order(input);
        tensor(window.maxima(values(&input)).values, pooled_shape(&input, window))
    }

    fn pool_mean(input: FlexTensor, window: Window) -> FlexTensor {
        let input = in_order(input);
        tensor(window.means(values(&input)), pooled_shape(&input, window))
    }
}

fn pooled_shape(input: &FlexTensor, window: Window) -> [usize; 4] {
    let shape = input.shape();
    let [height, width] = window.output();
    [shape[0], shape[1], height, width]
}

/// Convolves `[images, channels, width]` with `[filters, channels, width]`, as [`module::conv1d`].
pub fn conv1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    options: impl Into<ConvOptions<1>>,
) -> Tensor<3> {
    let options = options.into();
    convolve(x, weight, bias, &options, |x, weight, bias| module::conv1d(x, weight, bias, options.clone()))
}

/// Convolves `[images, channels, height, width]` with `[filters, channels, height, width]`, as
/// [`module::conv2d`].
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: impl Into<ConvOptions<2>>,
) -> Tensor<4> {
    let options = options.into();
    convolve(x, weight, bias, &options, |x, weight, bias| module::conv2d(x, weight, bias, options.clone()))
}

/// Convolves `[images, channels, depth, height, width]` with `[filters, channels, depth, height, width]`,
/// as [`module::conv3d`].
pub fn conv3d(
    x: Tensor<5>,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
    options: impl Into<ConvOptions<3>>,
) -> Tensor<5> {
    let options = options.into();
    convolve(x, weight, bias, &options, |x, weight, bias| module::conv3d(x, weight, bias, options.clone()))
}

fn convolve<const D: usize, const N: usize>(
    x: Tensor<D>,
    weight: Tensor<D>,
    bias: Option<Tensor<1>>,
    options: &ConvOptions<N>,
    otherwise: impl FnOnce(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>,
) -> Tensor<D> {
    let geometry = Geometry::new(&x.dims(), &weight.dims(), options);
    match geometry {
        Some(geometry) if has_kernels(&x) && has_kernels(&weight) => {
            let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
            Tensor::from_dispatch(match bias.map(Tensor::into_dispatch) {
                Some(bias) => Dispatch::convolve_biased(x, weight, bias, geometry),
                None => Dispatch::convolve(x, weight, geometry),
            })
        }
        _ => otherwise(x, weight, bias),
    }
}

/// The larger of zero and each value, as [`activation::relu`].
pub fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(x, Activation::Relu, activation::relu)
}

/// Each value, times `slope` where it is negative, as [`activation::leaky_relu`].
pub fn leaky_relu<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    let otherwise = |x| activation::leaky_relu(x, slope);
    if slope < 0.0 {
        // The sign of the output then no longer tells that of the input.
        return otherwise(x);
    }
    activate(x, Activation::LeakyRelu(slope as f32), otherwise)
}

/// The hyperbolic tangent of each value, as [`activation::tanh`].
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(x, Activation::Tanh, activation::tanh)
}

/// `1 / (1 + e⁻ˣ)` of each value, as [`activation::sigmoid`].
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(x, Activation::Sigmoid, activation::sigmoid)
}

/// Each value, or `eˣ - 1` where it is negative.
pub fn elu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    // An exponential of large values would make 0 · ∞ of the gradient that is masked out.
    activate(x, Activation::Elu, |x| activation::relu(x.clone()) + x.clamp_max(0.0).exp() - 1.0)
}

/// Each value times its sigmoid, as [`activation::silu`].
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(x, Activation::Silu, activation::silu)
}

/// Each value times the probability that a standard normal one is less, as [`activation::gelu`].
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(x, Activation::Gelu, activation::gelu)
}

fn activate<const D: usize>(
    x: Tensor<D>,
    function: Activation,
    otherwise: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    if has_kernels(&x) { Tensor::from_dispatch(Dispatch::activate(x.into_dispatch(), function)) } else { otherwise(x) }
}

/// The largest value of each window of `[images, channels, height, width]`, as [`module::max_pool2d`].
pub fn max_pool2d(x: Tensor<4>, options: MaxPoolOptions<2>) -> Tensor<4> {
    let window =
        Window { input: plane(&x), size: options.kernel_size, stride: options.stride, dilation: options.dilation };
    let plain = options.padding == [(0, 0); 2] && !options.ceil_mode && window.is_small();
    if plain && has_kernels(&x) {
        Tensor::from_dispatch(Dispatch::pool_max(x.into_dispatch(), window))
    } else {
        module::max_pool2d(x, options)
    }
}

/// The mean of each window of `[images, channels, height, width]`, as [`module::avg_pool2d`].
pub fn avg_pool2d(x: Tensor<4>, options: AvgPoolOptions<2>) -> Tensor<4> {
    let window = Window { input: plane(&x), size: options.kernel_size, stride: options.stride, dilation: [1; 2] };
    let plain = options.padding == [(0, 0); 2] && !options.ceil_mode && window.is_small();
    if plain && has_kernels(&x) {
        Tensor::from_dispatch(Dispatch::pool_mean(x.into_dispatch(), window))
    } else {
        module::avg_pool2d(x, options)
    }
}

fn plane(x: &Tensor<4>) -> [usize; 2] {
    let [.., height, width] = x.dims();
    [height, width]
}

/// Whether the tensor holds values, in single precision, where the kernels can reach them.
pub(crate) fn has_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    fn on_flex(kind: &DispatchTensorKind) -> bool {
        match kind {
            DispatchTensorKind::Flex(_) => true,
            DispatchTensorKind::Autodiff(inner) => on_flex(inner),
            #[allow(unreachable_patterns, reason = "other backends are features of Burn")]
            _ => false,
        }
    }
    let tensor: DispatchTensor = x.clone().into_dispatch();
    tensor.kind.dtype() == DType::F32 && x.shape().num_elements() > 0 && on_flex(&tensor.kind)
}
