//! The same generalized linear design fitted to many responses.

use crate::error::CoreError;
use crate::generalized::{search, FitOptions, GlmmSystem, Modes, Status};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Results of all responses, one row each.
#[derive(Default)]
pub struct GlmmRefits {
    /// -2 log-likelihood.
    pub objective: Vec<f64>,
    /// Fixed effects, m x p.
    pub beta: Vec<f64>,
    /// Their standard errors at known theta, m x p.
    pub se: Vec<f64>,
    /// Covariance parameters, m x n_theta.
    pub theta: Vec<f64>,
    /// Extra parameters of the family, m x E.
    pub extras: Vec<f64>,
    /// How each fit ended.
    pub status: Vec<Status>,
}

/// Fits every column of `y` (column-major, n x m, the caller's order of rows); each worker has a private copy of the model.
///
/// # Errors
/// [`CoreError::Interrupted`] when `keep_going` says so.
pub fn refit_glmm(
    g: &GlmmSystem,
    y: &[f64],
    options: &FitOptions,
    n_threads: usize,
    keep_going: &(dyn Fn(usize) -> bool + Sync),
) -> Result<GlmmRefits, CoreError> {
    let (n, p, nt, ne) = (g.n, g.p(), g.n_theta(), g.n_extras());
    let m = y.len() / n.max(1);
    let stop = AtomicBool::new(false);
    let finished = AtomicUsize::new(0);
    type One = (f64, Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>, Status);
    let one = |work: &mut (GlmmSystem, Modes), j: usize| -> Option<One> {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let (g, modes) = work;
        g.y = g.in_own_order(&y[j * n..(j + 1) * n]);
        let f = search(g, modes, options, &mut |_, _| !stop.load(Ordering::Relaxed)).ok().map(|s| s.fit);
        let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
        if !keep_going(done) {
            stop.store(true, Ordering::Relaxed);
        }
        let nan = |k: usize| vec![f64::NAN; k];
        Some(match f {
            Some(f) if f.objective.is_finite() => match modes.solution(g) {
                Ok(s) => {
                    let se = (0..p).map(|i| s.vcov_profiled[i * p + i].sqrt()).collect();
                    (f.objective, s.beta, se, f.point.theta, f.point.extras, f.status)
                }
                Err(_) => (f64::NAN, nan(p), nan(p), nan(nt), nan(ne), Status::NonFinite),
            },
            _ => (f64::NAN, nan(p), nan(p), nan(nt), nan(ne), Status::NonFinite),
        })
    };
    let make = || {
        let own = g.clone_for_refit();
        let modes = Modes::new(&own, 1);
        (own, modes)
    };
    let all: Vec<Option<One>> = if n_threads > 1 && m > 1 {
        (0..m).into_par_iter().map_init(make, one).collect()
    } else {
        let mut work = make();
        (0..m).map(|j| one(&mut work, j)).collect()
    };
    let mut out = GlmmRefits::default();
    for r in all {
        let (objective, beta, se, theta, extras, status) = r.ok_or(CoreError::Interrupted)?;
        out.objective.push(objective);
        out.beta.extend(beta);
        out.se.extend(se);
        out.theta.extend(theta);
        out.extras.extend(extras);
        out.status.push(status);
    }
    Ok(out)
}
