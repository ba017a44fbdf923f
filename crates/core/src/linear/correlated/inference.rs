//! What degrees of freedom of the fixed effects are made of.

use super::clusters::Correlated;
use super::criterion::{multiply, State};
use super::derivatives::Want;
use super::directions::Direction;
use crate::layout::Frame;
use crate::linear::chart::Chart;
use crate::optimize::trust_region::Eigen;

/// Curvatures below this share of the largest, in steps of one size, carry no information.
const FLAT: f64 = 1e-10;

/// Twice the inverse of a Hessian where it is positive, and in how many directions it is not.
fn twice_inverse(h: &[f64], m: usize) -> (Vec<f64>, usize) {
    let scale: Vec<f64> = (0..m).map(|i| h[i * m + i].abs().max(f64::MIN_POSITIVE).sqrt()).collect();
    let scaled: Vec<f64> =
        (0..m * m).map(|t| 0.5 * (h[t] + h[t % m * m + t / m]) / (scale[t / m] * scale[t % m])).collect();
    let Some(e) = Eigen::of(&scaled, m) else { return (vec![f64::NAN; m * m], m) };
    let least = FLAT * e.values.last().copied().unwrap_or(0.0);
    let kept: Vec<usize> = (0..m).filter(|&j| e.values[j] > least).collect();
    let entry = |i: usize, j: usize| -> f64 {
        kept.iter().map(|&c| e.vectors[i * m + c] * e.vectors[j * m + c] / e.values[c]).sum()
    };
    let out = (0..m * m).map(|t| 2.0 * entry(t / m, t % m) / (scale[t / m] * scale[t % m])).collect();
    (out, m - kept.len())
}

/// What Satterthwaite's degrees of freedom are made of, in coordinates in which the covariance of
/// the fixed effects is the identity times sigma^2.
pub struct Slopes {
    /// Leads from contrasts of the columns as given to coordinates: p x p.
    pub root: Vec<f64>,
    /// Derivatives of log-like changes of the covariance along each parameter: m x p x p.
    pub slopes: Vec<Vec<f64>>,
    /// Twice the inverse of the exact Hessian of the criterion in these parameters, m x m.
    pub covariance: Vec<f64>,
    /// Number of their combinations about which the criterion says nothing.
    pub flat: usize,
    /// How many of them are directions of the random effects; those of R follow.
    pub n_random: usize,
    /// Which coordinates of the chart these are.
    pub inside: Vec<usize>,
}

impl State {
    /// A root K of the covariance of the fixed effects as given, sigma^2 K K'.
    pub fn fixed_root(&self, model: &Correlated) -> Vec<f64> {
        let (q, p, w) = (model.q, model.p(), model.b() + 1);
        // R_X^-T, then as given
        let mut t = vec![0.0; p * p];
        for c in 0..p {
            for i in (0..p).rev() {
                let s: f64 = (i + 1..p).map(|j| self.root[(q + j) * w + q + i] * t[j * p + c]).sum();
                t[i * p + c] = (f64::from(i == c) - s) / self.root[(q + i) * w + q + i];
            }
        }
        multiply(&model.sys.basis.g(), &t, p, p, p)
    }

    /// R_X: p x p, lower.
    pub(super) fn lower_of_fixed(&self, model: &Correlated) -> Vec<f64> {
        let (q, p, w) = (model.q, model.p(), model.b() + 1);
        (0..p * p).map(|t| if t % p <= t / p { self.root[(q + t / p) * w + q + t % p] } else { 0.0 }).collect()
    }

    /// At frames that were evaluated last; directions without variance are left out.
    pub fn slopes_of_fixed(&self, model: &Correlated, reml: bool, frames: &[Frame]) -> Slopes {
        let sys = &model.sys;
        let chart = Chart::new(sys);
        let all = Direction::of_chart(sys, &chart, frames);
        let inside: Vec<usize> = (0..all.len()).filter(|&k| all[k].sigma.iter().any(|v| v.abs() > 1e-12)).collect();
        let d = self.derivatives(model, reml, &all, Want::Exact);
        let mut h = d.hessian.clone();
        let gamma: Vec<Vec<f64>> = d
            .psi
            .iter()
            .zip(&self.lambda)
            .map(|(psi, lambda)| {
                let k = psi.len().isqrt();
                multiply(psi, lambda, k, k, k)
            })
            .collect();
        let total = d.gradient.len();
        chart.add_bends(frames, &gamma, total, &mut h);
        let n_random = inside.len();
        let kept: Vec<usize> = inside.iter().copied().chain(all.len()..total).collect();
        let p = model.p();
        let lower = self.lower_of_fixed(model);
        // R_X^-1 (X'V^-1 dV V^-1 X) R_X^-T, and what sigma^2 does
        let slopes = kept
            .iter()
            .map(|&k| {
                let mut s = d.slopes[k].clone();
                super::criterion::solve_lower(&lower, p, &mut s, p);
                s = super::criterion::transposed(&s, p, p);
                super::criterion::solve_lower(&lower, p, &mut s, p);
                (0..p).for_each(|i| s[i * p + i] += d.rdot[k] / self.r2);
                s
            })
            .collect();
        let m = kept.len();
        // a range at its limit is taken as known
        let held = model.held_at_limit(self.z());
        let estimated: Vec<usize> = (0..m).filter(|&i| i < n_random || !held[i - n_random]).collect();
        let e = estimated.len();
        let at = |i: usize| kept[estimated[i]];
        let hessian: Vec<f64> = (0..e * e).map(|t| h[at(t / e) * total + at(t % e)]).collect();
        let (inverse, flat) = twice_inverse(&hessian, e);
        let mut covariance = vec![0.0; m * m];
        (0..e * e).for_each(|t| covariance[estimated[t / e] * m + estimated[t % e]] = inverse[t]);
        Slopes { root: self.fixed_root(model), slopes, covariance, flat, n_random, inside }
    }
}
