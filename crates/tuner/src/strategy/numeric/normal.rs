//! The normal distribution, and the logarithm of the expected improvement.

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

/// Below this many standard deviations, continued fractions converge quickly and series do not.
const TAIL: f64 = 4.0;
const TERMS: u32 = 50;

/// The density of the standard normal distribution.
pub fn pdf(z: f64) -> f64 {
    libm::exp(-0.5 * z * z) / (2.0 * PI).sqrt()
}

/// The probability that a standard normal variable is at most `z`.
pub fn cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The logarithm of [`cdf`], accurate however far into the lower tail.
pub fn log_cdf(z: f64) -> f64 {
    if z > -TAIL {
        return libm::log(cdf(z));
    }
    let x = -z * FRAC_1_SQRT_2;
    -x * x + libm::log(2.0 * erfc_ratio(x, 0) / PI.sqrt()) - libm::log(2.0)
}

/// log(φ(z) + z Φ(z)): the logarithm of the improvement that a standard normal variable brings over `-z`, on
/// average. Exact to rounding for every `z` (Ament et al. 2023, arXiv 2310.20708, say why its tail matters: where plain
/// expected improvement is zero everywhere, its logarithm still points uphill).
///
/// In the tail it is the first repeated integral of erfc, whose continued fraction has no cancellation.
pub fn log_improvement(z: f64) -> f64 {
    if z > -TAIL {
        return libm::log(pdf(z) + z * cdf(z));
    }
    let x = -z * FRAC_1_SQRT_2;
    -x * x + libm::log(SQRT_2 / PI.sqrt() * erfc_ratio(x, 0) * erfc_ratio(x, 1))
}

/// iⁿerfc(x) / iⁿ⁻¹erfc(x), by its continued fraction, for x ≥ 1.
fn erfc_ratio(x: f64, n: u32) -> f64 {
    let mut tail = x;
    for k in (1..=TERMS).rev() {
        tail = x + 0.5 * f64::from(n + k) / tail;
    }
    0.5 / tail
}

/// The value that a standard normal variable stays below with probability `p`, 0 < p < 1 (Wichura 1988, AS 241,
/// PPND16: relative 1e-16).
pub fn quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(r, &CENTRE);
    }
    let r = libm::sqrt(-libm::log(if q < 0.0 { p } else { 1.0 - p }));
    let magnitude = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    if q < 0.0 { -magnitude } else { magnitude }
}

fn ratio(r: f64, coefficients: &[[f64; 8]; 2]) -> f64 {
    let polynomial = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
    polynomial(&coefficients[0]) / polynomial(&coefficients[1])
}

const CENTRE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_545e3,
    ],
];
const MIDDLE: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];
const FAR: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Pairs of argument and value with 60 digits, made by `tests/reference/log_improvement.py`.
    fn reference(function: &str) -> Vec<(f64, f64)> {
        let all: BTreeMap<String, Vec<(f64, f64)>> =
            serde_json::from_str(include_str!("../../../tests/reference/log_improvement.json")).unwrap();
        all[function].clone()
    }

    fn check(function: &str, f: impl Fn(f64) -> f64, tolerance: f64) {
        for (x, want) in reference(function) {
            let found = f(x);
            assert!((found - want).abs() <= tolerance * want.abs().max(0.1), "{function}({x}) = {found}, not {want}");
        }
    }

    #[test]
    fn agrees_with_high_precision() {
        check("log_improvement", log_improvement, 1e-14);
        check("log_cdf", log_cdf, 1e-14);
        check("quantile", quantile, 1e-14);
    }

    #[test]
    fn improvement_grows_everywhere() {
        let mut before = f64::NEG_INFINITY;
        for i in -4000..1000 {
            let here = log_improvement(f64::from(i) * 0.01);
            assert!(here > before, "{i}");
            before = here;
        }
    }
}
