//! Proportions: beta, with zeros and ones in order or apart, and overdispersed counts of successes.

use super::binomial::{log_choose, Binomial};
use super::blocks::rising;
use super::positive::LIMIT;
use super::{Density, Jet};
use crate::families::link::Link;

/// log mu and log(1 - mu).
#[inline(always)]
fn logs<const K: usize, const O: usize>(link: Link, eta: f64) -> (Jet<K, O>, Jet<K, O>) {
    let (a, b) = link.log_probabilities(eta);
    (Jet::of_variable(a, 0), Jet::of_variable(b, 0))
}

/// Log of the precision by moments.
fn precision(y: &[f64], average: f64) -> f64 {
    let inside: Vec<f64> = y.iter().copied().filter(|y| (0.0..1.0).contains(y) && *y > 0.0).collect();
    let n = inside.len().max(1) as f64;
    let mean = inside.iter().sum::<f64>() / n;
    let variance = inside.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n;
    let m = if mean > 0.0 { mean } else { average.clamp(0.05, 0.95) };
    (m * (1.0 - m) / variance.max(1e-8) - 1.0).clamp(0.5, 1e4).ln()
}

/// Log density of the beta distribution.
#[inline(always)]
fn beta<const K: usize, const O: usize>(link: Link, y: f64, eta: f64, d: f64) -> Jet<K, O> {
    let (lm, ln) = logs::<K, O>(link, eta);
    let d = Jet::<K, O>::variable(d.clamp(-LIMIT, LIMIT), 1);
    let (a, b) = ((lm + d).exp(), (ln + d).exp());
    d.exp().lgamma() - a.lgamma() - b.lgamma() + a.plus(-1.0).scaled(y.ln()) + b.plus(-1.0).scaled((-y).ln_1p())
}

fn inside(y: f64) -> f64 {
    y.clamp(0.02, 0.98)
}

/// Between 0 and 1; the variance is mu (1 - mu) / (1 + phi).
pub struct Beta;

impl Density<2> for Beta {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d]: [f64; 2]) -> Jet<2, O> {
        if y <= 0.0 || y >= 1.0 {
            return Jet::constant(f64::NEG_INFINITY);
        }
        beta(link, y, eta, d)
    }

    fn simple(_: &[f64]) -> [Option<f64>; 2] {
        [None, Some(4.0)]
    }

    fn near(y: f64, _: f64, _: f64) -> f64 {
        inside(y)
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 2] {
        [0.0, precision(y, average)]
    }
}

/// Successes of trials whose probability varies.
pub struct BetaBinomial;

impl Density<2> for BetaBinomial {
    const TRIALS: bool = true;

    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, w: f64, [eta, d]: [f64; 2]) -> Jet<2, O> {
        let (lm, ln) = logs::<2, O>(link, eta);
        let d = Jet::<2, O>::variable(d.clamp(-LIMIT, LIMIT), 1);
        let s = (w * y).round();
        let rest = w - s;
        let (a, b) = (lm + d, ln + d);
        let part = |x: Jet<2, O>, k: f64| {
            let a = x.v.exp();
            // where a underflows Gamma(a + k) / Gamma(a) is a Gamma(k)
            x.map(rising(a.max(1e-290), k))
        };
        let mut out = part(a, s) + part(b, rest) - part(d, w) + Jet::constant(log_choose(w, s));
        if s > 0.0 {
            out = out + lm.scaled(s);
        }
        if rest > 0.0 {
            out = out + ln.scaled(rest);
        }
        out
    }

    fn simple(_: &[f64]) -> [Option<f64>; 2] {
        [None, Some(4.0)]
    }

    fn near(y: f64, w: f64, average: f64) -> f64 {
        Binomial::near(y, w, average)
    }

    fn shapes(_: &[f64], _: f64) -> [f64; 2] {
        [0.0, 1.5]
    }

    fn zero(average: f64) -> f64 {
        1.0 - average.min(0.9)
    }
}

/// 0, 1 and between, ordered by cuts: mean, log precision, first cut, log of the gap to the second.
pub struct OrderedBeta;

impl Density<4> for OrderedBeta {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d, c1, gap]: [f64; 4]) -> Jet<4, O> {
        let x = Jet::<4, O>::variable(eta, 0);
        let low = Jet::<4, O>::variable(c1, 2);
        let width = Jet::<4, O>::variable(gap.clamp(-LIMIT, LIMIT), 3).exp();
        let high = low + width;
        if y <= 0.0 {
            return -(x - low).softplus();
        }
        if y >= 1.0 {
            return -(high - x).softplus();
        }
        beta::<4, O>(link, y, eta, d) - (low - x).softplus() - (x - high).softplus() + (-width).log1mexp()
    }

    fn simple(_: &[f64]) -> [Option<f64>; 4] {
        [None, Some(4.0), None, None]
    }

    fn near(y: f64, _: f64, _: f64) -> f64 {
        inside(y)
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 4] {
        let n = y.len().max(1) as f64;
        let odds = |p: f64| {
            let p = p.clamp(0.01, 0.95);
            (p / (1.0 - p)).ln()
        };
        let zeros = y.iter().filter(|&&y| y <= 0.0).count() as f64 / n;
        let ones = y.iter().filter(|&&y| y >= 1.0).count() as f64 / n;
        let middle = odds(average.clamp(0.05, 0.95));
        let (low, high) = (middle + odds(zeros), middle - odds(ones));
        [0.0, precision(y, average), low, (high - low).max(0.2).ln()]
    }
}

/// 0 or 1 with a probability, and 1 among these with another, both in their logits; else beta.
pub struct ZeroOneInflatedBeta;

impl Density<4> for ZeroOneInflatedBeta {
    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d, zoi, coi]: [f64; 4]) -> Jet<4, O> {
        let edge = Jet::<4, O>::variable(zoi, 2);
        let one = Jet::<4, O>::variable(coi, 3);
        if y <= 0.0 {
            return -(-edge).softplus() - one.softplus();
        }
        if y >= 1.0 {
            return -(-edge).softplus() - (-one).softplus();
        }
        beta::<4, O>(link, y, eta, d) - edge.softplus()
    }

    fn simple(_: &[f64]) -> [Option<f64>; 4] {
        [None, Some(4.0), None, None]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        if y <= 0.0 || y >= 1.0 {
            inside(average)
        } else {
            inside(y)
        }
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 4] {
        [0.0, precision(y, average), 0.0, 0.0]
    }
}
