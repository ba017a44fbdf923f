//! The fit: Newton's method with the exact Hessian in a trust region.
//!
//! R-side parameters live on the whole line and the criterion grows without bound where R becomes
//! singular, so that there is no boundary.

use super::covariance::Covariance;
use super::criterion::{At, Evaluated, Order};
use super::derivatives::Derivatives;
use super::moments::Moments;
use super::solution::Solution;
use crate::error::CoreError;
use crate::linear::FitOptions;
use crate::model::{Progress, Status};
use crate::optimize::trust_region::{self, Eigen, Policy, Trial, Verdict};

/// What becomes of steps.
const POLICY: Policy = Policy { hidden: 4.0, rejected: 0.25, undefined: 0.1, smallest: 1e-10 };

/// The end of a fit.
pub struct Fit {
    /// Parameters.
    pub z: Vec<f64>,
    /// The criterion there; none where it is not defined at the start.
    pub at: Option<Evaluated>,
    /// How it ended.
    pub status: Status,
    /// Evaluations of the criterion.
    pub evaluations: usize,
    /// Newton decrement at the end.
    pub decrement: f64,
    /// Gradient at the end.
    pub gradient: Vec<f64>,
}

/// Fits from the given parameters.
///
/// # Errors
/// [`CoreError::Interrupted`] when `progress` says so.
pub fn fit(
    m: &Moments,
    c: &dyn Covariance,
    start: &[f64],
    options: FitOptions,
    progress: Progress<'_>,
) -> Result<Fit, CoreError> {
    let n = c.n();
    let mut evaluations = 0;
    let mut evaluate = |z: &[f64]| -> Result<Option<Evaluated>, CoreError> {
        evaluations += 1;
        let found = At::of(c, m, z, Order::Value).and_then(|at| Evaluated::of(m, &at.r, options.reml));
        let value = found.as_ref().map_or(f64::INFINITY, |e| e.criterion);
        if progress(evaluations, value) {
            Ok(found)
        } else {
            Err(CoreError::Interrupted)
        }
    };
    let mut z = start.to_vec();
    let Some(mut here) = evaluate(&z)? else {
        let none = Vec::new();
        return Ok(Fit { z, at: None, status: Status::NonFinite, evaluations, decrement: f64::NAN, gradient: none });
    };
    let mut radius = 1.0;
    let mut used = 1;
    loop {
        let derivatives = Derivatives::of(m, c, &z, &here);
        let eigen = derivatives.as_ref().and_then(|d| if n == 0 { None } else { Eigen::of(&d.hessian, n) });
        let (Some(d), Some(eigen)) = (derivatives, eigen) else {
            let status = if n == 0 { Status::Converged } else { Status::NonFinite };
            return Ok(Fit { z, at: Some(here), status, evaluations: used, decrement: 0.0, gradient: Vec::new() });
        };
        let decrement = eigen.decrement(&d.gradient);
        let end = |status, z, here, evaluations| {
            Ok(Fit { z, at: Some(here), status, evaluations, decrement, gradient: d.gradient.clone() })
        };
        if decrement < options.tolerance && eigen.values[0] >= 0.0 {
            return end(Status::Converged, z, here, used);
        }
        if used >= options.max_evaluations {
            return end(Status::MaxEvaluations, z, here, used);
        }
        let noise = here.noise(m);
        loop {
            let (s, predicted, edge) = trust_region::step(&d.gradient, &eigen, radius);
            let length = s.iter().map(|v| v * v).sum::<f64>().sqrt();
            let trial: Vec<f64> = z.iter().zip(&s).map(|(a, b)| a + b).collect();
            let found = evaluate(&trial)?;
            used += 1;
            let after = found.as_ref().map_or(f64::INFINITY, |e| e.criterion);
            let tried = Trial { before: here.criterion, after, predicted, length, edge, noise };
            match (POLICY.judge(tried, &mut radius), found) {
                (Verdict::Taken { hidden }, Some(e)) => {
                    let last = hidden && decrement < 1e-6 && eigen.values[0] > 0.0;
                    if last {
                        // rounding hides what it gains: it is the last
                        return end(Status::Converged, trial, e, used);
                    }
                    (z, here) = (trial, e);
                    break;
                }
                (Verdict::Rejected, _) if used < options.max_evaluations => {}
                _ => {
                    let status = if used >= options.max_evaluations {
                        Status::MaxEvaluations
                    } else if decrement < 1e-4 {
                        Status::Converged
                    } else {
                        Status::NoProgress
                    };
                    return end(status, z, here, used);
                }
            }
        }
    }
}

/// Fits of other responses (one after another), from a common start; they end early when
/// `progress` says so.
///
/// # Errors
/// [`CoreError::Interrupted`] when `progress` says so.
pub fn refits(
    m: &Moments,
    c: &dyn Covariance,
    responses: &[f64],
    start: &[f64],
    options: FitOptions,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<(Fit, Option<Solution>)>, CoreError> {
    let mut own = m.clone();
    let mut out = Vec::new();
    for y in responses.chunks_exact(m.n.max(1)) {
        own.set_response(y);
        let found = fit(&own, c, start, options, &mut |_, _| true)?;
        let solution = found.at.as_ref().map(|e| e.solution(&own));
        out.push((Fit { at: None, ..found }, solution));
        if !progress(out.len()) {
            return Err(CoreError::Interrupted);
        }
    }
    Ok(out)
}
