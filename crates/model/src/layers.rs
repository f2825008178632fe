//! Layers that Burn lacks, composed of its differentiable tensor operations.

mod activation;
mod locally_connected;
pub mod pool;

pub use activation::activate;
pub use locally_connected::{LocallyConnected2d, LocallyConnected2dConfig};
