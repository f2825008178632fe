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
use crate::study::{Ask, Assignment, Outcome, StopReason, Study, StudyError, StudySettings};
use crate::trial::Epoch;

const TRIALS: u64 = 3;
const EPOCHS: u32 = 3;

/// What a training program keeps for itself: how far each trial is trained, and every epoch it ever trained.
#[derive(Default)]
struct Program {
    checkpoints: BTreeMap<TrialId, u32>,
    trained: Vec<(TrialId, u32)>,
    /// What the study has said of each trial to have kept.
    kept: BTreeMap<TrialId, u32>,
}

impl Program {
    fn train(&mut self, trial: TrialId, epoch: u32) {
        let checkpoint = self.checkpoints.entry(trial).or_default();
        if *checkpoint < epoch {
            *checkpoint = epoch;
            self.trained.push((trial, epoch));
        }
    }
}

type Search = fn(&Path, &mut Program) -> Result<StopReason, StudyError>;

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
            program.train(run.trial(), epoch);
            let units = run.params().get_int("units").unwrap_or(0) as f64;
            let decision = run.report([("val_loss", units / f64::from(epoch))])?;
            program.kept.insert(run.trial(), epoch);
            if decision != Decision::Continue {
                break;
            }
        }
        Ok(())
    })
}

/// The same with three workers at a time, whose reports are kept together.
fn search_together(folder: &Path, program: &mut Program) -> Result<StopReason, StudyError> {
    let store = if super::record_path(folder).exists() {
        DirectoryStore::open(folder)?.0
    } else {
        DirectoryStore::create(folder, &record())?
    };
    let settings = StudySettings { trials: TRIALS, epochs: EPOCHS, ..Default::default() };
    let objective = Objective::infer("val_loss").unwrap();
    let mut study = Study::new(space(), objective, Box::new(Random::default()), Box::new(store), settings)?;
    study.defer();
    let mut running: Vec<(Assignment, u32)> = Vec::new();
    loop {
        while running.len() < 3 {
            match study.ask()? {
                Ask::Run(assignment) => running.push((assignment.clone(), assignment.from_epoch)),
                Ask::Finished(reason) if running.is_empty() => {
                    study.end(reason)?;
                    return Ok(reason);
                }
                _ => break,
            }
        }
        study.flush()?;
        let mut left = Vec::new();
        for (assignment, done) in running {
            if done == assignment.to_epoch {
                study.tell(assignment.trial, 0, Outcome::Finished { stopped_early: false, best_epoch: None })?;
                continue;
            }
            let epoch = done + 1;
            program.train(assignment.trial, epoch);
            let units = assignment.params.get_int("units").unwrap_or(0) as f64;
            study.report(assignment.trial, 0, Epoch::new(epoch, 0.1, [("val_loss", units / f64::from(epoch))]))?;
            left.push((assignment, epoch));
        }
        running = left;
        study.flush()?;
        program.kept.extend(running.iter().map(|(assignment, epoch)| (assignment.trial, *epoch)));
    }
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
fn with_trouble_at_every_step(search: Search, trouble: impl Fn(usize) -> Plan) -> usize {
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
        // On a slow machine the log is given up earlier, and fewer steps may be taken.
        let is_dead = matches!(trouble(number), Plan::DeadAfter(_)) && taken().len() > number;
        assert!(outcome.is_err() || !is_dead, "step {number} went unnoticed");
        plan(Plan::None);
        if !program.kept.is_empty() {
            let found = DirectoryStore::open(folder.path()).unwrap().0.load().unwrap().trials;
            for (id, epoch) in &program.kept {
                let trial = found.iter().find(|trial| trial.id == *id);
                let epochs = trial.map_or(0, Trial::epochs_trained);
                assert!(epochs >= u64::from(*epoch), "epoch {epoch} of trial {id} is lost: {step:?} {number}");
            }
        }
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
    assert!(with_trouble_at_every_step(search, Plan::DeadAfter) > 5 * saves);
}

#[test]
fn a_disk_full_from_any_step_on_loses_nothing() {
    with_trouble_at_every_step(search, Plan::FullAfter);
    with_trouble_at_every_step(search_together, Plan::FullAfter);
}

#[test]
fn killed_at_every_step_many_workers_lose_nothing_either() {
    with_trouble_at_every_step(search_together, Plan::DeadAfter);
}
