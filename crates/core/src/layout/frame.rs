//! One block's lambda as U diag(s): left singular vectors and singular values; where the block is
//! not free also its parameters.

use super::{Block, Lambda, Layout};
use crate::dense::jacobi_svd::svd_left;
use crate::optimize::trust_region::Eigen;

/// Singular values up to this share of the largest are zero but for rounding where lambda is made
/// from parameters.
const ROUNDING: f64 = 1e-13;

/// See the module.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Number of effects.
    pub k: usize,
    /// Left singular vectors as columns, row-major.
    pub u: Vec<f64>,
    /// Singular values, descending.
    pub s: Vec<f64>,
    /// Parameters of a block that is not free; else empty.
    pub theta: Vec<f64>,
}

impl Frame {
    /// Of a k x k row-major lambda.
    pub fn of(lambda: &[f64], k: usize) -> Self {
        if k == 1 {
            return Frame { k, u: vec![1.0], s: vec![lambda[0].abs()], theta: Vec::new() };
        }
        let (u, s) = svd_left(lambda, k);
        Frame { k, u, s, theta: Vec::new() }
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
        Frame { k, u, s: vec![1.0; k], theta: Vec::new() }
    }

    /// Of a block that is not free, at its parameters.
    pub fn structured(sys: &Layout, b: Block, theta: Vec<f64>) -> Self {
        let mut lambda = vec![0.0; b.k * b.k];
        sys.terms[b.factor][b.term].structure.lambda(&theta, b.k, &mut lambda);
        let moved = sys.basis.terms[b.factor][b.term].from_given(&lambda, b.k);
        let mut frame = Frame::of(&moved, b.k);
        // at a bound the rank falls but for rounding
        let least = ROUNDING * frame.s[0];
        frame.s.iter_mut().filter(|s| **s <= least).for_each(|s| *s = 0.0);
        Frame { theta, ..frame }
    }

    /// Of a block, at a k x k row-major lambda or, where that is not of its structure, near it.
    pub fn near(sys: &Layout, b: Block, lambda: &[f64]) -> Self {
        if b.is_free {
            return Frame::of(lambda, b.k);
        }
        let tl = &sys.terms[b.factor][b.term];
        let mut theta = vec![0.0; tl.n_theta];
        tl.structure.read(&sys.basis.terms[b.factor][b.term].to_given(lambda, b.k), b.k, &mut theta);
        Frame::structured(sys, b, theta)
    }

    /// Of a block with independent effects of these standard deviations, or near it.
    pub fn independent(sys: &Layout, b: Block, s: Vec<f64>) -> Self {
        if b.is_free {
            return Frame { s, ..Frame::identity(b.k) };
        }
        let lambda: Vec<f64> = (0..b.k * b.k).map(|t| if t / b.k == t % b.k { s[t % b.k] } else { 0.0 }).collect();
        Frame::near(sys, b, &lambda)
    }

    /// lambda = U diag(s), row-major.
    pub fn lambda(&self) -> Vec<f64> {
        (0..self.k * self.k).map(|t| self.entry(t / self.k, t % self.k)).collect()
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

    /// Number of singular values of at least `null`.
    pub fn rank(&self, null: f64) -> usize {
        self.s.partition_point(|&s| s >= null)
    }
}
