use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// Made with scikit-learn by `tests/reference/gp.py`.
#[derive(Deserialize)]
struct Reference {
    mean_variance: f64,
    theta: Vec<f64>,
    rows: Vec<Vec<f64>>,
    y: Vec<f64>,
    log_likelihood: f64,
    gradient: Vec<f64>,
    queries: Vec<Vec<f64>>,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

const DIMENSIONS: [Dimension; 4] =
    [Dimension::Continuous, Dimension::Continuous, Dimension::Ordinal(4), Dimension::Categorical(3)];

fn slices(rows: &[Vec<f64>]) -> Vec<&[f64]> {
    rows.iter().map(Vec::as_slice).collect()
}

#[track_caller]
fn assert_close(found: &[f64], want: &[f64]) {
    assert_eq!(found.len(), want.len());
    for (found, want) in found.iter().zip(want) {
        assert!((found - want).abs() <= 1e-9 * want.abs().max(1.0), "{found} instead of {want}");
    }
}

#[test]
fn agrees_with_scikit_learn() {
    let reference: Reference = serde_json::from_str(include_str!("../../../../tests/reference/gp.json")).unwrap();
    let data = Data::new(&DIMENSIONS, &slices(&reference.rows), reference.y.clone());
    let (value, gradient) = data.log_likelihood(&reference.theta, reference.mean_variance).unwrap();
    assert_close(&[value], &[reference.log_likelihood]);
    assert_close(&gradient, &reference.gradient);

    let gp = data.condition(&reference.theta, reference.mean_variance).unwrap();
    let queries = slices(&reference.queries);
    let (mean, variance): (Vec<f64>, Vec<f64>) = gp.posterior(&queries).into_iter().unzip();
    assert_close(&mean, &reference.mean);
    assert_close(&variance, &reference.variance);
    assert_close(&gp.means(&queries), &reference.mean);
}

/// Rows of which each dimension may be inactive.
fn rows(count: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    let coordinate = |dimension: Dimension| {
        let active = match dimension.levels() {
            None => (0.0..1.0).boxed(),
            Some(n) => (0..n).prop_map(move |level| dimension.coordinate(level)).boxed(),
        };
        prop_oneof![2 => active, 1 => Just(INACTIVE)]
    };
    prop::collection::vec(DIMENSIONS.map(coordinate), count).prop_map(|rows| rows.into_iter().map(Vec::from).collect())
}

fn theta() -> impl Strategy<Value = Theta> {
    let lengths = prop::collection::vec(-3.0..3.0, DIMENSIONS.len());
    (-1.0..1.0, -4.0..0.0, lengths)
        .prop_map(|(signal, noise, lengths): (f64, f64, Vec<f64>)| [signal, noise].into_iter().chain(lengths).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gradient_is_that_of_the_posterior(rows in rows(12), theta in theta(), seed in 0.0..9.0_f64) {
        let priors = Priors {
            mean_variance: 0.5,
            signal: Normal { mean: 0.1, sd: 0.9 },
            noise: Normal { mean: -2.0, sd: 1.1 },
            length: Normal { mean: 0.3, sd: 0.8 },
            choice_length: Normal { mean: -0.2, sd: 1.2 },
        };
        let y = (0..rows.len()).map(|i| (i as f64 * 1.7 + seed).sin()).collect();
        let data = Data::new(&DIMENSIONS, &slices(&rows), y);
        let (_, gradient) = data.log_posterior(&theta, &priors).unwrap();
        for (k, slope) in gradient.iter().enumerate() {
            let shifted = |by: f64| {
                let mut theta = theta.clone();
                theta[k] += by;
                data.log_posterior(&theta, &priors).unwrap().0
            };
            let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            prop_assert!((slope - numeric).abs() < 1e-5 * slope.abs().max(1.0), "{k}: {slope} {numeric}");
        }
    }

    /// Conditions must not break the kernel: without noise to help, every covariance has a Cholesky factor.
    #[test]
    fn kernel_is_positive_definite(rows in rows(25), theta in theta()) {
        let mut distinct = rows;
        distinct.sort_by(|a, b| a.partial_cmp(b).unwrap());
        distinct.dedup();
        let mut theta = theta;
        theta[1] = -20.0;
        let y = vec![0.0; distinct.len()];
        prop_assert!(Data::new(&DIMENSIONS, &slices(&distinct), y).log_likelihood(&theta, 0.0).is_some());
    }

    /// What is looked up in tables of factors is what is computed where there are no tables.
    #[test]
    fn tables_hold_the_kernel(rows in rows(15), queries in rows(5), theta in theta()) {
        let tabulated = [Dimension::Ordinal(4); 2];
        let computed = [Dimension::Continuous; 2];
        let numbers = |rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let near = |x: f64| if x == INACTIVE { x } else { tabulated[0].nearest(x) };
            rows.iter().map(|row| vec![near(row[0]), row[2]]).collect()
        };
        let (rows, queries) = (numbers(&rows), numbers(&queries));
        let y: Vec<f64> = (0..rows.len()).map(|i| (i as f64 * 2.3).sin()).collect();
        let posterior = |dimensions| {
            let gp = Data::new(dimensions, &slices(&rows), y.clone()).condition(&theta[..4], 1.0).unwrap();
            gp.posterior(&slices(&queries))
        };
        prop_assert_eq!(posterior(&tabulated), posterior(&computed));
    }
}

#[test]
fn length_scales_are_recovered() {
    let dimensions = [Dimension::Continuous, Dimension::Continuous];
    let rows: Vec<Vec<f64>> =
        (0..60).map(|i| vec![f64::from(i) * 0.618_034 % 1.0, f64::from(i) * 0.414_214 % 1.0]).collect();
    let y = rows.iter().map(|row| (9.0 * row[0]).sin()).collect();
    let priors = Priors {
        mean_variance: 1.0,
        signal: Normal { mean: 0.0, sd: 1.0 },
        noise: Normal { mean: -2.0, sd: 2.0 },
        length: Normal { mean: 0.0, sd: 1.5 },
        choice_length: Normal { mean: 0.0, sd: 1.0 },
    };
    let start = vec![0.0, -3.0, 0.0, 0.0];
    let data = Data::new(&dimensions, &slices(&rows), y);
    let (theta, _) = data.most_probable(&priors, &[start], 100).unwrap();
    assert!(theta[2] < 0.0 && theta[3] > theta[2] + 1.0, "{theta:?}");
    // Neither has collapsed nor is the function taken for noise.
    assert!(theta[2] > -2.5 && theta[1] < -5.0, "{theta:?}");
}
