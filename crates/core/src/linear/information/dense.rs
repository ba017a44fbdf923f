//! Dense column-major matrices of the order of the tail: products and an inverse that can be
//! stopped between panels.

use super::GoOn;
use crate::error::CoreError;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::lu::partial_pivoting::solve::{solve_in_place, solve_in_place_scratch};
use faer::{Accum, MatMut, MatRef, Par};

/// Columns handled between two looks at whether to go on.
const PANEL: usize = 512;

/// How dense products run.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    /// Threads.
    pub par: Par,
    /// Whether to go on.
    pub go_on: GoOn<'a>,
}

impl Runner<'_> {
    /// Stops where that is wanted.
    pub fn check(&self) -> Result<(), CoreError> {
        if (self.go_on)() {
            Ok(())
        } else {
            Err(CoreError::Interrupted)
        }
    }

    /// a b for square column-major matrices.
    pub fn product(&self, a: &[f64], b: &[f64], n: usize) -> Result<Vec<f64>, CoreError> {
        let mut out = vec![0.0; n * n];
        let a = MatRef::from_column_major_slice(a, n, n);
        for c in (0..n).step_by(PANEL) {
            self.check()?;
            let width = PANEL.min(n - c);
            let target = MatMut::from_column_major_slice_mut(&mut out[c * n..(c + width) * n], n, width);
            let right = MatRef::from_column_major_slice(&b[c * n..(c + width) * n], n, width);
            faer::linalg::matmul::matmul(target, Accum::Replace, a, right, 1.0, self.par);
        }
        Ok(out)
    }

    /// Inverse of a column-major matrix by elimination with row pivots; `a` is overwritten.
    pub fn inverse(&self, a: &mut [f64], n: usize) -> Result<Vec<f64>, CoreError> {
        let mut out = vec![0.0; n * n];
        if n == 0 {
            return Ok(out);
        }
        self.check()?;
        let (mut forward, mut backward) = (vec![0usize; n], vec![0usize; n]);
        let need =
            lu_in_place_scratch::<usize, f64>(n, n, self.par, Default::default())
                .or(solve_in_place_scratch::<usize, f64>(n, PANEL, self.par));
        let mut memory = MemBuffer::new(need);
        let (_, permutation) = lu_in_place(
            MatMut::from_column_major_slice_mut(a, n, n),
            &mut forward,
            &mut backward,
            self.par,
            MemStack::new(&mut memory),
            Default::default(),
        );
        (0..n).for_each(|i| out[i * n + i] = 1.0);
        let lu = MatRef::from_column_major_slice(a, n, n);
        for c in (0..n).step_by(PANEL) {
            self.check()?;
            let width = PANEL.min(n - c);
            let rhs = MatMut::from_column_major_slice_mut(&mut out[c * n..(c + width) * n], n, width);
            solve_in_place(lu, lu, permutation, rhs, self.par, MemStack::new(&mut memory));
        }
        Ok(out)
    }
}

/// Solves a x = b (k x cols, row-major) in place for a small `a`, which is overwritten, by
/// elimination with row pivots.
pub fn solve_small(a: &mut [f64], k: usize, b: &mut [f64], cols: usize) {
    for c in 0..k {
        let pivot = (c..k).max_by(|&i, &j| a[i * k + c].abs().total_cmp(&a[j * k + c].abs())).unwrap_or(c);
        if pivot != c {
            (0..k).for_each(|j| a.swap(c * k + j, pivot * k + j));
            (0..cols).for_each(|j| b.swap(c * cols + j, pivot * cols + j));
        }
        for i in c + 1..k {
            let f = a[i * k + c] / a[c * k + c];
            if f != 0.0 {
                (c..k).for_each(|j| a[i * k + j] -= f * a[c * k + j]);
                (0..cols).for_each(|j| b[i * cols + j] -= f * b[c * cols + j]);
            }
        }
    }
    for c in (0..k).rev() {
        for j in 0..cols {
            let known: f64 = (c + 1..k).map(|m| a[c * k + m] * b[m * cols + j]).sum();
            b[c * cols + j] = (b[c * cols + j] - known) / a[c * k + c];
        }
    }
}

/// Replaces a column-major matrix by the mean of it and its transpose.
pub fn symmetrise(a: &mut [f64], n: usize) {
    for j in 0..n {
        for i in j + 1..n {
            let mean = 0.5 * (a[j * n + i] + a[i * n + j]);
            a[j * n + i] = mean;
            a[i * n + j] = mean;
        }
    }
}

/// Sum of a[i, j] b[j, i].
pub fn trace_of_product(a: &[f64], b: &[f64], n: usize) -> f64 {
    const TILE: usize = 64;
    let mut sum = 0.0;
    for jb in (0..n).step_by(TILE) {
        for ib in (0..n).step_by(TILE) {
            for j in jb..(jb + TILE).min(n) {
                for i in ib..(ib + TILE).min(n) {
                    sum += a[j * n + i] * b[i * n + j];
                }
            }
        }
    }
    sum
}
