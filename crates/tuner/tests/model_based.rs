//! What the strategies that learn must do with failures, pending trials and conditions.

use std::collections::{HashSet, VecDeque};

use tuner::store::MemoryStore;
use tuner::strategy::{Settings, by_name};
use tuner::study::{Ask, Assignment, Outcome, Study, StudySettings};
use tuner::{Direction, Domain, Epoch, Failure, FailureReason, Hyperparameter, Objective, Params, Space};

fn study(strategy: &str, space: Space, trials: u64, seed: u64) -> Study {
    let settings = StudySettings {
        seed,
        trials,
        default_first: false,
        max_consecutive_failures: u32::MAX,
        ..StudySettings::default()
    };
    let strategy = by_name(strategy, &Settings::default()).unwrap();
    let objective = Objective::new("loss", Direction::Minimize);
    Study::new(space, objective, strategy, Box::new(MemoryStore::new()), settings).unwrap()
}

/// Runs the study to its end with so many trials under way at any time; the configurations in the order of the trials.
fn run(study: &mut Study, workers: usize, loss: impl Fn(&Params) -> Option<f64>) -> Vec<Params> {
    let mut under_way: VecDeque<Assignment> = VecDeque::new();
    loop {
        while under_way.len() < workers {
            match study.ask().unwrap() {
                Ask::Run(work) => under_way.push_back(work),
                Ask::Wait | Ask::Finished(_) => break,
            }
        }
        let Some(work) = under_way.pop_front() else { break };
        let outcome = match loss(&work.params) {
            Some(loss) => {
                study.report(work.trial, work.execution, Epoch::new(1, 0.0, [("loss", loss)])).unwrap();
                Outcome::Finished { stopped_early: false, best_epoch: None }
            }
            None => Outcome::Failed(Failure::new(FailureReason::OutOfMemory, "too large")),
        };
        study.tell(work.trial, work.execution, outcome).unwrap();
    }
    study.history().iter().map(|trial| trial.params.clone()).collect()
}

fn square() -> Space {
    let unit = |name: &str| Hyperparameter::new(name, Domain::float(0.0, 1.0).unwrap());
    Space::new(vec![unit("x"), unit("y")]).unwrap()
}

fn at(params: &Params, name: &str) -> f64 {
    params.get_float(name).unwrap()
}

/// In 30% of the square every trial fails. Whether the loss falls towards that region, which is the worst place to be
/// drawn to, or is least elsewhere: after 20 trials the search has left it.
#[test]
fn leaves_a_region_that_fails() {
    let valley: fn(&Params) -> f64 = |params| 1.0 - at(params, "x") + (at(params, "y") - 0.4).powi(2);
    let bowl: fn(&Params) -> f64 = |params| (at(params, "x") - 0.4).powi(2) + (at(params, "y") - 0.4).powi(2);
    for (strategy, loss, most) in [("bayesian", valley, 6), ("bayesian", bowl, 3), ("tpe", bowl, 5)] {
        for seed in 0..8 {
            let fails = |params: &Params| at(params, "x") > 0.7;
            let mut study = study(strategy, square(), 50, seed);
            let tried = run(&mut study, 1, |params| (!fails(params)).then(|| loss(params)));
            let late = tried[20..].iter().filter(|params| fails(params)).count();
            assert!(late <= most, "{strategy} with seed {seed}: {late} of the last 30 trials fail");
        }
    }
}

#[test]
fn pending_trials_are_spread() {
    for strategy in ["bayesian", "tpe", "sobol", "random"] {
        let mut study = study(strategy, square(), 40, 3);
        let tried =
            run(&mut study, 8, |params| Some((at(params, "x") - 0.3).powi(2) + (at(params, "y") - 0.6).powi(2)));
        let distinct: HashSet<String> = tried.iter().map(Params::key).collect();
        assert_eq!((tried.len(), distinct.len()), (40, 40), "{strategy}");
    }
}

/// Close to the best of a smooth bowl in few trials, in whatever direction the objective goes.
#[test]
fn finds_the_bottom_of_a_bowl() {
    for (strategy, within) in [("bayesian", 1e-3), ("tpe", 3e-2)] {
        for seed in 0..3 {
            let mut study = study(strategy, square(), 40, seed);
            run(&mut study, 1, |params| Some((at(params, "x") - 0.3).powi(2) + (at(params, "y") - 0.6).powi(2)));
            let best = study.best().and_then(|trial| trial.score).unwrap();
            assert!(best < within, "{strategy} with seed {seed}: {best}");
        }
    }
}
