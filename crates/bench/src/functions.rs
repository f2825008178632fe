//! Test functions, with conditions, noise, heavy tails and failures of their own.

use std::f64::consts::{E, PI};

use rand::RngExt;
use tuner::seeds;
use tuner::{Domain, Hyperparameter, Params, Sampling, Space, SpaceError, TrialId};

use crate::problem::{Measured, Problem};

/// A function with a known least value.
pub struct Function {
    name: &'static str,
    space: Space,
    /// `None` where it fails.
    value: fn(&Params) -> Option<f64>,
    best: f64,
    median: f64,
    /// The standard deviation of what is added to a value that is reported.
    noise: f64,
}

/// The functions of these names; `all` is all of them.
pub fn named(names: &[String]) -> Result<Vec<Box<dyn Problem>>, String> {
    let all = all().map_err(|error| error.to_string())?;
    if let Some(unknown) =
        names.iter().find(|name| *name != "all" && all.iter().all(|function| function.name != **name))
    {
        let known: Vec<&str> = all.iter().map(|function| function.name).collect();
        return Err(format!("--functions: there is no `{unknown}`; there are {}", known.join(", ")));
    }
    let wanted = |function: &Function| names.iter().any(|name| name == "all" || name == function.name);
    Ok(all.into_iter().filter(wanted).map(|function| Box::new(function) as Box<dyn Problem>).collect())
}

fn all() -> Result<Vec<Function>, SpaceError> {
    let hartmann_space = || Space::new((0..6).map(unit).collect::<Result<_, _>>()?);
    Ok(vec![
        Function::new("branin", branin_space()?, |params| Some(branin(params)), 0.397_887_357_729_738_2, 0.0),
        Function::new("branin-failing", branin_space()?, branin_failing, 0.397_887_357_729_738_2, 0.0),
        Function::new("hartmann6", hartmann_space()?, |params| Some(hartmann6(params)), -3.322_368_011_391_339, 0.0),
        Function::new(
            "hartmann6-noisy",
            hartmann_space()?,
            |params| Some(hartmann6(params)),
            -3.322_368_011_391_339,
            0.2,
        ),
        Function::new("conditional", conditional_space()?, |params| Some(conditional(params)), 0.0, 0.0),
        Function::new("heavy-tailed", heavy_tailed_space()?, |params| Some(heavy_tailed(params)), 1e-5, 0.0),
        Function::new("ackley20-mixed", ackley_space()?, |params| Some(ackley(params)), 0.0, 0.0),
    ])
}

fn unit(i: usize) -> Result<Hyperparameter, SpaceError> {
    Ok(Hyperparameter::new(format!("x{i}"), Domain::float(0.0, 1.0)?))
}

fn number(params: &Params, name: &str) -> f64 {
    params.get_float(name).unwrap_or(0.0)
}

fn branin_space() -> Result<Space, SpaceError> {
    Space::new(vec![
        Hyperparameter::new("x0", Domain::float(-5.0, 10.0)?),
        Hyperparameter::new("x1", Domain::float(0.0, 15.0)?),
    ])
}

fn branin(params: &Params) -> f64 {
    let (x, y) = (number(params, "x0"), number(params, "x1"));
    let valley = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    valley * valley + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

/// Fails in 30% of the square, where one of the three best valleys is.
fn branin_failing(params: &Params) -> Option<f64> {
    (number(params, "x0") > -0.5).then(|| branin(params))
}

fn hartmann6(params: &Params) -> f64 {
    const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const RATES: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const CENTRES: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let x: Vec<f64> = (0..6).map(|i| number(params, &format!("x{i}"))).collect();
    let bump = |k: usize| {
        let distance: f64 = (0..6).map(|i| RATES[k][i] * (x[i] - CENTRES[k][i]).powi(2)).sum();
        HEIGHTS[k] * (-distance).exp()
    };
    -(0..4).map(bump).sum::<f64>()
}

/// Two branches with four numbers each, of which half are inactive at a time, and one number that is always active.
fn conditional_space() -> Result<Space, SpaceError> {
    let mut all = vec![
        Hyperparameter::new("branch", Domain::choice(vec!["a".into(), "b".into()], false)?),
        Hyperparameter::new("shared", Domain::float(0.0, 1.0)?),
    ];
    for branch in ["a", "b"] {
        for i in 0..4 {
            let hp = Hyperparameter::new(format!("{branch}{i}"), Domain::float(0.0, 1.0)?);
            all.push(hp.when("branch", [branch]));
        }
    }
    Space::new(all)
}

fn conditional(params: &Params) -> f64 {
    let bowl = |branch: &str, centres: [f64; 4]| -> f64 {
        centres.iter().enumerate().map(|(i, c)| (number(params, &format!("{branch}{i}")) - c).powi(2)).sum()
    };
    let shared = (number(params, "shared") - 0.4).powi(2);
    match params.get_text("branch") {
        Some("a") => 0.2 + shared + bowl("a", [0.2, 0.7, 0.5, 0.9]),
        _ => shared + 1.5 * bowl("b", [0.8, 0.3, 0.6, 0.15]),
    }
}

fn heavy_tailed_space() -> Result<Space, SpaceError> {
    Space::new(vec![
        Hyperparameter::new("learning_rate", Domain::float_with(1e-5, 1.0, None, Sampling::Log)?),
        Hyperparameter::new("momentum", Domain::float(0.0, 1.0)?),
        Hyperparameter::new("optimizer", Domain::choice(vec!["a".into(), "b".into(), "c".into()], false)?),
        Hyperparameter::new("units", Domain::int_with(16, 1024, Some(2), Sampling::Log)?),
    ])
}

/// From 1e-5 to about 1e7.
fn heavy_tailed(params: &Params) -> f64 {
    let learning_rate = (number(params, "learning_rate").log10() + 2.5) / 2.5;
    let momentum = number(params, "momentum") - 0.8;
    let units = (number(params, "units").log2() - 7.0) / 3.0;
    let optimizer = match params.get_text("optimizer") {
        Some("a") => 0.0,
        Some("b") => 0.3,
        _ => 0.1,
    };
    let height = 6.0 * learning_rate * learning_rate + 3.0 * momentum * momentum + units * units + optimizer;
    10_f64.powf(-5.0 + 12.0 * (1.0 - (-height).exp()))
}

fn ackley_space() -> Result<Space, SpaceError> {
    let mut all = Vec::new();
    for i in 0..10 {
        all.push(Hyperparameter::new(format!("x{i}"), Domain::float(-1.0, 2.0)?));
    }
    for i in 10..15 {
        all.push(Hyperparameter::new(format!("x{i}"), Domain::int(-2, 4)?));
    }
    for i in 15..20 {
        all.push(Hyperparameter::new(format!("x{i}"), Domain::boolean()));
    }
    Space::new(all)
}

fn ackley(params: &Params) -> f64 {
    let x: Vec<f64> = params
        .iter()
        .map(|(name, _)| {
            params.get_float(name).unwrap_or_else(|| f64::from(u8::from(params.get_bool(name) == Some(true))))
        })
        .collect();
    let n = x.len() as f64;
    let squares = x.iter().map(|x| x * x).sum::<f64>() / n;
    let waves = x.iter().map(|x| (2.0 * PI * x).cos()).sum::<f64>() / n;
    20.0 - 20.0 * (-0.2 * squares.sqrt()).exp() + E - waves.exp()
}

impl Function {
    fn new(name: &'static str, space: Space, value: fn(&Params) -> Option<f64>, best: f64, noise: f64) -> Self {
        const DRAWS: usize = 4_001;
        let mut rng = seeds::stream(0, TrialId(1), "median");
        let mut values: Vec<f64> = (0..DRAWS).filter_map(|_| value(&space.sample(&mut rng))).collect();
        values.sort_by(f64::total_cmp);
        let median = values[values.len() / 2];
        Self { name, space, value, best, median, noise }
    }
}

impl Problem for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn space(&self) -> &Space {
        &self.space
    }

    fn train(&self, params: &Params, seed: u64) -> Option<Vec<Measured>> {
        let actual = (self.value)(params)?;
        let mut rng = seeds::stream(seed, TrialId(1), "noise");
        // A sum of twelve uniform numbers is normal enough.
        let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        Some(vec![Measured { reported: actual + self.noise * normal, actual }])
    }

    fn regret(&self, loss: f64) -> f64 {
        (loss - self.best) / (self.median - self.best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_values_are_where_they_are_known_to_be() {
        let at = |values: &[f64]| values.iter().enumerate().map(|(i, &x)| (format!("x{i}"), x)).collect::<Params>();
        assert!((branin(&at(&[PI, 2.275])) - 0.397_887_357_729_738_2).abs() < 1e-9);
        let best = [0.201_69, 0.150_011, 0.476_874, 0.275_332, 0.311_652, 0.657_3];
        assert!((hartmann6(&at(&best)) + 3.322_368_011_391_339).abs() < 1e-6);
        assert!(ackley(&at(&[0.0; 20])).abs() < 1e-12);
    }

    #[test]
    fn no_value_is_below_the_least() {
        for function in all().unwrap() {
            let mut rng = seeds::stream(1, TrialId(1), "test");
            let draws = (0..2_000).filter_map(|_| (function.value)(&function.space.sample(&mut rng)));
            assert!(draws.map(|value| function.regret(value)).all(|regret| regret >= -1e-9), "{}", function.name);
        }
    }
}
