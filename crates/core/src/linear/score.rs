//! The exact score with respect to each lambda, from the inverse of M on the pattern of its factor (selected inversion).

use super::evaluator::Evaluator;
use super::system::System;
use crate::blocks::kernels::{self, size};
use crate::blocks::SCATTERED;
use crate::with_size;
use faer::dyn_stack::MemStack;
use faer::linalg::cholesky::llt;
use faer::{Accum, MatMut, MatRef};

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
            gamma: sys.cp.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect(),
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
    /// row'S row and value - row'beta of a plane, at the Lambda last factored: the least sum of squares on it is r2 + gap^2 / variance.
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
        let mut rx = vec![0.0; p * p];
        for i in 0..p {
            rx[i * p..i * p + i + 1].copy_from_slice(&self.rxx[i * pw..i * pw + i + 1]);
        }
        if p > 0 {
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
        self.backward(sys, &mut out.kw, pw);
        // [F g0] = Z'[X y] - Z'Z L [K u0]
        sys.lambda_times(&self.lambda, &out.kw, pw, &mut out.scratch);
        sys.ztz_times(&out.scratch, pw, &mut out.fg);
        for (pos, (&f, &l)) in sys.sym.factor.iter().zip(&sys.sym.level).enumerate() {
            let m = sys.cp.factors[f as usize].k * pw;
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

    /// The same for -2 log-likelihood with the residual variance given as 1 / `precision`, and the fixed effects held to a plane if there is one.
    pub fn held_score(&mut self, sys: &System, precision: f64, plane: Option<&Plane>, out: &mut Score) {
        self.solve_effects_on(sys, plane, out);
        self.gammas(sys, false, precision, out);
    }

    /// Gamma of each factor, the sums of squares weighted by `precision`; the effects are those in `out`.
    fn gammas(&mut self, sys: &System, reml: bool, precision: f64, out: &mut Score) {
        self.invert(sys);
        let pw = sys.cp.pw;
        let p = pw - 1;
        out.gamma.iter_mut().for_each(|g| g.fill(0.0));
        self.traces(sys, &mut out.gamma);
        let mut sk = vec![0.0; p];
        for pos in 0..sys.sym.k.len() {
            let f = sys.sym.factor[pos] as usize;
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
                    for (a, t) in sk.iter_mut().enumerate() {
                        *t = out.s[a * p..(a + 1) * p].iter().zip(kj).map(|(x, y)| x * y).sum();
                    }
                    for i in 0..k {
                        let fi = &out.fg[(row + i) * pw..(row + i) * pw + p];
                        gamma[i * k + j] -= fi.iter().zip(&sk).map(|(x, y)| x * y).sum::<f64>();
                    }
                }
            }
        }
    }

    /// T = M^-1 on the pattern of R.
    pub fn invert(&mut self, sys: &System) {
        let s = &sys.sym;
        if self.t_diag.len() != s.diag_len || self.t_tail.len() != s.dense * s.dense {
            self.t_diag = vec![0.0; s.diag_len];
            self.t_panel = vec![0.0; s.panel_len];
            self.t_tail = vec![0.0; s.dense * s.dense];
        }
        if s.dense > 0 {
            let l = MatRef::from_column_major_slice(&self.tail, s.dense, s.dense);
            let out = MatMut::from_column_major_slice_mut(&mut self.t_tail, s.dense, s.dense);
            llt::inverse::inverse(out, l, self.par, MemStack::new(&mut self.memory));
            mirror(&mut self.t_tail, s.dense);
        }
        kernels::vectorised(
            #[inline(always)]
            || self.invert_sparse(sys),
        );
    }

    #[inline(always)]
    fn invert_sparse(&mut self, sys: &System) {
        let s = &sys.sym;
        let tallest = (0..s.n_sparse).map(|j| s.height[j] as usize * s.k[j] as usize).max().unwrap_or(0);
        let mut kk = vec![0.0; tallest];
        for &(start, end) in s.runs.iter().rev() {
            let (start, end) = (start as usize, end as usize);
            if end - start > 1 {
                self.invert_run(sys, start, end);
                continue;
            }
            let (k, h) = (s.k[start] as usize, s.height[start] as usize);
            let r = &self.diag[s.diag[start]..s.diag[start] + k * k];
            let t = &mut self.t_diag[s.diag[start]..s.diag[start] + k * k];
            with_size!(k, inverse_node(r, k, t));
            if h > 0 {
                let this = &mut *self;
                let kk = &mut kk[..h * k];
                with_size!(k, invert_node(this, sys, start, k, kk));
            }
        }
    }

    /// The same for all positions of a run at once.
    fn invert_run(&mut self, sys: &System, start: usize, end: usize) {
        let s = &sys.sym;
        let h = s.height[start] as usize;
        let cols = s.row[end] - s.row[start];
        let at = s.panel[start]..s.panel[start] + h * cols;
        let mut kk = self.panel[at.clone()].to_vec();
        for j in start..end {
            let k = s.k[j] as usize;
            let from = (s.row[j] - s.row[start]) * h;
            kernels::panel_backward::<0>(&self.diag[s.diag[j]..s.diag[j] + k * k], k, &mut kk[from..from + h * k], h);
        }
        let first = s.dense_first[start] as usize;
        let tail = MatRef::from_column_major_slice(&self.t_tail, s.dense, s.dense);
        let target = MatMut::from_column_major_slice_mut(&mut self.t_panel[at.clone()], h, cols);
        faer::linalg::matmul::matmul(
            target,
            Accum::Replace,
            tail.submatrix(first, first, h, h),
            MatRef::from_column_major_slice(&kk, h, cols),
            -1.0,
            self.par,
        );
        for j in start..end {
            let k = s.k[j] as usize;
            let from = (s.row[j] - s.row[start]) * h;
            let t = &mut self.t_diag[s.diag[j]..s.diag[j] + k * k];
            kernels::inverse_of_product::<0>(&self.diag[s.diag[j]..s.diag[j] + k * k], k, t);
            let tp = &self.t_panel[s.panel[j]..s.panel[j] + h * k];
            add_inner_products::<0>(&kk[from..from + h * k], tp, k, h, t);
        }
    }

    /// Adds sum over levels of (Z'Z L T)_ll to Gamma.
    pub(crate) fn traces(&self, sys: &System, gamma: &mut [Vec<f64>]) {
        kernels::vectorised(
            #[inline(always)]
            || self.traces_impl(sys, gamma),
        );
    }

    #[inline(always)]
    fn traces_impl(&self, sys: &System, gamma: &mut [Vec<f64>]) {
        let s = &sys.sym;
        let kmax = sys.cp.factors.iter().map(|f| f.k).max().unwrap_or(1);
        let mut t = vec![0.0; kmax * kmax];
        let mut lt = vec![0.0; kmax * kmax];
        let mut out = vec![0.0; kmax * kmax];
        for pos in 0..s.k.len() {
            let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
            let fs = &sys.cp.factors[f];
            let k = fs.k;
            let ztz = &fs.ztz[l * k * k..(l + 1) * k * k];
            if pos < s.n_sparse {
                let tt = &self.t_diag[s.diag[pos]..s.diag[pos] + k * k];
                let (lam, g) = (&self.lambda[f], &mut gamma[f]);
                let (lt, out) = (&mut lt[..k * k], &mut out[..k * k]);
                with_size!(k, add_trace(ztz, lam, tt, k, lt, out, g));
            } else {
                let at = s.dense_row(pos);
                for i in 0..k {
                    for j in 0..k {
                        t[i * k + j] = self.t_tail[(at + j) * s.dense + at + i];
                    }
                }
                add_trace::<0>(
                    ztz,
                    &self.lambda[f],
                    &t[..k * k],
                    k,
                    &mut lt[..k * k],
                    &mut out[..k * k],
                    &mut gamma[f],
                );
            }
        }
        for (c, rows) in sys.cp.cells.iter().zip(&s.cell_row) {
            let (kf, kg) = (c.kf, c.kg);
            let m = kf * kg;
            // sums over cells of C T_gf and C'T_fg, with Lambda applied inside
            for l in 0..c.start.len() - 1 {
                let pf = s.position[c.f][l] as usize;
                for i in c.start[l]..c.start[l + 1] {
                    let pg = s.position[c.g][c.level[i] as usize] as usize;
                    let (lo, f_first) = if pf < pg { (pf, true) } else { (pg, false) };
                    let (source, height, first) = if lo < s.n_sparse {
                        (&self.t_panel[s.panel[lo]..], s.height[lo] as usize, rows[i] as usize)
                    } else {
                        (&self.t_tail[s.dense_row(lo) * s.dense..], s.dense, s.dense_row(pf.max(pg)))
                    };
                    let b = c.block(i);
                    if m == 1 {
                        let v = b[0] * source[first];
                        gamma[c.f][0] += v * self.lambda[c.g][0];
                        gamma[c.g][0] += v * self.lambda[c.f][0];
                        continue;
                    }
                    // t = T_gf, kg x kf
                    for x in 0..kf {
                        for y in 0..kg {
                            t[y * kf + x] =
                                if f_first { source[x * height + first + y] } else { source[y * height + first + x] };
                        }
                    }
                    kernels::multiply(&self.lambda[c.g], &t, kg, kg, kf, &mut lt);
                    kernels::multiply(b, &lt, kf, kg, kf, &mut out);
                    gamma[c.f].iter_mut().zip(&out[..kf * kf]).for_each(|(a, v)| *a += v);
                    // Lambda_f T_fg = Lambda_f t'
                    for x in 0..kf {
                        for y in 0..kg {
                            let mut v = 0.0;
                            for z in 0..kf {
                                v += self.lambda[c.f][x * kf + z] * t[y * kf + z];
                            }
                            lt[x * kg + y] = v;
                        }
                    }
                    kernels::transposed_multiply(b, &lt, kf, kg, kg, &mut out);
                    gamma[c.g].iter_mut().zip(&out[..kg * kg]).for_each(|(a, v)| *a += v);
                }
            }
        }
    }

    /// T_ll of every level of a factor, in the order of the levels (k x k each, row-major).
    pub fn inverse_diagonal(&self, sys: &System, factor: usize) -> Vec<f64> {
        let s = &sys.sym;
        let fs = &sys.cp.factors[factor];
        let k = fs.k;
        let mut out = Vec::with_capacity(fs.n_levels * k * k);
        for l in 0..fs.n_levels {
            let pos = s.position[factor][l] as usize;
            if pos < s.n_sparse {
                out.extend_from_slice(&self.t_diag[s.diag[pos]..s.diag[pos] + k * k]);
            } else {
                let at = s.dense_row(pos);
                for i in 0..k {
                    for j in 0..k {
                        out.push(self.t_tail[(at + j) * s.dense + at + i]);
                    }
                }
            }
        }
        out
    }
}

/// Copies the lower half of a column-major matrix to its upper half, tile by tile.
fn mirror(a: &mut [f64], n: usize) {
    const TILE: usize = 32;
    for jb in (0..n).step_by(TILE) {
        for ib in (jb..n).step_by(TILE) {
            for j in jb..(jb + TILE).min(n) {
                for i in ib.max(j + 1)..(ib + TILE).min(n) {
                    a[i * n + j] = a[j * n + i];
                }
            }
        }
    }
}

#[inline(always)]
fn inverse_node<const K: usize>(r: &[f64], k: usize, out: &mut [f64]) {
    kernels::inverse_of_product::<K>(r, k, out);
}

#[inline(always)]
fn add_trace<const K: usize>(
    ztz: &[f64],
    lam: &[f64],
    t: &[f64],
    k: usize,
    lt: &mut [f64],
    out: &mut [f64],
    gamma: &mut [f64],
) {
    let k = size::<K>(k);
    kernels::multiply(lam, t, k, k, k, lt);
    kernels::multiply(ztz, lt, k, k, k, out);
    for i in 0..k * k {
        gamma[i] += out[i];
    }
}

/// t -= kk' tp for column-major `h` x k panels (tp is T_Sj = -T_SS K, so this adds K'T_SS K).
#[inline(always)]
fn add_inner_products<const K: usize>(kk: &[f64], tp: &[f64], k: usize, h: usize, t: &mut [f64]) {
    let k = size::<K>(k);
    for i in 0..k {
        for j in 0..k {
            let v: f64 = kk[i * h..(i + 1) * h].iter().zip(&tp[j * h..(j + 1) * h]).map(|(a, b)| a * b).sum();
            t[i * k + j] -= v;
        }
    }
}

/// T below and on the diagonal of one sparse position, from T of the blocks below it.
#[inline(always)]
fn invert_node<const K: usize>(e: &mut Evaluator, sys: &System, j: usize, k: usize, kk: &mut [f64]) {
    let k = size::<K>(k);
    let s = &sys.sym;
    let h = s.height[j] as usize;
    let from = s.panel[j];
    kk.copy_from_slice(&e.panel[from..from + h * k]);
    kernels::panel_backward::<K>(&e.diag[s.diag[j]..s.diag[j] + k * k], k, kk, h);
    let end = from + h * k;
    let (before, after) = e.t_panel.split_at_mut(end);
    let y = &mut before[from..];
    y.fill(0.0);
    let below = s.below(j);
    let first_row = s.below_rows(j);
    let mut update = s.update_start[j];
    for (ib, (&b, &rb)) in below.iter().zip(first_row).enumerate() {
        let (b, rb) = (b as usize, rb as usize);
        let kb = s.k[b] as usize;
        if b < s.n_sparse {
            let t = &e.t_diag[s.diag[b]..s.diag[b] + kb * kb];
            for m in 0..k {
                for x in 0..kb {
                    let mut v = 0.0;
                    for z in 0..kb {
                        v += t[x * kb + z] * kk[m * h + rb + z];
                    }
                    y[m * h + rb + x] -= v;
                }
            }
            let hb = s.height[b] as usize;
            let tp = &after[s.panel[b] - end..s.panel[b] - end + hb * kb];
            for (&a, &ra) in below[ib + 1..].iter().zip(&first_row[ib + 1..]) {
                let (ka, ra) = (s.k[a as usize] as usize, ra as usize);
                let at = s.update_row[update] as usize;
                update += 1;
                for c in 0..kb {
                    for x in 0..ka {
                        let v = tp[c * hb + at + x];
                        for m in 0..k {
                            y[m * h + ra + x] -= v * kk[m * h + rb + c];
                            y[m * h + rb + c] -= v * kk[m * h + ra + x];
                        }
                    }
                }
            }
        } else if s.dense_first[j] != SCATTERED {
            let first = s.dense_first[j] as usize;
            for c in rb..h {
                let col = first + c - rb;
                let source = &e.t_tail[col * s.dense + first..col * s.dense + first + h - rb];
                for m in 0..k {
                    let f = kk[m * h + c];
                    for (t, &v) in y[m * h + rb..(m + 1) * h].iter_mut().zip(source) {
                        *t -= f * v;
                    }
                }
            }
            break;
        } else {
            // both halves of the dense part are filled: one pass over all its columns
            let (rows, r0) = s.dense_part(j);
            for (c, &col) in rows.iter().enumerate() {
                let source = &e.t_tail[col as usize * s.dense..(col as usize + 1) * s.dense];
                for (i, &r) in rows.iter().enumerate() {
                    let v = source[r as usize];
                    for m in 0..k {
                        y[m * h + r0 + i] -= v * kk[m * h + r0 + c];
                    }
                }
            }
            break;
        }
    }
    let (y, t) = (&before[from..], &mut e.t_diag[s.diag[j]..s.diag[j] + k * k]);
    add_inner_products::<K>(kk, y, k, h, t);
}
