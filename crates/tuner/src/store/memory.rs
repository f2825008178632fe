//! Trials in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Loaded, Store, StoreError};
use crate::trial::{Trial, TrialId};

/// Trials in memory, for tests, simulations and searches that nobody resumes. Clones share what they keep.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    trials: Arc<Mutex<BTreeMap<TrialId, Trial>>>,
}

impl MemoryStore {
    /// A store that keeps nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Loaded {
            trials: trials.values().cloned().collect(),
            damaged: Vec::new(),
            last: trials.last_key_value().map(|(id, _)| *id),
        })
    }

    fn save(&mut self, trial: &Trial) -> Result<(), StoreError> {
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        trials.insert(trial.id, trial.clone());
        Ok(())
    }
}
