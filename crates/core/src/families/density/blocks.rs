//! Pieces of log densities that keep their digits where subtraction would lose them.

use crate::families::special::lgamma;

/// Whole numbers up to which sums replace the asymptotic series.
const FEW: f64 = 40.0;
/// Argument from which Stirling's series is used.
const LARGE: f64 = 16.0;
/// A product from which its logarithm is taken before the next factor.
const HUGE: f64 = 1e100;

/// log(1 + e) - e.
pub fn log1pmx(e: f64) -> f64 {
    if !(-0.3..0.3).contains(&e) {
        return e.ln_1p() - e;
    }
    // log((1 + t) / (1 - t)) with t = e / (2 + e)
    let t = e / (2.0 + e);
    let square = t * t;
    let (mut power, mut sum) = (1.0, 0.0);
    for k in 1..25 {
        power *= square;
        let term = power / f64::from(2 * k + 1);
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    // 2 (t + t sum) - e with 2 t - e = -e t
    t * (2.0 * sum - e)
}

/// Stirling's series: log Gamma(x) less (x - 1/2) log x - x + log(2 pi)/2, and its derivatives with
/// respect to log x.
fn stirling(x: f64) -> [f64; 4] {
    const C: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
        -3617.0 / 122_400.0,
    ];
    let (u, square) = (1.0 / x, 1.0 / (x * x));
    let mut power = u;
    let mut out = [0.0; 4];
    for (i, c) in C.iter().enumerate() {
        let (term, order) = (c * power, -((2 * i + 1) as f64));
        out[0] += term;
        out[1] += order * term;
        out[2] += order * order * term;
        out[3] += order * order * order * term;
        power *= square;
    }
    out
}

/// R(a, y) = log Gamma(a + y) - log Gamma(a) - y log a, and its derivatives with respect to log a.
/// It goes to zero as a grows instead of cancelling.
pub fn rising(a: f64, y: f64) -> [f64; 4] {
    if y == 0.0 {
        return [0.0; 4];
    }
    if a.is_infinite() {
        return [0.0; 4];
    }
    let mut out = [0.0; 4];
    let mut add = |t: f64, sign: f64| {
        let rest = 1.0 - t;
        out[1] -= sign * t;
        out[2] += sign * t * rest;
        out[3] += sign * t * rest * (2.0 * t - 1.0);
    };
    if y <= FEW && y.fract() == 0.0 {
        // the product of all 1 + j/a less 1, of which one logarithm is taken: nothing cancels
        let (mut value, mut product) = (0.0, 0.0f64);
        for j in 1..y as usize {
            let j = j as f64;
            let ratio = j / a;
            add(j / (a + j), 1.0);
            product += ratio + ratio * product;
            if product > HUGE {
                value += product.ln_1p();
                product = 0.0;
            }
        }
        out[0] = value + product.ln_1p();
        return out;
    }
    let k = if a < LARGE { (LARGE - a).ceil() } else { 0.0 };
    let mut product = 1.0f64;
    for j in 0..k as usize {
        let j = j as f64;
        add(j / (a + j), 1.0);
        add((j + y) / (a + j + y), -1.0);
        product *= (a + j) / (a + j + y);
    }
    out[0] = product.ln();
    let b = a + k;
    let e = y / b;
    let (l, one) = (log1pmx(e), 1.0 + e);
    let (s0, s1) = (stirling(b), stirling(b + y));
    // d/dlog b of S(b + y): the share of b in b + y is p
    let p = 1.0 / one;
    let q = e / one;
    let far = [
        s1[0],
        s1[1] * p,
        s1[2] * p * p + s1[1] * p * q,
        s1[3] * p * p * p + 3.0 * s1[2] * p * p * q + s1[1] * p * q * (q - p),
    ];
    let r_b = [
        b * (one * l + e * e) - 0.5 * e.ln_1p() + far[0] - s0[0],
        b * l + 0.5 * e / one + far[1] - s0[1],
        b * (l + e * e / one) - 0.5 * e / (one * one) + far[2] - s0[2],
        b * (l + e * e * e / (one * one)) + 0.5 * e * (1.0 - e) / (one * one * one) + far[3] - s0[3],
    ];
    let (r, n) = (a / b, k / b);
    let r1 = r * n;
    out[0] += r_b[0] + y * (k / a).ln_1p();
    out[1] += r * r_b[1] - y * n;
    out[2] += r * r * r_b[2] + r1 * (r_b[1] + y);
    out[3] += r * r * r * r_b[3] + 3.0 * r * r1 * r_b[2] + r1 * (n - r) * (r_b[1] + y);
    out
}

/// Stirling's error log Gamma(x + 1) - (x + 1/2) log x + x - log(2 pi) / 2.
pub fn stirling_error(x: f64) -> f64 {
    if x >= LARGE {
        stirling(x)[0]
    } else {
        lgamma(x) - (x - 0.5) * x.ln() + x - 0.918_938_533_204_672_8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::special::polygamma;

    #[test]
    fn rising_equals_differences_of_log_gamma() {
        let usual = [(0.3, 2.0), (3.0, 41.0), (0.02, 77.0), (17.0, 55.5), (30.0, 40.0), (8.0, 0.5), (2.5, 300.0)];
        // products beyond the range of a number, and next to one
        let extreme = [(1e-9, 40.0), (1e-6, 0.5), (1e-4, 12.0)];
        for &(a, y) in usual.iter().chain(&extreme) {
            let got = rising(a, y);
            let want = lgamma(a + y) - lgamma(a) - y * f64::ln(a);
            assert!((got[0] - want).abs() < 1e-12 * (1.0 + want.abs()), "{a} {y} {got:?} {want}");
            let slope = a * (polygamma(a + y).0 - polygamma(a).0) - y;
            assert!((got[1] - slope).abs() < 1e-12 * (1.0 + slope.abs()), "{a} {y} {got:?} {slope}");
            let h: f64 = 1e-5;
            let (up, down) = (rising(a * h.exp(), y), rising(a * (-h).exp(), y));
            for d in 1..3 {
                let want = (up[d] - down[d]) / (2.0 * h);
                assert!((got[d + 1] - want).abs() < 1e-8 * (1.0 + want.abs()), "{a} {y} {d} {got:?} {want}");
            }
        }
    }
}
