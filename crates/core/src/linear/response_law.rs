//! The joint law of the cross-products (Z'y, X'y, y'y) of a response drawn from the model, without
//! its n values.
//!
//! With F F' = \[Z X\]'\[Z X\] there is U with orthonormal columns such that \[Z X\] = U F'. For y
//! = Z b + e the vector t = U'y is F'(b, 0) + w with w standard normal, the rest of e has a
//! chi-square length of n less the columns of F, and the cross-products are F t and |t|^2 plus that
//! length. F is the Cholesky factor in the pattern of the fit's own, where a pivot that is zero but
//! for rounding gives a zero column; such columns get no w and are not counted.

use super::system::System;
use crate::blocks::semidefinite::{semidefinite, settle, SemidefiniteFactor, ZERO};
use crate::rng::Rng;

/// F of a system; rows and columns are in elimination order, those of X last.
pub struct ResponseLaw {
    /// Block of Z.
    of_z: SemidefiniteFactor,
    /// Block of X below that of Z: the transpose of q x (p + 1), the last column unused.
    below: Vec<f64>,
    /// Block of X: p x p, lower, row-major.
    corner: Vec<f64>,
    used_x: Vec<bool>,
    /// Degrees of freedom of what \[Z X\] does not reach.
    rest: usize,
}

/// Room for one draw.
pub struct Draft {
    /// Random effects in units of the residual standard deviation, in the changed basis and
    /// elimination order.
    pub b: Vec<f64>,
    t: Vec<f64>,
    tx: Vec<f64>,
    zty: Vec<f64>,
    xty: Vec<f64>,
}

impl Draft {
    /// Room for a system.
    pub fn new(sys: &System) -> Self {
        let q = sys.sym.q;
        Draft { b: vec![0.0; q], t: vec![0.0; q], tx: vec![0.0; sys.p()], zty: vec![0.0; q], xty: vec![0.0; sys.p()] }
    }

    /// Draws independent random effects of every level.
    pub fn draw_effects(&mut self, sys: &System, lambda: &[Vec<f64>], stream: &mut Rng) {
        self.t.iter_mut().for_each(|v| *v = stream.normal());
        sys.lambda_times(lambda, &self.t, 1, &mut self.b);
    }
}

impl ResponseLaw {
    /// Factors \[Z X\]'\[Z X\].
    pub fn new(sys: &System) -> Self {
        let pw = sys.cp.pw;
        let p = pw - 1;
        let mut below = vec![0.0; sys.sym.q * pw];
        for (f, ztw) in sys.cp.ztw.iter().enumerate() {
            let width = sys.factors[f].k * pw;
            for (l, rows) in ztw.chunks_exact(width).enumerate() {
                let at = sys.first_row(f, l) * pw;
                below[at..at + width].copy_from_slice(rows);
            }
        }
        let of_z = SemidefiniteFactor::of(&sys.cp.gram, &sys.sym, &mut below, pw);
        let mut corner = vec![0.0; p * p];
        for i in 0..p {
            corner[i * p..(i + 1) * p].copy_from_slice(&sys.cp.wtw[i * pw..i * pw + p]);
        }
        let limit_x: Vec<f64> = (0..p).map(|i| ZERO * corner[i * p + i]).collect();
        for row in below.chunks_exact(pw) {
            for i in 0..p {
                for j in 0..=i {
                    corner[i * p + j] -= row[i] * row[j];
                }
            }
        }
        semidefinite(&mut corner, p, &limit_x);
        let mut used_x = vec![true; p];
        (0..p).for_each(|i| settle(&mut corner[i * (p + 1)], &mut used_x[i]));
        let mut out = ResponseLaw { of_z, below, corner, used_x, rest: 0 };
        out.rest = sys.cp.n.saturating_sub(out.rank());
        out
    }

    /// Rank of \[Z X\].
    pub fn rank(&self) -> usize {
        self.of_z.used().iter().chain(&self.used_x).filter(|&&u| u).count()
    }

    /// Replaces the response in the cross-products of `sys` by one with the random effects of
    /// `draft`, fixed effects of zero and residual variance 1.
    pub fn draw(&self, sys: &mut System, draft: &mut Draft, stream: &mut Rng) {
        let pw = sys.cp.pw;
        let p = pw - 1;
        self.of_z.transposed_times(&draft.b, &mut draft.t);
        for (t, &used) in draft.t.iter_mut().zip(self.of_z.used()) {
            if used {
                *t += stream.normal();
            }
        }
        for (t, &used) in draft.tx.iter_mut().zip(&self.used_x) {
            *t = if used { stream.normal() } else { 0.0 };
        }
        let length: f64 = draft.t.iter().chain(&draft.tx).map(|v| v * v).sum();
        draft.xty.fill(0.0);
        for (row, &t) in self.below.chunks_exact(pw).zip(&draft.t) {
            draft.xty.iter_mut().zip(row).for_each(|(x, &f)| *x += f * t);
        }
        for i in 0..p {
            draft.xty[i] += (0..=i).map(|j| self.corner[i * p + j] * draft.tx[j]).sum::<f64>();
        }
        self.of_z.times(&draft.t, &mut draft.zty);
        sys.set_products(&draft.zty, &draft.xty, length + stream.chi_square(self.rest));
    }
}
