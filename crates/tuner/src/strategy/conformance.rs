//! What every strategy must pass. A strategy takes part with one line:
//!
//! ```text
//! conformance!(random, || Box::new(Random::default()));
//! ```

use std::collections::HashSet;

use super::draw::Draw;
use super::{
    Decision, Grid, Proposal, PruningSettings, Random, Rule, Sampler, Settings, Strategy, StrategyError, StudyView,
    by_name,
};
use crate::history::History;
use crate::objective::{Direction, Objective};
use crate::space::{Domain, Hyperparameter, Params, Sampling, Space};
use crate::store::{DirectoryStore, FORMAT, Loaded, MemoryStore, Store, StoreError, StudyRecord};
use crate::study::{Ask, Assignment, Outcome, StopReason, Study, StudyError, StudySettings};
use crate::trial::{Epoch, Failure, FailureReason, Infeasible, InfeasibleReason, Trial, TrialId, TrialState};

pub(crate) type Make = fn() -> Box<dyn Strategy>;

/// The score of a configuration in a trial after an epoch.
type Value = fn(&Params, TrialId, u32) -> Result<f64, Failure>;

/// Every kind of domain, with conditions two deep.
fn mixed() -> Space {
    let choice = |values: &[&str]| Domain::choice(values.iter().map(|value| (*value).into()).collect(), false).unwrap();
    let ordered = Domain::choice(vec![16.into(), 32.into(), 64.into()], true).unwrap();
    Space::new(vec![
        Hyperparameter::new("optimizer", choice(&["adam", "sgd", "rmsprop"])),
        Hyperparameter::new("learning_rate", Domain::float_with(1e-5, 1e-1, None, Sampling::Log).unwrap())
            .with_default(1e-3)
            .unwrap(),
        Hyperparameter::new("momentum", Domain::float_with(0.5, 0.99, None, Sampling::ReverseLog).unwrap())
            .when("optimizer", ["sgd"]),
        Hyperparameter::new("nesterov", Domain::Boolean).when("optimizer", ["sgd"]),
        Hyperparameter::new("strength", Domain::float_with(0.0, 1.0, Some(0.25), Sampling::Linear).unwrap())
            .when("nesterov", [true]),
        Hyperparameter::new("layers", Domain::int(1, 3).unwrap()),
        Hyperparameter::new("units0", Domain::int_with(8, 512, Some(2), Sampling::Log).unwrap()),
        Hyperparameter::new("units1", Domain::int_with(8, 512, None, Sampling::Log).unwrap()).when_greater("layers", 1),
        Hyperparameter::new("units2", Domain::int_with(8, 512, Some(8), Sampling::Linear).unwrap())
            .when_greater("layers", 2),
        Hyperparameter::new("batch_size", ordered),
        Hyperparameter::fixed("epochs_of_warmup", 1).unwrap(),
    ])
    .unwrap()
}

/// 24 configurations.
fn two_dozen() -> Space {
    Space::new(vec![
        Hyperparameter::new("layers", Domain::int(1, 4).unwrap()),
        Hyperparameter::new("activation", Domain::choice(vec!["relu".into(), "tanh".into()], false).unwrap()),
        Hyperparameter::new("dropout", Domain::Boolean),
        Hyperparameter::new("rate", Domain::float_with(0.1, 0.2, Some(0.1), Sampling::Linear).unwrap())
            .when("dropout", [true]),
    ])
    .unwrap()
}

/// A study to be searched, and what its trainings give.
#[derive(Clone)]
struct Case {
    space: Space,
    direction: Direction,
    settings: StudySettings,
    value: Value,
    feasible: fn(&Params) -> Result<(), Infeasible>,
}

impl Case {
    fn new(space: Space, trials: u64) -> Self {
        Self {
            space,
            direction: Direction::Minimize,
            settings: StudySettings {
                seed: 0,
                trials,
                epochs: 9,
                max_consecutive_failures: u32::MAX,
                ..StudySettings::default()
            },
            value: |params, _, epoch| Ok(bowl(params) + 1.0 / f64::from(epoch)),
            feasible: |_| Ok(()),
        }
    }

    fn open(&self, make: Make, store: &MemoryStore) -> Study {
        self.open_on(make, store.clone())
    }

    fn open_on(&self, make: Make, store: impl Store + 'static) -> Study {
        let objective = Objective::new("score", self.direction);
        let (space, settings) = (self.space.clone(), self.settings.clone());
        Study::new(space, objective, make(), Box::new(store), settings).unwrap().with_feasibility(self.feasible)
    }

    fn run(&self, make: Make) -> (History, StopReason) {
        let mut study = self.open(make, &MemoryStore::new());
        let reason = self.go_on(&mut study, u64::MAX).unwrap().expect("nothing interrupts it");
        (study.history().clone(), reason)
    }

    /// Goes on with a study for so many calls of it; `None` when they did not bring it to its end.
    fn go_on(&self, study: &mut Study, mut calls: u64) -> Result<Option<StopReason>, StudyError> {
        let mut may_call = || {
            let may = calls > 0;
            calls = calls.saturating_sub(1);
            may
        };
        while may_call() {
            let assignment = match study.ask()? {
                Ask::Run(assignment) => assignment,
                Ask::Finished(reason) => return Ok(Some(reason)),
                Ask::Wait => panic!("waits while nothing is under way"),
            };
            let Some(outcome) = self.train(study, &assignment, &mut may_call)? else { return Ok(None) };
            if !may_call() {
                return Ok(None);
            }
            study.tell(assignment.trial, assignment.execution, outcome)?;
        }
        Ok(None)
    }

    fn train(
        &self,
        study: &mut Study,
        work: &Assignment,
        may_call: &mut impl FnMut() -> bool,
    ) -> Result<Option<Outcome>, StudyError> {
        for epoch in work.from_epoch + 1..=work.to_epoch {
            let score = match (self.value)(&work.params, work.trial, epoch) {
                Ok(score) => score,
                Err(failure) => return Ok(Some(Outcome::Failed(failure))),
            };
            if !may_call() {
                return Ok(None);
            }
            match study.report(work.trial, work.execution, Epoch::new(epoch, 0.0, [("score", score)]))? {
                Decision::Continue => {}
                Decision::Pause => return Ok(Some(Outcome::Paused)),
                Decision::Stop => return Ok(Some(Outcome::Pruned)),
            }
        }
        Ok(Some(Outcome::Finished { stopped_early: false, best_epoch: None }))
    }
}

/// A smooth loss over whatever numbers there are, least in the middle of each.
fn bowl(params: &Params) -> f64 {
    params.iter().filter_map(|(name, _)| params.get_float(name)).map(|x| (x.abs().max(1e-9).ln() + 2.0).powi(2)).sum()
}

fn timeless(history: &History) -> Vec<Trial> {
    history.iter().cloned().map(|trial| Trial { created: String::new(), finished: None, ..trial }).collect()
}

fn distinct(history: &History) -> usize {
    history.iter().map(|trial| trial.params.key()).collect::<HashSet<_>>().len()
}

/// The best is the best of the completed ones, looked at one by one.
fn assert_best_is_best(case: &Case, history: &History) {
    let objective = Objective::new("score", case.direction);
    let best = history.best(&objective).and_then(|trial| trial.score).expect("something was completed");
    for trial in history.iter().filter(|trial| trial.state == TrialState::Completed) {
        assert!(!objective.is_better(trial.score.unwrap(), best));
    }
}

pub(crate) fn proposes_from_every_domain_in_both_directions(make: Make) {
    for direction in [Direction::Minimize, Direction::Maximize] {
        // The study itself refuses what is none of the space.
        let case = Case { direction, ..Case::new(mixed(), 30) };
        let (history, reason) = case.run(make);
        assert_eq!(reason, StopReason::Trials);
        assert_eq!((history.len(), distinct(&history)), (30, 30));
        assert_best_is_best(&case, &history);
    }
}

pub(crate) fn begins_with_the_default_unless_told_otherwise(make: Make) {
    let case = Case::new(mixed(), 2);
    assert_eq!(case.run(make).0.get(TrialId(1)).unwrap().params, mixed().default_params());

    let mut study = case.open(make, &MemoryStore::new());
    let wish = Params::from_iter([("layers", 3)]);
    study.enqueue(&wish).unwrap();
    case.go_on(&mut study, u64::MAX).unwrap();
    let first = study.history().get(TrialId(1)).unwrap();
    assert_eq!((first.params.get_int("layers"), first.enqueued), (Some(3), true));
}

pub(crate) fn tries_a_finite_space_once(make: Make) {
    let (history, reason) = Case::new(two_dozen(), 30).run(make);
    assert_eq!(reason, StopReason::Exhausted);
    assert_eq!((history.len(), distinct(&history)), (24, 24));
    assert!(history.best(&Objective::new("score", Direction::Minimize)).is_some());

    let one_point = Space::new(vec![Hyperparameter::fixed("units", 32).unwrap()]).unwrap();
    let (history, reason) = Case::new(one_point, 30).run(make);
    assert_eq!((history.len(), reason), (1, StopReason::Exhausted));
    assert_eq!(history.get(TrialId(1)).unwrap().state, TrialState::Completed);
}

pub(crate) fn bears_whatever_a_training_gives(make: Make) {
    let values: [Value; 5] = [
        |_, _, _| Ok(1.0),
        |_, trial, _| Ok((trial.0 % 2) as f64),
        |params, trial, _| Ok(10f64.powi((trial.0 % 12) as i32 - 5) * (1.0 + bowl(params) * 1e-6)),
        |params, trial, epoch| match trial.0 % 4 {
            1 => Err(Failure::new(FailureReason::Panic, "index out of bounds")),
            2 => Ok(f64::NEG_INFINITY),
            _ if epoch == 3 => Ok(f64::NAN),
            _ => Ok(bowl(params)),
        },
        |_, trial, _| Ok(if trial.0 == 5 { 1e300 } else { -1e-300 }),
    ];
    for value in values {
        for direction in [Direction::Minimize, Direction::Maximize] {
            let case = Case { direction, value, ..Case::new(mixed(), 25) };
            let (history, _) = case.run(make);
            assert_eq!((history.len(), distinct(&history)), (25, 25));
            assert_best_is_best(&case, &history);
        }
    }
    let hopeless = |_: &Params, _, _| Err(Failure::new(FailureReason::Error, "no data"));
    let (history, _) = Case { value: hopeless, ..Case::new(mixed(), 12) }.run(make);
    assert!(history.len() == 12 && history.iter().all(|trial| trial.score.is_none()));
}

fn even_layers(params: &Params) -> Result<(), Infeasible> {
    match params.get_int("layers") {
        Some(layers) if layers % 2 == 0 => Ok(()),
        layers => Err(Infeasible::new(InfeasibleReason::Shape, format!("{layers:?} layers do not fit"))),
    }
}

pub(crate) fn never_proposes_what_cannot_be_trained(make: Make) {
    let (history, reason) = Case { feasible: even_layers, ..Case::new(two_dozen(), 30) }.run(make);
    assert_eq!(reason, StopReason::Exhausted);
    assert_eq!((history.len(), distinct(&history)), (12, 12));
    assert!(history.iter().all(|trial| even_layers(&trial.params).is_ok()));
    let rejected: u64 = history.iter().flat_map(|trial| trial.rejected.values()).sum();
    assert!(rejected > 0);

    let (history, _) = Case { feasible: even_layers, ..Case::new(mixed(), 20) }.run(make);
    assert!(history.len() == 20 && history.iter().all(|trial| even_layers(&trial.params).is_ok()));

    for space in [two_dozen(), mixed()] {
        let feasible = |_: &Params| Err(Infeasible::new(InfeasibleReason::MemoryLimit, "needs 9 GB"));
        let case = Case { feasible, ..Case::new(space, 3) };
        let error = case.go_on(&mut case.open(make, &MemoryStore::new()), u64::MAX).unwrap_err();
        let StudyError::Strategy(StrategyError::NoFeasible { infeasible, .. }) = error else { panic!("{error}") };
        assert_eq!(infeasible.reason, InfeasibleReason::MemoryLimit);
    }
}

pub(crate) fn gives_five_workers_different_work(make: Make) {
    for space in [mixed(), two_dozen()] {
        let case = Case::new(space, 15);
        let mut study = case.open(make, &MemoryStore::new());
        let mut under_way: Vec<Assignment> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            match study.ask().unwrap() {
                Ask::Run(work) => {
                    seen.insert(work.params.key());
                    under_way.push(work);
                    if under_way.len() < 5 {
                        continue;
                    }
                }
                Ask::Wait => assert!(!under_way.is_empty()),
                Ask::Finished(_) => break,
            }
            // The last one asked for is the first to end.
            let work = under_way.pop().expect("something is under way");
            let outcome = case.train(&mut study, &work, &mut || true).unwrap().expect("nothing interrupts it");
            study.tell(work.trial, work.execution, outcome).unwrap();
        }
        assert_eq!((study.history().len(), seen.len()), (15, 15));
        assert!(study.best().is_some());
    }
}

pub(crate) fn the_same_seed_gives_the_same_study(make: Make) {
    for seed in [0, 1, u64::MAX] {
        let mut case = Case::new(mixed(), 20);
        case.settings.seed = seed;
        assert_eq!(timeless(&case.run(make).0), timeless(&case.run(make).0));
    }
}

/// Killed after any call, and opened again by a new process, a study ends as if it had not been.
pub(crate) fn a_resumed_study_is_the_uninterrupted_one(make: Make) {
    let mut two_dozen = Case { feasible: even_layers, ..Case::new(two_dozen(), 30) };
    let mut mixed = Case::new(mixed(), 8);
    for case in [&mut two_dozen, &mut mixed] {
        case.settings.epochs = 3;
        case.settings.executions_per_trial = 2;
        let whole = timeless(&case.run(make).0);
        let mut calls = 1;
        loop {
            let store = MemoryStore::new();
            let finished = case.go_on(&mut case.open(make, &store), calls).unwrap();
            let mut again = case.open(make, &store);
            case.go_on(&mut again, u64::MAX).unwrap();
            assert_eq!(timeless(again.history()), whole, "interrupted after {calls} calls");
            if finished.is_some() {
                break;
            }
            calls += 1;
        }
    }
}

/// A strategy that has proposed before answers as one that is new to the study.
pub(crate) fn history_is_all_it_knows(make: Make) {
    for space in [mixed(), two_dozen()] {
        let case = Case::new(space, 24);
        let whole = timeless(&case.run(make).0);
        let store = MemoryStore::new();
        // A process for each trial: it asks, trains, tells, and is gone.
        let calls = 1 + u64::from(case.settings.epochs) + 1;
        while case.go_on(&mut case.open(make, &store), calls).unwrap().is_none() {}
        assert_eq!(timeless(case.open(make, &store).history()), whole);
    }
}

/// Trains two epochs, then the better half to the end; and stops what is bad after an epoch.
#[derive(Default)]
struct Halving {
    draw: Draw,
}

impl Strategy for Halving {
    fn name(&self) -> &'static str {
        "halving"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        let drawn = if study.trials_left > 0 { self.draw.next(study, [])? } else { None };
        if let Some(drawn) = drawn {
            return Ok(drawn.start(2));
        }
        let mut reached: Vec<_> = study.history.at_budget(study.objective, 2).collect();
        reached.sort_by(|(a, x), (b, y)| x.total_cmp(y).then(a.id.cmp(&b.id)));
        let mut better = reached.iter().take(reached.len().div_ceil(2)).map(|(trial, _)| *trial);
        let promoted = better.find(|trial| trial.state == TrialState::Paused);
        Ok(promoted.map_or(Proposal::Exhausted, |trial| Proposal::Resume { trial: trial.id, budget: study.epochs }))
    }

    fn decide(&self, study: &StudyView<'_>, trial: TrialId) -> Decision {
        let known = study.history.get(trial).expect("it has just reported");
        match known.score {
            Some(score) if trial.0 > 3 && score > 10.0 => Decision::Stop,
            _ if trial.0 == 3 => Decision::Pause,
            _ => Decision::Continue,
        }
    }
}

/// The study itself keeps its promise to a strategy that pauses, promotes and stops trials.
#[test]
fn a_resumed_study_of_pauses_is_the_uninterrupted_one() {
    let make: Make = || Box::new(Halving::default());
    let case = Case {
        settings: StudySettings { epochs: 3, ..Case::new(two_dozen(), 8).settings },
        ..Case::new(two_dozen(), 8)
    };
    let (history, _) = case.run(make);
    for state in [TrialState::Paused, TrialState::Completed, TrialState::Pruned] {
        assert!(history.iter().any(|trial| trial.state == state), "nothing is {state}");
    }
    a_resumed_study_is_the_uninterrupted_one(make);
}

/// A store that fails from some write on, as a full disk does.
struct Failing {
    store: MemoryStore,
    writes_left: u64,
}

impl Store for Failing {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.store.load()
    }

    fn save(&mut self, trial: &Trial) -> Result<(), StoreError> {
        if self.writes_left == 0 {
            return Err(StoreError::Locked { path: "nowhere".into(), holder: None });
        }
        self.writes_left -= 1;
        self.store.save(trial)
    }
}

#[test]
fn a_study_whose_store_failed_at_any_write_goes_on() {
    for make in
        [(|| Box::new(Halving::default())) as Make, || Box::new(Random::default()), || Box::new(Grid::default())]
    {
        let case = Case::new(two_dozen(), 6);
        let whole = timeless(&case.run(make).0);
        for writes_left in 0.. {
            let store = MemoryStore::new();
            let failing = Failing { store: store.clone(), writes_left };
            let outcome = case.go_on(&mut case.open_on(make, failing), u64::MAX);
            let mut again = case.open(make, &store);
            case.go_on(&mut again, u64::MAX).unwrap();
            assert_eq!(timeless(again.history()), whole, "failed after {writes_left} writes");
            if outcome.is_ok() {
                break;
            }
        }
    }
}

/// The same on disk: what a process leaves there is what the next one needs.
#[test]
fn a_study_in_a_folder_is_resumed_after_any_call() {
    let mut case = Case::new(two_dozen(), 3);
    case.settings.epochs = 2;
    let make: Make = || Box::new(Random::default());
    let whole = timeless(&case.run(make).0);
    let record = StudyRecord {
        format: FORMAT,
        program: String::new(),
        created: String::new(),
        name: "resumed".to_owned(),
        strategy: "random".to_owned(),
        seed: 0,
        objective: Objective::new("score", Direction::Minimize),
        study: serde_json::Value::Null,
        space: two_dozen(),
    };
    for calls in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let created = DirectoryStore::create(folder.path(), &record).unwrap();
        let finished = case.go_on(&mut case.open_on(make, created), calls).unwrap();
        let (opened, _) = DirectoryStore::open(folder.path()).unwrap();
        let mut again = case.open_on(make, opened);
        case.go_on(&mut again, u64::MAX).unwrap();
        assert_eq!(timeless(again.history()), whole, "interrupted after {calls} calls");
        if finished.is_some() {
            break;
        }
    }
}

/// Makes a strategy take part: a name for the module of its tests, and how to make one.
macro_rules! conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::super::*;
            #[allow(unused_imports)]
            use super::{pruned, rungs};
            use crate::strategy::conformance;

            $crate::strategy::conformance::conformance!(@checks $make,
                proposes_from_every_domain_in_both_directions
                begins_with_the_default_unless_told_otherwise
                tries_a_finite_space_once
                bears_whatever_a_training_gives
                never_proposes_what_cannot_be_trained
                gives_five_workers_different_work
                the_same_seed_gives_the_same_study
                a_resumed_study_is_the_uninterrupted_one
                history_is_all_it_knows
            );
        }
    };
    (@checks $make:expr, $($check:ident)*) => {
        $(
            #[test]
            fn $check() {
                conformance::$check($make);
            }
        )*
    };
}

pub(crate) use conformance;

conformance!(random, || Box::new(Random::default()));
conformance!(grid, || Box::new(Grid::default()));
conformance!(sobol, || Box::new(Sobol::default()));
conformance!(tpe, || Box::new(Tpe::default()));
conformance!(bayesian, || Box::new(Bayesian::default()));
conformance!(auto, || Box::new(Auto::default()));
conformance!(hyperband_random, || rungs("hyperband", Sampler::Random));
conformance!(hyperband_tpe, || rungs("hyperband", Sampler::Tpe));
conformance!(hyperband_bayesian, || rungs("hyperband", Sampler::Bayesian));
conformance!(asha_random, || rungs("asha", Sampler::Random));
conformance!(asha_tpe, || rungs("asha", Sampler::Tpe));
conformance!(asha_bayesian, || rungs("asha", Sampler::Bayesian));
conformance!(pruned_random, || pruned("random"));
conformance!(pruned_asha, || pruned("asha"));

fn rungs(name: &str, sampler: Sampler) -> Box<dyn Strategy> {
    let mut settings = Settings::default();
    settings.hyperband.sampler = sampler;
    settings.asha.sampler = sampler;
    by_name(name, &settings).unwrap()
}

fn pruned(name: &str) -> Box<dyn Strategy> {
    let rule = PruningSettings { warmup_trials: 1, ..PruningSettings::new(Rule::Median) };
    by_name(name, &Settings { pruning: Some(rule), ..Settings::default() }).unwrap()
}
