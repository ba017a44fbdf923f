//! The exact score with respect to each lambda, from the inverse of M on the pattern of its factor
//! (selected inversion).

use super::criterion::Evaluator;
use super::system::System;
use crate::dense::kernels::{self, size};
use crate::dense::large;
use crate::layout::Layout;
use crate::with_sizes;

/// First-order quantities at one Lambda; rows are in elimination order.
pub struct Score {
    /// \[K u0\] = R^-T \[R_ZX c_u\]: q x (p + 1), row-major.
    pub kw: Vec<f64>,
    /// \[F g\] with F = Z'V^-1X and g = Z'(y - Xb - ZLu): q x (p + 1), row-major.
    pub fg: Vec<f64>,
    /// Spherical random effects.
    pub u: Vec<f64>,
    /// Fixed effects in the changed basis.
    pub beta: Vec<f64>,
    /// (X'V^-1X)^-1 in the changed basis, p x p.
    pub s: Vec<f64>,
    /// For each factor, Gamma with d criterion / d lambda = 2 Gamma.
    pub gamma: Vec<Vec<f64>>,
    scratch: Vec<f64>,
}

impl Score {
    /// Room for the score of a system.
    pub fn new(sys: &Layout) -> Self {
        let (q, pw) = (sys.sym.q, sys.p() + 1);
        let p = pw - 1;
        Score {
            kw: vec![0.0; q * pw],
            fg: vec![0.0; q * pw],
            u: vec![0.0; q],
            beta: vec![0.0; p],
            s: vec![0.0; p * p],
            gamma: sys.zero_lambda(),
            scratch: vec![0.0; q * pw],
        }
    }

    /// g of a row.
    #[inline(always)]
    pub fn g(&self, row: usize, pw: usize) -> f64 {
        self.fg[row * pw + pw - 1]
    }
}

/// Fixed effects held to row'beta = value, changed basis.
#[derive(Clone, Debug)]
pub struct Plane {
    /// Its normal.
    pub row: Vec<f64>,
    /// Its distance.
    pub value: f64,
}

impl Evaluator {
    /// row'S row and value - row'beta of a plane, at the Lambda last factored: the least sum of
    /// squares on it is r2 + gap^2 / variance.
    pub fn off_plane(&self, sys: &System, plane: &Plane) -> (f64, f64) {
        let pw = sys.cp.pw;
        let p = pw - 1;
        let (mut variance, mut along) = (0.0, 0.0);
        let mut t = vec![0.0; p];
        for i in 0..p {
            let known: f64 = (0..i).map(|m| self.rxx[i * pw + m] * t[m]).sum();
            t[i] = (plane.row[i] - known) / self.rxx[i * pw + i];
            variance += t[i] * t[i];
            along += t[i] * self.rxx[p * pw + i];
        }
        (variance, plane.value - along)
    }

    /// Fixed effects, spherical random effects, F and g at the Lambda last factored.
    pub fn solve_effects(&mut self, sys: &System, out: &mut Score) {
        self.solve_effects_on(sys, None, out);
    }

    /// The same with the fixed effects held to a plane.
    fn solve_effects_on(&mut self, sys: &System, plane: Option<&Plane>, out: &mut Score) {
        kernels::vectorised(
            #[inline(always)]
            || self.solve_effects_impl(sys, plane, out),
        );
    }

    #[inline(always)]
    fn solve_effects_impl(&mut self, sys: &System, plane: Option<&Plane>, out: &mut Score) {
        let pw = sys.cp.pw;
        let p = pw - 1;
        for i in (0..p).rev() {
            let mut v = self.rxx[p * pw + i];
            for m in i + 1..p {
                v -= self.rxx[m * pw + i] * out.beta[m];
            }
            out.beta[i] = v / self.rxx[i * pw + i];
        }
        out.s.fill(0.0);
        let rx = self.root_of_fixed();
        if p >= large::MANY {
            large::inverse_of_product(&rx, p, &mut out.s);
        } else if p > 0 {
            kernels::inverse_of_product::<0>(&rx, p, &mut out.s);
        }
        if let Some(plane) = plane {
            let (variance, gap) = self.off_plane(sys, plane);
            for i in 0..p {
                let along: f64 = out.s[i * p..(i + 1) * p].iter().zip(&plane.row).map(|(s, r)| s * r).sum();
                out.beta[i] += along * gap / variance;
            }
        }
        out.kw.copy_from_slice(&self.rzw);
        self.factor.backward(&mut out.kw, pw);
        // [F g0] = Z'[X y] - Z'Z L [K u0]
        sys.lambda_times(&self.lambda, &out.kw, pw, &mut out.scratch);
        sys.ztz_times(&out.scratch, pw, &mut out.fg);
        for (pos, (&f, &l)) in sys.sym.factor.iter().zip(&sys.sym.level).enumerate() {
            let m = sys.factors[f as usize].k * pw;
            let ztw = &self.ztw(sys, f as usize)[l as usize * m..(l as usize + 1) * m];
            let at = sys.sym.row[pos] * pw;
            for (t, &z) in out.fg[at..at + m].iter_mut().zip(ztw) {
                *t = z - *t;
            }
        }
        if let Some((c, _)) = &self.taken {
            out.kw.iter_mut().zip(c).for_each(|(k, c)| *k += c);
        }
        match pw {
            2 => subtract_fits::<2>(pw, out),
            3 => subtract_fits::<3>(pw, out),
            4 => subtract_fits::<4>(pw, out),
            _ => subtract_fits::<0>(pw, out),
        }
    }

    /// Gamma of each factor (and, on the way, everything of [`Evaluator::solve_effects`]).
    pub fn score(&mut self, sys: &System, reml: bool, out: &mut Score) {
        self.solve_effects(sys, out);
        self.gammas(sys, reml, sys.nu(reml) / self.r2, out);
    }

    /// The same for -2 log-likelihood with the residual variance given as 1 / `precision`, and the
    /// fixed effects held to a plane if there is one.
    pub fn held_score(&mut self, sys: &System, precision: f64, plane: Option<&Plane>, out: &mut Score) {
        self.solve_effects_on(sys, plane, out);
        self.gammas(sys, false, precision, out);
    }

    /// Gamma of each factor, the sums of squares weighted by `precision`; the effects are those in
    /// `out`.
    pub(super) fn gammas(&mut self, sys: &System, reml: bool, precision: f64, out: &mut Score) {
        let pw = sys.cp.pw;
        let p = pw - 1;
        out.gamma.iter_mut().for_each(|g| g.fill(0.0));
        match (&mut self.alone, &sys.alone) {
            (Some(alone), Some(own)) if !reml => {
                alone.invert();
                alone.traces(&own.gram, &self.lambda, &mut out.gamma);
            }
            _ => {
                self.factor.invert();
                self.factor.traces(&sys.cp.gram, &self.lambda, &mut out.gamma);
            }
        }
        // S k of all rows at once, where there are many columns
        let many = (reml && p >= large::MANY).then(|| {
            let mut all = vec![0.0; sys.sym.q * pw];
            let mut wide = vec![0.0; p * pw];
            out.s.chunks_exact(p).zip(wide.chunks_exact_mut(pw)).for_each(|(s, w)| w[..p].copy_from_slice(s));
            large::multiply_few(&out.kw, &wide, sys.sym.q, pw, p, &mut all);
            all
        });
        kernels::vectorised(
            #[inline(always)]
            || subtract_all_sums(sys, many.as_deref(), reml, precision, out),
        );
    }
}

/// The part of Gamma that is a sum of products over levels.
#[inline(always)]
fn subtract_all_sums(sys: &System, many: Option<&[f64]>, reml: bool, precision: f64, out: &mut Score) {
    let pw = sys.cp.pw;
    let mut sk = vec![0.0; pw - 1];
    for pos in 0..sys.sym.k.len() {
        let f = sys.sym.factor[pos] as usize;
        if sys.fixed == Some(f) {
            continue;
        }
        let k = sys.sym.k[pos] as usize;
        let row = sys.sym.row[pos];
        let at = row * pw..(row + k) * pw;
        let own = OfLevel {
            fg: &out.fg[at.clone()],
            kw: &out.kw[at.clone()],
            sk: many.map(|all| &all[at]),
            u: &out.u[row..row + k],
        };
        let s = if reml { Some(&out.s[..]) } else { None };
        with_sizes!(k, pw, subtract_sums(&own, s, precision, k, pw, &mut sk, &mut out.gamma[f]));
    }
}

/// u = u0 - K beta, and g = g0 - F beta in its place.
#[inline(always)]
fn subtract_fits<const C: usize>(pw: usize, out: &mut Score) {
    let pw = size::<C>(pw);
    let p = pw - 1;
    let beta = &out.beta[..p];
    for (u, row) in out.u.iter_mut().zip(out.kw.chunks_exact(pw)) {
        *u = row[p] - row[..p].iter().zip(beta).map(|(a, b)| a * b).sum::<f64>();
    }
    for row in out.fg.chunks_exact_mut(pw) {
        let fit: f64 = row[..p].iter().zip(beta).map(|(a, b)| a * b).sum();
        row[p] -= fit;
    }
}

/// Rows of one level.
struct OfLevel<'a> {
    fg: &'a [f64],
    kw: &'a [f64],
    /// S k, where it is known.
    sk: Option<&'a [f64]>,
    u: &'a [f64],
}

/// gamma -= `precision` g u' + F S K' of a level, S under REML; `scratch` holds p numbers.
#[inline(always)]
fn subtract_sums<const K: usize, const C: usize>(
    of: &OfLevel<'_>,
    s: Option<&[f64]>,
    precision: f64,
    k: usize,
    pw: usize,
    scratch: &mut [f64],
    gamma: &mut [f64],
) {
    let (k, pw) = (size::<K>(k), size::<C>(pw));
    let p = pw - 1;
    let (fg, kw, gamma) = (&of.fg[..k * pw], &of.kw[..k * pw], &mut gamma[..k * k]);
    let sk = &mut scratch[..p];
    for j in 0..k {
        let uj = precision * of.u[j];
        for i in 0..k {
            gamma[i * k + j] -= fg[i * pw + p] * uj;
        }
        let Some(s) = s.filter(|_| p > 0) else { continue };
        if let Some(all) = of.sk {
            sk.copy_from_slice(&all[j * pw..j * pw + p]);
        } else {
            let kj = &kw[j * pw..j * pw + p];
            for (t, row) in sk.iter_mut().zip(s[..p * p].chunks_exact(p)) {
                *t = row.iter().zip(kj).map(|(x, y)| x * y).sum();
            }
        }
        for i in 0..k {
            let fi = &fg[i * pw..i * pw + p];
            gamma[i * k + j] -= fi.iter().zip(&*sk).map(|(x, y)| x * y).sum::<f64>();
        }
    }
}
