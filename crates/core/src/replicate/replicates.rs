//! What is kept of the fits of replicates.

use crate::model::Outcome;

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
    /// Covariance parameters, m x n_theta.
    pub theta: Vec<f64>,
    /// Residual standard deviations, or dispersions of the family.
    pub spread: Vec<f64>,
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
            out.singular.push(r.is_singular());
            out.moved_on.push(r.moved_on);
            match r.estimates {
                Some(e) => {
                    out.objective.push(e.objective);
                    out.beta.extend(e.beta);
                    out.se.extend(e.se);
                    out.theta.extend(e.theta);
                    out.spread.push(e.spread);
                }
                None => {
                    out.objective.push(f64::NAN);
                    out.beta.extend(nan.clone().take(p));
                    out.se.extend(nan.clone().take(p));
                    out.theta.extend(nan.clone().take(n_theta));
                    out.spread.push(f64::NAN);
                }
            }
        }
        out
    }
}
