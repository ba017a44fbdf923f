//! Normally distributed responses.

use super::distribution::{by_mean, moment, more_by_mean, scaled, Distribution, Inner};
use super::family::{Batch, Derivatives, Extra, MoreDerivatives};
use super::link::Link;
use crate::rng::Rng;

/// The variance is d^2.
pub struct Gaussian;

impl Distribution<1> for Gaussian {
    const NAME: &'static str = "gaussian";
    const EXTRAS: &'static [Extra; 1] = &[Extra::SIGMA];

    fn allows(link: Link) -> bool {
        link.is_for_probabilities() || matches!(link, Link::Log | Link::Identity | Link::Inverse)
    }

    fn is_canonical(link: Link) -> bool {
        link == Link::Identity
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        by_mean(link, b, out, inner);
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        more_by_mean(link, b, out, |y, mu, [d]| scaled(1.0 / (d * d), 0.0, inner(y, mu, [d])));
    }

    fn free(_: f64, [d]: [f64; 1]) -> (f64, [f64; 1]) {
        let log_2pi = (2.0 * std::f64::consts::PI).ln();
        (-0.5 * log_2pi - d.ln(), [-1.0])
    }

    fn near(y: f64, _: f64, average: f64, link: Link) -> f64 {
        match link {
            Link::Log => y.max(1e-3 * average.abs().max(1e-300)),
            Link::Inverse if y == 0.0 => average,
            // Responses may lie outside of the range of the mean.
            _ if link.is_for_probabilities() => y.clamp(1e-2, 1.0 - 1e-2),
            _ => y,
        }
    }

    fn start_extras(y: &[f64], w: &[f64], mu: &[f64]) -> [f64; 1] {
        let sd = moment(y, w, mu, |y, m| (y - m).powi(2)).sqrt();
        [sd.max(1e-8 * moment(y, w, mu, |y, _| y.abs())).max(1e-150)]
    }

    fn draw(rng: &mut Rng, mu: f64, _: f64, [d]: [f64; 1]) -> Option<f64> {
        mu.is_finite().then(|| mu + d * rng.normal())
    }
}

#[inline(always)]
fn inner(y: f64, [mu, _]: [f64; 2], [d]: [f64; 1]) -> Inner {
    let p = 1.0 / (d * d);
    [-0.5 * p * (y - mu).powi(2), p * (y - mu), -p, 0.0]
}
