//! Vectors of effects of both halves, the eliminated factor and all others, row by row.

use super::block::{Block, WIDEST};
use super::graph::Graph;
use super::operator::{self, Own};
use crate::dense::kernels;
use crate::layout::{Lambda, Layout};

/// What stands between them and the model.
pub(super) struct Sides<'a> {
    pub(super) g: &'a Graph,
    pub(super) layout: &'a Layout,
    pub(super) n_threads: usize,
}

impl Sides<'_> {
    /// Visits every factor: its half, description, and where its levels are in the layout.
    fn each_level(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        for (f, (half, part)) in self.g.in_order().enumerate() {
            for (l, (first, _)) in part.levels().enumerate() {
                visit(half, first, self.layout.first_row(f, l), part.k());
            }
        }
    }

    /// Vectors of both halves in the order of the layout.
    pub(super) fn laid_out(&self, halves: &[Vec<f64>; 2], cols: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.layout.q() * cols];
        self.each_level(|half, first, row, k| {
            out[row * cols..(row + k) * cols].copy_from_slice(&halves[half][first * cols..(first + k) * cols]);
        });
        out
    }

    /// The way back.
    pub(super) fn halves(&self, v: &[f64], cols: usize) -> [Vec<f64>; 2] {
        let mut out = self.zeros(cols);
        self.each_level(|half, first, row, k| {
            out[half][first * cols..(first + k) * cols].copy_from_slice(&v[row * cols..(row + k) * cols]);
        });
        out
    }

    /// Zeros.
    pub(super) fn zeros(&self, cols: usize) -> [Vec<f64>; 2] {
        [vec![0.0; self.g.eliminated.range().len() * cols], vec![0.0; self.g.n_places() * cols]]
    }

    /// Lambda v, or Lambda'v.
    pub(super) fn scale(&self, lambda: &Lambda, transposed: bool, v: &mut [Vec<f64>; 2], cols: usize) {
        for (half, part) in self.g.in_order() {
            let (k, lam) = (part.k(), &lambda[part.factor]);
            let mut t = vec![0.0; k * cols];
            for row in v[half][part.range().start * cols..part.range().end * cols].chunks_exact_mut(k * cols) {
                if transposed {
                    kernels::transposed_multiply(lam, row, k, k, cols, &mut t);
                } else {
                    kernels::multiply(lam, row, k, k, cols, &mut t);
                }
                row.copy_from_slice(&t);
            }
        }
    }

    /// Z'WZ v.
    pub(super) fn gram(&self, v: &[Vec<f64>; 2], cols: usize) -> [Vec<f64>; 2] {
        let mut out = self.zeros(cols);
        let k1 = self.g.eliminated.k();
        for from in (0..cols).step_by(WIDEST) {
            let used = WIDEST.min(cols - from);
            let own = Block::<f64>::columns(&v[0], cols, from, used);
            let rest = Block::<f64>::columns(&v[1], cols, from, used);
            let k = own.k;
            let sums = operator::pass(self.g, Own::Given(&own.data), &rest.data, k, self.n_threads);
            let mut first = Block::<f64> { k, used, data: vec![0.0; own.data.len()] };
            let each = first.data.chunks_exact_mut(k1 * k).zip(own.data.chunks_exact(k1 * k));
            for ((to, own), a) in each.zip(self.g.squares[0].chunks_exact(k1 * k1)) {
                kernels::multiply(a, own, k1, k1, k, to);
            }
            first.data.iter_mut().zip(&sums.levels).for_each(|(t, s)| *t += s);
            first.write(&mut out[0], cols, from);
            Block { k, used, data: sums.places }.write(&mut out[1], cols, from);
        }
        out
    }
}

/// out += sign a'b of row-major matrices.
pub(super) fn outer(a: &[f64], b: &[f64], cols: usize, sign: f64, out: &mut [f64]) {
    for (a, b) in a.chunks_exact(cols).zip(b.chunks_exact(cols)) {
        for (row, a) in out.chunks_exact_mut(cols).zip(a) {
            row.iter_mut().zip(b).for_each(|(t, b)| *t += sign * a * b);
        }
    }
}
