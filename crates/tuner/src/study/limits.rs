//! When a study has done enough.

use super::{StopReason, Study};
use crate::trial::Trial;

impl Study {
    /// The limit that is reached, if one is: no new work is given out then.
    pub fn limit(&self) -> Option<StopReason> {
        let is_reached = |target: f64, score: f64| !self.objective.is_better(target, score);
        let best = self.best().and_then(|trial| trial.score);
        if self.settings.target.zip(best).is_some_and(|(target, score)| is_reached(target, score)) {
            return Some(StopReason::Target);
        }
        if self.consecutive_failures >= self.settings.max_consecutive_failures {
            return Some(StopReason::ConsecutiveFailures { count: self.consecutive_failures });
        }
        if self.settings.max_epochs_total.is_some_and(|most| self.history.epochs_trained() >= most) {
            return Some(StopReason::EpochsTotal);
        }
        if let Some(trials) = self.settings.plateau.filter(|trials| self.is_at_plateau(*trials)) {
            return Some(StopReason::Plateau { trials });
        }
        self.settings.max_time.is_some_and(|max| self.opened.elapsed() >= max).then_some(StopReason::MaxTime)
    }

    /// Whether so many trials have ended since the best one began, none of them better.
    fn is_at_plateau(&self, trials: u64) -> bool {
        let since = |best| self.history.iter().rev().take_while(move |trial| trial.id > best);
        let ended = |trial: &&Trial| trial.was_started() && trial.state.is_final();
        self.best.is_some_and(|best| since(best).filter(ended).take(trials as usize).count() as u64 == trials)
    }
}
