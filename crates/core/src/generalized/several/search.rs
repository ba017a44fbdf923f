//! Where else a fit with several linear predictors is begun: the likelihood of what varies between
//! rows (dispersion, inflation, heavy tails) and of what varies between groups has an optimum for
//! either to explain the data.

use super::start::near;
use crate::families::Kernel;
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
const WIDER: [f64; 2] = [1.0, 4.0];
const SIMPLE: f64 = 2.0;
const NARROW: f64 = 0.05;
/// Random effects for each row from which several factors can take the place of each other.
const SPARSE: f64 = 0.4;
/// Rows up to which further starts take less than a second.
const MOST: usize = 20_000;

/// Whether a fit ended at an optimum. Where the density of the random effects has several modes,
/// the approximation falls without end towards the points at which two of them meet, so that a
/// lower value alone is no better fit.
pub(in crate::generalized) fn is_sound(f: &Fit) -> bool {
    matches!(f.status, Status::Converged | Status::Separated)
}

impl Modes {
    /// Starts beside the first; those after the kernel's own only where the fit is not an optimum
    /// or has something extreme.
    pub(in crate::generalized) fn other_starts(
        &mut self,
        g: &GlmmSystem,
        kernel: &dyn Kernel,
        best: &Fit,
        is_first: bool,
    ) -> Vec<Point> {
        let own = if is_first { kernel.starts() } else { 0 };
        let mut out: Vec<Point> = (1..own).map(|which| self.start_several(g, kernel, which)).collect();
        if g.n > MOST {
            return out;
        }
        let dubious = !is_sound(best) || is_extreme(g, kernel, best);
        if dubious || is_first && kernel.is_rough() {
            let pooled = self.start_several(g, kernel, 0);
            out.push(wide(g, NARROW, pooled.beta));
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
        out
    }
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
