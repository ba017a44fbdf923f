//! Fits with priors or sampling weights, by Newton's method on theta and log sigma.
//!
//! With a residual standard deviation s that is a parameter, and the fixed effects b eliminated,
//!
//! ```text
//! F = log|M| + nu log(2 pi s^2) + r2 / s^2 (+ log|X'V^-1X| under REML) - 2 log p
//! ```
//!
//! A normal prior of the fixed effects is rows of data, whose weight is s^2 (or 1 where the prior
//! is relative to sigma); REML integrates over the fixed effects with their prior. With sampling
//! weights log|M| is the weighted sum of what the levels leave ([`Layout::weigh`]) and nu the sum
//! of the weights of the rows.
//!
//! [`Layout::weigh`]: crate::layout::Layout::weigh

use super::criterion::Evaluator;
use super::score::Score;
use super::solution::Solution;
use super::start::moment_frames;
use super::system::System;
use crate::error::CoreError;
use crate::fit::boundary::{snap, AtFrames};
use crate::layout::Frame;
use crate::model::{Progress, Status};
use crate::optimize::bounds::Bounds;
use crate::optimize::differences::{self, Width};
use crate::optimize::trust_region::{self, Eigen, Policy, Trial, Verdict};
use crate::prior::{Prior, LOG_2PI};

/// What becomes of steps.
const POLICY: Policy = Policy { hidden: 4.0, rejected: 0.25, undefined: 0.1, smallest: 1e-10 };
/// Displacement of the differences that make the Hessian: parameters are in standard deviations,
/// relative to sigma.
const DISPLACEMENT: f64 = 1e-4;
/// Newton steps of one start.
const STEPS: usize = 200;
/// Relative standard deviations to begin with, beside the moments: a prior may forbid zero.
const STARTS: [f64; 2] = [1.0, 0.3];
/// Least relative standard deviation to begin with.
const LEAST: f64 = 0.1;

/// The objective at one point.
#[derive(Clone, Debug)]
pub struct PenalisedValue {
    /// F.
    pub objective: f64,
    /// Its part that is -2 log density of the priors, at the estimates.
    pub penalty: f64,
    /// Its gradient by theta as given and log sigma.
    pub gradient: Vec<f64>,
}

/// The objective of a model with priors.
pub struct Penalised<'a> {
    /// The model; its cross-products are those with the rows of the priors at the last point.
    own: System,
    /// Without these rows.
    bare: &'a System,
    prior: &'a Prior,
    reml: bool,
}

/// The end of a fit.
pub struct Ended {
    /// The objective.
    pub value: PenalisedValue,
    /// Covariance parameters as given.
    pub theta: Vec<f64>,
    /// Residual standard deviation as given.
    pub sigma: f64,
    /// How it ended.
    pub status: Status,
    /// Evaluations, those of Hessians included.
    pub evaluations: usize,
    /// Newton decrement at the end.
    pub decrement: f64,
    /// Directions of each term without variance.
    pub null: Vec<usize>,
    /// Results.
    pub solution: Solution,
    /// How many starts were made.
    pub runs: usize,
    /// Other optima: objective and theta.
    pub valleys: Vec<(f64, Vec<f64>)>,
}

impl<'a> Penalised<'a> {
    /// Of a model.
    pub fn new(sys: &'a System, prior: &'a Prior, reml: bool) -> Self {
        Penalised { own: sys.clone_for_refit(), bare: sys, prior, reml }
    }

    /// Precision of the normal priors by fixed effect as given (p x p), with a shift: of those that
    /// are relative to sigma, or of the others.
    fn rows(&self, of_relative: bool) -> (Vec<f64>, Vec<f64>, f64) {
        let p = self.bare.p();
        let (mut precision, mut pull, mut square) = (vec![0.0; p * p], vec![0.0; p], 0.0);
        let shift = self.bare.basis.beta_to_given(&vec![0.0; p]);
        for e in &self.prior.effects {
            let Some((own, relative, _)) = e.as_rows() else { continue };
            if relative != of_relative {
                continue;
            }
            let m = e.at.len();
            for i in 0..m {
                for j in 0..m {
                    let v = own[i * m + j];
                    precision[e.at[i] * p + e.at[j]] += v;
                    let (di, dj) = (e.mean[i] - shift[e.at[i]], e.mean[j] - shift[e.at[j]]);
                    pull[e.at[i]] += v * dj;
                    square += v * di * dj;
                }
            }
        }
        (precision, pull, square)
    }

    /// Adds the rows of the priors at a residual standard deviation to the cross-products; the
    /// precision in the changed basis of what moves with sigma.
    fn add_rows(&mut self, scaled: f64) -> Vec<f64> {
        let p = self.bare.p();
        let pw = p + 1;
        self.own.cp.wtw.copy_from_slice(&self.bare.cp.wtw);
        let mut moving = vec![0.0; p * p];
        if self.prior.effects.is_empty() {
            return moving;
        }
        let y_scale = self.bare.basis.y_scale;
        let to_given: Vec<f64> = self.bare.basis.g().iter().map(|v| v * y_scale).collect();
        for relative in [false, true] {
            let (precision, pull, square) = self.rows(relative);
            // r2 is in units of y_scale^2
            let weight = if relative { 1.0 / (y_scale * y_scale) } else { scaled * scaled };
            let mut half = vec![0.0; p * p];
            for i in 0..p {
                for c in 0..p {
                    half[i * p + c] = (0..p).map(|j| precision[i * p + j] * to_given[j * p + c]).sum();
                }
            }
            let wtw = &mut self.own.cp.wtw;
            for a in 0..p {
                for c in 0..p {
                    let v = weight * (0..p).map(|i| to_given[i * p + a] * half[i * p + c]).sum::<f64>();
                    wtw[a * pw + c] += v;
                    if !relative {
                        moving[a * p + c] += v;
                    }
                }
                let v = weight * (0..p).map(|i| to_given[i * p + a] * pull[i]).sum::<f64>();
                wtw[a * pw + p] += v;
                wtw[p * pw + a] += v;
            }
            wtw[p * pw + p] += weight * square;
        }
        moving
    }

    /// The objective and its gradient at theta as given and log sigma; none where it is not
    /// defined. Evaluator and score are left there.
    pub fn at(
        &mut self,
        e: &mut Evaluator,
        score: &mut Score,
        theta: &[f64],
        log_sigma: f64,
    ) -> Option<PenalisedValue> {
        let (reml, p) = (self.reml, self.bare.p());
        let sigma = log_sigma.exp();
        let scaled = sigma / self.bare.basis.y_scale;
        let moving = self.add_rows(scaled);
        e.lambda = self.own.lambda_from_theta(theta);
        e.criterion(&self.own, reml).ok()?;
        let precision = 1.0 / (scaled * scaled);
        e.solve_effects(&self.own, score);
        e.gammas(&self.own, reml, precision, score);
        let nu = self.own.nu(reml);
        let mut objective =
            e.log_det(reml) + nu * (LOG_2PI + 2.0 * scaled.ln()) + e.r2 * precision + self.own.constant(reml);
        let mut slope: Vec<f64> = self.own.pull_back(theta, &score.gamma).into_iter().map(|g| 2.0 * g).collect();
        let mut by_log_sigma = 2.0 * nu - 2.0 * e.r2 * precision;
        if reml {
            objective += 2.0 * e.log_det_rx;
            by_log_sigma += 2.0 * score.s.iter().zip(&moving).map(|(s, m)| s * m).sum::<f64>();
        }
        let (of_theta, along) = self.prior.of_theta(&self.own, theta, sigma, &mut slope);
        let (of_sigma, by_sigma) = self.prior.of_number(0, sigma);
        let mut penalty = of_theta + of_sigma;
        objective += penalty;
        by_log_sigma += along + by_sigma * sigma;
        let beta = self.own.basis.beta_to_given(&score.beta);
        for of in &self.prior.effects {
            let Some((_, relative, constant)) = of.as_rows() else { continue };
            let k = of.at.len() as f64;
            let q = of.quadratic(&beta);
            objective += constant;
            penalty += constant;
            if relative {
                objective += 2.0 * k * log_sigma;
                by_log_sigma += 2.0 * k;
                penalty += 2.0 * k * log_sigma + q / (sigma * sigma);
            } else {
                // these rows do not vary with sigma
                by_log_sigma += 2.0 * q;
                penalty += q;
            }
        }
        debug_assert_eq!(score.beta.len(), p);
        slope.push(by_log_sigma);
        let sound = objective.is_finite() && slope.iter().all(|v| v.is_finite());
        sound.then_some(PenalisedValue { objective, penalty, gradient: slope })
    }

    /// Residual standard deviation that theta alone would give.
    fn plain_sigma(&self, e: &mut Evaluator, theta: &[f64]) -> Option<f64> {
        e.lambda = self.bare.lambda_from_theta(theta);
        e.criterion(self.bare, self.reml).ok()?;
        let sigma = self.bare.basis.y_scale * (e.r2 / self.bare.nu(self.reml)).sqrt();
        (sigma > 0.0 && sigma.is_finite()).then_some(sigma)
    }

    /// Results at the point last evaluated.
    fn solution(
        &self,
        e: &mut Evaluator,
        score: &mut Score,
        value: &PenalisedValue,
        theta: &[f64],
        sigma: f64,
    ) -> Solution {
        let mut out = e.solution(&self.own, self.reml, score);
        out.sigma2 = sigma * sigma;
        // what the likelihood is without the priors, there
        let scaled = sigma / self.bare.basis.y_scale;
        let without = |e: &mut Evaluator, reml: bool| -> f64 {
            e.lambda = self.bare.lambda_from_theta(theta);
            if e.criterion(self.bare, reml).is_err() {
                return f64::NAN;
            }
            let nu = self.bare.nu(reml);
            let x = if reml { 2.0 * e.log_det_rx } else { 0.0 };
            e.log_det(reml)
                + x
                + nu * (LOG_2PI + 2.0 * scaled.ln())
                + e.r2 / (scaled * scaled)
                + self.bare.constant(reml)
        };
        out.reml_criterion = without(e, true);
        out.ml_deviance = if self.reml { without(e, false) } else { value.objective - value.penalty };
        out
    }
}

/// The end of a descent: coordinates, objective, Newton decrement and status.
type Descent = (Vec<f64>, f64, f64, Status);

/// Work of one fit.
struct State<'a, 'b, 'p> {
    of: &'b mut Penalised<'a>,
    e: &'b mut Evaluator,
    score: &'b mut Score,
    /// What one unit of a coordinate is in theta.
    unit: Vec<f64>,
    bounds: Bounds,
    log_sigma: f64,
    evaluations: usize,
    progress: Progress<'p>,
}

impl State<'_, '_, '_> {
    fn theta(&self, x: &[f64]) -> Vec<f64> {
        x.iter().zip(&self.unit).map(|(x, u)| x * u).collect()
    }

    /// Value and gradient in the coordinates.
    fn at(&mut self, x: &[f64]) -> Result<Option<PenalisedValue>, CoreError> {
        self.evaluations += 1;
        let m = self.unit.len();
        let theta = self.theta(&x[..m]);
        let mut v = self.of.at(self.e, self.score, &theta, x[m]);
        if let Some(v) = &mut v {
            v.gradient.iter_mut().zip(&self.unit).for_each(|(g, u)| *g *= u);
        }
        let shown = v.as_ref().map_or(f64::INFINITY, |v| v.objective);
        if (self.progress)(self.evaluations, shown) {
            Ok(v)
        } else {
            Err(CoreError::Interrupted)
        }
    }

    fn hessian(&mut self, x: &[f64], here: &[f64]) -> Result<Option<Vec<f64>>, CoreError> {
        let widths: Vec<Width> = x
            .iter()
            .enumerate()
            .map(|(c, &v)| {
                let step = DISPLACEMENT * v.abs().clamp(0.1, 10.0);
                let (low, high) = self.bounds.of(c);
                // at a bound the differences are one-sided
                match (v - step < low, v + step > high) {
                    (true, _) => Width { before: 0.0, after: 0.01 * step },
                    (_, true) => Width { before: 0.0, after: -0.01 * step },
                    _ => Width::central(step),
                }
            })
            .collect();
        differences::hessian(&widths, here, &mut |c, distance| {
            let mut there = x.to_vec();
            there[c] += distance;
            Ok(self.at(&there)?.map(|v| v.gradient))
        })
    }

    /// Newton steps from a point.
    fn descend(&mut self, mut x: Vec<f64>, tolerance: f64, limit: usize) -> Result<Option<Descent>, CoreError> {
        let Some(mut here) = self.at(&x)? else { return Ok(None) };
        let n = x.len();
        let mut radius = 1.0;
        let mut hidden_before = false;
        for _ in 0..STEPS {
            let noise = 1e-13 * (here.objective.abs() + self.of.bare.nu(false));
            let mut g = here.gradient.clone();
            let Some(mut h) = self.hessian(&x, &g)? else {
                return Ok(Some((x, here.objective, f64::NAN, Status::NoProgress)));
            };
            self.bounds.hold(&x, &mut g, &mut h);
            let Some(eigen) = Eigen::of(&h, n) else {
                return Ok(Some((x, here.objective, f64::NAN, Status::NonFinite)));
            };
            let decrement = eigen.decrement(&g);
            let convex = eigen.values.first().is_none_or(|v| *v > -1e-7 * eigen.values[n - 1].abs());
            if decrement < tolerance && convex {
                return Ok(Some((x, here.objective, decrement, Status::Converged)));
            }
            if self.evaluations >= limit {
                return Ok(Some((x, here.objective, decrement, Status::MaxEvaluations)));
            }
            loop {
                let (mut s, mut predicted, edge) = trust_region::step(&g, &eigen, radius);
                if self.bounds.clip(&x, &mut s) {
                    predicted = trust_region::predicted(&g, &h, &s).min(-f64::MIN_POSITIVE);
                }
                let length = s.iter().map(|v| v * v).sum::<f64>().sqrt();
                let trial: Vec<f64> = x.iter().zip(&s).map(|(x, s)| x + s).collect();
                let value = self.at(&trial)?;
                let after = value.as_ref().map_or(f64::INFINITY, |v| v.objective);
                let tried = Trial { before: here.objective, after, predicted, length, edge, noise };
                match (POLICY.judge(tried, &mut radius), value) {
                    (Verdict::Taken { hidden }, Some(v)) => {
                        (x, here) = (trial, v);
                        if hidden && hidden_before {
                            return Ok(Some((x, here.objective, decrement, Status::Converged)));
                        }
                        hidden_before = hidden;
                        break;
                    }
                    (Verdict::Exhausted, _) => {
                        let status = if decrement < 1e-6 { Status::Converged } else { Status::NoProgress };
                        return Ok(Some((x, here.objective, decrement, status)));
                    }
                    _ => {}
                }
            }
        }
        Ok(Some((x, here.objective, f64::NAN, Status::NoProgress)))
    }
}

impl AtFrames for State<'_, '_, '_> {
    fn at_frames(&mut self, frames: &[Frame]) -> Result<f64, CoreError> {
        let theta = self.of.bare.theta_of(frames);
        let mut x: Vec<f64> = theta.iter().zip(&self.unit).map(|(t, u)| t / u).collect();
        x.push(self.log_sigma);
        Ok(self.at(&x)?.map_or(f64::INFINITY, |v| v.objective))
    }
}

/// Coordinates: what one of each is in theta, and their bounds.
fn coordinates(sys: &System) -> (Vec<f64>, Bounds) {
    let mut unit = vec![1.0; sys.n_theta];
    let (mut lower, mut upper) = (vec![f64::NEG_INFINITY; sys.n_theta + 1], vec![f64::INFINITY; sys.n_theta + 1]);
    for (f, terms) in sys.terms.iter().enumerate() {
        for (t, tl) in terms.iter().enumerate() {
            for a in 0..tl.n_theta {
                let at = tl.theta + a;
                if let Some((bounds, scale)) = sys.term_bounds(f, t) {
                    unit[at] = 1.0 / scale[a].unwrap_or(1.0);
                    let (low, high) = bounds.of(a);
                    (lower[at], upper[at]) = (low / unit[at], high / unit[at]);
                    continue;
                }
                let mut along = vec![0.0; tl.n_theta];
                along[a] = 1.0;
                let mut moved = vec![0.0; tl.k * tl.k];
                tl.structure.push(&along, &along, tl.k, &mut moved);
                let size = sys.basis.terms[f][t].from_given(&moved, tl.k).iter().map(|v| v * v).sum::<f64>().sqrt();
                unit[at] = if size > 0.0 && size.is_finite() { 1.0 / size } else { 1.0 };
            }
        }
    }
    (unit, Bounds::new(lower, upper))
}

/// Fits a model with priors or sampling weights, from theta where it is given. None where the
/// objective is not defined at any start.
///
/// # Errors
/// [`CoreError::Interrupted`] when `progress` says so.
pub fn penalised(
    sys: &System,
    (e, score): (&mut Evaluator, &mut Score),
    prior: &Prior,
    start: Option<&[f64]>,
    options: super::fit::FitOptions,
    progress: Progress<'_>,
) -> Result<Option<Ended>, CoreError> {
    let mut of = Penalised::new(sys, prior, options.reml);
    let (unit, bounds) = coordinates(sys);
    let mut starts: Vec<Vec<f64>> = Vec::new();
    if let Some(theta) = start {
        starts.push(theta.to_vec());
    } else {
        let mut moments = moment_frames(sys);
        for (f, b) in moments.iter_mut().zip(&sys.blocks).filter(|(_, b)| b.is_free) {
            debug_assert_eq!(f.k, b.k);
            f.s.iter_mut().for_each(|s| *s = s.max(LEAST));
        }
        starts.push(sys.theta_of(&moments));
        for s in STARTS {
            let frames: Vec<Frame> = sys.blocks.iter().map(|b| Frame::independent(sys, *b, vec![s; b.k])).collect();
            starts.push(sys.theta_of(&frames));
        }
    }
    let mut state = State { of: &mut of, e, score, unit, bounds, log_sigma: 0.0, evaluations: 0, progress };
    let mut ends: Vec<Descent> = Vec::new();
    let runs = starts.len();
    for theta in starts {
        let Some(sigma) = state.of.plain_sigma(state.e, &theta) else { continue };
        let mut x: Vec<f64> = theta.iter().zip(&state.unit).map(|(t, u)| t / u).collect();
        x.push(sigma.ln());
        if let Some(end) = state.descend(x, options.tolerance, options.max_evaluations)? {
            ends.push(end);
        }
    }
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some((mut x, objective, decrement, status)) = ends.first().cloned() else { return Ok(None) };
    let m = state.unit.len();
    let mut frames = sys.frames_at(&state.theta(&x[..m]));
    state.log_sigma = x[m];
    if let Some((at_zero, _)) = snap(&mut state, sys, &frames, 1.0, objective)? {
        frames = at_zero;
        let theta = sys.theta_of(&frames);
        theta.iter().zip(&state.unit).zip(&mut x).for_each(|((t, u), x)| *x = t / u);
    }
    let theta = state.theta(&x[..m]);
    let sigma = x[m].exp();
    let others = ends[1..].iter().filter(|v| v.1 > objective + 1e-5 && v.3 == Status::Converged);
    let mut valleys: Vec<(f64, Vec<f64>)> = others.map(|v| (v.1, state.theta(&v.0[..m]))).collect();
    valleys.dedup_by(|a, b| (a.0 - b.0).abs() < 1e-5);
    let evaluations = state.evaluations;
    let Some(value) = of.at(e, score, &theta, x[m]) else { return Ok(None) };
    let solution = of.solution(e, score, &value, &theta, sigma);
    let null = sys.null_dimensions(&frames);
    Ok(Some(Ended { value, theta, sigma, status, evaluations, decrement, null, solution, runs, valleys }))
}
