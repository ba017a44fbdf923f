//! Cholesky factor and inverse of a large matrix in steps of less than a second, between which the
//! work can be stopped.

use crate::watch::is_stopped;
use faer::dyn_stack::MemStack;
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, MatMut, MatRef, Par};
use std::ops::Range;

/// Order from which on a whole factorisation takes longer than somebody waits who has pressed
/// Ctrl-C.
pub const LARGE: usize = 2048;
/// Columns that are taken together.
const COLUMNS: usize = 512;
/// Operations of one step of an inverse, and the fewest columns that make it.
const OPERATIONS: usize = 4_000_000_000;
const FEWEST: usize = 32;

/// Columns of a product whose columns take so many operations each, in parts of less than a second.
pub fn parts(columns: usize, operations: usize) -> impl Iterator<Item = Range<usize>> {
    let width = (OPERATIONS / operations.max(1)).max(FEWEST);
    (0..columns).step_by(width).map(move |from| from..(from + width).min(columns))
}

/// Lower factor in place, the upper half untouched. False where a pivot is not positive, or the
/// work was stopped.
pub fn cholesky(mut a: MatMut<'_, f64>, par: Par, stack: &mut MemStack) -> bool {
    let n = a.nrows();
    let mut at = 0;
    while at < n {
        let width = COLUMNS.min(n - at);
        let left = a.rb_mut().submatrix_mut(at, at, n - at, n - at);
        let (mut head, _, mut panel, mut rest) = left.split_at_mut(width, width);
        let options = llt::factor::LltRegularization::default();
        if llt::factor::cholesky_in_place(head.rb_mut(), options, par, stack, Default::default()).is_err() {
            return false;
        }
        solve_lower_triangular_in_place(head.rb(), panel.rb_mut().transpose_mut(), par);
        let below = panel.nrows();
        let mut column = 0;
        while column < below {
            if is_stopped() {
                return false;
            }
            let some = COLUMNS.min(below - column);
            let part = panel.rb().subrows(column, below - column);
            let (upper, lower) = part.split_at_row(some);
            let out = rest.rb_mut().submatrix_mut(column, column, below - column, some);
            let (square, rows) = out.split_at_row_mut(some);
            triangular_matmul(
                square,
                BlockStructure::TriangularLower,
                Accum::Add,
                upper,
                BlockStructure::Rectangular,
                upper.transpose(),
                BlockStructure::Rectangular,
                -1.0,
                par,
            );
            matmul(rows, Accum::Add, lower, upper.transpose(), -1.0, par);
            column += some;
        }
        at += width;
    }
    true
}

/// Lower half of the inverse of L L'. What is there is of no use where the work was stopped.
pub fn inverse(mut out: MatMut<'_, f64>, l: MatRef<'_, f64>, par: Par) {
    let n = l.nrows();
    let mut at = 0;
    while at < n {
        let left = n - at;
        let width = (OPERATIONS / (left * left)).clamp(FEWEST, COLUMNS).min(left);
        // the inverse of the last rows and columns of L alone gives theirs of the whole
        let l = l.submatrix(at, at, left, left);
        let mut columns = out.rb_mut().submatrix_mut(at, at, left, width);
        columns.fill(0.0);
        (0..width).for_each(|i| columns[(i, i)] = 1.0);
        solve_lower_triangular_in_place(l, columns.rb_mut(), par);
        if is_stopped() {
            return;
        }
        solve_upper_triangular_in_place(l.transpose(), columns.rb_mut(), par);
        if is_stopped() {
            return;
        }
        at += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::dyn_stack::MemBuffer;

    /// Entries of a positive definite matrix, decaying from the diagonal.
    fn entry(i: usize, j: usize) -> f64 {
        (if i == j { 2.0 } else { 0.0 }) + (-(i.abs_diff(j) as f64) / 40.0).exp()
    }

    #[test]
    fn agrees_with_one_step() {
        let n = 2 * COLUMNS + 75;
        let par = Par::Seq;
        let need = llt::factor::cholesky_in_place_scratch::<f64>(n, par, Default::default())
            .or(llt::inverse::inverse_scratch::<f64>(n, par));
        let mut memory = MemBuffer::new(need);
        let mut a: Vec<f64> = (0..n * n).map(|t| entry(t % n, t / n)).collect();
        let mut b = a.clone();
        assert!(cholesky(MatMut::from_column_major_slice_mut(&mut a, n, n), par, MemStack::new(&mut memory)));
        let whole = MatMut::from_column_major_slice_mut(&mut b, n, n);
        llt::factor::cholesky_in_place(whole, Default::default(), par, MemStack::new(&mut memory), Default::default())
            .unwrap();
        let (mut ours, mut theirs) = (vec![0.0; n * n], vec![0.0; n * n]);
        let l = MatRef::from_column_major_slice(&a, n, n);
        inverse(MatMut::from_column_major_slice_mut(&mut ours, n, n), l, par);
        let out = MatMut::from_column_major_slice_mut(&mut theirs, n, n);
        llt::inverse::inverse(out, l, par, MemStack::new(&mut memory));
        for j in 0..n {
            for i in j..n {
                assert!((a[j * n + i] - b[j * n + i]).abs() < 1e-13);
                assert!((ours[j * n + i] - theirs[j * n + i]).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn parts_are_all_columns_once() {
        for (columns, operations) in [(0, 1), (1, usize::MAX / 2), (9_000, 49_000_000), (100, 10)] {
            let found: Vec<usize> = parts(columns, operations).flatten().collect();
            assert_eq!(found, (0..columns).collect::<Vec<_>>());
        }
        assert_eq!(parts(9_000, 49_000_000).next(), Some(0..81));
    }

    #[test]
    fn what_is_not_positive_is_found() {
        let n = COLUMNS + 10;
        let mut memory = MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default()));
        let mut a: Vec<f64> = (0..n * n).map(|t| entry(t % n, t / n)).collect();
        a[n * n - 1] = -1.0;
        assert!(!cholesky(MatMut::from_column_major_slice_mut(&mut a, n, n), Par::Seq, MemStack::new(&mut memory)));
    }
}
