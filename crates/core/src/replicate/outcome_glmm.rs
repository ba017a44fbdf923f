//! Fits of replicates of a generalized model.

use super::outcome::Outcome;
use super::workers::Watched;
use crate::blocks::kernels;
use crate::error::CoreError;
use crate::generalized::{search, FitOptions, GlmmSystem, Modes, Status, SEPARATED};
use crate::linear::Estimates;

/// Status of a replicate whose random effects led to means that the family does not have.
pub(super) const NO_RESPONSE: &str = "no_response";

/// Fits the response that stands in `g`; none if stopped. A fit from the truth that fails is tried once more as a first fit would be made.
pub(super) fn outcome(g: &GlmmSystem, m: &mut Modes, options: &FitOptions, watched: &Watched) -> Option<Outcome> {
    let first = attempt(g, m, options, watched)?;
    if first.status == Status::Converged.name() || options.beta.is_none() {
        return Some(first);
    }
    let cold = FitOptions { theta: None, beta: None, extras: None, ..options.clone() };
    attempt(g, m, &cold, watched)
}

fn attempt(g: &GlmmSystem, m: &mut Modes, options: &FitOptions, watched: &Watched) -> Option<Outcome> {
    let (f, moved_on) = match search(g, m, options, &mut |_, _| !watched.stopped()) {
        Ok(s) if s.fit.objective.is_finite() => (s.fit, s.moved_on),
        Err(CoreError::Interrupted) => return None,
        _ => return Some(Outcome::failed(Status::NonFinite.name())),
    };
    let Ok(s) = m.solution(g) else {
        return Some(Outcome::failed(Status::NonFinite.name()));
    };
    let p = g.p();
    let estimates = Estimates {
        objective: f.objective,
        beta: s.beta,
        se: (0..p).map(|i| s.vcov_profiled[i * p + i].sqrt()).collect(),
        theta: f.point.theta,
        sigma: f.point.extras.first().copied().unwrap_or(1.0),
    };
    let converged = f.status == Status::Converged;
    let status = if converged && runs_away(g, m) { Status::Separated } else { f.status };
    let singular = f.null_dimensions.iter().any(|&d| d > 0);
    Some(Outcome { status: status.name(), singular, moved_on, estimates: Some(estimates) })
}

/// Whether a fixed effect looks as if it had no finite estimate, by the bordered system of the last solution.
fn runs_away(g: &GlmmSystem, m: &Modes) -> bool {
    let p = g.p();
    if p == 0 || !g.family.is_scale_free() {
        return false;
    }
    let mut s = vec![0.0; p * p];
    kernels::inverse_of_product::<0>(&m.rx, p, &mut s);
    (0..p).any(|j| m.beta[j].abs() > 3.0 && s[j * p + j].sqrt() > SEPARATED)
}
