//! Parts of M^-1 that need not lie on the pattern of its factor: for sets of effects whose levels
//! do not all occur together.
//!
//! With Y the sparse rows of R^-1 E for unit vectors E, and G what falls on the dense part, the
//! part is Y'Y + G'T G, T the inverse of the dense part of M. Only the levels on the elimination
//! paths of the effects are visited.

use super::factor::Factor;
use super::path::PathSolver;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// One effect of one level: factor, level, number of the effect.
pub type Effect = (usize, usize, usize);

/// Scratch; [`Factor::invert`] must have been called before.
pub struct InverseParts<'a> {
    factor: &'a Factor,
    paths: PathSolver<'a>,
    /// Row, column and value of the entries of Y.
    sparse: Vec<(u32, u32, f64)>,
    unit: Vec<f64>,
    /// Rows of the dense part that are reached, T there and G there, and T G.
    reached: Vec<usize>,
    t: Vec<f64>,
    g: Vec<f64>,
    tg: Vec<f64>,
}

impl<'a> InverseParts<'a> {
    /// Of a factor.
    pub fn of(factor: &'a Factor) -> Self {
        InverseParts {
            factor,
            paths: PathSolver::new(factor, 1),
            sparse: Vec::new(),
            unit: Vec::new(),
            reached: Vec::new(),
            t: Vec::new(),
            g: Vec::new(),
            tg: Vec::new(),
        }
    }

    /// M^-1 for some effects, row-major, into `out`.
    pub fn part(&mut self, effects: &[Effect], out: &mut [f64]) {
        let n = effects.len();
        let s = &*self.factor.sym;
        self.sparse.clear();
        self.paths.begin(n);
        for (c, &(f, l, i)) in effects.iter().enumerate() {
            self.unit.clear();
            self.unit.resize(s.k[s.position[f][l] as usize] as usize, 0.0);
            self.unit[i] = 1.0;
            self.paths.place(c, f, l, &self.unit);
            let sparse = &mut self.sparse;
            self.paths.run(c, |row, v| sparse.push((row as u32, c as u32, v[0])));
        }
        out.fill(0.0);
        self.sparse.sort_by_key(|e| e.0);
        for row in self.sparse.chunk_by(|a, b| a.0 == b.0) {
            for a in row {
                for b in row {
                    out[a.1 as usize * n + b.1 as usize] += a.2 * b.2;
                }
            }
        }
        self.add_dense(n, out);
    }

    fn add_dense(&mut self, n: usize, out: &mut [f64]) {
        let dense = self.factor.sym.dense;
        let fallen = self.paths.unsolved();
        self.reached.clear();
        self.g.clear();
        for (r, row) in fallen.chunks_exact(n.max(1)).enumerate().filter(|(_, row)| row.iter().any(|&v| v != 0.0)) {
            self.reached.push(r);
            self.g.extend_from_slice(row);
        }
        let m = self.reached.len();
        if m == 0 {
            return;
        }
        self.t.clear();
        for &c in &self.reached {
            let column = &self.factor.t.tail[c * dense..(c + 1) * dense];
            self.t.extend(self.reached.iter().map(|&r| column[r]));
        }
        self.tg.clear();
        self.tg.resize(m * n, 0.0);
        let g = MatRef::from_row_major_slice(&self.g, m, n);
        let t = MatRef::from_column_major_slice(&self.t, m, m);
        matmul(MatMut::from_row_major_slice_mut(&mut self.tg, m, n), Accum::Replace, t, g, 1.0, Par::Seq);
        let tg = MatRef::from_row_major_slice(&self.tg, m, n);
        matmul(MatMut::from_row_major_slice_mut(out, n, n), Accum::Add, g.transpose(), tg, 1.0, Par::Seq);
    }
}
