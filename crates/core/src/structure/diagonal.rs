//! Independent effects: theta is the diagonal of lambda.

use super::CovarianceStructure;

/// See the module.
pub struct Diagonal;

impl CovarianceStructure for Diagonal {
    fn n_theta(&self, k: usize) -> usize {
        k
    }

    fn fill_lambda(&self, theta: &[f64], k: usize, lambda: &mut [f64]) {
        lambda.fill(0.0);
        for i in 0..k {
            lambda[i * k + i] = theta[i];
        }
    }

    fn read_theta(&self, lambda: &[f64], k: usize, theta: &mut [f64]) {
        for i in 0..k {
            theta[i] = lambda[i * k + i];
        }
    }

    fn free_blocks(&self, k: usize) -> Vec<(usize, usize)> {
        (0..k).map(|i| (i, 1)).collect()
    }

    fn is_invariant_to_recoding(&self) -> bool {
        false
    }
}
