//! What can go wrong with a study.

use crate::space::SpaceError;
use crate::store::StoreError;
use crate::strategy::StrategyError;
use crate::trial::TrialId;

/// What went wrong with a study. A trial that fails is not among it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// Trials could not be kept or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The strategy has no answer.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// A configuration is none of the space.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// A setting is out of its range.
    #[error("`{setting}` must be {expected}, found {found}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What was given.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A trial in the store is not of this study's space.
    #[error("trial {trial} is of another search space: {source}. Give this study a name of its own")]
    Foreign {
        /// Which one.
        trial: TrialId,
        /// What does not fit.
        source: SpaceError,
    },
    /// Something was reported of a trial that nobody was given.
    #[error("execution {execution} of trial {trial} is not under way: it was not given out, or has ended")]
    NotUnderWay {
        /// The trial.
        trial: TrialId,
        /// The execution, from 0.
        execution: usize,
    },
    /// An epoch was left out.
    #[error("trial {trial} reported epoch {found}, and epoch {expected} has not been reported: report each, from 1")]
    EpochGap {
        /// The trial.
        trial: TrialId,
        /// The next epoch.
        expected: u32,
        /// The one reported.
        found: u32,
    },
    /// The strategy broke its contract.
    #[error("strategy `{strategy}` {fault}: this is a bug of the strategy")]
    BadProposal {
        /// Which one.
        strategy: &'static str,
        /// What it did.
        fault: String,
    },
}
