//! Solves R x = b for right-hand sides that are zero but for a few levels: only the levels on their
//! elimination paths are visited.
//!
//! Right-hand sides come in groups: the sparse part of each is solved on its own, the dense part of
//! a group at once.

use super::factor::Factor;
use crate::dense::kernels;

/// Scratch for groups of right-hand sides of `m` columns each.
pub struct PathSolver<'a> {
    factor: &'a Factor,
    m: usize,
    /// Of the sparse part of the present right-hand side.
    values: Vec<f64>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    /// Dense part of the group: a row for each of its rows, `width` columns.
    tails: Vec<f64>,
    width: usize,
}

impl<'a> PathSolver<'a> {
    /// Scratch for a factor.
    pub fn new(factor: &'a Factor, m: usize) -> Self {
        let s = &factor.sym;
        PathSolver {
            factor,
            m,
            values: vec![0.0; s.row[s.n_sparse] * m],
            touched: Vec::new(),
            is_touched: vec![false; s.n_sparse],
            tails: Vec::new(),
            width: 0,
        }
    }

    /// Begins a group of `n` right-hand sides.
    pub fn begin(&mut self, n: usize) {
        self.width = n * self.m;
        self.tails.clear();
        self.tails.resize(self.factor.sym.dense * self.width, 0.0);
    }

    /// Adds `v` (k x m, row-major) to right-hand side `i` of the group at a level.
    pub fn place(&mut self, i: usize, factor: usize, level: usize, v: &[f64]) {
        let s = &*self.factor.sym;
        let m = self.m;
        let pos = s.position[factor][level] as usize;
        if pos >= s.n_sparse {
            let at = s.dense_row(pos);
            for (r, row) in v.chunks_exact(m).enumerate() {
                let from = (at + r) * self.width + i * m;
                self.tails[from..from + m].iter_mut().zip(row).for_each(|(t, v)| *t += v);
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

    /// Solves the sparse part of right-hand side `i` and shows each of its nonzero rows.
    pub fn run(&mut self, i: usize, mut show: impl FnMut(usize, &[f64])) {
        let s = &*self.factor.sym;
        let r = &self.factor.r;
        let m = self.m;
        self.touched.sort_unstable();
        for &j in &self.touched {
            let j = j as usize;
            let (k, h) = (s.k[j] as usize, s.height[j] as usize);
            let (head, rest) = self.values.split_at_mut(s.row[j + 1] * m);
            let mine = &mut head[s.row[j] * m..];
            kernels::forward::<0>(&r.diag[s.diag[j]..s.diag[j] + k * k], k, mine, m);
            let panel = &r.panel[s.panel[j]..s.panel[j] + h * k];
            for (&b, &r0) in s.below(j).iter().zip(s.below_rows(j)) {
                let b = b as usize;
                for x in 0..s.k[b] as usize {
                    let target = if b < s.n_sparse {
                        let at = (s.row[b] - s.row[j + 1] + x) * m;
                        &mut rest[at..at + m]
                    } else {
                        let at = (s.dense_row(b) + x) * self.width + i * m;
                        &mut self.tails[at..at + m]
                    };
                    for z in 0..k {
                        let f = panel[z * h + r0 as usize + x];
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

    /// The dense part of the group before it is solved: a row for each of its rows.
    pub(super) fn unsolved(&self) -> &[f64] {
        &self.tails
    }

    /// Solves the dense part of the group: the first of its rows, and their values (`m` columns for
    /// each right-hand side).
    pub fn finish(&mut self) -> (usize, &[f64]) {
        let s = &*self.factor.sym;
        if s.dense > 0 {
            self.factor.dense_forward(&mut self.tails, self.width);
        }
        (s.row[s.n_sparse], &self.tails)
    }
}
