//! Numbers of either sign: normal, Student's t, skew normal.

use super::blocks::rising;
use super::positive::{spread, HALF_LOG_2PI, LESS};
use super::{Density, Jet};
use crate::families::link::Link;

/// Student's t has this many degrees of freedom at the start.
const DF: f64 = 5.0;
/// Slant at the start, in either direction: at zero two derivatives of the likelihood vanish.
const SLANT: f64 = 1.0;

/// The mean through its link.
#[inline(always)]
fn mean<const K: usize, const O: usize>(link: Link, eta: f64) -> Jet<K, O> {
    let (mu, _, [a, b, c]) = link.derivatives(eta);
    Jet::of_variable([mu, a, b, c], 0)
}

/// Half of the standard deviation, where the link keeps the unit of the response.
fn half(link: Link, y: &[f64]) -> f64 {
    if link == Link::Identity {
        0.5 * spread(y)
    } else {
        0.5
    }
}

/// Typical size of the predictor of the mean.
fn size(link: Link, y: &[f64]) -> f64 {
    if link == Link::Identity {
        spread(y)
    } else if link.has_unit() {
        link.of_mean(y.iter().map(|y| y.abs()).sum::<f64>() / y.len().max(1) as f64).abs()
    } else {
        1.0
    }
}

/// Mean and log of the standard deviation.
pub struct Gaussian;

impl Density<2> for Gaussian {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d]: [f64; 2]) -> Jet<2, O> {
        let d = Jet::<2, O>::variable(d, 1);
        let z = (Jet::constant(y) - mean(link, eta)) * (-d).exp();
        (z * z).scaled(-0.5) - d.plus(HALF_LOG_2PI)
    }

    fn simple(y: &[f64]) -> [Option<f64>; 2] {
        [None, Some(spread(y).ln() - LESS)]
    }

    fn near(y: f64, _: f64, _: f64) -> f64 {
        y
    }

    fn shapes(y: &[f64], _: f64) -> [f64; 2] {
        [0.0, spread(y).ln()]
    }

    fn unit(link: Link, y: &[f64]) -> f64 {
        size(link, y)
    }

    fn spread(link: Link, y: &[f64]) -> f64 {
        half(link, y)
    }
}

/// Mean, log of the scale and log of the degrees of freedom.
pub struct StudentT;

impl Density<3> for StudentT {
    const ROUGH: bool = true;

    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d, df]: [f64; 3]) -> Jet<3, O> {
        let d = Jet::<3, O>::variable(d, 1);
        let log_df = Jet::<3, O>::variable(df.clamp(-10.0, 40.0), 2);
        let nu = log_df.exp();
        let z = (Jet::constant(y) - mean(link, eta)) * (-d).exp();
        // log Gamma((nu + 1)/2) - log Gamma(nu/2) - log(nu/2)/2
        let ratio = log_df.map(rising(0.5 * nu.v, 0.5));
        ratio - d.plus(HALF_LOG_2PI) - nu.plus(1.0).scaled(0.5) * (z * z * (-log_df).exp()).ln_1p()
    }

    fn simple(y: &[f64]) -> [Option<f64>; 3] {
        [None, Some(spread(y).ln() - LESS), Some(3.0)]
    }

    fn near(y: f64, _: f64, _: f64) -> f64 {
        y
    }

    fn shapes(y: &[f64], _: f64) -> [f64; 3] {
        [0.0, (0.8 * spread(y)).ln(), DF.ln()]
    }

    fn unit(link: Link, y: &[f64]) -> f64 {
        size(link, y)
    }

    fn spread(link: Link, y: &[f64]) -> f64 {
        half(link, y)
    }
}

/// Mean, log of the standard deviation and slant.
pub struct SkewNormal;

impl Density<3> for SkewNormal {
    const ROUGH: bool = true;

    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d, slant]: [f64; 3]) -> Jet<3, O> {
        const TWO_OVER_PI: f64 = std::f64::consts::FRAC_2_PI;
        let al = Jet::<3, O>::variable(slant, 2);
        let k = al * (al * al).plus(1.0).sqrt().recip();
        let log_om = Jet::<3, O>::variable(d, 1) - (k * k).scaled(-TWO_OVER_PI).plus(1.0).ln().scaled(0.5);
        let z = (Jet::constant(y) - mean(link, eta)) * (-log_om).exp() + k.scaled(TWO_OVER_PI.sqrt());
        let t = al * z;
        let tail = t.map(Link::Probit.log_probabilities(t.v).0);
        (z * z).scaled(-0.5) - log_om.plus(HALF_LOG_2PI - std::f64::consts::LN_2) + tail
    }

    fn simple(y: &[f64]) -> [Option<f64>; 3] {
        [None, Some(spread(y).ln() - LESS), Some(0.5)]
    }

    fn near(y: f64, _: f64, _: f64) -> f64 {
        y
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 3] {
        let skew: f64 = y.iter().map(|y| (y - average).powi(3)).sum();
        [0.0, spread(y).ln(), if skew < 0.0 { -SLANT } else { SLANT }]
    }

    fn other_shapes(y: &[f64], average: f64) -> Option<[f64; 3]> {
        let [_, d, slant] = Self::shapes(y, average);
        Some([0.0, d, -slant])
    }

    fn unit(link: Link, y: &[f64]) -> f64 {
        size(link, y)
    }

    fn spread(link: Link, y: &[f64]) -> f64 {
        half(link, y)
    }
}
