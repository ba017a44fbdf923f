//! Positive numbers whose variance is proportional to the cube of their mean.

use super::distribution::{by_log_mean, moment, more_by_log_mean, scaled, Distribution, Inner};
use super::elementary::exp;
use super::family::{Batch, Derivatives, Extra, MoreDerivatives};
use super::link::Link;
use crate::rng::Rng;

/// The variance is d^2 mu^3.
pub struct InverseGaussian;

impl Distribution<1> for InverseGaussian {
    const NAME: &'static str = "inverse_gaussian";
    const EXTRAS: &'static [Extra; 1] = &[Extra::SIGMA];

    fn allows(link: Link) -> bool {
        link.is_for_positive_means()
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        by_log_mean(link, b, out, inner);
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        more_by_log_mean(link, b, out, |y, tau, [d]| {
            let i = exp(-tau) / (d * d);
            scaled(i, -i, inner(y, tau, [d]))
        });
    }

    fn free(y: f64, [d]: [f64; 1]) -> (f64, [f64; 1]) {
        let p = 1.0 / (d * d);
        let log_2pi = (2.0 * std::f64::consts::PI).ln();
        (-0.5 * (log_2pi + 3.0 * y.ln()) - d.ln() - 0.5 * p / y, [-1.0 + p / y])
    }

    fn near(y: f64, _: f64, _: f64, _: Link) -> f64 {
        y
    }

    fn start_extras(y: &[f64], w: &[f64], mu: &[f64]) -> [f64; 1] {
        [moment(y, w, mu, |y, m| (y - m).powi(2) / m.powi(3)).sqrt().max(1e-8)]
    }

    fn draw(rng: &mut Rng, mu: f64, _: f64, [d]: [f64; 1]) -> Option<f64> {
        (mu > 0.0 && mu.is_finite()).then(|| draw(rng, mu, 1.0 / (d * d)).max(f64::MIN_POSITIVE))
    }
}

fn inner(y: f64, tau: f64, [d]: [f64; 1]) -> Inner {
    let p = 1.0 / (d * d);
    let v = exp(-tau);
    let q = y * v * v;
    [-p * (0.5 * q - v), p * (q - v), p * (v - 2.0 * q), p * (4.0 * q - v)]
}

/// By the transformation of Michael, Schucany and Haas (1976).
fn draw(s: &mut Rng, mu: f64, lambda: f64) -> f64 {
    let v = mu * s.normal().powi(2) / (2.0 * lambda);
    // mu (1 + v - sqrt(v (v + 2))), without cancellation
    let x = mu / (1.0 + v + (v * (v + 2.0)).sqrt());
    if s.uniform() * (mu + x) <= mu {
        x
    } else {
        mu / x * mu
    }
}
