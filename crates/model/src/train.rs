//! Training and evaluation.
//!
//! [`fit`] trains one network and reports each epoch; what it is answered decides whether it goes
//! on. Its checkpoint lets a later call continue as if there had been no pause: every random stream
//! is derived from the seed and the epoch, so one epoch, then three, then nine give the weights
//! that nine at once give, bit for bit on a CPU with the same number of threads.
//!
//! The tensor library has one random stream for the process. Trainings that run side by side
//! in one process disturb each other's, and are not reproducible; in processes of their own they are.

mod ahead;
mod batch;
mod checkpoint;
mod config;
mod error;
mod evaluate;
mod fit;
mod metrics;
mod optimizer;
mod state;
mod step;

pub use checkpoint::CheckpointError;
pub use config::{ClassWeights, OptimizerKind, Schedule, ScheduleKind, TrainConfig};
pub use error::FitError;
pub use evaluate::{Evaluation, evaluate};
pub use fit::{Decision, EndReason, Event, FitEnd, FitOptions, Progress, TrainingData, fit};
pub use metrics::{EarlyStopping, METRICS, Monitor};
pub use state::EpochReport;
