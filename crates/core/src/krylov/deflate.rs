//! The directions V that are taken out exactly: for each factor that is not eliminated the
//! constants of its effects or, where it has few levels, every level.
//!
//! Conjugate gradients are slow along the first, and probes see them badly. As factors do not share
//! effects, V is orthonormal where it is so within each.

use super::block::Block;
use super::graph::Graph;
use super::real::Real;
use crate::dense::kernels;
use std::ops::Range;

/// Levels up to which a factor is taken out whole.
const FEW: usize = 64;

enum Part {
    /// As many columns as effects, with the entries of each row.
    Constants { column: usize, range: Range<usize>, k: usize, v: Vec<f64> },
    /// A column for each effect of each level.
    Whole { column: usize, range: Range<usize> },
}

/// See the module.
pub struct Deflation {
    parts: Vec<Part>,
    n: usize,
    /// Columns.
    pub r: usize,
}

impl Deflation {
    /// Of effects whose exact diagonal blocks have the Cholesky factors `root`.
    pub fn new(g: &Graph, root: &[f64]) -> Self {
        let mut parts = Vec::with_capacity(g.others.len());
        let mut column = 0;
        for p in &g.others {
            let (range, k) = (p.range(), p.k());
            if p.n_levels <= FEW {
                parts.push(Part::Whole { column, range: range.clone() });
                column += range.len();
                continue;
            }
            // U' of every level; columns made orthonormal by the factor of their products, the sum
            // of all B
            let mut gram = vec![0.0; k * k];
            let mut v = vec![0.0; range.len() * k];
            for ((_, at), v) in p.levels().zip(v.chunks_exact_mut(k * k)) {
                let u = &root[at..at + k * k];
                for x in 0..k {
                    for y in 0..k {
                        v[x * k + y] = u[y * k + x];
                        gram[x * k + y] += (0..k).map(|c| u[x * k + c] * u[y * k + c]).sum::<f64>();
                    }
                }
            }
            let positive = kernels::cholesky::<0>(&mut gram, k);
            debug_assert!(positive, "sums of positive definite matrices are so");
            for row in v.chunks_exact_mut(k) {
                kernels::forward::<0>(&gram, k, row, 1);
            }
            parts.push(Part::Constants { column, range, k, v });
            column += k;
        }
        Deflation { parts, n: g.n_places(), r: column }
    }

    /// V'x: columns of V by vectors.
    pub fn coefficients<T: Real>(&self, x: &Block<T>) -> Vec<f64> {
        let (k, n) = (x.k, x.used);
        let mut out = vec![0.0; self.r * n];
        for part in &self.parts {
            match part {
                Part::Constants { column, range, k: columns, v } => {
                    let to = &mut out[column * n..(column + columns) * n];
                    for (x, v) in x.data[range.start * k..range.end * k].chunks_exact(k).zip(v.chunks_exact(*columns)) {
                        for (to, v) in to.chunks_exact_mut(n).zip(v) {
                            to.iter_mut().zip(x).for_each(|(t, x)| *t += v * x.double());
                        }
                    }
                }
                Part::Whole { column, range } => {
                    let rows = x.data[range.start * k..range.end * k].chunks_exact(k);
                    for (to, x) in out[column * n..(column + range.len()) * n].chunks_exact_mut(n).zip(rows) {
                        to.iter_mut().zip(x).for_each(|(t, x)| *t = x.double());
                    }
                }
            }
        }
        out
    }

    /// x += V c.
    pub fn add<T: Real>(&self, c: &[f64], x: &mut Block<T>) {
        let (k, n) = (x.k, x.used);
        for part in &self.parts {
            match part {
                Part::Constants { column, range, k: columns, v } => {
                    let c = &c[column * n..(column + columns) * n];
                    let rows = x.data[range.start * k..range.end * k].chunks_exact_mut(k);
                    for (x, v) in rows.zip(v.chunks_exact(*columns)) {
                        for (c, v) in c.chunks_exact(n).zip(v) {
                            x.iter_mut().zip(c).for_each(|(x, c)| *x += T::of(v * c));
                        }
                    }
                }
                Part::Whole { column, range } => {
                    let rows = x.data[range.start * k..range.end * k].chunks_exact_mut(k);
                    for (x, c) in rows.zip(c[column * n..(column + range.len()) * n].chunks_exact(n)) {
                        x.iter_mut().zip(c).for_each(|(x, c)| *x += T::of(*c));
                    }
                }
            }
        }
    }

    /// x - VV'x.
    pub fn project<T: Real>(&self, x: &mut Block<T>) {
        let mut c = self.coefficients(x);
        c.iter_mut().for_each(|c| *c = -*c);
        self.add(&c, x);
        // exact zeros where nothing is left
        for part in &self.parts {
            if let Part::Whole { range, .. } = part {
                x.data[range.start * x.k..range.end * x.k].fill(T::default());
            }
        }
    }

    /// Some columns of V.
    pub fn columns(&self, from: usize, used: usize) -> Block<f64> {
        let mut out = Block::zeros(self.n, used);
        let mut c = vec![0.0; self.r * used];
        (0..used).for_each(|i| c[(from + i) * used + i] = 1.0);
        self.add(&c, &mut out);
        out
    }
}
