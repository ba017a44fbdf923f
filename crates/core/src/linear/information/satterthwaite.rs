//! What Satterthwaite's degrees of freedom are made of: the curvature of the criterion, and how the
//! covariance of the fixed effects moves with the covariance parameters.
//!
//! With sigma at its optimum for every Lambda, the second derivatives of the criterion in (Lambda,
//! sigma) need not be formed: the covariance of both splits into that of Lambda, carried along the
//! profile, and that of sigma at the given Lambda.

use super::blocks::size_of;
use super::coordinates::{part, Coordinate, Interior};
use super::kenward_roger::runner;
use super::moments::Moments;
use super::{inverse_on_range, not_positive, root, At, GoOn};
use crate::dense::large;
use crate::error::CoreError;
use crate::layout::Frame;
use crate::linear::chart::directions;
use crate::linear::criterion::Evaluator;
use crate::linear::score::Score;
use crate::linear::system::System;

/// Curvatures below this share of the largest (of the criterion in steps of one size) carry no
/// information.
const FLAT: f64 = 1e-9;
/// Order of the tail up to which second derivatives are exact; beyond, differences of the exact
/// gradient cost less.
const EXACT: usize = 200;

/// Results; the residual variance is the unit of all variances, and the fixed effects are in the
/// coordinates of the module.
#[derive(Clone, Debug)]
pub struct Satterthwaite {
    /// Leads from contrasts of the columns as given to coordinates: p x p, row-major.
    pub root: Vec<f64>,
    /// Asymptotic covariance of the free coordinates of Lambda: twice the inverse of the curvature;
    /// m x m.
    pub covariance: Vec<f64>,
    /// Derivatives of the covariance of the fixed effects along them, sigma following: m x p x p.
    pub slopes: Vec<f64>,
    /// Number of coordinates.
    pub m: usize,
    /// Number of their combinations about which the criterion says nothing.
    pub flat: usize,
}

impl Satterthwaite {
    /// Degrees of freedom of each fixed effect; `nu` are those of the residual variance.
    pub fn of_columns(&self, nu: f64) -> Vec<f64> {
        let (m, p) = (self.m, self.root.len().isqrt());
        let mut slope = vec![0.0; m];
        let of = |row: &[f64]| {
            let length: f64 = row.iter().map(|v| v * v).sum();
            for (t, s) in slope.iter_mut().zip(self.slopes.chunks_exact((p * p).max(1))) {
                let along = |i: usize| s[i * p..(i + 1) * p].iter().zip(row).map(|(s, r)| s * r).sum::<f64>();
                *t = (0..p).map(|i| row[i] * along(i)).sum::<f64>() / length;
            }
            let along = |k: usize| self.covariance[k * m..(k + 1) * m].iter().zip(&slope).map(|(c, s)| c * s);
            let spread: f64 = (0..m).map(|k| slope[k] * along(k).sum::<f64>()).sum();
            // sigma^2 at given Lambda adds 2 / nu to the relative variance of a variance
            2.0 / (spread + 2.0 / nu)
        };
        self.root.chunks_exact(p.max(1)).map(of).collect()
    }
}

/// Curvature and slopes about a fit.
///
/// # Errors
/// A theta at which the system is not positive definite, or a stop.
pub fn satterthwaite(
    sys: &System,
    e: &mut Evaluator,
    score: &mut Score,
    at: At<'_>,
    go_on: GoOn<'_>,
) -> Result<Satterthwaite, CoreError> {
    let interior = Interior::of(sys, at);
    e.lambda.iter_mut().for_each(|l| l.fill(0.0));
    interior.write(sys, &mut e.lambda);
    e.criterion(sys, at.reml).map_err(not_positive)?;
    e.solve_effects(sys, score);
    let root = root(sys, e);
    let (curvature, slopes) = if size_of(sys).0 <= EXACT && sys.blocks.iter().all(|b| b.is_free) {
        let m = Moments::of(sys, e, score, runner(sys, at.n_threads, go_on))?;
        (exact_curvature(sys, e, &interior, &m, at.reml), exact_slopes(sys, e, &interior, &m))
    } else {
        differences(sys, e, score, &interior, at.reml, go_on)?
    };
    let m = interior.all.len();
    let step = |t: usize| interior.all[t / m].step * interior.all[t % m].step;
    let scaled: Vec<f64> = (0..m * m).map(|t| 0.5 * (curvature[t] + curvature[t % m * m + t / m]) * step(t)).collect();
    let (inverse, flat) = inverse_on_range(&scaled, m, FLAT)
        .ok_or_else(|| CoreError::Degenerate("the curvature of the criterion is not finite".into()))?;
    let covariance = (0..m * m).map(|t| 2.0 * inverse[t] * step(t)).collect();
    Ok(Satterthwaite { root, covariance, slopes, m, flat })
}

/// For each coordinate the sums over parameters, weighted by the derivatives of D, of matrices.
fn combined(weights: &[f64], of: &[Vec<f64>], m: usize) -> Vec<Vec<f64>> {
    let n = of.len();
    let size = of.first().map_or(0, Vec::len);
    (0..m)
        .map(|k| {
            let mut out = vec![0.0; size];
            for (r, v) in of.iter().enumerate().filter(|(r, _)| weights[k * n + r] != 0.0) {
                out.iter_mut().zip(v).for_each(|(t, x)| *t += weights[k * n + r] * x);
            }
            out
        })
        .collect()
}

/// Second derivatives of the criterion with sigma profiled out.
///
/// H_kl = - tr(B A_k B A_l) + 2 <B - (nu/r2) g g', dL_k dL_l'> + 2 (nu/r2) y'P V_k P V_l P y -
/// (nu/r2^2) rdot_k rdot_l, where B is Z'PZ (REML) or Z'V^-1Z (ML), A_k the derivative of D and
/// rdot_k = -g'A_k g.
pub(super) fn exact_curvature(
    sys: &System,
    e: &Evaluator,
    interior: &Interior,
    moments: &Moments,
    reml: bool,
) -> Vec<f64> {
    let (m, n, p, w) = (interior.all.len(), moments.parameters.len(), sys.p(), moments.width);
    let a = interior.derivatives(sys);
    let first = combined(&a, &moments.p, m);
    // sums over both parameters, one after the other
    let mut second = Vec::with_capacity(m * m);
    let halves: Vec<Vec<Vec<f64>>> = (0..n).map(|r| combined(&a, &moments.q[r * n..(r + 1) * n], m)).collect();
    for k in 0..m {
        for l in 0..m {
            let mut out = vec![0.0; w * w];
            for r in (0..n).filter(|r| a[k * n + r] != 0.0) {
                out.iter_mut().zip(&halves[r][l]).for_each(|(t, x)| *t += a[k * n + r] * x);
            }
            second.push(out);
        }
    }
    let rate = sys.nu(reml) / e.r2;
    let mut out = vec![0.0; m * m];
    for k in 0..m {
        for l in 0..m {
            let hh: f64 = (0..n * n).map(|t| a[k * n + t / n] * a[l * n + t % n] * moments.traces[t]).sum();
            let mut v = -hh;
            if reml {
                for i in 0..p {
                    v += 2.0 * second[k * m + l][i * w + i];
                    v -= (0..p).map(|j| first[k][i * w + j] * first[l][j * w + i]).sum::<f64>();
                }
            }
            let through: f64 = (0..p).map(|i| first[k][i * w + p] * first[l][i * w + p]).sum();
            v += 2.0 * rate * (second[k * m + l][p * w + p] - through);
            v -= rate / e.r2 * first[k][p * w + p] * first[l][p * w + p];
            out[k * m + l] = v + curvature_of_lambda(sys, interior, moments, (k, l), rate, reml);
        }
    }
    out
}

/// 2 <B - (nu/r2) g g', dL_k dL_l'>: nonzero for two coordinates in one column of one block.
fn curvature_of_lambda(
    sys: &System,
    interior: &Interior,
    moments: &Moments,
    (k, l): (usize, usize),
    rate: f64,
    reml: bool,
) -> f64 {
    let (a, b) = (interior.all[k], interior.all[l]);
    if a.block != b.block || a.j != b.j {
        return 0.0;
    }
    let (block, frame) = (sys.blocks[a.block], &interior.frames[a.block]);
    let (kf, p, w) = (sys.factors[block.factor].k, sys.p(), moments.width);
    let mut sum = 0.0;
    for x in 0..block.k {
        for y in 0..block.k {
            let at = (block.offset + x) * kf + block.offset + y;
            let cross = &moments.cross[block.factor][at];
            let mut v = moments.own[block.factor][at] - rate * cross[p * w + p];
            if reml {
                v -= (0..p).map(|i| cross[i * w + i]).sum::<f64>();
            }
            sum += frame.u[x * block.k + a.i] * v * frame.u[y * block.k + b.i];
        }
    }
    2.0 * sum
}

/// F'A_k F + rdot_k / r2.
pub(super) fn exact_slopes(sys: &System, e: &Evaluator, interior: &Interior, moments: &Moments) -> Vec<f64> {
    let (m, p, w) = (interior.all.len(), sys.p(), moments.width);
    let a = interior.derivatives(sys);
    let mut out = Vec::with_capacity(m * p * p);
    for first in combined(&a, &moments.p, m) {
        let rate = -first[p * w + p] / e.r2;
        out.extend((0..p * p).map(|t| first[t / p * w + t % p] + if t / p == t % p { rate } else { 0.0 }));
    }
    out
}

/// The same by central differences of the exact gradient and of the covariance of the fixed
/// effects.
pub(super) fn differences(
    sys: &System,
    e: &mut Evaluator,
    score: &mut Score,
    interior: &Interior,
    reml: bool,
    go_on: GoOn<'_>,
) -> Result<(Vec<f64>, Vec<f64>), CoreError> {
    let (m, p, w) = (interior.all.len(), sys.p(), sys.cp.pw);
    // at the fit, where the coordinates belong
    let (rx, r2) = (e.rxx.clone(), e.r2);
    let (mut curvature, mut slopes) = (vec![0.0; m * m], Vec::with_capacity(m * p * p));
    for (k, c) in interior.all.iter().enumerate() {
        let mut sides = Vec::with_capacity(2);
        for sign in [1.0, -1.0] {
            if !go_on() {
                return Err(CoreError::Interrupted);
            }
            interior.write_moved(sys, c, sign * c.step, &mut e.lambda);
            e.criterion(sys, reml).map_err(not_positive)?;
            e.score(sys, reml, score);
            let covariance: Vec<f64> = score.s.iter().map(|v| v * e.r2 / r2).collect();
            let frames = interior.frames_moved(sys, c, sign * c.step);
            sides.push((gradient(sys, interior, &frames, score), covariance));
        }
        for l in 0..m {
            curvature[k * m + l] = (sides[0].0[l] - sides[1].0[l]) / (2.0 * c.step);
        }
        let moved: Vec<f64> = sides[0].1.iter().zip(&sides[1].1).map(|(a, b)| (a - b) / (2.0 * c.step)).collect();
        slopes.extend(in_coordinates(&moved, &rx, p, w));
    }
    Ok((curvature, slopes))
}

/// The criterion's derivatives along the coordinates.
fn gradient(sys: &System, interior: &Interior, frames: &[Frame], score: &Score) -> Vec<f64> {
    let of = |c: &Coordinate| {
        let (b, frame) = (sys.blocks[c.block], &frames[c.block]);
        let gamma = part(&score.gamma[b.factor], sys.factors[b.factor].k, b);
        if !b.is_free {
            let along = &directions(sys, b, frame).0[c.i];
            return 2.0 * along.iter().zip(&gamma).map(|(d, g)| d * g).sum::<f64>();
        }
        2.0 * (0..b.k).map(|r| frame.u[r * b.k + c.i] * gamma[r * b.k + c.j]).sum::<f64>()
    };
    interior.all.iter().map(of).collect()
}

/// R'S R for the lower triangle R (rows of `width`) of p columns.
fn in_coordinates(s: &[f64], r: &[f64], p: usize, width: usize) -> Vec<f64> {
    let mut half = vec![0.0; p * p];
    if p >= large::MANY {
        let (r, mut out) = (super::packed(r, p, width), vec![0.0; p * p]);
        large::multiply(s, &r, p, p, p, &mut half);
        large::add_products_of_rows(&r, &half, p, p, p, &mut out);
        return out;
    }
    for i in 0..p {
        for j in 0..p {
            half[i * p + j] = (j..p).map(|l| s[i * p + l] * r[l * width + j]).sum();
        }
    }
    (0..p * p).map(|t| (t / p..p).map(|l| r[l * width + t / p] * half[l * p + t % p]).sum()).collect()
}
