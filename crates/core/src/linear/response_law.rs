//! The joint law of the cross-products (Z'y, X'y, y'y) of a response drawn from the model, without its n values.
//!
//! With F F' = \[Z X\]'\[Z X\] there is U with orthonormal columns such that \[Z X\] = U F'. For y = Z b + e the vector t = U'y is
//! F'(b, 0) + w with w standard normal, the rest of e has a chi-square length of n less the columns of F, and the cross-products are F t
//! and |t|^2 plus that length. F is the Cholesky factor in the pattern of the fit's own, where a pivot that is zero but for rounding gives
//! a zero column; such columns get no w and are not counted.

use super::evaluator::{eliminate_node, Evaluator};
use super::system::System;
use crate::blocks::kernels;
use crate::rng::Rng;
use crate::with_size;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::{Accum, MatMut, Par};

/// A pivot below this share of its diagonal element is zero.
const ZERO: f64 = 1e-12;
/// Columns of the dense part factored together.
const BLOCK: usize = 48;

/// F of a system; rows and columns are in elimination order, those of X last.
pub struct ResponseLaw {
    diag: Vec<f64>,
    panel: Vec<f64>,
    tail: Vec<f64>,
    /// Block of X below that of Z: the transpose of q x (p + 1), the last column unused.
    below: Vec<f64>,
    /// Block of X: p x p, lower, row-major.
    corner: Vec<f64>,
    used: Vec<bool>,
    used_x: Vec<bool>,
    /// Degrees of freedom of what \[Z X\] does not reach.
    rest: usize,
}

/// Room for one draw.
pub struct Draft {
    /// Random effects in units of the residual standard deviation, in the changed basis and elimination order.
    pub b: Vec<f64>,
    t: Vec<f64>,
    tx: Vec<f64>,
    zty: Vec<f64>,
    xty: Vec<f64>,
}

impl Draft {
    /// Room for a system.
    pub fn new(sys: &System) -> Self {
        let q = sys.sym.q;
        Draft { b: vec![0.0; q], t: vec![0.0; q], tx: vec![0.0; sys.p()], zty: vec![0.0; q], xty: vec![0.0; sys.p()] }
    }

    /// Draws independent random effects of every level.
    pub fn draw_effects(&mut self, sys: &System, lambda: &[Vec<f64>], stream: &mut Rng) {
        self.t.iter_mut().for_each(|v| *v = stream.normal());
        sys.lambda_times(lambda, &self.t, 1, &mut self.b);
    }
}

impl ResponseLaw {
    /// Factors \[Z X\]'\[Z X\].
    pub fn new(sys: &System) -> Self {
        let s = &sys.sym;
        let pw = sys.cp.pw;
        let p = pw - 1;
        let mut e = Evaluator::new(sys, 1);
        for (l, f) in e.lambda.iter_mut().zip(&sys.cp.factors) {
            (0..f.k).for_each(|i| l[i * f.k + i] = 1.0);
        }
        let mut limit = vec![0.0; s.q];
        for pos in 0..s.k.len() {
            let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
            let fs = &sys.cp.factors[f];
            let k = fs.k;
            let ztz = &fs.ztz[l * k * k..(l + 1) * k * k];
            let row = s.row[pos];
            (0..k).for_each(|i| limit[row + i] = ZERO * ztz[i * k + i]);
            e.rzw[row * pw..(row + k) * pw].copy_from_slice(&fs.ztw[l * k * pw..(l + 1) * k * pw]);
            if pos < s.n_sparse {
                e.diag[s.diag[pos]..s.diag[pos] + k * k].copy_from_slice(ztz);
            } else {
                let at = s.dense_row(pos);
                for i in 0..k {
                    for j in 0..=i {
                        e.tail[(at + j) * s.dense + at + i] = ztz[i * k + j];
                    }
                }
            }
        }
        if !sys.cp.cells.is_empty() {
            e.assemble_cells(sys);
        }
        for &(start, end) in &s.runs {
            let (start, end) = (start as usize, end as usize);
            for j in start..end {
                let (k, h) = (s.k[j] as usize, s.height[j] as usize);
                let block = &mut e.diag[s.diag[j]..s.diag[j] + k * k];
                let panel = &mut e.panel[s.panel[j]..s.panel[j] + h * k];
                let rhs = &mut e.rzw[s.row[j] * pw..(s.row[j] + k) * pw];
                semidefinite(block, k, &limit[s.row[j]..s.row[j] + k]);
                kernels::forward::<0>(block, k, rhs, pw);
                if h > 0 {
                    kernels::panel_forward::<0>(block, k, panel, h);
                }
            }
            if end - start > 1 {
                e.eliminate_run(sys, start, end);
            } else if s.height[start] > 0 {
                let k = s.k[start] as usize;
                let this = &mut e;
                with_size!(k, eliminate_node(this, sys, start, k));
            }
        }
        if s.dense > 0 {
            let first = s.row[s.n_sparse];
            dense_semidefinite(&mut e.tail, s.dense, &limit[first..]);
            let rhs = &mut e.rzw[first * pw..];
            for j in 0..s.dense {
                let (head, rest) = rhs.split_at_mut((j + 1) * pw);
                let mine = &mut head[j * pw..];
                let inverse = 1.0 / e.tail[j * s.dense + j];
                mine.iter_mut().for_each(|v| *v *= inverse);
                for (i, row) in rest.chunks_exact_mut(pw).enumerate() {
                    let f = e.tail[j * s.dense + j + 1 + i];
                    row.iter_mut().zip(mine.iter()).for_each(|(t, v)| *t -= f * v);
                }
            }
        }
        let mut corner = vec![0.0; p * p];
        for i in 0..p {
            corner[i * p..(i + 1) * p].copy_from_slice(&sys.cp.wtw[i * pw..i * pw + p]);
        }
        let limit_x: Vec<f64> = (0..p).map(|i| ZERO * corner[i * p + i]).collect();
        for row in e.rzw.chunks_exact(pw) {
            for i in 0..p {
                for j in 0..=i {
                    corner[i * p + j] -= row[i] * row[j];
                }
            }
        }
        semidefinite(&mut corner, p, &limit_x);

        let mut used = vec![true; s.q];
        for pos in 0..s.k.len() {
            for i in 0..s.k[pos] as usize {
                let d = if pos < s.n_sparse {
                    &mut e.diag[s.diag[pos] + i * (s.k[pos] as usize + 1)]
                } else {
                    &mut e.tail[(s.dense_row(pos) + i) * (s.dense + 1)]
                };
                settle(d, &mut used[s.row[pos] + i]);
            }
        }
        let mut used_x = vec![true; p];
        (0..p).for_each(|i| settle(&mut corner[i * (p + 1)], &mut used_x[i]));
        let rank = used.iter().chain(&used_x).filter(|&&u| u).count();
        ResponseLaw {
            diag: e.diag,
            panel: e.panel,
            tail: e.tail,
            below: e.rzw,
            corner,
            used,
            used_x,
            rest: sys.cp.n.saturating_sub(rank),
        }
    }

    /// Rank of \[Z X\].
    pub fn rank(&self) -> usize {
        self.used.iter().chain(&self.used_x).filter(|&&u| u).count()
    }

    /// Replaces the response in the cross-products of `sys` by one with the random effects of `draft`, fixed effects of zero and residual
    /// variance 1.
    pub fn draw(&self, sys: &mut System, draft: &mut Draft, stream: &mut Rng) {
        let pw = sys.cp.pw;
        let p = pw - 1;
        self.transposed_times(sys, &draft.b, &mut draft.t);
        for (t, &used) in draft.t.iter_mut().zip(&self.used) {
            if used {
                *t += stream.normal();
            }
        }
        for (t, &used) in draft.tx.iter_mut().zip(&self.used_x) {
            *t = if used { stream.normal() } else { 0.0 };
        }
        let length: f64 = draft.t.iter().chain(&draft.tx).map(|v| v * v).sum();
        draft.xty.fill(0.0);
        for (row, &t) in self.below.chunks_exact(pw).zip(&draft.t) {
            draft.xty.iter_mut().zip(row).for_each(|(x, &f)| *x += f * t);
        }
        for i in 0..p {
            draft.xty[i] += (0..=i).map(|j| self.corner[i * p + j] * draft.tx[j]).sum::<f64>();
        }
        self.times(sys, &draft.t, &mut draft.zty);
        sys.set_products(&draft.zty, &draft.xty, length + stream.chi_square(self.rest));
    }

    /// out = R v, with R the block of Z in F.
    fn times(&self, sys: &System, v: &[f64], out: &mut [f64]) {
        let s = &sys.sym;
        out.fill(0.0);
        for j in 0..s.n_sparse {
            let (k, h, row) = (s.k[j] as usize, s.height[j] as usize, s.row[j]);
            let block = &self.diag[s.diag[j]..s.diag[j] + k * k];
            for i in 0..k {
                out[row + i] += (0..=i).map(|m| block[i * k + m] * v[row + m]).sum::<f64>();
            }
            let panel = &self.panel[s.panel[j]..s.panel[j] + h * k];
            for (&a, &r0) in s.below(j).iter().zip(s.below_rows(j)) {
                let (to, n, r0) = (s.row[a as usize], s.k[a as usize] as usize, r0 as usize);
                for m in 0..k {
                    let f = v[row + m];
                    for (t, &x) in out[to..to + n].iter_mut().zip(&panel[m * h + r0..m * h + r0 + n]) {
                        *t += x * f;
                    }
                }
            }
        }
        let first = s.row[s.n_sparse];
        for j in 0..s.dense {
            let f = v[first + j];
            let column = &self.tail[j * s.dense + j..(j + 1) * s.dense];
            out[first + j..].iter_mut().zip(column).for_each(|(t, &x)| *t += x * f);
        }
    }

    /// out = R'v.
    fn transposed_times(&self, sys: &System, v: &[f64], out: &mut [f64]) {
        let s = &sys.sym;
        for j in 0..s.n_sparse {
            let (k, h, row) = (s.k[j] as usize, s.height[j] as usize, s.row[j]);
            let block = &self.diag[s.diag[j]..s.diag[j] + k * k];
            for m in 0..k {
                out[row + m] = (m..k).map(|i| block[i * k + m] * v[row + i]).sum::<f64>();
            }
            let panel = &self.panel[s.panel[j]..s.panel[j] + h * k];
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
            let column = &self.tail[j * s.dense + j..(j + 1) * s.dense];
            out[first + j] = column.iter().zip(&v[first + j..]).map(|(a, b)| a * b).sum::<f64>();
        }
    }
}

/// Takes an infinite pivot for what it stands for, a zero column.
fn settle(d: &mut f64, used: &mut bool) {
    if d.is_infinite() {
        *d = 0.0;
        *used = false;
    }
}

/// Lower Cholesky factor in place of a positive semidefinite block (row-major, lower half). Where a pivot is not above its limit the column
/// is zero and the diagonal element infinite, so that divisions by it give zeros.
fn semidefinite(a: &mut [f64], k: usize, limit: &[f64]) {
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
