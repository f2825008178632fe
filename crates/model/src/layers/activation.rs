use burn::tensor::Tensor;

use crate::cnn::Activation;

/// Applies `function` to every value.
pub fn activate<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Relu => kernels::relu(x),
        Activation::Tanh => kernels::tanh(x),
        Activation::Gelu => kernels::gelu(x),
        Activation::LeakyRelu => kernels::leaky_relu(x, 0.01),
        Activation::Silu => kernels::silu(x),
        Activation::Elu => kernels::elu(x),
        Activation::None => x,
    }
}
