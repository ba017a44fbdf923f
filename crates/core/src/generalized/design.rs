//! Passes over the rows: products with X and Z and their transposes, and weighted cross-products.

use super::system::GlmmSystem;
use crate::crossprod::Gram;
use crate::dense::kernels::{size, vectorised};
use std::ops::Range;

/// Calls a function generic over the number of columns with that number as a constant where it is
/// small.
macro_rules! with_columns {
    ($p:expr, $f:ident ( $($a:expr),* )) => {
        match $p {
            0 => {}
            1 => $f::<1>($($a),*),
            2 => $f::<2>($($a),*),
            3 => $f::<3>($($a),*),
            4 => $f::<4>($($a),*),
            5 => $f::<5>($($a),*),
            6 => $f::<6>($($a),*),
            7 => $f::<7>($($a),*),
            8 => $f::<8>($($a),*),
            _ => $f::<0>($($a),*),
        }
    };
}

/// Sum in eight interleaved parts: the same for every width of vectors.
#[inline(always)]
pub(super) fn sum(v: &[f64]) -> f64 {
    let mut parts = [0.0; 8];
    let chunks = v.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    for c in chunks {
        for (p, c) in parts.iter_mut().zip(c) {
            *p += c;
        }
    }
    let [a, b, c, d, e, f, g, h] = parts;
    (((a + e) + (b + f)) + ((c + g) + (d + h))) + rest
}

#[inline(always)]
fn add_products<const P: usize>(x: &[f64], p: usize, beta: &[f64], eta: &mut [f64]) {
    let p = size::<P>(p);
    let beta = &beta[..p];
    for (e, x) in eta.iter_mut().zip(x.chunks_exact(p)) {
        let mut s = 0.0;
        for (x, b) in x.iter().zip(beta) {
            s += x * b;
        }
        *e += s;
    }
}

#[inline(always)]
fn transposed_products<const P: usize>(x: &[f64], p: usize, r: &[f64], out: &mut [f64]) {
    if P == 0 {
        for (r, x) in r.iter().zip(x.chunks_exact(p)) {
            for (t, x) in out.iter_mut().zip(x) {
                *t += r * x;
            }
        }
        return;
    }
    let mut total = [0.0; P];
    for (r, x) in r.iter().zip(x.chunks_exact(P)) {
        for j in 0..P {
            total[j] += r * x[j];
        }
    }
    out.copy_from_slice(&total);
}

#[inline(always)]
fn weighted_products<const P: usize>(g: &GlmmSystem, w: &[f64], p: usize, xwx: &mut [f64], zwx: &mut [f64]) {
    let p = size::<P>(p);
    let xwx = &mut xwx[..p * p];
    for (r, (&w, x)) in w.iter().zip(g.x.chunks_exact(p)).enumerate() {
        for i in 0..p {
            let t = w * x[i];
            for j in 0..=i {
                xwx[i * p + j] += t * x[j];
            }
        }
        for f in &g.effects {
            f.each(r, |_, at, weight| {
                for (i, z) in f.of_row(r).iter().enumerate() {
                    let t = w * weight * z;
                    let row = &mut zwx[(at + i) * p..(at + i + 1) * p];
                    for j in 0..p {
                        row[j] += t * x[j];
                    }
                }
            });
        }
    }
}

impl GlmmSystem {
    /// eta += X beta for all rows.
    pub fn add_fixed(&self, beta: &[f64], eta: &mut [f64]) {
        let p = beta.len();
        vectorised(
            #[inline(always)]
            || with_columns!(p, add_products(&self.x, p, beta, eta)),
        );
    }

    /// eta += Z v for a range of rows; `v` by scalar row of the block system, `eta` holds the range
    /// alone.
    pub fn add_random(&self, v: &[f64], range: Range<usize>, eta: &mut [f64]) {
        for f in &self.effects {
            if f.members.is_some() {
                f.add_of_members(v, range.clone(), eta);
                continue;
            }
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
            || with_columns!(p, transposed_products(&self.x, p, r, out)),
        );
    }

    /// out = Z'r by scalar row of the block system.
    pub fn random_transposed(&self, r: &[f64], out: &mut [f64]) {
        vectorised(
            #[inline(always)]
            || self.random_transposed_impl(r, out),
        );
    }

    #[inline(always)]
    fn random_transposed_impl(&self, r: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for f in &self.effects {
            if f.members.is_some() {
                f.transposed_of_members(r, out);
            } else if !f.runs.is_empty() {
                for (&a, &b) in f.runs.iter().zip(&f.runs[1..]) {
                    out[f.at[a as usize] as usize] += sum(&r[a as usize..b as usize]);
                }
            } else if f.z.is_empty() {
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

    /// Z'WZ into `gram`.
    pub fn weighted_gram(&self, w: &[f64], gram: &mut Gram) {
        vectorised(
            #[inline(always)]
            || self.weighted_gram_impl(w, gram),
        );
    }

    #[inline(always)]
    fn weighted_gram_impl(&self, w: &[f64], gram: &mut Gram) {
        for (f, ztz) in self.effects.iter().zip(&mut gram.levels) {
            let k = f.k;
            ztz.fill(0.0);
            if f.members.is_some() {
                f.gram_of_members(w, ztz);
                continue;
            }
            if k == 1 {
                if !f.runs.is_empty() {
                    for (&a, &b) in f.runs.iter().zip(&f.runs[1..]) {
                        ztz[f.level[a as usize] as usize] += sum(&w[a as usize..b as usize]);
                    }
                } else if f.z.is_empty() {
                    w.iter().zip(&f.level).for_each(|(w, &l)| ztz[l as usize] += w);
                } else {
                    w.iter().zip(&f.level).zip(&f.z).for_each(|((w, &l), z)| ztz[l as usize] += w * z * z);
                }
                continue;
            }
            for ((w, &l), z) in w.iter().zip(&f.level).zip(f.z.chunks_exact(k)) {
                let b = &mut ztz[l as usize * k * k..(l as usize + 1) * k * k];
                for i in 0..k {
                    let t = w * z[i];
                    for j in 0..=i {
                        b[i * k + j] += t * z[j];
                    }
                }
            }
        }
        gram.fill_upper();
        for (pair, (c, cell)) in gram.cells.iter_mut().zip(&self.cells).enumerate() {
            let (f, g) = (&self.effects[c.f], &self.effects[c.g]);
            c.value.fill(0.0);
            if f.members.is_some() || g.members.is_some() {
                self.cells_of_members(w, pair, (c.f, c.g), &mut c.value);
                continue;
            }
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
                with_columns!(p, weighted_products(self, w, p, xwx, zwx));
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
