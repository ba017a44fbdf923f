//! The fit: fixed effects profiled inside the inner problem first, then all parameters jointly,
//! then the exact Hessian.

use super::outer::{Approximation, Outer};
use super::parameters::{Coordinates, Point};
use super::pirls::{Failure, Modes};
use super::start::{first_hessian, start};
use super::system::GlmmSystem;
use super::zero::silent;
use crate::error::CoreError;
use crate::fit::boundary::{self, AtFrames, Escape, NEGLIGIBLE};
use crate::layout::{Frame, TermLayout};
use crate::model::{Progress, Status};
use crate::optimize::quasi_newton::{Outcome, QuasiNewton};
use crate::optimize::trust_region::Eigen;

/// Decrement at which the quasi-Newton steps hand over to the exact Hessian.
const NEAR: f64 = 1e-8;
/// Largest number of times the exact Hessian is formed.
const ROUNDS: usize = 6;
/// A descent that only shows where a start leads, of rows whose other starts are along rays, ends
/// where so many evaluations lower the objective by less than this: it creeps along the edge of
/// where modes are found.
const CREEPING: usize = 50;
const CREPT: f64 = 1e-3;
/// Largest number of times that variances of zero are left.
const LEAVES: usize = 6;
/// Decrement from which a fit without a Hessian only shows where it leads: lower modes of the
/// random effects are not looked for.
const ROUGH: f64 = 1e-2;
/// How often a fit goes on from lower modes of the random effects.
const CHANGES: usize = 3;
/// Standard error of a fixed effect, in linear-predictor units per standard deviation of its
/// column, that only separation gives.
pub(crate) const SEPARATED: f64 = 40.0;

/// What a fit is asked for.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Approximation of the likelihood.
    pub how: Approximation,
    /// Covariance parameters to start from.
    pub theta: Option<Vec<f64>>,
    /// Fixed effects (changed basis) to start from, NaN for those that the fit is to find itself.
    pub beta: Option<Vec<f64>>,
    /// Extra parameters to start from.
    pub extras: Option<Vec<f64>>,
    /// Values of extra parameters to keep, none for those that are estimated; may be empty.
    pub held: Vec<Option<f64>>,
    /// Largest number of evaluations, those of the Hessian not counted.
    pub max_evaluations: usize,
    /// Newton decrement at which to stop.
    pub tolerance: f64,
    /// Whether the Hessian is wanted; without it the fit ends with the quasi-Newton steps.
    pub hessian: bool,
}

/// The end of a fit; the work space is left at the estimates.
pub struct Fit {
    /// -2 log-likelihood.
    pub objective: f64,
    /// Estimates.
    pub point: Point,
    /// How it ended.
    pub status: Status,
    /// Evaluations of objective and gradient, those of the Hessian included.
    pub evaluations: usize,
    /// Newton decrement at the end.
    pub decrement: f64,
    /// Largest drop that a direction of negative curvature promises.
    pub certificate: f64,
    /// Gradient in the coordinates.
    pub gradient: Vec<f64>,
    /// Hessian in the coordinates, where it could be formed.
    pub hessian: Option<Vec<f64>>,
    /// Dimension of the null space of each term's covariance matrix, in the order of the terms.
    pub null_dimensions: Vec<usize>,
    /// Fixed effects without a finite estimate.
    pub separated: Vec<usize>,
    /// The coordinates.
    pub coordinates: Coordinates,
}

/// Fits a model.
///
/// # Errors
/// [`CoreError::Interrupted`] when `progress` says so; a failure inside a family.
pub fn fit(g: &GlmmSystem, m: &mut Modes, options: &FitOptions, progress: Progress<'_>) -> Result<Fit, CoreError> {
    fit_from(g, m, options, None, progress)
}

/// The same with spherical random effects to start from, which belong to the parameters of the
/// options: from zero the modes there might not be found.
pub(super) fn fit_from(
    g: &GlmmSystem,
    m: &mut Modes,
    options: &FitOptions,
    u: Option<&[f64]>,
    progress: Progress<'_>,
) -> Result<Fit, CoreError> {
    let p = g.p();
    m.free = None;
    let mut base = match (&options.theta, &options.beta, &options.extras) {
        (Some(theta), Some(beta), Some(extras)) if !beta.iter().any(|b| b.is_nan()) => {
            Point { theta: theta.clone(), beta: beta.clone(), extras: extras.clone() }
        }
        _ => start(g, m),
    };
    if let Some(t) = &options.theta {
        base.theta.clone_from(t);
    }
    if let Some(b) = &options.beta {
        base.beta.iter_mut().zip(b).filter(|(_, b)| !b.is_nan()).for_each(|(own, b)| *own = *b);
    }
    if let Some(e) = &options.extras {
        base.extras.clone_from(e);
    }
    for (e, held) in base.extras.iter_mut().zip(&options.held) {
        *e = held.unwrap_or(*e);
    }
    m.forget();
    if let Some(u) = u {
        m.u.copy_from_slice(u);
    }
    m.beta.copy_from_slice(&base.beta);
    let joint = options.how.n_quad > 0;
    let mut outer = Outer {
        g,
        m,
        c: Coordinates::new(g, false, &options.held),
        base,
        how: options.how,
        evaluations: 0,
        stands: None,
        lowest: None,
        progress,
    };
    let limit = options.max_evaluations;
    let mut q = None;
    if !joint || (options.beta.is_none() && p > 0 && g.parts.is_empty()) {
        q = first(&mut outer)?;
        if let Some(q) = &mut q {
            let (tolerance, limit) = if joint { (0.05, limit.min(12)) } else { (NEAR, limit) };
            q.run(tolerance, limit.saturating_sub(outer.evaluations), &mut |x| outer.at(x))?;
            if joint {
                let x = q.x.clone();
                outer.base = outer.c.point(&x, &outer.base);
                outer.base.beta.copy_from_slice(&outer.m.beta);
            }
        }
    }
    if joint {
        let profiled = q.take();
        outer.c = Coordinates::new(g, true, &options.held);
        (outer.stands, outer.lowest) = (None, None);
        q = first(&mut outer)?;
        if let (Some(old), Some(q)) = (profiled, &mut q) {
            carry_over(&old.h, &mut q.h, g.n_theta(), p, outer.c.n_extras());
        }
    }
    let Some(mut q) = q else {
        let point = outer.base.clone();
        return Ok(Fit {
            objective: f64::NAN,
            point,
            status: Status::NonFinite,
            evaluations: outer.evaluations,
            decrement: f64::NAN,
            certificate: f64::NAN,
            gradient: Vec::new(),
            hessian: None,
            null_dimensions: Vec::new(),
            separated: Vec::new(),
            coordinates: outer.c,
        });
    };
    finish(outer, &mut q, options)
}

/// The first evaluation and Hessian; smaller random effects are tried where the objective is not
/// defined.
fn first(outer: &mut Outer<'_, '_>) -> Result<Option<QuasiNewton>, CoreError> {
    for _ in 0..6 {
        let x = outer.c.of(&outer.base);
        if let Some((f, g)) = outer.at(&x)? {
            let h = first_hessian(outer.g, outer.m, &outer.c, &outer.base.theta);
            let free = outer.m.free_part(outer.g).0;
            let summed = free.abs() + outer.m.l.iter().map(|l| l.abs()).sum::<f64>();
            let mut q = QuasiNewton::new(x, f, g, h);
            q.noise = 1e-15 * summed;
            q.bounds = outer.c.bounds.clone();
            return Ok(Some(q));
        }
        outer.base.theta.iter_mut().for_each(|t| *t *= 0.2);
    }
    Ok(None)
}

/// Puts what was learned with profiled fixed effects about theta and the extra parameters into the
/// joint Hessian.
fn carry_over(old: &[f64], new: &mut [f64], nt: usize, p: usize, n_extras: usize) {
    let (m, n) = (nt + n_extras, nt + p + n_extras);
    let place = |i: usize| if i < nt { i } else { i + p };
    for i in 0..m {
        for j in 0..m {
            new[place(i) * n + place(j)] = old[i * m + j];
        }
    }
}

/// What a fit would report at a point that is not to be moved; its Hessian where that is needed.
///
/// # Errors
/// Where the modes cannot be found there.
pub fn examine(
    g: &GlmmSystem,
    m: &mut Modes,
    point: &Point,
    how: Approximation,
    needs_hessian: bool,
) -> Result<Fit, Failure> {
    let joint = how.n_quad > 0;
    let mut go_on = |_: usize, _: f64| true;
    let c = Coordinates::new(g, joint, &[]);
    let mut outer =
        Outer { g, m, c, base: point.clone(), how, evaluations: 0, stands: None, lowest: None, progress: &mut go_on };
    let x = outer.c.of(point);
    let (objective, gradient) = outer.at(&x).map_err(|_| Failure::Family)?.ok_or(Failure::NotPositive)?;
    let guess = first_hessian(g, outer.m, &outer.c, &point.theta);
    let n = x.len();
    let scale: Vec<f64> = (0..n).map(|i| guess[i * n + i]).collect();
    let mut hessian = None;
    if needs_hessian {
        hessian = outer.hessian(&x, &gradient, &scale).map_err(|_| Failure::Family)?;
        outer.at(&x).map_err(|_| Failure::Family)?;
    }
    let eigen = hessian.as_ref().and_then(|h| Eigen::of(h, n));
    let decrement = eigen.map_or(f64::NAN, |e| exact_decrement(&e, &gradient));
    Ok(Fit {
        objective,
        point: Point { beta: outer.m.beta.clone(), ..point.clone() },
        status: Status::Fixed,
        evaluations: outer.evaluations,
        decrement,
        certificate: f64::NAN,
        gradient,
        hessian,
        null_dimensions: null_dimensions(g, &point.theta),
        separated: Vec::new(),
        coordinates: outer.c,
    })
}

/// Quasi-Newton steps, the boundary, the exact Hessian and the last Newton steps.
fn finish(mut outer: Outer<'_, '_>, q: &mut QuasiNewton, options: &FitOptions) -> Result<Fit, CoreError> {
    let (g, n) = (outer.g, outer.c.len());
    let limit = options.max_evaluations;
    let mut status = Status::NoProgress;
    let mut hessian = None;
    let (mut certificate, mut zero) = (0.0, 0.0f64);
    let mut displaced = 0;
    let mut snapped_at = f64::INFINITY;
    let (mut left, mut changes) = (0, 0);
    let mut round = 0;
    while round < ROUNDS {
        let used = outer.evaluations - displaced;
        let stops = !options.hessian && g.family.kernel().is_some_and(|k| k.looks_along_rays());
        let end = descend(&mut outer, q, NEAR.max(options.tolerance), limit.saturating_sub(used), stops)?;
        settle(&mut outer, q, &mut snapped_at)?;
        if end == Outcome::MaxEvaluations {
            status = Status::MaxEvaluations;
            break;
        }
        let is_rough = !options.hessian && options.tolerance > ROUGH;
        if changes < CHANGES && !is_rough && g.family.kernel().is_some_and(|k| !k.looks_along_rays()) {
            let before = outer.evaluations;
            let lower = outer.lower_modes(&q.x)?;
            displaced += outer.evaluations - before;
            if let Some((f, gradient)) = lower {
                (q.f, q.g, q.exact) = (f, gradient, false);
                changes += 1;
                continue;
            }
        }
        if n == 0 {
            status = Status::Converged;
            break;
        }
        let before = outer.evaluations;
        let ways = outer.ways_out(&q.x)?;
        displaced += outer.evaluations - before;
        zero = boundary::certificate(&ways);
        if zero > NEGLIGIBLE && left < LEAVES && leave(&mut outer, q, &ways)? {
            // a variance found to do no harm at zero that is then left: the second time it is
            // followed to its end
            left += 1;
            if left > 1 {
                snapped_at = f64::NAN;
            }
            continue;
        }
        outer.stand(&q.x)?;
        if !options.hessian {
            status = if end == Outcome::Converged { Status::Converged } else { Status::NoProgress };
            break;
        }
        let scale: Vec<f64> = (0..n).map(|i| q.h[i * n + i]).collect();
        let before = outer.evaluations;
        hessian = outer.hessian(&q.x, &q.g, &scale)?;
        displaced += outer.evaluations - before;
        let Some(h) = &hessian else {
            status = Status::NoProgress;
            break;
        };
        // of variances of zero the ways out have been looked at
        let silent = silent(&outer.c, g, &q.x);
        let heard: Vec<usize> = (0..n).filter(|&i| !silent[i]).collect();
        let m = heard.len();
        let part: Vec<f64> = (0..m * m).map(|t| h[heard[t / m] * n + heard[t % m]]).collect();
        let Some(e) = Eigen::of(&part, m) else {
            status = Status::NoProgress;
            break;
        };
        let lowest = e.values.first().copied().unwrap_or(0.0);
        let highest = e.values.last().copied().unwrap_or(0.0);
        // displacements are one standard error at most: what a unit step along negative curvature
        // promises
        certificate = if lowest < -1e-6 * highest.abs() { -0.5 * lowest } else { 0.0 };
        // what the curvature sends away from a bound
        certificate = certificate.max(outer.c.bounds.promise(&q.x, &q.g, h));
        q.h.clone_from(h);
        q.exact = true;
        let gradient: Vec<f64> = heard.iter().map(|&i| q.g[i]).collect();
        q.decrement = exact_decrement(&e, &gradient);
        if certificate <= NEGLIGIBLE && q.decrement < options.tolerance {
            status = Status::Converged;
            break;
        }
        q.radius = 0.5;
        let close = q.decrement < 1e-5 && certificate <= NEGLIGIBLE;
        let used = outer.evaluations - displaced;
        if close {
            // one or two Newton steps: the Hessian need not be formed again
            let end = q.run(options.tolerance, limit.saturating_sub(used).min(6), &mut |x| outer.at(x))?;
            settle(&mut outer, q, &mut snapped_at)?;
            let done = end == Outcome::Converged || q.decrement < 1e-7;
            status = if done { Status::Converged } else { Status::NoProgress };
            if done || round + 1 == ROUNDS {
                break;
            }
        } else {
            q.run(f64::MIN_POSITIVE, 1, &mut |x| outer.at(x))?;
            if round >= 2 && q.decrement < 1e-4 && certificate <= NEGLIGIBLE {
                status = Status::NoProgress;
            }
        }
        round += 1;
    }
    certificate = certificate.max(zero);
    outer.stand(&q.x)?;
    let point = outer.c.point(&q.x, &Point { beta: outer.m.beta.clone(), ..outer.base.clone() });
    let mut separated = Vec::new();
    if let (Some(h), true) = (&hessian, outer.c.with_beta) {
        if let Some(e) = Eigen::of(h, n) {
            for j in (0..g.p()).filter(|&j| !g.is_of_thresholds(j)) {
                let row = outer.c.first_beta() + j;
                let variance: f64 =
                    (0..n).map(|c| 2.0 * e.vectors[row * n + c].powi(2) / e.values[c].max(1e-300)).sum();
                if variance.sqrt() > SEPARATED && !is_of_shape(g, j) && point.beta[j].abs() > 3.0 * outer.c.unit() {
                    separated.push(j);
                }
            }
        }
    }
    if status == Status::Converged && !separated.is_empty() {
        status = Status::Separated;
    }
    let null_dimensions = null_dimensions(g, &point.theta);
    Ok(Fit {
        objective: q.f,
        point,
        status,
        evaluations: outer.evaluations,
        decrement: q.decrement,
        certificate,
        gradient: q.g.clone(),
        hessian,
        null_dimensions,
        separated,
        coordinates: outer.c,
    })
}

/// Quasi-Newton steps; with `stops` they end where they creep.
fn descend(
    outer: &mut Outer<'_, '_>,
    q: &mut QuasiNewton,
    tolerance: f64,
    limit: usize,
    stops: bool,
) -> Result<Outcome, CoreError> {
    let part = if stops { CREEPING } else { limit.max(1) };
    let mut left = limit;
    loop {
        let before = (outer.evaluations, q.f);
        let end = q.run(tolerance, part.min(left), &mut |x| outer.at(x))?;
        left = left.saturating_sub(outer.evaluations - before.0);
        if end != Outcome::MaxEvaluations || left == 0 {
            return Ok(end);
        }
        if before.1 - q.f < CREPT {
            return Ok(Outcome::NoProgress);
        }
    }
}

/// Whether a coefficient is one of dispersion or shape, which may have their limit at infinity.
fn is_of_shape(g: &GlmmSystem, j: usize) -> bool {
    let Some(kernel) = g.family.kernel() else { return false };
    let part = g.parts.iter().find(|p| (p.first..p.first + p.p).contains(&j));
    part.is_some_and(|p| kernel.simple(p.predictor, &g.y).is_some())
}

/// Evaluations at frames, all else as at a point; the last of them is kept.
struct Elsewhere<'a, 'b, 'p> {
    outer: &'a mut Outer<'b, 'p>,
    x: &'a [f64],
    last: Option<(Vec<f64>, f64, Vec<f64>)>,
}

impl AtFrames for Elsewhere<'_, '_, '_> {
    fn at_frames(&mut self, frames: &[Frame]) -> Result<f64, CoreError> {
        let x = self.outer.with_frames(self.x, frames);
        self.last = self.outer.at(&x)?.map(|(f, gradient)| (x, f, gradient));
        Ok(self.last.as_ref().map_or(f64::INFINITY, |l| l.1))
    }
}

/// Steps out of variances of zero; false where the objective does not fall.
fn leave(outer: &mut Outer<'_, '_>, q: &mut QuasiNewton, ways: &[Escape]) -> Result<bool, CoreError> {
    let frames = outer.frames(&q.x);
    let mut there = Elsewhere { outer, x: &q.x, last: None };
    let left = boundary::leave(&mut there, &frames, ways, q.f)?;
    let (Some(_), Some((x, f, gradient))) = (left, there.last) else { return Ok(false) };
    let h = first_hessian(outer.g, outer.m, &outer.c, &outer.c.theta(&x));
    (q.x, q.f, q.g, q.h, q.radius, q.exact) = (x, f, gradient, h, 1.0, false);
    Ok(true)
}

/// Decrement with the exact Hessian; directions of no curvature and no gradient do not count.
fn exact_decrement(e: &Eigen, g: &[f64]) -> f64 {
    let largest = e.values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    e.components(g).iter().zip(&e.values).map(|(c, v)| c * c / v.abs().max(1e-9 * largest).max(f64::MIN_POSITIVE)).sum()
}

/// Brings theta to its canonical form (lower triangular, diagonal not negative), with small
/// singular values at zero where the objective does not mind.
fn settle(outer: &mut Outer<'_, '_>, q: &mut QuasiNewton, snapped_at: &mut f64) -> Result<(), CoreError> {
    let g = outer.g;
    if !snapped_at.is_nan() && *snapped_at != q.f {
        let (frames, unit) = (outer.frames(&q.x), outer.c.unit());
        let mut there = Elsewhere { outer, x: &q.x, last: None };
        let snapped = boundary::snap(&mut there, &g.layout, &frames, unit, q.f)?;
        if let (Some(_), Some((x, f, gradient))) = (snapped, there.last) {
            (q.x, q.f, q.g) = (x, f, gradient);
            *snapped_at = q.f;
            return Ok(());
        }
        *snapped_at = q.f;
    }
    // signs: the modes turn with Lambda
    let theta = outer.c.theta(&q.x);
    let lambda = g.layout.lambda_from_theta(&theta);
    let (canonical, turns) = g.layout.theta_from_lambda(&lambda);
    let differs = |tl: &TermLayout| {
        let of = |t: &[f64]| t[tl.own()].to_vec();
        let free = matches!(tl.structure.coordinates(tl.k), crate::structure::Coordinates::Free(_));
        free && of(&canonical).iter().zip(&of(&theta)).any(|(a, b)| (a - b).abs() > 1e-12 * (1.0 + b.abs()))
    };
    if g.layout.terms.iter().flatten().any(differs) {
        let mut x = q.x.clone();
        x[..canonical.len()].copy_from_slice(&outer.c.xi(&canonical));
        outer.recall(&q.x);
        outer.m.turn(&g.layout, &turns);
        if let Some((f, gradient)) = outer.at(&x)? {
            if f < q.f + NEGLIGIBLE {
                (q.x, q.f, q.g) = (x, f, gradient);
            }
        }
    }
    Ok(())
}

/// Dimension of the null space of each term.
fn null_dimensions(g: &GlmmSystem, theta: &[f64]) -> Vec<usize> {
    let mut null: Vec<Vec<usize>> = g.layout.terms.iter().map(|t| vec![0; t.len()]).collect();
    for (b, f) in g.layout.blocks.iter().zip(g.layout.frames_at(theta)) {
        let largest = f.s.iter().fold(0.0f64, |a, &v| a.max(v));
        null[b.factor][b.term] += f.s.iter().filter(|&&v| v <= 1e-11 * largest).count();
    }
    null.into_iter().flatten().collect()
}
