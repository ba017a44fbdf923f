//! H = Z'V^-1Z without its largest block: the levels of one factor, the *head*, are eliminated
//! exactly, those of the others, the *tail*, are dense.
//!
//! With V1 = I + Z1 D1 Z1' of the head alone, J = (I + Z1'Z1 D1)^-1 (a block for each level), E =
//! Z1'V1^-1Z2 = J Z1'Z2 (as sparse as Z1'Z2) and N = Z2'V1^-1Z2:
//!
//! ```text
//! H22 = (I + N D2)^-1 N    H12 = E Q    H11 = J Z1'Z1 - E K E'    Q = (I + D2 N)^-1
//! K = D2 (I + N D2)^-1
//! ```
//!
//! No D is inverted, so that it may be singular; memory grows with the square of the tail only.
//! Vectors have a row for each effect of each level, factors one after another, the head first.

use super::dense::{solve_small, symmetrise, Runner};
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::FactorSize;
use crate::linear::system::System;
use faer::{Accum, MatMut, MatRef};

/// Rows of the head turned into dense ones together, where they have many entries.
pub(super) const BATCH: usize = 256;
/// Share of the tail that the levels of the head meet on average from which on their rows are
/// handled as dense ones.
const DENSE_ROWS: f64 = 0.15;

/// The head of a system without factors: no rows.
const NO_FACTOR: FactorSize = FactorSize { k: 1, n_levels: 0 };

/// See the module.
pub struct MarginalBlocks<'a> {
    pub(super) sys: &'a System,
    pub(super) runner: Runner<'a>,
    pub(super) head: usize,
    /// First row of each factor.
    pub(super) start: Vec<usize>,
    /// Number of rows of the head, and of the tail.
    pub(super) rows: (usize, usize),
    /// D of the effects of one level of each factor, row-major.
    pub(super) d: Vec<Vec<f64>>,
    /// J Z1'Z1 of each level of the head: k x k, row-major.
    pub(super) own: Vec<f64>,
    /// Start of each level of the head in `edge_column`; one more entry than levels.
    pub(super) edge_start: Vec<usize>,
    /// Columns of the tail that each level meets.
    pub(super) edge_column: Vec<u32>,
    /// E: for each level k rows of as many entries as it has columns.
    pub(super) edges: Vec<f64>,
    /// (I + N D2)^-1, column-major as the next ones.
    pub(super) inverse: Vec<f64>,
    /// H22.
    pub(super) tail: Vec<f64>,
    /// K.
    pub(super) k: Vec<f64>,
    /// N.
    n: Vec<f64>,
}

/// The factor with the most effects over all levels whose levels do not occur together: the one
/// that is eliminated first. The number of factors where there is none.
pub fn head_of(sys: &System) -> usize {
    (0..sys.factors.len())
        .filter(|&f| !sys.cp.gram.is_coupled(f))
        .max_by_key(|&f| sys.factors[f].n_levels * sys.factors[f].k)
        .unwrap_or(sys.factors.len())
}

/// Order of the tail, and the bytes that all its matrices take.
pub fn size_of(sys: &System) -> (usize, f64) {
    let head = head_of(sys);
    let of = |f: usize| sys.factors[f].n_levels * sys.factors[f].k;
    let tail: usize = (0..sys.factors.len()).filter(|&f| f != head).map(of).sum();
    let pairs = sys.factors.get(head).map_or(0, |f| f.k.pow(2)) as f64;
    (tail, 8.0 * (6.0 + 2.0 * pairs) * (tail as f64).powi(2))
}

impl<'a> MarginalBlocks<'a> {
    /// The blocks at a Lambda.
    pub fn new(sys: &'a System, lambda: &[Vec<f64>], runner: Runner<'a>) -> Result<Self, CoreError> {
        let head = head_of(sys);
        let fs = sys.factors.get(head).copied().unwrap_or(NO_FACTOR);
        let k = fs.k;
        let mut start = vec![0; sys.factors.len()];
        let mut next = fs.n_levels * k;
        for (f, other) in sys.factors.iter().enumerate().filter(|(f, _)| *f != head) {
            start[f] = next;
            next += other.n_levels * other.k;
        }
        let rows = (fs.n_levels * k, next - fs.n_levels * k);
        let d: Vec<Vec<f64>> = sys.factors.iter().zip(lambda).map(|(f, l)| outer(l, f.k)).collect();
        let (edge_start, edge_column, products) = edges_of(sys, head, &start, rows.0);
        let mut out = MarginalBlocks {
            sys,
            runner,
            head,
            start,
            rows,
            d,
            own: sys.cp.gram.levels.get(head).cloned().unwrap_or_default(),
            edge_start,
            edge_column,
            edges: products.clone(),
            inverse: Vec::new(),
            tail: Vec::new(),
            k: Vec::new(),
            n: Vec::new(),
        };
        for l in 0..fs.n_levels {
            let width = out.edge_start[l + 1] - out.edge_start[l];
            out.solve_level(l, 0, k);
            out.solve_level(l, 1, width);
        }
        if rows.1 > 0 {
            out.eliminate(&products)?;
        }
        Ok(out)
    }

    /// First row of a factor.
    pub fn start(&self, factor: usize) -> usize {
        self.start[factor]
    }

    /// D of the effects of one level of a factor.
    #[cfg(test)]
    pub fn relative(&self, factor: usize) -> &[f64] {
        &self.d[factor]
    }

    /// Number of rows.
    pub fn q(&self) -> usize {
        self.rows.0 + self.rows.1
    }

    pub(super) fn effects(&self, factor: usize) -> usize {
        self.sys.factors.get(factor).map_or(NO_FACTOR.k, |f| f.k)
    }

    pub(super) fn levels(&self, factor: usize) -> usize {
        self.sys.factors.get(factor).map_or(0, |f| f.n_levels)
    }

    /// Applies J of a level to its own block (0) or its edges (1).
    fn solve_level(&mut self, l: usize, what: usize, cols: usize) {
        let k = self.effects(self.head);
        let mut a = self.inner(l);
        let at = if what == 0 { l * k * k } else { self.edge_start[l] * k };
        let to = if what == 0 { &mut self.own } else { &mut self.edges };
        solve_small(&mut a, k, &mut to[at..at + k * cols], cols);
    }

    /// I + Z1'Z1 D1 of a level.
    fn inner(&self, l: usize) -> Vec<f64> {
        let k = self.effects(self.head);
        let ztz = &self.sys.cp.gram.levels[self.head][l * k * k..(l + 1) * k * k];
        let mut a = vec![0.0; k * k];
        kernels::multiply(ztz, &self.d[self.head], k, k, k, &mut a);
        (0..k).for_each(|i| a[i * k + i] += 1.0);
        a
    }

    /// N and what follows from it; `products` is Z1'Z2 on the pattern of E.
    fn eliminate(&mut self, products: &[f64]) -> Result<(), CoreError> {
        let q2 = self.rows.1;
        let k = self.effects(self.head);
        let mut n = self.tail_products();
        // D1 E, which meets Z2'Z1 from the right
        let mut moved = vec![0.0; self.edges.len()];
        for l in 0..self.levels(self.head) {
            let (from, to) = (self.edge_start[l] * k, self.edge_start[l + 1] * k);
            kernels::multiply(&self.d[self.head], &self.edges[from..to], k, k, (to - from) / k, &mut moved[from..to]);
        }
        for i in 0..k {
            self.add_outer((products, i), (&moved, i), -1.0, &mut n)?;
        }
        symmetrise(&mut n, q2);
        let mut a = n.clone();
        self.times_d2(&n, &mut a);
        (0..q2).for_each(|i| a[i * q2 + i] += 1.0);
        self.inverse = self.runner.inverse(&mut a, q2)?;
        self.tail = self.runner.product(&self.inverse, &n, q2)?;
        symmetrise(&mut self.tail, q2);
        // K = D2 (I + N D2)^-1, symmetric up to rounding
        self.d2_times(&self.inverse, q2, &mut a, true);
        symmetrise(&mut a, q2);
        self.k = a;
        self.n = n;
        Ok(())
    }

    /// Z2'Z2, column-major.
    fn tail_products(&self) -> Vec<f64> {
        let (q1, q2) = self.rows;
        let mut n = vec![0.0; q2 * q2];
        for f in (0..self.start.len()).filter(|&f| f != self.head) {
            let k = self.effects(f);
            for (l, block) in self.sys.cp.gram.levels[f].chunks_exact(k * k).enumerate() {
                let at = self.start[f] - q1 + l * k;
                for t in 0..k * k {
                    n[(at + t / k) * q2 + at + t % k] = block[t];
                }
            }
        }
        for c in self.sys.cp.gram.cells.iter().filter(|c| c.f != self.head && c.g != self.head) {
            for l in 0..c.start.len() - 1 {
                for i in c.start[l]..c.start[l + 1] {
                    let a = self.start[c.f] - q1 + l * c.kf;
                    let b = self.start[c.g] - q1 + c.level[i] as usize * c.kg;
                    for (t, &v) in c.block(i).iter().enumerate() {
                        let (x, y) = (a + t / c.kg, b + t % c.kg);
                        n[x * q2 + y] = v;
                        n[y * q2 + x] = v;
                    }
                }
            }
        }
        n
    }

    /// out = m D2 for a column-major matrix of the order of the tail.
    fn times_d2(&self, m: &[f64], out: &mut [f64]) {
        let (q1, q2) = self.rows;
        out.fill(0.0);
        for f in (0..self.start.len()).filter(|&f| f != self.head) {
            let k = self.effects(f);
            for first in (0..self.levels(f)).map(|l| self.start[f] - q1 + l * k) {
                for t in (0..k * k).filter(|&t| self.d[f][t] != 0.0) {
                    let (from, to) = ((first + t / k) * q2, (first + t % k) * q2);
                    for r in 0..q2 {
                        out[to + r] += self.d[f][t] * m[from + r];
                    }
                }
            }
        }
    }

    /// out = D2 m for `cols` columns: column-major, or row-major.
    fn d2_times(&self, m: &[f64], cols: usize, out: &mut [f64], column_major: bool) {
        let (q1, q2) = self.rows;
        out.fill(0.0);
        let (by_row, by_column) = if column_major { (1, q2) } else { (cols, 1) };
        for c in 0..cols {
            for f in (0..self.start.len()).filter(|&f| f != self.head) {
                let k = self.effects(f);
                for first in (0..self.levels(f)).map(|l| self.start[f] - q1 + l * k) {
                    for t in 0..k * k {
                        out[(first + t / k) * by_row + c * by_column] +=
                            self.d[f][t] * m[(first + t % k) * by_row + c * by_column];
                    }
                }
            }
        }
    }

    /// Whether the levels of the head meet so many of the tail that their rows are better handled
    /// as dense ones.
    pub(super) fn has_dense_rows(&self) -> bool {
        self.edge_column.len() as f64 > DENSE_ROWS * self.levels(self.head) as f64 * self.rows.1 as f64
    }

    /// Columns of the tail that a level of the head meets, and the rows of E there.
    pub(super) fn edges_of_level(&self, l: usize) -> (&[u32], &[f64]) {
        let k = self.effects(self.head);
        let (from, to) = (self.edge_start[l], self.edge_start[l + 1]);
        (&self.edge_column[from..to], &self.edges[from * k..to * k])
    }

    /// out += sign times the sum over levels of a'b, for one row of each level of two matrices on
    /// the pattern of E.
    pub(super) fn add_outer(
        &self,
        a: (&[f64], usize),
        b: (&[f64], usize),
        sign: f64,
        out: &mut [f64],
    ) -> Result<(), CoreError> {
        let (k, q2, n) = (self.effects(self.head), self.rows.1, self.levels(self.head));
        let is_dense = self.has_dense_rows();
        let mut wide = if is_dense { (vec![0.0; BATCH * q2], vec![0.0; BATCH * q2]) } else { Default::default() };
        for first in (0..n).step_by(BATCH) {
            self.runner.check()?;
            let last = (first + BATCH).min(n);
            if is_dense {
                wide.0.fill(0.0);
                wide.1.fill(0.0);
            }
            for l in first..last {
                let columns = &self.edge_column[self.edge_start[l]..self.edge_start[l + 1]];
                let m = columns.len();
                let left = &a.0[self.edge_start[l] * k + a.1 * m..][..m];
                let right = &b.0[self.edge_start[l] * k + b.1 * m..][..m];
                if is_dense {
                    for (t, &c) in columns.iter().enumerate() {
                        wide.0[(l - first) * q2 + c as usize] = left[t];
                        wide.1[(l - first) * q2 + c as usize] = right[t];
                    }
                    continue;
                }
                for (&c, &y) in columns.iter().zip(right) {
                    let target = &mut out[c as usize * q2..(c as usize + 1) * q2];
                    columns.iter().zip(left).for_each(|(&r, &x)| target[r as usize] += sign * x * y);
                }
            }
            if is_dense {
                faer::linalg::matmul::matmul(
                    MatMut::from_column_major_slice_mut(out, q2, q2),
                    Accum::Add,
                    MatRef::from_row_major_slice(&wide.0[..(last - first) * q2], last - first, q2).transpose(),
                    MatRef::from_row_major_slice(&wide.1[..(last - first) * q2], last - first, q2),
                    sign,
                    self.runner.par,
                );
            }
        }
        Ok(())
    }

    /// out = E v for the tail's rows of v, added to the head's rows of `out` (row-major, `cols`
    /// columns).
    fn add_edges_times(&self, v: &[f64], cols: usize, sign: f64, out: &mut [f64]) {
        let k = self.effects(self.head);
        for l in 0..self.levels(self.head) {
            let columns = &self.edge_column[self.edge_start[l]..self.edge_start[l + 1]];
            for i in 0..k {
                let e = &self.edges[self.edge_start[l] * k + i * columns.len()..][..columns.len()];
                let target = &mut out[(l * k + i) * cols..(l * k + i + 1) * cols];
                for (&c, &x) in columns.iter().zip(e) {
                    let source = &v[c as usize * cols..(c as usize + 1) * cols];
                    target.iter_mut().zip(source).for_each(|(t, s)| *t += sign * x * s);
                }
            }
        }
    }

    /// From Z'V1^-1 w for `cols` vectors w to Z'V^-1 w, in place.
    fn finish(&self, b: &mut [f64], cols: usize) {
        let (q1, q2) = self.rows;
        if q2 == 0 {
            return;
        }
        let (head, tail) = b.split_at_mut(q1 * cols);
        let mut solved = vec![0.0; q2 * cols];
        faer::linalg::matmul::matmul(
            MatMut::from_row_major_slice_mut(&mut solved, q2, cols),
            Accum::Replace,
            MatRef::from_column_major_slice(&self.inverse, q2, q2),
            MatRef::from_row_major_slice(tail, q2, cols),
            1.0,
            self.runner.par,
        );
        tail.copy_from_slice(&solved);
        let mut moved = vec![0.0; q2 * cols];
        self.d2_times(&solved, cols, &mut moved, false);
        self.add_edges_times(&moved, cols, -1.0, head);
    }

    /// Z'V^-1 w from Z'w (q x cols, row-major), in place.
    pub fn reduce(&self, b: &mut [f64], cols: usize) {
        let (q1, q2) = self.rows;
        let k = self.effects(self.head);
        let (head, tail) = b.split_at_mut(q1 * cols);
        if q2 > 0 {
            // Z2'V1^-1 w = Z2'w - Z2'Z1 D1 J Z1'w = Z2'w - E'D1 Z1'w
            let mut moved = vec![0.0; k * cols];
            for l in 0..self.levels(self.head) {
                kernels::multiply(&self.d[self.head], &head[l * k * cols..(l + 1) * k * cols], k, k, cols, &mut moved);
                self.add_edges_transposed(l, &moved, cols, -1.0, tail);
            }
        }
        for l in 0..self.levels(self.head) {
            solve_small(&mut self.inner(l), k, &mut head[l * k * cols..(l + 1) * k * cols], cols);
        }
        self.finish(b, cols);
    }

    /// tail += sign E_l'v for the k rows v of one level.
    fn add_edges_transposed(&self, l: usize, v: &[f64], cols: usize, sign: f64, tail: &mut [f64]) {
        let columns = &self.edge_column[self.edge_start[l]..self.edge_start[l + 1]];
        let k = self.effects(self.head);
        for i in 0..k {
            let e = &self.edges[self.edge_start[l] * k + i * columns.len()..][..columns.len()];
            for (&c, &x) in columns.iter().zip(e) {
                let target = &mut tail[c as usize * cols..(c as usize + 1) * cols];
                target.iter_mut().zip(&v[i * cols..(i + 1) * cols]).for_each(|(t, s)| *t += sign * x * s);
            }
        }
    }

    /// H v (q x cols, row-major).
    pub fn times(&self, v: &[f64], cols: usize) -> Vec<f64> {
        let (q1, q2) = self.rows;
        let k = self.effects(self.head);
        let mut out = vec![0.0; v.len()];
        let (head, tail) = out.split_at_mut(q1 * cols);
        for l in 0..self.levels(self.head) {
            let at = l * k * cols..(l + 1) * k * cols;
            kernels::multiply(&self.own[l * k * k..(l + 1) * k * k], &v[at.clone()], k, k, cols, &mut head[at]);
        }
        if q2 > 0 {
            faer::linalg::matmul::matmul(
                MatMut::from_row_major_slice_mut(tail, q2, cols),
                Accum::Replace,
                MatRef::from_column_major_slice(&self.n, q2, q2),
                MatRef::from_row_major_slice(&v[q1 * cols..], q2, cols),
                1.0,
                self.runner.par,
            );
            for l in 0..self.levels(self.head) {
                self.add_edges_transposed(l, &v[l * k * cols..(l + 1) * k * cols], cols, 1.0, tail);
            }
            self.add_edges_times(&v[q1 * cols..], cols, 1.0, head);
        }
        self.finish(&mut out, cols);
        out
    }
}

/// l l' for a k x k row-major matrix.
fn outer(l: &[f64], k: usize) -> Vec<f64> {
    (0..k * k).map(|t| (0..k).map(|c| l[t / k * k + c] * l[t % k * k + c]).sum()).collect()
}

/// Columns of the tail that each level of the head meets (start of each level, columns), and Z1'Z2
/// there: for each level k rows.
fn edges_of(sys: &System, head: usize, start: &[usize], q1: usize) -> (Vec<usize>, Vec<u32>, Vec<f64>) {
    let FactorSize { k, n_levels: levels } = sys.factors.get(head).copied().unwrap_or(NO_FACTOR);
    // for each level of the head: first column, whether the head is the cell's first factor, pair
    // and cell
    let mut met: Vec<Vec<(usize, usize, usize)>> = vec![Vec::new(); levels];
    for (pair, c) in sys.cp.gram.cells.iter().enumerate().filter(|(_, c)| c.f == head || c.g == head) {
        for l in 0..c.start.len() - 1 {
            for i in c.start[l]..c.start[l + 1] {
                let other = c.level[i] as usize;
                if c.f == head {
                    met[l].push((start[c.g] - q1 + other * c.kg, pair, i));
                } else {
                    met[other].push((start[c.f] - q1 + l * c.kf, pair, i));
                }
            }
        }
    }
    let (mut from, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
    for of_level in &mut met {
        of_level.sort_unstable();
        let width: usize = of_level.iter().map(|&(_, pair, _)| tail_effects(sys, head, pair)).sum();
        let base = values.len();
        values.resize(base + k * width, 0.0);
        let mut at = 0;
        for &(first, pair, cell) in of_level.iter() {
            let (c, m) = (&sys.cp.gram.cells[pair], tail_effects(sys, head, pair));
            let block = c.block(cell);
            for x in 0..m {
                columns.push((first + x) as u32);
                for i in 0..k {
                    values[base + i * width + at + x] = if c.f == head { block[i * m + x] } else { block[x * k + i] };
                }
            }
            at += m;
        }
        from.push(columns.len());
    }
    (from, columns, values)
}

/// Effects of the other factor of a pair.
fn tail_effects(sys: &System, head: usize, pair: usize) -> usize {
    let c = &sys.cp.gram.cells[pair];
    if c.f == head {
        c.kg
    } else {
        c.kf
    }
}
