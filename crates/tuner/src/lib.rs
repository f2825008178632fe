//! A hyperparameter search engine.
//!
//! A [`Space`] declares hyperparameters, with conditions between them. A [`Strategy`](strategy::Strategy) proposes
//! configurations of it, given everything known so far. A `Study` joins the two with an
//! [`Objective`] and a `Store`, so that no finished epoch is ever lost.

pub mod clock;
pub mod history;
pub mod objective;
pub mod seeds;
pub mod space;
pub mod strategy;
pub mod trial;

pub use history::History;
pub use objective::{Direction, Objective};
pub use space::{
    Condition, Domain, Hyperparameter, Params, Sampling, Size, Space, SpaceError, Value,
};
pub use trial::{
    Epoch, Execution, Failure, FailureReason, Infeasible, InfeasibleReason, Trial, TrialId,
    TrialState,
};
