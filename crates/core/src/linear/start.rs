//! Where a fit begins: variances by the method of moments (MINQUE with V = I; Rao 1971), from the
//! cross-products alone.

use super::system::System;
use crate::dense::{kernels, large};
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
    // least squares: the Cholesky factor of [X y]'[X y], of what the levels of a fixed factor leave
    let mut r = sys.cp.wtw.clone();
    let fixed = sys.fixed.map(|f| (&sys.cp.gram.levels[f], &sys.cp.ztw[f]));
    if let Some((size, ztw)) = fixed {
        for (&size, row) in size.iter().zip(ztw.chunks_exact(pw)) {
            for i in 0..pw {
                (0..=i).for_each(|j| r[i * pw + j] -= row[i] * row[j] / size);
            }
        }
    }
    let done = if pw < large::MANY { kernels::cholesky::<0>(&mut r, pw) } else { large::cholesky(&mut r, pw) };
    if !done {
        return None;
    }
    let rss = r[p * pw + p].powi(2);
    let mut beta = vec![0.0; p];
    for i in (0..p).rev() {
        let s: f64 = (i + 1..p).map(|m| r[m * pw + i] * beta[m]).sum();
        beta[i] = (r[p * pw + i] - s) / r[i * pw + i];
    }
    let left = |row: &[f64]| row[p] - row[..p].iter().zip(&beta).map(|(z, b)| z * b).sum::<f64>();
    // effects of the levels, and what they take from the sums of other factors
    let levels: Vec<f64> = fixed.map_or_else(Vec::new, |(size, ztw)| {
        ztw.chunks_exact(pw).zip(size).map(|(row, size)| left(row) / size).collect()
    });
    let random = &sys.factors[..sys.fixed.unwrap_or(sys.factors.len())];
    let mut taken: Vec<Vec<f64>> = random.iter().map(|f| vec![0.0; f.n_levels * f.k]).collect();
    for c in sys.cp.gram.cells.iter().filter(|c| sys.fixed == Some(c.g)) {
        for l in 0..c.start.len() - 1 {
            for i in c.start[l]..c.start[l + 1] {
                for (x, v) in c.block(i).iter().enumerate() {
                    taken[c.f][l * c.kf + x] += v * levels[c.level[i] as usize];
                }
            }
        }
    }
    let first: Vec<usize> = random
        .iter()
        .scan(0, |at, f| {
            let here = *at;
            *at += f.k;
            Some(here)
        })
        .collect();
    let m = random.iter().map(|f| f.k).sum::<usize>() + 1;
    // unknowns: the variances of the effects, then that of the residuals
    let mut a = vec![0.0; m * m];
    let mut t = vec![0.0; m];
    for (f, fs) in random.iter().enumerate() {
        let k = fs.k;
        for l in 0..fs.n_levels {
            for i in 0..k {
                let row = first[f] + i;
                let ztw = &sys.cp.ztw[f][(l * k + i) * pw..(l * k + i + 1) * pw];
                let g = left(ztw) - taken[f][l * k + i];
                t[row] += g * g;
                let ztz = &sys.cp.gram.levels[f][(l * k + i) * k..(l * k + i + 1) * k];
                for (j, z) in ztz.iter().enumerate() {
                    a[row * m + first[f] + j] += z * z;
                }
                a[row * m + m - 1] += ztz[i];
            }
        }
    }
    for c in sys.cp.gram.cells.iter().filter(|c| sys.fixed != Some(c.g)) {
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
    a[m * m - 1] = (sys.cp.n - sys.n_fixed().min(sys.cp.n - 1)) as f64;
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
    if !kernels::cholesky::<0>(&mut a, m) {
        return None;
    }
    kernels::forward::<0>(&a, m, &mut t, 1);
    kernels::backward::<0>(&a, m, &mut t, 1);
    let residual = t[m - 1] / d[m - 1];
    let usable = residual > 0.0 && residual.is_finite();
    usable.then(|| (0..m - 1).map(|i| t[i] / d[i] / residual).collect())
}
