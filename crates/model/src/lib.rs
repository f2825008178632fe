//! Networks and training.
