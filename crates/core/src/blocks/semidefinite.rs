//! The factor F of Z'Z = F F' itself, which need not have full rank: a pivot that is zero but for
//! rounding gives a column of zeros.

use super::eliminate::{eliminate_node, eliminate_run};
use super::factor::place_cells;
use super::storage::Storage;
use super::symbolic::Symbolic;
use crate::crossprod::Gram;
use crate::dense::kernels;
use crate::with_size;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::{Accum, MatMut, Par};
use std::sync::Arc;

/// A pivot below this share of its diagonal element is zero.
pub(crate) const ZERO: f64 = 1e-12;
/// Columns of the dense part factored together.
const BLOCK: usize = 48;

/// F, rows and columns in elimination order.
pub struct SemidefiniteFactor {
    sym: Arc<Symbolic>,
    f: Storage,
    /// Which columns are not zero.
    used: Vec<bool>,
}

impl SemidefiniteFactor {
    /// Factors Z'Z, and solves F x = `rhs` (q x `cols`, row-major) in place with zeros for the
    /// columns that are zero.
    pub fn of(gram: &Gram, sym: &Arc<Symbolic>, rhs: &mut [f64], cols: usize) -> Self {
        let s = &**sym;
        let mut f = Storage::zeros(s);
        let mut limit = vec![0.0; s.q];
        for pos in 0..s.k.len() {
            let (factor, l, k) = (s.factor[pos] as usize, s.level[pos] as usize, s.k[pos] as usize);
            let ztz = &gram.levels[factor][l * k * k..(l + 1) * k * k];
            (0..k).for_each(|i| limit[s.row[pos] + i] = ZERO * ztz[i * k + i]);
            f.set_diagonal(s, pos, ztz);
        }
        if !gram.cells.is_empty() {
            let ones: Vec<Vec<f64>> = (0..s.position.len()).map(|f| identity(s, f)).collect();
            let largest = s.k.iter().copied().max().unwrap_or(1) as usize;
            place_cells(&mut f, s, &gram.cells, &ones, &mut vec![0.0; 2 * largest * largest]);
        }
        for &(start, end) in &s.runs {
            let (start, end) = (start as usize, end as usize);
            for j in start..end {
                let (k, h) = (s.k[j] as usize, s.height[j] as usize);
                let block = &mut f.diag[s.diag[j]..s.diag[j] + k * k];
                let panel = &mut f.panel[s.panel[j]..s.panel[j] + h * k];
                semidefinite(block, k, &limit[s.row[j]..s.row[j] + k]);
                kernels::forward::<0>(block, k, &mut rhs[s.row[j] * cols..(s.row[j] + k) * cols], cols);
                if h > 0 {
                    kernels::panel_forward::<0>(block, k, panel, h);
                }
            }
            if end - start > 1 {
                eliminate_run(&mut f, s, (start, end), rhs, cols, Par::Seq);
            } else if s.height[start] > 0 {
                let k = s.k[start] as usize;
                let f = &mut f;
                with_size!(k, eliminate_node(f, s, start, k, rhs, cols));
            }
        }
        if s.dense > 0 {
            let first = s.row[s.n_sparse];
            dense_semidefinite(&mut f.tail, s.dense, &limit[first..]);
            let rhs = &mut rhs[first * cols..];
            for j in 0..s.dense {
                let (head, rest) = rhs.split_at_mut((j + 1) * cols);
                let mine = &mut head[j * cols..];
                let inverse = 1.0 / f.tail[j * s.dense + j];
                mine.iter_mut().for_each(|v| *v *= inverse);
                for (i, row) in rest.chunks_exact_mut(cols).enumerate() {
                    let x = f.tail[j * s.dense + j + 1 + i];
                    row.iter_mut().zip(mine.iter()).for_each(|(t, v)| *t -= x * v);
                }
            }
        }
        let mut used = vec![true; s.q];
        for pos in 0..s.k.len() {
            for i in 0..s.k[pos] as usize {
                settle(f.pivot_mut(s, pos, i), &mut used[s.row[pos] + i]);
            }
        }
        SemidefiniteFactor { sym: sym.clone(), f, used }
    }

    /// Which columns are not zero.
    pub fn used(&self) -> &[bool] {
        &self.used
    }

    /// out = F v.
    pub fn times(&self, v: &[f64], out: &mut [f64]) {
        let s = &*self.sym;
        out.fill(0.0);
        for j in 0..s.n_sparse {
            let (k, h, row) = (s.k[j] as usize, s.height[j] as usize, s.row[j]);
            let block = &self.f.diag[s.diag[j]..s.diag[j] + k * k];
            for i in 0..k {
                out[row + i] += (0..=i).map(|m| block[i * k + m] * v[row + m]).sum::<f64>();
            }
            let panel = &self.f.panel[s.panel[j]..s.panel[j] + h * k];
            for (&a, &r0) in s.below(j).iter().zip(s.below_rows(j)) {
                let (to, n, r0) = (s.row[a as usize], s.k[a as usize] as usize, r0 as usize);
                for m in 0..k {
                    let x = v[row + m];
                    for (t, &p) in out[to..to + n].iter_mut().zip(&panel[m * h + r0..m * h + r0 + n]) {
                        *t += p * x;
                    }
                }
            }
        }
        let first = s.row[s.n_sparse];
        for j in 0..s.dense {
            let x = v[first + j];
            let column = &self.f.tail[j * s.dense + j..(j + 1) * s.dense];
            out[first + j..].iter_mut().zip(column).for_each(|(t, &p)| *t += p * x);
        }
    }

    /// out = F'v.
    pub fn transposed_times(&self, v: &[f64], out: &mut [f64]) {
        let s = &*self.sym;
        for j in 0..s.n_sparse {
            let (k, h, row) = (s.k[j] as usize, s.height[j] as usize, s.row[j]);
            let block = &self.f.diag[s.diag[j]..s.diag[j] + k * k];
            for m in 0..k {
                out[row + m] = (m..k).map(|i| block[i * k + m] * v[row + i]).sum::<f64>();
            }
            let panel = &self.f.panel[s.panel[j]..s.panel[j] + h * k];
            for (&a, &r0) in s.below(j).iter().zip(s.below_rows(j)) {
                let (from, n, r0) = (s.row[a as usize], s.k[a as usize] as usize, r0 as usize);
                for m in 0..k {
                    let column = &panel[m * h + r0..m * h + r0 + n];
                    out[row + m] += column.iter().zip(&v[from..from + n]).map(|(a, b)| a * b).sum::<f64>();
                }
            }
        }
        let first = s.row[s.n_sparse];
        for j in 0..s.dense {
            let column = &self.f.tail[j * s.dense + j..(j + 1) * s.dense];
            out[first + j] = column.iter().zip(&v[first + j..]).map(|(a, b)| a * b).sum::<f64>();
        }
    }
}

/// The identity of the order of a factor's effects.
fn identity(s: &Symbolic, factor: usize) -> Vec<f64> {
    let k = s.position[factor].first().map_or(0, |&pos| s.k[pos as usize] as usize);
    (0..k * k).map(|t| f64::from(u8::from(t / k == t % k))).collect()
}

/// Takes an infinite pivot for what it stands for, a zero column.
pub(crate) fn settle(d: &mut f64, used: &mut bool) {
    if d.is_infinite() {
        *d = 0.0;
        *used = false;
    }
}

/// Lower Cholesky factor in place of a positive semidefinite block (row-major, lower half). Where a
/// pivot is not above its limit the column is zero and the diagonal element infinite, so that
/// divisions by it give zeros.
pub(crate) fn semidefinite(a: &mut [f64], k: usize, limit: &[f64]) {
    for j in 0..k {
        let d = a[j * k + j] - (0..j).map(|m| a[j * k + m] * a[j * k + m]).sum::<f64>();
        let zero = d <= limit[j];
        let root = if zero { f64::INFINITY } else { d.sqrt() };
        a[j * k + j] = root;
        for i in j + 1..k {
            let s: f64 = (0..j).map(|m| a[i * k + m] * a[j * k + m]).sum();
            a[i * k + j] = if zero { 0.0 } else { (a[i * k + j] - s) / root };
        }
    }
}

/// The same for a column-major matrix, a block of columns at a time.
fn dense_semidefinite(a: &mut [f64], n: usize, limit: &[f64]) {
    let mut start = 0;
    while start < n {
        let end = (start + BLOCK).min(n);
        for j in start..end {
            let (done, mine) = a.split_at_mut(j * n);
            let mine = &mut mine[j..n];
            for m in start..j {
                let other = &done[m * n + j..(m + 1) * n];
                let f = other[0];
                mine.iter_mut().zip(other).for_each(|(t, &v)| *t -= f * v);
            }
            if mine[0] <= limit[j] {
                mine.fill(0.0);
                mine[0] = f64::INFINITY;
            } else {
                let root = mine[0].sqrt();
                mine[0] = root;
                mine[1..].iter_mut().for_each(|t| *t /= root);
            }
        }
        if end < n {
            let (left, right) = MatMut::from_column_major_slice_mut(a, n, n).split_at_col_mut(end);
            let panel = left.as_ref().submatrix(end, start, n - end, end - start);
            triangular_matmul(
                right.submatrix_mut(end, 0, n - end, n - end),
                BlockStructure::TriangularLower,
                Accum::Add,
                panel,
                BlockStructure::Rectangular,
                panel.transpose(),
                BlockStructure::Rectangular,
                -1.0,
                Par::Seq,
            );
        }
        start = end;
    }
}
