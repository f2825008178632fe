//! The process killed at each step that the store takes on disk, and the disk full from each step on.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::tempdir;

use super::tests::{record, space};
use super::*;
use crate::objective::Objective;
use crate::store::fault::Step;
use crate::store::fault::injected::{Plan, plan, taken};
use crate::strategy::{Decision, Random};
use crate::study::{StopReason, Study, StudyError, StudySettings};

const TRIALS: u64 = 3;
const EPOCHS: u32 = 3;

/// What a training program keeps for itself: how far each trial is trained, and every epoch it ever trained.
#[derive(Default)]
struct Program {
    checkpoints: BTreeMap<TrialId, u32>,
    trained: Vec<(TrialId, u32)>,
}

/// Begins the study in `folder`, or goes on with it.
fn search(folder: &Path, program: &mut Program) -> Result<StopReason, StudyError> {
    let store = if super::record_path(folder).exists() {
        DirectoryStore::open(folder)?.0
    } else {
        DirectoryStore::create(folder, &record())?
    };
    let settings = StudySettings { trials: TRIALS, epochs: EPOCHS, executions_per_trial: 1, ..Default::default() };
    let objective = Objective::infer("val_loss").unwrap();
    let mut study = Study::new(space(), objective, Box::new(Random::default()), Box::new(store), settings)?;
    study.run(|run| {
        run.resume();
        for epoch in run.epochs() {
            // A checkpoint is written before its epoch is reported, and may be ahead of what is known.
            let checkpoint = program.checkpoints.entry(run.trial()).or_default();
            if *checkpoint < epoch {
                *checkpoint = epoch;
                program.trained.push((run.trial(), epoch));
            }
            let units = run.params().get_int("units").unwrap_or(0) as f64;
            if run.report([("val_loss", units / f64::from(epoch))])? != Decision::Continue {
                break;
            }
        }
        Ok(())
    })
}

/// The trials in a folder without what depends on the clock.
fn trials(folder: &Path) -> Vec<Trial> {
    let loaded = DirectoryStore::read(folder).unwrap().1;
    assert!(loaded.damaged.is_empty(), "{:?}", loaded.damaged);
    let mut trials = loaded.trials;
    for trial in &mut trials {
        trial.created.clear();
        trial.finished = trial.finished.take().map(|_| String::new());
        for execution in &mut trial.executions {
            execution.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
        }
    }
    trials
}

/// Runs a study to its end once, then again and again with trouble after each number of steps.
fn with_trouble_at_every_step(trouble: impl Fn(usize) -> Plan) -> usize {
    let whole = tempdir().unwrap();
    plan(Plan::None);
    search(whole.path(), &mut Program::default()).unwrap();
    let steps = taken();
    for step in [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncFolder] {
        assert!(steps.contains(&step), "{step:?} is never taken");
    }
    let expected = trials(whole.path());
    assert_eq!(expected.len() as u64, TRIALS);

    for (number, step) in steps.iter().enumerate() {
        let folder = tempdir().unwrap();
        let mut program = Program::default();
        plan(trouble(number));
        let outcome = search(folder.path(), &mut program);
        // The very last steps are those of the record of its end, and of folders.
        assert!(outcome.is_err() || matches!(trouble(number), Plan::FullAfter(_)), "step {number} went unnoticed");
        plan(Plan::None);
        let reason = search(folder.path(), &mut program).unwrap();
        assert_eq!(reason, StopReason::Trials, "trouble at step {number}, {step:?}");
        assert_eq!(trials(folder.path()), expected, "trouble at step {number}, {step:?}");
        assert_eq!(program.trained.len() as u64, TRIALS * u64::from(EPOCHS), "trained twice, or never: {number}");
        assert_eq!(DirectoryStore::read_end(folder.path()).unwrap().unwrap().reason, reason);
        let leftovers = files(&folder.path().join("trials")).unwrap();
        assert!(leftovers.iter().all(|(name, _)| name.len() == "0001.json".len()), "{leftovers:?}");
    }
    steps.len()
}

#[test]
fn killed_at_every_step_the_study_goes_on_as_if_nothing_had_happened() {
    // Each of the trials is saved when it is given out, at each epoch, and at its end.
    let saves = TRIALS as usize * (EPOCHS as usize + 2);
    assert!(with_trouble_at_every_step(Plan::DeadAfter) > 5 * saves);
}

#[test]
fn a_disk_full_from_any_step_on_loses_nothing() {
    with_trouble_at_every_step(Plan::FullAfter);
}
