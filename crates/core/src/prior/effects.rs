//! Densities of fixed effects.

use super::number::NumberPrior;
use super::LOG_2PI;
use crate::dense::kernels;
use crate::families::lgamma;

/// A density of several fixed effects.
#[derive(Clone, Debug)]
pub enum OfEffects {
    /// Jointly normal with a precision matrix (row-major) and the log determinant of its inverse;
    /// `relative`: of the effects divided by sigma.
    Normal {
        /// Inverse of the matrix.
        precision: Vec<f64>,
        /// Log determinant of the matrix.
        log_det: f64,
        /// Whether it is of the effects divided by sigma.
        relative: bool,
    },
    /// Independent, each with a density of its own.
    Each(Vec<NumberPrior>),
    /// Multivariate Student's t with the inverse of its scale matrix and the log determinant of
    /// that matrix.
    Joint {
        /// Degrees of freedom.
        df: f64,
        /// Inverse of the matrix.
        precision: Vec<f64>,
        /// Log determinant of the matrix.
        log_det: f64,
    },
}

/// A prior of some fixed effects.
#[derive(Clone, Debug)]
pub struct EffectsPrior {
    /// Their numbers among the columns in use.
    pub at: Vec<usize>,
    /// Their means.
    pub mean: Vec<f64>,
    /// Their density.
    pub law: OfEffects,
}

/// Inverse and log determinant of a positive definite matrix; none where it is not.
pub fn inverted(matrix: &[f64], k: usize) -> Option<(Vec<f64>, f64)> {
    let mut root = matrix.to_vec();
    if !kernels::cholesky::<0>(&mut root, k) {
        return None;
    }
    let mut inverse = vec![0.0; k * k];
    kernels::inverse_of_product::<0>(&root, k, &mut inverse);
    Some((inverse, (0..k).map(|i| 2.0 * root[i * k + i].ln()).sum()))
}

impl EffectsPrior {
    /// P (b - m) and the quadratic form of b - m.
    fn form(&self, beta: &[f64], precision: &[f64]) -> (Vec<f64>, f64) {
        let m = self.at.len();
        let d: Vec<f64> = self.at.iter().zip(&self.mean).map(|(&j, m)| beta[j] - m).collect();
        let pd: Vec<f64> = (0..m).map(|i| (0..m).map(|j| precision[i * m + j] * d[j]).sum()).collect();
        let q = pd.iter().zip(&d).map(|(a, b)| a * b).sum();
        (pd, q)
    }

    /// -2 log density of fixed effects as given; its derivative is added to `slope`. Of a relative
    /// prior sigma is one.
    pub fn penalty(&self, beta: &[f64], slope: &mut [f64]) -> f64 {
        let k = self.at.len() as f64;
        match &self.law {
            OfEffects::Normal { precision, log_det, .. } => {
                let (pd, q) = self.form(beta, precision);
                self.at.iter().zip(&pd).for_each(|(&j, v)| slope[j] += 2.0 * v);
                k * LOG_2PI + log_det + q
            }
            OfEffects::Joint { df, precision, log_det } => {
                let (pd, q) = self.form(beta, precision);
                let weight = (df + k) / (df + q);
                self.at.iter().zip(&pd).for_each(|(&j, v)| slope[j] += 2.0 * weight * v);
                let constant = lgamma(0.5 * (df + k)) - lgamma(0.5 * df) - 0.5 * k * (df * std::f64::consts::PI).ln();
                -2.0 * constant + log_det + (df + k) * (q / df).ln_1p()
            }
            OfEffects::Each(laws) => {
                let mut total = 0.0;
                for ((&j, m), law) in self.at.iter().zip(&self.mean).zip(laws) {
                    let (v, d) = law.penalty(beta[j] - m);
                    total += v;
                    slope[j] += d;
                }
                total
            }
        }
    }

    /// The normal density as rows of data: precision, whether it is relative, and the part of
    /// -2 log density that is free of the effects (at sigma one). None for another density.
    pub fn as_rows(&self) -> Option<(&[f64], bool, f64)> {
        match &self.law {
            OfEffects::Normal { precision, log_det, relative } => {
                Some((precision, *relative, self.at.len() as f64 * LOG_2PI + log_det))
            }
            _ => None,
        }
    }

    /// The quadratic form of a normal density at effects as given.
    pub fn quadratic(&self, beta: &[f64]) -> f64 {
        self.as_rows().map_or(0.0, |(precision, _, _)| self.form(beta, precision).1)
    }
}
