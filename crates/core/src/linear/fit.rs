//! The fit: trust-region Newton steps in the coordinates of a chart.
//!
//! The Hessian is the average information plus the curvature of Sigma = lambda lambda'. Where
//! singular values are zero the gradient is silent, so a point is accepted only with the
//! certificate that Psi has no negative direction there; where a parameter is at a bound, with that
//! of the gradient's sign, or of the curvature where the gradient is silent.

use super::chart::Chart;
use super::criterion::Evaluator;
use super::score::Score;
use super::system::System;
use crate::error::CoreError;
use crate::fit::boundary::{certificate, leave, snap, AtFrames, Escape, NEGLIGIBLE};
use crate::layout::part_of;
use crate::layout::Block;
use crate::layout::Frame;
use crate::model::{Progress, Status};
use crate::optimize::differences::{self, Width};
use crate::optimize::trust_region::{self, Eigen, Policy, Trial, Verdict};

/// What becomes of steps.
const POLICY: Policy = Policy { hidden: 4.0, rejected: 0.25, undefined: 0.1, smallest: 1e-10 };
/// Singular values below this are held for zero when directions out of the boundary are sought.
const NULL: f64 = 1e-6;
/// How often the fit may return to the boundary without having gained by leaving it, before the
/// interior point is accepted.
const IDLE: usize = 2;

/// Steps in a row that rounding hides after which there is nothing to be gained by more.
const BLIND: usize = 4;

/// Average-information steps before the Hessian is differenced from the gradient: this, or twice
/// the number of parameters if that is more (the cost of one such Hessian).
const PATIENCE: usize = 15;
/// Displacement of those differences, in standard deviations per residual standard deviation, or of
/// the direction displaced where that is larger.
const DISPLACEMENT: f64 = 1e-4;

/// Limits of a fit.
#[derive(Clone, Copy, Debug)]
pub struct FitOptions {
    /// REML instead of ML.
    pub reml: bool,
    /// Largest number of evaluations of the criterion.
    pub max_evaluations: usize,
    /// Newton decrement at which to stop.
    pub tolerance: f64,
}

/// The end of a fit; the evaluator and the score are left at the estimates.
pub struct Fit {
    /// Criterion in the changed basis.
    pub criterion: f64,
    /// Rounding error to expect of it.
    pub noise: f64,
    /// How it ended.
    pub status: Status,
    /// Evaluations of the criterion.
    pub evaluations: usize,
    /// Newton decrement at the end.
    pub decrement: f64,
    /// Largest drop that leaving the boundary promises.
    pub certificate: f64,
    /// Left vectors and singular values of each block.
    pub frames: Vec<Frame>,
}

struct State<'a, 'p> {
    sys: &'a System,
    e: &'a mut Evaluator,
    chart: Chart<'a>,
    options: FitOptions,
    evaluations: usize,
    progress: Progress<'p>,
}

impl AtFrames for State<'_, '_> {
    fn at_frames(&mut self, frames: &[Frame]) -> Result<f64, CoreError> {
        for (b, f) in self.sys.blocks.iter().zip(frames) {
            f.write(*b, &mut self.e.lambda);
        }
        self.evaluate()
    }
}

impl State<'_, '_> {
    /// The criterion at the evaluator's Lambda.
    fn evaluate(&mut self) -> Result<f64, CoreError> {
        self.evaluations += 1;
        let d = self.e.trusted_criterion(self.sys, self.options.reml);
        if (self.progress)(self.evaluations, d) {
            Ok(d)
        } else {
            Err(CoreError::Interrupted)
        }
    }

    /// The Hessian by central differences of the exact gradient; none where a displaced point
    /// cannot be evaluated. Leaves the evaluator displaced.
    fn differenced_hessian(&mut self, score: &mut Score, frames: &[Frame]) -> Result<Option<Vec<f64>>, CoreError> {
        let width = |c: usize| Width::central(DISPLACEMENT * self.chart.size(frames, c).max(1.0));
        let widths: Vec<Width> = (0..self.chart.n()).map(width).collect();
        differences::hessian(&widths, &[], &mut |c, distance| {
            let there = self.chart.displace(&mut self.e.lambda, frames, c, distance);
            if self.evaluate()?.is_infinite() {
                return Ok(None);
            }
            self.e.score(self.sys, self.options.reml, score);
            Ok(Some(self.chart.gradient(&score.gamma, &there)))
        })
    }

    /// Brings evaluator and score back to `frames` where a trial has moved them.
    fn restore(&mut self, score: &mut Score, frames: &[Frame]) -> Result<(), CoreError> {
        let here = self.sys.blocks.iter().zip(frames).all(|(b, f)| f.is_written(*b, &self.e.lambda));
        if !here {
            self.at_frames(frames)?;
            self.e.score(self.sys, self.options.reml, score);
        }
        Ok(())
    }

    /// Number of singular values that are zero, and of parameters at their bounds.
    fn n_zero(&self, frames: &[Frame]) -> usize {
        let of = |(b, f): (&Block, &Frame)| {
            if b.is_free {
                f.s.iter().filter(|&&s| s == 0.0).count()
            } else {
                self.sys.to_bounds(*b, &f.theta).iter().filter(|d| d.1 <= 0.0).count()
            }
        };
        self.sys.blocks.iter().zip(frames).map(of).sum()
    }
}

/// Fits from the given Lambda (changed basis).
///
/// # Errors
/// [`CoreError::Interrupted`] when `progress` says so.
pub fn fit(
    sys: &System,
    e: &mut Evaluator,
    score: &mut Score,
    start: Vec<Frame>,
    options: FitOptions,
    progress: Progress<'_>,
) -> Result<Fit, CoreError> {
    let mut st = State { sys, e, chart: Chart::new(sys), options, evaluations: 0, progress };
    let mut frames = start;
    let mut d = st.at_frames(&frames)?;
    let done = |status, criterion, noise, evaluations, decrement, certificate, frames| {
        Ok(Fit { criterion, noise, status, evaluations, decrement, certificate, frames })
    };
    if !d.is_finite() {
        return done(Status::NonFinite, d, f64::INFINITY, st.evaluations, f64::NAN, f64::NAN, frames);
    }
    let mut noise = st.e.noise(sys, options.reml, d);
    let mut radius = 1.0f64;
    let mut steps = 0;
    // steps in a row whose gain is below the rounding error
    let mut blind = 0;
    let mut snapped_at = usize::MAX;
    // criterion and zero singular values after the last return to the boundary, and how often it
    // was left for nothing better
    let (mut snapped_to, mut zeros, mut idle) = (f64::INFINITY, 0, 0);
    let mut null_psi: Vec<Vec<f64>> = vec![Vec::new(); frames.len()];
    loop {
        st.e.score(sys, options.reml, score);
        // Psi on a null space is exact when that null space is new; it changes little while it
        // stays
        let mut fresh = false;
        for ((b, f), known) in sys.blocks.iter().zip(&frames).zip(&mut null_psi) {
            let m = f.k - f.rank(NULL);
            if known.len() != m * m || (m > 0 && !b.is_free) {
                *known = f.null_psi(sys, st.e, score, options.reml, *b, NULL);
                fresh |= m > 0 && b.is_free;
            }
        }
        let psi = all_psi(sys, score, &frames, &null_psi);
        if fresh {
            // directions out of exact zeros come first: the gradient does not see them
            let out = escapes(sys, st.e, score, options.reml, &frames, &psi, Some(NULL));
            if out.iter().any(|x| x.gain > NEGLIGIBLE) {
                match leave(&mut st, &frames, &out, d)? {
                    Some((f, v)) => {
                        (frames, d, radius) = (f, v, 1.0);
                        null_psi.iter_mut().for_each(Vec::clear);
                        continue;
                    }
                    None => st.restore(score, &frames)?,
                }
            }
        }
        let of_criterion = (sys.nu(options.reml), st.e.r2);
        let forms = |w: &[f64], n: usize| Ok::<_, CoreError>(st.e.quadratic_forms(sys, w, n));
        let (mut g, mut h) = st.chart.derivatives(of_criterion, forms, score, &frames, &psi)?;
        steps += 1;
        if steps > PATIENCE.max(2 * g.len()) {
            // the average information converges slowly where it is far from the Hessian
            if let Some(exact) = st.differenced_hessian(score, &frames)? {
                h = exact;
            }
            st.restore(score, &frames)?;
        }
        let n = g.len();
        // parameters at their bounds
        let x = st.chart.of(&frames);
        let sent = st.chart.bounds.promise(&x, &g, &h);
        st.chart.bounds.hold(&x, &mut g, &mut h);
        let Some(eigen) = Eigen::of(&h, n) else {
            return done(Status::NonFinite, d, noise, st.evaluations, f64::NAN, f64::NAN, frames);
        };
        let decrement = eigen.decrement(&g);
        if st.evaluations >= options.max_evaluations {
            return done(Status::MaxEvaluations, d, noise, st.evaluations, decrement, f64::NAN, frames);
        }
        let mut finished = decrement < options.tolerance && sent <= NEGLIGIBLE;
        let mut stuck = false;
        if !finished {
            // one step, its radius shrunk until the criterion falls
            loop {
                let (mut s, mut predicted, edge) = trust_region::step(&g, &eigen, radius);
                let mut length = s.iter().map(|v| v * v).sum::<f64>().sqrt();
                if st.chart.bounds.clip(&x, &mut s) {
                    predicted = trust_region::predicted(&g, &h, &s);
                    if predicted >= 0.0 {
                        radius = POLICY.rejected * length;
                        stuck = radius < POLICY.smallest;
                        if stuck {
                            break;
                        }
                        continue;
                    }
                    length = s.iter().map(|v| v * v).sum::<f64>().sqrt();
                }
                let trial = st.chart.moved(&frames, &s);
                let after = st.at_frames(&trial)?;
                let tried = Trial { before: d, after, predicted, length, edge, noise };
                match POLICY.judge(tried, &mut radius) {
                    Verdict::Taken { hidden } => {
                        blind = if hidden { blind + 1 } else { 0 };
                        if hidden && after >= d - noise && decrement < 1e-6 || blind > BLIND {
                            // the criterion cannot resolve the step any more: it is taken, and it
                            // is the last
                            finished = true;
                        }
                        frames = trial;
                        d = after;
                        noise = st.e.noise(sys, options.reml, d);
                        break;
                    }
                    Verdict::Rejected if st.evaluations < options.max_evaluations => {}
                    _ => {
                        stuck = true;
                        st.restore(score, &frames)?;
                        break;
                    }
                }
            }
            if finished {
                st.e.score(sys, options.reml, score);
            } else if !stuck {
                continue;
            } else {
                finished = decrement < 1e-4;
            }
        }
        // directions out of the boundary, whole Psi
        for ((b, f), known) in sys.blocks.iter().zip(&frames).zip(&mut null_psi) {
            *known = f.null_psi(sys, st.e, score, options.reml, *b, NULL);
        }
        let psi = all_psi(sys, score, &frames, &null_psi);
        let out = escapes(sys, st.e, score, options.reml, &frames, &psi, None);
        let way_out = certificate(&out);
        let promise = way_out.max(if sent > NEGLIGIBLE { sent } else { 0.0 });
        if way_out > NEGLIGIBLE && st.evaluations < options.max_evaluations {
            if let Some((f, v)) = leave(&mut st, &frames, &out, d)? {
                (frames, d, radius) = (f, v, 1.0);
                null_psi.iter_mut().for_each(Vec::clear);
                continue;
            }
            st.restore(score, &frames)?;
        }
        // small singular values are tried at zero, but not for ever where the way out of there
        // leads to nothing better
        idle += usize::from(st.n_zero(&frames) < zeros && d >= snapped_to - NEGLIGIBLE);
        if snapped_at != st.evaluations && idle <= IDLE {
            if let Some((f, v)) = snap(&mut st, sys, &frames, 1.0, d)? {
                (frames, d) = (f, v);
                (snapped_to, zeros) = (v, st.n_zero(&frames));
                snapped_at = st.evaluations;
                radius = 1.0;
                continue;
            }
            st.restore(score, &frames)?;
        }
        let status = if finished {
            Status::Converged
        } else if st.evaluations >= options.max_evaluations {
            Status::MaxEvaluations
        } else {
            Status::NoProgress
        };
        return done(status, d, noise, st.evaluations, decrement, promise, frames);
    }
}

/// U' Psi U of every block.
fn all_psi(sys: &System, score: &Score, frames: &[Frame], null_psi: &[Vec<f64>]) -> Vec<Vec<f64>> {
    sys.blocks.iter().zip(frames).zip(null_psi).map(|((b, f), n)| f.psi(&score.gamma, *b, NULL, n)).collect()
}

/// Negative directions of Psi (of its null part when `null` is given) and the drop a Newton step
/// along each promises.
fn escapes(
    sys: &System,
    e: &Evaluator,
    score: &Score,
    reml: bool,
    frames: &[Frame],
    psi: &[Vec<f64>],
    null: Option<f64>,
) -> Vec<Escape> {
    let nu = sys.nu(reml);
    let pw = sys.cp.pw;
    let mut out = Vec::new();
    for (index, (f, psi)) in frames.iter().zip(psi).enumerate() {
        if !sys.blocks[index].is_free {
            continue;
        }
        let k = f.k;
        let first = null.map_or(0, |limit| f.s.partition_point(|&s| s >= limit));
        let m = k - first;
        if m == 0 {
            continue;
        }
        let part: Vec<f64> = (0..m * m).map(|t| psi[(first + t / m) * k + first + t % m]).collect();
        let Some(eigen) = Eigen::of(&part, m) else {
            continue;
        };
        for (c, &value) in eigen.values.iter().enumerate() {
            if value >= 0.0 {
                break;
            }
            let direction: Vec<f64> =
                (0..k).map(|x| (0..m).map(|i| f.u[x * k + first + i] * eigen.vectors[i * m + c]).sum()).collect();
            let b: Block = sys.blocks[index];
            let mut w = vec![0.0; sys.sym.q];
            let mut gag = 0.0;
            for &pos in &sys.sym.position[b.factor] {
                let row = sys.sym.row[pos as usize] + b.offset;
                let along: f64 = (0..k).map(|x| direction[x] * score.g(row + x, pw)).sum();
                gag += along * along;
                (0..k).for_each(|x| w[row + x] = direction[x] * along);
            }
            let h = nu / e.r2 * e.quadratic_forms(sys, &w, 1)[0] - nu / (e.r2 * e.r2) * gag * gag;
            // h <= 0: the model of the criterion along this direction has no minimum; take a unit
            // step
            let (amount, gain) = if h > 0.0 { (-value / h, value * value / (2.0 * h)) } else { (1.0, -value) };
            out.push(Escape { block: index, direction, amount, gain });
        }
    }
    out
}

/// Frames of a Lambda given by factor.
pub fn frames_of(sys: &System, lambda: &[Vec<f64>]) -> Vec<Frame> {
    sys.blocks.iter().map(|b| Frame::near(sys, *b, &part_of(&lambda[b.factor], *b))).collect()
}
