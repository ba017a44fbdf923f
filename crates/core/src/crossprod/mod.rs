//! Sufficient statistics of a linear mixed model: everything a fit needs of the rows.
//!
//! Sums are additive, so chunks of rows are accumulated separately and merged; data in memory are
//! one source of chunks.

mod cells;
mod gram;
mod levels;
mod members;
mod rank;

pub(crate) use cells::{by_level, pair, Blocks};
pub use cells::{met, observed, Cells};
pub use gram::Gram;
pub use rank::{apart_from_levels, independent_columns, products_of_x, settle_rank, well_conditioned};
pub(crate) use rank::{DEPENDENT, DOUBT};

use crate::basis::Basis;
use crate::dense::large;
use crate::error::CoreError;
use crate::residual::Residual;
use crate::rows::{FactorRows, Rows};
use crate::watch::{not_stopped, stop_flag};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Rows handled together while they are in the first-level cache.
pub(crate) const BLOCK: usize = 128;
/// Rows of one chunk; chunks are the unit of parallel work and do not depend on the number of
/// threads.
pub(crate) const CHUNK: usize = 1 << 20;

/// Cross-products of \[Z X y\] in the changed basis.
#[derive(Clone, Debug)]
pub struct Crossprod {
    /// Number of rows.
    pub n: usize,
    /// log|R| of the covariance of the rows, relative to sigma^2; of independent rows minus the sum
    /// of log weights.
    pub log_det_r: f64,
    /// p + 1.
    pub pw: usize,
    /// \[X y\]'\[X y\], (p + 1) x (p + 1), symmetric.
    pub wtw: Vec<f64>,
    /// Running compensation of `wtw`.
    pub(crate) wtw_low: Vec<f64>,
    /// Z'Z.
    pub gram: Gram,
    /// Z'\[X y\] of each level of each factor: k x (p + 1), row-major.
    pub ztw: Vec<Vec<f64>>,
}

/// Neumaier's compensated addition.
#[inline(always)]
fn add(sum: &mut f64, low: &mut f64, v: f64) {
    let t = *sum + v;
    *low += if sum.abs() >= v.abs() { (*sum - t) + v } else { (v - t) + *sum };
    *sum = t;
}

impl Crossprod {
    /// All rows, independent given the random effects.
    pub fn of(rows: &Rows<'_>, basis: &Basis, n_threads: usize) -> Self {
        Self::whitened(rows, basis, (&rows.independent(), &[]), n_threads)
    }

    /// All rows with the covariance R: chunks are accumulated (in parallel when allowed) and merged
    /// in order.
    pub fn whitened<R: Residual>(rows: &Rows<'_>, basis: &Basis, r: (&R, &[f64]), n_threads: usize) -> Self {
        let n = rows.n();
        let mut chunks: Vec<Range<usize>> = Vec::new();
        let mut start = 0;
        while start < n || chunks.is_empty() {
            let end = r.0.end(start, CHUNK);
            chunks.push(start..end);
            start = end;
        }
        // other threads do not know whether the work of this one is to end; its sums are then of no
        // use
        let stop = stop_flag();
        let is_stopped = || stop.as_ref().is_some_and(|s| s.load(Ordering::Relaxed));
        let parts: Vec<Crossprod> = if n_threads > 1 && chunks.len() > 1 {
            use rayon::prelude::*;
            let of = |(i, c)| (i == 0 || !is_stopped()).then(|| Self::of_chunk(rows, basis, r, c));
            chunks.into_par_iter().enumerate().filter_map(of).collect()
        } else {
            let mut done: Option<Crossprod> = None;
            for c in chunks {
                if done.is_some() && is_stopped() {
                    break;
                }
                let part = Self::of_chunk(rows, basis, r, c);
                done = Some(match done {
                    None => part,
                    Some(d) => d.merge(part),
                });
            }
            return done.expect("at least one chunk").finish();
        };
        parts.into_iter().reduce(Crossprod::merge).expect("at least one chunk").finish()
    }

    /// The sums of a range of rows (whole blocks of R), not finished: merge them, then call
    /// [`Crossprod::finish`].
    pub fn of_chunk<R: Residual>(
        rows: &Rows<'_>,
        basis: &Basis,
        (residual, rho): (&R, &[f64]),
        range: Range<usize>,
    ) -> Self {
        if levels::worth_it(rows, basis) && residual.is_diagonal() {
            return levels::of_chunk(rows, basis, (residual, rho), range);
        }
        let p = basis.p();
        let pw = p + 1;
        let ks: Vec<usize> = rows.factors.iter().map(FactorRows::k).collect();
        let mut gram = Gram::zeros(rows.factors.iter().map(|f| (f.k(), f.n_levels)), Vec::new());
        let mut ztw: Vec<Vec<f64>> = rows.factors.iter().map(|f| vec![0.0; f.n_levels * f.k() * pw]).collect();
        let mut wtw = vec![0.0; pw * pw];
        let mut wtw_low = vec![0.0; pw * pw];
        let mut block_wtw = vec![0.0; pw * pw];
        let mut w_buf = vec![0.0; BLOCK * pw];
        let mut z_bufs: Vec<Vec<f64>> = ks.iter().map(|&k| vec![0.0; BLOCK * k]).collect();
        let mut log_det_r = 0.0;
        let mut start = range.start;
        while start < range.end {
            let stop = residual.end(start, BLOCK).min(range.end);
            let m = stop - start;
            if w_buf.len() < m * pw {
                // a block of R that is longer than usual
                w_buf.resize(m * pw, 0.0);
                z_bufs.iter_mut().zip(&ks).for_each(|(z, &k)| z.resize(m * k, 0.0));
            }
            unweighted_w(rows, basis, start..stop, &mut w_buf);
            residual.whiten(rho, start..stop, pw, &mut w_buf);
            if pw < large::MANY {
                block_wtw.fill(0.0);
                for r in 0..m {
                    let row = &w_buf[r * pw..(r + 1) * pw];
                    for i in 0..pw {
                        let a = row[i];
                        for (t, &b) in block_wtw[i * pw..i * pw + i + 1].iter_mut().zip(row) {
                            *t += a * b;
                        }
                    }
                }
            } else {
                large::products(&w_buf[..m * pw], pw, &mut block_wtw);
            }
            for (i, &v) in block_wtw.iter().enumerate() {
                add(&mut wtw[i], &mut wtw_low[i], v);
            }
            log_det_r += residual.log_det(rho, start..stop);
            for (fi, f) in rows.factors.iter().enumerate() {
                let k = ks[fi];
                unweighted_z(rows, basis, fi, start..stop, &mut z_bufs[fi]);
                residual.whiten(rho, start..stop, k, &mut z_bufs[fi]);
                let sums = (&mut gram.levels[fi][..], &mut ztw[fi][..]);
                if f.members.is_some() {
                    members::add_levels(f, start..stop, &z_bufs[fi], &w_buf, pw, sums);
                    continue;
                }
                match k {
                    1 => add_levels::<1>(&f.codes[start..stop], &z_bufs[fi], &w_buf, k, pw, sums),
                    2 => add_levels::<2>(&f.codes[start..stop], &z_bufs[fi], &w_buf, k, pw, sums),
                    _ => add_levels::<0>(&f.codes[start..stop], &z_bufs[fi], &w_buf, k, pw, sums),
                }
            }
            start = stop;
        }
        gram.cells = cells::accumulate(rows, basis, (residual, rho), range.clone());
        Crossprod { n: range.len(), log_det_r, pw, wtw, wtw_low, gram, ztw }
    }

    /// Sums of both parts (same factors, levels and basis).
    pub fn merge(mut self, other: Crossprod) -> Self {
        self.n += other.n;
        self.log_det_r += other.log_det_r;
        for i in 0..self.wtw.len() {
            add(&mut self.wtw[i], &mut self.wtw_low[i], other.wtw[i]);
            self.wtw_low[i] += other.wtw_low[i];
        }
        for (a, b) in self.ztw.iter_mut().zip(&other.ztw) {
            a.iter_mut().zip(b).for_each(|(x, y)| *x += y);
        }
        self.gram = self.gram.merge(other.gram);
        self
    }

    /// Applies the compensation and fills the symmetric halves.
    pub fn finish(mut self) -> Self {
        let pw = self.pw;
        for i in 0..self.wtw.len() {
            self.wtw[i] += self.wtw_low[i];
            self.wtw_low[i] = 0.0;
        }
        for i in 0..pw {
            for j in 0..i {
                self.wtw[j * pw + i] = self.wtw[i * pw + j];
            }
        }
        self.gram.fill_upper();
        self
    }

    /// Leaves out all columns of X but some.
    pub fn keep_columns(&mut self, kept: &[usize]) {
        let (old, pw) = (self.pw, kept.len() + 1);
        let taken: Vec<usize> = kept.iter().copied().chain([old - 1]).collect();
        for v in [&mut self.wtw, &mut self.wtw_low] {
            *v = taken.iter().flat_map(|&i| taken.iter().map(move |&j| i * old + j)).map(|at| v[at]).collect();
        }
        for v in &mut self.ztw {
            *v = v.chunks_exact(old).flat_map(|row| taken.iter().map(|&j| row[j])).collect();
        }
        self.pw = pw;
    }

    /// Checks that all rows are in the sums, and these finite.
    pub fn check(&self) -> Result<(), CoreError> {
        not_stopped()?;
        if self.wtw.iter().any(|v| !v.is_finite()) {
            return Err(CoreError::Degenerate(
                "the cross-products of X and y are not finite: rescale the variables".into(),
            ));
        }
        Ok(())
    }
}

/// X of a block of rows in the changed basis, without weights: row-major with `stride` numbers for
/// each row.
pub(crate) fn transformed_x(rows: &Rows<'_>, basis: &Basis, range: Range<usize>, stride: usize, out: &mut [f64]) {
    let p = basis.p();
    if basis.x_diagonal {
        for (c, &j) in basis.kept.iter().enumerate() {
            let (shift, scale) = (basis.x_shift[c], basis.x_transform[c * p + c]);
            rows.x[j].each(range.clone(), |r, v| out[r * stride + c] = (v - shift) * scale);
        }
    } else {
        let mut x = vec![0.0; p];
        for (r, i) in range.enumerate() {
            for (t, &j) in x.iter_mut().zip(&basis.kept) {
                *t = rows.x[j].at(i);
            }
            basis.x_row(&x, &mut out[r * stride..r * stride + p]);
        }
    }
}

/// \[X y\] of a block of rows in the changed basis, times the square roots of the weights;
/// row-major.
pub(crate) fn transformed_w(rows: &Rows<'_>, basis: &Basis, range: Range<usize>, out: &mut [f64]) {
    unweighted_w(rows, basis, range.clone(), out);
    rows.independent().whiten(&[], range, basis.p() + 1, out);
}

/// \[X y\] of a block of rows in the changed basis; row-major.
pub(crate) fn unweighted_w(rows: &Rows<'_>, basis: &Basis, range: Range<usize>, out: &mut [f64]) {
    let p = basis.p();
    let pw = p + 1;
    transformed_x(rows, basis, range.clone(), pw, out);
    let inv = 1.0 / basis.y_scale;
    for (r, &v) in rows.y[range].iter().enumerate() {
        out[r * pw + p] = (v - basis.y_shift) * inv;
    }
}

/// Effects of one factor for a block of rows in the changed basis, times the square roots of the
/// weights; row-major.
pub(crate) fn transformed_z(rows: &Rows<'_>, basis: &Basis, factor: usize, range: Range<usize>, out: &mut [f64]) {
    unweighted_z(rows, basis, factor, range.clone(), out);
    rows.independent().whiten(&[], range, rows.factors[factor].k(), out);
}

/// Effects of one factor for a block of rows in the changed basis; row-major.
pub(crate) fn unweighted_z(rows: &Rows<'_>, basis: &Basis, factor: usize, range: Range<usize>, out: &mut [f64]) {
    let f = &rows.factors[factor];
    let k = f.k();
    if f.is_fixed() {
        out[..range.len()].fill(1.0);
        return;
    }
    let mut at = 0;
    for (t, tb) in f.terms.iter().zip(&basis.terms[factor]) {
        for (j, z) in t.z.iter().enumerate() {
            let (shift, inv) = (tb.shift[j], 1.0 / tb.scale[j]);
            for (r, &v) in z[range.clone()].iter().enumerate() {
                out[r * k + at + j] = (v - shift) * inv;
            }
        }
        at += t.z.len();
    }
}

/// Adds a block of rows to the sums of their levels. `K` is the number of effects, or 0 where it is
/// known only at run time.
#[inline(always)]
fn add_levels<const K: usize>(
    codes: &[i32],
    z: &[f64],
    w: &[f64],
    k: usize,
    pw: usize,
    (all_ztz, all_ztw): (&mut [f64], &mut [f64]),
) {
    let k = if K == 0 { k } else { K };
    for (r, &code) in codes.iter().enumerate() {
        let l = code as usize;
        let zr = &z[r * k..r * k + k];
        let wr = &w[r * pw..r * pw + pw];
        let ztw = &mut all_ztw[l * k * pw..(l + 1) * k * pw];
        let ztz = &mut all_ztz[l * k * k..(l + 1) * k * k];
        for i in 0..k {
            let a = zr[i];
            for (t, &b) in ztw[i * pw..(i + 1) * pw].iter_mut().zip(wr) {
                *t += a * b;
            }
            for j in 0..=i {
                ztz[i * k + j] += a * zr[j];
            }
        }
    }
}
