//! Estimates at the last evaluation.

use super::clusters::Correlated;
use super::criterion::{transposed_multiply, State};

/// See the module.
pub struct CorrelatedSolution {
    /// Covariance parameters of the random effects.
    pub theta: Vec<f64>,
    /// Fixed effects of the columns as given.
    pub beta: Vec<f64>,
    /// Their covariance divided by sigma^2.
    pub vcov: Vec<f64>,
    /// sigma^2.
    pub sigma2: f64,
    /// Penalised residual sum of squares.
    pub pwrss: f64,
    /// REML criterion.
    pub reml_criterion: f64,
    /// -2 log-likelihood.
    pub ml_deviance: f64,
    /// log|V|.
    pub ldl2: f64,
    /// log|X'V^-1X|.
    pub ldrx2: f64,
    /// Spherical random effects of each factor: levels x effects.
    pub u: Vec<Vec<f64>>,
    /// Random effects.
    pub b: Vec<Vec<f64>>,
}

impl State {
    /// The random effects of each factor in the changed basis: levels x effects.
    pub(super) fn random_effects(&self, model: &Correlated) -> Vec<Vec<f64>> {
        let gamma = self.border_effects(model);
        let mut out: Vec<Vec<f64>> = model.sys.factors.iter().map(|f| vec![0.0; f.k * f.n_levels]).collect();
        for (f, at) in model.border_at.iter().enumerate() {
            if let Some(at) = at {
                let len = out[f].len();
                out[f].copy_from_slice(&gamma[*at..at + len]);
            }
        }
        for (i, c) in model.clusters.iter().enumerate().filter(|(_, c)| c.m > 0) {
            let (m, width) = (c.m, c.width());
            let left: Vec<f64> = (0..m)
                .map(|r| {
                    let row = &self.gram[i][r * width + m..(r + 1) * width];
                    row[row.len() - 1] - c.border().iter().zip(row).map(|(&j, v)| gamma[j] * v).sum::<f64>()
                })
                .collect();
            let b = transposed_multiply(&self.d[i], &left, m, m, 1);
            for &(f, l, at) in &c.levels {
                let k = model.sys.factors[f].k;
                out[f][l * k..(l + 1) * k].copy_from_slice(&b[at..at + k]);
            }
        }
        out
    }

    /// The estimates.
    pub fn solution(&self, model: &Correlated, reml: bool) -> CorrelatedSolution {
        let sys = &model.sys;
        let (b, q) = (model.b(), model.q);
        let gamma = self.border_effects(model);
        let inverse = self.border_inverse(model, true);
        let s: Vec<f64> = (q..b).flat_map(|i| inverse[i * b + q..(i + 1) * b].to_vec()).collect();
        let (theta, _) = sys.theta_from_lambda(&self.lambda);
        let given = sys.lambda_from_theta(&theta);
        let scale = sys.basis.y_scale;
        let (mut of_u, mut of_b) = (Vec::new(), Vec::new());
        for (f, effects) in self.random_effects(model).into_iter().enumerate() {
            let k = sys.factors[f].k;
            let mut u = vec![0.0; effects.len()];
            let mut own = vec![0.0; effects.len()];
            for (l, e) in effects.chunks_exact(k).enumerate() {
                for (t, tl) in sys.terms[f].iter().enumerate() {
                    let part = sys.basis.terms[f][t].to_given(&e[tl.offset..tl.offset + tl.k], 1);
                    for (j, v) in part.iter().enumerate() {
                        own[l * k + tl.offset + j] = v * scale;
                    }
                }
                // effects = Lambda u
                let solved = least_squares(&given[f], e, k);
                (0..k).for_each(|j| u[l * k + j] = solved[j] * scale);
            }
            of_u.push(u);
            of_b.push(own);
        }
        let (log_det, log_det_rx) = self.log_dets();
        let both = |reml: bool| {
            let nu = sys.nu(reml);
            let x = if reml { log_det_rx } else { 0.0 };
            log_det + x + nu * (1.0 + (2.0 * std::f64::consts::PI * self.r2 / nu).ln()) + sys.constant(reml)
        };
        CorrelatedSolution {
            theta,
            beta: sys.basis.beta_to_given(&gamma[q..]),
            vcov: sys.vcov(&s),
            sigma2: self.r2 * scale * scale / sys.nu(reml),
            pwrss: self.r2 * scale * scale,
            reml_criterion: both(true),
            ml_deviance: both(false),
            ldl2: log_det,
            ldrx2: log_det_rx - 2.0 * sys.basis.log_det_g(),
            u: of_u,
            b: of_b,
        }
    }
}

/// The shortest x with a x = b for a lower triangle or any k x k matrix of low rank.
fn least_squares(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    use crate::optimize::trust_region::Eigen;
    let aa: Vec<f64> = (0..k * k).map(|t| (0..k).map(|i| a[i * k + t / k] * a[i * k + t % k]).sum::<f64>()).collect();
    let ab: Vec<f64> = (0..k).map(|j| (0..k).map(|i| a[i * k + j] * b[i]).sum::<f64>()).collect();
    let Some(e) = Eigen::of(&aa, k) else { return vec![0.0; k] };
    let least = 1e-14 * e.values.last().copied().unwrap_or(0.0);
    let c = e.components(&ab);
    (0..k)
        .map(|i| (0..k).filter(|&j| e.values[j] > least).map(|j| e.vectors[i * k + j] * c[j] / e.values[j]).sum())
        .collect()
}
