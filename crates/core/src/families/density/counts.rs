//! Counts: Poisson, negative binomial of both types, generalized Poisson.

use super::blocks::{log1pmx, rising};
use super::{Density, Jet};
use crate::families::link::Link;
use crate::families::special::lgamma;

/// The mean's predictor to log mu.
#[inline(always)]
pub(super) fn log_mean<const K: usize, const O: usize>(link: Link, eta: f64) -> Jet<K, O> {
    Jet::of_variable(link.log_mean(eta), 0)
}

/// A mean near a count.
fn near(y: f64, average: f64) -> f64 {
    y.max((0.2 * average).clamp(1e-3, 0.2))
}

/// Closed forms in log mu and another predictor, by the chain rule of the link.
#[inline(always)]
pub(super) fn chained<const O: usize>(link: Link, eta: f64, l: Jet<2, O>) -> Jet<2, O> {
    if link == Link::Log {
        return l;
    }
    let [_, a1, a2, a3] = link.log_mean(eta);
    let mut out = l;
    out.g[0] = l.g[0] * a1;
    out.h[0][0] = l.h[0][0] * a1 * a1 + l.g[0] * a2;
    out.h[0][1] = l.h[0][1] * a1;
    out.t[0][0][0] = l.t[0][0][0] * a1 * a1 * a1 + 3.0 * l.h[0][0] * a1 * a2 + l.g[0] * a3;
    out.t[0][0][1] = l.t[0][0][1] * a1 * a1 + l.h[0][1] * a2;
    out.t[0][1][1] = l.t[0][1][1] * a1;
    out
}

/// The variance is mu.
pub struct Poisson;

impl Density<1> for Poisson {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta]: [f64; 1]) -> Jet<1, O> {
        let a = log_mean::<1, O>(link, eta);
        let mu = a.v.exp();
        a.map([if y == 0.0 { -mu } else { y * a.v - mu - lgamma(y + 1.0) }, y - mu, -mu, -mu])
    }

    fn simple(_: &[f64]) -> [Option<f64>; 1] {
        [None]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        near(y, average)
    }
}

/// Excess of the variance over the mean, for starts.
fn excess(y: &[f64], average: f64) -> f64 {
    let n = y.len().max(1) as f64;
    y.iter().map(|y| (y - average).powi(2)).sum::<f64>() / n - average
}

/// Limits of what is exponentiated: beyond them a parameter is infinite or zero for all purposes.
const LIMIT: f64 = 300.0;

/// The variance is mu + mu^2 / phi.
pub struct NegativeBinomial2;

impl Density<2> for NegativeBinomial2 {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, delta]: [f64; 2]) -> Jet<2, O> {
        let phi = delta.clamp(-LIMIT, LIMIT).exp();
        let a = link.log_mean(eta)[0];
        let mu = a.exp();
        let ratio = mu / phi;
        let (p, q) = (ratio / (1.0 + ratio), 1.0 / (1.0 + ratio));
        let (p, q) = if ratio.is_finite() { (p, q) } else { (1.0, 0.0) };
        let [r0, r1, r2, r3] = rising(phi, y);
        let all = y + phi;
        let mut l = Jet::constant(r0 - all * ratio.ln_1p() + if y == 0.0 { 0.0 } else { y * a - lgamma(y + 1.0) });
        let d = y - mu;
        // the derivative by phi, times phi, and the same of its derivatives by log phi
        let phi_log = phi * ratio.ln_1p();
        let b0 = r1 + y - phi_log - q * d;
        let b1 = r2 - r1 - y + phi * p + d * q * q;
        l.g = [q * d, b0];
        l.h[0][0] = -all * p * q;
        l.h[0][1] = p * q * d;
        l.h[1][1] = b0 + b1;
        if O > 2 {
            let b2 = r3 - 2.0 * r2 + r1 + y - phi * p * q + d * q * q * (p - q);
            l.t[0][0][0] = -all * p * q * (q - p);
            l.t[0][0][1] = -p * q * (phi - all * (q - p));
            l.t[0][1][1] = -p * q * (q - p) * d;
            l.t[1][1][1] = b0 + 2.0 * b1 + b2;
        }
        chained(link, eta, l)
    }

    fn simple(_: &[f64]) -> [Option<f64>; 2] {
        [None, Some(4.0)]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        near(y, average)
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 2] {
        let excess = excess(y, average) / (average * average);
        [0.0, (1.0 / excess.max(0.05)).clamp(0.05, 20.0).ln()]
    }

    fn zero(average: f64) -> f64 {
        1.0 / (1.0 + average)
    }
}

/// The variance is mu (1 + phi).
pub struct NegativeBinomial1;

impl Density<2> for NegativeBinomial1 {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, delta]: [f64; 2]) -> Jet<2, O> {
        let delta = delta.clamp(-LIMIT, LIMIT);
        let phi = delta.exp();
        let a = link.log_mean(eta)[0];
        let mu = a.exp();
        let k = (a - delta).exp().clamp(1e-100, 1e100);
        let [r0, r1, r2, r3] = rising(k, y);
        let c = phi.ln_1p();
        let s = phi / (1.0 + phi);
        let (s2, s3) = (s * (1.0 - s), s * (1.0 - s) * (1.0 - 2.0 * s));
        // k c and k s, which stay finite as phi goes to zero
        let (kc, ks) = (mu * if phi < 1e-8 { 1.0 - 0.5 * phi } else { c / phi }, mu / (1.0 + phi));
        let kc_ks = kc - ks;
        let (d1, d2, d3) = (y + r1, r2, r3);
        let value = r0 + if y == 0.0 { 0.0 } else { y * a - lgamma(y + 1.0) } - kc - y * c;
        let mut l = Jet::constant(value);
        let (ks2, ks3) = (ks * (1.0 - s), ks * (1.0 - s) * (1.0 - 2.0 * s));
        l.g = [d1 - kc, -d1 + kc_ks + y * (1.0 - s)];
        l.h[0][0] = d2 - kc;
        l.h[0][1] = -d2 + kc_ks;
        l.h[1][1] = d2 - kc + 2.0 * ks - ks2 - y * s2;
        if O > 2 {
            l.t[0][0][0] = d3 - kc;
            l.t[0][0][1] = -d3 + kc_ks;
            l.t[0][1][1] = d3 - kc + 2.0 * ks - ks2;
            l.t[1][1][1] = -d3 + kc - 3.0 * ks + 3.0 * ks2 - ks3 - y * s3;
        }
        chained(link, eta, l)
    }

    fn simple(_: &[f64]) -> [Option<f64>; 2] {
        [None, Some(-3.0)]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        near(y, average)
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 2] {
        [0.0, (excess(y, average) / average).clamp(0.05, 20.0).ln()]
    }

    fn zero(average: f64) -> f64 {
        1.0 / (1.0 + average)
    }
}

/// Consul's distribution in its mean; the variance is mu phi.
pub struct GeneralizedPoisson;

impl Density<2> for GeneralizedPoisson {
    const ROUGH: bool = true;

    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, delta]: [f64; 2]) -> Jet<2, O> {
        let a = log_mean::<2, O>(link, eta);
        let d = Jet::<2, O>::variable(delta, 1);
        let t = d.scaled(-0.5).exp();
        let mu = a.exp();
        let w = t * (mu.scaled(1.0).plus(-y)) + Jet::constant(y);
        if w.v <= 0.0 {
            return Jet::constant(f64::NEG_INFINITY);
        }
        if y == 0.0 {
            // w = t mu: a - d/2 - log w - w = -w
            return -w;
        }
        // (y - 1) log w - w - log y! with what Poisson's has apart: w = y (1 + e)
        let e = (w.v - y) / y;
        let value = -y + y * y.ln() - lgamma(y + 1.0) + y * log1pmx(e);
        let u = 1.0 / w.v;
        let f = w.map([value - w.v.ln(), (y - 1.0) * u - 1.0, -(y - 1.0) * u * u, 2.0 * (y - 1.0) * u * u * u]);
        f + a - d.scaled(0.5)
    }

    fn simple(_: &[f64]) -> [Option<f64>; 2] {
        [None, Some(0.05)]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        near(y, average)
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 2] {
        [0.0, (1.0 + excess(y, average) / average).clamp(1.05, 20.0).ln()]
    }
}
