//! Cross-products of what is left of \[X y\] when given random effects are taken from it, for very large standard deviations.
//!
//! W'V^-1 W is a small difference of large numbers where Z L takes up nearly all of a column of W = \[X y\]: at a ratio of 1e5 of
//! standard deviations ten digits are lost. For any B0 (q x columns) and nonsingular L, with C = L^-1 B0,
//!
//!   W'V^-1 W = W0'W0 + C'C - r'M^-1 r,   W0 = W - Z B0,   r = L'Z'W0 - C,
//!
//! the minimum over v of |W0 - Z L v|^2 + |C + v|^2. With B0 the effects at the estimates r is zero there and nothing is lost: W0 is
//! formed from the rows. M^-1 L'Z'W is C + M^-1 r.

use super::evaluator::{Evaluator, Lambda};
use super::score::Score;
use super::system::System;
use crate::blocks::kernels;
use crate::crossprod::{transformed_w, transformed_z};
use crate::optimize::jacobi_svd::svd_left;
use crate::rows::Rows;

/// Effects of blocks are taken out whose least standard deviation is at least this: smaller ones may become zero.
const LARGE: f64 = 30.0;
/// Rows handled together.
const BLOCK: usize = 256;
/// The products with the effects taken out are used where those of some column are this much smaller.
const WORTH: f64 = 0.01;

/// See the module.
#[derive(Clone)]
pub struct Rebase {
    /// B0 in elimination order, q x (p + 1), row-major.
    b0: Vec<f64>,
    /// Z'W0 of each factor, by level.
    ztw: Vec<Vec<f64>>,
    /// W0'W0.
    wtw: Vec<f64>,
}

impl Rebase {
    /// With the effects at the Lambda of the last score.
    pub fn of(rows: &Rows<'_>, sys: &System, e: &Evaluator, score: &Score) -> Rebase {
        let pw = sys.cp.pw;
        let mut b0 = vec![0.0; score.kw.len()];
        sys.lambda_times(&e.lambda, &score.kw, pw, &mut b0);
        for b in &sys.blocks {
            let kf = sys.cp.factors[b.factor].k;
            let part: Vec<f64> =
                (0..b.k * b.k).map(|t| e.lambda[b.factor][(b.offset + t / b.k) * kf + b.offset + t % b.k]).collect();
            if svd_left(&part, b.k).1[b.k - 1] >= LARGE {
                continue;
            }
            for &pos in &sys.sym.position[b.factor] {
                let at = (sys.sym.row[pos as usize] + b.offset) * pw;
                b0[at..at + b.k * pw].fill(0.0);
            }
        }
        let n = rows.n();
        let mut out = Rebase {
            b0,
            ztw: sys.cp.factors.iter().map(|f| vec![0.0; f.n_levels * f.k * pw]).collect(),
            wtw: vec![0.0; pw * pw],
        };
        let mut w = vec![0.0; BLOCK * pw];
        let mut z: Vec<Vec<f64>> = sys.cp.factors.iter().map(|f| vec![0.0; BLOCK * f.k]).collect();
        let mut start = 0;
        while start < n {
            let stop = (start + BLOCK).min(n);
            transformed_w(rows, &sys.basis, start..stop, &mut w);
            for f in 0..z.len() {
                transformed_z(rows, &sys.basis, f, start..stop, &mut z[f]);
            }
            for r in 0..stop - start {
                let row = &mut w[r * pw..(r + 1) * pw];
                for (f, fs) in sys.cp.factors.iter().enumerate() {
                    let l = rows.factors[f].codes[start + r] as usize;
                    let at = sys.sym.row[sys.sym.position[f][l] as usize];
                    for i in 0..fs.k {
                        let zi = z[f][r * fs.k + i];
                        let b = &out.b0[(at + i) * pw..(at + i + 1) * pw];
                        row.iter_mut().zip(b).for_each(|(w, b)| *w -= zi * b);
                    }
                }
                for i in 0..pw {
                    for j in 0..pw {
                        out.wtw[i * pw + j] += row[i] * row[j];
                    }
                }
                for (f, fs) in sys.cp.factors.iter().enumerate() {
                    let l = rows.factors[f].codes[start + r] as usize;
                    for i in 0..fs.k {
                        let zi = z[f][r * fs.k + i];
                        let to = &mut out.ztw[f][(l * fs.k + i) * pw..(l * fs.k + i + 1) * pw];
                        to.iter_mut().zip(row.iter()).for_each(|(t, w)| *t += zi * w);
                    }
                }
            }
            start = stop;
        }
        out
    }

    /// C = L^-1 B0 into `c`, and W0'W0 + C'C; none where there is no such C or the sums are no smaller than those of W itself.
    pub(super) fn at(&self, sys: &System, lambda: &Lambda, c: &mut Vec<f64>) -> Option<Vec<f64>> {
        let pw = sys.cp.pw;
        c.clear();
        c.resize(self.b0.len(), 0.0);
        for b in &sys.blocks {
            let kf = sys.cp.factors[b.factor].k;
            let part: Vec<f64> =
                (0..b.k * b.k).map(|t| lambda[b.factor][(b.offset + t / b.k) * kf + b.offset + t % b.k]).collect();
            let inverse = inverse(&part);
            for &pos in &sys.sym.position[b.factor] {
                let at = (sys.sym.row[pos as usize] + b.offset) * pw;
                let own = at..at + b.k * pw;
                match &inverse {
                    Some(i) => kernels::multiply(i, &self.b0[own.clone()], b.k, b.k, pw, &mut c[own]),
                    None if self.b0[own].iter().all(|&v| v == 0.0) => {}
                    None => return None,
                }
            }
        }
        let mut sums = self.wtw.clone();
        for row in c.chunks_exact(pw) {
            for i in 0..pw {
                for j in 0..pw {
                    sums[i * pw + j] += row[i] * row[j];
                }
            }
        }
        // what is gained in the column that cancels most must be more than what is lost in another
        let ratios = (0..pw).map(|i| sums[i * pw + i] / sys.cp.wtw[i * pw + i]);
        let (least, most) = ratios.fold((f64::INFINITY, 1.0f64), |(a, b), r| (a.min(r), b.max(r)));
        (least * most < WORTH).then_some(sums)
    }

    /// Z'W0 of a factor.
    pub(super) fn ztw(&self, factor: usize) -> &[f64] {
        &self.ztw[factor]
    }
}

/// Inverse of a small matrix by elimination with row pivots.
fn inverse(a: &[f64]) -> Option<Vec<f64>> {
    let k = a.len().isqrt();
    let mut a = a.to_vec();
    let mut out = vec![0.0; k * k];
    (0..k).for_each(|i| out[i * k + i] = 1.0);
    for c in 0..k {
        let pivot = (c..k).max_by(|&i, &j| a[i * k + c].abs().total_cmp(&a[j * k + c].abs()))?;
        if a[pivot * k + c] == 0.0 || !a[pivot * k + c].is_finite() {
            return None;
        }
        for x in 0..k {
            a.swap(pivot * k + x, c * k + x);
            out.swap(pivot * k + x, c * k + x);
        }
        let d = a[c * k + c];
        for x in 0..k {
            a[c * k + x] /= d;
            out[c * k + x] /= d;
        }
        for r in (0..k).filter(|&r| r != c) {
            let f = a[r * k + c];
            for x in 0..k {
                a[r * k + x] -= f * a[c * k + x];
                out[r * k + x] -= f * out[c * k + x];
            }
        }
    }
    Some(out)
}
