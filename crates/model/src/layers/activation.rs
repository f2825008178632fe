use burn::tensor::{Tensor, activation};

use crate::cnn::Activation;

/// Applies `function` to every value.
pub fn activate<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Relu => activation::relu(x),
        Activation::Tanh => activation::tanh(x),
        Activation::Gelu => activation::gelu(x),
        Activation::LeakyRelu => activation::leaky_relu(x, 0.01),
        Activation::Silu => activation::silu(x),
        // Burn's exponential has no bound: where it overflows, the gradient is 0 · ∞.
        Activation::Elu => activation::relu(x.clone()) + x.clamp_max(0.0).exp() - 1.0,
        Activation::None => x,
    }
}
