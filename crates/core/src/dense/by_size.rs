//! Products and factors of row-major matrices of any size: by loops where they are small, by a
//! matrix library where they are not.

use super::{kernels, large};

/// Order from which on factors are those of a matrix library.
const LARGE: usize = 48;
/// Multiplications from which on a product is.
const WORTH_PACKING: usize = 1 << 13;

/// out (m x n) = a (m x l) b (l x n).
pub fn multiply(a: &[f64], b: &[f64], m: usize, l: usize, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    if m * l * n >= WORTH_PACKING && m.min(l).min(n) >= 4 {
        large::multiply(a, b, m, l, n, &mut out);
    } else {
        kernels::vectorised(
            #[inline(always)]
            || kernels::multiply(a, b, m, l, n, &mut out),
        );
    }
    out
}

/// out (m x n) = a' b for a (l x m), b (l x n).
pub fn transposed_multiply(a: &[f64], b: &[f64], l: usize, m: usize, n: usize) -> Vec<f64> {
    if m * l * n >= WORTH_PACKING && m.min(l).min(n) >= 4 {
        return multiply(&transposed(a, l, m), b, m, l, n);
    }
    let mut out = vec![0.0; m * n];
    kernels::vectorised(
        #[inline(always)]
        || kernels::transposed_multiply(a, b, l, m, n, &mut out),
    );
    out
}

/// The transpose of a (m x n).
pub fn transposed(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|t| a[t % m * n + t / m]).collect()
}

/// Sum of products of entries.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Solves L x = b for lower triangular L, in place.
pub fn solve_lower(l: &[f64], n: usize, b: &mut [f64], cols: usize) {
    if n >= LARGE {
        large::forward(l, n, b, cols);
    } else {
        kernels::vectorised(
            #[inline(always)]
            || kernels::forward::<0>(l, n, b, cols),
        );
    }
}

/// Lower Cholesky factor in place; false where a pivot is not positive.
pub fn cholesky(a: &mut [f64], n: usize) -> bool {
    if n >= LARGE {
        large::cholesky(a, n)
    } else {
        kernels::cholesky::<0>(a, n)
    }
}

/// Inverse of L L'.
pub fn inverse_of_product(l: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    if n >= LARGE {
        large::inverse_of_product(l, n, &mut out);
    } else {
        kernels::inverse_of_product::<0>(l, n, &mut out);
    }
    out
}
