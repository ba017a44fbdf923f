//! Passes over the rows: products with X and Z and their transposes, and weighted cross-products.

use super::system::GlmmSystem;
use crate::blocks::kernels::vectorised;
use crate::lmm::System;
use std::ops::Range;

impl GlmmSystem {
    /// eta += X beta for all rows.
    pub fn add_fixed(&self, beta: &[f64], eta: &mut [f64]) {
        let p = beta.len();
        vectorised(
            #[inline(always)]
            || match p {
                0 => {}
                1 => eta.iter_mut().zip(&self.x).for_each(|(e, x)| *e += x * beta[0]),
                _ => {
                    for (e, x) in eta.iter_mut().zip(self.x.chunks_exact(p)) {
                        let mut s = 0.0;
                        for (x, b) in x.iter().zip(beta) {
                            s += x * b;
                        }
                        *e += s;
                    }
                }
            },
        );
    }

    /// eta += Z v for a range of rows; `v` by scalar row of the block system, `eta` holds the range alone.
    pub fn add_random(&self, v: &[f64], range: Range<usize>, eta: &mut [f64]) {
        for f in &self.effects {
            let at = &f.at[range.clone()];
            if f.z.is_empty() {
                eta.iter_mut().zip(at).for_each(|(e, &a)| *e += v[a as usize]);
            } else if f.k == 1 {
                let z = &f.z[range.clone()];
                eta.iter_mut().zip(at).zip(z).for_each(|((e, &a), z)| *e += z * v[a as usize]);
            } else {
                let z = &f.z[range.start * f.k..range.end * f.k];
                for ((e, &a), z) in eta.iter_mut().zip(at).zip(z.chunks_exact(f.k)) {
                    let b = &v[a as usize..a as usize + f.k];
                    *e += z.iter().zip(b).map(|(z, b)| z * b).sum::<f64>();
                }
            }
        }
    }

    /// out = X'r.
    pub fn fixed_transposed(&self, r: &[f64], out: &mut [f64]) {
        let p = out.len();
        out.fill(0.0);
        if p == 0 {
            return;
        }
        vectorised(
            #[inline(always)]
            || {
                for (r, x) in r.iter().zip(self.x.chunks_exact(p)) {
                    for (t, x) in out.iter_mut().zip(x) {
                        *t += r * x;
                    }
                }
            },
        );
    }

    /// out = Z'r by scalar row of the block system.
    pub fn random_transposed(&self, r: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for f in &self.effects {
            if f.z.is_empty() {
                r.iter().zip(&f.at).for_each(|(r, &a)| out[a as usize] += r);
            } else if f.k == 1 {
                r.iter().zip(&f.at).zip(&f.z).for_each(|((r, &a), z)| out[a as usize] += z * r);
            } else {
                for ((r, &a), z) in r.iter().zip(&f.at).zip(f.z.chunks_exact(f.k)) {
                    let b = &mut out[a as usize..a as usize + f.k];
                    b.iter_mut().zip(z).for_each(|(t, z)| *t += z * r);
                }
            }
        }
    }

    /// Z'WZ into the cross-products of `sys`.
    pub fn weighted_crossprod(&self, w: &[f64], sys: &mut System) {
        vectorised(
            #[inline(always)]
            || self.weighted_crossprod_impl(w, sys),
        );
    }

    #[inline(always)]
    fn weighted_crossprod_impl(&self, w: &[f64], sys: &mut System) {
        for (f, fs) in self.effects.iter().zip(&mut sys.cp.factors) {
            let k = f.k;
            fs.ztz.fill(0.0);
            if k == 1 {
                if f.z.is_empty() {
                    w.iter().zip(&f.level).for_each(|(w, &l)| fs.ztz[l as usize] += w);
                } else {
                    w.iter().zip(&f.level).zip(&f.z).for_each(|((w, &l), z)| fs.ztz[l as usize] += w * z * z);
                }
                continue;
            }
            for ((w, &l), z) in w.iter().zip(&f.level).zip(f.z.chunks_exact(k)) {
                let b = &mut fs.ztz[l as usize * k * k..(l as usize + 1) * k * k];
                for i in 0..k {
                    let t = w * z[i];
                    for j in 0..=i {
                        b[i * k + j] += t * z[j];
                    }
                }
            }
            for b in fs.ztz.chunks_exact_mut(k * k) {
                for i in 0..k {
                    for j in 0..i {
                        b[j * k + i] = b[i * k + j];
                    }
                }
            }
        }
        for (c, cell) in sys.cp.cells.iter_mut().zip(&self.cells) {
            let (f, g) = (&self.effects[c.f], &self.effects[c.g]);
            c.value.fill(0.0);
            let m = f.k * g.k;
            if f.z.is_empty() && g.z.is_empty() {
                w.iter().zip(cell).for_each(|(w, &i)| c.value[i as usize] += w);
                continue;
            }
            for (r, (w, &i)) in w.iter().zip(cell).enumerate() {
                let b = &mut c.value[i as usize * m..(i as usize + 1) * m];
                let (zf, zg) = (f.of_row(r), g.of_row(r));
                for (x, &zf) in zf.iter().enumerate() {
                    let t = w * zf;
                    for (b, &zg) in b[x * g.k..(x + 1) * g.k].iter_mut().zip(zg) {
                        *b += t * zg;
                    }
                }
            }
        }
    }

    /// X'WX (p x p) and Z'WX (q x p, row-major).
    pub fn weighted_fixed(&self, w: &[f64], p: usize, xwx: &mut [f64], zwx: &mut [f64]) {
        vectorised(
            #[inline(always)]
            || {
                xwx.fill(0.0);
                zwx.fill(0.0);
                if p == 0 {
                    return;
                }
                for (r, (&w, x)) in w.iter().zip(self.x.chunks_exact(p)).enumerate() {
                    for i in 0..p {
                        let t = w * x[i];
                        for (a, x) in xwx[i * p..i * p + i + 1].iter_mut().zip(x) {
                            *a += t * x;
                        }
                    }
                    for f in &self.effects {
                        let at = f.at[r] as usize;
                        for (i, z) in f.of_row(r).iter().enumerate() {
                            let t = w * z;
                            for (a, x) in zwx[(at + i) * p..(at + i + 1) * p].iter_mut().zip(x) {
                                *a += t * x;
                            }
                        }
                    }
                }
                for i in 0..p {
                    for j in 0..i {
                        xwx[j * p + i] = xwx[i * p + j];
                    }
                }
            },
        );
    }
}

impl super::system::Effects {
    /// Effects of one row.
    #[inline(always)]
    pub fn of_row(&self, r: usize) -> &[f64] {
        if self.z.is_empty() {
            &[1.0]
        } else {
            &self.z[r * self.k..(r + 1) * self.k]
        }
    }
}
