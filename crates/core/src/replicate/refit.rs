//! The same design fitted to many responses: only the cross-products with y change.

use crate::crossprod::transformed_z;
use crate::error::CoreError;
use crate::linear::{frames_of, search, Begin, Evaluator, FitOptions, Score, Solution, Status, System};
use crate::rows::Rows;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Results of all responses, one row each.
pub struct Refits {
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
    pub status: Vec<Status>,
}

/// \[Z X\] of all rows in the changed basis, weights applied: what a response is multiplied by.
pub(super) struct Design {
    x: Vec<f64>,
    z: Vec<Vec<f64>>,
}

impl Design {
    /// Of a system made from these rows.
    pub(super) fn of(rows: &Rows<'_>, sys: &System) -> Self {
        let n = rows.n();
        let p = sys.p();
        let mut w = vec![0.0; n * (p + 1)];
        crate::crossprod::transformed_w(rows, &sys.basis, 0..n, &mut w);
        let x = w.chunks_exact(p + 1).flat_map(|r| r[..p].iter().copied()).collect();
        let z = (0..rows.factors.len())
            .map(|f| {
                let mut out = vec![0.0; n * sys.factors[f].k];
                transformed_z(rows, &sys.basis, f, 0..n, &mut out);
                out
            })
            .collect();
        Design { x, z }
    }

    /// Replaces y in the cross-products of `sys`.
    pub(super) fn set_response(&self, rows: &Rows<'_>, sys: &mut System, y: &[f64]) {
        let n = y.len();
        let p = sys.p();
        let pw = p + 1;
        let centred = sys.basis.intercept.is_some();
        let mean = if centred { y.iter().sum::<f64>() / n as f64 } else { 0.0 };
        let ss: f64 = y.iter().map(|v| (v - mean).powi(2)).sum();
        let sd = (ss / n as f64).sqrt();
        let scale = if sd.is_finite() && sd > 0.0 { sd } else { 1.0 };
        sys.set_response_scale(mean, scale);
        for ztw in &mut sys.cp.ztw {
            ztw.chunks_exact_mut(pw).for_each(|r| r[p] = 0.0);
        }
        let mut wty = vec![0.0; pw];
        for (i, &v) in y.iter().enumerate() {
            let root = rows.weights.map_or(1.0, |w| w[i].sqrt());
            let v = root * (v - mean) / scale;
            for (t, &x) in wty.iter_mut().zip(&self.x[i * p..(i + 1) * p]) {
                *t += x * v;
            }
            wty[p] += v * v;
            for ((ztw, z), fr) in sys.cp.ztw.iter_mut().zip(&self.z).zip(&rows.factors) {
                let (k, l) = (z.len() / n, fr.codes[i] as usize);
                for j in 0..k {
                    ztw[(l * k + j) * pw + p] += z[i * k + j] * v;
                }
            }
        }
        for j in 0..pw {
            sys.cp.wtw[j * pw + p] = wty[j];
            sys.cp.wtw[p * pw + j] = wty[j];
        }
    }
}

/// Fits every column of `y` (column-major, n x m); each worker has a private copy of the system.
///
/// # Errors
/// [`CoreError::Interrupted`] when `keep_going` says so.
pub fn refit(
    rows: &Rows<'_>,
    sys: &System,
    y: &[f64],
    start: Option<&[f64]>,
    options: FitOptions,
    n_threads: usize,
    keep_going: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Refits, CoreError> {
    let n = rows.n();
    let m = y.len() / n.max(1);
    let p = sys.p();
    let nt = sys.n_theta;
    let design = Design::of(rows, sys);
    let stop = AtomicBool::new(false);
    let finished = AtomicUsize::new(0);
    let one = |work: &mut (System, Evaluator, Score), j: usize| -> Option<(Option<Solution>, Status)> {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let (sys, e, score) = work;
        design.set_response(rows, sys, &y[j * n..(j + 1) * n]);
        let begin = start.map_or(Begin::Anywhere, |t| Begin::Truth(frames_of(sys, &sys.lambda_from_theta(t))));
        let mut go_on = |_: usize, _: f64| !stop.load(Ordering::Relaxed);
        let f = search(sys, e, score, begin, options, &mut go_on).ok()?.fit;
        let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
        if !keep_going(done) {
            stop.store(true, Ordering::Relaxed);
        }
        let solution = (f.status != Status::NonFinite).then(|| e.solution(sys, options.reml, score));
        Some((solution, f.status))
    };
    let make = || {
        let s = sys.clone_for_refit();
        let e = Evaluator::new(&s, 1);
        let score = Score::new(&s);
        (s, e, score)
    };
    let all: Vec<_> = if n_threads > 1 && m > 1 {
        (0..m).into_par_iter().map_init(make, one).collect()
    } else {
        let mut work = make();
        (0..m).map(|j| one(&mut work, j)).collect()
    };
    let mut out = Refits {
        objective: Vec::with_capacity(m),
        beta: Vec::with_capacity(m * p),
        se: Vec::with_capacity(m * p),
        theta: Vec::with_capacity(m * nt),
        sigma: Vec::with_capacity(m),
        status: Vec::with_capacity(m),
    };
    for r in all {
        let (solution, status) = r.ok_or(CoreError::Interrupted)?;
        out.status.push(status);
        match solution {
            Some(s) => {
                out.objective.push(if options.reml { s.reml_criterion } else { s.ml_deviance });
                out.se.extend((0..p).map(|i| (s.vcov[i * p + i] * s.sigma2).sqrt()));
                out.beta.extend(s.beta);
                out.theta.extend(s.theta);
                out.sigma.push(s.sigma2.sqrt());
            }
            None => {
                out.objective.push(f64::NAN);
                out.se.extend(std::iter::repeat_n(f64::NAN, p));
                out.beta.extend(std::iter::repeat_n(f64::NAN, p));
                out.theta.extend(std::iter::repeat_n(f64::NAN, nt));
                out.sigma.push(f64::NAN);
            }
        }
    }
    Ok(out)
}
