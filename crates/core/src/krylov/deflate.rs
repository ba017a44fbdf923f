//! The directions V that are taken out exactly: for each factor that is not eliminated its constant
//! or, where it has few levels, every level.
//!
//! Conjugate gradients are slow along the first, and probes see them badly. As factors do not share
//! places, V is orthonormal as it stands.

use super::block::Block;
use super::graph::Graph;
use std::ops::Range;

/// Levels up to which a factor is taken out whole.
const FEW: usize = 64;

enum Part {
    /// One column.
    Constant { column: usize, places: Range<usize> },
    /// A column for each place.
    Whole { column: usize, places: Range<usize> },
}

/// See the module.
pub struct Deflation {
    parts: Vec<Part>,
    /// Entry of V in each row.
    v: Vec<f64>,
    /// Columns.
    pub r: usize,
}

impl Deflation {
    /// Of effects whose exact diagonal has the square roots `root`.
    pub fn new(g: &Graph, root: &[f64]) -> Self {
        let mut v = root.to_vec();
        let mut parts = Vec::with_capacity(g.others.len());
        let mut column = 0;
        for at in g.first.windows(2) {
            let places = at[0]..at[1];
            if places.len() <= FEW {
                v[places.clone()].fill(1.0);
                column += places.len();
                parts.push(Part::Whole { column: column - places.len(), places });
            } else {
                let length = v[places.clone()].iter().map(|x| x * x).sum::<f64>().sqrt();
                v[places.clone()].iter_mut().for_each(|x| *x /= length);
                parts.push(Part::Constant { column, places });
                column += 1;
            }
        }
        Deflation { parts, v, r: column }
    }

    /// V'x: columns of V by vectors.
    pub fn coefficients(&self, x: &Block) -> Vec<f64> {
        let (k, n) = (x.k, x.used);
        let mut out = vec![0.0; self.r * n];
        for part in &self.parts {
            match part {
                Part::Constant { column, places } => {
                    let to = &mut out[column * n..(column + 1) * n];
                    for l in places.clone() {
                        to.iter_mut().zip(&x.data[l * k..l * k + n]).for_each(|(t, x)| *t += self.v[l] * x);
                    }
                }
                Part::Whole { column, places } => {
                    for (c, l) in places.clone().enumerate() {
                        out[(column + c) * n..(column + c + 1) * n].copy_from_slice(&x.data[l * k..l * k + n]);
                    }
                }
            }
        }
        out
    }

    /// x += V c.
    pub fn add(&self, c: &[f64], x: &mut Block) {
        let (k, n) = (x.k, x.used);
        for part in &self.parts {
            let (column, places, step) = match part {
                Part::Constant { column, places } => (*column, places, 0),
                Part::Whole { column, places } => (*column, places, 1),
            };
            for (i, l) in places.clone().enumerate() {
                let at = (column + i * step) * n;
                for (x, c) in x.data[l * k..l * k + n].iter_mut().zip(&c[at..at + n]) {
                    *x += self.v[l] * c;
                }
            }
        }
    }

    /// x - VV'x.
    pub fn project(&self, x: &mut Block) {
        let mut c = self.coefficients(x);
        c.iter_mut().for_each(|c| *c = -*c);
        self.add(&c, x);
        // exact zeros where nothing is left
        for part in &self.parts {
            if let Part::Whole { places, .. } = part {
                x.data[places.start * x.k..places.end * x.k].fill(0.0);
            }
        }
    }

    /// Some columns of V.
    pub fn columns(&self, from: usize, used: usize) -> Block {
        let mut out = Block::zeros(self.v.len(), used);
        let mut c = vec![0.0; self.r * used];
        (0..used).for_each(|i| c[(from + i) * used + i] = 1.0);
        self.add(&c, &mut out);
        out
    }
}
