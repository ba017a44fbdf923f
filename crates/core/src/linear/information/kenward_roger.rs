//! Kenward and Roger's adjusted covariance of the fixed effects and what their degrees of freedom
//! are made of.

use super::blocks::size_of;
use super::moments::Moments;
use super::natural::{Bend, Parameters};
use super::{inverse_on_range, not_positive, root, At, GoOn, Runner};
use crate::dense::{kernels, large};
use crate::error::CoreError;
use crate::linear::criterion::Evaluator;
use crate::linear::score::Score;
use crate::linear::system::System;
use faer::Par;

/// Information whose reciprocal condition is below this (in units of what would be known were the
/// fixed effects known) is inverted on its range only: of a random effect that the fixed effects
/// explain nothing is left but rounding errors.
const SINGULAR: f64 = 1e-10;
/// Order of the tail from which on its products are worth sharing among threads.
const SHARED: usize = 256;
/// Bytes for each two pairs of a factor's effects.
const BYTES_OF_PAIRS: f64 = 24.0;

/// Results; the residual variance is the unit of all variances, and the fixed effects are in the
/// coordinates of the module.
#[derive(Clone, Debug)]
pub struct KenwardRoger {
    /// Leads from contrasts of the columns as given to coordinates: p x p, row-major.
    pub root: Vec<f64>,
    /// Adjusted covariance, p x p.
    pub adjusted: Vec<f64>,
    /// Derivatives of the precision by the variance parameters, the residual variance last: r x p x
    /// p.
    pub slopes: Vec<f64>,
    /// Asymptotic covariance of the variance parameters, r x r.
    pub weights: Vec<f64>,
    /// Number of combinations of them about which the response says nothing.
    pub flat: usize,
}

/// Of so many threads, how many the work for a system is worth.
pub fn threads_worth(sys: &System, n_threads: usize) -> usize {
    if size_of(sys).0 >= SHARED {
        n_threads
    } else {
        1
    }
}

/// Dense products for a system.
pub(super) fn runner<'a>(sys: &System, n_threads: usize, go_on: GoOn<'a>) -> Runner<'a> {
    let n = threads_worth(sys, n_threads);
    Runner { par: if n > 1 { Par::rayon(n) } else { Par::Seq }, go_on }
}

/// Computes them with the expected information at a theta; `memory` is how many bytes dense
/// matrices may take, and `linear` leaves out second derivatives of V.
///
/// # Errors
/// Matrices that would take more memory, a theta at which the system is not positive definite, or a
/// stop.
pub fn kenward_roger(
    sys: &System,
    e: &mut Evaluator,
    score: &mut Score,
    at: At<'_>,
    (memory, linear): (f64, bool),
    go_on: GoOn<'_>,
) -> Result<KenwardRoger, CoreError> {
    let (order, mut bytes) = size_of(sys);
    bytes += sys.factors.iter().map(|f| BYTES_OF_PAIRS * (f.k as f64).powi(4)).sum::<f64>();
    if bytes > memory {
        return Err(CoreError::Refused { order, bytes, memory });
    }
    e.lambda = sys.lambda_from_theta(at.theta);
    e.criterion(sys, at.reml).map_err(not_positive)?;
    e.solve_effects(sys, score);
    let own = Parameters::at(sys, at.theta).ok_or_else(|| {
        CoreError::Degenerate(
            "an effect of a structure with a variance for each has none, where it has no slope".into(),
        )
    })?;
    let m = Moments::along(sys, e, score, runner(sys, at.n_threads, go_on), (own.directions, own.share))?;
    from_moments(sys, &m, root(sys, e), if linear { &[] } else { &own.bends })
}

fn from_moments(sys: &System, m: &Moments, root: Vec<f64>, bends: &[Bend]) -> Result<KenwardRoger, CoreError> {
    let p = sys.p();
    let (slopes, q, traces) = pieces(sys, m);
    let r = slopes.len();
    let mut products = vec![Vec::new(); r * r];
    let mut information = vec![0.0; r * r];
    for i in 0..r {
        for j in 0..r {
            let mut pp = vec![0.0; p * p];
            if p >= large::MANY {
                large::multiply(&slopes[i], &slopes[j], p, p, p, &mut pp);
            } else {
                kernels::multiply(&slopes[i], &slopes[j], p, p, p, &mut pp);
            }
            information[i * r + j] = traces[i * r + j] - 2.0 * trace(&q[i * r + j], p) + trace(&pp, p);
            products[i * r + j] = pp;
        }
    }
    let (weights, flat) = inverse_of_information(&mut information, &traces, &m.d)?;
    let mut middle = vec![0.0; p * p];
    for t in 0..r * r {
        for (s, v) in middle.iter_mut().enumerate() {
            *v += weights[t] * (q[t][s] - products[t][s]);
        }
    }
    for bend in bends {
        // off the diagonal both orders of the pair
        let twice = if bend.pair.0 == bend.pair.1 { 1.0 } else { 2.0 };
        let weight = 0.25 * twice * weights[bend.pair.0 * r + bend.pair.1];
        for &(i, j, v) in &bend.second.pairs {
            let cross = &m.cross[bend.second.factor][i * sys.factors[bend.second.factor].k + j];
            (0..p * p).for_each(|t| middle[t] -= weight * v * cross[t / p * m.width + t % p]);
        }
    }
    // 1 + 2 * the symmetric part
    let adjusted = (0..p * p).map(|t| f64::from(t / p == t % p) + middle[t] + middle[t % p * p + t / p]).collect();
    Ok(KenwardRoger { root, adjusted, slopes: slopes.concat(), weights, flat })
}

/// Twice the inverse, and how many combinations it leaves out: these are taken as known multiples
/// of the residual variance. `known` is the information were the fixed effects known, whose
/// diagonal gives the units, and `d` the variances of the random effects.
fn inverse_of_information(information: &mut [f64], known: &[f64], d: &[f64]) -> Result<(Vec<f64>, usize), CoreError> {
    let r = d.len() + 1;
    let scale: Vec<f64> = (0..r)
        .map(|i| {
            let s = known[i * r + i].abs().sqrt();
            if s > 0.0 {
                s
            } else {
                1.0
            }
        })
        .collect();
    for t in 0..r * r {
        information[t] /= scale[t / r] * scale[t % r];
    }
    let (mut weights, flat) = inverse_on_range(information, r, SINGULAR)
        .ok_or_else(|| CoreError::Degenerate("the information about the variances is not finite".into()))?;
    if flat > 0 {
        // of the parameters themselves what lies outside the range follows the residual variance,
        // the last of them
        let own: Vec<f64> = (0..r).map(|i| scale[i] * d.get(i).copied().unwrap_or(1.0)).collect();
        let times =
            |m: &[f64], v: &[f64]| -> Vec<f64> { (0..r).map(|i| (0..r).map(|j| m[i * r + j] * v[j]).sum()).collect() };
        let within = times(&weights, &times(information, &own));
        let unit = scale[r - 1];
        let beside: Vec<f64> = own.iter().zip(&within).map(|(a, b)| (a - b) / unit).collect();
        let last: Vec<f64> = (0..r).map(|i| weights[i * r + r - 1]).collect();
        for t in 0..r * r {
            let (i, j) = (t / r, t % r);
            weights[t] += beside[i] * last[j] + last[i] * beside[j] + beside[i] * beside[j] * last[r - 1];
        }
    }
    for t in 0..r * r {
        weights[t] *= 2.0 / (scale[t / r] * scale[t % r]);
    }
    Ok((weights, flat))
}

/// P_r, Q_rc and tr(V^-1 V_r V^-1 V_c), the residual variance last.
fn pieces(sys: &System, m: &Moments) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, Vec<f64>) {
    let (p, n) = (sys.p(), m.parameters.len());
    let r = n + 1;
    let leading = |full: &[f64]| -> Vec<f64> { (0..p * p).map(|t| full[t / p * m.width + t % p]).collect() };
    let px: Vec<Vec<f64>> = m.p.iter().map(|v| leading(v)).collect();
    let mut q = vec![Vec::new(); r * r];
    let mut traces = vec![0.0; r * r];
    let identity = |t: usize| f64::from(t / p == t % p);
    // sums over c of d_c Q_ac, which the residual parameter needs
    let mut with_d = vec![vec![0.0; p * p]; n];
    for a in 0..n {
        for c in 0..n {
            let found = leading(&m.q[a * n + c]);
            with_d[a].iter_mut().zip(&found).for_each(|(t, v)| *t += m.d[c] * v);
            traces[a * r + c] = m.traces[a * n + c];
            q[a * r + c] = found;
        }
    }
    for a in 0..n {
        let mixed: Vec<f64> = (0..p * p).map(|t| px[a][t] - with_d[a][t]).collect();
        q[n * r + a] = (0..p * p).map(|t| mixed[t % p * p + t / p]).collect();
        q[a * r + n] = mixed;
        let t = m.trace[a] - (0..n).map(|c| m.d[c] * m.traces[a * n + c]).sum::<f64>();
        traces[a * r + n] = t;
        traces[n * r + a] = t;
    }
    let fdf: Vec<f64> = (0..p * p).map(|t| (0..n).map(|a| m.d[a] * px[a][t]).sum()).collect();
    q[n * r + n] =
        (0..p * p).map(|t| identity(t) - 2.0 * fdf[t] + (0..n).map(|a| m.d[a] * with_d[a][t]).sum::<f64>()).collect();
    let hd: f64 = (0..n).map(|a| m.d[a] * m.trace[a]).sum();
    let hdhd: f64 = (0..n * n).map(|t| m.d[t / n] * m.d[t % n] * m.traces[t]).sum();
    traces[n * r + n] = sys.cp.n as f64 - 2.0 * hd + hdhd;
    let mut slopes: Vec<Vec<f64>> = px.iter().map(|v| v.iter().map(|x| -x).collect()).collect();
    slopes.push((0..p * p).map(|t| fdf[t] - identity(t)).collect());
    (slopes, q, traces)
}

fn trace(m: &[f64], p: usize) -> f64 {
    (0..p).map(|i| m[i * p + i]).sum()
}
