//! The exact score with respect to each lambda, from the inverse of M on the pattern of its factor
//! (selected inversion).

use super::criterion::Evaluator;
use super::system::System;
use crate::dense::kernels;
use crate::dense::large;

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
    pub fn new(sys: &System) -> Self {
        let (q, pw) = (sys.sym.q, sys.cp.pw);
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
        let (pw, q) = (sys.cp.pw, sys.sym.q);
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
        for r in 0..q {
            let row = &out.kw[r * pw..(r + 1) * pw];
            out.u[r] = row[p] - row[..p].iter().zip(&out.beta).map(|(a, b)| a * b).sum::<f64>();
        }
        for r in 0..q {
            let row = &mut out.fg[r * pw..(r + 1) * pw];
            let fit: f64 = row[..p].iter().zip(&out.beta).map(|(a, b)| a * b).sum();
            row[p] -= fit;
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
    fn gammas(&mut self, sys: &System, reml: bool, precision: f64, out: &mut Score) {
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
        let mut sk = vec![0.0; p];
        // S k of all rows at once, where there are many columns
        let many = (reml && p >= large::MANY).then(|| {
            let mut all = vec![0.0; sys.sym.q * pw];
            let mut wide = vec![0.0; p * pw];
            out.s.chunks_exact(p).zip(wide.chunks_exact_mut(pw)).for_each(|(s, w)| w[..p].copy_from_slice(s));
            large::multiply_few(&out.kw, &wide, sys.sym.q, pw, p, &mut all);
            all
        });
        for pos in 0..sys.sym.k.len() {
            let f = sys.sym.factor[pos] as usize;
            if sys.fixed == Some(f) {
                continue;
            }
            let k = sys.sym.k[pos] as usize;
            let row = sys.sym.row[pos];
            let gamma = &mut out.gamma[f];
            for j in 0..k {
                let uj = precision * out.u[row + j];
                for i in 0..k {
                    gamma[i * k + j] -= out.fg[(row + i) * pw + p] * uj;
                }
                if reml && p > 0 {
                    let kj = &out.kw[(row + j) * pw..(row + j) * pw + p];
                    if let Some(all) = &many {
                        sk.copy_from_slice(&all[(row + j) * pw..(row + j) * pw + p]);
                    } else {
                        for (a, t) in sk.iter_mut().enumerate() {
                            *t = out.s[a * p..(a + 1) * p].iter().zip(kj).map(|(x, y)| x * y).sum();
                        }
                    }
                    for i in 0..k {
                        let fi = &out.fg[(row + i) * pw..(row + i) * pw + p];
                        gamma[i * k + j] -= fi.iter().zip(&sk).map(|(x, y)| x * y).sum::<f64>();
                    }
                }
            }
        }
    }
}
