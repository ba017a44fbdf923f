//! The fit: trust-region Newton steps in the covariance of the random effects and the parameters of
//! R together, by the average information at first and the exact Hessian then.

use super::clusters::Correlated;
use super::criterion::State;
use super::derivatives::{Derivatives, Want};
use super::directions::Direction;
use crate::error::CoreError;
use crate::fit::boundary::{certificate, leave, snap, AtFrames, Escape, NEGLIGIBLE};
use crate::layout::{part_of, Frame};
use crate::linear::chart::Chart;
use crate::linear::fit::FitOptions;
use crate::linear::start::moment_frames;
use crate::model::{Progress, Status};
use crate::optimize::bounds::Bounds;
use crate::optimize::trust_region::{self, Eigen, Policy, Trial, Verdict};

/// What becomes of steps.
const POLICY: Policy = Policy { hidden: 4.0, rejected: 0.25, undefined: 0.1, smallest: 1e-10 };
/// Steps by the average information, before the exact Hessian, which far from an optimum may be
/// misleading.
const AVERAGE_STEPS: usize = 3;
/// How many starts are followed where there are several.
const FOLLOWED: usize = 3;
/// Steps in a row that rounding hides after which there is nothing to be gained by more.
const BLIND: usize = 4;
/// How often the fit may return to the boundary without having gained by leaving it.
const IDLE: usize = 2;
/// Optima whose criteria differ by less are one.
const SAME: f64 = 1e-5;

/// The end of a fit.
#[derive(Clone, Debug)]
pub struct CorrelatedFit {
    /// Criterion in the changed basis.
    pub criterion: f64,
    /// How it ended.
    pub status: Status,
    /// Evaluations of the criterion.
    pub evaluations: usize,
    /// Newton decrement at the end.
    pub decrement: f64,
    /// Length of the gradient at the end.
    pub gradient: f64,
    /// Largest drop that leaving the boundary promises.
    pub certificate: f64,
    /// Left vectors and singular values of each block.
    pub frames: Vec<Frame>,
    /// Parameters of R.
    pub z: Vec<f64>,
    /// Local fits made.
    pub runs: usize,
    /// All optima met, the lowest first: criterion, frames, parameters of R.
    pub valleys: Vec<(f64, Vec<Frame>, Vec<f64>)>,
}

struct Search<'a, 'p> {
    model: &'a Correlated,
    state: State,
    chart: Chart<'a>,
    bounds: Bounds,
    options: FitOptions,
    z: Vec<f64>,
    evaluations: usize,
    progress: Progress<'p>,
}

impl AtFrames for Search<'_, '_> {
    fn at_frames(&mut self, frames: &[Frame]) -> Result<f64, CoreError> {
        let z = self.z.clone();
        self.at(frames, &z)
    }
}

/// Fits from the given starts of R, and of the random effects where they are given.
///
/// # Errors
/// [`CoreError::Interrupted`] when `progress` says so.
pub fn fit(
    model: &Correlated,
    frames: Option<Vec<Frame>>,
    starts: &[Vec<f64>],
    options: FitOptions,
    progress: Progress<'_>,
) -> Result<(CorrelatedFit, State), CoreError> {
    let chart = Chart::new(&model.sys);
    let free = vec![f64::INFINITY; model.r.n()];
    let (lower, upper): (Vec<f64>, Vec<f64>) = (0..chart.n()).map(|i| chart.bounds.of(i)).unzip();
    let farthest = model.upper();
    let bounds = Bounds::new([lower, free.iter().map(|v| -v).collect()].concat(), [upper, farthest.clone()].concat());
    let inside = |z: &[f64]| -> Vec<f64> { z.iter().zip(&farthest).map(|(z, u)| z.min(*u)).collect() };
    let starts: Vec<Vec<f64>> = starts.iter().map(|z| inside(z)).collect();
    let z = starts[0].clone();
    let mut s = Search { model, state: State::new(model), chart, bounds, options, z, evaluations: 0, progress };
    let of_effects = match frames {
        Some(f) => vec![f],
        None if model.sys.blocks.is_empty() => vec![Vec::new()],
        None => vec![
            model.sys.blocks.iter().map(|b| Frame::independent(&model.sys, *b, vec![1.0; b.k])).collect(),
            moment_frames(&model.sys),
        ],
    };
    // the best frames for each start of R, then the best starts
    let mut candidates = Vec::new();
    for z in &starts {
        let mut best: Option<(f64, &Vec<Frame>)> = None;
        for frames in &of_effects {
            let d = s.at(frames, z)?;
            if best.is_none_or(|b| d < b.0) {
                best = Some((d, frames));
            }
        }
        let (d, frames) = best.expect("there is a start of the random effects");
        candidates.push((d, frames.clone(), z.clone()));
    }
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found: Option<CorrelatedFit> = None;
    let mut valleys: Vec<(f64, Vec<Frame>, Vec<f64>)> = Vec::new();
    let mut runs = 0;
    for (_, frames, z) in candidates.into_iter().take(FOLLOWED) {
        let fit = s.run(frames, z)?;
        runs += 1;
        if fit.status == Status::Converged && !valleys.iter().any(|v| (v.0 - fit.criterion).abs() < SAME) {
            valleys.push((fit.criterion, fit.frames.clone(), fit.z.clone()));
        }
        let rank = |f: &CorrelatedFit| (f.status != Status::Converged && f.status != Status::NoProgress, f.criterion);
        if found.as_ref().is_none_or(|f| rank(&fit) < rank(f)) {
            found = Some(fit);
        }
    }
    // a range far beyond the distances is taken to its limit where that is no worse
    let away = found.as_ref().and_then(|f| model.at_the_limit(&f.z).map(|z| (f.frames.clone(), z)));
    if let Some((frames, z)) = away {
        let fit = s.run(frames, z)?;
        runs += 1;
        let at_limit = model.held_at_limit(&fit.z).contains(&true);
        if found.as_ref().is_some_and(|f| fit.criterion <= f.criterion + SAME && at_limit) {
            found = Some(fit);
        }
    }
    valleys.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut fit = found.expect("there is a start");
    s.at(&fit.frames, &fit.z)?;
    (fit.evaluations, fit.runs, fit.valleys) = (s.evaluations, runs, valleys);
    Ok((fit, s.state))
}

impl Search<'_, '_> {
    fn at(&mut self, frames: &[Frame], z: &[f64]) -> Result<f64, CoreError> {
        self.evaluations += 1;
        for (b, f) in self.model.sys.blocks.iter().zip(frames) {
            f.write(*b, &mut self.state.lambda);
        }
        let d = self.state.criterion(self.model, z, self.options.reml);
        if (self.progress)(self.evaluations, d) {
            Ok(d)
        } else {
            Err(CoreError::Interrupted)
        }
    }

    /// Derivatives at the last evaluation, in the coordinates of the chart.
    fn derivatives(&self, frames: &[Frame], want: Want) -> Derivatives {
        let directions = Direction::of_chart(&self.model.sys, &self.chart, frames);
        let mut d = self.state.derivatives(self.model, self.options.reml, &directions, want);
        if want > Want::Gradient {
            let gamma: Vec<Vec<f64>> = d
                .psi
                .iter()
                .zip(&self.state.lambda)
                .map(|(psi, lambda)| {
                    let k = psi.len().isqrt();
                    super::criterion::multiply(psi, lambda, k, k, k)
                })
                .collect();
            self.chart.add_bends(frames, &gamma, d.gradient.len(), &mut d.hessian);
        }
        d
    }

    /// Number of singular values that are zero, and of parameters at their bounds.
    fn n_zero(&self, frames: &[Frame]) -> usize {
        let of = |(b, f): (&crate::layout::Block, &Frame)| {
            if b.is_free {
                f.s.iter().filter(|&&s| s == 0.0).count()
            } else {
                self.model.sys.to_bounds(*b, &f.theta).iter().filter(|d| d.1 <= 0.0).count()
            }
        };
        self.model.sys.blocks.iter().zip(frames).map(of).sum()
    }

    fn run(&mut self, mut frames: Vec<Frame>, z: Vec<f64>) -> Result<CorrelatedFit, CoreError> {
        let model = self.model;
        let first = self.evaluations;
        self.z = z;
        let mut d = self.at_frames(&frames)?;
        let ended = |status, criterion, decrement, gradient, certificate, frames: Vec<Frame>, z: &[f64]| {
            Ok(CorrelatedFit {
                criterion,
                status,
                evaluations: 0,
                decrement,
                gradient,
                certificate,
                frames,
                z: z.to_vec(),
                runs: 0,
                valleys: Vec::new(),
            })
        };
        if !d.is_finite() {
            return ended(Status::NonFinite, d, f64::NAN, f64::NAN, f64::NAN, frames, &self.z);
        }
        let n_chart = self.chart.n();
        let (mut radius, mut taken, mut blind, mut idle) = (1.0f64, 0, 0, 0);
        let (mut snapped_at, mut snapped_to, mut zeros) = (usize::MAX, f64::INFINITY, 0);
        loop {
            let out_of_time = self.evaluations - first >= self.options.max_evaluations;
            let want = if taken < AVERAGE_STEPS { Want::Average } else { Want::Exact };
            let mut dv = self.derivatives(&frames, want);
            let n = dv.gradient.len();
            let x = [self.chart.of(&frames), self.z.clone()].concat();
            let length = dv.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let sent = self.bounds.promise(&x, &dv.gradient, &dv.hessian);
            self.bounds.hold(&x, &mut dv.gradient, &mut dv.hessian);
            let Some(eigen) = Eigen::of(&dv.hessian, n) else {
                return ended(Status::NonFinite, d, f64::NAN, length, f64::NAN, frames, &self.z);
            };
            let decrement = eigen.decrement(&dv.gradient);
            if out_of_time {
                return ended(Status::MaxEvaluations, d, decrement, length, f64::NAN, frames, &self.z);
            }
            // a small decrement by the average information may be one of a Hessian that is not
            let settled = decrement < self.options.tolerance && sent <= NEGLIGIBLE;
            if settled && want == Want::Average && n > 0 {
                taken = AVERAGE_STEPS;
                continue;
            }
            let mut finished = settled && eigen.values.first().is_none_or(|&e| e > 0.0 || n == 0);
            let mut stuck = false;
            if settled && !finished {
                finished = decrement < 1e-3 * self.options.tolerance || taken > 10 * AVERAGE_STEPS;
            }
            if !finished {
                let noise = self.state.noise(model, self.options.reml, d);
                loop {
                    let (mut s, mut predicted, edge) = trust_region::step(&dv.gradient, &eigen, radius);
                    let norm = |s: &[f64]| s.iter().map(|v| v * v).sum::<f64>().sqrt();
                    if self.bounds.clip(&x, &mut s) {
                        predicted = trust_region::predicted(&dv.gradient, &dv.hessian, &s);
                        if predicted >= 0.0 {
                            radius *= POLICY.rejected;
                            stuck = radius < POLICY.smallest;
                            if stuck {
                                break;
                            }
                            continue;
                        }
                    }
                    let trial = self.chart.moved(&frames, &s[..n_chart]);
                    let z: Vec<f64> = self.z.iter().zip(&s[n_chart..]).map(|(z, s)| z + s).collect();
                    let after = self.at(&trial, &z)?;
                    let tried = Trial { before: d, after, predicted, length: norm(&s), edge, noise };
                    match POLICY.judge(tried, &mut radius) {
                        Verdict::Taken { hidden } => {
                            blind = if hidden { blind + 1 } else { 0 };
                            if hidden && after >= d - noise && decrement < 1e-6 || blind > BLIND {
                                finished = true;
                            }
                            (frames, self.z, d) = (trial, z, after);
                            taken += 1;
                            break;
                        }
                        Verdict::Rejected if self.evaluations - first < self.options.max_evaluations => {}
                        _ => {
                            stuck = true;
                            break;
                        }
                    }
                }
                if stuck {
                    self.at_frames(&frames)?;
                    if want == Want::Average {
                        (taken, radius) = (AVERAGE_STEPS, 1.0);
                        continue;
                    }
                    finished = decrement < 1e-4;
                } else if !finished {
                    continue;
                }
            }
            // directions out of the boundary
            let out = self.escapes(&frames);
            let way_out = certificate(&out);
            if way_out > NEGLIGIBLE && self.evaluations - first < self.options.max_evaluations {
                if let Some((f, v)) = leave(self, &frames, &out, d)? {
                    (frames, d, radius, taken) = (f, v, 1.0, 0);
                    continue;
                }
                self.at_frames(&frames)?;
            }
            idle += usize::from(self.n_zero(&frames) < zeros && d >= snapped_to - NEGLIGIBLE);
            if snapped_at != self.evaluations && idle <= IDLE {
                if let Some((f, v)) = snap(self, &model.sys, &frames, 1.0, d)? {
                    (frames, d, radius) = (f, v, 1.0);
                    (snapped_to, zeros) = (v, self.n_zero(&frames));
                    snapped_at = self.evaluations;
                    continue;
                }
                self.at_frames(&frames)?;
            }
            let promise = way_out.max(if sent > NEGLIGIBLE { sent } else { 0.0 });
            let status = if finished { Status::Converged } else { Status::NoProgress };
            return ended(status, d, decrement, length, promise, frames, &self.z);
        }
    }

    /// Directions of each block's Sigma along which the criterion falls, and the drop a Newton step
    /// along each promises.
    fn escapes(&self, frames: &[Frame]) -> Vec<Escape> {
        let mut out = Vec::new();
        let near = |f: &Frame| f.s.last().is_some_and(|&s| s <= 1e-3 * f.s[0].max(1.0));
        if !self.model.sys.blocks.iter().zip(frames).any(|(b, f)| b.is_free && near(f)) {
            return out;
        }
        let psi = self.derivatives(frames, Want::Gradient).psi;
        for (index, (b, f)) in self.model.sys.blocks.iter().zip(frames).enumerate() {
            if !b.is_free || !near(f) {
                continue;
            }
            let k = b.k;
            let Some(eigen) = Eigen::of(&part_of(&psi[b.factor], *b), k) else { continue };
            for (c, &value) in eigen.values.iter().enumerate().filter(|(_, v)| **v < 0.0) {
                let direction: Vec<f64> = (0..k).map(|i| eigen.vectors[i * k + c]).collect();
                let kf = self.model.sys.factors[b.factor].k;
                let mut sigma = vec![0.0; kf * kf];
                for i in 0..k {
                    for j in 0..k {
                        sigma[(b.offset + i) * kf + b.offset + j] = direction[i] * direction[j];
                    }
                }
                let along = Direction { factor: b.factor, sigma, lambda: None };
                let d = self.state.derivatives(self.model, self.options.reml, &[along], Want::Average);
                let h = d.hessian[0];
                let (amount, gain) = if h > 0.0 { (-value / h, value * value / (2.0 * h)) } else { (1.0, -value) };
                out.push(Escape { block: index, direction, amount, gain });
            }
        }
        out
    }
}
