//! Results in the units of the columns as given.

use super::criterion::Evaluator;
use super::score::Score;
use super::system::System;
use crate::blocks::PathSolver;
use crate::dense::{kernels, large};
use crate::model::Estimates;
use crate::rows::NewRows;
use crate::watch::is_stopped;

/// Estimates at one theta.
#[derive(Clone, Debug)]
pub struct Solution {
    /// Relative covariance parameters, in the order of factors and terms.
    pub theta: Vec<f64>,
    /// Fixed effects of the kept columns.
    pub beta: Vec<f64>,
    /// Their covariance matrix divided by sigma^2, row-major.
    pub vcov: Vec<f64>,
    /// Residual variance.
    pub sigma2: f64,
    /// Penalised residual sum of squares.
    pub pwrss: f64,
    /// REML criterion at these estimates.
    pub reml_criterion: f64,
    /// -2 log-likelihood at these estimates' theta (fixed effects and sigma profiled out).
    pub ml_deviance: f64,
    /// 2 log|R|.
    pub ldl2: f64,
    /// 2 log|R_X|, columns as given.
    pub ldrx2: f64,
    /// Spherical random effects: for each factor, levels x effects.
    pub u: Vec<Vec<f64>>,
    /// Random effects: for each factor, levels x effects.
    pub b: Vec<Vec<f64>>,
}

/// Criterion and gradient at one theta.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The criterion asked for.
    pub objective: f64,
    /// Its gradient with respect to theta.
    pub gradient: Vec<f64>,
}

impl Evaluator {
    /// Results at the Lambda last factored; the score's effects must belong to it.
    pub fn solution(&self, sys: &System, reml: bool, score: &Score) -> Solution {
        let (theta, turns) = sys.theta_from_lambda(&self.lambda);
        let scale2 = sys.basis.y_scale * sys.basis.y_scale;
        let log_2pi = (2.0 * std::f64::consts::PI).ln();
        let both = |reml: bool| {
            let nu = sys.nu(reml);
            let x = if reml { 2.0 * self.log_det_rx } else { 0.0 };
            self.log_det(reml) + x + nu * (1.0 + log_2pi + (self.r2 / nu).ln()) + sys.constant(reml)
        };
        Solution {
            theta,
            beta: sys.basis.beta_to_given(&score.beta),
            vcov: sys.vcov(&score.s),
            sigma2: self.r2 * scale2 / sys.nu(reml),
            pwrss: self.r2 * scale2,
            reml_criterion: both(true),
            ml_deviance: both(false),
            ldl2: self.log_det(false),
            ldrx2: 2.0 * self.log_det_rx - 2.0 * sys.basis.log_det_g(),
            u: sys.spherical(&turns, &score.u),
            b: sys.effects(&self.lambda, &score.u),
        }
    }

    /// What is kept of a replicate, at the Lambda last factored; the score's effects must belong to
    /// it.
    pub fn estimates(&self, sys: &System, reml: bool, score: &Score) -> Estimates {
        let p = sys.p();
        let nu = sys.nu(reml);
        let scale = sys.basis.y_scale;
        let sigma = scale * (self.r2 / nu).sqrt();
        let g = sys.basis.g();
        let covariance = (p >= large::MANY).then(|| sys.vcov(&score.s));
        let variance = |i: usize| -> f64 {
            if let Some(v) = &covariance {
                return v[i * p + i];
            }
            let row = &g[i * p..(i + 1) * p];
            (0..p).map(|a| row[a] * (0..p).map(|b| score.s[a * p + b] * row[b]).sum::<f64>()).sum()
        };
        let x = if reml { 2.0 * self.log_det_rx } else { 0.0 };
        let log_2pi = (2.0 * std::f64::consts::PI).ln();
        Estimates {
            objective: self.factor.log_det() + x + nu * (1.0 + log_2pi + (self.r2 / nu).ln()) + sys.constant(reml),
            beta: sys.basis.beta_to_given(&score.beta),
            se: (0..p).map(|i| sigma * variance(i).max(0.0).sqrt()).collect(),
            theta: sys.theta_from_lambda(&self.lambda).0,
            spread: sigma,
        }
    }

    /// Gradient with respect to theta as given, from a score at the Lambda last factored.
    pub fn gradient(&self, sys: &System, score: &Score) -> Vec<f64> {
        sys.gradient(&self.lambda, &score.gamma)
    }

    /// Criterion and gradient with respect to theta as given, at the Lambda of that theta.
    pub fn evaluation(&mut self, sys: &System, theta: &[f64], reml: bool, score: &mut Score) -> Option<Evaluation> {
        self.lambda = sys.lambda_from_theta(theta);
        let objective = self.criterion(sys, reml).ok()? + sys.constant(reml);
        self.score(sys, reml, score);
        let gradient = sys.pull_back(theta, &score.gamma).into_iter().map(|g| 2.0 * g).collect();
        Some(Evaluation { objective, gradient })
    }
}

/// New rows whose variances are found together.
const GROUP: usize = 128;

/// Variance of x'(b^ - b) + z'(u^ - u), divided by sigma^2, for new rows (columns `x` are the kept
/// ones, as given).
pub fn predict_variance(sys: &System, e: &Evaluator, x: &[&[f64]], factors: &[NewRows<'_>], n_rows: usize) -> Vec<f64> {
    let pw = sys.cp.pw;
    let p = pw - 1;
    let g = sys.basis.g();
    let rx = e.root_of_fixed();
    let lambdas: Vec<Vec<f64>> = (0..sys.terms.len()).map(|f| sys.given_lambda(&e.lambda, f)).collect();
    let mut out = vec![0.0; n_rows];
    let mut paths = PathSolver::new(&e.factor, 1);
    let (mut c, mut row) = (vec![0.0; p * GROUP], vec![0.0; p]);
    for start in (0..n_rows).step_by(GROUP) {
        if is_stopped() {
            break;
        }
        let stop = (start + GROUP).min(n_rows);
        let width = stop - start;
        paths.begin(width);
        let mut take = |column: usize, row: usize, v: f64, c: &mut [f64]| {
            out[start + column] += v * v;
            for j in 0..p {
                c[j * width + column] -= e.rzw[row * pw + j] * v;
            }
        };
        for r in start..stop {
            let column = r - start;
            if p >= large::MANY {
                row.fill(0.0);
                for (x, g) in x.iter().zip(g.chunks_exact(p)).filter(|(x, _)| x[r] != 0.0) {
                    row.iter_mut().zip(g).for_each(|(t, g)| *t += x[r] * g);
                }
                (0..p).for_each(|j| c[j * width + column] = row[j]);
            } else {
                for j in 0..p {
                    c[j * width + column] = (0..p).map(|i| x[i][r] * g[i * p + j]).sum();
                }
            }
            for (f, new) in factors.iter().enumerate() {
                let k = sys.factors[f].k;
                let z: Vec<f64> = new.z.iter().map(|z| z[r]).collect();
                let mut v = vec![0.0; k];
                kernels::transposed_multiply(&lambdas[f], &z, k, k, 1, &mut v);
                let places = new.members.map_or(r..r + 1, |m| m.of_row(r));
                for i in places.filter(|&i| new.codes[i] >= 0) {
                    let weight = new.members.map_or(1.0, |m| m.weight[i]);
                    let v: Vec<f64> = v.iter().map(|v| weight * v).collect();
                    paths.place(column, f, new.codes[i] as usize, &v);
                }
            }
            paths.run(column, |row, v| take(column, row, v[0], &mut c));
        }
        let (first, solved) = paths.finish();
        for (d, row) in solved.chunks_exact(width).enumerate() {
            row.iter().enumerate().for_each(|(column, &v)| take(column, first + d, v, &mut c));
        }
        if p >= large::MANY {
            large::forward(&rx, p, &mut c[..p * width], width);
        } else {
            kernels::forward::<0>(&rx, p, &mut c[..p * width], width);
        }
        for row in c[..p * width].chunks_exact(width) {
            out[start..stop].iter_mut().zip(row).for_each(|(o, v)| *o += v * v);
        }
    }
    out
}
