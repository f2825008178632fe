//! Where checkpoints are and how long they are kept.

use std::path::{Path, PathBuf};

use tuner::analysis::ranking;
use tuner::{History, Objective, TrialId};

/// The checkpoints of a study.
pub struct Checkpoints {
    folder: PathBuf,
    /// For how many of the best trials they are kept; `None` keeps all.
    keep: Option<usize>,
}

impl Checkpoints {
    pub fn of(study: &Path, keep: Option<usize>) -> Self {
        Checkpoints { folder: study.join("checkpoints"), keep }
    }

    /// The folder of one execution of a trial, counted from 0.
    pub fn execution(&self, trial: TrialId, execution: usize) -> PathBuf {
        self.folder.join(trial.to_string()).join(format!("execution-{execution}"))
    }

    /// Removes the checkpoints that nothing can need any more: those of trials that have ended and are not among the best.
    /// What cannot be removed stays; it costs space only.
    pub fn sweep(&self, history: &History, objective: &Objective) {
        let Some(keep) = self.keep else { return };
        let kept: Vec<TrialId> = ranking(history, objective).into_iter().take(keep).map(|trial| trial.id).collect();
        for trial in history.finished().filter(|trial| !kept.contains(&trial.id)) {
            let folder = self.folder.join(trial.id.to_string());
            if folder.exists() {
                let _ = std::fs::remove_dir_all(folder);
            }
        }
    }

    /// Removes those of a trial that has paused and will not be resumed.
    pub fn forget(&self, trial: TrialId) {
        if self.keep.is_some() {
            let _ = std::fs::remove_dir_all(self.folder.join(trial.to_string()));
        }
    }
}
