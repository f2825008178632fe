//! Studies of a hundred thousand trials: their cost must not grow with the square of them.

use tuner::store::MemoryStore;
use tuner::strategy::{Grid, Random, Strategy};
use tuner::{Domain, Hyperparameter, Objective, Sampling, Space, StopReason, Study, StudySettings};

const TRIALS: u64 = 100_000;

fn run(space: Vec<Hyperparameter>, strategy: impl Strategy + 'static) -> StopReason {
    let objective = Objective::infer("loss").unwrap();
    // One more than a finite space has.
    let settings = StudySettings { trials: TRIALS + 1, ..StudySettings::default() };
    let mut study =
        Study::new(Space::new(space).unwrap(), objective, Box::new(strategy), Box::new(MemoryStore::new()), settings)
            .unwrap();
    let reason = study
        .run(|run| {
            let loss = run.params().get_float("a").unwrap_or(0.0);
            run.report([("loss", loss)])?;
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

#[test]
fn random_over_a_continuous_space() {
    let rate = Domain::float_with(1e-5, 1.0, None, Sampling::Log).unwrap();
    let space = vec![Hyperparameter::new("a", rate), Hyperparameter::new("b", Domain::boolean())];
    assert_eq!(run(space, Random::default()), StopReason::Trials);
}

#[test]
fn random_to_the_end_of_a_finite_space() {
    assert_eq!(run(finite(), Random::default()), StopReason::Exhausted);
}

#[test]
fn grid_to_the_end_of_a_finite_space() {
    assert_eq!(run(finite(), Grid::default()), StopReason::Exhausted);
}
