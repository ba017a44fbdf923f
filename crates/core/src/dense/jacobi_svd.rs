//! Singular values and left vectors of a small square matrix by one-sided Jacobi rotations,
//! accurate for tiny singular values; of a large one by the matrix library.

use super::large;

/// Order from which on rotations would take too long.
const LARGE: usize = 32;

/// `a` (k x k, row-major) = U diag(s) V'. Returns (U row-major, s descending). Columns of U that
/// belong to zero singular values complete the basis.
pub fn svd_left(a: &[f64], k: usize) -> (Vec<f64>, Vec<f64>) {
    if k >= LARGE {
        let (u, s, _) = by_library(a, k);
        return (u, s);
    }
    let (u, s, _) = decomposed(a, k, &mut []);
    (u, s)
}

/// The same with V, row-major.
pub fn svd(a: &[f64], k: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    if k >= LARGE {
        return by_library(a, k);
    }
    let mut turns = vec![0.0; k * k];
    (0..k).for_each(|i| turns[i * k + i] = 1.0);
    let (u, s, order) = decomposed(a, k, &mut turns);
    let v = (0..k * k).map(|t| turns[t / k * k + order[t % k]]).collect();
    (u, s, v)
}

/// The same by the matrix library; singular values are no numbers where those of `a` are not.
fn by_library(a: &[f64], k: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    large::svd(a, k).unwrap_or_else(|| {
        let one: Vec<f64> = (0..k * k).map(|t| f64::from(u8::from(t / k == t % k))).collect();
        (one.clone(), vec![f64::NAN; k], one)
    })
}

/// Left vectors, singular values, and which rotated column each belongs to; `v` is rotated with the
/// columns.
fn decomposed(a: &[f64], k: usize, v: &mut [f64]) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
    // rotate the columns of A until they are orthogonal: A V = U S
    let mut b = a.to_vec();
    for _ in 0..60 {
        let mut off = false;
        for p in 0..k {
            for q in p + 1..k {
                let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
                for i in 0..k {
                    x += b[i * k + p] * b[i * k + p];
                    y += b[i * k + q] * b[i * k + q];
                    z += b[i * k + p] * b[i * k + q];
                }
                if z.abs() <= 1e-16 * (x * y).sqrt() || z == 0.0 {
                    continue;
                }
                off = true;
                let zeta = (y - x) / (2.0 * z);
                let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = c * t;
                for i in 0..k {
                    let (u, v) = (b[i * k + p], b[i * k + q]);
                    b[i * k + p] = c * u - s * v;
                    b[i * k + q] = s * u + c * v;
                }
                for row in v.chunks_exact_mut(k) {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
        if !off {
            break;
        }
    }
    let norm: Vec<f64> = (0..k).map(|j| (0..k).map(|i| b[i * k + j].powi(2)).sum::<f64>().sqrt()).collect();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| norm[j].total_cmp(&norm[i]));
    let s: Vec<f64> = order.iter().map(|&j| norm[j]).collect();
    let mut u = vec![0.0; k * k];
    for (c, &j) in order.iter().enumerate() {
        let mut v: Vec<f64> =
            if norm[j] > 1e-290 { (0..k).map(|i| b[i * k + j] / norm[j]).collect() } else { vec![0.0; k] };
        // orthogonality is lost where the columns are tiny beside each other: settle it against the
        // columns before
        let mut candidate = 0;
        loop {
            for _ in 0..2 {
                for d in 0..c {
                    let dot: f64 = (0..k).map(|i| u[i * k + d] * v[i]).sum();
                    (0..k).for_each(|i| v[i] -= dot * u[i * k + d]);
                }
            }
            let n = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            if n > 0.1 {
                (0..k).for_each(|i| u[i * k + c] = v[i] / n);
                break;
            }
            v = vec![0.0; k];
            v[candidate % k] = 1.0;
            candidate += 1;
            if candidate > 2 * k {
                break;
            }
        }
    }
    (u, s, order)
}

#[cfg(test)]
mod tests {
    use super::{svd, svd_left};

    #[test]
    fn gram_matrix_is_kept() {
        let a = [2.0, 0.0, 0.0, 1.0, 1e-9, 0.0, -3.0, 0.5, 0.0];
        let (u, s, v) = svd(&a, 3);
        assert_eq!((u.clone(), s.clone()), svd_left(&a, 3));
        assert!(s[0] >= s[1] && s[1] >= s[2] && s[2] < 1e-12);
        for i in 0..3 {
            for j in 0..3 {
                let want: f64 = (0..3).map(|m| a[i * 3 + m] * a[j * 3 + m]).sum();
                let got: f64 = (0..3).map(|m| u[i * 3 + m] * s[m] * s[m] * u[j * 3 + m]).sum();
                assert!((want - got).abs() < 1e-14, "{i} {j}: {want} {got}");
                let dot: f64 = (0..3).map(|m| u[m * 3 + i] * u[m * 3 + j]).sum();
                let back: f64 = (0..3).map(|m| u[i * 3 + m] * s[m] * v[j * 3 + m]).sum();
                assert!((back - a[i * 3 + j]).abs() < 1e-14);
                assert!((dot - f64::from(i == j)).abs() < 1e-14);
            }
        }
    }
}
