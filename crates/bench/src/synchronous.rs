//! Hyperband as it is often written: nobody begins a bracket before the one before it is over. To compare with.

use tuner::TrialState;
use tuner::strategy::{Hyperband, Proposal, Settings, Strategy, StrategyError, StudyView};

pub const NAME: &str = "hyperband-synchronous";

/// Waits at the end of every rung and bracket.
pub struct Synchronous(Hyperband);

impl Synchronous {
    pub fn new(settings: &Settings) -> Self {
        Self(Hyperband::new(settings))
    }
}

impl Strategy for Synchronous {
    fn name(&self) -> &'static str {
        NAME
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let proposal = self.0.propose(study)?;
        if !matches!(proposal, Proposal::Start { .. }) {
            return Ok(proposal);
        }
        let next = tuner::Trial::new(study.next_trial(), tuner::Params::default(), 1);
        let bracket = |trial| self.0.stage(study.epochs, trial).and_then(|stage| stage.bracket);
        let mut under_way = study.history.under_way();
        let is_next_bracket =
            under_way.any(|trial| trial.state != TrialState::Paused && bracket(trial) != bracket(&next));
        Ok(if is_next_bracket { Proposal::Wait } else { proposal })
    }
}
