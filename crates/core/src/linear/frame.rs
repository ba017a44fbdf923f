//! One free block's lambda as U diag(s): left singular vectors and singular values.

use super::criterion::Evaluator;
use super::score::Score;
use super::system::System;
use crate::blocks::kernels;
use crate::layout::Block;
use crate::layout::Lambda;
use crate::optimize::jacobi_svd::svd_left;
use crate::optimize::trust_region::Eigen;

/// See the module.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Number of effects.
    pub k: usize,
    /// Left singular vectors as columns, row-major.
    pub u: Vec<f64>,
    /// Singular values, descending.
    pub s: Vec<f64>,
}

impl Frame {
    /// Of a k x k row-major lambda.
    pub fn of(lambda: &[f64], k: usize) -> Self {
        if k == 1 {
            return Frame { k, u: vec![1.0], s: vec![lambda[0].abs()] };
        }
        let (u, s) = svd_left(lambda, k);
        Frame { k, u, s }
    }

    /// Of a k x k positive semidefinite Sigma.
    pub fn of_covariance(sigma: &[f64], k: usize) -> Self {
        let e = Eigen::of(sigma, k).expect("Sigma is finite");
        let mut root = vec![0.0; k * k];
        for i in 0..k {
            for j in 0..k {
                root[i * k + j] = e.vectors[i * k + j] * e.values[j].max(0.0).sqrt();
            }
        }
        Frame::of(&root, k)
    }

    /// lambda = I.
    pub fn identity(k: usize) -> Self {
        let mut u = vec![0.0; k * k];
        (0..k).for_each(|i| u[i * k + i] = 1.0);
        Frame { k, u, s: vec![1.0; k] }
    }

    /// Sigma = U diag(s)^2 U'.
    pub fn sigma(&self) -> Vec<f64> {
        let k = self.k;
        let mut out = vec![0.0; k * k];
        for x in 0..k {
            for y in 0..k {
                out[x * k + y] = (0..k).map(|j| self.entry(x, j) * self.entry(y, j)).sum();
            }
        }
        out
    }

    /// Entry of lambda = U diag(s).
    #[inline(always)]
    fn entry(&self, i: usize, j: usize) -> f64 {
        self.u[i * self.k + j] * self.s[j]
    }

    /// Writes the block into its factor's Lambda.
    pub fn write(&self, b: Block, lambda: &mut Lambda) {
        let kf = lambda[b.factor].len().isqrt();
        for i in 0..self.k {
            for j in 0..self.k {
                lambda[b.factor][(b.offset + i) * kf + b.offset + j] = self.entry(i, j);
            }
        }
    }

    /// Whether that is what stands there.
    pub fn is_written(&self, b: Block, lambda: &Lambda) -> bool {
        let kf = lambda[b.factor].len().isqrt();
        (0..self.k)
            .all(|i| (0..self.k).all(|j| lambda[b.factor][(b.offset + i) * kf + b.offset + j] == self.entry(i, j)))
    }

    /// U' Gamma of the block.
    pub fn turned_gamma(&self, b: Block, sys: &System, score: &Score) -> Vec<f64> {
        let (k, kf) = (self.k, sys.factors[b.factor].k);
        let g = &score.gamma[b.factor];
        let part: Vec<f64> = (0..k * k).map(|t| g[(b.offset + t / k) * kf + b.offset + t % k]).collect();
        let mut out = vec![0.0; k * k];
        kernels::transposed_multiply(&self.u, &part, k, k, k, &mut out);
        out
    }

    /// Number of singular values of at least `null`.
    pub fn rank(&self, null: f64) -> usize {
        self.s.partition_point(|&s| s >= null)
    }

    /// U' Psi U on the last k - rank directions, by solves: exact where Gamma = Psi lambda is silent.
    pub fn null_psi(&self, sys: &System, e: &Evaluator, score: &Score, reml: bool, b: Block, null: f64) -> Vec<f64> {
        let (k, rank) = (self.k, self.rank(null));
        let m = k - rank;
        if m == 0 {
            return Vec::new();
        }
        let directions: Vec<f64> = (0..k * m).map(|t| self.u[(t / m) * k + rank + t % m]).collect();
        e.psi_along(sys, reml, score, b, &directions)
    }

    /// U' Psi U, given its null part: the rest follows from Gamma = Psi lambda.
    pub fn psi(&self, sys: &System, score: &Score, b: Block, null: f64, null_psi: &[f64]) -> Vec<f64> {
        let k = self.k;
        let ug = self.turned_gamma(b, sys, score);
        let rank = self.rank(null);
        let mut psi = vec![0.0; k * k];
        for i in 0..rank {
            for j in 0..rank {
                psi[i * k + j] = 0.5 * (ug[i * k + j] / self.s[j] + ug[j * k + i] / self.s[i]);
            }
        }
        for i in rank..k {
            for j in 0..rank {
                let v = ug[i * k + j] / self.s[j];
                psi[i * k + j] = v;
                psi[j * k + i] = v;
            }
        }
        let m = k - rank;
        for i in 0..m {
            for j in 0..m {
                psi[(rank + i) * k + rank + j] = null_psi[i * m + j];
            }
        }
        psi
    }
}
