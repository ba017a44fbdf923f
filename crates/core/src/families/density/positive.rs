//! Positive numbers: Gamma and both log-normal distributions.

use super::blocks::log1pmx;
use super::counts::log_mean;
use super::{Density, Jet};
use crate::families::link::Link;
use crate::families::special::{gamma_normaliser, log_minus_digamma, polygamma};

/// log(2 pi) / 2.
pub(super) const HALF_LOG_2PI: f64 = 0.918_938_533_204_672_8;

/// Limits of logarithms of scales: beyond them a parameter is infinite or zero for all purposes.
pub(super) const LIMIT: f64 = 300.0;

/// Logarithm by which a standard deviation of rows is less than that of all responses, where the
/// means vary.
pub(super) const LESS: f64 = 1.5;

/// Log of the standard deviation of the logarithms of positive numbers, for starts.
fn log_spread(y: &[f64]) -> f64 {
    let logs: Vec<f64> = y.iter().filter(|&&y| y > 0.0).map(|y| y.ln()).collect();
    spread(&logs).ln()
}

/// Standard deviation, not below a small share of the mean.
pub(super) fn spread(y: &[f64]) -> f64 {
    let n = y.len().max(1) as f64;
    let mean = y.iter().sum::<f64>() / n;
    (y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt().max(1e-3 * mean.abs()).max(1e-8)
}

/// The variance is sigma^2 mu^2; the second predictor is log sigma.
pub struct Gamma;

impl Density<2> for Gamma {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d]: [f64; 2]) -> Jet<2, O> {
        if y <= 0.0 {
            return Jet::constant(f64::NEG_INFINITY);
        }
        let a = log_mean::<2, O>(link, eta);
        let shape = Jet::<2, O>::variable(d.clamp(-0.5 * LIMIT, 0.5 * LIMIT), 1).scaled(-2.0).exp();
        let r = y * (-a.v).exp();
        let deviance = a.map([log1pmx(r - 1.0), r - 1.0, -r, r]);
        let nu = shape.v;
        let (_, b, c) = polygamma(nu);
        let u = 1.0 / nu;
        shape.map([gamma_normaliser(nu), log_minus_digamma(nu), u - b, -u * u - c]) + shape * deviance
            - Jet::constant(y.ln())
    }

    fn simple(_: &[f64]) -> [Option<f64>; 2] {
        [None, Some(-2.0)]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        y.max(1e-3 * average)
    }

    fn shapes(y: &[f64], _: f64) -> [f64; 2] {
        [0.0, log_spread(y).clamp(-3.0, 1.0)]
    }
}

/// Normal logarithms: the mean of log y, and log of their standard deviation.
pub struct LogNormal;

impl Density<2> for LogNormal {
    #[inline(always)]
    fn log_density<const O: usize>(_: Link, y: f64, _: f64, [eta, d]: [f64; 2]) -> Jet<2, O> {
        if y <= 0.0 {
            return Jet::constant(f64::NEG_INFINITY);
        }
        let d = Jet::<2, O>::variable(d, 1);
        let z = (Jet::constant(y.ln()) - Jet::variable(eta, 0)) * (-d).exp();
        (z * z).scaled(-0.5) - d.plus(HALF_LOG_2PI + y.ln())
    }

    fn simple(y: &[f64]) -> [Option<f64>; 2] {
        [None, Some(log_spread(y) - LESS)]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        y.max(1e-3 * average).ln()
    }

    fn shapes(y: &[f64], _: f64) -> [f64; 2] {
        [0.0, log_spread(y)]
    }

    fn unit(_: Link, _: &[f64]) -> f64 {
        1.0
    }

    fn spread(_: Link, y: &[f64]) -> f64 {
        0.5 * log_spread(y).exp()
    }
}

/// Log-normal by mean and standard deviation of y, the second in its logarithm.
pub struct LogNormalResponse;

impl Density<2> for LogNormalResponse {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d]: [f64; 2]) -> Jet<2, O> {
        if y <= 0.0 {
            return Jet::constant(f64::NEG_INFINITY);
        }
        let a = log_mean::<2, O>(link, eta);
        let v = (Jet::<2, O>::variable(d, 1) - a).scaled(2.0).softplus();
        let z = Jet::constant(y.ln()) - a + v.scaled(0.5);
        (z * z * v.recip()).scaled(-0.5) - v.ln().scaled(0.5).plus(HALF_LOG_2PI + y.ln())
    }

    fn simple(y: &[f64]) -> [Option<f64>; 2] {
        [None, Some(spread(y).ln() - LESS)]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        y.max(1e-3 * average)
    }

    fn shapes(y: &[f64], _: f64) -> [f64; 2] {
        [0.0, spread(y).ln()]
    }
}
