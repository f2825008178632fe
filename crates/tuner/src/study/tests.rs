//! Limits, outcomes and interruptions of a study.

use std::time::Duration;

use super::*;
use crate::space::{Domain, Hyperparameter};
use crate::store::MemoryStore;
use crate::strategy::{Decision, Grid, Proposal, Random, StrategyError, StudyView};
use crate::trial::{Epoch, InfeasibleReason};

fn two_dozen() -> Space {
    Space::new(vec![
        Hyperparameter::new("layers", Domain::int(1, 4).unwrap()),
        Hyperparameter::new(
            "activation",
            Domain::choice(vec!["relu".into(), "tanh".into(), "gelu".into()], false).unwrap(),
        ),
        Hyperparameter::new("dropout", Domain::boolean()),
    ])
    .unwrap()
}

fn study_on(store: &MemoryStore, strategy: impl Strategy + 'static, settings: StudySettings) -> Study {
    let objective = Objective::infer("val_loss").unwrap();
    Study::new(two_dozen(), objective, Box::new(strategy), Box::new(store.clone()), settings).unwrap()
}

fn study(settings: StudySettings) -> Study {
    study_on(&MemoryStore::new(), Random::default(), settings)
}

fn trials(trials: u64) -> StudySettings {
    StudySettings { trials, ..StudySettings::default() }
}

/// A loss that improves with the epochs, and is best with three layers.
fn loss(run: &TrialRun<'_>, epoch: u32) -> f64 {
    let layers = run.params().get_int("layers").unwrap_or(0);
    (layers - 3).abs() as f64 + 1.0 / f64::from(epoch)
}

fn train(run: &mut TrialRun<'_>) -> Result<(), TrialError> {
    run.resume();
    for epoch in run.epochs() {
        if run.report([("val_loss", loss(run, epoch))])? != Decision::Continue {
            break;
        }
    }
    Ok(())
}

#[test]
fn a_finite_space_is_tried_once_and_ends_the_study() {
    for strategy in ["random", "grid"] {
        let strategy = crate::strategy::by_name(strategy, &crate::strategy::Settings::default()).unwrap();
        let objective = Objective::infer("val_loss").unwrap();
        let mut study = Study::new(two_dozen(), objective, strategy, Box::new(MemoryStore::new()), trials(30)).unwrap();
        assert_eq!(study.run(train).unwrap(), StopReason::Exhausted);
        assert_eq!(study.history().len(), 24);
        assert_eq!(study.history().configurations(), 24);
    }
}

#[test]
fn the_default_configuration_is_first_unless_told_otherwise() {
    let mut default_first = study(trials(1));
    default_first.run(train).unwrap();
    assert_eq!(default_first.history().get(TrialId(1)).unwrap().params, two_dozen().default_params());

    let mut seeds_differ = (0..8).map(|seed| {
        let mut study = study(StudySettings { default_first: false, seed, ..trials(1) });
        study.run(train).unwrap();
        study.history().get(TrialId(1)).unwrap().params != two_dozen().default_params()
    });
    assert!(seeds_differ.any(|differs| differs));
}

#[test]
fn what_is_enqueued_goes_first_and_only_once() {
    let store = MemoryStore::new();
    let wish = Params::from_iter([("layers", 4)]);
    for _ in 0..2 {
        let mut study = study_on(&store, Random::default(), trials(2));
        study.enqueue(&wish).unwrap();
        study.enqueue(&wish).unwrap();
        study.run(train).unwrap();
        assert_eq!(study.history().len(), 2);
        let first = study.history().get(TrialId(1)).unwrap();
        assert_eq!(first.params.get_int("layers"), Some(4));
        assert!(first.enqueued);
        assert!(!study.history().get(TrialId(2)).unwrap().enqueued);
    }
    let error = study(trials(1)).enqueue(&Params::from_iter([("layer", 4)])).unwrap_err();
    insta::assert_snapshot!(error, @"there is no hyperparameter `layer` in this space: did you mean `layers`?");
}

#[test]
fn an_infeasible_wish_is_recorded_and_costs_no_trial() {
    let mut study = study(trials(3)).with_feasibility(|params| {
        let fits = params.get_int("layers") < Some(4);
        if fits { Ok(()) } else { Err(Infeasible::new(InfeasibleReason::Shape, "the feature map vanishes")) }
    });
    study.enqueue(&Params::from_iter([("layers", 4)])).unwrap();
    assert_eq!(study.run(train).unwrap(), StopReason::Trials);
    assert_eq!(study.history().len(), 4);
    assert!(matches!(study.history().get(TrialId(1)).unwrap().state, TrialState::Infeasible(_)));
    assert_eq!(study.history().started(), 3);
}

#[test]
fn executions_have_seeds_of_their_own_and_a_common_score() {
    let mut study = study(StudySettings { executions_per_trial: 3, epochs: 2, ..trials(2) });
    let mut order = Vec::new();
    study
        .run(|run| {
            order.push((run.trial().0, run.execution()));
            let execution = run.execution() as f64;
            run.report([("val_loss", 3.0 + execution)])?;
            run.report([("val_loss", 9.0)])?;
            Ok(())
        })
        .unwrap();
    assert_eq!(order, [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]);
    let trial = study.history().get(TrialId(1)).unwrap();
    assert_eq!(trial.score, Some(4.0));
    assert_eq!(trial.executions[1].best_epoch, Some(1));
    let seeds: BTreeSet<_> = study.history().iter().flat_map(|trial| &trial.executions).map(|e| e.seed).collect();
    assert_eq!(seeds.len(), 6);
}

#[test]
fn failures_cost_their_trial_and_never_become_the_best() {
    let mut study = study(StudySettings { max_consecutive_failures: 9, ..trials(6) });
    let reason = study.run(|run| match run.trial().0 {
        1 => Err(TrialError::failed("disk on fire")),
        2 => Err("x".parse::<u8>().unwrap_err().into()),
        3 => panic!("index out of bounds"),
        4 => Ok(run.report([("val_loss", f64::NEG_INFINITY)]).map(|_| ())?),
        5 => Ok(run.report([("loss", -1e9)]).map(|_| ())?),
        _ => train(run),
    });
    assert_eq!(reason.unwrap(), StopReason::Trials);
    let states = study.history().iter().map(|trial| match &trial.state {
        TrialState::Failed(failure) => failure.to_string(),
        state => state.to_string(),
    });
    insta::assert_snapshot!(states.collect::<Vec<_>>().join("\n"), @"
    error: disk on fire
    error: invalid digit found in string
    panic: index out of bounds
    non-finite: `val_loss` was not finite in any epoch
    error: it never reported the objective `val_loss`; it reported loss
    completed
    ");
    assert!(study.history().iter().take(5).all(|trial| trial.score.is_none()));
    assert_eq!(study.best().unwrap().id, TrialId(6));
}

#[test]
fn a_study_ends_after_failures_in_a_row_and_can_go_on() {
    let store = MemoryStore::new();
    for total in [3, 6] {
        let settings = StudySettings { max_consecutive_failures: 3, ..trials(20) };
        let mut study = study_on(&store, Random::default(), settings);
        let reason = study.run(|_| Err(TrialError::failed("no data"))).unwrap();
        assert_eq!(reason, StopReason::ConsecutiveFailures { count: 3 });
        assert_eq!(study.history().len(), total);
    }
}

#[test]
fn a_study_ends_at_its_target_or_time() {
    let mut at_target = study(StudySettings { target: Some(1.0), ..trials(24) });
    assert_eq!(at_target.run(train).unwrap(), StopReason::Target);
    assert_eq!(at_target.best().unwrap().score, Some(1.0));
    assert!(at_target.history().len() < 24);

    let mut in_no_time = study(StudySettings { max_time: Some(Duration::ZERO), ..trials(24) });
    assert_eq!(in_no_time.run(train).unwrap(), StopReason::MaxTime);
    assert!(in_no_time.history().is_empty());
}

#[test]
fn nothing_feasible_is_an_error_with_the_reason_most_often_given() {
    let mut study = study(trials(3)).with_feasibility(|params| {
        Err(if params.get_bool("dropout") == Some(true) && params.get_int("layers") == Some(1) {
            Infeasible::new(InfeasibleReason::MemoryLimit, "2 GB of 1 GB")
        } else {
            Infeasible::new(InfeasibleReason::Shape, "layer 3 shrinks to nothing")
        })
    });
    let error = study.run(train).unwrap_err();
    assert!(matches!(error, StudyError::Strategy(StrategyError::NoFeasible { .. })), "{error}");
    assert!(error.to_string().contains("shape: layer 3 shrinks to nothing"), "{error}");
}

#[test]
fn workers_get_different_trials_and_wait_for_the_last() {
    let mut study = study(trials(2));
    let Ask::Run(one) = study.ask().unwrap() else { panic!() };
    let Ask::Run(two) = study.ask().unwrap() else { panic!() };
    assert_ne!(one.params, two.params);
    assert_eq!(study.ask().unwrap(), Ask::Wait);

    study.release(one.trial).unwrap();
    let Ask::Run(again) = study.ask().unwrap() else { panic!() };
    assert_eq!(again, one);
    for work in [again, two] {
        study.report(work.trial, 0, Epoch::new(1, 0.1, [("val_loss", 1.0)])).unwrap();
        study.tell(work.trial, 0, Outcome::Finished { stopped_early: false, best_epoch: None }).unwrap();
    }
    assert_eq!(study.ask().unwrap(), Ask::Finished(StopReason::Trials));
}

#[test]
fn reports_are_in_order_and_from_whom_has_the_trial() {
    let mut study = study(StudySettings { epochs: 3, ..trials(1) });
    let Ask::Run(work) = study.ask().unwrap() else { panic!() };
    let epoch = |number, loss| Epoch::new(number, 0.1, [("val_loss", loss)]);
    assert!(matches!(study.report(work.trial, 1, epoch(1, 1.0)), Err(StudyError::NotUnderWay { .. })));
    assert!(matches!(study.report(work.trial, 0, epoch(2, 1.0)), Err(StudyError::EpochGap { .. })));
    assert!(matches!(study.report(work.trial, 0, epoch(0, 1.0)), Err(StudyError::EpochGap { .. })));
    for number in 1..=3 {
        assert_eq!(study.report(work.trial, 0, epoch(number, 1.0)).unwrap(), Decision::Continue);
    }
    assert_eq!(study.report(work.trial, 0, epoch(4, 0.0)).unwrap(), Decision::Stop);
    // A worker that begins again replaces what was known from there on.
    study.report(work.trial, 0, epoch(2, 5.0)).unwrap();
    assert_eq!(study.history().get(work.trial).unwrap().executions[0].epochs, [epoch(1, 1.0), epoch(2, 5.0)]);

    study.tell(work.trial, 0, Outcome::Pruned).unwrap();
    assert!(study.report(work.trial, 0, epoch(3, 1.0)).is_err());
    assert!(study.best().is_none());
}

/// Promotes the better half of three trials from 1 to 3 epochs.
struct Halving;

impl Strategy for Halving {
    fn name(&self) -> &'static str {
        "halving"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        if study.trials_left > 0 {
            let params = study.space.iter().find(|params| !study.history.contains(params));
            let rejected = BTreeMap::new();
            return Ok(params.map_or(Proposal::Exhausted, |params| Proposal::Start { params, budget: 1, rejected }));
        }
        let paused = study.history.pending().filter(|trial| trial.budget == 1).find(|trial| trial.id.0 == 2);
        Ok(paused.map_or(Proposal::Exhausted, |trial| Proposal::Resume { trial: trial.id, budget: 3 }))
    }
}

#[test]
fn a_paused_trial_is_the_same_trial_resumed() {
    let store = MemoryStore::new();
    let settings = StudySettings { epochs: 3, executions_per_trial: 2, ..trials(3) };
    let mut study = study_on(&store, Halving, settings);
    let mut parts = Vec::new();
    let reason = study.run(|run| {
        run.resume();
        parts.push((run.trial().0, run.execution(), run.epochs()));
        train(run)
    });
    assert_eq!(reason.unwrap(), StopReason::Trials);
    assert_eq!(
        parts,
        [
            (1, 0, 1..=1),
            (1, 1, 1..=1),
            (2, 0, 1..=1),
            (2, 1, 1..=1),
            (3, 0, 1..=1),
            (3, 1, 1..=1),
            (2, 0, 2..=3),
            (2, 1, 2..=3)
        ]
    );
    let states: Vec<_> = study.history().iter().map(|trial| (trial.state.clone(), trial.budget)).collect();
    assert_eq!(states, [(TrialState::Paused, 1), (TrialState::Completed, 3), (TrialState::Paused, 1)]);
    let promoted = study.history().get(TrialId(2)).unwrap();
    assert_eq!(promoted.rungs, [1]);
    assert_eq!(study.best().unwrap().id, TrialId(2));
    let at_one: Vec<_> = study.history().at_budget(study.objective(), 1).map(|(trial, _)| trial.id.0).collect();
    assert_eq!(at_one, [1, 2, 3]);
}

/// A program that knows nothing of rungs trains what it is asked for and says that it has finished.
#[test]
fn who_has_finished_all_that_was_asked_for_can_be_asked_for_more() {
    let mut study = study_on(&MemoryStore::new(), Halving, StudySettings { epochs: 3, ..trials(3) });
    let mut asked = Vec::new();
    while let Ask::Run(work) = study.ask().unwrap() {
        asked.push((work.trial.0, work.from_epoch, work.to_epoch));
        for epoch in work.from_epoch + 1..=work.to_epoch {
            study.report(work.trial, 0, Epoch::new(epoch, 0.1, [("val_loss", 1.0)])).unwrap();
        }
        let stopped_early = work.trial.0 == 3;
        study.tell(work.trial, 0, Outcome::Finished { stopped_early, best_epoch: None }).unwrap();
    }
    assert_eq!(asked, [(1, 0, 1), (2, 0, 1), (3, 0, 1), (2, 1, 3)]);
    let states: Vec<_> = study.history().iter().map(|trial| trial.state.to_string()).collect();
    assert_eq!(states, ["paused", "completed", "completed"]);
}

#[test]
fn another_space_is_refused() {
    let store = MemoryStore::new();
    study_on(&store, Grid::default(), trials(1)).run(train).unwrap();
    let other = Space::new(vec![Hyperparameter::new("units", Domain::int(1, 9).unwrap())]).unwrap();
    let objective = Objective::infer("val_loss").unwrap();
    let error = Study::new(other, objective, Box::new(Random::default()), Box::new(store), trials(1)).unwrap_err();
    insta::assert_snapshot!(error, @"trial 0001 is of another search space: there is no hyperparameter `layers` in this space. Give this study a name of its own");
}
