//! Exponential and logarithm without branches, so that loops over rows are compiled to vector
//! instructions. Errors are about one unit in the last place. Results are the same on every
//! processor: no fused operations.

/// Largest argument of [`exp`]; larger ones are taken for it.
pub const EXP_MAX: f64 = 709.0;
/// Smallest argument of [`exp`]; smaller ones are taken for it.
pub const EXP_MIN: f64 = -708.0;

/// e^x, the argument held within \[-708, 709\]: never zero, never infinite. NaN stays NaN.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    const ROUND: f64 = 6755399441055744.0; // 1.5 * 2^52: adding it rounds to an integer kept in the low bits
    let x = if x > EXP_MAX { EXP_MAX } else { x };
    let x = if x < EXP_MIN { EXP_MIN } else { x };
    let t = x * std::f64::consts::LOG2_E + ROUND;
    let k = t - ROUND;
    let r = (x - k * 6.931_471_803_691_238e-1) - k * 1.908_214_929_270_587_7e-10;
    // Taylor polynomial: |r| <= ln 2 / 2
    let mut p = 1.0 / 6_227_020_800.0;
    p = p * r + 1.0 / 479_001_600.0;
    p = p * r + 1.0 / 39_916_800.0;
    p = p * r + 1.0 / 3_628_800.0;
    p = p * r + 1.0 / 362_880.0;
    p = p * r + 1.0 / 40_320.0;
    p = p * r + 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = 1.0 + (r + r * r * p);
    p * f64::from_bits(t.to_bits().wrapping_add(1023) << 52)
}

/// Natural logarithm of a positive normal number.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    const SHIFT: u64 = 0x4330_0000_0000_0000; // 2^52
    let shifted = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    let e = f64::from_bits((shifted >> 52) | SHIFT) - (4_503_599_627_370_496.0 + 1023.0);
    let f = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + SQRT_HALF) - 1.0;
    let half = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut p = 1.479_819_860_511_658_6e-1;
    p = p * z + 1.531_383_769_920_937_3e-1;
    p = p * z + 1.818_357_216_161_805e-1;
    p = p * z + 2.222_219_843_214_978_4e-1;
    p = p * z + 2.857_142_874_366_239e-1;
    p = p * z + 3.999_999_999_940_942e-1;
    p = p * z + 6.666_666_666_666_735e-1;
    let tail = s * (half + z * p);
    e * 6.931_471_803_691_238e-1 - ((half - (tail + e * 1.908_214_929_270_587_7e-10)) - f)
}

/// log(1 + x) for 0 <= x.
#[inline(always)]
pub fn ln_1p(x: f64) -> f64 {
    let u = 1.0 + x;
    ln_near(x, u, 1.0 / u)
}

/// log(1 + x) for 0 <= x, with u = 1 + x and its reciprocal at hand.
#[inline(always)]
pub fn ln_near(x: f64, u: f64, reciprocal: f64) -> f64 {
    ln(u) + (x - (u - 1.0)) * reciprocal
}

#[cfg(test)]
mod tests {
    #[test]
    fn agree_with_the_standard_library() {
        for i in -7080..7090 {
            let x = i as f64 * 0.1 + 0.013;
            assert!((super::exp(x) / x.exp() - 1.0).abs() < 5e-16 || x < super::EXP_MIN, "{x}");
            let v = x.max(-700.0).exp();
            assert!((super::ln(v) - v.ln()).abs() <= 3e-16 * v.ln().abs().max(1e-3), "{v}");
            let t = (-(x.abs())).exp();
            assert!((super::ln_1p(t) - t.ln_1p()).abs() <= 4e-16 * t.ln_1p(), "{t}");
        }
        assert!(super::exp(-1e9) > 0.0 && super::exp(1e9).is_finite() && super::exp(f64::NAN).is_nan());
    }
}
