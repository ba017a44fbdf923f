//! Products with Z'Z and solves with R for several right-hand sides (row-major, q x columns, in elimination order).

use super::evaluator::{dense_backward, dense_forward, Evaluator};
use super::system::System;
use crate::blocks::kernels;
use crate::with_size;
use faer::{Accum, MatMut, MatRef};

impl System {
    /// out = L v: multiplies each level's rows by its factor's Lambda.
    pub fn lambda_times(&self, lambda: &[Vec<f64>], v: &[f64], cols: usize, out: &mut [f64]) {
        for (pos, &f) in self.sym.factor.iter().enumerate() {
            let k = self.sym.k[pos] as usize;
            let at = self.sym.row[pos] * cols..(self.sym.row[pos] + k) * cols;
            kernels::multiply(&lambda[f as usize], &v[at.clone()], k, k, cols, &mut out[at]);
        }
    }

    /// out = L'v.
    pub fn lambda_transposed_times(&self, lambda: &[Vec<f64>], v: &[f64], cols: usize, out: &mut [f64]) {
        for (pos, &f) in self.sym.factor.iter().enumerate() {
            let k = self.sym.k[pos] as usize;
            let at = self.sym.row[pos] * cols..(self.sym.row[pos] + k) * cols;
            kernels::transposed_multiply(&lambda[f as usize], &v[at.clone()], k, k, cols, &mut out[at]);
        }
    }

    /// out = Z'Z v.
    pub fn ztz_times(&self, v: &[f64], cols: usize, out: &mut [f64]) {
        kernels::vectorised(
            #[inline(always)]
            || self.ztz_times_impl(v, cols, out),
        );
    }

    #[inline(always)]
    fn ztz_times_impl(&self, v: &[f64], cols: usize, out: &mut [f64]) {
        let s = &self.sym;
        for pos in 0..s.k.len() {
            let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
            let fs = &self.cp.factors[f];
            let k = fs.k;
            let at = s.row[pos] * cols..(s.row[pos] + k) * cols;
            kernels::multiply(&fs.ztz[l * k * k..(l + 1) * k * k], &v[at.clone()], k, k, cols, &mut out[at]);
        }
        for c in &self.cp.cells {
            for l in 0..c.start.len() - 1 {
                let rf = s.row[s.position[c.f][l] as usize] * cols;
                for i in c.start[l]..c.start[l + 1] {
                    let rg = s.row[s.position[c.g][c.level[i] as usize] as usize] * cols;
                    let b = c.block(i);
                    for x in 0..c.kf {
                        let fa = rf + x * cols;
                        for y in 0..c.kg {
                            let w = b[x * c.kg + y];
                            let ga = rg + y * cols;
                            for (t, &u) in out[fa..fa + cols].iter_mut().zip(&v[ga..ga + cols]) {
                                *t += w * u;
                            }
                            for (t, &u) in out[ga..ga + cols].iter_mut().zip(&v[fa..fa + cols]) {
                                *t += w * u;
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Evaluator {
    /// Solves R x = b in place.
    pub fn forward(&self, sys: &System, b: &mut [f64], cols: usize) {
        kernels::vectorised(
            #[inline(always)]
            || self.forward_impl(sys, b, cols),
        );
    }

    #[inline(always)]
    fn forward_impl(&self, sys: &System, b: &mut [f64], cols: usize) {
        let s = &sys.sym;
        for &(start, end) in &s.runs {
            let (start, end) = (start as usize, end as usize);
            for j in start..end {
                let k = s.k[j] as usize;
                let rows = &mut b[s.row[j] * cols..(s.row[j] + k) * cols];
                let r = &self.diag[s.diag[j]..s.diag[j] + k * k];
                with_size!(k, forward_node(r, k, rows, cols));
            }
            if end - start > 1 {
                let (h, n) = (s.height[start] as usize, s.row[end] - s.row[start]);
                let p = MatRef::from_column_major_slice(&self.panel[s.panel[start]..s.panel[start] + h * n], h, n);
                let (head, rest) = b.split_at_mut(s.row[s.n_sparse] * cols);
                let c = MatRef::from_row_major_slice(&head[s.row[start] * cols..s.row[end] * cols], n, cols);
                let at = s.dense_first[start] as usize;
                let target = MatMut::from_row_major_slice_mut(&mut rest[at * cols..(at + h) * cols], h, cols);
                faer::linalg::matmul::matmul(target, Accum::Add, p, c, -1.0, self.par);
            } else if s.height[start] > 0 {
                let j = start;
                let (k, h) = (s.k[j] as usize, s.height[j] as usize);
                let p = &self.panel[s.panel[j]..s.panel[j] + h * k];
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
            dense_forward(&self.tail, s.dense, &mut b[s.row[s.n_sparse] * cols..], cols, self.par);
        }
    }

    /// Solves R'x = b in place.
    pub fn backward(&self, sys: &System, b: &mut [f64], cols: usize) {
        kernels::vectorised(
            #[inline(always)]
            || self.backward_impl(sys, b, cols),
        );
    }

    #[inline(always)]
    fn backward_impl(&self, sys: &System, b: &mut [f64], cols: usize) {
        let s = &sys.sym;
        if s.dense > 0 {
            dense_backward(&self.tail, s.dense, &mut b[s.row[s.n_sparse] * cols..], cols, self.par);
        }
        for j in (0..s.n_sparse).rev() {
            let (k, h) = (s.k[j] as usize, s.height[j] as usize);
            let (head, rest) = b.split_at_mut(s.row[j + 1] * cols);
            let mine = &mut head[s.row[j] * cols..];
            if h > 0 {
                let p = &self.panel[s.panel[j]..s.panel[j] + h * k];
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
            let r = &self.diag[s.diag[j]..s.diag[j] + k * k];
            with_size!(k, backward_node(r, k, mine, cols));
        }
    }
}

#[inline(always)]
fn forward_node<const K: usize>(r: &[f64], k: usize, rows: &mut [f64], cols: usize) {
    kernels::forward::<K>(r, k, rows, cols);
}

#[inline(always)]
fn backward_node<const K: usize>(r: &[f64], k: usize, rows: &mut [f64], cols: usize) {
    kernels::backward::<K>(r, k, rows, cols);
}
