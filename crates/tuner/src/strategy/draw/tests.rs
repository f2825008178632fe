//! Draws that keep failing.

use std::collections::HashSet;

use super::*;
use crate::history::History;
use crate::objective::{Direction, Objective};
use crate::space::{Domain, Hyperparameter, Space};
use crate::trial::{Execution, Trial};

fn space(values: i64) -> Space {
    let domain = Domain::int(1, values).unwrap();
    Space::new(vec![Hyperparameter::new("a", domain.clone()), Hyperparameter::new("b", domain)]).unwrap()
}

/// One feasible configuration in so many that draws do not find it.
fn needle(params: &Params) -> Result<(), Infeasible> {
    match (params.get_int("a"), params.get_int("b")) {
        (Some(444), Some(333)) => Ok(()),
        (Some(1), _) => Err(Infeasible::new(InfeasibleReason::ParameterLimit, "too wide")),
        _ => Err(Infeasible::new(InfeasibleReason::Shape, "too small")),
    }
}

/// Draws until nothing is left, each time with a cache, and checks it against a draw without.
fn draw_all(
    space: &Space,
    feasibility: &dyn Fn(&Params) -> Result<(), Infeasible>,
    at_most: usize,
) -> (History, Result<Option<Drawn>, StrategyError>) {
    let objective = Objective::new("loss", Direction::Minimize);
    let mut history = History::new();
    let mut draw = Draw::default();
    loop {
        let study = StudyView {
            space,
            objective: &objective,
            history: &history,
            seed: 0,
            epochs: 1,
            trials_left: 1,
            first: None,
            feasibility,
        };
        let drawn = draw.next(&study, std::iter::empty());
        assert_eq!(drawn, Draw::default().next(&study, std::iter::empty()));
        match drawn {
            Ok(Some(drawn)) if history.len() < at_most => {
                let mut trial = Trial::new(study.next_trial(), drawn.params, 1);
                trial.rejected = drawn.rejected;
                trial.executions.push(Execution::new(0));
                history.push(trial);
            }
            end => return (history, end),
        }
    }
}

#[test]
fn the_last_configuration_is_found_as_surely_as_the_first() {
    let (history, end) = draw_all(&space(30), &|_| Ok(()), usize::MAX);
    assert_eq!(end, Ok(None));
    assert_eq!(history.configurations(), 900);
}

#[test]
fn a_needle_is_found_in_a_haystack_that_can_be_listed() {
    let (history, end) = draw_all(&space(500), &needle, usize::MAX);
    assert_eq!(end, Ok(None));
    assert_eq!(history.len(), 1);
    let rejected = &history.iter().next().unwrap().rejected;
    assert_eq!(rejected.values().sum::<u64>(), INFEASIBLE_TRIES);
}

#[test]
fn what_cannot_be_listed_is_given_up_with_the_usual_reason() {
    let (history, end) = draw_all(&space(100_000), &needle, usize::MAX);
    assert_eq!(history.len(), 0);
    let error = end.unwrap_err();
    insta::assert_snapshot!(error, @"no untried and feasible configuration among 10000 looked at; the reason most often given is shape: too small. Narrow the space to what can be trained, or raise the limit");
}

#[test]
fn candidates_go_before_draws_and_only_where_admissible() {
    let space = space(5);
    let objective = Objective::new("loss", Direction::Minimize);
    let at = |a, b| Params::from_iter([("a", a), ("b", b)]);
    let history = History::from_iter([Trial::new(crate::trial::TrialId(1), at(1, 1), 1)]);
    let first = at(5, 5);
    let no_four = |params: &Params| match params.get_int("a") {
        Some(4) => Err(Infeasible::new(InfeasibleReason::Shape, "four")),
        _ => Ok(()),
    };
    let view = |first| StudyView {
        space: &space,
        objective: &objective,
        history: &history,
        seed: 0,
        epochs: 1,
        trials_left: 1,
        first,
        feasibility: &no_four,
    };
    let drawn = Draw::default().next(&view(None), [at(1, 1), at(4, 1), at(2, 2)]).unwrap().unwrap();
    assert_eq!((drawn.params, drawn.rejected), (at(2, 2), [(InfeasibleReason::Shape, 1)].into()));
    let drawn = Draw::default().next(&view(Some(&first)), [at(2, 2)]).unwrap().unwrap();
    assert_eq!(drawn.params, first);
    // Candidates of which none is admissible are followed by draws.
    assert!(Draw::default().next(&view(None), [at(1, 1), at(4, 1)]).unwrap().is_some());
}

#[test]
fn draws_are_uniform_and_depend_on_the_seed() {
    let space = space(4);
    let (history, _) = draw_all(&self::space(1_000_000), &|_| Ok(()), 400);
    let low = history.iter().filter(|trial| trial.params.get_int("a") <= Some(250_000)).count();
    assert!((60..=140).contains(&low), "{low} of 400 are in the lowest quarter");

    let objective = Objective::new("loss", Direction::Minimize);
    let firsts: HashSet<_> = (0..20)
        .map(|seed| {
            let study = StudyView {
                space: &space,
                objective: &objective,
                history: &History::new(),
                seed,
                epochs: 1,
                trials_left: 1,
                first: None,
                feasibility: &|_| Ok(()),
            };
            Draw::default().next(&study, []).unwrap().unwrap().params.key()
        })
        .collect();
    assert!(firsts.len() > 5);
}
