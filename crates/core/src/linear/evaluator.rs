//! The criterion at one Lambda: assemble M, factor it, eliminate the fixed effects.
//!
//! Scratch is allocated once; an evaluation allocates nothing that grows with the data.

use super::system::System;
use crate::blocks::kernels::{self, size};
use crate::with_size;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};

/// One row-major block per factor.
pub type Lambda = Vec<Vec<f64>>;

/// The system was not positive definite in floating point: Lambda is too large, or the response is fitted exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotPositive;

/// Entries of Lambda from which digits of M are lost that count.
const LARGE: f64 = 1e3;
/// Rounding error of a criterion that is still of use.
pub(super) const TRUSTED: f64 = 0.5;

/// Scratch of one fit and the state of its last evaluation.
pub struct Evaluator {
    /// Present Lambda.
    pub lambda: Lambda,
    /// Diagonal blocks of R, sparse part.
    pub diag: Vec<f64>,
    /// Blocks of R below the diagonal, sparse part.
    pub panel: Vec<f64>,
    /// Dense part of R: column-major, lower.
    pub tail: Vec<f64>,
    /// R^-1 L'Z'\[X y\]: q x (p + 1), row-major.
    pub rzw: Vec<f64>,
    /// Lower Cholesky factor of \[X y\]'V^-1\[X y\]: (p + 1) x (p + 1), row-major.
    pub rxx: Vec<f64>,
    /// log|R|.
    pub log_det_r: f64,
    /// log|R_X|.
    pub log_det_rx: f64,
    /// Penalised residual sum of squares at the minimum.
    pub r2: f64,
    /// C of [`Rebase`](super::rebase::Rebase) and W0'W0 + C'C, where the last evaluation used them.
    pub(super) taken: Option<(Vec<f64>, Vec<f64>)>,
    /// Diagonal blocks of T = M^-1.
    pub(crate) t_diag: Vec<f64>,
    /// Blocks of T on the pattern of R.
    pub(crate) t_panel: Vec<f64>,
    /// Dense part of T: column-major; both halves are filled.
    pub(crate) t_tail: Vec<f64>,
    pub(super) memory: MemBuffer,
    pub(super) small: Vec<f64>,
    pub(super) par: Par,
}

impl Evaluator {
    /// Scratch for a system.
    pub fn new(sys: &System, n_threads: usize) -> Self {
        let s = &sys.sym;
        let par = if n_threads > 1 && s.dense >= 256 { Par::rayon(n_threads) } else { Par::Seq };
        let kmax = sys.cp.factors.iter().map(|f| f.k).max().unwrap_or(1);
        let need = llt::factor::cholesky_in_place_scratch::<f64>(s.dense, par, Default::default())
            .or(llt::inverse::inverse_scratch::<f64>(s.dense, par));
        Evaluator {
            lambda: sys.cp.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect(),
            diag: vec![0.0; s.diag_len],
            panel: vec![0.0; s.panel_len],
            tail: vec![0.0; s.dense * s.dense],
            rzw: vec![0.0; s.q * sys.cp.pw],
            rxx: vec![0.0; sys.cp.pw * sys.cp.pw],
            log_det_r: 0.0,
            log_det_rx: 0.0,
            r2: 0.0,
            taken: None,
            t_diag: Vec::new(),
            t_panel: Vec::new(),
            t_tail: Vec::new(),
            memory: MemBuffer::new(need),
            small: vec![0.0; 2 * kmax * kmax],
            par,
        }
    }

    /// The criterion in the changed basis (see [`System::constant`] for the rest) at `self.lambda`.
    pub fn criterion(&mut self, sys: &System, reml: bool) -> Result<f64, NotPositive> {
        self.factorise(sys)?;
        self.eliminate_fixed(sys)?;
        let nu = sys.nu(reml);
        let mut d = 2.0 * self.log_det_r + nu * (1.0 + (2.0 * std::f64::consts::PI * self.r2 / nu).ln());
        if reml {
            d += 2.0 * self.log_det_rx;
        }
        if d.is_finite() {
            Ok(d)
        } else {
            Err(NotPositive)
        }
    }

    /// The criterion; infinite where it is not defined, or only rounding is left of it, as may be at very large Lambda.
    pub fn trusted_criterion(&mut self, sys: &System, reml: bool) -> f64 {
        match self.criterion(sys, reml) {
            Ok(d) if !self.is_large() || self.noise(sys, reml, d) < TRUSTED => d,
            _ => f64::INFINITY,
        }
    }

    /// Whether Lambda is so large that digits are lost.
    fn is_large(&self) -> bool {
        self.lambda.iter().flatten().any(|v| v.abs() > LARGE)
    }

    /// Sum over the rows of M of the ratio of its diagonal to what the factorisation leaves of it.
    fn pivots_lost(&self, sys: &System) -> f64 {
        let s = &sys.sym;
        let mut total = 0.0;
        for pos in 0..s.k.len() {
            let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
            let k = sys.cp.factors[f].k;
            let (ztz, lam) = (&sys.cp.factors[f].ztz[l * k * k..(l + 1) * k * k], &self.lambda[f]);
            for i in 0..k {
                let mut m = 1.0;
                for x in 0..k {
                    m += lam[x * k + i] * (0..k).map(|y| ztz[x * k + y] * lam[y * k + i]).sum::<f64>();
                }
                let r = if pos < s.n_sparse {
                    self.diag[s.diag[pos] + i * k + i]
                } else {
                    let at = s.dense_row(pos) + i;
                    self.tail[at * s.dense + at]
                };
                total += m / (r * r);
            }
        }
        total
    }

    /// Rounding error to expect of the criterion at the last evaluation: what r2 and the eliminated fixed effects lose where they are
    /// small differences of large numbers.
    pub fn noise(&self, sys: &System, reml: bool, criterion: f64) -> f64 {
        let wtw = self.taken.as_ref().map_or(&sys.cp.wtw, |t| &t.1);
        let mut lost = elimination_lost(&self.rxx, sys.cp.pw, |i| wtw[i * sys.cp.pw + i], sys.nu(reml), reml);
        if self.is_large() {
            lost += self.pivots_lost(sys);
        }
        2e-14 * (criterion.abs() + sys.nu(reml)) + 2.0 * f64::EPSILON * lost
    }

    /// Z'\[X y\] of a factor, of what is left of them where random effects have been taken out.
    pub(super) fn ztw<'s>(&self, sys: &'s System, factor: usize) -> &'s [f64] {
        match (&self.taken, &sys.rebase) {
            (Some(_), Some(r)) => r.ztw(factor),
            _ => &sys.cp.factors[factor].ztw,
        }
    }

    /// Assembles and factors M, and solves for R^-1 L'Z'\[X y\].
    pub(crate) fn factorise(&mut self, sys: &System) -> Result<(), NotPositive> {
        self.taken = match &sys.rebase {
            None => None,
            Some(r) => {
                let mut c = self.taken.take().map_or_else(Vec::new, |t| t.0);
                r.at(sys, &self.lambda, &mut c).map(|sums| (c, sums))
            }
        };
        kernels::vectorised(
            #[inline(always)]
            || self.factorise_impl(sys),
        )
    }

    #[inline(always)]
    fn factorise_impl(&mut self, sys: &System) -> Result<(), NotPositive> {
        let s = &sys.sym;
        let pw = sys.cp.pw;
        // diagonal blocks and right-hand sides
        for pos in 0..s.k.len() {
            let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
            let fs = &sys.cp.factors[f];
            let k = fs.k;
            let ztz = &fs.ztz[l * k * k..(l + 1) * k * k];
            let ztw = &self.ztw(sys, f)[l * k * pw..(l + 1) * k * pw];
            let at = s.row[pos] * pw..(s.row[pos] + k) * pw;
            let rhs = &mut self.rzw[at.clone()];
            kernels::transposed_multiply(&self.lambda[f], ztw, k, k, pw, rhs);
            if let Some((c, _)) = &self.taken {
                rhs.iter_mut().zip(&c[at]).for_each(|(r, c)| *r -= c);
            }
            if pos < s.n_sparse {
                let out = &mut self.diag[s.diag[pos]..s.diag[pos] + k * k];
                let lam = &self.lambda[f];
                let tmp = &mut self.small[..k * k];
                with_size!(k, diagonal_block(lam, ztz, k, tmp, out));
            } else {
                let (tmp, out) = self.small.split_at_mut(k * k);
                diagonal_block::<0>(&self.lambda[f], ztz, k, tmp, out);
                let at = s.dense_row(pos);
                for i in 0..k {
                    for j in 0..=i {
                        self.tail[(at + j) * s.dense + at + i] = out[i * k + j];
                    }
                }
            }
        }
        if !sys.cp.cells.is_empty() {
            self.assemble_cells(sys);
        }
        let mut log_det = 0.0;
        for &(start, end) in &s.runs {
            let (start, end) = (start as usize, end as usize);
            for j in start..end {
                let k = s.k[j] as usize;
                let h = s.height[j] as usize;
                let block = &mut self.diag[s.diag[j]..s.diag[j] + k * k];
                let panel = &mut self.panel[s.panel[j]..s.panel[j] + h * k];
                let rhs = &mut self.rzw[s.row[j] * pw..(s.row[j] + k) * pw];
                let det = with_size!(k, factor_node(block, panel, rhs, k, h, pw));
                if det.is_nan() || det <= 0.0 {
                    return Err(NotPositive);
                }
                log_det += det.ln();
            }
            if end - start > 1 {
                self.eliminate_run(sys, start, end);
            } else if s.height[start] > 0 {
                let k = s.k[start] as usize;
                let this = &mut *self;
                with_size!(k, eliminate_node(this, sys, start, k));
            }
        }
        if s.dense > 0 {
            let m = MatMut::from_column_major_slice_mut(&mut self.tail, s.dense, s.dense);
            llt::factor::cholesky_in_place(
                m,
                llt::factor::LltRegularization::default(),
                self.par,
                MemStack::new(&mut self.memory),
                Default::default(),
            )
            .map_err(|_| NotPositive)?;
            for i in 0..s.dense {
                let d = self.tail[i * s.dense + i];
                if d.is_nan() || d <= 0.0 {
                    return Err(NotPositive);
                }
                log_det += d.ln();
            }
            let rhs = &mut self.rzw[s.row[s.n_sparse] * pw..];
            dense_forward(&self.tail, s.dense, rhs, pw, self.par);
        }
        self.log_det_r = log_det;
        Ok(())
    }

    /// Places L'Z'Z L of all pairs of levels.
    #[inline(always)]
    pub(super) fn assemble_cells(&mut self, sys: &System) {
        let s = &sys.sym;
        self.panel.fill(0.0);
        if s.dense > 0 {
            // only the part below the diagonal blocks, which are in place already
            for pos in s.n_sparse..s.k.len() {
                let (at, k) = (s.dense_row(pos), s.k[pos] as usize);
                for c in at..at + k {
                    self.tail[c * s.dense + at + k..(c + 1) * s.dense].fill(0.0);
                }
            }
        }
        let kmax2 = self.small.len() / 2;
        for (c, rows) in sys.cp.cells.iter().zip(&s.cell_row) {
            let (kf, kg) = (c.kf, c.kg);
            let (lf, lg) = (&self.lambda[c.f], &self.lambda[c.g]);
            for l in 0..c.start.len() - 1 {
                let pf = s.position[c.f][l] as usize;
                for i in c.start[l]..c.start[l + 1] {
                    let pg = s.position[c.g][c.level[i] as usize] as usize;
                    let (tmp, out) = self.small.split_at_mut(kmax2);
                    if kf == 1 && kg == 1 {
                        out[0] = lf[0] * c.value[i] * lg[0];
                    } else {
                        kernels::sandwich(lf, kf, c.block(i), lg, kg, tmp, out);
                    }
                    // the column is the position eliminated first
                    let (lo, f_first) = if pf < pg { (pf, true) } else { (pg, false) };
                    let (target, height, first) = if lo < s.n_sparse {
                        (&mut self.panel[s.panel[lo]..], s.height[lo] as usize, rows[i] as usize)
                    } else {
                        let hi = pf.max(pg);
                        (&mut self.tail[s.dense_row(lo) * s.dense..], s.dense, s.dense_row(hi))
                    };
                    if f_first {
                        for a in 0..kf {
                            for b in 0..kg {
                                target[a * height + first + b] = out[a * kg + b];
                            }
                        }
                    } else {
                        for a in 0..kf {
                            for b in 0..kg {
                                target[b * height + first + a] = out[a * kg + b];
                            }
                        }
                    }
                }
            }
        }
    }

    /// Subtracts the products of the panels of a run, as one matrix, from the dense block.
    pub(super) fn eliminate_run(&mut self, sys: &System, start: usize, end: usize) {
        let s = &sys.sym;
        let pw = sys.cp.pw;
        let h = s.height[start] as usize;
        let cols = s.row[end] - s.row[start];
        let p = MatRef::from_column_major_slice(&self.panel[s.panel[start]..s.panel[start] + h * cols], h, cols);
        let at = s.dense_first[start] as usize;
        let tail = MatMut::from_column_major_slice_mut(&mut self.tail, s.dense, s.dense);
        let block = tail.submatrix_mut(at, at, h, h);
        triangular_matmul(
            block,
            BlockStructure::TriangularLower,
            Accum::Add,
            p,
            BlockStructure::Rectangular,
            p.transpose(),
            BlockStructure::Rectangular,
            -1.0,
            self.par,
        );
        let split = s.row[s.n_sparse] * pw;
        let (head, rest) = self.rzw.split_at_mut(split);
        let c = MatRef::from_row_major_slice(&head[s.row[start] * pw..s.row[end] * pw], cols, pw);
        let target = MatMut::from_row_major_slice_mut(&mut rest[at * pw..(at + h) * pw], h, pw);
        faer::linalg::matmul::matmul(target, Accum::Add, p, c, -1.0, Par::Seq);
    }

    /// Eliminates the fixed effects: the Cholesky factor of \[X y\]'\[X y\] - R_ZW'R_ZW.
    fn eliminate_fixed(&mut self, sys: &System) -> Result<(), NotPositive> {
        kernels::vectorised(
            #[inline(always)]
            || self.eliminate_fixed_impl(sys),
        )
    }

    #[inline(always)]
    fn eliminate_fixed_impl(&mut self, sys: &System) -> Result<(), NotPositive> {
        let pw = sys.cp.pw;
        let p = pw - 1;
        self.rxx.copy_from_slice(self.taken.as_ref().map_or(&sys.cp.wtw, |t| &t.1));
        if pw >= 12 {
            let a = MatRef::from_row_major_slice(&self.rzw, sys.sym.q, pw);
            let target = MatMut::from_row_major_slice_mut(&mut self.rxx, pw, pw);
            triangular_matmul(
                target,
                BlockStructure::TriangularLower,
                Accum::Add,
                a.transpose(),
                BlockStructure::Rectangular,
                a,
                BlockStructure::Rectangular,
                -1.0,
                Par::Seq,
            );
        } else {
            match pw {
                1 => subtract_products::<1>(&self.rzw, pw, &mut self.rxx),
                2 => subtract_products::<2>(&self.rzw, pw, &mut self.rxx),
                3 => subtract_products::<3>(&self.rzw, pw, &mut self.rxx),
                4 => subtract_products::<4>(&self.rzw, pw, &mut self.rxx),
                5 => subtract_products::<5>(&self.rzw, pw, &mut self.rxx),
                _ => subtract_products::<0>(&self.rzw, pw, &mut self.rxx),
            }
        }
        if !kernels::cholesky::<0>(&mut self.rxx, pw) {
            return Err(NotPositive);
        }
        self.log_det_rx = (0..p).map(|i| self.rxx[i * pw + i].ln()).sum();
        self.r2 = self.rxx[p * pw + p].powi(2);
        Ok(())
    }
}

/// Error of the criterion, in units of rounding, that eliminating the fixed effects brings: `rxx` is the factor of what is left of
/// the products of [X y], `size` the sum of squares of a column before random effects were eliminated.
pub(super) fn elimination_lost(rxx: &[f64], pw: usize, size: impl Fn(usize) -> f64, nu: f64, reml: bool) -> f64 {
    let p = pw - 1;
    let r2 = rxx[p * pw + p].powi(2);
    let yy = size(p);
    // of r2, then of each fixed effect's part of it
    let (mut total, mut of_r2) = (0.0, yy);
    for i in 0..p {
        let ratio = size(i) / rxx[i * pw + i].powi(2);
        if reml {
            total += 2.0 * ratio;
        }
        let c = rxx[p * pw + i].abs();
        of_r2 += c * c * ratio + 2.0 * c * (ratio * yy).sqrt() + f64::EPSILON * ratio * yy;
    }
    total + nu * of_r2 / r2
}

/// lam' ztz lam + I.
#[inline(always)]
fn diagonal_block<const K: usize>(lam: &[f64], ztz: &[f64], k: usize, tmp: &mut [f64], out: &mut [f64]) {
    let k = size::<K>(k);
    kernels::multiply(ztz, lam, k, k, k, tmp);
    kernels::transposed_multiply(lam, tmp, k, k, k, out);
    for i in 0..k {
        out[i * k + i] += 1.0;
    }
}

/// Factors a diagonal block, applies it to its panel and right-hand side; returns the determinant of the factor.
#[inline(always)]
fn factor_node<const K: usize>(
    block: &mut [f64],
    panel: &mut [f64],
    rhs: &mut [f64],
    k: usize,
    h: usize,
    pw: usize,
) -> f64 {
    let k = size::<K>(k);
    if !kernels::cholesky::<K>(block, k) {
        return f64::NAN;
    }
    kernels::forward::<K>(block, k, rhs, pw);
    if h > 0 {
        kernels::panel_forward::<K>(block, k, panel, h);
    }
    (0..k).map(|i| block[i * k + i]).product()
}

/// Subtracts the products of one panel from the blocks and right-hand sides below it.
#[inline(always)]
pub(super) fn eliminate_node<const K: usize>(e: &mut Evaluator, sys: &System, j: usize, k: usize) {
    let k = size::<K>(k);
    let s = &sys.sym;
    let pw = sys.cp.pw;
    let h = s.height[j] as usize;
    let end = s.panel[j] + h * k;
    let (before, after) = e.panel.split_at_mut(end);
    let p = &before[s.panel[j]..];
    let below = s.below(j);
    let first_row = s.below_rows(j);

    let (head, rest) = e.rzw.split_at_mut(s.row[j + 1] * pw);
    let mine = &head[s.row[j] * pw..];
    let base = s.row[j + 1];
    for (&a, &r0) in below.iter().zip(first_row) {
        let a = a as usize;
        for i in 0..s.k[a] as usize {
            let at = (s.row[a] - base + i) * pw;
            let target = &mut rest[at..at + pw];
            for m in 0..k {
                let f = p[m * h + r0 as usize + i];
                for (t, &v) in target.iter_mut().zip(&mine[m * pw..(m + 1) * pw]) {
                    *t -= f * v;
                }
            }
        }
    }

    let mut update = s.update_start[j];
    for (ib, (&b, &rb)) in below.iter().zip(first_row).enumerate() {
        let (b, rb) = (b as usize, rb as usize);
        let kb = s.k[b] as usize;
        if b < s.n_sparse {
            let block = &mut e.diag[s.diag[b]..s.diag[b] + kb * kb];
            for x in 0..kb {
                for y in 0..=x {
                    let mut v = 0.0;
                    for m in 0..k {
                        v += p[m * h + rb + x] * p[m * h + rb + y];
                    }
                    block[x * kb + y] -= v;
                }
            }
            let hb = s.height[b] as usize;
            let target = &mut after[s.panel[b] - end..s.panel[b] - end + hb * kb];
            for (&a, &ra) in below[ib + 1..].iter().zip(&first_row[ib + 1..]) {
                let (ka, ra) = (s.k[a as usize] as usize, ra as usize);
                let at = s.update_row[update] as usize;
                update += 1;
                for y in 0..kb {
                    for x in 0..ka {
                        let mut v = 0.0;
                        for m in 0..k {
                            v += p[m * h + ra + x] * p[m * h + rb + y];
                        }
                        target[y * hb + at + x] -= v;
                    }
                }
            }
        } else if s.dense_first[j] != crate::blocks::SCATTERED {
            let first = s.dense_first[j] as usize;
            for c in rb..h {
                let col = first + c - rb;
                let target = &mut e.tail[col * s.dense + col..col * s.dense + col + h - c];
                for m in 0..k {
                    let f = p[m * h + c];
                    for (t, &v) in target.iter_mut().zip(&p[m * h + c..(m + 1) * h]) {
                        *t -= f * v;
                    }
                }
            }
            break;
        } else {
            let (rows, r0) = s.dense_part(j);
            for (c, &col) in rows.iter().enumerate() {
                let target = &mut e.tail[col as usize * s.dense..(col as usize + 1) * s.dense];
                if k == 1 {
                    let f = p[r0 + c];
                    for (&r, &v) in rows[c..].iter().zip(&p[r0 + c..h]) {
                        target[r as usize] -= f * v;
                    }
                } else {
                    for (i, &r) in rows.iter().enumerate().skip(c) {
                        let mut v = 0.0;
                        for m in 0..k {
                            v += p[m * h + r0 + c] * p[m * h + r0 + i];
                        }
                        target[r as usize] -= v;
                    }
                }
            }
            break;
        }
    }
}

/// Lower triangle of `out` -= a'a for row-major `a`.
#[inline(always)]
fn subtract_products<const P: usize>(a: &[f64], pw: usize, out: &mut [f64]) {
    let pw = size::<P>(pw);
    for row in a.chunks_exact(pw) {
        for i in 0..pw {
            let f = row[i];
            for j in 0..=i {
                out[i * pw + j] -= f * row[j];
            }
        }
    }
}

/// Solves with the dense factor for row-major right-hand sides, in place.
pub(crate) fn dense_forward(tail: &[f64], dense: usize, rhs: &mut [f64], cols: usize, par: Par) {
    let l = MatRef::from_column_major_slice(tail, dense, dense);
    let b = MatMut::from_row_major_slice_mut(rhs, dense, cols);
    faer::linalg::triangular_solve::solve_lower_triangular_in_place(l, b, par);
}

/// Solves with the transposed dense factor for row-major right-hand sides, in place.
pub(super) fn dense_backward(tail: &[f64], dense: usize, rhs: &mut [f64], cols: usize, par: Par) {
    let l = MatRef::from_column_major_slice(tail, dense, dense);
    let b = MatMut::from_row_major_slice_mut(rhs, dense, cols);
    faer::linalg::triangular_solve::solve_upper_triangular_in_place(l.transpose(), b, par);
}
