//! Random domains and spaces for property tests.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Domain, Hyperparameter, Params, Sampling, Space, Value};

fn sampling() -> impl Strategy<Value = Sampling> {
    prop_oneof![Just(Sampling::Linear), Just(Sampling::Log), Just(Sampling::ReverseLog)]
}

/// Domains with five values at most.
pub(crate) fn small_domain() -> impl Strategy<Value = Domain> {
    prop_oneof![
        Just(Domain::Boolean),
        (-9..9i64, 0..5i64).prop_map(|(min, width)| Domain::int(min, min + width).unwrap()),
        (1..9i64, 0..5i64, sampling()).prop_map(|(min, width, s)| Domain::int_with(min, min + width, None, s).unwrap()),
        (1..9i64, 2..4i64, 0..4u32, sampling())
            .prop_map(|(min, step, steps, s)| Domain::int_with(min, min * step.pow(steps), Some(step), s))
            .prop_filter_map("few values", |domain| domain.ok().filter(|d| d.cardinality() <= Some(5))),
        (-1e3..1e3, 1e-3..1e3, 1..5u32)
            .prop_map(|(min, step, steps)| {
                Domain::float_with(min, min + step * f64::from(steps), Some(step), Sampling::Linear).unwrap()
            })
            .prop_filter("few values", |domain| domain.cardinality() <= Some(5)),
        (1..5usize, any::<bool>()).prop_map(|(count, ordered)| {
            let values = [Value::from("a"), Value::from(1), Value::from(1.0), Value::from(true), Value::from("b")];
            Domain::choice(values[..count].to_vec(), ordered).unwrap()
        }),
    ]
}

/// Domains of every kind and size.
pub(crate) fn domain() -> impl Strategy<Value = Domain> {
    prop_oneof![
        small_domain(),
        (any::<i32>(), 0..1_000_000_000i64)
            .prop_map(|(min, width)| { Domain::int(min.into(), i64::from(min) + width).unwrap() }),
        (1..1_000_000i64, 0..1_000_000_000i64, sampling()).prop_map(|(min, width, s)| Domain::int_with(
            min,
            min + width,
            None,
            s
        )
        .unwrap()),
        (-1e6..1e6, 0.0..1e6).prop_map(|(min, width)| Domain::float(min, min + width).unwrap()),
        (1e-9..1e3, 1.0..1e9, sampling())
            .prop_map(|(min, ratio, s)| Domain::float_with(min, min * ratio, None, s).unwrap()),
        (-1e3..1e3, 0.0..1e3, 1e-3..10.0).prop_map(|(min, width, step)| Domain::float_with(
            min,
            min + width,
            Some(step),
            Sampling::Linear
        )
        .unwrap()),
        (1e-6..1e3, 1.0..1e9, 1.001..10.0, sampling()).prop_map(|(min, ratio, step, s)| Domain::float_with(
            min,
            min * ratio,
            Some(step),
            s
        )
        .unwrap()),
    ]
}

#[derive(Debug, Clone)]
struct Link {
    parent: Index,
    above: bool,
    values: [bool; 5],
}

fn link() -> impl Strategy<Value = Link> {
    (any::<Index>(), any::<bool>(), any::<[bool; 5]>()).prop_map(|(parent, above, values)| Link {
        parent,
        above,
        values,
    })
}

fn with_condition(hp: Hyperparameter, link: &Link, earlier: &[Hyperparameter]) -> Hyperparameter {
    if earlier.is_empty() {
        return hp;
    }
    let parent = link.parent.get(earlier);
    match (&parent.domain, parent.domain.cardinality()) {
        (Domain::Int(range), _) if link.above => hp.when_greater(parent.name.clone(), range.min()),
        (domain, Some(count)) => {
            let values: Vec<_> =
                (0..count.min(5)).filter(|i| link.values[*i as usize] || *i == 0).map(|i| domain.nth(i)).collect();
            hp.when(parent.name.clone(), values)
        }
        (_, None) => hp,
    }
}

fn space_of(domain: impl Strategy<Value = Domain>) -> impl Strategy<Value = Space> {
    let hyperparameter = (domain, option::of(any::<f64>()), vec(link(), 0..3));
    vec(hyperparameter, 1..6)
        .prop_map(|declared| {
            let mut hyperparameters: Vec<Hyperparameter> = Vec::new();
            for (i, (domain, default, links)) in declared.into_iter().enumerate() {
                let default = default.map(|u| domain.value_at(u.fract().abs()));
                let mut hp = Hyperparameter::new(format!("hp{i}"), domain);
                hp.default = default;
                for link in &links {
                    hp = with_condition(hp, link, &hyperparameters);
                }
                hyperparameters.push(hp);
            }
            hyperparameters
        })
        .prop_shuffle()
        .prop_map(|hyperparameters| Space::new(hyperparameters).unwrap())
}

/// Finite spaces, parents before or after their children.
pub(crate) fn small_space() -> impl Strategy<Value = Space> {
    space_of(small_domain())
}

/// Spaces of every kind, parents before or after their children.
pub(crate) fn space() -> impl Strategy<Value = Space> {
    space_of(domain())
}

/// A space with a configuration of it, and the point it is at.
pub(crate) fn configuration() -> impl Strategy<Value = (Space, Vec<f64>, Params)> {
    (space(), vec(0.0..1.0, 6)).prop_map(|(space, point)| {
        let params = space.from_unit(&point);
        (space, point, params)
    })
}
