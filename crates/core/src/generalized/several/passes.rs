//! Passes over rows with several linear predictors: an effect or a column acts on its own
//! predictor, and products of two have the curvature of their pair.

use crate::crossprod::Gram;
use crate::families::pair;
use crate::generalized::system::{Effects, GlmmSystem};

impl GlmmSystem {
    /// eta_c += `X_c` beta for all rows.
    pub fn add_parts(&self, beta: &[f64], eta: &mut [f64]) {
        let n = self.n;
        for part in &self.parts {
            let (p, eta) = (part.p, &mut eta[part.predictor * n..(part.predictor + 1) * n]);
            let beta = &beta[part.first..part.first + p];
            for (e, x) in eta.iter_mut().zip(part.x.chunks_exact(p)) {
                *e += x.iter().zip(beta).map(|(x, b)| x * b).sum::<f64>();
            }
        }
    }

    /// out = sum over predictors of `X_c'r_c`.
    pub fn parts_transposed(&self, r: &[f64], out: &mut [f64]) {
        let n = self.n;
        out.fill(0.0);
        for part in &self.parts {
            let (p, r) = (part.p, &r[part.predictor * n..(part.predictor + 1) * n]);
            let out = &mut out[part.first..part.first + p];
            for (r, x) in r.iter().zip(part.x.chunks_exact(p)) {
                out.iter_mut().zip(x).for_each(|(t, x)| *t += r * x);
            }
        }
    }

    /// eta_c += `Z_c` v for all rows; `v` by scalar row of the block system.
    pub fn add_effects(&self, v: &[f64], eta: &mut [f64]) {
        let n = self.n;
        for f in &self.effects {
            for (i, &c) in f.of.iter().enumerate() {
                let eta = &mut eta[c * n..(c + 1) * n];
                for ((e, &a), z) in eta.iter_mut().zip(&f.at).zip(f.z[i..].iter().step_by(f.k)) {
                    *e += z * v[a as usize + i];
                }
            }
        }
    }

    /// out = sum over predictors of `Z_c'r_c`, by scalar row of the block system.
    pub fn effects_transposed(&self, r: &[f64], out: &mut [f64]) {
        let n = self.n;
        out.fill(0.0);
        for f in &self.effects {
            for (i, &c) in f.of.iter().enumerate() {
                let r = &r[c * n..(c + 1) * n];
                for ((r, &a), z) in r.iter().zip(&f.at).zip(f.z[i..].iter().step_by(f.k)) {
                    out[a as usize + i] += z * r;
                }
            }
        }
    }

    /// The sum over pairs of predictors of `Z_j'W_jk Z_k` into `gram`.
    pub fn gram_of_pairs(&self, w: &[f64], gram: &mut Gram) {
        let n = self.n;
        for (f, ztz) in self.effects.iter().zip(&mut gram.levels) {
            let k = f.k;
            ztz.fill(0.0);
            for i in 0..k {
                for j in 0..=i {
                    let w = of_pair(w, n, f.of[i], f.of[j]);
                    for ((w, &l), z) in w.iter().zip(&f.level).zip(f.z.chunks_exact(k)) {
                        ztz[l as usize * k * k + i * k + j] += w * z[i] * z[j];
                    }
                }
            }
        }
        gram.fill_upper();
        for (c, cell) in gram.cells.iter_mut().zip(&self.cells) {
            let (f, g) = (&self.effects[c.f], &self.effects[c.g]);
            c.value.fill(0.0);
            let m = f.k * g.k;
            for x in 0..f.k {
                for y in 0..g.k {
                    let w = of_pair(w, n, f.of[x], g.of[y]);
                    for (((w, &i), zf), zg) in w.iter().zip(cell).zip(f.z.chunks_exact(f.k)).zip(g.z.chunks_exact(g.k))
                    {
                        c.value[i as usize * m + x * g.k + y] += w * zf[x] * zg[y];
                    }
                }
            }
        }
    }

    /// Minus the sum over predictors of `W_jc t_c`, of every predictor j with random effects.
    pub fn times_pairs(&self, w: &[f64], t: &[f64]) -> Vec<f64> {
        let n = self.n;
        let random = self.random_predictors();
        let mut out = vec![0.0; t.len()];
        for j in (0..random.len()).filter(|&j| random[j]) {
            for c in (0..random.len()).filter(|&c| random[c]) {
                let rows = of_pair(w, n, j, c).iter().zip(&t[c * n..(c + 1) * n]);
                out[j * n..(j + 1) * n].iter_mut().zip(rows).for_each(|(o, (w, t))| *o -= w * t);
            }
        }
        out
    }

    /// X'WX (p x p) of all coefficients.
    pub fn products_of_parts(&self, w: &[f64], p: usize, xwx: &mut [f64]) {
        let n = self.n;
        xwx.fill(0.0);
        for a in &self.parts {
            for b in &self.parts {
                let w = of_pair(w, n, a.predictor, b.predictor);
                for ((w, xa), xb) in w.iter().zip(a.x.chunks_exact(a.p)).zip(b.x.chunks_exact(b.p)) {
                    for (i, xa) in xa.iter().enumerate() {
                        let row = &mut xwx[(a.first + i) * p + b.first..][..b.p];
                        row.iter_mut().zip(xb).for_each(|(t, xb)| *t += w * xa * xb);
                    }
                }
            }
        }
    }

    /// X'WX (p x p) and Z'WX (q x p, row-major) of all coefficients.
    pub fn weighted_parts(&self, w: &[f64], p: usize, xwx: &mut [f64], zwx: &mut [f64]) {
        let n = self.n;
        self.products_of_parts(w, p, xwx);
        zwx.fill(0.0);
        for a in &self.parts {
            for f in &self.effects {
                for (i, &c) in f.of.iter().enumerate() {
                    let w = of_pair(w, n, a.predictor, c);
                    for (((w, x), &at), z) in
                        w.iter().zip(a.x.chunks_exact(a.p)).zip(&f.at).zip(f.z[i..].iter().step_by(f.k))
                    {
                        let row = &mut zwx[(at as usize + i) * p + a.first..][..a.p];
                        row.iter_mut().zip(x).for_each(|(t, x)| *t += w * z * x);
                    }
                }
            }
        }
    }
}

impl Effects {
    /// Effects i and j of one row, and their predictors, for all pairs: both orders.
    #[inline(always)]
    pub(super) fn each_pair(&self, r: usize, mut visit: impl FnMut(usize, usize, f64)) {
        let z = self.of_row(r);
        for i in 0..self.k {
            for j in 0..self.k {
                visit(i, j, z[i] * z[j]);
            }
        }
    }
}

/// The curvature of a pair of predictors, by row.
#[inline(always)]
pub(super) fn of_pair(w: &[f64], n: usize, j: usize, k: usize) -> &[f64] {
    &w[pair(j, k) * n..(pair(j, k) + 1) * n]
}
