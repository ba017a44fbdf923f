//! What leaving out any rows, at the same theta, needs of a fit.
//!
//! Without rows D = \[Z L, X K\] of the model matrix, K a root of the covariance of the fixed
//! effects, the estimates follow from the inverse of the penalised normal equations on the columns
//! that D touches. With M = L'Z'Z L + I and C = M^-1 L'Z'X K that inverse is M^-1 + C C', -C, and
//! the identity.

use super::criterion::Evaluator;
use super::score::Score;
use super::system::System;
use crate::blocks::NotPositive;
use crate::dense::kernels;

/// M^-1 and C at one theta of the columns as given. Effects are counted through factors, levels and
/// the effects of a level.
pub struct Deletion<'a> {
    sys: &'a System,
    e: &'a mut Evaluator,
}

impl<'a> Deletion<'a> {
    /// At a theta.
    ///
    /// # Errors
    /// Where the system is not positive definite.
    pub fn at(sys: &'a System, e: &'a mut Evaluator, theta: &[f64]) -> Result<Self, NotPositive> {
        e.lambda = sys.lambda_from_theta(theta);
        e.criterion(sys, false)?;
        Ok(Deletion { sys, e })
    }

    /// C: q x p, row-major, with K as [`super::fixed_root`] gives it.
    pub fn coefficients(&mut self, score: &mut Score) -> Vec<f64> {
        let (sys, pw) = (self.sys, self.sys.cp.pw);
        let p = pw - 1;
        self.e.solve_effects(sys, score);
        let root = self.e.root_of_fixed();
        let mut out = vec![0.0; sys.q() * p];
        if p == 0 {
            return out;
        }
        let mut rows = out.chunks_exact_mut(p);
        for (f, size) in sys.factors.iter().enumerate() {
            for l in 0..size.n_levels {
                let first = sys.first_row(f, l);
                for (i, row) in rows.by_ref().take(size.k).enumerate() {
                    row.copy_from_slice(&score.kw[(first + i) * pw..(first + i) * pw + p]);
                    // of X K from that of the columns of the changed basis: R_X^-1 applied to the
                    // row
                    kernels::forward::<0>(&root, p, row, 1);
                }
            }
        }
        out
    }

    /// M^-1 for each of some sets of effects, row-major, one after another. Set i holds
    /// `effects[starts[i]..starts[i + 1]]`.
    pub fn inverse_parts(&mut self, starts: &[usize], effects: &[usize]) -> Vec<f64> {
        self.e.factor.invert();
        self.sys.inverse_parts(&self.e.factor, starts, effects)
    }
}
