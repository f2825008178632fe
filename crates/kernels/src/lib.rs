//! Tensor operations that let Burn train convolutional networks fast on a CPU.
//!
//! Each function here takes and gives ordinary Burn tensors, with gradients, and computes what Burn's function of the
//! same name computes. On a device of the `flex` backend, in single precision, it does so with kernels of
//! its own, hooked in as a backend extension; anywhere else it calls Burn's.
//!
//! The kernels use AVX-512, AVX2, NEON or plain arithmetic, chosen at run time, and the threads of the
//! current `rayon` pool. Their results depend on neither the number of threads nor how
//! work falls to them: they are the same bit for bit.
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor, ops::ConvOptions};
//!
//! let device = Device::flex().autodiff();
//! let images = Tensor::<4>::random([8, 3, 32, 32], Distribution::Default, &device);
//! let weight = Tensor::<4>::random([16, 3, 5, 5], Distribution::Default, &device).require_grad();
//! let options = ConvOptions::new([1, 1], [2, 2], [1, 1], 1);
//! let maps = kernels::tanh(kernels::conv2d(images, weight.clone(), None, options));
//! let gradients = maps.sum().backward();
//! assert_eq!(weight.grad(&gradients).unwrap().dims(), [16, 3, 5, 5]);
//! ```

mod activation;
mod convolution;
mod extension;
mod flex;
pub mod memory;
pub mod optimizer;
mod pool;
mod produce;
mod product;

pub use extension::{avg_pool2d, conv1d, conv2d, conv3d, elu, gelu, leaky_relu, max_pool2d, relu, sigmoid, silu, tanh};
