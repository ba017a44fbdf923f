//! Cross-products of what is left of \[X y\] when given random effects are taken from it, for very
//! large standard deviations.
//!
//! W'V^-1 W is a small difference of large numbers where Z L takes up nearly all of a column of W =
//! \[X y\]: at a ratio of 1e5 of standard deviations ten digits are lost. For any B0 (q x columns)
//! and nonsingular L, with C = L^-1 B0,
//!
//!   W'V^-1 W = W0'W0 + C'C - r'M^-1 r,   W0 = W - Z B0,   r = L'Z'W0 - C,
//!
//! the minimum over v of |W0 - Z L v|^2 + |C + v|^2. With B0 the effects at the estimates r is zero
//! there and nothing is lost: W0 is formed from the rows. M^-1 L'Z'W is C + M^-1 r.

use super::criterion::Evaluator;
use super::score::Score;
use super::system::System;
use crate::crossprod::{transformed_w, transformed_z};
use crate::dense::jacobi_svd::svd_left;
use crate::dense::kernels;
use crate::layout::Block;
use crate::layout::Lambda;
use crate::rows::Rows;

/// Effects along directions with at least this standard deviation are taken out: smaller ones may
/// become zero.
const LARGE: f64 = 30.0;
/// Share of an effect outside the range of its Lambda that is rounding.
const OUTSIDE: f64 = 1e-13;
/// Rows handled together.
const BLOCK: usize = 256;
/// The products with the effects taken out are used where those of some column are this much
/// smaller.
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
    /// Whether there are effects that would be taken out at a Lambda.
    pub fn is_useful(sys: &System, lambda: &Lambda) -> bool {
        sys.blocks.iter().any(|b| svd_left(&block_of(lambda, *b), b.k).1.first().is_some_and(|&s| s >= LARGE))
    }

    /// With the effects at the Lambda of the last score.
    pub fn of(rows: &Rows<'_>, sys: &System, e: &Evaluator, score: &Score) -> Rebase {
        let pw = sys.cp.pw;
        let mut b0 = vec![0.0; score.kw.len()];
        sys.lambda_times(&e.lambda, &score.kw, pw, &mut b0);
        for b in &sys.blocks {
            let (u, sd) = svd_left(&block_of(&e.lambda, *b), b.k);
            let rank = sd.partition_point(|&s| s >= LARGE);
            let mut row = vec![0.0; b.k];
            for &pos in &sys.sym.position[b.factor] {
                let at = (sys.sym.row[pos as usize] + b.offset) * pw;
                for c in 0..pw {
                    for (j, t) in row.iter_mut().enumerate() {
                        *t = (0..b.k).map(|i| u[i * b.k + j] * b0[at + i * pw + c]).sum();
                    }
                    for i in 0..b.k {
                        b0[at + i * pw + c] = (0..rank).map(|j| u[i * b.k + j] * row[j]).sum();
                    }
                }
            }
        }
        // fixed effects are not shrunk: of them nothing is taken out
        for &pos in sys.fixed.iter().flat_map(|&f| &sys.sym.position[f]) {
            let at = sys.sym.row[pos as usize] * pw;
            b0[at..at + pw].fill(0.0);
        }
        let n = rows.n();
        let mut out = Rebase {
            b0,
            ztw: sys.factors.iter().map(|f| vec![0.0; f.n_levels * f.k * pw]).collect(),
            wtw: vec![0.0; pw * pw],
        };
        let mut w = vec![0.0; BLOCK * pw];
        let mut z: Vec<Vec<f64>> = sys.factors.iter().map(|f| vec![0.0; BLOCK * f.k]).collect();
        let mut start = 0;
        while start < n {
            let stop = (start + BLOCK).min(n);
            transformed_w(rows, &sys.basis, start..stop, &mut w);
            for f in 0..z.len() {
                transformed_z(rows, &sys.basis, f, start..stop, &mut z[f]);
            }
            for r in 0..stop - start {
                let row = &mut w[r * pw..(r + 1) * pw];
                for (f, fs) in sys.factors.iter().enumerate() {
                    rows.factors[f].each(start + r, |l, weight| {
                        let at = sys.sym.row[sys.sym.position[f][l] as usize];
                        for i in 0..fs.k {
                            let zi = weight * z[f][r * fs.k + i];
                            let b = &out.b0[(at + i) * pw..(at + i + 1) * pw];
                            row.iter_mut().zip(b).for_each(|(w, b)| *w -= zi * b);
                        }
                    });
                }
                for i in 0..pw {
                    for j in 0..pw {
                        out.wtw[i * pw + j] += row[i] * row[j];
                    }
                }
                for (f, fs) in sys.factors.iter().enumerate() {
                    let ztw = &mut out.ztw[f];
                    rows.factors[f].each(start + r, |l, weight| {
                        for i in 0..fs.k {
                            let zi = weight * z[f][r * fs.k + i];
                            let to = &mut ztw[(l * fs.k + i) * pw..(l * fs.k + i + 1) * pw];
                            to.iter_mut().zip(row.iter()).for_each(|(t, w)| *t += zi * w);
                        }
                    });
                }
            }
            start = stop;
        }
        out
    }

    /// C = L^-1 B0 into `c`, and W0'W0 + C'C; none where there is no such C or the sums are no
    /// smaller than those of W itself.
    pub(super) fn at(&self, sys: &System, lambda: &Lambda, c: &mut Vec<f64>) -> Option<Vec<f64>> {
        let pw = sys.cp.pw;
        c.clear();
        c.resize(self.b0.len(), 0.0);
        for b in &sys.blocks {
            let inverse = Inverse::of(&block_of(lambda, *b), b.k);
            for &pos in &sys.sym.position[b.factor] {
                let at = (sys.sym.row[pos as usize] + b.offset) * pw;
                let own = at..at + b.k * pw;
                if !inverse.apply(&self.b0[own.clone()], pw, &mut c[own]) {
                    return None;
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

/// The block of a Lambda.
fn block_of(lambda: &Lambda, b: Block) -> Vec<f64> {
    let kf = lambda[b.factor].len().isqrt();
    (0..b.k * b.k).map(|t| lambda[b.factor][(b.offset + t / b.k) * kf + b.offset + t % b.k]).collect()
}

/// The inverse of a block on its range.
struct Inverse {
    k: usize,
    /// L'U diag(1/s^2) U' without the directions in which s is zero.
    matrix: Vec<f64>,
    /// Those directions.
    null: Vec<Vec<f64>>,
}

impl Inverse {
    fn of(l: &[f64], k: usize) -> Self {
        let (u, s) = svd_left(l, k);
        let column = |j: usize| -> Vec<f64> { (0..k).map(|i| u[i * k + j]).collect() };
        let mut matrix = vec![0.0; k * k];
        let mut null = Vec::new();
        for j in 0..k {
            let v = column(j);
            if s[j] <= f64::EPSILON * s[0] {
                null.push(v);
                continue;
            }
            for x in 0..k {
                let along: f64 = (0..k).map(|i| l[i * k + x] * v[i]).sum::<f64>() / (s[j] * s[j]);
                (0..k).for_each(|y| matrix[x * k + y] += along * v[y]);
            }
        }
        Inverse { k, matrix, null }
    }

    /// `out` with L out = `b` (k x cols); false where there is none.
    fn apply(&self, b: &[f64], cols: usize, out: &mut [f64]) -> bool {
        let k = self.k;
        for c in 0..cols {
            let size = (0..k).map(|i| b[i * cols + c].powi(2)).sum::<f64>().sqrt();
            for v in &self.null {
                let outside: f64 = (0..k).map(|i| v[i] * b[i * cols + c]).sum();
                if outside.abs() > OUTSIDE * size {
                    return false;
                }
            }
        }
        kernels::multiply(&self.matrix, b, k, k, cols, out);
        true
    }
}
