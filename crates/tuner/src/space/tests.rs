//! Spaces as a whole: known pairs, conditions, enumeration, and what must hold for every space.

use std::collections::HashSet;

use proptest::prelude::*;

use super::arbitrary::{configuration, domain, small_domain, small_space};
use super::*;

fn int(min: i64, max: i64, step: Option<i64>, sampling: Sampling) -> Domain {
    Domain::int_with(min, max, step, sampling).unwrap()
}

fn float(min: f64, max: f64, step: Option<f64>, sampling: Sampling) -> Domain {
    Domain::float_with(min, max, step, sampling).unwrap()
}

fn values(domain: &Domain) -> Vec<Value> {
    (0..domain.cardinality().unwrap()).map(|index| domain.nth(index)).collect()
}

fn texts(domain: &Domain) -> String {
    values(domain).iter().map(Value::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn known_pairs() {
    assert_eq!(int(5, 9, None, Sampling::Linear).unit_of(&Value::Int(6)), Some(0.3));
    assert_eq!(int(6, 13, Some(3), Sampling::Linear).value_at(0.34), Value::Int(9));
    assert_eq!(float(1.0, 11.0, None, Sampling::Linear).unit_of(&Value::Float(4.5)), Some(0.35));
    assert_eq!(Domain::Boolean.value_at(0.4999), Value::Bool(false));
    assert_eq!(Domain::Boolean.value_at(0.5), Value::Bool(true));
    let Value::Float(x) = float(1e-4, 1e-2, None, Sampling::Log).value_at(0.25) else { panic!() };
    assert!((x / 3.162_277_66e-4 - 1.0).abs() < 1e-8, "{x}");
    let log = int(2, 32, None, Sampling::Log);
    assert_eq!([0.0, 0.25, 0.5, 0.75].map(|u| log.value_at(u)), [2, 4, 8, 16].map(Value::Int));
    let Value::Float(x) = float(1.0, 100.0, None, Sampling::ReverseLog).value_at(0.5) else { panic!() };
    assert!((x - 91.0).abs() < 1e-9, "{x}");
}

#[test]
fn stepped_ranges_hold_what_one_would_write() {
    assert_eq!(texts(&int(6, 13, Some(3), Sampling::Linear)), "6 9 12");
    assert_eq!(texts(&int(2, 32, Some(2), Sampling::Log)), "2 4 8 16 32");
    assert_eq!(texts(&int(2, 32, Some(2), Sampling::ReverseLog)), "2 18 26 30 32");
    assert_eq!(texts(&float(0.0, 1.0, Some(0.2), Sampling::Linear)), "0.0 0.2 0.4 0.6 0.8 1.0");
    assert_eq!(texts(&float(0.0, 0.5, Some(0.2), Sampling::Linear)), "0.0 0.2 0.4");
    assert_eq!(texts(&float(-0.3, 0.3, Some(0.1), Sampling::Linear)), "-0.3 -0.2 -0.1 0.0 0.1 0.2 0.3");
    assert_eq!(texts(&float(1e-4, 1.0, Some(10.0), Sampling::Log)), "0.0001 0.001 0.01 0.1 1.0");
    assert_eq!(
        texts(&int(i64::MIN, i64::MAX, Some(i64::MAX), Sampling::Linear)),
        format!("{} -1 {}", i64::MIN, i64::MAX - 1)
    );
}

#[test]
fn ends_belong_to_their_cells() {
    for domain in
        [int(1, 5, None, Sampling::Linear), int(1, 5, None, Sampling::Log), float(0.5, 2.0, None, Sampling::Log)]
    {
        let last = domain.value_at(1.0);
        assert_eq!(domain.value_at(0.0), domain.default_value());
        assert_eq!(domain.value_at(-1.0), domain.default_value());
        assert_eq!(domain.value_at(f64::NAN), domain.default_value());
        assert_eq!(domain.value_at(2.0), last);
        assert!(domain.unit_of(&last).unwrap() < 1.0);
    }
}

#[test]
fn values_keep_their_type_and_integers_become_the_floats_that_are_due() {
    let range = float(0.0, 1.0, None, Sampling::Linear);
    assert_eq!(range.coerce(Value::Int(1)).unwrap(), Value::Float(1.0));
    let stepped = float(0.0, 1.0, Some(0.1), Sampling::Linear);
    assert_eq!(stepped.coerce(Value::Float(0.1 + 0.2)).unwrap(), Value::Float(0.3));
    let mixed = Domain::choice(vec![1.into(), true.into(), 2.0.into()], false).unwrap();
    assert_eq!(mixed.coerce(Value::Int(2)).unwrap(), Value::Float(2.0));
    assert_eq!(mixed.index_of(&Value::Bool(true)), Some(1));
    insta::assert_snapshot!(mixed.coerce("1".into()).unwrap_err(), @r#"expected one of 1, true, 2.0, found "1""#);
    insta::assert_snapshot!(int(32, 256, Some(32), Sampling::Linear).coerce(48.into()).unwrap_err(), @"expected an integer from 32 to 256 in steps of 32, found 48");
    insta::assert_snapshot!(int(1, 4, None, Sampling::Linear).coerce(2.0.into()).unwrap_err(), @"expected an integer from 1 to 4, found 2.0");
    insta::assert_snapshot!(range.coerce(2.into()).unwrap_err(), @"expected a number from 0.0 to 1.0, found 2");
}

#[test]
fn what_makes_no_domain_says_why() {
    let mut errors = Vec::new();
    errors.extend([Domain::int(2, 1), Domain::int(0, i64::MAX), Domain::int_with(1, 9, Some(0), Sampling::Linear)]);
    errors.extend([
        Domain::int_with(1, 9, Some(1), Sampling::Log),
        Domain::int_with(0, 9, None, Sampling::Log),
        Domain::int_with(1, 1 << 41, None, Sampling::ReverseLog),
        Domain::float(0.0, f64::INFINITY),
        Domain::float(-1e308, 1e308),
        Domain::float(f64::NAN, 1.0),
        Domain::float_with(0.0, 1.0, Some(1e-300), Sampling::Linear),
        Domain::float_with(0.0, 1.0, None, Sampling::Log),
        Domain::float_with(0.0, 1.0, Some(f64::NAN), Sampling::Linear),
        Domain::choice(vec![], false),
        Domain::choice(vec!["a".into(), "a".into()], false),
        Domain::choice(vec![f64::NAN.into()], false),
    ]);
    let errors: Vec<_> = errors.into_iter().map(|domain| domain.unwrap_err().to_string()).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    the minimum 2 is above the maximum 1: exchange them
    the range 0 to 9223372036854775807 holds too many values: use a larger step, or a float
    the step must be above 0, found 0
    the step must be above 1, found 1
    sampling on a log scale needs a minimum above 0, found 0
    the range 1 to 2199023255552 holds too many values: use a larger step, or a float
    a range needs finite numbers and a finite width, found 0.0 to inf
    a range needs finite numbers and a finite width, found -1e308 to 1e308
    a range needs finite numbers and a finite width, found NaN to 1.0
    the range 0.0 to 1.0 holds too many values: use a larger step, or a float
    sampling on a log scale needs a minimum above 0, found 0.0
    the step must be above 0, found NaN
    a choice needs at least one value
    the value "a" is listed twice
    expected a finite number, found NaN
    "#);
}

fn layered() -> Space {
    let mut hyperparameters = vec![Hyperparameter::new("layers", Domain::int(1, 8).unwrap())];
    for i in 0..8 {
        let choice = Domain::choice((1..=6).map(Value::Int).collect(), true).unwrap();
        hyperparameters.push(Hyperparameter::new(format!("filters{i}"), choice).when_greater("layers", i));
    }
    Space::new(hyperparameters).unwrap()
}

#[test]
fn size_respects_conditions_and_is_exact() {
    assert_eq!(layered().size(), Size::Finite((1..=8).map(|layers| 6u128.pow(layers)).sum()));

    let wide = (0..200).map(|i| Hyperparameter::new(format!("flag{i}"), Domain::Boolean)).collect();
    assert_eq!(Space::new(wide).unwrap().size(), Size::Overflow);

    let big = Domain::int(0, 1_000_000_000).unwrap();
    let space = Space::new(vec![
        Hyperparameter::new("n", big),
        Hyperparameter::new("a", Domain::Boolean).when("n", [7]),
        Hyperparameter::new("b", Domain::Boolean).when_greater("n", 999_999_998),
    ]);
    assert_eq!(space.unwrap().size(), Size::Finite(1_000_000_001 + 1 + 2));

    let sometimes = Space::new(vec![
        Hyperparameter::new("kind", Domain::Boolean),
        Hyperparameter::new("rate", Domain::float(0.0, 1.0).unwrap()).when("kind", [true]),
    ]);
    assert_eq!(sometimes.unwrap().size(), Size::Infinite { continuous: 1 });
    assert_eq!(Space::new(vec![]).unwrap().size(), Size::Finite(1));
    assert_eq!(Space::new(vec![]).unwrap().iter().count(), 1);
}

#[test]
fn the_last_hyperparameter_is_fastest_and_defaults_come_first() {
    let space = Space::new(vec![
        Hyperparameter::new("n", Domain::int(1, 2).unwrap()).with_default(2).unwrap(),
        Hyperparameter::new("f", Domain::choice(vec!["a".into(), "b".into()], false).unwrap()).when_greater("n", 1),
        Hyperparameter::new("g", Domain::Boolean),
    ])
    .unwrap();
    let all: Vec<_> = space.iter().map(|params| serde_json::to_string(&params).unwrap()).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    {"n":2,"f":"a","g":false}
    {"n":2,"f":"a","g":true}
    {"n":2,"f":"b","g":false}
    {"n":2,"f":"b","g":true}
    {"n":1,"g":false}
    {"n":1,"g":true}
    "#);
    assert_eq!(space.iter().next().unwrap(), space.default_params());
}

#[test]
fn continuous_ranges_are_enumerated_by_points() {
    let rate = Hyperparameter::new("rate", float(1e-4, 1e-2, None, Sampling::Log));
    let space = Space::new(vec![rate, Hyperparameter::new("flag", Domain::Boolean)]).unwrap();
    let rates: Vec<_> = space.iter_with_points(3).filter_map(|params| params.get_float("rate")).collect();
    assert_eq!(rates.len(), 6);
    assert_eq!((rates[0], rates[5]), (1e-4, 1e-2));
    assert!((rates[2] - 1e-3).abs() < 1e-15);
}

#[test]
fn what_makes_no_space_says_why() {
    let flag = |name: &str| Hyperparameter::new(name, Domain::Boolean);
    let rate = Hyperparameter::new("rate", Domain::float(0.0, 1.0).unwrap());
    let spaces = [
        vec![flag("a"), flag("a")],
        vec![flag("optimizer"), flag("a").when("optimiser", [true])],
        vec![flag("a").when("b", [true]), flag("b").when("a", [true])],
        vec![flag("a").when("a", [true])],
        vec![flag("a"), flag("b").when("a", ["sgd"])],
        vec![rate, flag("b").when("rate", [0.5])],
        vec![flag("a"), flag("b").when_greater("a", 1)],
        vec![flag("a"), flag("b").when("a", Vec::<Value>::new())],
    ];
    let errors: Vec<_> = spaces.into_iter().map(|space| Space::new(space).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    hyperparameter `a` is declared twice
    hyperparameter `a` depends on `optimiser`, which is not declared: did you mean `optimizer`?
    hyperparameter `a` depends on itself, by way of its conditions
    hyperparameter `a` depends on itself, by way of its conditions
    hyperparameter `b`: the condition on `a`: expected true or false, found "sgd"
    hyperparameter `b`: a condition needs a parent with a finite number of values, and `rate` is continuous: give it a step
    hyperparameter `b`: the condition `a > 1` needs a parent that holds integers
    hyperparameter `b`: the condition on `a` lists no value: it would never hold
    "#);
}

#[test]
fn a_partial_configuration_is_completed_or_refused() {
    let space = Space::new(vec![
        Hyperparameter::new("optimizer", Domain::choice(vec!["adam".into(), "sgd".into()], false).unwrap()),
        Hyperparameter::new("momentum", Domain::float(0.0, 0.99).unwrap())
            .with_default(0.9)
            .unwrap()
            .when("optimizer", ["sgd"]),
    ])
    .unwrap();
    let complete = |entries: &[(&str, Value)]| space.complete(&entries.iter().cloned().collect());
    let sgd = complete(&[("optimizer", "sgd".into())]).unwrap();
    assert_eq!(serde_json::to_string(&sgd).unwrap(), r#"{"optimizer":"sgd","momentum":0.9}"#);
    let refused = [
        complete(&[("optimiser", "sgd".into())]),
        complete(&[("optimizer", "rmsprop".into())]),
        complete(&[("momentum", 0.5.into())]),
        space.validate(&Params::from_iter([("optimizer", "sgd")])).map(|()| Params::new()),
    ];
    let errors: Vec<_> = refused.into_iter().map(|params| params.unwrap_err().to_string()).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    there is no hyperparameter `optimiser` in this space: did you mean `optimizer`?
    hyperparameter `optimizer`: expected one of "adam", "sgd", found "rmsprop"
    hyperparameter `momentum` is inactive here, it needs optimizer = "sgd": leave it out
    hyperparameter `momentum` is active here and has no value
    "#);
}

#[test]
fn a_json_space_is_checked() {
    let json = r#"[{"name": "n", "domain": {"type": "int", "min": 3, "max": 1}}]"#;
    insta::assert_snapshot!(serde_json::from_str::<Space>(json).unwrap_err(), @"the minimum 3 is above the maximum 1: exchange them at line 1 column 61");
    let json = r#"[{"name": "n", "domain": {"type": "int", "min": 1, "max": 3, "steps": 1}}]"#;
    insta::assert_snapshot!(serde_json::from_str::<Space>(json).unwrap_err(), @"unknown field `steps`, expected one of `min`, `max`, `step`, `sampling` at line 1 column 73");
}

/// Every configuration, by another way: all cells of the cube, whatever is inactive in them.
fn by_cells(space: &Space) -> HashSet<String> {
    let mut points = vec![vec![]];
    for hp in space.hyperparameters() {
        let count = hp.domain.cardinality().unwrap();
        points = points
            .iter()
            .flat_map(|point: &Vec<f64>| {
                (0..count).map(move |index| {
                    let value = hp.domain.nth(index);
                    [point.as_slice(), &[hp.domain.unit_of(&value).unwrap()]].concat()
                })
            })
            .collect();
    }
    points.iter().map(|point| space.from_unit(point).key()).collect()
}

proptest! {
    #[test]
    fn every_value_of_a_finite_domain_survives_the_unit_interval(domain in small_domain()) {
        for (index, value) in (0..).zip(values(&domain)) {
            prop_assert_eq!(domain.value_at(domain.unit_of(&value).unwrap()), value.clone());
            prop_assert_eq!(domain.index_of(&value), Some(index));
            prop_assert_eq!(domain.coerce(value.clone()).unwrap(), value);
        }
    }

    #[test]
    fn a_value_of_any_domain_survives_the_unit_interval(domain in domain(), u in 0.0..1.0) {
        let value = domain.value_at(u);
        prop_assert!(domain.contains(&value));
        let back = domain.unit_of(&value).unwrap();
        prop_assert!((0.0..1.0).contains(&back));
        match (&value, domain.value_at(back)) {
            (Value::Float(a), Value::Float(b)) if domain.cardinality().is_none() => {
                prop_assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3), "{} is not {}", a, b);
            }
            (value, back) => prop_assert_eq!(value, &back),
        }
        if let Some(index) = domain.index_of(&value) {
            prop_assert_eq!(domain.nth(index), value);
        }
    }

    #[test]
    fn values_ascend_with_the_unit_interval(domain in domain(), a in 0.0..1.0, b in 0.0..1.0) {
        if let (Value::Float(x), Value::Float(y)) = (domain.value_at(f64::min(a, b)), domain.value_at(f64::max(a, b))) {
            prop_assert!(x <= y);
        }
        if let (Domain::Int(_), Value::Int(x), Value::Int(y)) = (&domain, domain.value_at(f64::min(a, b)), domain.value_at(f64::max(a, b))) {
            prop_assert!(x <= y);
        }
    }

    #[test]
    fn enumeration_has_each_configuration_once(space in small_space()) {
        let all: Vec<Params> = space.iter().collect();
        let keys: HashSet<String> = all.iter().map(Params::key).collect();
        prop_assert_eq!(keys.len(), all.len());
        prop_assert_eq!(space.size(), Size::Finite(all.len() as u128));
        prop_assert_eq!(&keys, &by_cells(&space));
        prop_assert_eq!(&all[0], &space.default_params());
        for params in &all {
            prop_assert!(space.validate(params).is_ok());
            prop_assert_eq!(&space.complete(params).unwrap(), params);
        }
        for pair in all.windows(2) {
            let next = space.iter().after(&pair[0]).next();
            prop_assert_eq!(next.as_ref(), Some(&pair[1]));
        }
        prop_assert_eq!(space.iter().after(&all[all.len() - 1]).next(), None);
    }

    #[test]
    fn a_configuration_survives_the_unit_cube((space, _, params) in configuration()) {
        let point = space.to_unit(&params);
        for (hp, u) in space.hyperparameters().iter().zip(&point) {
            prop_assert_eq!(u.is_some(), space.is_active(hp, &params));
        }
        let point: Vec<f64> = point.into_iter().map(|u| u.unwrap_or(0.7)).collect();
        let back = space.from_unit(&point);
        prop_assert!(space.validate(&back).is_ok());
        prop_assert!(back.iter().map(|(name, _)| name).eq(params.iter().map(|(name, _)| name)));
        if space.size().finite().is_some() {
            prop_assert_eq!(back, params);
        }
    }

    #[test]
    fn inactive_coordinates_do_not_matter((space, mut point, params) in configuration(), noise in 0.0..1.0) {
        for (hp, u) in space.hyperparameters().iter().zip(&mut point) {
            if !space.is_active(hp, &params) {
                *u = noise;
            }
        }
        prop_assert_eq!(space.from_unit(&point).key(), params.key());
    }

    #[test]
    fn json_brings_back_the_same((space, _, params) in configuration()) {
        let text = serde_json::to_string(&space).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Space>(&text).unwrap(), &space);
        let back: Params = serde_json::from_str(&serde_json::to_string(&params).unwrap()).unwrap();
        prop_assert_eq!(back.key(), params.key());
        prop_assert!(space.validate(&back).is_ok());
    }
}
