//! Curvatures of rows without their negative directions: a convex stand-in for the log-likelihood
//! where it is not concave.

use crate::families::pair;
use crate::optimize::trust_region::Eigen;

/// Clips the block of the predictors in `among` of every row to its positive semidefinite part;
/// `w` holds all pairs, as in [`Kernel`](crate::families::Kernel).
pub(super) fn clip(w: &mut [f64], n: usize, among: &[usize]) {
    match *among {
        [] => {}
        [c] => w[pair(c, c) * n..(pair(c, c) + 1) * n].iter_mut().for_each(|w| *w = w.max(0.0)),
        _ => {
            let m = among.len();
            let mut block = vec![0.0; m * m];
            for r in 0..n {
                for i in 0..m {
                    for j in 0..m {
                        block[i * m + j] = w[pair(among[i], among[j]) * n + r];
                    }
                }
                if is_positive(&block, m) {
                    continue;
                }
                let Some(e) = Eigen::of(&block, m) else { continue };
                for i in 0..m {
                    for j in 0..=i {
                        w[pair(among[i], among[j]) * n + r] =
                            (0..m).map(|c| e.values[c].max(0.0) * e.vectors[i * m + c] * e.vectors[j * m + c]).sum();
                    }
                }
            }
        }
    }
}

/// Whether a small matrix is positive semidefinite beyond doubt.
fn is_positive(a: &[f64], m: usize) -> bool {
    if m == 2 {
        return a[0] > 0.0 && a[3] > 0.0 && a[0] * a[3] > a[1] * a[1];
    }
    let mut l = a.to_vec();
    crate::dense::kernels::cholesky::<0>(&mut l, m)
}
