//! Sums over the whole numbers from one power of two to the next by a few places: Gauss' rule of
//! the discrete measure, whose polynomials are Gram's. It is exact for polynomials of degree below
//! twice the number of places, and to rounding for functions whose logarithm is smooth on the scale
//! of the number itself, as those with log j! in them are.

use crate::families::special::lgamma;
use std::sync::OnceLock;

/// Places in an octave. With them the moments of distributions whose largest term is at most nine
/// standard deviations from zero are sums to 5e-14.
const PLACES: usize = 24;
/// Whole numbers before the first octave, which are summed one by one, and the end of the last.
pub const FIRST: usize = 1 << LOWEST;
const LOWEST: u32 = 6;
const HIGHEST: u32 = 46;

/// The whole numbers from `start` to twice that.
pub struct Octave {
    pub start: f64,
    /// log start!
    pub log_factorial: f64,
    /// Places, their weights, and log j! at them.
    pub places: [f64; PLACES],
    pub weights: [f64; PLACES],
    pub log_factorials: [f64; PLACES],
}

/// All octaves, the first one from [`FIRST`] on.
pub fn octaves() -> &'static [Octave] {
    static ALL: OnceLock<Vec<Octave>> = OnceLock::new();
    ALL.get_or_init(|| (LOWEST..HIGHEST).map(|e| octave(2f64.powi(e as i32))).collect())
}

/// Squares of the coefficients of Gram's recurrence for n points, in halves of n.
fn squares(n: f64) -> [f64; PLACES] {
    std::array::from_fn(|k| {
        let k = k as f64;
        k * k * (1.0 - (k / n) * (k / n)) / (4.0 * k * k - 1.0)
    })
}

fn octave(n: f64) -> Octave {
    let b = squares(n);
    // how many places are below t, by Sturm's sequence
    let below = |t: f64| {
        let mut d = -t;
        let mut count = usize::from(d < 0.0);
        for square in &b[1..] {
            d = -t - square / if d == 0.0 { f64::MIN_POSITIVE } else { d };
            count += usize::from(d < 0.0);
        }
        count
    };
    let mut out = Octave {
        start: n,
        log_factorial: lgamma(n + 1.0),
        places: [0.0; PLACES],
        weights: [0.0; PLACES],
        log_factorials: [0.0; PLACES],
    };
    for i in PLACES / 2..PLACES {
        let (mut low, mut high) = (0.0, 1.0);
        while high - low > f64::EPSILON * high {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if below(middle) > i {
                high = middle;
            } else {
                low = middle;
            }
        }
        let t = 0.5 * (low + high);
        // one over the sum of squares of the orthonormal polynomials
        let (mut last, mut now, mut sum) = (0.0, 1.0, 1.0);
        for k in 1..PLACES {
            let next = (t * now - b[k - 1].sqrt() * last) / b[k].sqrt();
            (last, now) = (now, next);
            sum += now * now;
        }
        for (at, t) in [(i, t), (PLACES - 1 - i, -t)] {
            out.places[at] = n + 0.5 * (n - 1.0) + 0.5 * n * t;
            out.weights[at] = n / sum;
            out.log_factorials[at] = lgamma(out.places[at] + 1.0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logarithm of what is lost in rounding.
    const NEGLIGIBLE: f64 = -42.0;

    #[test]
    fn an_octave_sums_what_is_smooth_to_rounding() {
        for octave in &octaves()[..7] {
            let n = octave.start as usize;
            for (rate, nu) in [(-0.001, 0.0), (0.1, 0.02), (-0.1, 0.01), (0.0, 0.05), (1.5, 0.25)] {
                let log = |j: f64, factorial: f64| j * rate - nu * factorial;
                let whole: Vec<f64> = (n..2 * n).map(|j| log(j as f64, lgamma(j as f64 + 1.0))).collect();
                // octaves whose terms are all negligible beside the largest of all are not summed
                let largest = (0..n).map(|j| log(j as f64, lgamma(j as f64 + 1.0))).fold(f64::NEG_INFINITY, f64::max);
                if whole[0] < largest + NEGLIGIBLE {
                    continue;
                }
                let top = whole.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let centre = 1.5 * octave.start;
                for power in [0, 1, 4] {
                    let of = |j: f64| ((j - centre) / octave.start).powi(power);
                    let want: f64 = whole.iter().enumerate().map(|(i, v)| (v - top).exp() * of((n + i) as f64)).sum();
                    let scale: f64 = whole.iter().map(|v| (v - top).exp()).sum();
                    let found: f64 = (0..PLACES)
                        .map(|i| {
                            let j = octave.places[i];
                            octave.weights[i] * (log(j, octave.log_factorials[i]) - top).exp() * of(j)
                        })
                        .sum();
                    assert!((found - want).abs() < 1e-12 * scale, "{n} {rate} {nu} {power}: {found} {want}");
                }
            }
        }
    }
}
