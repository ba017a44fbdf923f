//! Where a fit begins: variances by the method of moments (MINQUE with V = I; Rao 1971), from the
//! cross-products alone.

use super::system::System;
use crate::layout::Frame;

/// Smallest and largest relative standard deviation to begin with, and the one where the moments
/// give no variance.
const LOWEST: f64 = 0.05;
const HIGHEST: f64 = 10.0;
const NONE: f64 = 0.1;

/// Frames with independent effects: sums of squares of Z'r of each effect, r the least-squares
/// residual, set to their expectations.
pub fn moment_frames(sys: &System) -> Vec<Frame> {
    let variances = moments(sys);
    sys.blocks
        .iter()
        .map(|b| {
            let first: usize = sys.factors[..b.factor].iter().map(|f| f.k).sum();
            let mut f = Frame::independent(sys, *b, vec![1.0; b.k]);
            if let Some(v) = &variances {
                let s: Vec<f64> = (0..b.k).map(|i| v[first + b.offset + i]).collect();
                let mut lambda = vec![0.0; b.k * b.k];
                for (i, &v) in s.iter().enumerate() {
                    lambda[i * b.k + i] = if v > 0.0 { v.sqrt().clamp(LOWEST, HIGHEST) } else { NONE };
                }
                f = Frame::near(sys, *b, &lambda);
            }
            f
        })
        .collect()
}

/// Relative variances of all effects of all factors, in that order; none where the equations cannot
/// be solved.
fn moments(sys: &System) -> Option<Vec<f64>> {
    let pw = sys.cp.pw;
    let p = pw - 1;
    // least squares: the Cholesky factor of [X y]'[X y]
    let mut r = sys.cp.wtw.clone();
    if !crate::dense::kernels::cholesky::<0>(&mut r, pw) {
        return None;
    }
    let rss = r[p * pw + p].powi(2);
    let mut beta = vec![0.0; p];
    for i in (0..p).rev() {
        let s: f64 = (i + 1..p).map(|m| r[m * pw + i] * beta[m]).sum();
        beta[i] = (r[p * pw + i] - s) / r[i * pw + i];
    }
    let first: Vec<usize> = sys
        .factors
        .iter()
        .scan(0, |at, f| {
            let here = *at;
            *at += f.k;
            Some(here)
        })
        .collect();
    let m = sys.factors.iter().map(|f| f.k).sum::<usize>() + 1;
    // unknowns: the variances of the effects, then that of the residuals
    let mut a = vec![0.0; m * m];
    let mut t = vec![0.0; m];
    for (f, fs) in sys.factors.iter().enumerate() {
        let k = fs.k;
        for l in 0..fs.n_levels {
            for i in 0..k {
                let row = first[f] + i;
                let ztw = &sys.cp.ztw[f][(l * k + i) * pw..(l * k + i + 1) * pw];
                let g = ztw[p] - ztw[..p].iter().zip(&beta).map(|(z, b)| z * b).sum::<f64>();
                t[row] += g * g;
                let ztz = &sys.cp.gram.levels[f][(l * k + i) * k..(l * k + i + 1) * k];
                for (j, z) in ztz.iter().enumerate() {
                    a[row * m + first[f] + j] += z * z;
                }
                a[row * m + m - 1] += ztz[i];
            }
        }
    }
    for c in &sys.cp.gram.cells {
        let (rf, rg) = (first[c.f], first[c.g]);
        for block in c.value.chunks_exact(c.kf * c.kg) {
            for i in 0..c.kf {
                for j in 0..c.kg {
                    let v = block[i * c.kg + j].powi(2);
                    a[(rf + i) * m + rg + j] += v;
                    a[(rg + j) * m + rf + i] += v;
                }
            }
        }
    }
    for i in 0..m - 1 {
        a[(m - 1) * m + i] = a[i * m + m - 1];
    }
    a[m * m - 1] = (sys.cp.n - p.min(sys.cp.n - 1)) as f64;
    t[m - 1] = rss;
    // scaled to a unit diagonal, then factored
    let d: Vec<f64> = (0..m).map(|i| a[i * m + i].max(f64::MIN_POSITIVE).sqrt()).collect();
    for i in 0..m {
        t[i] /= d[i];
        for j in 0..m {
            a[i * m + j] /= d[i] * d[j];
        }
        a[i * m + i] += 1e-6;
    }
    if !crate::dense::kernels::cholesky::<0>(&mut a, m) {
        return None;
    }
    crate::dense::kernels::forward::<0>(&a, m, &mut t, 1);
    crate::dense::kernels::backward::<0>(&a, m, &mut t, 1);
    let residual = t[m - 1] / d[m - 1];
    let usable = residual > 0.0 && residual.is_finite();
    usable.then(|| (0..m - 1).map(|i| t[i] / d[i] / residual).collect())
}
