//! What is on disk, and what becomes of a study whose files were damaged.

use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::objective::Objective;
use crate::space::{Domain, Hyperparameter, Params, Space, Value};
use crate::store::MemoryStore;
use crate::strategy::Random;
use crate::study::{Study, StudySettings};
use crate::trial::arbitrary::trial;
use crate::trial::{Epoch, Execution, Failure, FailureReason, InfeasibleReason, TrialState};

pub(super) fn space() -> Space {
    Space::new(vec![Hyperparameter::new("units", Domain::int(1, 50).unwrap())]).unwrap()
}

pub(super) fn record() -> StudyRecord {
    StudyRecord {
        format: FORMAT,
        program: "0.1.0".to_owned(),
        created: "2026-01-31T12:00:00Z".to_owned(),
        name: "digits".to_owned(),
        strategy: "random".to_owned(),
        seed: 42,
        objective: Objective::infer("val_loss").unwrap(),
        study: serde_json::json!({ "search": { "trials": 4 } }),
        space: space(),
    }
}

fn folder_with(trials: &[Trial]) -> TempDir {
    let folder = tempdir().unwrap();
    let mut store = DirectoryStore::create(folder.path(), &record()).unwrap();
    for trial in trials {
        store.save(trial).unwrap();
    }
    folder
}

fn example() -> Trial {
    let mut execution = Execution::new(7);
    execution.epochs.push(Epoch::new(1, 0.25, [("loss", 0.5), ("val_loss", 0.75)]));
    execution.epochs.push(Epoch::new(2, 0.5, [("loss", 0.25), ("val_loss", f64::NAN)]));
    let mut params = Params::from_iter([("units", 3)]);
    params.insert("learning_rate", 1.0);
    params.insert("optimizer", "adam");
    Trial {
        state: TrialState::Failed(Failure::new(FailureReason::Killed { signal: 9 }, "out of patience")),
        rejected: [(InfeasibleReason::Shape, 2)].into(),
        created: "2026-01-31T12:00:00Z".to_owned(),
        finished: Some("2026-01-31T12:00:01Z".to_owned()),
        executions: vec![execution],
        ..Trial::new(TrialId(7), params, 8)
    }
}

#[test]
fn a_trial_is_a_file_that_a_person_can_read() {
    let folder = folder_with(&[example()]);
    let text = fs::read_to_string(folder.path().join("trials/0007.json")).unwrap();
    insta::assert_snapshot!(text, @r#"
    {
      "id": 7,
      "state": "failed",
      "detail": {"reason": "killed", "signal": 9, "message": "out of patience"},
      "params": {"units": 3, "learning_rate": 1.0, "optimizer": "adam"},
      "budget": 8,
      "enqueued": false,
      "rejected": {"shape": 2},
      "created": "2026-01-31T12:00:00Z",
      "finished": "2026-01-31T12:00:01Z",
      "executions": [
        {
          "seed": 7,
          "epochs": [
            {"epoch": 1, "seconds": 0.25, "metrics": {"loss": 0.5, "val_loss": 0.75}},
            {"epoch": 2, "seconds": 0.5, "metrics": {"loss": 0.25}, "non_finite": ["val_loss"]}
          ],
          "finished": false,
          "stopped_early": false
        }
      ]
    }
    "#);
}

#[test]
fn a_study_is_a_file_that_a_person_can_read() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(fs::read_to_string(folder.path().join("study.json")).unwrap(), @r#"
    {
      "format": 1,
      "program": "0.1.0",
      "created": "2026-01-31T12:00:00Z",
      "name": "digits",
      "strategy": "random",
      "seed": 42,
      "objective": {"metric": "val_loss", "direction": "min"},
      "study": {"search": {"trials": 4}},
      "space": [{"name": "units", "domain": {"type": "int", "min": 1, "max": 50, "sampling": "linear"}}]
    }
    "#);
}

#[test]
fn a_study_is_opened_as_it_was_created() {
    let folder = folder_with(&[example()]);
    let (mut store, read) = DirectoryStore::open(folder.path()).unwrap();
    assert_eq!(read, record());
    let loaded = store.load().unwrap();
    assert_eq!(loaded.trials, [example()]);
    assert_eq!(loaded.last, Some(TrialId(7)));
    assert!(loaded.damaged.is_empty());
}

#[test]
fn an_existing_study_is_only_overwritten_when_told_to() {
    let folder = folder_with(&[example()]);
    let error = DirectoryStore::create(folder.path(), &record()).unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    let mut store = DirectoryStore::overwrite(folder.path(), &record()).unwrap();
    assert!(store.load().unwrap().trials.is_empty());
}

#[test]
fn one_search_at_a_time() {
    let folder = tempdir().unwrap();
    let store = DirectoryStore::create(folder.path(), &record()).unwrap();
    let error = DirectoryStore::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains(&format!("another search (process {})", std::process::id())), "{error}");
    assert!(DirectoryStore::read(folder.path()).is_ok());
    drop(store);
    assert!(DirectoryStore::open(folder.path()).is_ok());
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = folder_with(&[example()]);
    let path = folder.path().join("study.json");
    let newer = r#"{ "format": 99, "shape": "unheard of" }"#;
    fs::write(&path, newer).unwrap();
    fs::write(folder.path().join("trials/0009.json.tmp"), "{").unwrap();
    for error in [DirectoryStore::open(folder.path()).unwrap_err(), DirectoryStore::read(folder.path()).unwrap_err()] {
        assert!(error.to_string().contains("has format 99, and this version knows formats up to 1"), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    assert!(folder.path().join("trials/0009.json.tmp").exists());
}

#[test]
fn a_folder_without_a_study_says_so() {
    let folder = tempdir().unwrap();
    assert!(matches!(DirectoryStore::open(folder.path()), Err(StoreError::NotAStudy { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn names_do_not_lead_out_of_the_results() {
    for name in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a b", "ä", "a\0"] {
        assert!(check_name(name).is_err(), "{name:?}");
    }
    for name in ["digits", "cnn_tuning-2.1", "7"] {
        assert!(check_name(name).is_ok(), "{name:?}");
    }
    let folder = tempdir().unwrap();
    let outside = StudyRecord { name: "../outside".to_owned(), ..record() };
    assert!(DirectoryStore::create(&folder.path().join("in"), &outside).is_err());
    assert!(!folder.path().join("in").exists());
}

#[test]
fn unfinished_files_are_ignored_and_removed() {
    let folder = folder_with(&[example()]);
    let leftovers =
        ["study.json.tmp", "trials/0007.json.tmp", "trials/0008.json.tmp"].map(|name| folder.path().join(name));
    for path in &leftovers {
        fs::write(path, "{ \"id\": ").unwrap();
    }
    assert_eq!(DirectoryStore::read(folder.path()).unwrap().1.trials, [example()]);
    assert!(leftovers.iter().all(|path| path.exists()));

    let (mut store, _) = DirectoryStore::open(folder.path()).unwrap();
    assert!(leftovers.iter().all(|path| !path.exists()));
    assert_eq!(store.load().unwrap().trials, [example()]);
}

#[test]
fn what_cannot_be_written_is_named_and_nothing_is_lost() {
    let folder = folder_with(&[]);
    fs::create_dir(folder.path().join("trials/0007.json")).unwrap();
    let (mut store, _) = DirectoryStore::open(folder.path()).unwrap();
    let error = store.save(&example()).unwrap_err();
    assert!(error.to_string().contains("cannot write") && error.to_string().contains("0007.json"), "{error}");
    assert!(!folder.path().join("trials/0007.json.tmp").exists());

    let advice = |kind: io::ErrorKind| StoreError::io("write", Path::new("x.json"))(kind.into()).to_string();
    assert!(
        advice(io::ErrorKind::StorageFull)
            .ends_with("Make room and run the same command again: what was known is kept")
    );
    assert!(advice(io::ErrorKind::ReadOnlyFilesystem).ends_with("or choose another one for the results"));
}

/// Each prefix of a trial's file: as left by a system that lost the end of it.
#[test]
fn a_trial_cut_off_at_any_byte_is_set_aside_and_the_study_goes_on() {
    let folder = folder_with(&[]);
    let text = json::to_bytes(&example(), "a trial").unwrap();
    let whole = text.len() - 1;
    assert!((0..whole).all(|end| parse(&text[..end], TrialId(7)).is_err()));
    // Some of them on disk, which takes its time to sync.
    for end in (0..whole).step_by(61).chain([whole - 1, whole]) {
        let path = folder.path().join("trials/0007.json");
        fs::write(&path, &text[..end]).unwrap();
        let loaded = DirectoryStore::open(folder.path()).unwrap().0.load().unwrap();
        assert_eq!(loaded.last, Some(TrialId(7)));
        if end == whole {
            assert_eq!(loaded.trials, [example()]);
        } else {
            assert!(loaded.trials.is_empty());
            let aside = folder.path().join("trials/0007.json.damaged");
            assert_eq!(loaded.damaged[0].moved_to.as_ref(), Some(&aside));
            assert_eq!(fs::read(&aside).unwrap(), &text[..end]);
            assert!(!path.exists());
        }
    }
}

#[test]
fn reading_sets_nothing_aside() {
    let folder = folder_with(&[example()]);
    let path = folder.path().join("trials/0003.json");
    fs::copy(folder.path().join("trials/0007.json"), &path).unwrap();
    let (_, loaded) = DirectoryStore::read(folder.path()).unwrap();
    assert_eq!(loaded.trials, [example()]);
    assert_eq!(loaded.damaged[0].message, "it is the file of trial 0003, and says that it is trial 0007");
    assert_eq!(loaded.damaged[0].moved_to, None);
    assert!(path.exists());
}

#[test]
fn the_number_of_a_lost_trial_is_not_used_again() {
    let folder = folder_with(&[]);
    fs::write(folder.path().join("trials/0002.json"), b"\xff\x00 not JSON").unwrap();
    for (damaged, started) in [(1, 1), (0, 2)] {
        let (store, _) = DirectoryStore::open(folder.path()).unwrap();
        let settings = StudySettings { trials: started, ..StudySettings::default() };
        let objective = Objective::infer("val_loss").unwrap();
        let mut study = Study::new(space(), objective, Box::new(Random::default()), Box::new(store), settings).unwrap();
        assert_eq!(study.damaged().len(), damaged);
        study.run(|run| run.report([("val_loss", 1.0)]).map(|_| ()).map_err(Into::into)).unwrap();
    }
    let (_, loaded) = DirectoryStore::read(folder.path()).unwrap();
    assert_eq!(loaded.trials.iter().map(|trial| trial.id.0).collect::<Vec<_>>(), [3, 4]);
}

proptest! {
    #[test]
    fn every_trial_is_read_as_it_was_written(trial in trial()) {
        let bytes = json::to_bytes(&trial, "a trial").unwrap();
        prop_assert_eq!(parse(&bytes, trial.id).unwrap(), trial);
    }

    #[test]
    fn any_bytes_are_a_trial_or_damaged(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..8)) {
        let mut text = json::to_bytes(&example(), "a trial").unwrap();
        let at = at.index(text.len());
        let end = (at + bytes.len()).min(text.len());
        text.splice(at..end, bytes);
        if let Ok(trial) = parse(&text, TrialId(7)) {
            prop_assert_eq!(trial.id, TrialId(7));
            prop_assert!(trial.score.is_none_or(f64::is_finite));
            prop_assert!(trial.params.iter().all(|(_, value)| !matches!(value, Value::Float(x) if !x.is_finite())));
        }
    }
}

#[test]
fn memory_keeps_what_it_is_given() {
    let store = MemoryStore::new();
    store.clone().save(&example()).unwrap();
    assert_eq!(store.clone().load().unwrap().trials, [example()]);
}

#[test]
fn fuzz_trial() {
    fuzz::target("trial", |bytes| {
        if let Ok(trial) = parse(bytes, TrialId(7)) {
            let written = json::to_bytes(&trial, "a trial").unwrap();
            assert_eq!(parse(&written, TrialId(7)).unwrap(), trial);
        }
    });
}

#[test]
fn fuzz_study_record() {
    fuzz::target("study_record", |bytes| {
        if let Ok(record) = StudyRecord::parse(bytes, Path::new("study.json")) {
            // What is read can be worked with.
            let params = record.space.default_params();
            record.space.validate(&params).unwrap();
        }
    });
}

#[test]
fn fuzz_log() {
    fuzz::target("log", |bytes| {
        assert!(log::parse(bytes).iter().all(|(id, trial)| *id == trial.id));
    });
}

#[test]
fn many_trials_are_in_the_log_before_they_are_in_files() {
    let folder = folder_with(&[]);
    let path = folder.path();
    let open = || DirectoryStore::open(path).unwrap().0;
    let read = || DirectoryStore::read(path).unwrap().1.trials;
    let exists = |name: &str| path.join(name).exists();
    let [mut one, mut two, three] = [1, 2, 3].map(|id| Trial { id: TrialId(id), ..example() });
    one.state = TrialState::Running;
    let mut store = open();
    store.save_all(&[&one, &two, &three]).unwrap();
    assert!(!exists("trials/0001.json"), "it is under way, and will soon be written again");
    assert!(exists("trials/0002.json"));
    assert_eq!(read(), [one.clone(), two.clone(), three.clone()]);

    // Killed, with half a record at the end.
    store.log = Log::of(path);
    store.logged.clear();
    drop(store);
    let mut log = fs::read(path.join("log")).unwrap();
    log.extend_from_slice(b"{\"id\": 2, \"state\"");
    fs::write(path.join("log"), log).unwrap();
    assert_eq!(read(), [one.clone(), two.clone(), three.clone()]);
    let mut store = open();
    assert!(!exists("log"));
    assert_eq!(store.load().unwrap().trials, [one.clone(), two.clone(), three.clone()]);

    // Whoever saves few at a time needs no log; whoever ends leaves none.
    two.score = Some(0.5);
    store.save_all(&[&one, &two]).unwrap();
    assert!(!exists("log"));
    store.save_all(&[&one, &two, &three]).unwrap();
    one.score = Some(0.25);
    store.save(&one).unwrap();
    assert_eq!(read(), [one.clone(), two.clone(), three.clone()]);
    drop(store);
    assert!(!exists("log"));
    assert_eq!(read(), [one, two, three]);
}

#[test]
fn when_it_is_calm_the_log_goes_into_the_files() {
    let folder = folder_with(&[]);
    let trials = [1, 2, 3].map(|id| Trial { id: TrialId(id), state: TrialState::Running, ..example() });
    let (mut store, _) = DirectoryStore::open(folder.path()).unwrap();
    store.save_all(&trials.each_ref()).unwrap();
    store.busy = None;
    store.save_all(&[]).unwrap();
    assert!(!folder.path().join("log").exists());
    assert_eq!(store.load().unwrap().trials, trials);
}
