//! Densities of the covariance matrix of a random term.

use super::effects::inverted;
use super::number::OfNumber;
use crate::families::lgamma;

/// A density of a covariance matrix Sigma.
#[derive(Clone, Debug)]
pub enum OfCovariance {
    /// Wishart, with the inverse of its scale matrix and the log determinant of that matrix; none
    /// where the scale is infinite.
    Wishart {
        /// Degrees of freedom.
        df: f64,
        /// Scale.
        scale: Option<(Vec<f64>, f64)>,
    },
    /// Inverse Wishart, with its scale matrix and its log determinant.
    InverseWishart {
        /// Degrees of freedom.
        df: f64,
        /// Scale.
        scale: Vec<f64>,
        /// Log determinant of the matrix.
        log_det: f64,
    },
    /// Of the correlation matrix (Lewandowski, Kurowicka and Joe 2009).
    Lkj {
        /// Shape.
        eta: f64,
    },
    /// Of each standard deviation, or each variance.
    Each {
        /// Density.
        law: OfNumber,
        /// Whether of the variance.
        variance: bool,
    },
}

/// A prior of one random term.
#[derive(Clone, Debug)]
pub struct TermPrior {
    /// Its factor.
    pub factor: usize,
    /// Its number within the factor.
    pub term: usize,
    /// Density.
    pub law: OfCovariance,
    /// Whether it is that of Sigma / sigma^2.
    pub relative: bool,
}

/// log Gamma_k(a), without its power of pi.
fn multivariate_lgamma(a: f64, k: usize) -> f64 {
    let pi = 0.25 * (k * (k - 1)) as f64 * std::f64::consts::PI.ln();
    pi + (0..k).map(|j| lgamma(a - 0.5 * j as f64)).sum::<f64>()
}

/// Logarithm of the integral of |R|^(eta - 1) over correlation matrices of order k.
fn log_lkj(eta: f64, k: usize) -> f64 {
    (1..k)
        .map(|i| {
            let left = (k - i) as f64;
            let a = eta + 0.5 * (left - 1.0);
            (2.0 * eta - 2.0 + left) * left * std::f64::consts::LN_2 + left * (2.0 * lgamma(a) - lgamma(2.0 * a))
        })
        .sum()
}

impl OfCovariance {
    /// -2 log density at Sigma (k x k) and its derivative by the entries of Sigma, symmetric; none
    /// where the density is zero or not finite.
    pub fn penalty(&self, sigma: &[f64], k: usize) -> Option<(f64, Vec<f64>)> {
        let found = match self {
            OfCovariance::Wishart { df, scale } => {
                let (inverse, log_det) = inverted(sigma, k)?;
                let power = df - k as f64 - 1.0;
                let mut value = -power * log_det;
                let mut slope: Vec<f64> = inverse.iter().map(|v| -power * v).collect();
                if let Some((of_scale, scale_log_det)) = scale {
                    let trace: f64 = of_scale.iter().zip(sigma).map(|(a, b)| a * b).sum();
                    value += trace + df * (k as f64 * std::f64::consts::LN_2 + scale_log_det);
                    value += 2.0 * multivariate_lgamma(0.5 * df, k);
                    slope.iter_mut().zip(of_scale).for_each(|(s, v)| *s += v);
                }
                (value, slope)
            }
            OfCovariance::InverseWishart { df, scale, log_det: scale_log_det } => {
                let (inverse, log_det) = inverted(sigma, k)?;
                let power = df + k as f64 + 1.0;
                let trace: f64 = inverse.iter().zip(scale).map(|(a, b)| a * b).sum();
                let constant = df * (k as f64 * std::f64::consts::LN_2 - scale_log_det);
                let value = power * log_det + trace + constant + 2.0 * multivariate_lgamma(0.5 * df, k);
                // derivative of the trace: -Sigma^-1 S Sigma^-1
                let product = |a: &[f64], b: &[f64]| -> Vec<f64> {
                    (0..k * k).map(|t| (0..k).map(|c| a[t / k * k + c] * b[c * k + t % k]).sum()).collect()
                };
                let both = product(&product(&inverse, scale), &inverse);
                let slope = inverse.iter().zip(&both).map(|(i, b)| power * i - b).collect();
                (value, slope)
            }
            OfCovariance::Lkj { eta } => {
                let (inverse, log_det) = inverted(sigma, k)?;
                let of_r = log_det - (0..k).map(|i| sigma[i * k + i].ln()).sum::<f64>();
                let power = -2.0 * (eta - 1.0);
                let mut slope: Vec<f64> = inverse.iter().map(|v| power * v).collect();
                (0..k).for_each(|i| slope[i * k + i] -= power / sigma[i * k + i]);
                (power * of_r + 2.0 * log_lkj(*eta, k), slope)
            }
            OfCovariance::Each { law, variance } => {
                let (mut value, mut slope) = (0.0, vec![0.0; k * k]);
                for i in 0..k {
                    let s = sigma[i * k + i];
                    let (v, d) = if *variance {
                        law.penalty(s)
                    } else {
                        let t = s.sqrt();
                        let (v, d) = law.penalty(t);
                        // at zero the derivative by the standard deviation belongs to one side
                        (v, if t > 0.0 { d / (2.0 * t) } else { 0.0 })
                    };
                    value += v;
                    slope[i * k + i] = d;
                }
                (value, slope)
            }
        };
        (found.0.is_finite() && found.1.iter().all(|v| v.is_finite())).then_some(found)
    }

    /// Whether the density is zero wherever a direction of k effects has no variance.
    pub fn forbids_zero(&self, k: usize) -> bool {
        match self {
            OfCovariance::Wishart { df, .. } => *df > k as f64 + 1.0,
            OfCovariance::InverseWishart { .. } => true,
            // a correlation of one, not a standard deviation of zero
            OfCovariance::Lkj { .. } => false,
            OfCovariance::Each { law, .. } => {
                let at_zero = match law {
                    OfNumber::Gamma { shape, .. } => *shape > 1.0,
                    OfNumber::InverseGamma { .. } => true,
                    _ => false,
                };
                at_zero && k == 1
            }
        }
    }
}
