//! Where else a fit with several linear predictors is begun: the likelihood of what varies between
//! rows (dispersion, inflation, heavy tails) and of what varies between groups has an optimum for
//! either to explain the data.

use super::start::near;
use crate::families::{Kernel, KernelRows};
use crate::generalized::fit::Fit;
use crate::generalized::parameters::Point;
use crate::generalized::pirls::Modes;
use crate::generalized::system::GlmmSystem;
use crate::model::Status;

/// Standard deviations outside these limits, in units of a predictor, and values of predictors of
/// shape beyond the other, make a fit one of those where other optima are.
const NEAR_ZERO: f64 = 0.02;
const FAR_OUT: f64 = 8.0;
const EXTREME: f64 = 8.0;
/// Standard deviations of further starts from the coefficients of the fit; of one with little
/// variation left to the rows; of one from coefficients without random effects.
const WIDER: [f64; 3] = [0.5, 1.0, 4.0];
const SIMPLE: f64 = 2.0;
const NARROW: f64 = 0.05;
/// Random effects for each row from which several factors can take the place of each other.
const SPARSE: f64 = 0.4;
/// Rows up to which further starts take less than a second, and up to which many do, rows that
/// take long counted by their time.
const MOST: usize = 20_000;
const MOST_OF_MANY: usize = 2_000;
/// Shifts of a whole predictor of shape or zeros, what deviations from a mean are multiplied with,
/// and what standard deviations grow by there, so that none is held at zero.
const SHIFTS: [f64; 2] = [-2.0, 2.0];
const STEEPER: f64 = 2.5;
const ROOM: f64 = 0.1;
/// Multiples of the standard deviations of the fit with which it is begun without correlations.
const ALONE: [f64; 2] = [1.0, 2.0];
/// Patterns of the signs with which all coefficients are shifted by one: the sign of a coefficient
/// is the parity of the bits that its place and the number of the pattern share. Those before these
/// led to no optimum of 650 random models that others did not lead to.
const PATTERNS: std::ops::RangeInclusive<usize> = 5..=8;

/// Whether a fit ended at an optimum. Where the density of the random effects has several modes,
/// the approximation falls without end towards the points at which two of them meet, so that a
/// lower value alone is no better fit.
pub(in crate::generalized) fn is_sound(f: &Fit) -> bool {
    matches!(f.status, Status::Converged | Status::Separated)
}

impl Modes {
    /// Starts beside the first; those after the kernel's own only where the fit is not an optimum,
    /// or is one that a descent ended below without one, or has something extreme.
    pub(in crate::generalized) fn other_starts(
        &mut self,
        g: &GlmmSystem,
        kernel: &dyn Kernel,
        best: &Fit,
        is_first: bool,
        is_below: bool,
    ) -> Vec<Point> {
        let own = if is_first { kernel.starts() } else { 0 };
        let mut out: Vec<Point> = (1..own).map(|which| self.start_several(g, kernel, which)).collect();
        if g.n > MOST {
            return out;
        }
        let dubious = !is_sound(best) || is_below || is_extreme(g, kernel, best);
        if dubious || is_first && kernel.is_rough() {
            let pooled = self.start_several(g, kernel, 0);
            out.push(wide(g, NARROW, pooled.beta));
            if !dubious {
                out.extend([WIDER[0], SIMPLE].map(|sd| wide(g, sd, best.point.beta.clone())));
            }
        }
        if is_first && is_sound(best) && is_sparse(g) {
            out.extend((0..g.effects.len()).map(|f| alone(g, f, best.point.beta.clone())));
        }
        if !dubious {
            return out;
        }
        let (n, beta) = (g.n, &best.point.beta);
        out.extend(WIDER.iter().map(|&sd| wide(g, sd, beta.clone())));
        let mut eta = vec![0.0; kernel.predictors() * n];
        g.add_parts(beta, &mut eta);
        let mut changes = false;
        for c in 0..kernel.predictors() {
            if let Some(v) = kernel.simple(c, &g.y) {
                eta[c * n..(c + 1) * n].iter_mut().zip(&g.offset[c * n..]).for_each(|(e, o)| *e = v - o);
                changes = true;
            }
        }
        if changes {
            out.push(wide(g, SIMPLE, near(g, &eta)));
        }
        if is_sound(best) && g.n * kernel.effort() <= MOST_OF_MANY && !kernel.has_units() {
            self.many_starts(g, kernel, best, &mut out);
        }
        out
    }

    /// Starts that a first descent which takes long may be left for.
    pub(in crate::generalized) fn easier_starts(&mut self, g: &GlmmSystem, kernel: &dyn Kernel) -> Vec<Point> {
        let pooled = self.start_several(g, kernel, 0).beta;
        [NARROW, WIDER[0]].iter().map(|&sd| wide(g, sd, pooled.clone())).collect()
    }

    /// Starts away from the fit in every way that rows can be explained otherwise: by each factor
    /// alone and by all but one, by other levels of each predictor, by coefficients elsewhere.
    fn many_starts(&mut self, g: &GlmmSystem, kernel: &dyn Kernel, best: &Fit, out: &mut Vec<Point>) {
        let (n, m) = (g.n, kernel.predictors());
        let beta = &best.point.beta;
        let mut data = vec![0.0; m * n];
        let rows = KernelRows { y: &g.y, w: &g.weights, eta: &[], order: &g.order, random: &[] };
        kernel.start(0, rows, &mut data);
        data.iter_mut().zip(&g.offset).for_each(|(e, o)| *e = if e.is_finite() { *e - o } else { 0.0 });
        let unit = WIDER[1];
        out.push(wide(g, unit, near(g, &data)));
        let pooled = self.start_several(g, kernel, 0).beta;
        out.push(wide(g, unit, pooled.clone()));
        if g.effects.len() > 1 {
            for f in 0..g.effects.len() {
                out.push(alone(g, f, beta.clone()));
                out.push(without(g, f, best));
            }
        }
        if g.effects.iter().any(|e| e.k > 1) {
            out.extend(ALONE.iter().map(|times| uncorrelated(g, best, *times, pooled.clone())));
        }
        let room = with_room(g, best);
        let mut eta = vec![0.0; m * n];
        g.add_parts(beta, &mut eta);
        for c in (0..m).filter(|&c| g.parts.iter().any(|p| p.predictor == c && p.p > 0)) {
            let from = |beta: Vec<f64>| Point { theta: room.clone(), beta, extras: Vec::new() };
            let moved = |change: &dyn Fn(f64) -> f64| {
                let mut there = eta.clone();
                there[c * n..(c + 1) * n].iter_mut().for_each(|e| *e = change(*e));
                from(near(g, &there))
            };
            let mean = eta[c * n..(c + 1) * n].iter().sum::<f64>() / n.max(1) as f64;
            if eta[c * n..(c + 1) * n].iter().any(|e| (e - mean).abs() > ROOM) {
                out.push(moved(&|e| mean + STEEPER * (e - mean)));
            }
            if c == 0 {
                continue;
            }
            out.extend(SHIFTS.iter().map(|shift| moved(&|e| e + shift)));
            let own: Vec<_> = g.parts.iter().filter(|p| p.predictor == c).map(|p| p.first..p.first + p.p).collect();
            if own.iter().map(|o| o.len()).sum::<usize>() > 1 {
                for shift in SHIFTS {
                    let mut there = beta.clone();
                    own.iter().flat_map(|o| o.clone()).for_each(|j| there[j] += shift);
                    out.push(from(there));
                }
            }
            if eta[c * n..(c + 1) * n].iter().any(|e| e.abs() > EXTREME) {
                // back to where it says little of single rows
                let middle = data[c * n];
                out.push(moved(&|_| middle));
            }
        }
        for pattern in PATTERNS {
            let sign = |j: usize| if ((j + 1) & pattern).count_ones() % 2 == 1 { -1.0 } else { 1.0 };
            let moved = beta.iter().enumerate().map(|(j, b)| b + sign(j)).collect();
            out.push(if pattern % 2 == 1 {
                wide(g, WIDER[0], moved)
            } else {
                Point { theta: room.clone(), beta: moved, extras: Vec::new() }
            });
        }
    }
}

/// The covariance parameters of a fit without the random effects of one factor.
fn without(g: &GlmmSystem, factor: usize, best: &Fit) -> Point {
    let mut lambda = g.layout.lambda_from_theta(&best.point.theta);
    lambda[factor].fill(0.0);
    Point { theta: g.layout.theta_from_lambda(&lambda).0, beta: best.point.beta.clone(), extras: Vec::new() }
}

/// The covariance parameters of a fit with multiples of its standard deviations and without
/// correlations: of effects of which some combinations have no variance, a descent seldom leaves
/// the choice of these. Held, the coefficients of the fit would bring it back.
fn uncorrelated(g: &GlmmSystem, best: &Fit, times: f64, beta: Vec<f64>) -> Point {
    let mut lambda = g.layout.lambda_from_theta(&best.point.theta);
    for (e, lambda) in g.effects.iter().zip(&mut lambda) {
        for i in 0..e.k {
            let row = &mut lambda[i * e.k..(i + 1) * e.k];
            let sd = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.fill(0.0);
            row[i] = times * sd;
        }
    }
    Point { theta: g.layout.theta_from_lambda(&lambda).0, beta, extras: Vec::new() }
}

/// The same with all standard deviations a little larger.
fn with_room(g: &GlmmSystem, best: &Fit) -> Vec<f64> {
    let mut lambda = g.layout.lambda_from_theta(&best.point.theta);
    for (e, lambda) in g.effects.iter().zip(&mut lambda) {
        (0..e.k).for_each(|i| lambda[i * e.k + i] += ROOM);
    }
    g.layout.theta_from_lambda(&lambda).0
}

/// A start with independent random effects of one standard deviation.
fn wide(g: &GlmmSystem, sd: f64, beta: Vec<f64>) -> Point {
    let mut lambda = g.layout.zero_lambda();
    for (e, lambda) in g.effects.iter().zip(&mut lambda) {
        let size = |c: usize| if c == 0 { sd } else { 0.5 * sd };
        e.of.iter().enumerate().for_each(|(i, &c)| lambda[i * e.k + i] = size(c));
    }
    Point { theta: g.layout.theta_from_lambda(&lambda).0, beta, extras: Vec::new() }
}

/// A start with random effects of one factor alone.
fn alone(g: &GlmmSystem, factor: usize, beta: Vec<f64>) -> Point {
    let mut lambda = g.layout.zero_lambda();
    let k = g.effects[factor].k;
    (0..k).for_each(|i| lambda[factor][i * k + i] = 1.0);
    Point { theta: g.layout.theta_from_lambda(&lambda).0, beta, extras: Vec::new() }
}

/// Whether several factors have so few rows a level that each could take the place of another.
fn is_sparse(g: &GlmmSystem) -> bool {
    g.effects.len() > 1 && g.effects.iter().all(|e| e.k == 1) && g.layout.q() as f64 > SPARSE * g.n as f64
}

/// Whether a standard deviation is near zero or far out, or a predictor of the shape is.
fn is_extreme(g: &GlmmSystem, kernel: &dyn Kernel, best: &Fit) -> bool {
    let frames = g.layout.frames_at(&best.point.theta);
    let mut eta = vec![0.0; kernel.predictors() * g.n];
    g.add_parts(&best.point.beta, &mut eta);
    let far =
        |c: usize| kernel.simple(c, &g.y).is_some() && eta[c * g.n..(c + 1) * g.n].iter().any(|e| e.abs() > EXTREME);
    let within = |s: f64| if kernel.has_units() { s > 0.0 } else { (NEAR_ZERO..FAR_OUT).contains(&s) };
    frames.iter().flat_map(|f| &f.s).any(|&s| !within(s)) || (1..kernel.predictors()).any(far)
}
