//! What a proposal costs, on one core, after so many finished trials of six hyperparameters.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tuner::strategy::{Settings, StudyView, by_name};
use tuner::{
    Direction, Domain, History, Hyperparameter, Objective, Sampling, Space, SpaceError, Trial, TrialId, TrialState,
    seeds,
};

fn space() -> Result<Space, SpaceError> {
    let optimizers = ["adam", "sgd", "rmsprop", "adamw"].map(Into::into).to_vec();
    Space::new(vec![
        Hyperparameter::new("learning_rate", Domain::float_with(1e-5, 1e-1, None, Sampling::Log)?),
        Hyperparameter::new("weight_decay", Domain::float_with(1e-6, 1e-2, None, Sampling::Log)?),
        Hyperparameter::new("units", Domain::int_with(32, 256, Some(32), Sampling::Linear)?),
        Hyperparameter::new("layers", Domain::int(1, 5)?),
        Hyperparameter::new("optimizer", Domain::choice(optimizers, false)?),
        Hyperparameter::new("batch_norm", Domain::boolean()),
    ])
}

fn history(space: &Space, trials: u64) -> History {
    let finished = |number| {
        let id = TrialId(number);
        let params = space.sample(&mut seeds::stream(0, id, "benchmark"));
        let number = |name| params.get_float(name).unwrap_or(1.0);
        let score = (number("learning_rate").log10() + 3.0).powi(2) + (number("layers") - 3.0).abs() * 0.2;
        let mut trial = Trial::new(id, params.clone(), 1);
        trial.state = TrialState::Completed;
        trial.score = Some(score + (number("units") - 128.0).abs() / 100.0);
        trial
    };
    (1..=trials).map(finished).collect()
}

fn suggestion(criterion: &mut Criterion) {
    let Ok(space) = space() else { return };
    let objective = Objective::new("loss", Direction::Minimize);
    let mut group = criterion.benchmark_group("suggestion");
    group.sample_size(10);
    for (name, trials) in [
        ("random", 1_000),
        ("sobol", 1_000),
        ("tpe", 100),
        ("tpe", 1_000),
        ("bayesian", 100),
        ("bayesian", 300),
        ("bayesian", 2_000),
    ] {
        let history = history(&space, trials);
        let study = StudyView {
            space: &space,
            objective: &objective,
            history: &history,
            seed: 0,
            epochs: 1,
            trials_left: 100,
            first: None,
            feasibility: &|_| Ok(()),
        };
        let Ok(mut strategy) = by_name(name, &Settings::default()) else { continue };
        group.bench_function(BenchmarkId::new(name, trials), |bencher| {
            bencher.iter(|| black_box(strategy.propose(&study)));
        });
    }
    group.finish();
}

criterion_group!(benches, suggestion);
criterion_main!(benches);
