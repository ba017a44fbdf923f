//! Results in the units of the columns as given.

use super::criterion::Evaluated;
use super::moments::Moments;
use crate::dense::kernels;
use std::f64::consts::PI;

/// Estimates at one R.
pub struct Solution {
    /// Fixed effects of the kept columns.
    pub beta: Vec<f64>,
    /// Their covariance divided by sigma^2.
    pub vcov: Vec<f64>,
    /// sigma^2.
    pub sigma2: f64,
    /// Weighted residual sum of squares.
    pub rss: f64,
    /// REML criterion.
    pub reml_criterion: f64,
    /// -2 log-likelihood.
    pub ml_deviance: f64,
    /// log|R|, weights accounted for.
    pub log_det: f64,
    /// log|X'WX|.
    pub log_det_x: f64,
}

impl Evaluated {
    /// A root of the covariance of the fixed effects of the columns as given, divided by sigma^2.
    pub fn given_root(&self, m: &Moments) -> Vec<f64> {
        let p = m.p();
        let mut root = vec![0.0; p * p];
        (0..p).for_each(|i| root[i * p + i] = 1.0);
        kernels::backward::<0>(&self.root_of_fixed(), p, &mut root, p);
        let mut out = vec![0.0; p * p];
        kernels::multiply(&m.basis.g(), &root, p, p, p, &mut out);
        out
    }

    /// Results at this R.
    pub fn solution(&self, m: &Moments) -> Solution {
        let p = m.p();
        let g = m.basis.g();
        let mut half = vec![0.0; p * p];
        kernels::multiply(&g, &self.inverse, p, p, p, &mut half);
        let vcov = (0..p * p).map(|t| (0..p).map(|c| half[t / p * p + c] * g[t % p * p + c]).sum()).collect();
        let rss = self.r2 * m.basis.y_scale.powi(2);
        let both = |reml: bool| {
            let nu = m.nu(reml);
            let x = if reml { 2.0 * self.log_det_rx } else { 0.0 };
            self.log_det + x + nu * (1.0 + (2.0 * PI * self.r2 / nu).ln()) + m.constant(reml)
        };
        Solution {
            beta: m.basis.beta_to_given(&self.beta),
            vcov,
            sigma2: rss / m.nu(self.reml),
            rss,
            reml_criterion: both(true),
            ml_deviance: both(false),
            log_det: self.log_det + m.log_det_weights,
            log_det_x: 2.0 * self.log_det_rx - 2.0 * m.basis.log_det_g(),
        }
    }
}
