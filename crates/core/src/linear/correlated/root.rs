//! The lower Cholesky factor L of a block of rows, R = L L', and what it is multiplied by.
//!
//! Where each row is independent of earlier ones given the one before (ar1, car1, exp in one
//! dimension, ante-dependence), L^-1 has two diagonals: whitening then takes m operations for each
//! column in place of m^2 / 2.

use super::criterion::{multiply, solve_lower, transposed, transposed_multiply};
use crate::correlation::factor;
use crate::dense::kernels;
use crate::jet::Jet;
use crate::residual::{RowCovariance, Subject};

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Root {
    /// L, m x m.
    Lower(Vec<f64>),
    /// The diagonal of L^-1, and what is left of it in each row (0 in the first).
    Chain(Vec<f64>, Vec<f64>),
}

impl Default for Root {
    fn default() -> Self {
        Root::Lower(Vec::new())
    }
}

impl Root {
    /// Of R of some rows, sorted by position, with log|R|; none where R is not positive definite.
    pub(super) fn of(r: &RowCovariance, z: &[f64], rows: &Subject<'_>, work: &mut Jet) -> Option<(Root, f64)> {
        let m = rows.at.m();
        let correlation = r.correlation_part(z, rows.group);
        if !r.correlation.neighbours(correlation, rows.at, 0, work) {
            r.matrix(z, rows, 0, work);
            if work.value.iter().any(|v| !v.is_finite()) {
                return None;
            }
            return factor(&work.value, m).map(|(l, log_det)| (Root::Lower(l), log_det));
        }
        let sds = r.sds(z, rows);
        let (mut diagonal, mut left, mut log_det) = (Vec::with_capacity(m), vec![0.0; m], 0.0);
        for i in 0..m {
            let rho = work.value[i];
            let rest = (1.0 - rho) * (1.0 + rho);
            // rest may not be a number
            if !(rest > 0.0 && sds[i] > 0.0 && sds[i].is_finite()) {
                return None;
            }
            diagonal.push(1.0 / (sds[i] * rest.sqrt()));
            if i > 0 {
                left[i] = -rho / (sds[i - 1] * rest.sqrt());
            }
            log_det += 2.0 * sds[i].ln() + rest.ln();
        }
        Some((Root::Chain(diagonal, left), log_det))
    }

    /// L^-1 b of `cols` columns, in place.
    pub(super) fn solve(&self, m: usize, b: &mut [f64], cols: usize) {
        match self {
            Root::Lower(l) => solve_lower(l, m, b, cols),
            Root::Chain(diagonal, left) => kernels::vectorised(
                #[inline(always)]
                || {
                    for i in (1..m).rev() {
                        let (before, row) = b[(i - 1) * cols..(i + 1) * cols].split_at_mut(cols);
                        combine(row, before, diagonal[i], left[i]);
                    }
                    b[..cols.min(m * cols)].iter_mut().for_each(|v| *v *= diagonal[0]);
                },
            ),
        }
    }

    /// L^-T b of `cols` columns, in place.
    pub(super) fn solve_transposed(&self, m: usize, b: &mut [f64], cols: usize) {
        match self {
            Root::Lower(l) => kernels::vectorised(
                #[inline(always)]
                || kernels::backward::<0>(l, m, b, cols),
            ),
            Root::Chain(diagonal, left) => kernels::vectorised(
                #[inline(always)]
                || {
                    for i in 0..m {
                        if i + 1 < m {
                            let (row, after) = b[i * cols..(i + 2) * cols].split_at_mut(cols);
                            combine(row, after, diagonal[i], left[i + 1]);
                        } else {
                            b[i * cols..(i + 1) * cols].iter_mut().for_each(|v| *v *= diagonal[i]);
                        }
                    }
                },
            ),
        }
    }

    /// L v of one column, in place.
    pub(super) fn times(&self, m: usize, v: &mut [f64]) {
        match self {
            Root::Lower(l) => {
                for i in (0..m).rev() {
                    v[i] = (0..=i).map(|j| l[i * m + j] * v[j]).sum();
                }
            }
            Root::Chain(diagonal, left) => {
                for i in 0..m {
                    let before = if i > 0 { left[i] * v[i - 1] } else { 0.0 };
                    v[i] = (v[i] - before) / diagonal[i];
                }
            }
        }
    }

    /// L^-1 a L^-T of a symmetric a.
    pub(super) fn whiten(&self, m: usize, a: &[f64]) -> Vec<f64> {
        let mut half = a.to_vec();
        self.solve(m, &mut half, m);
        let mut out = transposed(&half, m, m);
        self.solve(m, &mut out, m);
        out
    }

    /// L^-T a L^-1 of a symmetric a.
    pub(super) fn back(&self, m: usize, a: &[f64]) -> Vec<f64> {
        if let Root::Lower(l) = self {
            let mut inverse = vec![0.0; m * m];
            (0..m).for_each(|i| inverse[i * m + i] = 1.0);
            solve_lower(l, m, &mut inverse, m);
            let half = multiply(a, &inverse, m, m, m);
            return transposed_multiply(&inverse, &half, m, m, m);
        }
        let mut half = a.to_vec();
        self.solve_transposed(m, &mut half, m);
        let mut out = transposed(&half, m, m);
        self.solve_transposed(m, &mut out, m);
        out
    }
}

/// row := own row + other times `beside`.
#[inline(always)]
fn combine(row: &mut [f64], other: &[f64], own: f64, beside: f64) {
    row.iter_mut().zip(other).for_each(|(v, o)| *v = own * *v + beside * o);
}
