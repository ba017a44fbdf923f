//! What is kept of the fits of replicates.

use super::workers::Watched;
use crate::linear::{search, Begin, Estimates, Evaluator, FitOptions, Frame, Score, Status, System};

/// Status of a replicate whose rows do not determine all fixed effects.
pub(super) const RANK_DEFICIENT: &str = "rank_deficient";

/// One replicate.
pub(super) struct Outcome {
    pub status: &'static str,
    /// Whether some direction of the random effects has no variance.
    pub singular: bool,
    /// Whether the lowest valley was found from another start than the first.
    pub moved_on: bool,
    /// None where there is no fit.
    pub estimates: Option<Estimates>,
}

impl Outcome {
    /// A replicate that could not be fitted.
    pub fn failed(status: &'static str) -> Self {
        Outcome { status, singular: false, moved_on: false, estimates: None }
    }
}

/// Fits the response that stands in `sys`; none if stopped. `start` of none begins at the method of moments.
pub(super) fn outcome(
    sys: &System,
    e: &mut Evaluator,
    score: &mut Score,
    start: Option<&[Frame]>,
    options: FitOptions,
    watched: &Watched,
) -> Option<Outcome> {
    let mut go_on = |_: usize, _: f64| !watched.stopped();
    let begin = start.map_or(Begin::Anywhere, |f| Begin::Truth(f.to_vec()));
    let found = search(sys, e, score, begin, options, &mut go_on).ok()?;
    let f = found.fit;
    let estimates = (f.status != Status::NonFinite).then(|| e.estimates(sys, options.reml, score));
    let singular = f.frames.iter().any(|f| f.s.contains(&0.0));
    Some(Outcome { status: f.status.name(), singular, moved_on: found.moved_on, estimates })
}

/// Results of the finished replicates, one row each; NaN where there was no fit.
#[derive(Default)]
pub struct Replicates {
    /// Number of each replicate, ascending.
    pub number: Vec<i64>,
    /// Criterion.
    pub objective: Vec<f64>,
    /// Fixed effects, m x p.
    pub beta: Vec<f64>,
    /// Their standard errors, m x p.
    pub se: Vec<f64>,
    /// Relative covariance parameters, m x n_theta.
    pub theta: Vec<f64>,
    /// Residual standard deviations.
    pub sigma: Vec<f64>,
    /// How each fit ended.
    pub status: Vec<&'static str>,
    /// Whether it ended on the boundary.
    pub singular: Vec<bool>,
    /// Whether its lowest valley was found from another start than the first.
    pub moved_on: Vec<bool>,
}

impl Replicates {
    /// Gathers the results of a model with p fixed effects and n_theta covariance parameters.
    pub(super) fn gather(all: Vec<(usize, Outcome)>, p: usize, n_theta: usize) -> Self {
        let mut out = Replicates::default();
        let nan = std::iter::repeat(f64::NAN);
        for (i, r) in all {
            out.number.push(i as i64);
            out.status.push(r.status);
            out.singular.push(r.singular);
            out.moved_on.push(r.moved_on);
            match r.estimates {
                Some(e) => {
                    out.objective.push(e.objective);
                    out.beta.extend(e.beta);
                    out.se.extend(e.se);
                    out.theta.extend(e.theta);
                    out.sigma.push(e.sigma);
                }
                None => {
                    out.objective.push(f64::NAN);
                    out.beta.extend(nan.clone().take(p));
                    out.se.extend(nan.clone().take(p));
                    out.theta.extend(nan.clone().take(n_theta));
                    out.sigma.push(f64::NAN);
                }
            }
        }
        out
    }
}
