//! Counts that vary more than Poisson counts: variance quadratic (type 2) or linear (type 1) in the
//! mean.

use super::distribution::{by_log_mean, moment, more_by_log_mean, Distribution, Inner, InnerSecond};
use super::elementary::{exp, ln_1p};
use super::family::{Batch, Derivatives, Extra, MoreDerivatives};
use super::gamma::draw_log;
use super::link::Link;
use super::poisson;
use super::special::{lgamma, polygamma_differences};
use crate::rng::Rng;

const SIZE: Extra = Extra::positive("size");

/// The variance is mu + mu^2 / d.
pub struct NegativeBinomial2;

/// The variance is mu (1 + d).
pub struct NegativeBinomial1;

fn allows(link: Link) -> bool {
    matches!(link, Link::Log | Link::Sqrt | Link::Identity)
}

/// A mean near a count.
fn near(y: f64, average: f64) -> f64 {
    if y > 0.0 {
        y
    } else {
        (0.2 * average).clamp(1e-3, 0.2)
    }
}

impl Distribution<1> for NegativeBinomial2 {
    const NAME: &'static str = "nbinom2";
    const EXTRAS: &'static [Extra; 1] = &[SIZE];

    fn allows(link: Link) -> bool {
        allows(link)
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        by_log_mean(link, b, out, quadratic);
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        more_by_log_mean(link, b, out, quadratic_second);
    }

    fn free(y: f64, [d]: [f64; 1]) -> (f64, [f64; 1]) {
        let (g, a, ..) = polygamma_differences(y, d);
        (g - y * d.ln() - lgamma(y + 1.0), [d * a - y])
    }

    fn near(y: f64, _: f64, average: f64, _: Link) -> f64 {
        near(y, average)
    }

    fn start_extras(y: &[f64], w: &[f64], mu: &[f64]) -> [f64; 1] {
        let excess = moment(y, w, mu, |y, m| ((y - m).powi(2) - m) / (m * m));
        [(1.0 / excess.max(1.0 / (y.len() as f64).sqrt())).clamp(0.05, 100.0)]
    }

    fn draw(rng: &mut Rng, mu: f64, _: f64, [d]: [f64; 1]) -> Option<f64> {
        poisson::is_mean(mu).then(|| {
            let rate = draw_log(rng, d).exp() * (mu / d);
            poisson::draw(rng, rate)
        })
    }
}

#[inline(always)]
fn quadratic(y: f64, tau: f64, [d]: [f64; 1]) -> Inner {
    let mu = exp(tau);
    let ratio = mu / d;
    // shares of d and mu in mu + d
    let q = 1.0 / (1.0 + ratio);
    let p = ratio * q;
    let wo = q * p * (y + d);
    [y * tau - (d + y) * ln_1p(ratio), q * (y - mu), -wo, -wo * (q - p)]
}

#[inline(always)]
fn quadratic_second(y: f64, tau: f64, [d]: [f64; 1]) -> InnerSecond<1> {
    let mu = exp(tau);
    let ratio = mu / d;
    let q = 1.0 / (1.0 + ratio);
    let p = ratio * q;
    InnerSecond {
        information: q * mu,
        slope: q * q * mu,
        by_extra: [[
            d * p * p,
            -d * ratio.ln_1p() + (d + y) * p,
            p * q * (y - mu),
            -p * q * (y * (p - q) + 2.0 * d * p),
        ]],
    }
}

impl Distribution<1> for NegativeBinomial1 {
    const NAME: &'static str = "nbinom1";
    const EXTRAS: &'static [Extra; 1] = &[SIZE];

    fn allows(link: Link) -> bool {
        allows(link)
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        by_log_mean(link, b, out, linear);
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        more_by_log_mean(link, b, out, linear_second);
    }

    fn free(y: f64, [d]: [f64; 1]) -> (f64, [f64; 1]) {
        let share = 1.0 / (1.0 + d);
        ((if y == 0.0 { 0.0 } else { -y * (1.0 / d).ln_1p() }) - lgamma(y + 1.0), [y * share])
    }

    fn near(y: f64, _: f64, average: f64, _: Link) -> f64 {
        near(y, average)
    }

    fn start_extras(y: &[f64], w: &[f64], mu: &[f64]) -> [f64; 1] {
        [(moment(y, w, mu, |y, m| (y - m).powi(2) / m) - 1.0).clamp(0.05, 100.0)]
    }

    fn draw(rng: &mut Rng, mu: f64, _: f64, [d]: [f64; 1]) -> Option<f64> {
        poisson::is_mean(mu).then(|| {
            if mu == 0.0 {
                return 0.0;
            }
            let rate = draw_log(rng, mu / d).exp() * d;
            poisson::draw(rng, rate)
        })
    }
}

/// Limits of the size mu / d of a response: beyond them differences of its log gamma function are
/// limits too.
const SIZES: [f64; 2] = [1e-100, 1e100];

fn linear(y: f64, tau: f64, [d]: [f64; 1]) -> Inner {
    let s = (exp(tau) / d).clamp(SIZES[0], SIZES[1]);
    let (g, a, b, c) = polygamma_differences(y, s);
    let a = a - d.ln_1p();
    let (sa, ssb) = (s * a, s * s * b);
    [g - s * d.ln_1p(), sa, sa + ssb, sa + 3.0 * ssb + s * s * s * c]
}

fn linear_second(y: f64, tau: f64, [d]: [f64; 1]) -> InnerSecond<1> {
    let mu = exp(tau);
    let s = (mu / d).clamp(SIZES[0], SIZES[1]);
    let (_, a, b, c) = polygamma_differences(y, s);
    let a = a - d.ln_1p();
    let (sa, ssb) = (s * a, s * s * b);
    let i = mu / (1.0 + d);
    let l1 = -sa - ssb - i;
    InnerSecond {
        information: i,
        slope: i,
        by_extra: [[-i * d / (1.0 + d), -sa - i, l1, l1 - 2.0 * ssb - s * s * s * c]],
    }
}
