//! Solves with R and M for several right-hand sides (row-major, q x columns, in elimination order).

use super::factor::Factor;
use crate::dense::kernels::{self, size};
use crate::with_sizes;
use faer::{Accum, MatMut, MatRef};

impl Factor {
    /// Solves R x = b in place.
    pub fn forward(&self, b: &mut [f64], cols: usize) {
        kernels::vectorised(
            #[inline(always)]
            || self.forward_impl(b, cols),
        );
    }

    #[inline(always)]
    fn forward_impl(&self, b: &mut [f64], cols: usize) {
        let s = &*self.sym;
        for &(start, end) in &s.runs {
            let (start, end) = (start as usize, end as usize);
            for j in start..end {
                let k = s.k[j] as usize;
                let rows = &mut b[s.row[j] * cols..(s.row[j] + k) * cols];
                let r = &self.r.diag[s.diag[j]..s.diag[j] + k * k];
                with_sizes!(k, cols, forward_node(r, k, rows, cols));
            }
            if end - start > 1 {
                let (h, n) = (s.height[start] as usize, s.row[end] - s.row[start]);
                let p = MatRef::from_column_major_slice(&self.r.panel[s.panel[start]..s.panel[start] + h * n], h, n);
                let (head, rest) = b.split_at_mut(s.row[s.n_sparse] * cols);
                let c = MatRef::from_row_major_slice(&head[s.row[start] * cols..s.row[end] * cols], n, cols);
                let at = s.dense_first[start] as usize;
                let target = MatMut::from_row_major_slice_mut(&mut rest[at * cols..(at + h) * cols], h, cols);
                faer::linalg::matmul::matmul(target, Accum::Add, p, c, -1.0, self.par);
            } else if s.height[start] > 0 {
                let j = start;
                let (k, h) = (s.k[j] as usize, s.height[j] as usize);
                let p = &self.r.panel[s.panel[j]..s.panel[j] + h * k];
                let (head, rest) = b.split_at_mut(s.row[j + 1] * cols);
                let mine = &head[s.row[j] * cols..];
                for (&a, &r0) in s.below(j).iter().zip(s.below_rows(j)) {
                    for i in 0..s.k[a as usize] as usize {
                        let at = (s.row[a as usize] - s.row[j + 1] + i) * cols;
                        let target = &mut rest[at..at + cols];
                        for m in 0..k {
                            let f = p[m * h + r0 as usize + i];
                            for (t, &v) in target.iter_mut().zip(&mine[m * cols..(m + 1) * cols]) {
                                *t -= f * v;
                            }
                        }
                    }
                }
            }
        }
        if s.dense > 0 {
            self.dense_forward(&mut b[s.row[s.n_sparse] * cols..], cols);
        }
    }

    /// Solves R'x = b in place.
    pub fn backward(&self, b: &mut [f64], cols: usize) {
        kernels::vectorised(
            #[inline(always)]
            || self.backward_impl(b, cols),
        );
    }

    #[inline(always)]
    fn backward_impl(&self, b: &mut [f64], cols: usize) {
        let s = &*self.sym;
        if s.dense > 0 {
            self.dense_backward(&mut b[s.row[s.n_sparse] * cols..], cols);
        }
        for j in (0..s.n_sparse).rev() {
            let (k, h) = (s.k[j] as usize, s.height[j] as usize);
            let (head, rest) = b.split_at_mut(s.row[j + 1] * cols);
            let mine = &mut head[s.row[j] * cols..];
            if h > 0 {
                let p = &self.r.panel[s.panel[j]..s.panel[j] + h * k];
                for (&a, &r0) in s.below(j).iter().zip(s.below_rows(j)) {
                    for i in 0..s.k[a as usize] as usize {
                        let at = (s.row[a as usize] - s.row[j + 1] + i) * cols;
                        let source = &rest[at..at + cols];
                        for m in 0..k {
                            let f = p[m * h + r0 as usize + i];
                            for (t, &v) in mine[m * cols..(m + 1) * cols].iter_mut().zip(source) {
                                *t -= f * v;
                            }
                        }
                    }
                }
            }
            let r = &self.r.diag[s.diag[j]..s.diag[j] + k * k];
            with_sizes!(k, cols, backward_node(r, k, mine, cols));
        }
    }

    /// Solves M x = b in place.
    pub fn solve(&self, b: &mut [f64], cols: usize) {
        self.forward(b, cols);
        self.backward(b, cols);
    }

    /// Solves with the dense block of R, for its rows alone.
    pub(super) fn dense_forward(&self, rows: &mut [f64], cols: usize) {
        let n = self.sym.dense;
        let l = MatRef::from_column_major_slice(&self.r.tail, n, n);
        let b = MatMut::from_row_major_slice_mut(rows, n, cols);
        faer::linalg::triangular_solve::solve_lower_triangular_in_place(l, b, self.par);
    }

    /// Solves with its transpose.
    fn dense_backward(&self, rows: &mut [f64], cols: usize) {
        let n = self.sym.dense;
        let l = MatRef::from_column_major_slice(&self.r.tail, n, n);
        let b = MatMut::from_row_major_slice_mut(rows, n, cols);
        faer::linalg::triangular_solve::solve_upper_triangular_in_place(l.transpose(), b, self.par);
    }
}

#[inline(always)]
fn forward_node<const K: usize, const C: usize>(r: &[f64], k: usize, rows: &mut [f64], cols: usize) {
    let (k, cols) = (size::<K>(k), size::<C>(cols));
    kernels::forward::<K>(&r[..k * k], k, &mut rows[..k * cols], cols);
}

#[inline(always)]
fn backward_node<const K: usize, const C: usize>(r: &[f64], k: usize, rows: &mut [f64], cols: usize) {
    let (k, cols) = (size::<K>(k), size::<C>(cols));
    kernels::backward::<K>(&r[..k * k], k, &mut rows[..k * cols], cols);
}
