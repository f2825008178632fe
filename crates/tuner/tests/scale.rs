//! Studies of a hundred thousand trials: their cost must not grow with the square of them.

use tuner::store::MemoryStore;
use tuner::strategy::{Grid, Random, Sampler, Settings, Strategy, by_name};
use tuner::{Decision, Domain, Hyperparameter, Objective, Sampling, Space, StopReason, Study, StudySettings};

const TRIALS: u64 = 100_000;

fn run(space: Vec<Hyperparameter>, strategy: Box<dyn Strategy>, epochs: u32) -> StopReason {
    let objective = Objective::infer("loss").unwrap();
    // One more than a finite space has.
    let settings = StudySettings { trials: TRIALS + 1, epochs, ..StudySettings::default() };
    let mut study =
        Study::new(Space::new(space).unwrap(), objective, strategy, Box::new(MemoryStore::new()), settings).unwrap();
    let reason = study
        .run(|run| {
            run.resume();
            let loss = run.params().get_float("a").unwrap_or(0.0);
            for epoch in run.epochs() {
                if run.report([("loss", loss + 1.0 / f64::from(epoch))])? != Decision::Continue {
                    break;
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(study.history().configurations() >= TRIALS);
    reason
}

fn finite() -> Vec<Hyperparameter> {
    let axis = |name, values| Hyperparameter::new(name, Domain::int(1, values).unwrap());
    vec![axis("a", 100), axis("b", 100), axis("c", 10)]
}

fn continuous() -> Vec<Hyperparameter> {
    let rate = Domain::float_with(1e-5, 1.0, None, Sampling::Log).unwrap();
    vec![Hyperparameter::new("a", rate), Hyperparameter::new("b", Domain::boolean())]
}

#[test]
fn random_over_a_continuous_space() {
    assert_eq!(run(continuous(), Box::new(Random::default()), 1), StopReason::Trials);
}

#[test]
fn rungs_over_a_continuous_space() {
    let mut settings = Settings::default();
    settings.hyperband.sampler = Sampler::Random;
    settings.asha.sampler = Sampler::Random;
    for strategy in ["hyperband", "asha"] {
        assert_eq!(run(continuous(), by_name(strategy, &settings).unwrap(), 9), StopReason::Trials);
    }
}

#[test]
fn random_to_the_end_of_a_finite_space() {
    assert_eq!(run(finite(), Box::new(Random::default()), 1), StopReason::Exhausted);
}

#[test]
fn grid_to_the_end_of_a_finite_space() {
    assert_eq!(run(finite(), Box::new(Grid::default()), 1), StopReason::Exhausted);
}
