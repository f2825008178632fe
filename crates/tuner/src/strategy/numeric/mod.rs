//! The numerical tools that the model-based strategies share.
//!
//! Everything here gives the same bits on every machine: the order of operations is fixed in the source, and
//! transcendental functions come from pure Rust, not from the platform's C library. A proposal is a function of
//! history and seed, and an optimiser turns a difference in the last bit into a different configuration.

pub mod cholesky;
pub mod exp;
pub mod lbfgs;
pub mod normal;
