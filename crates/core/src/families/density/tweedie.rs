//! Tweedie's compound Poisson-gamma distribution: a mass at zero and positive numbers, the variance
//! phi mu^p with p between 1 and 2.
//!
//! log f = (y theta - kappa) / phi + c(y, phi, p): only c needs a sum, and c does not depend on the
//! mean, so that it is kept while the modes are found.

use super::blocks::{log1pmx_jet, stirling_jet};
use super::counts::log_mean;
use super::positive::LIMIT;
use super::{Density, Jet};
use crate::families::link::Link;
use std::cell::RefCell;
use std::collections::HashMap;

/// Standard deviations from which the sum has a stride, its width and reach, and how much further
/// it reaches to the right; without a stride it has this many terms at most.
const WIDE: f64 = 2.5;
const STRIDE: f64 = 0.55;
const REACH: f64 = 9.0;
const RIGHT: f64 = 1.25;
const MOST: usize = 400;
/// Terms below this share of the largest end the sum.
const NEGLIGIBLE: f64 = 1e-19;
/// Values of c that are kept.
const KEPT: usize = 1 << 16;

/// Mean, log phi and psi with p = 1 + 1 / (1 + e^-psi).
pub struct Tweedie;

type Key = (u64, u64, u64, usize);

thread_local! {
    static KNOWN: RefCell<HashMap<Key, Jet<2, 3>>> = RefCell::new(HashMap::new());
}

/// log m^x e^-m / Gamma(x + 1) without cancellation.
#[inline(always)]
fn log_poisson<const O: usize>(x: Jet<2, O>, m: Jet<2, O>) -> Jet<2, O> {
    let e = (m - x) * x.recip();
    x * log1pmx_jet(e) - stirling_jet(x) - x.scaled(2.0 * std::f64::consts::PI).ln().scaled(0.5)
}

/// Log density at mu = y as a function of log phi and psi: what the rest is added to.
fn at_own_mean<const O: usize>(y: f64, d: f64, psi: f64) -> Jet<2, O> {
    let delta = Jet::<2, O>::variable(d.clamp(-LIMIT, LIMIT), 0);
    let s = Jet::<2, O>::variable(psi.clamp(-20.0, 20.0), 1).sigmoid();
    let u = s.scaled(-1.0).plus(1.0);
    let ratio = u * s.recip();
    let ly = y.ln();
    // lam = y^u / (phi u), and y / g = y^(1 - s) / (phi s), of mu = y
    let power = (u.scaled(ly) - delta).exp();
    let lam = power * u.recip();
    let z = power * s.recip();
    let term = |j: f64| {
        let x = ratio.scaled(j);
        log_poisson(Jet::constant(j), lam) + log_poisson(x, z) + x.ln().plus(-ly)
    };
    let centre = lam.v.max(1.0);
    let sd = (centre / (1.0 + ratio.v)).sqrt();
    let (first, h) = if sd > WIDE && centre - REACH * sd > 1.0 { (centre, STRIDE * sd) } else { (centre.round(), 1.0) };
    let base = term(first);
    let mut total = Jet::<2, O>::constant(1.0);
    let (left, right) = if h == 1.0 {
        ((first - 1.0) as usize, MOST)
    } else {
        ((REACH / STRIDE) as usize, (RIGHT * REACH / STRIDE) as usize)
    };
    for (sign, count) in [(-1.0, left), (1.0, right)] {
        for k in 1..=count {
            let one = (term(first + sign * h * k as f64) - base).exp();
            total = total + one;
            if h == 1.0 && one.v < NEGLIGIBLE {
                break;
            }
        }
    }
    base + total.ln().plus(h.ln())
}

fn known<const O: usize>(y: f64, d: f64, psi: f64) -> Jet<2, O> {
    let key = (y.to_bits(), d.to_bits(), psi.to_bits(), O);
    let found = KNOWN.with(|k| k.borrow().get(&key).copied());
    let jet = found.unwrap_or_else(|| {
        let made = at_own_mean::<O>(y, d, psi);
        let made = Jet::<2, 3> { v: made.v, g: made.g, h: made.h, t: made.t };
        KNOWN.with(|k| {
            let mut k = k.borrow_mut();
            if k.len() >= KEPT {
                k.clear();
            }
            k.insert(key, made);
        });
        made
    });
    Jet { v: jet.v, g: jet.g, h: jet.h, t: jet.t }
}

impl Density<3> for Tweedie {
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d, psi]: [f64; 3]) -> Jet<3, O> {
        let a = log_mean::<3, O>(link, eta);
        let delta = Jet::<3, O>::variable(d.clamp(-LIMIT, LIMIT), 1);
        let s = Jet::<3, O>::variable(psi.clamp(-20.0, 20.0), 2).sigmoid();
        let u = s.scaled(-1.0).plus(1.0);
        if y <= 0.0 {
            return -((u * a - delta).exp() * u.recip());
        }
        // (y theta - kappa) / phi, less the same at mu = y
        let ly = y.ln();
        let to_y = u.scaled(ly);
        let rest = (u * a - to_y).exp() * u.recip() + ((-(s * a)).plus(ly) - to_y).exp() * s.recip();
        let at_y = u.recip() + s.recip();
        let change = -((to_y - delta).exp() * (rest - at_y));
        let own = known::<O>(y, d, psi);
        let mut wide = Jet::<3, O>::constant(own.v);
        for i in 0..2 {
            wide.g[i + 1] = own.g[i];
            for j in i..2 {
                wide.h[i + 1][j + 1] = own.h[i][j];
                for k in j..2 {
                    wide.t[i + 1][j + 1][k + 1] = own.t[i][j][k];
                }
            }
        }
        wide + change
    }

    fn simple(_: &[f64]) -> [Option<f64>; 3] {
        [None, Some(-1.0), None]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        y.max(0.2 * average)
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 3] {
        let n = y.len().max(1) as f64;
        let variance = y.iter().map(|y| (y - average).powi(2)).sum::<f64>() / n;
        [0.0, (variance / average.powf(1.5)).max(1e-3).ln(), 0.0]
    }

    fn zero(average: f64) -> f64 {
        (-average).exp()
    }
}
