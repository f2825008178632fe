//! Training and evaluation.

mod config;

pub use config::{ClassWeights, OptimizerKind, Schedule, ScheduleKind, TrainConfig};
