//! What Hyperband, ASHA and the pruning rules do with the trials of a study.

use std::collections::BTreeMap;

use tuner::store::MemoryStore;
use tuner::strategy::{PruningSettings, Rule, Sampler, Settings, by_name};
use tuner::study::{Ask, Assignment, Outcome};
use tuner::{
    Decision, Direction, Domain, Epoch, Failure, FailureReason, History, Hyperparameter, Objective, Params, Space,
    StopReason, Study, StudySettings, Trial, TrialState,
};

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.hyperband.sampler = Sampler::Random;
    settings.asha.sampler = Sampler::Random;
    settings.asha.factor = 3;
    settings
}

fn study(strategy: &str, settings: &Settings, values: i64, trials: u64, epochs: u32) -> Study {
    let space = Space::new(vec![Hyperparameter::new("x", Domain::int(1, values).unwrap())]).unwrap();
    let study_settings =
        StudySettings { trials, epochs, max_consecutive_failures: u32::MAX, ..StudySettings::default() };
    let objective = Objective::new("loss", Direction::Minimize);
    let strategy = by_name(strategy, settings).unwrap();
    Study::new(space, objective, strategy, Box::new(MemoryStore::new()), study_settings).unwrap()
}

/// The larger `x`, the better, at every epoch.
fn loss(params: &Params, epoch: u32) -> f64 {
    1.0 / params.get_float("x").unwrap() + 1.0 / f64::from(epoch)
}

/// Trains all that was asked for, or fails where it is to.
fn train(study: &mut Study, work: &Assignment, fails: impl Fn(&Assignment) -> bool) {
    let (trial, execution) = (work.trial, work.execution);
    if fails(work) {
        return study.tell(trial, execution, Outcome::Failed(Failure::new(FailureReason::Panic, "bad luck"))).unwrap();
    }
    let mut outcome = Outcome::Finished { stopped_early: false, best_epoch: None };
    for epoch in work.from_epoch + 1..=work.to_epoch {
        match study.report(trial, execution, Epoch::new(epoch, 0.0, [("loss", loss(&work.params, epoch))])).unwrap() {
            Decision::Continue => {}
            Decision::Pause => outcome = Outcome::Paused,
            Decision::Stop => {
                outcome = Outcome::Pruned;
                break;
            }
        }
    }
    study.tell(trial, execution, outcome).unwrap();
}

fn run(study: &mut Study, fails: impl Fn(&Assignment) -> bool) -> StopReason {
    loop {
        match study.ask().unwrap() {
            Ask::Run(work) => train(study, &work, &fails),
            Ask::Finished(reason) => return reason,
            Ask::Wait => panic!("waits while nothing is under way"),
        }
    }
}

/// How many trials came to each budget.
fn reached(history: &History) -> BTreeMap<u32, usize> {
    let objective = Objective::new("loss", Direction::Minimize);
    [1, 3, 9].into_iter().map(|epochs| (epochs, history.at_budget(&objective, epochs).count())).collect()
}

#[test]
fn one_iteration_of_hyperband_is_its_plan() {
    let mut one = settings();
    one.hyperband.iterations = Some(1);
    let plan = one.hyperband.plan(9);
    let mut study = study("hyperband", &one, 1_000, 1_000, 9);
    assert_eq!(run(&mut study, |_| false), StopReason::Plan);
    assert_eq!(study.history().len() as u64, plan.trials());
    assert_eq!(study.history().iter().map(Trial::epochs_trained).sum::<u64>(), plan.epochs());
    // 9@1 3@3 1@9, 3@3 1@9, 3@9
    assert_eq!(reached(study.history()), BTreeMap::from([(1, 15), (3, 9), (9, 5)]));

    // In every bracket the best ones went on.
    let first: Vec<_> = study.history().iter().take(9).collect();
    let best = first.iter().max_by_key(|trial| trial.params.get_int("x")).unwrap();
    assert_eq!((&best.state, best.rungs.as_slice()), (&TrialState::Completed, [1, 3].as_slice()));
    assert_eq!(first.iter().filter(|trial| trial.budget == 1 && trial.state == TrialState::Paused).count(), 6);
}

#[test]
fn a_failure_has_its_place_taken_by_the_next_best() {
    let mut one = settings();
    one.hyperband.iterations = Some(1);
    let mut study = study("hyperband", &one, 1_000, 9, 9);
    // The two best of the first rung fail in the second one.
    let mut best: Vec<i64> = Vec::new();
    while let Ask::Run(work) = study.ask().unwrap() {
        if work.from_epoch == 1 && best.is_empty() {
            best = study.history().iter().filter_map(|trial| trial.params.get_int("x")).collect();
            best.sort_unstable_by(|a, b| b.cmp(a));
        }
        let x = work.params.get_int("x").unwrap();
        train(&mut study, &work, |work| work.from_epoch == 1 && best[..2].contains(&x));
    }
    let gone_on: Vec<_> = study.history().iter().filter(|trial| trial.budget > 1).collect();
    let failed = gone_on.iter().filter(|trial| matches!(trial.state, TrialState::Failed(_)));
    assert_eq!((gone_on.len(), failed.count()), (5, 2));
    let winner = study.best().unwrap();
    assert_eq!((winner.params.get_int("x"), winner.budget), (Some(best[2]), 9));
}

#[test]
fn a_small_space_shrinks_the_bracket_and_still_ends_in_full_trainings() {
    for strategy in ["hyperband", "asha"] {
        for values in [1, 2, 5, 11] {
            let mut study = study(strategy, &settings(), values, 1_000, 27);
            assert_eq!(run(&mut study, |_| false), StopReason::Exhausted);
            let best = study.best().expect("something was trained in full");
            assert_eq!((study.history().len() as i64, best.params.get_int("x")), (values, Some(values)), "{strategy}");
        }
    }
}

#[test]
fn a_few_trials_end_in_a_full_training_too() {
    for strategy in ["hyperband", "asha"] {
        for trials in 1..12 {
            let mut study = study(strategy, &settings(), 1_000, trials, 81);
            assert_eq!(run(&mut study, |_| false), StopReason::Trials);
            assert!(study.best().is_some_and(|best| best.epochs_trained() == 81), "{strategy}, {trials} trials");
        }
    }
}

#[test]
fn idle_workers_begin_the_next_bracket() {
    let mut study = study("hyperband", &settings(), 1_000, 1_000, 9);
    let mut budgets = Vec::new();
    for _ in 0..14 {
        let Ask::Run(work) = study.ask().unwrap() else { panic!("a worker has nothing to do") };
        budgets.push(work.to_epoch);
    }
    assert_eq!(budgets, [1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 9, 9]);
}

#[test]
fn asha_goes_on_with_a_trial_as_soon_as_it_is_among_the_best_third() {
    let mut study = study("asha", &settings(), 1_000, 1_000, 9);
    let mut asked = Vec::new();
    for _ in 0..4 {
        let Ask::Run(work) = study.ask().unwrap() else { panic!("a worker has nothing to do") };
        asked.push((work.from_epoch, work.to_epoch));
        train(&mut study, &work, |_| false);
    }
    assert_eq!(asked, [(0, 1), (0, 1), (0, 1), (1, 3)]);
    let gone_on = study.history().iter().find(|trial| trial.budget == 3).unwrap();
    let best = study.history().iter().max_by_key(|trial| trial.params.get_int("x")).unwrap();
    assert_eq!(gone_on.id, best.id);
}

#[test]
fn who_ended_early_for_lack_of_progress_keeps_its_place() {
    for strategy in ["hyperband", "asha"] {
        let mut study = study(strategy, &settings(), 1_000, 9, 9);
        while let Ask::Run(work) = study.ask().unwrap() {
            assert_eq!(work.from_epoch, 0, "{strategy}: a trial that was complete has been resumed");
            study.report(work.trial, 0, Epoch::new(1, 0.0, [("loss", loss(&work.params, 1))])).unwrap();
            study.tell(work.trial, 0, Outcome::Finished { stopped_early: true, best_epoch: None }).unwrap();
        }
        assert!(study.history().iter().all(|trial| trial.state == TrialState::Completed), "{strategy}");
    }
}

#[test]
fn a_rule_stops_what_is_worse_than_half_of_the_others() {
    let rule =
        PruningSettings { warmup_trials: 3, warmup_epochs: 2, interval: 3, ..PruningSettings::new(Rule::Median) };
    let mut study = study("random", &Settings { pruning: Some(rule), ..settings() }, 1_000, 40, 9);
    run(&mut study, |_| false);
    let (mut stopped, mut completed) = (Vec::new(), Vec::new());
    for trial in study.history().iter() {
        let x = trial.params.get_int("x").unwrap();
        match trial.state {
            TrialState::Pruned => {
                assert!([2, 5, 8].contains(&trial.epochs_trained()));
                stopped.push(x);
            }
            _ => completed.push(x),
        }
    }
    assert!(stopped.len() >= 10, "{stopped:?}");
    assert!(study.history().iter().take(3).all(|trial| trial.state == TrialState::Completed));
    // The first three are never stopped, and the bar rises with time.
    let mean = |values: &[i64]| values.iter().sum::<i64>() as f64 / values.len() as f64;
    assert!(mean(&completed) > 1.5 * mean(&stopped));
    assert_eq!(
        study.best().unwrap().params.get_int("x"),
        study.history().iter().filter_map(|t| t.params.get_int("x")).max()
    );
}

#[test]
fn a_percentile_says_how_many_go_on() {
    let stopped = |percentile| {
        let rule = PruningSettings { percentile, warmup_trials: 3, ..PruningSettings::new(Rule::Percentile) };
        let mut study = study("random", &Settings { pruning: Some(rule), ..settings() }, 1_000, 60, 9);
        run(&mut study, |_| false);
        study.history().iter().filter(|trial| trial.state == TrialState::Pruned).count()
    };
    let counts = [10.0, 50.0, 100.0].map(stopped);
    assert!(counts[0] > counts[1] && counts[1] > counts[2] && counts[2] < 15, "{counts:?}");
}
