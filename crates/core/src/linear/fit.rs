//! The fit: trust-region Newton steps on each free block's lambda in a frame that follows the iterate.
//!
//! Every block is kept as lambda = U diag(s) (its right factor does not matter). A step is lambda = U (diag(s) + D) with D lower
//! triangular. The Hessian is the average information plus the curvature of Sigma = lambda lambda' (2 Psi). Where singular values
//! are zero the gradient is silent, so a point is accepted only with the certificate that Psi has no negative direction there.

use super::criterion::Evaluator;
use super::frame::Frame;
use super::score::Score;
use super::system::System;
use crate::error::CoreError;
use crate::layout::{Block, Layout};
use crate::optimize::trust_region::{self, Eigen};

/// Drop of the criterion below which a direction out of the boundary, or a return to it, does not count.
pub(super) const NEGLIGIBLE: f64 = 1e-7;
/// Singular values below this are held for zero when directions out of the boundary are sought.
const NULL: f64 = 1e-6;
/// Singular values below this are tried at zero at the end.
const SNAP: f64 = 0.02;
/// Returns to the boundary after which it was left for nothing better that are made before the point beside it is taken.
const IDLE: usize = 2;

/// Steps in a row that rounding hides after which there is nothing to be gained by more.
const BLIND: usize = 4;

/// Least number of steps with the average information before the Hessian is formed by differences of the gradient; of more than
/// half as many parameters twice their number, which is what a Hessian costs in evaluations.
const PATIENCE: usize = 15;
/// Displacement of those differences, in standard deviations per residual standard deviation, or of the direction displaced where
/// that is larger.
const DISPLACEMENT: f64 = 1e-4;

/// How a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Small decrement and certificate.
    Converged,
    /// The limit on evaluations was reached.
    MaxEvaluations,
    /// No step lowers the criterion any more although the decrement is not small.
    NoProgress,
    /// The criterion is not finite at the start.
    NonFinite,
}

impl Status {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Status::Converged => "converged",
            Status::MaxEvaluations => "max_evaluations",
            Status::NoProgress => "no_progress",
            Status::NonFinite => "non_finite",
        }
    }
}

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

/// Told the number of evaluations and the criterion; returns false to stop.
pub type Progress<'a> = &'a mut dyn FnMut(usize, f64) -> bool;

struct State<'a> {
    sys: &'a System,
    options: FitOptions,
    evaluations: usize,
    progress: Progress<'a>,
}

impl State<'_> {
    fn criterion(&mut self, e: &mut Evaluator, frames: &[Frame]) -> Result<f64, CoreError> {
        for (b, f) in self.sys.blocks.iter().zip(frames) {
            f.write(*b, &mut e.lambda);
        }
        self.evaluate(e)
    }

    /// The criterion at the evaluator's Lambda.
    fn evaluate(&mut self, e: &mut Evaluator) -> Result<f64, CoreError> {
        self.evaluations += 1;
        let d = e.trusted_criterion(self.sys, self.options.reml);
        if (self.progress)(self.evaluations, d) {
            Ok(d)
        } else {
            Err(CoreError::Interrupted)
        }
    }

    /// The Hessian with respect to the entries of D by central differences of the exact gradient; none where a displaced point
    /// cannot be evaluated. Leaves the evaluator displaced.
    fn differenced_hessian(
        &mut self,
        e: &mut Evaluator,
        score: &mut Score,
        frames: &[Frame],
    ) -> Result<Option<Vec<f64>>, CoreError> {
        let sys = self.sys;
        let n: usize = frames.iter().map(|f| f.k * (f.k + 1) / 2).sum();
        let mut h = vec![0.0; n * n];
        let mut c = 0;
        for (b, f) in sys.blocks.iter().zip(frames) {
            let (k, kf) = (f.k, sys.factors[b.factor].k);
            for j in 0..k {
                for i in j..k {
                    let width = DISPLACEMENT * f.s[i].max(1.0);
                    for sign in [1.0, -1.0] {
                        for (b, f) in sys.blocks.iter().zip(frames) {
                            f.write(*b, &mut e.lambda);
                        }
                        for x in 0..k {
                            e.lambda[b.factor][(b.offset + x) * kf + b.offset + j] += sign * width * f.u[x * k + i];
                        }
                        if self.evaluate(e)?.is_infinite() {
                            return Ok(None);
                        }
                        e.score(sys, self.options.reml, score);
                        for (r, g) in gradient(sys, score, frames).into_iter().enumerate() {
                            h[r * n + c] += sign * g / (2.0 * width);
                        }
                    }
                    c += 1;
                }
            }
        }
        for r in 0..n {
            for c in 0..r {
                let mean = 0.5 * (h[r * n + c] + h[c * n + r]);
                (h[r * n + c], h[c * n + r]) = (mean, mean);
            }
        }
        Ok(Some(h))
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
    let mut st = State { sys, options, evaluations: 0, progress };
    let mut frames = start;
    let mut d = st.criterion(e, &frames)?;
    let done = |status, criterion, noise, evaluations, decrement, certificate, frames| {
        Ok(Fit { criterion, noise, status, evaluations, decrement, certificate, frames })
    };
    if !d.is_finite() {
        return done(Status::NonFinite, d, f64::INFINITY, st.evaluations, f64::NAN, f64::NAN, frames);
    }
    let mut noise = e.noise(sys, options.reml, d);
    let mut radius = 1.0f64;
    let mut steps = 0;
    // steps in a row whose gain is below the rounding error
    let mut blind = 0;
    let mut snapped_at = usize::MAX;
    // criterion and zero singular values after the last return to the boundary, and how often it was left for nothing better
    let (mut snapped_to, mut zeros, mut idle) = (f64::INFINITY, 0, 0);
    let mut null_psi: Vec<Vec<f64>> = vec![Vec::new(); frames.len()];
    loop {
        e.score(sys, options.reml, score);
        // Psi on a null space is exact when that null space is new; it changes little while it stays
        let mut fresh = false;
        for ((b, f), known) in sys.blocks.iter().zip(&frames).zip(&mut null_psi) {
            let m = f.k - f.rank(NULL);
            if known.len() != m * m {
                *known = f.null_psi(sys, e, score, options.reml, *b, NULL);
                fresh |= m > 0;
            }
        }
        let psi = all_psi(sys, score, &frames, &null_psi);
        if fresh {
            // directions out of exact zeros come first: the gradient does not see them
            let out = escapes(sys, e, score, options.reml, &frames, &psi, Some(NULL));
            if out.iter().any(|x| x.gain > NEGLIGIBLE) {
                match leave(&mut st, e, &frames, &out, d)? {
                    Some((f, v)) => {
                        (frames, d, radius) = (f, v, 1.0);
                        null_psi.iter_mut().for_each(Vec::clear);
                        continue;
                    }
                    None => restore(&mut st, e, score, &frames)?,
                }
            }
        }
        let (g, mut h) = derivatives(sys, e, score, options.reml, &frames, &psi);
        steps += 1;
        if steps > PATIENCE.max(2 * g.len()) {
            // the average information converges slowly where it is far from the Hessian
            if let Some(exact) = st.differenced_hessian(e, score, &frames)? {
                h = exact;
            }
            restore(&mut st, e, score, &frames)?;
        }
        let n = g.len();
        let Some(eigen) = Eigen::of(&h, n) else {
            return done(Status::NonFinite, d, noise, st.evaluations, f64::NAN, f64::NAN, frames);
        };
        let decrement = eigen.decrement(&g);
        if st.evaluations >= options.max_evaluations {
            return done(Status::MaxEvaluations, d, noise, st.evaluations, decrement, f64::NAN, frames);
        }
        let mut finished = decrement < options.tolerance;
        let mut stuck = false;
        if !finished {
            // one step, its radius shrunk until the criterion falls
            loop {
                let (s, predicted, edge) = trust_region::step(&g, &eigen, radius);
                let length = s.iter().map(|v| v * v).sum::<f64>().sqrt();
                let trial = moved(sys, &frames, &s);
                let v = st.criterion(e, &trial)?;
                let ratio = (v - d) / predicted;
                let invisible = predicted.abs() < 4.0 * noise && v <= d + 4.0 * noise;
                if v < d && ratio > 1e-4 || invisible {
                    if ratio > 0.75 && edge {
                        radius *= 2.5;
                    } else if ratio < 0.25 && !invisible {
                        radius = 0.5 * length;
                    }
                    blind = if invisible { blind + 1 } else { 0 };
                    if invisible && v >= d - noise && decrement < 1e-6 || blind > BLIND {
                        // the criterion cannot resolve the step any more: it is taken, and it is the last
                        finished = true;
                    }
                    frames = trial;
                    d = v;
                    noise = e.noise(sys, options.reml, d);
                    break;
                }
                radius = if v.is_finite() { 0.25 * length } else { 0.1 * length };
                if radius < 1e-10 || st.evaluations >= options.max_evaluations {
                    stuck = true;
                    restore(&mut st, e, score, &frames)?;
                    break;
                }
            }
            if finished {
                e.score(sys, options.reml, score);
            } else if !stuck {
                continue;
            } else {
                finished = decrement < 1e-4;
            }
        }
        // directions out of the boundary, whole Psi
        for ((b, f), known) in sys.blocks.iter().zip(&frames).zip(&mut null_psi) {
            *known = f.null_psi(sys, e, score, options.reml, *b, NULL);
        }
        let psi = all_psi(sys, score, &frames, &null_psi);
        let out = escapes(sys, e, score, options.reml, &frames, &psi, None);
        let certificate = out.iter().fold(0.0f64, |a, x| a.max(x.gain));
        if certificate > NEGLIGIBLE && st.evaluations < options.max_evaluations {
            if let Some((f, v)) = leave(&mut st, e, &frames, &out, d)? {
                (frames, d, radius) = (f, v, 1.0);
                null_psi.iter_mut().for_each(Vec::clear);
                continue;
            }
            restore(&mut st, e, score, &frames)?;
        }
        // small singular values are tried at zero, but not for ever where the way out of there leads to nothing better
        idle += usize::from(n_zero(&frames) < zeros && d >= snapped_to - NEGLIGIBLE);
        if snapped_at != st.evaluations && idle <= IDLE {
            if let Some((f, v)) = snap(&mut st, e, &frames, d)? {
                (frames, d) = (f, v);
                (snapped_to, zeros) = (v, n_zero(&frames));
                snapped_at = st.evaluations;
                radius = 1.0;
                continue;
            }
            restore(&mut st, e, score, &frames)?;
        }
        let status = if finished {
            Status::Converged
        } else if st.evaluations >= options.max_evaluations {
            Status::MaxEvaluations
        } else {
            Status::NoProgress
        };
        return done(status, d, noise, st.evaluations, decrement, certificate, frames);
    }
}

/// Number of singular values that are zero.
fn n_zero(frames: &[Frame]) -> usize {
    frames.iter().flat_map(|f| &f.s).filter(|&&s| s == 0.0).count()
}

/// U' Psi U of every block.
fn all_psi(sys: &System, score: &Score, frames: &[Frame], null_psi: &[Vec<f64>]) -> Vec<Vec<f64>> {
    sys.blocks.iter().zip(frames).zip(null_psi).map(|((b, f), n)| f.psi(sys, score, *b, NULL, n)).collect()
}

/// Brings evaluator and score back to `frames` where a trial has moved them.
fn restore(st: &mut State<'_>, e: &mut Evaluator, score: &mut Score, frames: &[Frame]) -> Result<(), CoreError> {
    let here = st.sys.blocks.iter().zip(frames).all(|(b, f)| f.is_written(*b, &e.lambda));
    if !here {
        st.criterion(e, frames)?;
        e.score(st.sys, st.options.reml, score);
    }
    Ok(())
}

/// Gradient with respect to the entries of D of all blocks.
fn gradient(sys: &System, score: &Score, frames: &[Frame]) -> Vec<f64> {
    let mut g = Vec::new();
    for (b, f) in sys.blocks.iter().zip(frames) {
        let ug = f.turned_gamma(*b, sys, score);
        for j in 0..f.k {
            g.extend((j..f.k).map(|i| 2.0 * ug[i * f.k + j]));
        }
    }
    g
}

/// Gradient and Hessian (average information + 2 Psi) with respect to the entries of D of all blocks.
fn derivatives(
    sys: &System,
    e: &Evaluator,
    score: &Score,
    reml: bool,
    frames: &[Frame],
    psi: &[Vec<f64>],
) -> (Vec<f64>, Vec<f64>) {
    let n: usize = frames.iter().map(|f| f.k * (f.k + 1) / 2).sum();
    let (q, pw) = (sys.sym.q, sys.cp.pw);
    let g = gradient(sys, score, frames);
    let mut w = vec![0.0; q * n];
    let mut rdot = vec![0.0; n];
    let mut at = 0;
    for (b, f) in sys.blocks.iter().zip(frames) {
        let k = f.k;
        let mut gl = vec![0.0; k];
        // w = u_i (u_l)_j + s_j u_j (u_i'g_l) on the rows of this block
        for &pos in &sys.sym.position[b.factor] {
            let row = sys.sym.row[pos as usize] + b.offset;
            for (i, t) in gl.iter_mut().enumerate() {
                *t = (0..k).map(|x| f.u[x * k + i] * score.fg[(row + x) * pw + pw - 1]).sum();
            }
            let mut c = at;
            for j in 0..k {
                let ul = score.u[row + j];
                for i in j..k {
                    rdot[c] -= 2.0 * gl[i] * ul;
                    for x in 0..k {
                        w[(row + x) * n + c] += f.u[x * k + i] * ul + f.s[j] * f.u[x * k + j] * gl[i];
                    }
                    c += 1;
                }
            }
        }
        at += k * (k + 1) / 2;
    }
    let quad = e.quadratic_forms(sys, &w, n);
    let nu = sys.nu(reml);
    let (a, b) = (nu / e.r2, nu / (e.r2 * e.r2));
    let mut h: Vec<f64> = (0..n * n).map(|t| a * quad[t] - b * rdot[t / n] * rdot[t % n]).collect();
    let mut at = 0;
    for (f, psi) in frames.iter().zip(psi) {
        let k = f.k;
        for j in 0..k {
            for i in j..k {
                for i2 in j..k {
                    h[(at + i - j) * n + at + i2 - j] += 2.0 * psi[i * k + i2];
                }
            }
            at += k - j;
        }
    }
    (g, h)
}

/// The frames after a step.
fn moved(sys: &System, frames: &[Frame], step: &[f64]) -> Vec<Frame> {
    let mut at = 0;
    sys.blocks
        .iter()
        .zip(frames)
        .map(|(_, f)| {
            let k = f.k;
            let mut d = vec![0.0; k * k];
            for j in 0..k {
                for i in j..k {
                    d[i * k + j] = step[at];
                    at += 1;
                }
                d[j * k + j] += f.s[j];
            }
            let mut lambda = vec![0.0; k * k];
            crate::blocks::kernels::multiply(&f.u, &d, k, k, k, &mut lambda);
            Frame::of(&lambda, k)
        })
        .collect()
}

/// A direction in which Sigma of a block could grow.
struct Escape {
    block: usize,
    direction: Vec<f64>,
    amount: f64,
    gain: f64,
}

/// Negative directions of Psi (of its null part when `null` is given) and the drop a Newton step along each promises.
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
            // h <= 0: the model of the criterion along this direction has no minimum; take a unit step
            let (amount, gain) = if h > 0.0 { (-value / h, value * value / (2.0 * h)) } else { (1.0, -value) };
            out.push(Escape { block: index, direction, amount, gain });
        }
    }
    out
}

/// Adds the directions to their Sigma; tries smaller amounts until the criterion falls.
fn leave(
    st: &mut State<'_>,
    e: &mut Evaluator,
    frames: &[Frame],
    out: &[Escape],
    d: f64,
) -> Result<Option<(Vec<Frame>, f64)>, CoreError> {
    let best = out.iter().map(|x| x.gain).fold(0.0, f64::max);
    let mut factor = 1.0;
    for attempt in 0..8 {
        let trial: Vec<Frame> = frames
            .iter()
            .enumerate()
            .map(|(i, f)| {
                let k = f.k;
                let mut sigma = f.sigma();
                let mut changed = false;
                for o in out.iter().filter(|o| o.block == i && o.gain > NEGLIGIBLE) {
                    if attempt >= 2 && o.gain < best {
                        continue;
                    }
                    changed = true;
                    for x in 0..k {
                        for y in 0..k {
                            sigma[x * k + y] += factor * o.amount * o.direction[x] * o.direction[y];
                        }
                    }
                }
                if changed {
                    Frame::of_covariance(&sigma, k)
                } else {
                    f.clone()
                }
            })
            .collect();
        let v = st.criterion(e, &trial)?;
        if v < d {
            return Ok(Some((trial, v)));
        }
        factor *= 0.25;
    }
    Ok(None)
}

/// Sets small singular values to zero where that does not raise the criterion.
fn snap(
    st: &mut State<'_>,
    e: &mut Evaluator,
    frames: &[Frame],
    d: f64,
) -> Result<Option<(Vec<Frame>, f64)>, CoreError> {
    let mut small: Vec<(f64, usize, usize)> = Vec::new();
    for (b, f) in frames.iter().enumerate() {
        for (j, &s) in f.s.iter().enumerate() {
            if s > 0.0 && s < SNAP {
                small.push((s, b, j));
            }
        }
    }
    small.sort_by(|a, b| a.0.total_cmp(&b.0));
    while !small.is_empty() {
        let mut trial = frames.to_vec();
        for &(_, b, j) in &small {
            trial[b].s[j] = 0.0;
        }
        let v = st.criterion(e, &trial)?;
        if v < d + NEGLIGIBLE {
            return Ok(Some((trial, v)));
        }
        let keep = small.len() / 2;
        small.truncate(keep);
    }
    Ok(None)
}

/// Frames of a Lambda given by factor.
pub fn frames_of(layout: &Layout, lambda: &[Vec<f64>]) -> Vec<Frame> {
    layout
        .blocks
        .iter()
        .map(|b| {
            let kf = layout.factors[b.factor].k;
            let small: Vec<f64> =
                (0..b.k * b.k).map(|t| lambda[b.factor][(b.offset + t / b.k) * kf + b.offset + t % b.k]).collect();
            Frame::of(&small, b.k)
        })
        .collect()
}
