//! The fit: trust-region Newton steps in the coordinates of a chart, with probes held fixed.
//!
//! Criterion and gradient are known up to the error of the probes, and what probes say of one is
//! not the derivative of what they say of the other. So a step fails only where it raises the
//! criterion by more than three standard errors of the difference, which is small as both ends have
//! the same probes, and of the change along the gradient; the end is judged by the gradient.

use super::linear::{Crossed, Evaluated};
use super::probes::Signs;
use super::sampling_error::{error_of_mean, widened};
use super::standing::Standing;
use crate::error::CoreError;
use crate::layout::{Block, Frame, Layout};
use crate::linear::{Chart, FitOptions, Satterthwaite, Solution, Status};
use crate::optimize::trust_region::{self, Eigen};
use crate::watch::Watch;

/// Block, frame, number and entry of D of a coordinate.
type Coordinate<'f> = (usize, &'f Frame, usize, (Option<usize>, Option<usize>));

/// Standard error of the shift of an estimate by sampling, in standard errors of the estimate.
pub(super) const SHIFT: f64 = 0.02;
/// Standard error of the criterion for which probes are added at the end: 0.05 of a log-likelihood.
pub(super) const ERROR: f64 = 0.1;
/// How many times as many probes are taken for estimates, and for the criterion, at most.
pub(super) const MORE: usize = 16;
pub(super) const MORE_AT_END: usize = 32;
/// The decrement below which the fit ends: estimates are then within a thousandth of a standard
/// error, a twentieth of what sampling may shift.
pub(super) const DECREMENT: f64 = 1e-6;
/// Standard deviations below this are tried at zero.
const SNAP: f64 = 0.02;
/// Share of a standard deviation that a step leaves at least.
const LEFT: f64 = 0.2;
/// Standard deviation at which the derivative at zero is found, and where a direction starts again.
const NEAR_ZERO: f64 = 1e-3;
pub(super) const AGAIN: f64 = 0.1;
/// Smallest radius.
pub(super) const SMALLEST: f64 = 1e-8;

/// How a fit is made.
#[derive(Clone, Copy, Debug)]
pub struct CrossedOptions {
    /// Criterion and limits.
    pub fit: FitOptions,
    /// Probes to begin with.
    pub probes: usize,
    /// Their signs.
    pub signs: Signs,
}

/// The end of a fit.
pub struct CrossedFit {
    /// Left vectors and singular values of each block.
    pub frames: Vec<Frame>,
    /// Results.
    pub solution: Solution,
    /// How it ended.
    pub status: Status,
    /// Evaluations.
    pub evaluations: usize,
    /// Newton decrement at the end.
    pub decrement: f64,
    /// Largest drop promised by a direction without variance.
    pub certificate: f64,
    /// Gradient with respect to theta at the end.
    pub gradient: Vec<f64>,
    /// Standard error of the shift of an estimate by sampling, in standard errors of the estimate:
    /// the largest of all.
    pub sampling: f64,
    /// Standard error of the criterion.
    pub error: f64,
    /// What each probe says of the criterion.
    pub probes: Vec<f64>,
    /// What degrees of freedom are made of.
    pub satterthwaite: Satterthwaite,
}

/// Where a fit stands.
struct Place<'m> {
    frames: Vec<Frame>,
    at: Evaluated<'m>,
}

/// What is fitted, and how.
struct Fitting<'m> {
    model: &'m Crossed,
    chart: Chart<'m>,
    options: CrossedOptions,
    watch: &'m dyn Watch,
    probes: usize,
    evaluations: usize,
}

/// Coordinates that move, with gradient and Hessian.
pub(super) struct Local {
    pub(super) free: Vec<usize>,
    pub(super) g: Vec<f64>,
    pub(super) h: Vec<f64>,
    /// Drop promised by parameters at their bounds.
    pub(super) sent: f64,
}

impl<'m> Fitting<'m> {
    fn evaluate(&mut self, frames: Vec<Frame>) -> Result<Place<'m>, CoreError> {
        self.evaluations += 1;
        let reml = self.options.fit.reml;
        let lambda = self.model.layout().lambda_of(&frames);
        let at = self.model.evaluate(&lambda, reml, self.probes, self.options.signs, self.watch)?;
        if self.watch.evaluated(self.evaluations, at.criterion + self.model.constant(reml)) {
            Ok(Place { frames, at })
        } else {
            Err(CoreError::Interrupted)
        }
    }

    fn may_go_on(&self) -> bool {
        self.evaluations < self.options.fit.max_evaluations
    }

    fn blocks(&self) -> &'m [Block] {
        &self.model.layout().blocks
    }

    /// Derivatives by the coordinates along which Lambda has variance.
    fn local(&self, here: &Place<'_>) -> Result<Local, CoreError> {
        let (score, reml) = (&here.at.score, self.options.fit.reml);
        let lambda = self.model.layout().lambda_of(&here.frames);
        let psi: Vec<Vec<f64>> = self
            .blocks()
            .iter()
            .zip(&here.frames)
            .map(|(b, f)| {
                let null = f.k - f.rank(f64::MIN_POSITIVE);
                f.psi(&score.gamma, *b, f64::MIN_POSITIVE, &vec![0.0; null * null])
            })
            .collect();
        let forms = |w: &[f64], n: usize| self.model.quadratic_forms(&here.at, &lambda, w, n);
        let of_criterion = (self.model.nu(reml), here.at.r2);
        let (mut g, mut h) = self.chart.derivatives(of_criterion, forms, score, &here.frames, &psi)?;
        let x = self.chart.of(&here.frames);
        let sent = self.chart.bounds.promise(&x, &g, &h);
        let held = self.chart.bounds.hold(&x, &mut g, &mut h);
        let n = g.len();
        let free = free_of(self.model.layout(), &here.frames, &held);
        let h = free.iter().flat_map(|&a| free.iter().map(move |&b| a * n + b)).map(|t| h[t]).collect();
        Ok(Local { g: free.iter().map(|&c| g[c]).collect(), h, free, sent })
    }

    /// Covariance of the gradient by its probes, by the coordinates given.
    fn gradient_covariance(&self, here: &Place<'_>, free: &[usize]) -> Vec<f64> {
        let of = |gamma: &crate::layout::Lambda| {
            let g = self.chart.gradient(gamma, &here.frames);
            free.iter().map(|&c| g[c]).collect()
        };
        here.at.covariance(of)
    }

    /// Largest standard error of a shift by sampling, in standard errors.
    fn shift(&self, here: &Place<'_>, local: &Local, eigen: &Eigen) -> f64 {
        let m = local.free.len();
        let covariance = self.gradient_covariance(here, &local.free);
        // inverse of the Hessian
        let inverse: Vec<f64> = (0..m * m)
            .map(|t| {
                let (a, b) = (t / m, t % m);
                (0..m).map(|j| eigen.vectors[a * m + j] * eigen.vectors[b * m + j] / eigen.values[j].abs()).sum()
            })
            .collect();
        let largest = (0..m)
            .map(|a| {
                let row = &inverse[a * m..(a + 1) * m];
                let moved: f64 = (0..m * m).map(|t| row[t / m] * covariance[t] * row[t % m]).sum();
                (moved / (2.0 * row[a])).max(0.0).sqrt()
            })
            .fold(0.0, f64::max);
        widened(largest, self.probes)
    }

    /// Change of the criterion from one place to another with the same probes, and its error.
    fn change(&self, from: &Place<'_>, to: &Place<'_>, local: &Local, step: &[f64]) -> (f64, f64) {
        let pairs: Vec<f64> = from.at.probed.iter().zip(&to.at.probed).map(|(a, b)| b.value - a.value).collect();
        let m = step.len();
        let covariance = self.gradient_covariance(from, &local.free);
        let along: f64 = (0..m * m).map(|t| step[t / m] * covariance[t] * step[t % m]).sum();
        let sampled = error_of_mean(&pairs).hypot(along.max(0.0).sqrt());
        (to.at.criterion - from.at.criterion, 3.0 * sampled + 1e-10 * from.at.criterion.abs())
    }

    /// The largest drop that a direction without variance promises, and frames that have some
    /// where one does.
    fn way_out(&mut self, here: &Place<'_>, kept: &mut [bool]) -> Result<(f64, Option<Vec<Frame>>), CoreError> {
        let null = |b: &Block, f: &Frame| if b.is_free { f.k - f.rank(f64::MIN_POSITIVE) } else { 0 };
        let blocks = self.blocks();
        if blocks.iter().zip(&here.frames).all(|(b, f)| null(b, f) == 0) || !self.may_go_on() {
            return Ok((0.0, None));
        }
        let mut near = here.frames.clone();
        for (b, f) in blocks.iter().zip(&mut near).filter(|(b, _)| b.is_free) {
            debug_assert!(b.k == f.k);
            f.s.iter_mut().filter(|s| **s == 0.0).for_each(|s| *s = NEAR_ZERO);
        }
        let there = self.evaluate(near)?;
        let (mut promise, mut out) = (0.0f64, None);
        for (index, (b, f)) in blocks.iter().zip(&here.frames).enumerate() {
            let m = null(b, f);
            if m == 0 {
                continue;
            }
            let (k, rank) = (f.k, f.k - m);
            // Psi of the directions without variance
            let of = |gamma: &crate::layout::Lambda| -> Vec<f64> {
                let ug = there.frames[index].turned_gamma(*b, gamma);
                (0..m * m).map(|t| ug[(rank + t / m) * k + rank + t % m] / NEAR_ZERO).collect()
            };
            let psi = of(&there.at.score.gamma);
            let both: Vec<f64> = (0..m * m).map(|t| 0.5 * (psi[t] + psi[t % m * m + t / m])).collect();
            let Some(eigen) = Eigen::of(&both, m) else { continue };
            let v: Vec<f64> = (0..m).map(|i| eigen.vectors[i * m]).collect();
            let variance = there.at.covariance(|gamma| {
                let psi = of(gamma);
                vec![(0..m * m).map(|t| v[t / m] * psi[t] * v[t % m]).sum()]
            });
            let slope = eigen.values[0];
            if slope < -3.0 * variance.first().map_or(0.0, |v| v.sqrt()) {
                promise = promise.max(-slope * NEAR_ZERO * NEAR_ZERO);
                if !kept[index] {
                    kept[index] = true;
                    let frames: &mut Vec<Frame> = out.get_or_insert_with(|| here.frames.clone());
                    let along: Vec<f64> = (0..k).map(|x| (0..m).map(|i| f.u[x * k + rank + i] * v[i]).sum()).collect();
                    let mut sigma = f.sigma();
                    (0..k * k).for_each(|t| sigma[t] += AGAIN * AGAIN * along[t / k] * along[t % k]);
                    frames[index] = Frame::of_covariance(&sigma, k);
                }
            }
        }
        Ok((promise, out))
    }
}

/// Block, frame, number and entry of D of every coordinate; no entry where a block is not free.
fn coordinates<'f>(layout: &Layout, frames: &'f [Frame]) -> Vec<Coordinate<'f>> {
    let mut out = Vec::new();
    for (index, (b, f)) in layout.blocks.iter().zip(frames).enumerate() {
        if b.is_free {
            for j in 0..f.k {
                for i in j..f.k {
                    out.push((index, f, out.len(), (Some(i), Some(j))));
                }
            }
        } else {
            for _ in &f.theta {
                out.push((index, f, out.len(), (None, None)));
            }
        }
    }
    out
}

/// Coordinates that move: those along which Lambda has variance, but for parameters held at their
/// bounds.
pub(super) fn free_of(layout: &Layout, frames: &[Frame], held: &[bool]) -> Vec<usize> {
    let moves = |(_, f, c, (i, j)): &Coordinate<'_>| match (i, j) {
        (Some(_), Some(j)) => f.s[*j] > 0.0,
        _ => !held.get(*c).copied().unwrap_or(false),
    };
    coordinates(layout, frames).into_iter().filter(|c| moves(c)).map(|c| c.2).collect()
}

/// Where a step leads, and the blocks of which a direction was set to zero.
pub(super) fn moved(
    layout: &Layout,
    chart: &Chart<'_>,
    frames: &[Frame],
    local: &Local,
    step: &[f64],
    kept: &[bool],
) -> (Vec<Frame>, Vec<usize>) {
    let mut whole = vec![0.0; chart.n()];
    let mut falls = vec![false; layout.blocks.len()];
    let all = coordinates(layout, frames);
    for ((&c, s), g) in local.free.iter().zip(step).zip(&local.g) {
        let (block, f, _, entry) = all[c];
        whole[c] = *s;
        if let (Some(i), Some(j)) = entry {
            if i == j {
                whole[c] = s.max((LEFT - 1.0) * f.s[j]);
                falls[block] |= *g > 0.0;
            }
        }
    }
    chart.bounds.clip(&chart.of(frames), &mut whole);
    let mut trial = chart.moved(frames, &whole);
    let mut snapped = Vec::new();
    for (index, (b, f)) in layout.blocks.iter().zip(&mut trial).enumerate() {
        if b.is_free && !kept[index] && falls[index] {
            for s in f.s.iter_mut().filter(|s| **s > 0.0 && **s < SNAP) {
                *s = 0.0;
                snapped.push(index);
            }
        }
    }
    (trial, snapped)
}

/// Fits a model, from given frames or from those of moments, or from where an earlier search of the
/// same stood.
///
/// # Errors
/// An interruption, no convergence of the solver, or a system that is not positive definite.
pub fn fit(
    model: &Crossed,
    start: Option<Vec<Frame>>,
    stood: Option<&[f64]>,
    options: CrossedOptions,
    watch: &dyn Watch,
) -> Result<CrossedFit, CoreError> {
    let reml = options.fit.reml;
    let chart = Chart::new(model.layout());
    let mut fitting = Fitting { model, chart, options, watch, probes: options.probes, evaluations: 0 };
    let begin = start.unwrap_or_else(|| model.start());
    let blocks = model.layout().blocks.len();
    let fresh = Standing { radius: 1.0, kept: vec![false; blocks], probes: options.probes, ..Standing::default() };
    let Standing { frames, mut radius, mut kept, probes, evaluations, .. } = match stood {
        Some(numbers) => Standing::of(numbers, &begin)?,
        None => Standing { frames: begin, evaluations: 1, ..fresh },
    };
    (fitting.probes, fitting.evaluations) = (probes, evaluations - 1);
    let mut here = fitting.evaluate(frames)?;
    let (mut status, mut sampling, mut decrement, mut certificate);
    let local = loop {
        let (probes, evaluations) = (fitting.probes, fitting.evaluations);
        let (frames, kept_now) = (here.frames.clone(), kept.clone());
        Standing { frames, radius, kept: kept_now, probes, evaluations, vectors: Vec::new() }.keep(watch)?;
        let local = fitting.local(&here)?;
        (decrement, sampling) = (0.0, 0.0);
        let eigen = if local.free.is_empty() { None } else { Eigen::of(&local.h, local.free.len()) };
        if let Some(eigen) = &eigen {
            decrement = eigen.decrement(&local.g);
            sampling = fitting.shift(&here, &local, eigen);
        }
        status = Status::Converged;
        if decrement > DECREMENT.max(options.fit.tolerance) {
            let eigen = eigen.as_ref().expect("some direction has variance");
            let mut taken = None;
            while taken.is_none() && fitting.may_go_on() {
                let (step, _, edge) = trust_region::step(&local.g, eigen, radius);
                let length = step.iter().map(|s| s * s).sum::<f64>().sqrt();
                let (layout, chart) = (model.layout(), &fitting.chart);
                let (trial, snapped) = moved(layout, chart, &here.frames, &local, &step, &kept);
                let there = fitting.evaluate(trial)?;
                let (moved, error) = fitting.change(&here, &there, &local, &step);
                if moved <= error {
                    radius = if edge { 2.5 * radius } else { radius };
                    taken = Some(there);
                } else if snapped.is_empty() {
                    radius = 0.25 * length;
                } else {
                    snapped.iter().for_each(|&b| kept[b] = true);
                }
                if radius < SMALLEST {
                    break;
                }
            }
            if let Some(there) = taken {
                here = there;
                continue;
            }
            status = if fitting.may_go_on() { Status::NoProgress } else { Status::MaxEvaluations };
        }
        if status == Status::Converged && sampling > SHIFT && 2 * fitting.probes <= MORE * options.probes {
            fitting.probes *= 2;
            here = fitting.evaluate(here.frames)?;
            continue;
        }
        let (promise, out) = fitting.way_out(&here, &mut kept)?;
        certificate = promise.max(local.sent);
        if let Some(frames) = out {
            here = fitting.evaluate(frames)?;
            radius = 1.0;
            continue;
        }
        break local;
    };
    let Place { frames, mut at } = here;
    let most = MORE_AT_END * options.probes;
    while at.error() > ERROR && at.probed.len() < most {
        // as many as the error asks for, no more than twice as many at once
        let now = at.probed.len();
        let needed = (now as f64 * (at.error() / ERROR).powi(2)).ceil().min(2.0 * now as f64) as usize;
        model.add_probes(&mut at, reml, options.signs, needed.max(now + 1).min(most))?;
    }
    let solution = model.solution(&at, &frames, reml);
    let satterthwaite = model.satterthwaite(&at, &frames, &fitting.chart, (&local.free, &local.h));
    Ok(CrossedFit {
        gradient: model.gradient(&at, &frames),
        error: at.error(),
        probes: at.probed.iter().map(|p| p.value).collect(),
        solution,
        frames,
        status,
        evaluations: fitting.evaluations,
        decrement,
        certificate,
        sampling,
        satterthwaite,
    })
}
