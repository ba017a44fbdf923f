//! The criterion at one Lambda: factor M, eliminate the fixed effects.
//!
//! Scratch is allocated once; an evaluation allocates nothing that grows with the data.

use super::system::System;
use crate::blocks::{Factor, NotPositive};
use crate::dense::kernels::{self, size, transposed_block_times};
use crate::dense::large;
use crate::layout::Lambda;
use crate::with_sizes;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};

/// Entries of Lambda from which digits of M are lost that count.
const LARGE: f64 = 1e3;
/// Rounding error of a criterion that is still of use.
pub(super) const TRUSTED: f64 = 0.5;
/// Columns of \[X y\] from which on their products are those of a matrix library.
const MANY_COLUMNS: usize = 12;

/// Scratch of one fit and the state of its last evaluation.
pub struct Evaluator {
    /// Present Lambda.
    pub lambda: Lambda,
    /// M = L'Z'Z L + I = R R' at the Lambda last factored.
    pub factor: Factor,
    /// The same of the random effects alone, where there is a fixed factor and it is needed.
    pub alone: Option<Factor>,
    n_threads: usize,
    /// R^-1 L'Z'\[X y\]: q x (p + 1), row-major.
    pub rzw: Vec<f64>,
    /// Lower Cholesky factor of \[X y\]'V^-1\[X y\]: (p + 1) x (p + 1), row-major.
    pub rxx: Vec<f64>,
    /// log|R_X|.
    pub log_det_rx: f64,
    /// Penalised residual sum of squares at the minimum.
    pub r2: f64,
    /// C of [`Rebase`](super::rebase::Rebase) and W0'W0 + C'C, where the last evaluation used them.
    pub(super) taken: Option<(Vec<f64>, Vec<f64>)>,
}

impl Evaluator {
    /// Scratch for a system.
    pub fn new(sys: &System, n_threads: usize) -> Self {
        Evaluator {
            lambda: sys.zero_lambda(),
            factor: Factor::new(&sys.sym, n_threads),
            alone: None,
            n_threads,
            rzw: vec![0.0; sys.q() * sys.cp.pw],
            rxx: vec![0.0; sys.cp.pw * sys.cp.pw],
            log_det_rx: 0.0,
            r2: 0.0,
            taken: None,
        }
    }

    /// The criterion in the changed basis (see [`System::constant`] for the rest) at `self.lambda`.
    pub fn criterion(&mut self, sys: &System, reml: bool) -> Result<f64, NotPositive> {
        self.right_hand_sides(sys);
        self.factor.factorise(&sys.cp.gram, &self.lambda, &mut self.rzw, sys.cp.pw)?;
        self.eliminate_fixed(sys)?;
        if !reml {
            self.factorise_alone(sys)?;
        }
        let nu = sys.nu(reml);
        let mut d = self.log_det(reml) + nu * (1.0 + (2.0 * std::f64::consts::PI * self.r2 / nu).ln());
        if reml {
            d += 2.0 * self.log_det_rx;
        }
        if d.is_finite() {
            Ok(d)
        } else {
            Err(NotPositive)
        }
    }

    /// Factors M of the random effects alone, where it is another than that of the system.
    ///
    /// # Errors
    /// Where it is not positive definite in floating point.
    pub fn factorise_alone(&mut self, sys: &System) -> Result<(), NotPositive> {
        let Some(own) = &sys.alone else { return Ok(()) };
        let factor = self.alone.get_or_insert_with(|| Factor::new(&own.sym, self.n_threads));
        factor.factorise(&own.gram, &self.lambda[..own.gram.k.len()], &mut [], 0)
    }

    /// log|V|, under REML with log|X'V^-1 X| of the levels of a fixed factor.
    pub(super) fn log_det(&self, reml: bool) -> f64 {
        match &self.alone {
            Some(alone) if !reml => alone.log_det(),
            _ => self.factor.log_det(),
        }
    }

    /// The criterion; infinite where it is not defined, or only rounding is left of it, as may be
    /// at very large Lambda.
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

    /// Rounding error to expect of the criterion at the last evaluation: what r2 and the eliminated
    /// fixed effects lose where they are small differences of large numbers.
    pub fn noise(&self, sys: &System, reml: bool, criterion: f64) -> f64 {
        let wtw = self.taken.as_ref().map_or(&sys.cp.wtw, |t| &t.1);
        let mut lost = elimination_lost(&self.rxx, sys.cp.pw, |i| wtw[i * sys.cp.pw + i], sys.nu(reml), reml);
        if self.is_large() {
            lost += self.factor.pivots_lost(&sys.cp.gram, &self.lambda);
        }
        2e-14 * (criterion.abs() + sys.nu(reml)) + 2.0 * f64::EPSILON * lost
    }

    /// Z'\[X y\] of a factor, of what is left of them where random effects have been taken out.
    pub(super) fn ztw<'s>(&self, sys: &'s System, factor: usize) -> &'s [f64] {
        match (&self.taken, &sys.rebase) {
            (Some(_), Some(r)) => r.ztw(factor),
            _ => &sys.cp.ztw[factor],
        }
    }

    /// L'Z'\[X y\] in elimination order, less what has been taken out.
    fn right_hand_sides(&mut self, sys: &System) {
        self.taken = match &sys.rebase {
            None => None,
            Some(r) => {
                let mut c = self.taken.take().map_or_else(Vec::new, |t| t.0);
                r.at(sys, &self.lambda, &mut c).map(|sums| (c, sums))
            }
        };
        kernels::vectorised(
            #[inline(always)]
            || self.right_hand_sides_impl(sys),
        );
    }

    #[inline(always)]
    fn right_hand_sides_impl(&mut self, sys: &System) {
        let (s, pw) = (&*sys.sym, sys.cp.pw);
        for pos in 0..s.k.len() {
            let (f, l, k) = (s.factor[pos] as usize, s.level[pos] as usize, s.k[pos] as usize);
            let ztw = &self.ztw(sys, f)[l * k * pw..(l + 1) * k * pw];
            let rows = &mut self.rzw[s.row[pos] * pw..(s.row[pos] + k) * pw];
            with_sizes!(k, pw, transposed_block_times(&self.lambda[f], ztw, k, pw, rows));
        }
        if let Some((c, _)) = &self.taken {
            self.rzw.iter_mut().zip(c).for_each(|(r, c)| *r -= c);
        }
    }

    /// R_X alone: p x p, lower, row-major.
    pub(super) fn root_of_fixed(&self) -> Vec<f64> {
        let pw = self.rxx.len().isqrt();
        let p = pw - 1;
        let mut out = vec![0.0; p * p];
        for i in 0..p {
            out[i * p..i * p + i + 1].copy_from_slice(&self.rxx[i * pw..i * pw + i + 1]);
        }
        out
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
        if pw >= MANY_COLUMNS {
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
        let done = if pw < large::MANY {
            kernels::cholesky::<0>(&mut self.rxx, pw)
        } else {
            large::cholesky(&mut self.rxx, pw)
        };
        if !done {
            return Err(NotPositive);
        }
        self.log_det_rx = (0..p).map(|i| self.rxx[i * pw + i].ln()).sum();
        self.r2 = self.rxx[p * pw + p].powi(2);
        Ok(())
    }
}

/// Error of the criterion, in units of rounding, that eliminating the fixed effects brings: `rxx`
/// is the factor of what is left of the products of [X y], `size` the sum of squares of a column
/// before random effects were eliminated.
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
