//! Convolutional networks: declared ([`CnnConfig`]), planned ([`Plan`]), built ([`Cnn`]).

mod config;
mod network;
mod plan;
mod size;

pub use config::{Activation, CnnConfig, ConvKind, ConvLayer, DenseLayer, Head, Padding, Pool, PoolKind};
pub use network::Cnn;
pub use plan::{Infeasible, LayerKind, LayerPlan, Plan, Shape};
pub use size::Size;
