//! Any covariance matrix: theta is the lower triangle of lambda, column by column.

use super::CovarianceStructure;

/// See the module.
pub struct Unstructured;

impl CovarianceStructure for Unstructured {
    fn n_theta(&self, k: usize) -> usize {
        k * (k + 1) / 2
    }

    fn fill_lambda(&self, theta: &[f64], k: usize, lambda: &mut [f64]) {
        lambda.fill(0.0);
        let mut t = theta.iter();
        for j in 0..k {
            for i in j..k {
                lambda[i * k + j] = *t.next().expect("theta has k(k+1)/2 entries");
            }
        }
    }

    fn read_theta(&self, lambda: &[f64], k: usize, theta: &mut [f64]) {
        let mut t = theta.iter_mut();
        for j in 0..k {
            for i in j..k {
                *t.next().expect("theta has k(k+1)/2 entries") = lambda[i * k + j];
            }
        }
    }

    fn free_blocks(&self, k: usize) -> Vec<(usize, usize)> {
        vec![(0, k)]
    }

    fn is_invariant_to_recoding(&self) -> bool {
        true
    }
}
