//! Where checkpoints are and how long they are kept.

use std::path::{Path, PathBuf};

use tuner::analysis::ranking;
use tuner::{History, Objective, Trial, TrialId, TrialState};

/// The checkpoints of a study.
pub struct Checkpoints {
    folder: PathBuf,
    /// For how many of the best trials they are kept; `None` keeps all.
    keep: Option<usize>,
    /// The trials whose checkpoints are kept, best first, the earlier of equals first.
    best: Vec<(TrialId, f64)>,
}

impl Checkpoints {
    pub fn of(study: &Path, keep: Option<usize>) -> Self {
        Checkpoints { folder: study.join("checkpoints"), keep, best: Vec::new() }
    }

    /// The folder of one execution of a trial, counted from 0.
    pub fn execution(&self, trial: TrialId, execution: usize) -> PathBuf {
        self.folder.join(trial.to_string()).join(format!("execution-{execution}"))
    }

    /// Removes the checkpoints that nothing can need any more: those of trials that have ended and are not among the best.
    pub fn sweep(&mut self, history: &History, objective: &Objective) {
        let Some(keep) = self.keep else { return };
        let ranked = ranking(history, objective).into_iter().take(keep);
        self.best = ranked.filter_map(|trial| Some((trial.id, trial.score?))).collect();
        // Only what is there is looked at: an earlier search has left little.
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(TrialId);
            let Some(trial) = number.and_then(|id| history.get(id)) else { continue };
            if trial.state.is_final() && !self.best.iter().any(|(id, _)| *id == trial.id) {
                self.remove(trial.id);
            }
        }
    }

    /// Takes note of a trial that has ended: its checkpoints stay if it is among the best, in place of those of the worst.
    pub fn ended(&mut self, trial: &Trial, objective: &Objective) {
        let Some(keep) = self.keep else { return };
        let Some(score) = trial.score.filter(|_| trial.state == TrialState::Completed) else {
            return self.remove(trial.id);
        };
        let before = |(id, known): &(TrialId, f64)| {
            objective.is_better(*known, score) || !objective.is_better(score, *known) && *id < trial.id
        };
        let place = self.best.iter().take_while(|known| before(known)).count();
        self.best.insert(place, (trial.id, score));
        for (id, _) in self.best.split_off(self.best.len().min(keep)) {
            self.remove(id);
        }
    }

    /// Removes those of a trial that has paused and will not be resumed.
    pub fn forget(&self, trial: TrialId) {
        if self.keep.is_some() {
            self.remove(trial);
        }
    }

    /// What cannot be removed stays; it costs space only.
    fn remove(&self, trial: TrialId) {
        let _ = std::fs::remove_dir_all(self.folder.join(trial.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use tuner::{Failure, FailureReason, Params};

    use super::*;

    fn trial(id: u64, state: TrialState, score: Option<f64>) -> Trial {
        Trial { state, score, ..Trial::new(TrialId(id), Params::default(), 1) }
    }

    #[test]
    fn what_is_kept_follows_the_ranking_whether_told_or_swept() {
        let study = tempfile::tempdir().unwrap();
        let objective = Objective::infer("val_accuracy").unwrap();
        let failed = TrialState::Failed(Failure::new(FailureReason::Error, ""));
        let trials = [
            trial(1, TrialState::Completed, Some(0.5)),
            trial(2, failed, None),
            trial(3, TrialState::Completed, Some(0.9)),
            trial(4, TrialState::Pruned, Some(1.0)),
            trial(5, TrialState::Completed, Some(0.5)),
            trial(6, TrialState::Paused, Some(0.1)),
            trial(7, TrialState::Completed, Some(0.7)),
        ];
        let folders = || {
            let entries = std::fs::read_dir(study.path().join("checkpoints")).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let mut told = Checkpoints::of(study.path(), Some(2));
        let mut history = History::new();
        for trial in trials {
            std::fs::create_dir_all(told.execution(trial.id, 0)).unwrap();
            if trial.state.is_final() {
                told.ended(&trial, &objective);
            }
            history.push(trial.clone());
            let ranked = ranking(&history, &objective).into_iter().take(2).map(|trial| trial.id);
            assert_eq!(told.best.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ranked.collect::<Vec<_>>());
        }
        assert_eq!(folders(), ["0003", "0006", "0007"]);

        std::fs::create_dir_all(told.execution(TrialId(5), 0)).unwrap();
        Checkpoints::of(study.path(), Some(1)).sweep(&history, &objective);
        assert_eq!(folders(), ["0003", "0006"]);
    }
}
