//! Which columns of X are linearly independent, and a basis in which the rest are well conditioned.
//!
//! Pivots of a Cholesky factorisation of the cross-products settle clear cases. Where one is small,
//! its cross-product has lost the digits that would tell, and a QR factorisation of the rows
//! themselves decides (a column whose part orthogonal to the columns before it is below 1e-7 of its
//! length is dropped, as R's `lm` does) and gives a new basis.

use super::{transformed_w, transformed_x, Crossprod};
use crate::basis::Basis;
use crate::dense::large;
use crate::error::CoreError;
use crate::rows::Rows;

/// Pivot ratio below which the cross-products are not trusted.
pub(crate) const DOUBT: f64 = 1e-8;
/// Pivot ratio that is nothing but rounding.
const ROUNDING: f64 = 1e-13;
/// Relative length below which a column is a combination of those before it.
pub(crate) const DEPENDENT: f64 = 1e-7;
const QR_BLOCK: usize = 256;

/// Smallest pivot of X'X relative to its diagonal, in the order of the columns. `products` has rows
/// of `stride` numbers.
fn smallest_pivot(products: &[f64], p: usize, stride: usize) -> f64 {
    let mut r = vec![0.0; p * p];
    let mut worst = 1.0f64;
    if p >= large::MANY {
        (0..p).for_each(|i| r[i * p..=i * p + i].copy_from_slice(&products[i * stride..=i * stride + i]));
        if !large::cholesky(&mut r, p) {
            return 0.0;
        }
        return (0..p).fold(worst, |w, i| w.min(r[i * p + i].powi(2) / products[i * stride + i]));
    }
    for i in 0..p {
        for j in 0..=i {
            let mut s = products[i * stride + j];
            for m in 0..j {
                s -= r[i * p + m] * r[j * p + m];
            }
            if i == j {
                let d = products[i * stride + i];
                if d <= 0.0 || s <= 0.0 {
                    return 0.0;
                }
                worst = worst.min(s / d);
                r[i * p + i] = s.sqrt();
            } else {
                r[i * p + j] = s / r[j * p + j];
            }
        }
    }
    worst
}

/// Upper triangular factor of the transformed X, by Householder reflections of stacked blocks of
/// rows.
fn qr_of_rows(rows: &Rows<'_>, basis: &Basis) -> Vec<f64> {
    let p = basis.p();
    let pw = p + 1;
    let mut r = vec![0.0; p * p];
    let mut buf = vec![0.0; QR_BLOCK * pw];
    let n = rows.n();
    let mut stack = vec![0.0; (QR_BLOCK + p) * p];
    let mut start = 0;
    while start < n {
        let stop = (start + QR_BLOCK).min(n);
        transformed_w(rows, basis, start..stop, &mut buf);
        let m = p + stop - start;
        stack[..p * p].copy_from_slice(&r);
        for i in 0..stop - start {
            stack[(p + i) * p..(p + i + 1) * p].copy_from_slice(&buf[i * pw..i * pw + p]);
        }
        householder(&mut stack[..m * p], m, p);
        for i in 0..p {
            for j in 0..p {
                r[i * p + j] = if j >= i { stack[i * p + j] } else { 0.0 };
            }
        }
        start = stop;
    }
    r
}

fn householder(a: &mut [f64], m: usize, p: usize) {
    for j in 0..p.min(m) {
        let norm = (j..m).map(|i| a[i * p + j] * a[i * p + j]).sum::<f64>().sqrt();
        if norm == 0.0 {
            continue;
        }
        let alpha = if a[j * p + j] > 0.0 { -norm } else { norm };
        let v0 = a[j * p + j] - alpha;
        let vtv = v0 * v0 + (j + 1..m).map(|i| a[i * p + j] * a[i * p + j]).sum::<f64>();
        for c in j + 1..p {
            let dot = v0 * a[j * p + c] + (j + 1..m).map(|i| a[i * p + j] * a[i * p + c]).sum::<f64>();
            let f = 2.0 * dot / vtv;
            a[j * p + c] -= f * v0;
            for i in j + 1..m {
                a[i * p + c] -= f * a[i * p + j];
            }
        }
        a[j * p + j] = alpha;
        for i in j + 1..m {
            a[i * p + j] = 0.0;
        }
    }
}

/// X'X in the changed basis without weights, lower half by rows: for the rank only.
pub fn products_of_x(rows: &Rows<'_>, basis: &Basis) -> Vec<f64> {
    let p = basis.p();
    let mut out = vec![0.0; p * p];
    let mut of_block = vec![0.0; p * p];
    let mut x = vec![0.0; QR_BLOCK * p];
    for start in (0..rows.n()).step_by(QR_BLOCK) {
        let stop = (start + QR_BLOCK).min(rows.n());
        transformed_x(rows, basis, start..stop, p, &mut x);
        of_block.fill(0.0);
        for row in x.chunks_exact(p.max(1)).take(stop - start) {
            for i in 0..p {
                for j in 0..=i {
                    of_block[i * p + j] += row[i] * row[j];
                }
            }
        }
        out.iter_mut().zip(&of_block).for_each(|(t, v)| *t += v);
    }
    out
}

/// Whether the cross-products of X are far from singular.
pub fn well_conditioned(products: &[f64], p: usize, stride: usize) -> bool {
    p == 0 || smallest_pivot(products, p, stride) > DOUBT
}

/// The columns of X that do not depend on those before them, by finished cross-products alone.
///
/// None where the cross-products do not tell: a part of a column beside the others that is neither
/// rounding nor clearly more.
pub fn independent_columns(products: &[f64], p: usize, stride: usize) -> Option<Vec<usize>> {
    let mut kept: Vec<usize> = Vec::new();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for i in 0..p {
        let mut row: Vec<f64> = Vec::with_capacity(kept.len() + 1);
        for (r, &j) in rows.iter().zip(&kept) {
            let dot: f64 = row.iter().zip(r).map(|(a, b)| a * b).sum();
            row.push((products[i * stride + j] - dot) / r[row.len()]);
        }
        let whole = products[i * stride + i];
        let rest = whole - row.iter().map(|a| a * a).sum::<f64>();
        if whole <= 0.0 || rest <= ROUNDING * whole {
            continue;
        }
        if rest <= DOUBT * whole {
            return None;
        }
        row.push(rest.sqrt());
        rows.push(row);
        kept.push(i);
    }
    Some(kept)
}

/// Whether what the levels of the last factor, which is fixed, leave of X is far from singular.
pub fn apart_from_levels(cp: &Crossprod, p: usize) -> bool {
    let pw = cp.pw;
    let mut left = cp.wtw.clone();
    let (Some(size), Some(ztw)) = (cp.gram.levels.last(), cp.ztw.last()) else { return false };
    for (&size, row) in size.iter().zip(ztw.chunks_exact(pw)) {
        for i in 0..p {
            (0..=i).for_each(|j| left[i * pw + j] -= row[i] * row[j] / size);
        }
    }
    let apart = |i: usize| left[i * (pw + 1)] > DOUBT * cp.wtw[i * (pw + 1)];
    size.iter().all(|&v| v > 0.0) && (0..p).all(apart) && well_conditioned(&left, p, pw)
}

/// Checks the rank of X by its cross-products (lower half, rows of `stride` numbers). Where they
/// are in doubt, changes the basis and returns true: the cross-products are then to be formed
/// again.
///
/// # Errors
/// [`CoreError::Degenerate`] where no column is left.
pub fn settle_rank(rows: &Rows<'_>, basis: &mut Basis, products: &[f64], stride: usize) -> Result<bool, CoreError> {
    let p = basis.p();
    if well_conditioned(products, p, stride) {
        return Ok(false);
    }
    let r = qr_of_rows(rows, basis);
    let column = |j: usize| -> Vec<f64> { (0..p).map(|i| r[i * p + j]).collect() };
    let mut q: Vec<Vec<f64>> = Vec::new();
    let mut kept = Vec::new();
    let mut coefficients: Vec<Vec<f64>> = Vec::new();
    for j in 0..p {
        let mut v = column(j);
        let length = v.iter().map(|a| a * a).sum::<f64>().sqrt();
        let mut c = vec![0.0; q.len()];
        for _ in 0..2 {
            for (k, u) in q.iter().enumerate() {
                let d: f64 = u.iter().zip(&v).map(|(a, b)| a * b).sum();
                c[k] += d;
                v.iter_mut().zip(u).for_each(|(a, b)| *a -= d * b);
            }
        }
        let rest = v.iter().map(|a| a * a).sum::<f64>().sqrt();
        if length > 0.0 && rest > DEPENDENT * length {
            v.iter_mut().for_each(|a| *a /= rest);
            q.push(v);
            c.push(rest);
            coefficients.push(c);
            kept.push(j);
        }
    }
    let m = kept.len();
    if m == 0 {
        return Err(CoreError::Degenerate("every column of the fixed-effect model matrix is zero".into()));
    }
    // R of the kept columns, then T_new = T_kept R^-1 sqrt(n)
    let mut rk = vec![0.0; m * m];
    for (c, col) in coefficients.iter().enumerate() {
        for (i, &v) in col.iter().enumerate() {
            rk[i * m + c] = v;
        }
    }
    let root_n = (rows.n() as f64).sqrt();
    let mut inv = vec![0.0; m * m];
    for c in 0..m {
        for i in (0..=c).rev() {
            let mut s = if i == c { root_n } else { 0.0 };
            for l in i + 1..=c {
                s -= rk[i * m + l] * inv[l * m + c];
            }
            inv[i * m + c] = s / rk[i * m + i];
        }
    }
    basis.change_columns(&kept, &inv);
    Ok(true)
}
