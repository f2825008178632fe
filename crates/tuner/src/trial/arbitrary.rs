//! Random trials for property tests.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::space::Value;

fn state() -> impl Strategy<Value = TrialState> {
    let reason = prop_oneof![
        Just(FailureReason::Panic),
        Just(FailureReason::NonFinite),
        Just(FailureReason::OutOfMemory),
        Just(FailureReason::Timeout),
        (1..32).prop_map(|signal| FailureReason::Killed { signal }),
        Just(FailureReason::Error),
    ];
    let infeasible = prop_oneof![
        Just(InfeasibleReason::Shape),
        Just(InfeasibleReason::ParameterLimit),
        Just(InfeasibleReason::MemoryLimit),
    ];
    prop_oneof![
        Just(TrialState::Waiting),
        Just(TrialState::Running),
        Just(TrialState::Paused),
        Just(TrialState::Completed),
        Just(TrialState::Pruned),
        (reason, any::<String>()).prop_map(|(reason, message)| TrialState::Failed(Failure { reason, message })),
        (infeasible, any::<String>())
            .prop_map(|(reason, message)| TrialState::Infeasible(Infeasible { reason, message })),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
    ]
}

fn execution() -> impl Strategy<Value = Execution> {
    let metrics = vec(("[a-z_]{1,12}", any::<f64>()), 0..4);
    let epochs = vec((0.0..1e6, metrics), 0..4);
    (any::<u32>(), epochs, any::<bool>(), any::<bool>(), option::of(1..9u32)).prop_map(
        |(seed, epochs, finished, stopped_early, best_epoch)| Execution {
            seed: seed.into(),
            epochs: (1..).zip(epochs).map(|(epoch, (seconds, metrics))| Epoch::new(epoch, seconds, metrics)).collect(),
            finished,
            stopped_early,
            best_epoch,
        },
    )
}

/// Trials of every state, with whatever values and metrics.
pub(crate) fn trial() -> impl Strategy<Value = Trial> {
    let params = vec(("\\PC{1,8}", value()), 0..4);
    let rejected = btree_map(Just(InfeasibleReason::Shape), 1..99u64, 0..2);
    let score = any::<f64>().prop_map(|score| Some(score).filter(|score| score.is_finite()));
    (1..99_999u64, params, state(), score, rejected, vec(1..99u32, 0..3), vec(execution(), 0..3)).prop_map(
        |(id, params, state, score, rejected, rungs, executions)| Trial {
            state,
            score,
            rungs,
            rejected,
            executions,
            ..Trial::new(TrialId(id), params.into_iter().collect(), 9)
        },
    )
}
