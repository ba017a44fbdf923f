//! Proportions of successes among trials.

use super::distribution::{each, each_more, Distribution, Observed, Second};
use super::elementary::{exp, ln_near};
use super::family::{Batch, Derivatives, Extra, MoreDerivatives};
use super::link::Link;
use super::poisson::MANY;
use super::special::lgamma;
use crate::rng::Rng;

/// The variance is mu (1 - mu) / w; y is a proportion of w trials.
pub struct Binomial;

impl Distribution<0> for Binomial {
    const NAME: &'static str = "binomial";
    const EXTRAS: &'static [Extra; 0] = &[];

    fn allows(link: Link) -> bool {
        link.is_for_probabilities() || link == Link::Log
    }

    fn is_canonical(link: Link) -> bool {
        link == Link::Logit
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        match link {
            Link::Logit => each(b, out, in_logit),
            _ => each(b, out, |y, w, eta| in_link(link, y, w, eta)),
        }
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        each_more(b, out, |_, w, eta| {
            let (a, b) = link.log_probabilities(eta);
            Second { w: -w * a[1] * b[1], dw: -w * (a[2] * b[1] + a[1] * b[2]), by_extra: [] }
        });
    }

    fn free(_: f64, []: [f64; 0]) -> (f64, [f64; 0]) {
        // that of one trial: the number of ways
        (0.0, [])
    }

    fn free_part(y: &[f64], w: &[f64], []: [f64; 0]) -> (f64, [f64; 0]) {
        let ways = |(&y, &w): (&f64, &f64)| {
            let s = w * y;
            let f = w - s;
            if s == 0.0 || f == 0.0 {
                0.0
            } else {
                lgamma(w + 1.0) - lgamma(s + 1.0) - lgamma(f + 1.0)
            }
        };
        (y.iter().zip(w).map(ways).sum(), [])
    }

    fn near(y: f64, w: f64, _: f64, link: Link) -> f64 {
        let mu = (w * y + 0.5) / (w + 1.0);
        if link == Link::Log {
            mu.min(0.95)
        } else {
            mu
        }
    }

    fn start_extras(_: &[f64], _: &[f64], _: &[f64]) -> [f64; 0] {
        []
    }

    fn draw(rng: &mut Rng, mu: f64, w: f64, []: [f64; 0]) -> Option<f64> {
        if !(0.0..=1.0).contains(&mu) {
            return None;
        }
        let trials = w.round();
        Some(if trials < 1.0 { 0.0 } else { draw(rng, trials, mu) / trials })
    }
}

#[inline(always)]
fn in_logit(y: f64, w: f64, eta: f64) -> Observed {
    let e = exp(-eta.abs());
    let t = 1.0 + e;
    let d = 1.0 / t;
    let (big, small) = (d, e * d);
    let up = eta >= 0.0;
    let mu = if up { big } else { small };
    let nu = if up { small } else { big };
    let v = w * (big * small);
    Observed {
        l: w * (y * eta - if up { eta } else { 0.0 } - ln_near(e, t, d)),
        r: w * (y * nu - (1.0 - y) * mu),
        wo: v,
        dwo: v * (nu - mu),
    }
}

#[inline(always)]
fn in_link(link: Link, y: f64, w: f64, eta: f64) -> Observed {
    let (a, b) = link.log_probabilities(eta);
    let (s, f) = (w * y, w * (1.0 - y));
    // 0 log 0 = 0
    let mix = |i: usize| (if s == 0.0 { 0.0 } else { s * a[i] }) + (if f == 0.0 { 0.0 } else { f * b[i] });
    let valid = if eta < 0.0 || link != Link::Log { 0.0 } else { f64::NAN };
    Observed { l: mix(0) + valid, r: mix(1), wo: -mix(2), dwo: -mix(3) }
}

/// A number of successes, by search from zero, or by the transformed rejection (BTRS) of Hörmann
/// (1993).
fn draw(s: &mut Rng, n: f64, p: f64) -> f64 {
    if p > 0.5 {
        return n - draw(s, n, 1.0 - p);
    }
    if n == 1.0 {
        return f64::from(s.uniform() < p);
    }
    let odds = p / (1.0 - p);
    if n * p < MANY {
        let mut f = (n * (-p).ln_1p()).exp();
        let mut u = s.uniform();
        let mut k = 0.0;
        while u > f && k < n {
            u -= f;
            k += 1.0;
            f *= odds * (n - k + 1.0) / k;
        }
        return k;
    }
    let sd = (n * p * (1.0 - p)).sqrt();
    let b = 1.15 + 2.53 * sd;
    let a = -0.0873 + 0.0248 * b + 0.01 * p;
    let c = n * p + 0.5;
    let quick = 0.92 - 4.2 / b;
    let alpha = (2.83 + 5.1 / b) * sd;
    let mode = ((n + 1.0) * p).floor();
    let at_mode = lgamma(mode + 1.0) + lgamma(n - mode + 1.0);
    loop {
        let u = s.uniform() - 0.5;
        let v = s.uniform();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + c).floor();
        if us >= 0.07 && v <= quick {
            return k;
        }
        if k < 0.0 || k > n {
            continue;
        }
        let share = at_mode - lgamma(k + 1.0) - lgamma(n - k + 1.0) + (k - mode) * odds.ln();
        if (v * alpha / (a / (us * us) + b)).ln() <= share {
            return k;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::poisson::tests::distance;
    use super::*;

    #[test]
    fn frequencies_by_rejection() {
        let mut s = Rng::of(5, 1);
        let (m, q) = (50.0f64, 0.35f64);
        let p = |k: f64| {
            (lgamma(m + 1.0) - lgamma(k + 1.0) - lgamma(m - k + 1.0) + k * q.ln() + (m - k) * (1.0 - q).ln()).exp()
        };
        assert!(distance(&mut || draw(&mut s, m, q), &p, 51).abs() < 4.0);
    }
}
