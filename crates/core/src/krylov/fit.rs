//! The fit: trust-region Newton steps in the standard deviations, with probes held fixed.
//!
//! Criterion and gradient are known up to the error of the probes, and what probes say of one is
//! not the derivative of what they say of the other. So a step fails only where it raises the
//! criterion by more than three standard errors of the difference, which is small as both ends have
//! the same probes, and of the change along the gradient; the end is judged by the gradient.

use super::linear::{error_of_mean, Crossed, Evaluated};
use super::probes::Signs;
use crate::error::CoreError;
use crate::linear::{FitOptions, Solution, Status};
use crate::optimize::trust_region::{self, Eigen};
use crate::watch::Watch;

/// Largest shift of an estimate by sampling, in standard errors.
const SHIFT: f64 = 0.02;
/// Standard error of the criterion for which probes are added at the end: 0.05 of a log-likelihood.
const ERROR: f64 = 0.1;
/// How many times as many probes are taken for estimates, and for the criterion, at most.
const MORE: usize = 8;
const MORE_AT_END: usize = 32;
/// The decrement below which the fit ends: a hundredth of what sampling may shift.
const DECREMENT: f64 = 1e-8;
/// Standard deviations below this are tried at zero.
const SNAP: f64 = 0.02;
/// Share of a standard deviation that a step leaves at least.
const LEFT: f64 = 0.2;
/// Standard deviation at which the derivative at zero is found, and where a factor starts again.
const NEAR_ZERO: f64 = 1e-3;
const AGAIN: f64 = 0.1;
/// Smallest radius.
const SMALLEST: f64 = 1e-8;

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
    /// Standard deviations, relative to the residual one.
    pub lambda: Vec<f64>,
    /// Results.
    pub solution: Solution,
    /// How it ended.
    pub status: Status,
    /// Evaluations.
    pub evaluations: usize,
    /// Newton decrement at the end.
    pub decrement: f64,
    /// Largest drop promised by a factor without variance.
    pub certificate: f64,
    /// Gradient at the end.
    pub gradient: Vec<f64>,
    /// Largest shift of an estimate by sampling, in standard errors.
    pub sampling: f64,
    /// Standard error of the criterion.
    pub error: f64,
    /// Probes of the criterion.
    pub probes: usize,
}

/// Gradient and Hessian of the factors that have variance.
fn of_free(at: &Evaluated<'_>, free: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let n = at.gradient.len();
    let g = free.iter().map(|&f| at.gradient[f]).collect();
    let h = free.iter().flat_map(|&a| free.iter().map(move |&b| at.hessian[a * n + b])).collect();
    (g, h)
}

/// Largest shift by sampling, in standard errors.
fn shift(at: &Evaluated<'_>, free: &[usize], eigen: &Eigen) -> f64 {
    let (n, m) = (at.gradient.len(), free.len());
    let covariance = at.gradient_covariance();
    // inverse of the Hessian
    let inverse: Vec<f64> = (0..m * m)
        .map(|t| {
            let (a, b) = (t / m, t % m);
            (0..m).map(|j| eigen.vectors[a * m + j] * eigen.vectors[b * m + j] / eigen.values[j].abs()).sum()
        })
        .collect();
    (0..m)
        .map(|a| {
            let of = |i: usize, j: usize| covariance[free[i] * n + free[j]];
            let row = &inverse[a * m..(a + 1) * m];
            let moved: f64 = (0..m * m).map(|t| row[t / m] * of(t / m, t % m) * row[t % m]).sum();
            (moved / (2.0 * row[a])).max(0.0).sqrt()
        })
        .fold(0.0, f64::max)
}

/// Change of the criterion from one evaluation to another with the same probes, and its error.
fn change(from: (&[f64], &Evaluated<'_>), to: (&[f64], &Evaluated<'_>)) -> (f64, f64) {
    let pairs: Vec<f64> = from.1.probed.iter().zip(&to.1.probed).map(|(a, b)| b.value - a.value).collect();
    let step: Vec<f64> = to.0.iter().zip(from.0).map(|(a, b)| a - b).collect();
    let m = step.len();
    let covariance = from.1.gradient_covariance();
    let along: f64 = (0..m * m).map(|t| step[t / m] * covariance[t] * step[t % m]).sum();
    let sampled = error_of_mean(&pairs).hypot(along.max(0.0).sqrt());
    (to.1.criterion - from.1.criterion, 3.0 * sampled + 1e-10 * from.1.criterion.abs())
}

/// Fits a model, from given standard deviations or from those of moments.
///
/// # Errors
/// An interruption, no convergence of the solver, or a system that is not positive definite.
pub fn fit(
    model: &Crossed,
    start: Option<Vec<f64>>,
    options: CrossedOptions,
    watch: &dyn Watch,
) -> Result<CrossedFit, CoreError> {
    let reml = options.fit.reml;
    let mut probes = options.probes;
    let mut lambda: Vec<f64> = start.unwrap_or_else(|| model.start()).into_iter().map(f64::abs).collect();
    let mut evaluations = 0;
    let mut evaluate = |lambda: &[f64], probes: usize| {
        evaluations += 1;
        let at = model.evaluate(lambda, reml, probes, options.signs, watch)?;
        if watch.evaluated(evaluations, at.criterion + model.constant(reml)) {
            Ok((at, evaluations))
        } else {
            Err(CoreError::Interrupted)
        }
    };
    let (mut at, mut count) = evaluate(&lambda, probes)?;
    let mut radius = 1.0f64;
    // factors whose standard deviation is not to be tried at zero again
    let mut kept = vec![false; lambda.len()];
    let (mut status, mut sampling, mut decrement, mut certificate);
    loop {
        let free: Vec<usize> = (0..lambda.len()).filter(|&f| lambda[f] > 0.0).collect();
        let (g, h) = of_free(&at, &free);
        (decrement, sampling) = (0.0, 0.0);
        let eigen = if free.is_empty() { None } else { Eigen::of(&h, free.len()) };
        if let Some(eigen) = &eigen {
            decrement = eigen.decrement(&g);
            sampling = shift(&at, &free, eigen);
        }
        status = Status::Converged;
        if decrement > DECREMENT.max(options.fit.tolerance) {
            let eigen = eigen.as_ref().expect("some factor has variance");
            let mut taken = None;
            while taken.is_none() && count < options.fit.max_evaluations {
                let (step, _, edge) = trust_region::step(&g, eigen, radius);
                let length = step.iter().map(|s| s * s).sum::<f64>().sqrt();
                let mut trial = lambda.clone();
                let mut snapped = Vec::new();
                for (&f, s) in free.iter().zip(&step) {
                    let to = (lambda[f] + s).max(LEFT * lambda[f]);
                    trial[f] = to;
                    if to < SNAP && at.gradient[f] > 0.0 && !kept[f] {
                        trial[f] = 0.0;
                        snapped.push(f);
                    }
                }
                let (there, n) = evaluate(&trial, probes)?;
                count = n;
                let (moved, error) = change((&lambda, &at), (&trial, &there));
                if moved <= error {
                    radius = if edge { 2.5 * radius } else { radius };
                    taken = Some((trial, there));
                } else if snapped.is_empty() {
                    radius = 0.25 * length;
                } else {
                    snapped.iter().for_each(|&f| kept[f] = true);
                }
                if radius < SMALLEST {
                    break;
                }
            }
            if let Some((to, there)) = taken {
                (lambda, at) = (to, there);
                continue;
            }
            status = if count < options.fit.max_evaluations { Status::NoProgress } else { Status::MaxEvaluations };
        }
        if status == Status::Converged && sampling > SHIFT && 2 * probes <= MORE * options.probes {
            probes *= 2;
            (at, count) = evaluate(&lambda, probes)?;
            continue;
        }
        // a factor without variance: the derivative with respect to the variance
        certificate = 0.0f64;
        let zero: Vec<usize> = (0..lambda.len()).filter(|&f| lambda[f] == 0.0).collect();
        if !zero.is_empty() && count < options.fit.max_evaluations {
            let mut near = lambda.clone();
            zero.iter().for_each(|&f| near[f] = NEAR_ZERO);
            let (there, n) = evaluate(&near, probes)?;
            count = n;
            let covariance = there.gradient_covariance();
            let m = lambda.len();
            let mut out = false;
            for &f in &zero {
                let slope = there.gradient[f] / (2.0 * NEAR_ZERO);
                let error = covariance[f * m + f].sqrt() / (2.0 * NEAR_ZERO);
                if slope < -3.0 * error {
                    // the curvature along the variance is that of the information, per variance
                    certificate = certificate.max(-slope * NEAR_ZERO * NEAR_ZERO);
                    if !kept[f] {
                        (lambda[f], kept[f], out) = (AGAIN, true, true);
                    }
                }
            }
            if out {
                (at, count) = evaluate(&lambda, probes)?;
                radius = 1.0;
                continue;
            }
        }
        break;
    }
    let most = MORE_AT_END * options.probes;
    while at.error() > ERROR && at.probed.len() < most {
        // as many as the error asks for, no more than twice as many at once
        let now = at.probed.len();
        let needed = (now as f64 * (at.error() / ERROR).powi(2)).ceil().min(2.0 * now as f64) as usize;
        model.add_probes(&mut at, reml, options.signs, needed.max(now + 1).min(most))?;
    }
    let (error, probes) = (at.error(), at.probed.len());
    Ok(CrossedFit {
        solution: model.solution(&at, &lambda, reml),
        gradient: at.gradient.clone(),
        lambda,
        status,
        evaluations: count,
        decrement,
        certificate,
        sampling,
        error,
        probes,
    })
}
