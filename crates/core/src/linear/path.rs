//! Solves R x = b for right-hand sides that are zero but for a few levels: only the levels on their elimination paths are visited.

use super::evaluator::Evaluator;
use super::system::System;
use crate::blocks::kernels;

/// Scratch for right-hand sides of `m` columns.
pub struct PathSolver {
    m: usize,
    values: Vec<f64>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
}

/// A wide block of right-hand sides of the dense part (row-major, `dense` x `width`), and the first column in use.
pub struct Tails<'a> {
    /// The block.
    pub values: &'a mut [f64],
    /// Its columns.
    pub width: usize,
    /// First column of the present right-hand side.
    pub column: usize,
}

impl PathSolver {
    /// Scratch for a system.
    pub fn new(sys: &System, m: usize) -> Self {
        PathSolver {
            m,
            values: vec![0.0; sys.sym.row[sys.sym.n_sparse] * m],
            touched: Vec::new(),
            is_touched: vec![false; sys.sym.n_sparse],
        }
    }

    /// Adds `v` (k x m, row-major) to the right-hand side at a position.
    pub fn place(&mut self, sys: &System, pos: usize, v: &[f64], tails: &mut Tails<'_>) {
        let s = &sys.sym;
        let m = self.m;
        if pos >= s.n_sparse {
            let at = s.dense_row(pos);
            for (i, row) in v.chunks_exact(m).enumerate() {
                let from = (at + i) * tails.width + tails.column;
                tails.values[from..from + m].iter_mut().zip(row).for_each(|(t, v)| *t += v);
            }
            return;
        }
        let at = s.row[pos] * m;
        self.values[at..at + v.len()].iter_mut().zip(v).for_each(|(t, v)| *t += v);
        let mut j = pos;
        while j < s.n_sparse && !self.is_touched[j] {
            self.is_touched[j] = true;
            self.touched.push(j as u32);
            j = s.below(j).first().map_or(usize::MAX, |&b| b as usize);
        }
    }

    /// Solves the sparse part, shows each of its nonzero rows, and moves what falls on the dense part to `tails`, unsolved.
    pub fn run(&mut self, sys: &System, e: &Evaluator, tails: &mut Tails<'_>, mut show: impl FnMut(usize, &[f64])) {
        let s = &sys.sym;
        let m = self.m;
        self.touched.sort_unstable();
        for &j in &self.touched {
            let j = j as usize;
            let (k, h) = (s.k[j] as usize, s.height[j] as usize);
            let (head, rest) = self.values.split_at_mut(s.row[j + 1] * m);
            let mine = &mut head[s.row[j] * m..];
            kernels::forward::<0>(&e.diag[s.diag[j]..s.diag[j] + k * k], k, mine, m);
            let panel = &e.panel[s.panel[j]..s.panel[j] + h * k];
            for (&b, &r0) in s.below(j).iter().zip(s.below_rows(j)) {
                let b = b as usize;
                for i in 0..s.k[b] as usize {
                    let target = if b < s.n_sparse {
                        let at = (s.row[b] - s.row[j + 1] + i) * m;
                        &mut rest[at..at + m]
                    } else {
                        let at = (s.dense_row(b) + i) * tails.width + tails.column;
                        &mut tails.values[at..at + m]
                    };
                    for z in 0..k {
                        let f = panel[z * h + r0 as usize + i];
                        target.iter_mut().zip(&mine[z * m..(z + 1) * m]).for_each(|(t, v)| *t -= f * v);
                    }
                }
            }
            for z in 0..k {
                show(s.row[j] + z, &mine[z * m..(z + 1) * m]);
            }
        }
        for &j in &self.touched {
            let j = j as usize;
            self.is_touched[j] = false;
            self.values[s.row[j] * m..s.row[j + 1] * m].fill(0.0);
        }
        self.touched.clear();
    }
}
