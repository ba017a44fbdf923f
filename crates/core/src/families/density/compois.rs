//! The Conway-Maxwell-Poisson distribution in its mean: cumulants of (Y, -log Y!) from one sum.

use super::counts::chained;
use super::{Density, Jet};
use crate::families::link::Link;
use crate::families::special::lgamma;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Standard deviations from which the sum has a stride, its width and its reach in them, and how
/// much further it reaches to the right.
const WIDE: f64 = 2.5;
const STRIDE: f64 = 0.55;
const REACH: f64 = 9.0;
const RIGHT: f64 = 1.25;
/// Logarithm below the largest term at which terms end, and how many there are at most.
const NEGLIGIBLE: f64 = -42.0;
const MOST: usize = 4000;
/// Smallest nu: overdispersion beyond it cannot be normalised in so many terms; the distribution
/// stays that of this one.
const LEAST: f64 = 0.02;
/// Newton steps for the rate of a mean, and the step whose square is below rounding.
const STEPS: usize = 60;
const LAST: f64 = 3e-8;
/// Results that are kept.
const KEPT: usize = 1 << 13;

/// The variance is a cumulant; the second predictor is log phi = -log nu.
pub struct ConwayMaxwellPoisson;

/// log of the normaliser, mean of -log Y!, and central moments `m[r][s]` of (Y, -log Y!) about the
/// mean, with the rate that they belong to.
#[derive(Clone, Copy)]
struct Sums {
    rate: f64,
    log_z: f64,
    mean: f64,
    other: f64,
    m: [[f64; 5]; 5],
}

thread_local! {
    /// By mean and nu: equal rows have equal sums.
    static KNOWN: RefCell<HashMap<(u64, u64), Sums>> = RefCell::new(HashMap::new());
}

/// log j! of whole numbers, as far as terms go.
fn log_factorials() -> &'static [f64] {
    static TABLE: OnceLock<Vec<f64>> = OnceLock::new();
    TABLE.get_or_init(|| (0..=MOST).map(|j| lgamma(j as f64 + 1.0)).collect())
}

/// The places j of the sum with log j! and their terms, in units of `exp` of the first result; the
/// second is the width between them.
#[inline(always)]
fn nodes(rate: f64, nu: f64, mut visit: impl FnMut(f64, f64, f64)) -> (f64, f64) {
    let mode = (rate / nu).exp();
    let sd = (mode / nu).sqrt();
    if sd > WIDE && mode - 0.5 - REACH * sd > 0.0 {
        let (h, top) = (STRIDE * sd, mode * rate - nu * lgamma(mode + 1.0));
        let (before, after) = ((REACH / STRIDE) as i32, (RIGHT * REACH / STRIDE) as i32);
        for k in -before..=after {
            let j = mode + h * f64::from(k);
            if j > -0.5 {
                let t = lgamma(j + 1.0);
                visit(j, t, (j * rate - nu * t - top).exp());
            }
        }
        return (top, h);
    }
    let logs = log_factorials();
    let middle = (mode.floor().max(0.0) as usize).min(MOST);
    let f = |j: usize| j as f64 * rate - nu * logs[j];
    let top = f(middle);
    for j in (0..middle).rev() {
        let v = f(j) - top;
        if v < NEGLIGIBLE {
            break;
        }
        visit(j as f64, logs[j], v.exp());
    }
    for (j, log) in logs.iter().enumerate().skip(middle) {
        let v = f(j) - top;
        if v < NEGLIGIBLE {
            break;
        }
        visit(j as f64, *log, v.exp());
    }
    (top, 1.0)
}

/// Mean and variance of Y.
fn mean_of(rate: f64, nu: f64) -> (f64, f64) {
    let (mut s0, mut s1, mut s2) = (0.0, 0.0, 0.0);
    let about = (rate / nu).exp().min(MOST as f64 * MOST as f64);
    nodes(rate, nu, |j, _, w| {
        let d = j - about;
        s0 += w;
        s1 += w * d;
        s2 += w * d * d;
    });
    let m = s1 / s0;
    (about + m, s2 / s0 - m * m)
}

/// A rate near that of a mean: by the expansion of the mean in 1 / mode (Gaunt, Iyengar, Olde
/// Daalhuis and Simsek 2019, equation 2.13) where that converges, else between the geometric, the
/// Poisson and the Bernoulli distribution.
fn near(mu: f64, nu: f64) -> f64 {
    let (once, twice) = ((nu - 1.0) / (2.0 * nu), (nu * nu - 1.0) / (24.0 * nu * nu));
    let mut mode = mu + once;
    if mode > 0.7 * mu && mode * nu > 1.0 && mode > 0.5 {
        for _ in 0..4 {
            mode = mu + once + twice / mode + twice / (nu * mode * mode);
        }
        if mode > 0.5 * mu && mode.is_finite() {
            return nu * mode.ln();
        }
    }
    if nu < 1.0 {
        return mu.ln() - (1.0 - nu) * mu.ln_1p();
    }
    mu.ln() + 0.3 * (nu - 1.0)
}

/// The rate at which the mean is mu: it grows with nu.
fn rate_of(mu: f64, nu: f64) -> f64 {
    let poisson = mu.ln();
    let (mut low, mut high) = if nu < 1.0 { (poisson - mu.ln_1p(), poisson) } else { (poisson, f64::INFINITY) };
    (low, high) = (low - 1e-9 * (1.0 + low.abs()), high + 1e-9 * (1.0 + high.abs()));
    let mut rate = near(mu, nu).clamp(low, high);
    for _ in 0..STEPS {
        let (mean, variance) = mean_of(rate, nu);
        let gap = (mu / mean).ln();
        if !gap.is_finite() {
            return f64::NAN;
        }
        if gap > 0.0 {
            low = rate;
        } else {
            high = rate;
        }
        let step = (gap * mean / variance).clamp(-3.0, 3.0);
        let next = rate + step;
        if step.abs() <= LAST * (1.0 + rate.abs()) {
            return next;
        }
        let between = 0.5 * (low.max(rate - 3.0) + high.min(rate + 3.0));
        rate = if next > low && next < high { next } else { between };
    }
    rate
}

fn sums(rate: f64, nu: f64) -> Sums {
    let mut all: Vec<(f64, f64, f64)> = Vec::with_capacity(128);
    let (top, h) = nodes(rate, nu, |j, t, w| all.push((j, -t, w)));
    let total: f64 = all.iter().map(|n| n.2).sum();
    let mean = all.iter().map(|n| n.0 * n.2).sum::<f64>() / total;
    let other = all.iter().map(|n| n.1 * n.2).sum::<f64>() / total;
    let mut m = [[0.0; 5]; 5];
    for (j, t, w) in all {
        let (a, b, w) = (j - mean, t - other, w / total);
        let mut left = w;
        for r in 0..5 {
            let mut both = left;
            for row in m[r].iter_mut().take(5 - r) {
                *row += both;
                both *= b;
            }
            left *= a;
        }
    }
    Sums { rate, log_z: top + (total * h).ln(), mean, other, m }
}

/// The sums of a mean and nu.
fn known(mu: f64, nu: f64) -> Sums {
    let key = (mu.to_bits(), nu.to_bits());
    if let Some(found) = KNOWN.with(|k| k.borrow().get(&key).copied()) {
        return found;
    }
    let made = sums(rate_of(mu, nu), nu);
    KNOWN.with(|k| {
        let mut k = k.borrow_mut();
        if k.len() >= KEPT {
            k.clear();
        }
        k.insert(key, made);
    });
    made
}

impl Density<2> for ConwayMaxwellPoisson {
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, delta]: [f64; 2]) -> Jet<2, O> {
        let a = link.log_mean(eta)[0];
        let (mu, nu) = (a.exp(), (-delta).exp().max(LEAST));
        if !(mu > 0.0 && mu.is_finite() && nu.is_finite()) {
            return Jet::constant(f64::NAN);
        }
        let Sums { rate, log_z, mean, other, m } = known(mu, nu);
        if !log_z.is_finite() {
            return Jet::constant(f64::NAN);
        }
        let fact = lgamma(y + 1.0);
        let d = y - mean;
        let (k20, k30, k11, k21, k12, k02, k03) = (m[2][0], m[3][0], m[1][1], m[2][1], m[1][2], m[0][2], m[0][3]);
        let k40 = m[4][0] - 3.0 * k20 * k20;
        let k31 = m[3][1] - 3.0 * k20 * k11;
        let k22 = m[2][2] - k20 * k02 - 2.0 * k11 * k11;
        let k13 = m[1][3] - 3.0 * k02 * k11;
        let v = k20;
        let (lm, ln) = (1.0 / v, -k11 / v);
        let lmm = -k30 * lm * lm / v;
        let lmn = -(k30 * ln + k21) * lm / v;
        let lnn = -(k30 * ln * ln + 2.0 * k21 * ln + k12) / v;
        let mut l = Jet::constant(y * rate - nu * fact - log_z);
        let (by_m, by_n) = (d * lm, d * ln - fact - other);
        let (by_mm, by_mn) = (-lm + d * lmm, d * lmn);
        let by_nn = d * lnn - (k11 * ln + k02);
        l.g = [mu * by_m, -nu * by_n];
        l.h[0][0] = mu * by_m + mu * mu * by_mm;
        l.h[0][1] = -mu * nu * by_mn;
        l.h[1][1] = nu * by_n + nu * nu * by_nn;
        if O > 2 {
            let lmmm = -(k40 * lm * lm * lm + 3.0 * k30 * lm * lmm) / v;
            let lmmn = -(k40 * lm * lm * ln + k31 * lm * lm + k30 * (2.0 * lm * lmn + ln * lmm) + k21 * lmm) / v;
            let lmnn = -(k40 * lm * ln * ln
                + 2.0 * k31 * lm * ln
                + k22 * lm
                + k30 * (2.0 * ln * lmn + lm * lnn)
                + 2.0 * k21 * lmn)
                / v;
            let lnnn = -(k40 * ln * ln * ln
                + 3.0 * k31 * ln * ln
                + 3.0 * k22 * ln
                + k13
                + 3.0 * k30 * ln * lnn
                + 3.0 * k21 * lnn)
                / v;
            let by_mmm = -2.0 * lmm + d * lmmm;
            let by_mmn = -lmn + d * lmmn;
            let by_mnn = d * lmnn;
            let by_nnn = d * lnnn - (k21 * ln * ln + 2.0 * k12 * ln + k03 + k11 * lnn);
            l.t[0][0][0] = mu * by_m + 3.0 * mu * mu * by_mm + mu * mu * mu * by_mmm;
            l.t[0][0][1] = -nu * (mu * by_mn + mu * mu * by_mmn);
            l.t[0][1][1] = mu * (nu * by_mn + nu * nu * by_mnn);
            l.t[1][1][1] = -nu * by_n - 3.0 * nu * nu * by_nn - nu * nu * nu * by_nnn;
        }
        if (-delta).exp() < LEAST {
            // the same distribution for all that is further
            (l.g[1], l.h[0][1], l.h[1][1]) = (0.0, 0.0, 0.0);
            (l.t[0][0][1], l.t[0][1][1], l.t[1][1][1]) = (0.0, 0.0, 0.0);
        }
        chained(link, eta, l)
    }

    fn simple(_: &[f64]) -> [Option<f64>; 2] {
        [None, Some(0.0)]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        y.max((0.2 * average).clamp(1e-3, 0.2))
    }

    fn shapes(_: &[f64], _: f64) -> [f64; 2] {
        [0.0, 0.0]
    }
}
