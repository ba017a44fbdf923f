//! Counts whose variance is their mean.

use super::distribution::{by_log_mean, each, each_more, more_by_log_mean, Distribution, Inner, InnerSecond};
use super::distribution::{Observed, Second};
use super::elementary::exp;
use super::family::{Batch, Derivatives, Extra, MoreDerivatives};
use super::link::Link;
use super::special::lgamma;
use crate::rng::Rng;

/// The variance is mu.
pub struct Poisson;

impl Distribution<0> for Poisson {
    const NAME: &'static str = "poisson";
    const EXTRAS: &'static [Extra; 0] = &[];

    fn allows(link: Link) -> bool {
        matches!(link, Link::Log | Link::Sqrt | Link::Identity)
    }

    fn is_canonical(link: Link) -> bool {
        link == Link::Log
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        match link {
            Link::Log => each(b, out, in_log),
            Link::Sqrt => each(b, out, in_root),
            _ => by_log_mean(link, b, out, inner),
        }
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        match link {
            Link::Sqrt => each_more(b, out, |_, w, _| Second { w: 4.0 * w, dw: 0.0, by_extra: [] }),
            _ => more_by_log_mean(link, b, out, |_, tau, []| {
                let mu = exp(tau);
                InnerSecond { information: mu, slope: mu, by_extra: [] }
            }),
        }
    }

    fn free(y: f64, []: [f64; 0]) -> (f64, [f64; 0]) {
        (-lgamma(y + 1.0), [])
    }

    fn near(y: f64, _: f64, _: f64, _: Link) -> f64 {
        y + 0.1
    }

    fn start_extras(_: &[f64], _: &[f64], _: &[f64]) -> [f64; 0] {
        []
    }

    fn draw(rng: &mut Rng, mu: f64, _: f64, []: [f64; 0]) -> Option<f64> {
        is_mean(mu).then(|| draw(rng, mu))
    }
}

#[inline(always)]
fn in_log(y: f64, w: f64, eta: f64) -> Observed {
    let m = exp(eta);
    Observed { l: w * (y * eta - m), r: w * (y - m), wo: w * m, dwo: w * m }
}

#[inline(always)]
fn in_root(y: f64, w: f64, eta: f64) -> Observed {
    if y == 0.0 {
        return Observed { l: -w * eta * eta, r: -2.0 * w * eta, wo: 2.0 * w, dwo: 0.0 };
    }
    let v = 1.0 / eta;
    Observed {
        l: w * (2.0 * y * eta.abs().ln() - eta * eta),
        r: 2.0 * w * (y * v - eta),
        wo: 2.0 * w * (y * v * v + 1.0),
        dwo: -4.0 * w * y * v * v * v,
    }
}

#[inline(always)]
fn inner(y: f64, tau: f64, []: [f64; 0]) -> Inner {
    let m = exp(tau);
    [if y == 0.0 { -m } else { y * tau - m }, y - m, -m, -m]
}

/// Whether counts of that mean can be drawn.
pub(super) fn is_mean(mu: f64) -> bool {
    (0.0..1e15).contains(&mu)
}

/// Means from which rejection replaces the search through the probabilities.
pub(super) const MANY: f64 = 10.0;

/// A count, by search from zero, or by the transformed rejection (PTRS) of Hörmann (1993).
pub(super) fn draw(s: &mut Rng, mu: f64) -> f64 {
    if mu < MANY {
        let mut p = (-mu).exp();
        let mut u = s.uniform();
        let mut k = 0.0;
        while u > p && k < 1000.0 {
            u -= p;
            k += 1.0;
            p *= mu / k;
        }
        return k;
    }
    let log_mu = mu.ln();
    let b = 0.931 + 2.53 * mu.sqrt();
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let quick = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = s.uniform() - 0.5;
        let v = s.uniform();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + mu + 0.43).floor();
        if us >= 0.07 && v <= quick {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        if v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln() <= k * log_mu - mu - lgamma(k + 1.0) {
            return k;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Distance of drawn counts from their probabilities: a chi-square in standard deviations.
    pub fn distance(draw: &mut dyn FnMut() -> f64, p: &dyn Fn(f64) -> f64, most: usize) -> f64 {
        let n = 400_000;
        let mut count = vec![0.0; most];
        (0..n).for_each(|_| count[(draw() as usize).min(most - 1)] += 1.0);
        let (mut chi, mut df) = (0.0, 0);
        for (k, c) in count.iter().enumerate() {
            let e = n as f64 * p(k as f64);
            if e > 20.0 {
                chi += (c - e) * (c - e) / e;
                df += 1;
            }
        }
        (chi - df as f64) / (2.0 * df as f64).sqrt()
    }

    #[test]
    fn frequencies_by_rejection() {
        let mut s = Rng::of(5, 0);
        let mu = 14.0f64;
        let p = |k: f64| (k * mu.ln() - mu - lgamma(k + 1.0)).exp();
        assert!(distance(&mut || draw(&mut s, mu), &p, 60).abs() < 4.0);
    }
}
