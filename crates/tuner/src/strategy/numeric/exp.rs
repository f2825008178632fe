//! An exponential that the compiler can vectorise.

const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
/// Adding this rounds to the nearest integer and leaves it in the low bits of the sum.
const ROUND: f64 = 6_755_399_441_055_744.0;
const COEFFICIENTS: [f64; 14] = [
    1.0,
    1.0,
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// e to the power `x`, to a relative 1e-15, without a branch or a call. Below -708 it stays at the smallest normal
/// number, which is as good as zero wherever it is used.
#[inline]
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-708.0, 709.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (x - k * LN2_HI) - k * LN2_LO;
    let mut p = COEFFICIENTS[13];
    for &c in COEFFICIENTS[..13].iter().rev() {
        p = p * r + c;
    }
    p * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn agrees_with_the_standard_library() {
        for i in -70_000..7_000 {
            let x = f64::from(i) * 0.01 + 0.003_7;
            let want = x.exp();
            assert!((exp(x) - want).abs() <= 2e-15 * want, "{x}: {} {want}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-300);
    }
}
