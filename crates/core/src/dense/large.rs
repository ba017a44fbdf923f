//! Products and factors of matrices with many rows and columns, row-major, by a matrix library.
//!
//! Small ones have kernels of their own: what is few must not change by a bit, nor wait for
//! packing.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::linalg::svd::{self, ComputeSvdVectors};
use faer::linalg::triangular_solve;
use faer::{Accum, MatMut, MatRef, Par};

/// Columns from which on this is faster than loops.
pub const MANY: usize = 128;

/// Lower half of `out` (cols x cols) = a'a of a matrix of `cols` columns.
pub fn products(a: &[f64], cols: usize, out: &mut [f64]) {
    let a = MatRef::from_row_major_slice(a, a.len() / cols, cols);
    triangular_matmul(
        MatMut::from_row_major_slice_mut(out, cols, cols),
        BlockStructure::TriangularLower,
        Accum::Replace,
        a.transpose(),
        BlockStructure::Rectangular,
        a,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
}

/// Lower Cholesky factor in place, the upper half untouched. False where a pivot is not positive.
pub fn cholesky(a: &mut [f64], n: usize) -> bool {
    let par = Par::Seq;
    let mut memory = MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f64>(n, par, Default::default()));
    let m = MatMut::from_row_major_slice_mut(a, n, n);
    let stack = MemStack::new(&mut memory);
    if llt::factor::cholesky_in_place(m, Default::default(), par, stack, Default::default()).is_err() {
        return false;
    }
    (0..n).all(|i| a[i * n + i] > 0.0)
}

/// Inverse of R R' (full symmetric) from the lower factor R.
pub fn inverse_of_product(r: &[f64], n: usize, out: &mut [f64]) {
    let par = Par::Seq;
    let mut memory = MemBuffer::new(llt::inverse::inverse_scratch::<f64>(n, par));
    let l = MatRef::from_row_major_slice(r, n, n);
    llt::inverse::inverse(MatMut::from_row_major_slice_mut(out, n, n), l, par, MemStack::new(&mut memory));
    for i in 0..n {
        for j in 0..i {
            out[j * n + i] = out[i * n + j];
        }
    }
}

/// out (m x n) = a (m x l) b (l x n).
pub fn multiply(a: &[f64], b: &[f64], m: usize, l: usize, n: usize, out: &mut [f64]) {
    let (a, b) = (MatRef::from_row_major_slice(a, m, l), MatRef::from_row_major_slice(b, l, n));
    matmul(MatMut::from_row_major_slice_mut(out, m, n), Accum::Replace, a, b, 1.0, Par::Seq);
}

/// Adds a (m x l) b' to out (m x n), for b of n x l.
pub fn add_multiply_transposed(a: &[f64], b: &[f64], m: usize, l: usize, n: usize, out: &mut [f64]) {
    let (a, b) = (MatRef::from_row_major_slice(a, m, l), MatRef::from_row_major_slice(b, n, l));
    matmul(MatMut::from_row_major_slice_mut(out, m, n), Accum::Add, a, b.transpose(), 1.0, Par::Seq);
}

/// Adds to out (width x width) the sum over `n` rows of a'b, each row `stride` numbers after the
/// one before it.
pub fn add_products_of_rows(a: &[f64], b: &[f64], n: usize, stride: usize, width: usize, out: &mut [f64]) {
    let a = MatRef::from_row_major_slice_with_stride(a, n, width, stride);
    let b = MatRef::from_row_major_slice_with_stride(b, n, width, stride);
    matmul(MatMut::from_row_major_slice_mut(out, width, width), Accum::Add, a.transpose(), b, 1.0, Par::Seq);
}

/// Transposed inverse (upper triangular) of a lower triangle R of n columns.
pub fn inverse_transposed(r: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    (0..n).for_each(|i| out[i * n + i] = 1.0);
    let l = MatRef::from_row_major_slice(r, n, n);
    // solved in columns, which are the rows of the result
    let inverse = MatMut::from_column_major_slice_mut(&mut out, n, n);
    triangular_solve::solve_lower_triangular_in_place(l, inverse, Par::Seq);
    out
}

/// The first `l` columns of out (m x width) = those of a (m x width) times the first of b (l x
/// width).
pub fn multiply_few(a: &[f64], b: &[f64], m: usize, width: usize, l: usize, out: &mut [f64]) {
    let a = MatRef::from_row_major_slice(a, m, width).subcols(0, l);
    let b = MatRef::from_row_major_slice(b, l, width).subcols(0, l);
    let out = MatMut::from_row_major_slice_mut(out, m, width).subcols_mut(0, l);
    matmul(out, Accum::Replace, a, b, 1.0, Par::Seq);
}

/// Solves R x = b for `cols` right-hand sides (n x cols), in place.
pub fn forward(r: &[f64], n: usize, b: &mut [f64], cols: usize) {
    let l = MatRef::from_row_major_slice(r, n, n);
    triangular_solve::solve_lower_triangular_in_place(l, MatMut::from_row_major_slice_mut(b, n, cols), Par::Seq);
}

/// `a` (n x n) = U diag(s) V': U and V as columns, row-major, and s descending. None where a number
/// is not finite.
pub fn svd(a: &[f64], n: usize) -> Option<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    if a.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let (par, full) = (Par::Seq, ComputeSvdVectors::Full);
    let mut memory = MemBuffer::new(svd::svd_scratch::<f64>(n, n, full, full, par, Default::default()));
    let (mut u, mut s, mut v) = (vec![0.0; n * n], vec![0.0; n], vec![0.0; n * n]);
    svd::svd(
        MatRef::from_row_major_slice(a, n, n),
        DiagMut::from_slice_mut(&mut s),
        Some(MatMut::from_row_major_slice_mut(&mut u, n, n)),
        Some(MatMut::from_row_major_slice_mut(&mut v, n, n)),
        par,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .ok()?;
    Some((u, s, v))
}
