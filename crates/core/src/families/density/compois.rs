//! The Conway-Maxwell-Poisson distribution in its mean: cumulants of (Y, -log Y!) from one sum.

use super::counts::chained;
use super::octaves::{octaves, FIRST};
use super::series::{power_sums, power_sums_at, terms, Known, Shared, LANES, LAST_TERM};
use super::{Density, Jet};
use crate::families::link::Link;
use crate::families::special::lgamma;
use std::cell::RefCell;

/// Standard deviations from which terms have a stride, its width and its reach in them, and how
/// much further it reaches to the right.
const WIDE: f64 = 12.0;
const STRIDE: f64 = 0.55;
const REACH: f64 = 9.0;
const RIGHT: f64 = 1.25;
/// Logarithm below the largest term at which terms end.
const NEGLIGIBLE: f64 = -42.0;
/// Rates and nu from which neighbouring terms have ratios that overflow.
const LARGEST_RATE: f64 = 600.0;
const LARGEST_NU: f64 = 20.0;
/// Limit of log phi, far beyond where the distribution is the geometric one for all purposes.
const LIMIT: f64 = 250.0;
/// Steps for the rate of a mean, and the step, in standard deviations of Y, whose cube is below
/// rounding.
const STEPS: usize = 60;
const LAST: f64 = 1e-5;
/// Whole number by which terms are to have ended that are summed one by one.
const FEW: usize = 400;
/// Rates with sums that do not end, after which the mean is taken to be too large.
const MOST_ENDLESS: usize = 30;

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

/// What is kept from row to row.
struct Work {
    ratios: Shared<Vec<f64>>,
    /// Terms at hand in units of the largest, minus the log factorials where they have a stride.
    w: Vec<f64>,
    t: Vec<f64>,
    /// Their numbers, where they are those of octaves.
    at: Vec<f64>,
    /// log j! of whole numbers, as far as they were needed.
    logs: Vec<f64>,
    /// By mean and nu: equal rows have equal sums.
    known: Known<2, Sums>,
}

thread_local! {
    static WORK: RefCell<Work> = const { RefCell::new(Work::new()) };
}

/// Whole numbers with a stride, or the places of octaves (whose weights are in the terms), and the
/// logarithm of the unit of their terms.
struct Numbers {
    first: f64,
    stride: f64,
    top: f64,
    in_octaves: bool,
}

impl Work {
    const fn new() -> Self {
        Work {
            ratios: Shared::new(),
            w: Vec::new(),
            t: Vec::new(),
            at: Vec::new(),
            logs: Vec::new(),
            known: Known::new(),
        }
    }

    /// Log factorials up to that of j.
    fn log_factorials(&mut self, j: usize) -> &[f64] {
        if self.logs.len() <= j {
            let upto = (j + j / 4 + 64).min(LAST_TERM.max(j));
            self.logs.extend((self.logs.len()..=upto).map(|j| lgamma(j as f64 + 1.0)));
        }
        &self.logs
    }

    /// Fills the terms of a rate; none where they do not end.
    fn fill(&mut self, rate: f64, nu: f64) -> Option<Numbers> {
        let mode = (rate / nu).exp();
        let sd = (mode / nu).sqrt();
        if !sd.is_finite() {
            return None;
        }
        let middle = mode.floor();
        if sd > WIDE && mode - REACH * sd > 1.0 {
            let stride = (STRIDE * sd).floor();
            let before = (REACH * sd / stride).floor();
            let after = (RIGHT * REACH * sd / stride).ceil() as usize;
            let first = middle - before * stride;
            let top = middle * rate - nu * lgamma(middle + 1.0);
            self.w.clear();
            self.t.clear();
            for k in 0..=before as usize + after {
                let j = first + k as f64 * stride;
                let t =
                    if j < LAST_TERM as f64 { self.log_factorials(j as usize)[j as usize] } else { lgamma(j + 1.0) };
                self.t.push(-t);
                self.w.push((j * rate - nu * t - top).exp());
            }
            return Some(Numbers { first, stride, top, in_octaves: false });
        }
        if mode - REACH * sd <= 1.0 {
            let top = middle * rate - nu * lgamma(middle + 1.0);
            let far = FEW as f64 * rate - nu * self.log_factorials(FEW)[FEW] - top;
            if middle >= FEW as f64 || far > NEGLIGIBLE {
                return self.fill_octaves(rate, nu, middle, top);
            }
        }
        if middle >= LAST_TERM as f64 {
            return None;
        }
        let middle = middle as usize;
        let top = middle as f64 * rate - nu * self.log_factorials(middle)[middle];
        if rate.abs() < LARGEST_RATE && nu < LARGEST_NU {
            let ratio = |j: usize| (-nu * (j as f64 + 1.0).ln()).exp();
            let first = terms(rate.exp(), middle, 0, self.ratios.of(nu), ratio, &mut self.w)?;
            return Some(Numbers { first: first as f64, stride: 1.0, top, in_octaves: false });
        }
        // so steep that there are few
        self.w.clear();
        let own = |j: usize| j as f64 * rate - nu * lgamma(j as f64 + 1.0) - top;
        let first = (0..middle).rev().take_while(|&j| own(j) > NEGLIGIBLE).last().unwrap_or(middle);
        self.w.extend((first..=LAST_TERM).map(own).take_while(|&v| v > NEGLIGIBLE).map(f64::exp));
        Some(Numbers { first: first as f64, stride: 1.0, top, in_octaves: false })
    }

    /// The same where the terms are wide and begin near zero, one by one and then by octaves; `top`
    /// is the logarithm of the largest, whose number is `middle`.
    fn fill_octaves(&mut self, rate: f64, nu: f64, middle: f64, top: f64) -> Option<Numbers> {
        self.log_factorials(FIRST);
        self.w.clear();
        self.t.clear();
        self.at.clear();
        for (j, log) in self.logs[..FIRST].iter().enumerate() {
            self.at.push(j as f64);
            self.t.push(-log);
            self.w.push((j as f64 * rate - nu * log - top).exp());
        }
        for o in octaves() {
            let begin = o.start * rate - nu * o.log_factorial - top;
            if o.start > middle && begin < NEGLIGIBLE {
                return Some(Numbers { first: 0.0, stride: 1.0, top, in_octaves: true });
            }
            for ((&j, log), weight) in o.places.iter().zip(&o.log_factorials).zip(&o.weights) {
                self.at.push(j);
                self.t.push(-log);
                self.w.push(weight * (j * rate - nu * log - top).exp());
            }
        }
        None
    }

    /// The rate at which the mean is mu, by Halley's steps: it grows with nu.
    fn rate_of(&mut self, mu: f64, nu: f64) -> f64 {
        let poisson = mu.ln();
        let (mut low, mut high) = if nu < 1.0 { (poisson - mu.ln_1p(), poisson) } else { (poisson, f64::INFINITY) };
        (low, high) = (low - 1e-9 * (1.0 + low.abs()), high + 1e-9 * (1.0 + high.abs()));
        let mut rate = near(mu, nu).clamp(low, high);
        let mut endless = 0;
        for _ in 0..STEPS {
            let Some(numbers) = self.fill(rate, nu) else {
                // too many terms: the rate is too high, or the mean is too large
                endless += 1;
                if endless > MOST_ENDLESS {
                    return f64::NAN;
                }
                high = rate;
                rate = 0.5 * (low + high);
                continue;
            };
            // about mu, which the mean is near at the end
            let [s0, s1, s2, s3] = if numbers.in_octaves {
                power_sums_at(&self.w, &self.at, mu)
            } else {
                power_sums(&self.w, numbers.first - mu, numbers.stride)
            };
            let (d, second, third) = (s1 / s0, s2 / s0, s3 / s0);
            let (mean, variance) = (mu + d, second - d * d);
            let gap = -(d / mu).ln_1p();
            if !gap.is_finite() {
                return f64::NAN;
            }
            if gap > 0.0 {
                low = rate;
            } else {
                high = rate;
            }
            let slope = variance / mean;
            let bend = (third - d * (3.0 * second - 2.0 * d * d)) / mean - slope * slope;
            let plain = gap / slope;
            let step = plain / (1.0 + 0.5 * bend / slope * plain).clamp(0.5, 2.0);
            let step = step.clamp(-3.0, 3.0);
            let next = rate + step;
            if step.abs() * variance.sqrt().max(1.0) <= LAST {
                return next;
            }
            let between = 0.5 * (low.max(rate - 3.0) + high.min(rate + 3.0));
            rate = if next > low && next < high { next } else { between };
        }
        rate
    }

    fn sums(&mut self, rate: f64, nu: f64) -> Option<Sums> {
        let Numbers { first, stride, top, in_octaves } = self.fill(rate, nu)?;
        if stride == 1.0 && !in_octaves {
            self.log_factorials(first as usize + self.w.len());
        }
        let w = &self.w;
        // minus the logarithms of the factorials
        let own = stride > 1.0 || in_octaves;
        let sign = if own { 1.0 } else { -1.0 };
        let t: &[f64] = if own { &self.t } else { &self.logs[first as usize..] };
        let total = w.iter().sum::<f64>();
        let other = sign * w.iter().zip(t).map(|(w, t)| w * t).sum::<f64>() / total;
        let (mean, all) = if in_octaves {
            let mean = w.iter().zip(&self.at).map(|(w, j)| w * j).sum::<f64>() / total;
            (mean, central(w, t, sign, other, |i| self.at[i] - mean))
        } else {
            let [_, s1, ..] = power_sums(w, 0.0, 1.0);
            let mean = first + stride * (s1 / total);
            (mean, central(w, t, sign, other, |i| first + stride * i as f64 - mean))
        };
        let all = all.map(|sum| sum / total);
        let mut m = [[0.0; 5]; 5];
        for ((r, s), v) in [(2, 0), (3, 0), (4, 0), (1, 1), (2, 1), (3, 1), (0, 2), (1, 2), (2, 2), (0, 3), (1, 3)]
            .into_iter()
            .zip(all)
        {
            m[r][s] = v;
        }
        Some(Sums { rate, log_z: top + (total * stride).ln(), mean, other, m })
    }

    /// The sums of a mean and nu.
    fn known(&mut self, mu: f64, nu: f64) -> Option<Sums> {
        if let Some(found) = self.known.find([mu, nu]) {
            return Some(found);
        }
        let rate = self.rate_of(mu, nu);
        if rate.is_nan() {
            return None;
        }
        let made = self.sums(rate, nu)?;
        self.known.keep([mu, nu], made);
        Some(made)
    }
}

/// Sums of terms times powers of two differences from the mean, those of numbers (`apart` by
/// place) and those of `sign` times t, in the order of `Work::sums`.
#[inline(always)]
fn central(w: &[f64], t: &[f64], sign: f64, other: f64, apart: impl Fn(usize) -> f64) -> [f64; 11] {
    let mut lanes = [[0.0f64; LANES]; 11];
    let mut add = |lane: usize, i: usize| {
        let (a, b, w) = (apart(i), sign * t[i] - other, w[i]);
        let (aa, ab, bb) = (a * a, a * b, b * b);
        let (waa, wab, wbb) = (w * aa, w * ab, w * bb);
        for (sum, v) in lanes.iter_mut().zip([
            waa,
            waa * a,
            waa * aa,
            wab,
            waa * b,
            waa * ab,
            wbb,
            wab * b,
            waa * bb,
            wbb * b,
            wab * bb,
        ]) {
            sum[lane] += v;
        }
    };
    let whole = w.len() / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            add(lane, i + lane);
        }
    }
    for i in whole..w.len() {
        add(i - whole, i);
    }
    lanes.map(|l| l.iter().sum())
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

impl Density<2> for ConwayMaxwellPoisson {
    const EFFORT: usize = 30;

    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, delta]: [f64; 2]) -> Jet<2, O> {
        let a = link.log_mean(eta)[0];
        let (mu, nu) = (a.exp(), (-delta.clamp(-LIMIT, LIMIT)).exp());
        if !(mu > 0.0 && mu.is_finite() && nu.is_finite()) {
            return Jet::constant(f64::NAN);
        }
        let found = WORK.with(|w| w.borrow_mut().known(mu, nu)).filter(|s| s.log_z.is_finite());
        let Some(Sums { rate, log_z, mean, other, m }) = found else { return Jet::constant(f64::NAN) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_the_density_where_terms_are_many() {
        for delta in [3.0, 5.0, 8.0, 40.0, 200.0] {
            let at = |eta: f64, delta: f64| ConwayMaxwellPoisson::log_density::<3>(Link::Log, 60.0, 0.0, [eta, delta]);
            for mu in [30.0f64, 97.0, 250.0, 700.0, 3000.0, 1e5] {
                let eta = mu.ln();
                let h = 1e-4;
                let (up, down, here) = (at(eta + h, delta), at(eta - h, delta), at(eta, delta));
                let (more, less) = (at(eta, delta + h), at(eta, delta - h));
                for (derivative, difference) in [
                    (here.g[0], (up.v - down.v) / (2.0 * h)),
                    (here.g[1], (more.v - less.v) / (2.0 * h)),
                    (here.h[0][0], (up.g[0] - down.g[0]) / (2.0 * h)),
                    (here.h[0][1], (more.g[0] - less.g[0]) / (2.0 * h)),
                    (here.h[1][1], (more.g[1] - less.g[1]) / (2.0 * h)),
                    (here.t[0][0][0], (up.h[0][0] - down.h[0][0]) / (2.0 * h)),
                    (here.t[1][1][1], (more.h[1][1] - less.h[1][1]) / (2.0 * h)),
                ] {
                    let scale = 1.0 + derivative.abs();
                    assert!((derivative - difference).abs() < 1e-5 * scale, "{mu} {delta}: {derivative} {difference}");
                }
            }
        }
    }

    #[test]
    fn nearly_geometric_densities_are_those_of_the_geometric_distribution() {
        for mu in [2.0f64, 40.0, 500.0, 2e4, 1e9] {
            for y in [0.0, 7.0, 300.0] {
                let l = ConwayMaxwellPoisson::log_density::<2>(Link::Log, y, 0.0, [mu.ln(), 240.0]);
                let want = y * mu.ln() - (y + 1.0) * mu.ln_1p();
                assert!((l.v - want).abs() < 1e-12 * want.abs(), "{mu} {y}: {} {want}", l.v);
            }
        }
    }

    #[test]
    fn octaves_give_what_terms_one_by_one_give() {
        let mut work = Work::new();
        for (mu, nu) in [(20.0, 0.01), (45.0, 0.02), (60.0, 0.05), (90.0, 0.1), (120.0, 0.3), (200.0, 0.08)] {
            let rate = work.rate_of(mu, nu);
            let sums = work.sums(rate, nu).unwrap();
            let log = |j: usize| j as f64 * rate - nu * lgamma(j as f64 + 1.0);
            let top = (0..60_000).map(log).fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = (0..60_000).map(|j| (log(j) - top).exp()).sum();
            let mean = (0..60_000).map(|j| j as f64 * (log(j) - top).exp()).sum::<f64>() / total;
            let fourth = (0..60_000).map(|j| (j as f64 - mean).powi(4) * (log(j) - top).exp()).sum::<f64>() / total;
            assert!((sums.log_z - top - total.ln()).abs() < 1e-12, "{mu} {nu}");
            assert!((sums.mean / mean - 1.0).abs() < 1e-11 && (mean / mu - 1.0).abs() < 1e-11, "{mu} {nu} {mean}");
            assert!((sums.m[4][0] / fourth - 1.0).abs() < 1e-10, "{mu} {nu}");
        }
    }
}
