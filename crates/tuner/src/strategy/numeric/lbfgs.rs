//! Minimisation of a smooth function of a few variables: L-BFGS (Nocedal 1980) with a backtracking line search.

use super::cholesky::dot;

const MEMORY: usize = 8;
const SUFFICIENT: f64 = 1e-4;
const HALVINGS: usize = 20;
/// No step changes a coordinate by more: the variables are logarithms.
const LONGEST_STEP: f64 = 2.0;

/// A point, the value there and the gradient.
#[derive(Debug, Clone)]
pub struct Point {
    /// Coordinates.
    pub x: Vec<f64>,
    /// The function's value.
    pub value: f64,
    /// Its gradient.
    pub gradient: Vec<f64>,
}

/// Goes downhill from `start`, asking for at most `evaluations` values. `f` gives value and gradient, or `None`
/// outside its domain. The answer is the best point seen; `None` if `start` itself is outside.
pub fn minimize(
    start: Vec<f64>,
    evaluations: usize,
    tolerance: f64,
    mut f: impl FnMut(&[f64]) -> Option<(f64, Vec<f64>)>,
) -> Option<Point> {
    let (value, gradient) = f(&start)?;
    let mut here = Point { x: start, value, gradient };
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let mut left = evaluations.saturating_sub(1);
    while left > 0 && here.gradient.iter().any(|g| g.abs() > tolerance) {
        let mut direction = descent(&here.gradient, &pairs);
        let mut slope = dot(&direction, &here.gradient);
        if slope >= 0.0 {
            pairs.clear();
            direction = here.gradient.iter().map(|g| -g).collect();
            slope = dot(&direction, &here.gradient);
        }
        let longest = direction.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
        let mut step = if pairs.is_empty() { (0.5 / longest).min(1.0) } else { (LONGEST_STEP / longest).min(1.0) };
        let mut next = None;
        for _ in 0..HALVINGS {
            if left == 0 {
                break;
            }
            left -= 1;
            let x: Vec<f64> = here.x.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
            let found = f(&x);
            if let Some((value, gradient)) = found
                && value <= here.value + SUFFICIENT * step * slope
            {
                next = Some(Point { x, value, gradient });
                break;
            }
            step *= 0.4;
        }
        let Some(next) = next else { break };
        let moved: Vec<f64> = next.x.iter().zip(&here.x).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next.gradient.iter().zip(&here.gradient).map(|(a, b)| a - b).collect();
        let gained = here.value - next.value;
        here = next;
        if dot(&moved, &turned) > 1e-12 {
            if pairs.len() == MEMORY {
                pairs.remove(0);
            }
            pairs.push((moved, turned));
        }
        if gained < tolerance * tolerance {
            break;
        }
    }
    Some(here)
}

fn descent(gradient: &[f64], pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut weights = Vec::with_capacity(pairs.len());
    for (s, y) in pairs.iter().rev() {
        let weight = dot(s, &q) / dot(s, y);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= weight * y);
        weights.push(weight);
    }
    if let Some((s, y)) = pairs.last() {
        let scale = dot(s, y) / dot(y, y);
        for q in &mut q {
            *q *= scale;
        }
    }
    for ((s, y), weight) in pairs.iter().zip(weights.into_iter().rev()) {
        let back = dot(y, &q) / dot(s, y);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (weight - back) * s);
    }
    for q in &mut q {
        *q = -*q;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::minimize;

    #[test]
    fn finds_the_bottom_of_a_curved_valley() {
        let rosenbrock = |x: &[f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            Some((a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b]))
        };
        let found = minimize(vec![-1.2, 1.0], 200, 1e-8, rosenbrock).unwrap();
        assert!((found.x[0] - 1.0).abs() < 1e-5 && (found.x[1] - 1.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn stays_inside_the_domain() {
        let log_barrier = |x: &[f64]| (x[0] > 0.0).then(|| (x[0] - x[0].ln(), vec![1.0 - 1.0 / x[0]]));
        let found = minimize(vec![0.1], 100, 1e-9, log_barrier).unwrap();
        assert!((found.x[0] - 1.0).abs() < 1e-6);
        assert!(minimize(vec![-1.0], 100, 1e-9, log_barrier).is_none());
    }
}
