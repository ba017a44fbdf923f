//! Positive numbers whose standard deviation is proportional to their mean.

use super::distribution::{by_log_mean, moment, more_by_log_mean, scaled, Distribution, Inner};
use super::elementary::exp;
use super::family::{Batch, Derivatives, Extra, MoreDerivatives};
use super::link::Link;
use super::special::{gamma_normaliser, log_minus_digamma};
use crate::rng::Rng;

/// The variance is d^2 mu^2: the shape is 1 / d^2.
pub struct Gamma;

impl Distribution<1> for Gamma {
    const NAME: &'static str = "gamma";
    const EXTRAS: &'static [Extra; 1] = &[Extra::SIGMA];

    fn allows(link: Link) -> bool {
        link.is_for_positive_means()
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        by_log_mean(link, b, out, inner);
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        more_by_log_mean(link, b, out, |y, tau, [d]| scaled(1.0 / (d * d), 0.0, inner(y, tau, [d])));
    }

    fn free(y: f64, [d]: [f64; 1]) -> (f64, [f64; 1]) {
        // p log p - p - lgamma(p) - log y + p (log y + 1), the last against p (tau + t) in the rest
        let p = 1.0 / (d * d);
        (gamma_normaliser(p) - y.ln() + p * (y.ln() + 1.0), [-2.0 * p * (log_minus_digamma(p) + y.ln() + 1.0)])
    }

    fn near(y: f64, _: f64, _: f64, _: Link) -> f64 {
        y
    }

    fn start_extras(y: &[f64], w: &[f64], mu: &[f64]) -> [f64; 1] {
        [moment(y, w, mu, |y, m| ((y - m) / m).powi(2)).sqrt().clamp(1e-3, 10.0)]
    }

    fn draw(rng: &mut Rng, mu: f64, _: f64, [d]: [f64; 1]) -> Option<f64> {
        let shape = 1.0 / (d * d);
        (mu > 0.0 && mu.is_finite()).then(|| (draw_log(rng, shape) - shape.ln() + mu.ln()).exp().max(f64::MIN_POSITIVE))
    }
}

#[inline(always)]
fn inner(y: f64, tau: f64, [d]: [f64; 1]) -> Inner {
    let p = 1.0 / (d * d);
    let t = y * exp(-tau);
    [-p * (tau + t), p * (t - 1.0), -p * t, p * t]
}

/// Logarithm of a gamma variable of scale 1: of small shapes the variable itself would often be
/// zero.
pub(super) fn draw_log(rng: &mut Rng, shape: f64) -> f64 {
    if shape >= 1.0 {
        rng.gamma(shape).ln()
    } else {
        rng.gamma(shape + 1.0).ln() + rng.uniform().ln() / shape
    }
}
