use super::CheckpointError;
use super::metrics::METRICS;
use crate::cnn::Infeasible;
use crate::filters::KernelError;

/// Why a training or an evaluation ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The network does not suit the data.
    #[error(transparent)]
    Infeasible(#[from] Infeasible),
    /// A loss was infinite or no number: the training has diverged.
    #[error("the {what} is not finite in epoch {epoch}{place}; a smaller learning rate or gradient clipping may help", place = batch.map(|batch| format!(", batch {batch}")).unwrap_or_default())]
    NonFinite {
        /// The epoch, from 1.
        epoch: u32,
        /// The batch, from 1; `None` for the validation.
        batch: Option<usize>,
        /// What is not finite.
        what: &'static str,
    },
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is no checkpoint to evaluate.
    #[error("there is no checkpoint of a best epoch in `{0}`")]
    NoCheckpoint(String),
    /// The fixed filter could not be had.
    #[error(transparent)]
    Filter(#[from] KernelError),
    /// The data cannot be trained or evaluated on.
    #[error("{0}")]
    Data(String),
    /// A metric to watch does not exist.
    #[error("there is no metric `{metric}`; expected one of {known}", known = METRICS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))]
    Metric {
        /// What was asked for.
        metric: String,
    },
    /// The tensor library would restore the optimizer elsewhere.
    #[error(
        "a checkpoint is continued on Burn's default device, {default}, but the training runs on {device}; set the environment variable BURN_DEVICE to the backend in use"
    )]
    DefaultDevice {
        /// Burn's default.
        default: String,
        /// Where the training runs.
        device: String,
    },
}
