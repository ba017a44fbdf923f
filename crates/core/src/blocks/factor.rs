//! The factor R of M = L'Z'WZ L + I = R R', and M^-1 on its pattern.
//!
//! Scratch is allocated once; a factorisation allocates nothing that grows with the data. Rows are
//! in elimination order.

use super::eliminate::{eliminate_node, eliminate_run, factor_node};
use super::storage::{Place, Storage};
use super::symbolic::Symbolic;
use super::NotPositive;
use crate::crossprod::{Cells, Gram};
use crate::dense::kernels::{self, size};
use crate::dense::stoppable;
use crate::watch::Pace;
use crate::{with_size, with_sizes};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::{MatMut, Par};
use std::sync::Arc;

/// Order of the dense block from which its work is worth sharing among threads.
const WORTH_SHARING: usize = 256;

/// The factor of M at one Lambda, in a sparse part of small blocks and one dense block.
pub struct Factor {
    pub(super) sym: Arc<Symbolic>,
    /// R.
    pub(super) r: Storage,
    /// log|R|.
    log_det: f64,
    /// T = M^-1 on the pattern of R; empty until it is asked for.
    pub(super) t: Storage,
    /// Whether T belongs to R.
    pub(super) is_inverted: bool,
    pub(super) memory: MemBuffer,
    small: Vec<f64>,
    pub(super) par: Par,
}

impl Factor {
    /// Room for the factor of a system.
    pub fn new(sym: &Arc<Symbolic>, n_threads: usize) -> Self {
        let par = if n_threads > 1 && sym.dense >= WORTH_SHARING { Par::rayon(n_threads) } else { Par::Seq };
        let need = llt::factor::cholesky_in_place_scratch::<f64>(sym.dense, par, Default::default())
            .or(llt::inverse::inverse_scratch::<f64>(sym.dense, par));
        let largest = sym.k.iter().copied().max().unwrap_or(1) as usize;
        Factor {
            sym: sym.clone(),
            r: Storage::zeros(sym),
            log_det: 0.0,
            t: Storage::default(),
            is_inverted: false,
            memory: MemBuffer::new(need),
            small: vec![0.0; 2 * largest * largest],
            par,
        }
    }

    /// log|M|; with sampling weights the sum of the log determinants that the levels leave, each
    /// times its weight.
    pub fn log_det(&self) -> f64 {
        2.0 * self.log_det
    }

    /// Assembles M from Z'WZ and Lambda, factors it, and solves R x = `rhs` (q x `cols`, row-major)
    /// in place on the way.
    ///
    /// # Errors
    /// Where M is not positive definite in floating point, or the work was stopped.
    pub fn factorise(
        &mut self,
        gram: &Gram,
        lambda: &[Vec<f64>],
        rhs: &mut [f64],
        cols: usize,
    ) -> Result<(), NotPositive> {
        self.is_inverted = false;
        kernels::vectorised(
            #[inline(always)]
            || {
                if !self.assemble(gram, lambda) {
                    return Err(NotPositive);
                }
                self.eliminate(rhs, cols)
            },
        )
    }

    /// M; whether it is whole.
    #[inline(always)]
    fn assemble(&mut self, gram: &Gram, lambda: &[Vec<f64>]) -> bool {
        let s = &*self.sym;
        for pos in 0..s.k.len() {
            let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
            let k = s.k[pos] as usize;
            let ztz = &gram.levels[f][l * k * k..(l + 1) * k * k];
            if pos < s.n_sparse {
                let out = &mut self.r.diag[s.diag[pos]..s.diag[pos] + k * k];
                let lam = &lambda[f];
                let tmp = &mut self.small[..k * k];
                let ridge = s.ridge(f);
                with_size!(k, diagonal_block(lam, ztz, k, ridge, tmp, out));
            } else {
                let (tmp, out) = self.small.split_at_mut(k * k);
                diagonal_block::<0>(&lambda[f], ztz, k, s.ridge(f), tmp, out);
                self.r.set_diagonal(s, pos, &out[..k * k]);
            }
        }
        gram.cells.is_empty() || place_cells(&mut self.r, s, &gram.cells, lambda, &mut self.small)
    }

    #[inline(always)]
    fn eliminate(&mut self, rhs: &mut [f64], cols: usize) -> Result<(), NotPositive> {
        let s = &*self.sym;
        let r = &mut self.r;
        let mut log_det = 0.0;
        let mut pace = Pace::default();
        for &(start, end) in &s.runs {
            let (start, end) = (start as usize, end as usize);
            if pace.is_stopped(s.operations(start, end)) {
                return Err(NotPositive);
            }
            for j in start..end {
                let k = s.k[j] as usize;
                let h = s.height[j] as usize;
                let block = &mut r.diag[s.diag[j]..s.diag[j] + k * k];
                let panel = &mut r.panel[s.panel[j]..s.panel[j] + h * k];
                let rows = &mut rhs[s.row[j] * cols..(s.row[j] + k) * cols];
                let det = with_sizes!(k, cols, factor_node(block, panel, rows, k, h, cols));
                if det.is_nan() || det <= 0.0 {
                    return Err(NotPositive);
                }
                log_det += s.weight(j) * det.ln();
            }
            if end - start > 1 {
                eliminate_run(r, s, (start, end), rhs, cols, self.par);
            } else if s.height[start] > 0 {
                let k = s.k[start] as usize;
                with_size!(k, eliminate_node(r, s, start, k, rhs, cols));
            }
        }
        if s.dense > 0 {
            let m = MatMut::from_column_major_slice_mut(&mut r.tail, s.dense, s.dense);
            let stack = MemStack::new(&mut self.memory);
            let is_positive = if s.dense >= stoppable::LARGE {
                stoppable::cholesky(m, self.par, stack)
            } else {
                let options = llt::factor::LltRegularization::default();
                llt::factor::cholesky_in_place(m, options, self.par, stack, Default::default()).is_ok()
            };
            if !is_positive {
                return Err(NotPositive);
            }
            for pos in s.n_sparse..s.k.len() {
                let at = s.dense_row(pos);
                for i in at..at + s.k[pos] as usize {
                    let d = r.tail[i * s.dense + i];
                    if d.is_nan() || d <= 0.0 {
                        return Err(NotPositive);
                    }
                    log_det += s.weight(pos) * d.ln();
                }
            }
            self.dense_forward(&mut rhs[s.row[s.n_sparse] * cols..], cols);
        }
        self.log_det = log_det;
        Ok(())
    }

    /// Sum over the rows of M of the ratio of its diagonal to what the factorisation leaves of it.
    pub fn pivots_lost(&self, gram: &Gram, lambda: &[Vec<f64>]) -> f64 {
        let s = &*self.sym;
        let mut total = 0.0;
        for pos in 0..s.k.len() {
            let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
            let k = s.k[pos] as usize;
            let (ztz, lam) = (&gram.levels[f][l * k * k..(l + 1) * k * k], &lambda[f]);
            for i in 0..k {
                let mut m = s.ridge(f);
                for x in 0..k {
                    m += lam[x * k + i] * (0..k).map(|y| ztz[x * k + y] * lam[y * k + i]).sum::<f64>();
                }
                let r = self.r.pivot(s, pos, i);
                total += m / (r * r);
            }
        }
        total
    }

    /// The diagonal block of R of a level, where no levels of other factors come before it: k x k,
    /// row-major, lower.
    pub(crate) fn level_block(&self, factor: usize, level: usize) -> &[f64] {
        let s = &*self.sym;
        let pos = s.position[factor][level] as usize;
        let k = s.k[pos] as usize;
        &self.r.diag[s.diag[pos]..s.diag[pos] + k * k]
    }
}

/// lam' ztz lam + `ridge` I.
#[inline(always)]
fn diagonal_block<const K: usize>(lam: &[f64], ztz: &[f64], k: usize, ridge: f64, tmp: &mut [f64], out: &mut [f64]) {
    let k = size::<K>(k);
    kernels::multiply(ztz, lam, k, k, k, tmp);
    kernels::transposed_multiply(lam, tmp, k, k, k, out);
    for i in 0..k {
        out[i * k + i] += ridge;
    }
}

/// Places L'Z'WZ L of all pairs of levels that occur together, and zeros where there is nothing;
/// false where the work was stopped before it was whole.
#[inline(always)]
pub(super) fn place_cells(
    r: &mut Storage,
    s: &Symbolic,
    cells: &[Cells],
    lambda: &[Vec<f64>],
    small: &mut [f64],
) -> bool {
    r.panel.fill(0.0);
    if s.dense > 0 {
        let mut pace = Pace::default();
        // only the part below the diagonal blocks, which are in place already
        for pos in s.n_sparse..s.k.len() {
            let (at, k) = (s.dense_row(pos), s.k[pos] as usize);
            // gigabytes that are touched for the first time take seconds
            if pace.is_stopped((k * (s.dense - at)) as f64) {
                return false;
            }
            for c in at..at + k {
                r.tail[c * s.dense + at + k..(c + 1) * s.dense].fill(0.0);
            }
        }
    }
    let (tmp, out) = small.split_at_mut(small.len() / 2);
    for (c, rows) in cells.iter().zip(&s.cell_row) {
        let (kf, kg) = (c.kf, c.kg);
        let (lf, lg) = (&lambda[c.f], &lambda[c.g]);
        for l in 0..c.start.len() - 1 {
            let pf = s.position[c.f][l] as usize;
            for i in c.start[l]..c.start[l + 1] {
                let pg = s.position[c.g][c.level[i] as usize] as usize;
                if kf == 1 && kg == 1 {
                    out[0] = lf[0] * c.value[i] * lg[0];
                } else {
                    kernels::sandwich(lf, kf, c.block(i), lg, kg, tmp, out);
                }
                let place = Place::of(s, rows, i, pf, pg);
                let target = r.starting_at_mut(place);
                for a in 0..kf {
                    for b in 0..kg {
                        target[place.at(a, b)] = out[a * kg + b];
                    }
                }
            }
        }
    }
    true
}
