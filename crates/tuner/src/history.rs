//! Everything known in a study.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::objective::Objective;
use crate::space::Params;
use crate::trial::{Trial, TrialId, TrialState};

/// All trials of a study, by ascending number, with the questions that strategies ask.
///
/// Its memory is linear in the trials. Whether a configuration is known takes the same time however many there are.
#[derive(Debug, Clone, Default)]
pub struct History {
    trials: Vec<Trial>,
    /// How many trials there are of each configuration.
    known: HashMap<String, u32>,
    pending: BTreeSet<TrialId>,
    started: u64,
    epochs: u64,
    last: u64,
    /// The revision that gave each trial its present form, in the order of `trials`; and the same by revision.
    revisions: Vec<u64>,
    changes: BTreeMap<u64, TrialId>,
    revision: u64,
}

impl History {
    /// A history without trials.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a trial, or replaces the one of its number.
    pub fn push(&mut self, trial: Trial) {
        self.last = self.last.max(trial.id.0);
        let at = match self.position(trial.id) {
            Ok(at) => {
                self.forget(at);
                self.trials[at] = trial;
                at
            }
            Err(at) => {
                self.trials.insert(at, trial);
                self.revisions.insert(at, 0);
                at
            }
        };
        self.note(at);
    }

    /// Changes a trial in place; false when there is no such trial.
    pub fn update(&mut self, id: TrialId, change: impl FnOnce(&mut Trial)) -> bool {
        let Ok(at) = self.position(id) else {
            return false;
        };
        self.forget(at);
        change(&mut self.trials[at]);
        self.note(at);
        true
    }

    fn note(&mut self, at: usize) {
        let trial = &self.trials[at];
        *self.known.entry(trial.params.key()).or_default() += 1;
        if !trial.state.is_final() {
            self.pending.insert(trial.id);
        }
        self.started += u64::from(trial.was_started());
        self.epochs += trial.epochs_trained();
        self.revision += 1;
        self.changes.insert(self.revision, trial.id);
        self.revisions[at] = self.revision;
    }

    fn forget(&mut self, at: usize) {
        let trial = &self.trials[at];
        let key = trial.params.key();
        if let Some(count) = self.known.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.known.remove(&key);
            }
        }
        self.pending.remove(&trial.id);
        self.started -= u64::from(trial.was_started());
        self.epochs -= trial.epochs_trained();
        self.changes.remove(&self.revisions[at]);
    }

    fn position(&self, id: TrialId) -> Result<usize, usize> {
        // Without gaps the trial is where its number says.
        match id.0.checked_sub(1).map(|at| at as usize) {
            Some(at) if self.trials.get(at).is_some_and(|trial| trial.id == id) => Ok(at),
            _ => self.trials.binary_search_by_key(&id, |trial| trial.id),
        }
    }

    /// The trial of a number.
    pub fn get(&self, id: TrialId) -> Option<&Trial> {
        self.position(id).ok().map(|at| &self.trials[at])
    }

    /// All trials, by ascending number.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Trial> + ExactSizeIterator {
        self.trials.iter()
    }

    /// How many trials there are.
    pub fn len(&self) -> usize {
        self.trials.len()
    }

    /// Whether there is no trial.
    pub fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// How many trials began training: those that count against a study's limit.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// How many epochs all trials have trained together.
    pub fn epochs_trained(&self) -> u64 {
        self.epochs
    }

    /// The number of the next trial. Numbers of trials that were lost are not used again.
    pub fn next_id(&self) -> TrialId {
        TrialId(self.last + 1)
    }

    /// Leaves out every number up to this one.
    pub fn reserve_through(&mut self, id: TrialId) {
        self.last = self.last.max(id.0);
    }

    /// A number that grows with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The trials that were added or changed after a revision, the latest change last: for indices that are kept up to
    /// date at the cost of what has changed. After revision 0 it is every trial.
    pub fn changed_since(&self, revision: u64) -> impl Iterator<Item = &Trial> {
        let after = (std::ops::Bound::Excluded(revision), std::ops::Bound::Unbounded);
        self.changes.range(after).filter_map(|(_, id)| self.get(*id))
    }

    /// Trials of which nothing more will come.
    pub fn finished(&self) -> impl DoubleEndedIterator<Item = &Trial> {
        self.iter().filter(|trial| trial.state.is_final())
    }

    /// Trials whose outcome is not known yet: waiting, running or paused.
    pub fn pending(&self) -> impl DoubleEndedIterator<Item = &Trial> {
        self.pending.iter().filter_map(|id| self.get(*id))
    }

    /// Trials that somebody is at, or will be without being asked: waiting or running.
    pub fn under_way(&self) -> impl DoubleEndedIterator<Item = &Trial> {
        self.pending().filter(|trial| trial.state != TrialState::Paused)
    }

    /// How many trials are pending.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// Completed trials with their scores.
    pub fn scored(&self) -> impl DoubleEndedIterator<Item = (&Trial, f64)> {
        let completed = self.iter().filter(|trial| trial.state == TrialState::Completed);
        completed.filter_map(|trial| Some((trial, trial.score.filter(|score| score.is_finite())?)))
    }

    /// Trials that came as far as `budget` epochs, with their scores at that point, whatever became of them later.
    pub fn at_budget<'h>(&'h self, objective: &'h Objective, budget: u32) -> impl Iterator<Item = (&'h Trial, f64)> {
        self.iter().filter_map(move |trial| Some((trial, trial.score_at(objective, budget)?)))
    }

    /// The best completed trial, the first of equals. Trials that failed, were pruned or are still under way have seen
    /// less training, and are never ranked against it.
    pub fn best(&self, objective: &Objective) -> Option<&Trial> {
        self.scored()
            .reduce(|best, next| if objective.is_better(next.1, best.1) { next } else { best })
            .map(|(trial, _)| trial)
    }

    /// Whether there is a trial of this configuration, in whatever state.
    pub fn contains(&self, params: &Params) -> bool {
        self.known.contains_key(&params.key())
    }

    /// How many different configurations there are trials of.
    pub fn configurations(&self) -> u64 {
        self.known.len() as u64
    }
}

impl FromIterator<Trial> for History {
    fn from_iter<I: IntoIterator<Item = Trial>>(trials: I) -> Self {
        let mut history = Self::new();
        trials.into_iter().for_each(|trial| history.push(trial));
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Execution;

    fn trial(id: u64, units: i64) -> Trial {
        Trial::new(TrialId(id), Params::from_iter([("units", units)]), 1)
    }

    #[test]
    fn knows_what_is_pending_started_and_tried() {
        let mut history = History::from_iter([trial(2, 20), trial(1, 10), trial(5, 20)]);
        assert_eq!(history.iter().map(|trial| trial.id.0).collect::<Vec<_>>(), [1, 2, 5]);
        assert_eq!((history.pending_count(), history.started(), history.configurations()), (3, 0, 2));
        assert_eq!(history.next_id(), TrialId(6));

        assert!(history.update(TrialId(2), |trial| {
            trial.executions.push(Execution::new(1));
            trial.state = TrialState::Completed;
        }));
        assert!(!history.update(TrialId(3), |_| {}));
        assert_eq!(history.pending().map(|trial| trial.id.0).collect::<Vec<_>>(), [1, 5]);
        assert_eq!(history.finished().map(|trial| trial.id.0).collect::<Vec<_>>(), [2]);
        assert_eq!(history.started(), 1);

        history.push(trial(1, 30));
        assert!(!history.contains(&trial(1, 10).params) && history.contains(&trial(1, 30).params));
        history.reserve_through(TrialId(9));
        assert_eq!((history.len(), history.next_id()), (3, TrialId(10)));
    }

    #[test]
    fn says_what_has_changed_once_each() {
        let mut history = History::from_iter([trial(2, 20), trial(1, 10), trial(5, 50)]);
        let changed = |history: &History, since| history.changed_since(since).map(|t| t.id.0).collect::<Vec<_>>();
        assert_eq!(changed(&history, 0), [2, 1, 5]);
        let before = history.revision();
        assert!(changed(&history, before).is_empty());
        for _ in 0..3 {
            history.update(TrialId(5), |trial| trial.budget += 1);
            history.push(trial(1, 11));
        }
        assert_eq!(changed(&history, before), [5, 1]);
        assert_eq!(changed(&history, 0), [2, 5, 1]);
    }

    #[test]
    fn the_first_of_equals_is_the_best() {
        let objective = Objective::infer("loss").unwrap();
        let scored = |id, score, state| Trial { state, score, ..trial(id, id as i64) };
        let history = History::from_iter([
            scored(1, Some(0.1), TrialState::Pruned),
            scored(2, Some(2.0), TrialState::Completed),
            scored(3, Some(1.0), TrialState::Completed),
            scored(4, Some(1.0), TrialState::Completed),
            scored(5, None, TrialState::Completed),
            scored(6, Some(0.1), TrialState::Running),
        ]);
        assert_eq!(history.best(&objective).map(|trial| trial.id.0), Some(3));
        let ranked = crate::analysis::ranking(&history, &objective);
        assert_eq!(ranked.iter().map(|trial| trial.id.0).collect::<Vec<_>>(), [3, 4, 2]);
    }
}
