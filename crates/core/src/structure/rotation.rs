//! Roots of one covariance matrix differ by an orthogonal matrix from the right.

use crate::dense::by_size::{multiply, transposed, transposed_multiply};
use crate::dense::jacobi_svd::svd;

/// Lower triangular L and orthonormal rows Q with `m` = L Q for a k x k row-major matrix; a row
/// that depends on those before it has a zero on the diagonal and nothing below it.
pub fn lower_form(m: &[f64], k: usize) -> (Vec<f64>, Vec<f64>) {
    let mut l = vec![0.0; k * k];
    let mut q = vec![0.0; k * k];
    let largest = (0..k).map(|i| m[i * k..(i + 1) * k].iter().map(|v| v * v).sum::<f64>().sqrt()).fold(0.0, f64::max);
    for i in 0..k {
        let mut v = m[i * k..(i + 1) * k].to_vec();
        let length = v.iter().map(|a| a * a).sum::<f64>().sqrt();
        for _ in 0..2 {
            for j in 0..i {
                let d: f64 = (0..k).map(|c| q[j * k + c] * v[c]).sum();
                l[i * k + j] += d;
                (0..k).for_each(|c| v[c] -= d * q[j * k + c]);
            }
        }
        let rest = v.iter().map(|a| a * a).sum::<f64>().sqrt();
        if rest > 1e-12 * length && rest > 1e-200 * largest && rest > 0.0 {
            l[i * k + i] = rest;
            (0..k).for_each(|c| q[i * k + c] = v[c] / rest);
        }
    }
    (l, q)
}

/// Orthogonal Q with `root` Q as near to `other` as possible: equal to it where both are roots of
/// one matrix.
pub fn rotation(root: &[f64], other: &[f64], k: usize) -> Vec<f64> {
    let (u, _, v) = svd(&transposed_multiply(root, other, k, k, k), k);
    multiply(&u, &transposed(&v, k, k), k, k, k)
}
