//! When a study ends, what it tries again, and what it remembers of both.

use tuner::store::{DirectoryStore, FORMAT, MemoryStore, Store, StudyRecord};
use tuner::strategy::Random;
use tuner::trial::{Failure, FailureReason};
use tuner::{
    Ask, Assignment, Domain, Epoch, Hyperparameter, Objective, Outcome, Space, StopReason, Study, StudySettings,
    TrialState,
};

fn space() -> Space {
    Space::new(vec![Hyperparameter::new("units", Domain::int(1, 1000).unwrap())]).unwrap()
}

fn objective() -> Objective {
    Objective::infer("val_loss").unwrap()
}

fn study(settings: StudySettings) -> Study {
    study_in(MemoryStore::new(), settings)
}

fn study_in(store: impl Store + 'static, settings: StudySettings) -> Study {
    Study::new(space(), objective(), Box::new(Random::default()), Box::new(store), settings).unwrap()
}

fn settings() -> StudySettings {
    StudySettings { trials: 20, epochs: 4, ..StudySettings::default() }
}

fn assignment(study: &mut Study) -> Assignment {
    match study.ask().unwrap() {
        Ask::Run(assignment) => assignment,
        other => panic!("{other:?}"),
    }
}

/// Trains every trial to its end with the losses of this function of its number.
fn run(study: &mut Study, loss: impl Fn(u64) -> f64) -> StopReason {
    study
        .run(|run| {
            for _ in run.epochs() {
                run.report([("val_loss", loss(run.trial().0))])?;
            }
            Ok(())
        })
        .unwrap()
}

#[test]
fn a_plateau_ends_a_study_and_is_counted_from_the_best_trial() {
    let plateau = Some(3);
    let mut at_once = study(StudySettings { plateau, ..settings() });
    assert_eq!(run(&mut at_once, |_| 1.0), StopReason::Plateau { trials: 3 });
    assert_eq!(at_once.history().len(), 4, "the first, and three that were no better");

    let mut later = study(StudySettings { plateau, ..settings() });
    assert_eq!(run(&mut later, |id| if id == 4 { 0.5 } else { 1.0 }), StopReason::Plateau { trials: 3 });
    assert_eq!(later.history().len(), 7);

    let mut never = study(StudySettings { plateau, ..settings() });
    assert_eq!(run(&mut never, |id| 1.0 / id as f64), StopReason::Trials);
}

#[test]
fn all_trials_share_the_epochs() {
    let store = MemoryStore::new();
    let limited = StudySettings { max_epochs_total: Some(10), ..settings() };
    let mut study = study_in(store.clone(), limited.clone());
    assert_eq!(run(&mut study, |_| 1.0), StopReason::EpochsTotal);
    assert_eq!((study.history().len(), study.history().epochs_trained()), (3, 12), "what is under way is finished");
    // The epochs of earlier runs count.
    let mut again = study_in(store.clone(), limited);
    assert_eq!(run(&mut again, |_| 1.0), StopReason::EpochsTotal);
    assert_eq!(again.history().len(), 3);
    let mut more = study_in(store, StudySettings { max_epochs_total: Some(13), ..settings() });
    run(&mut more, |_| 1.0);
    assert_eq!(more.history().len(), 4);
}

#[test]
fn a_killed_trial_is_tried_once_more_from_where_it_was() {
    let killed = || Outcome::Failed(Failure::new(FailureReason::Killed { signal: 9 }, "gone"));
    let mut study = study(settings());
    let first = assignment(&mut study);
    study.report(first.trial, 0, Epoch::new(1, 0.1, [("val_loss", 1.0)])).unwrap();
    study.tell(first.trial, 0, killed()).unwrap();
    assert_eq!(study.history().get(first.trial).unwrap().state, TrialState::Waiting);

    let second = assignment(&mut study);
    assert_eq!((second.trial, second.from_epoch, second.seed), (first.trial, 1, first.seed));
    study.tell(second.trial, 0, killed()).unwrap();
    let trial = study.history().get(first.trial).unwrap();
    assert_eq!(trial.state, TrialState::Failed(Failure::new(FailureReason::Killed { signal: 9 }, "gone")));
    assert_eq!(trial.retried, [Failure::new(FailureReason::Killed { signal: 9 }, "gone")]);
    assert_ne!(assignment(&mut study).trial, first.trial);
}

#[test]
fn what_is_tried_again_can_be_set() {
    let failures = |max_retries, reason| {
        let mut study = study(StudySettings { max_retries, ..settings() });
        let first = assignment(&mut study);
        for count in 1.. {
            study.tell(first.trial, 0, Outcome::Failed(Failure::new(reason, ""))).unwrap();
            if assignment(&mut study).trial != first.trial {
                return count;
            }
        }
        0
    };
    assert_eq!(failures(None, FailureReason::Panic), 1);
    assert_eq!(failures(None, FailureReason::Killed { signal: 11 }), 2);
    assert_eq!(failures(Some(0), FailureReason::Killed { signal: 11 }), 1);
    assert_eq!(failures(Some(3), FailureReason::Panic), 4);
    assert_eq!(failures(Some(3), FailureReason::NonFinite), 1, "it would be the same again");
}

#[test]
fn a_folder_says_why_its_study_ended_until_it_goes_on() {
    let results = tempfile::tempdir().unwrap();
    let folder = results.path().join("mine");
    let record = StudyRecord {
        format: FORMAT,
        program: "test".to_owned(),
        created: tuner::clock::now(),
        name: "mine".to_owned(),
        strategy: "random".to_owned(),
        seed: 0,
        objective: objective(),
        study: serde_json::Value::Null,
        space: space(),
    };
    let end = || DirectoryStore::read_end(&folder).unwrap().map(|end| end.reason);
    let mut few =
        study_in(DirectoryStore::create(&folder, &record).unwrap(), StudySettings { trials: 2, ..settings() });
    assert!(DirectoryStore::at_work(&folder).unwrap().is_some_and(|work| work.process == Some(std::process::id())));
    assert_eq!(end(), None);
    run(&mut few, |_| 1.0);
    drop(few);
    assert_eq!(end(), Some(StopReason::Trials));
    assert_eq!(DirectoryStore::at_work(&folder).unwrap(), None);

    let mut more =
        study_in(DirectoryStore::open(&folder).unwrap().0, StudySettings { target: Some(1.0), ..settings() });
    assert_eq!(end(), Some(StopReason::Trials), "opened, and nothing done yet");
    assert_eq!(run(&mut more, |_| 1.0), StopReason::Target);
    assert_eq!(end(), Some(StopReason::Target));
    drop(more);
    let mut more = study_in(DirectoryStore::open(&folder).unwrap().0, settings());
    assignment(&mut more);
    assert_eq!(end(), None, "it goes on");
}
