//! A few vectors side by side, row by row: what one pass over the rows works on at once.

use super::real::Real;

/// Most vectors that are worked on at once.
pub const WIDEST: usize = 8;

/// `k` vectors, of which the first `used` count; the others are zero.
#[derive(Clone)]
pub struct Block<T> {
    /// Vectors, of which there are 1, 2, 4 or 8.
    pub k: usize,
    /// Vectors that count.
    pub used: usize,
    /// Row by row.
    pub data: Vec<T>,
}

/// The number of vectors that code is compiled for.
pub fn width(used: usize) -> usize {
    match used {
        0 | 1 => 1,
        2 => 2,
        3 | 4 => 4,
        _ => WIDEST,
    }
}

impl<T: Real> Block<T> {
    /// Zeros.
    pub fn zeros(rows: usize, used: usize) -> Self {
        let k = width(used);
        Block { k, used, data: vec![T::default(); rows * k] }
    }

    /// Some columns of a row-major matrix.
    pub fn columns(of: &[f64], cols: usize, from: usize, used: usize) -> Self {
        let mut out = Block::zeros(of.len().checked_div(cols).unwrap_or(0), used);
        for (to, row) in out.data.chunks_exact_mut(out.k).zip(of.chunks_exact(cols.max(1))) {
            to.iter_mut().zip(&row[from..from + used]).for_each(|(t, v)| *t = T::of(*v));
        }
        out
    }

    /// Writes them to columns of a row-major matrix.
    pub fn write(&self, to: &mut [f64], cols: usize, from: usize) {
        for (row, of) in to.chunks_exact_mut(cols).zip(self.data.chunks_exact(self.k)) {
            row[from..from + self.used].iter_mut().zip(of).for_each(|(t, v)| *t = v.double());
        }
    }

    /// These vectors and those of another block.
    pub fn beside(&self, other: &Block<T>) -> Block<T> {
        let mut out = Block::zeros(self.data.len() / self.k, self.used + other.used);
        for (to, (a, b)) in out.data.chunks_exact_mut(out.k).zip(self.rows().zip(other.rows())) {
            to[..self.used].copy_from_slice(&a[..self.used]);
            to[self.used..self.used + other.used].copy_from_slice(&b[..other.used]);
        }
        out
    }

    /// Their rows.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, T> {
        self.data.chunks_exact(self.k)
    }

    /// Inner product of each vector with that of another block.
    pub fn dots(&self, other: &Block<T>) -> Vec<f64> {
        let mut out = [0.0; WIDEST];
        for (a, b) in self.rows().zip(other.rows()) {
            for ((t, a), b) in out.iter_mut().zip(a).zip(b) {
                *t += a.double() * b.double();
            }
        }
        out[..self.k].to_vec()
    }

    /// All inner products of the vectors of two blocks, those of this one along the rows.
    pub fn products(&self, other: &Block<T>) -> Vec<f64> {
        let (m, n) = (self.used, other.used);
        let mut out = vec![0.0; m * n];
        for (a, b) in self.rows().zip(other.rows()) {
            for (row, a) in out.chunks_exact_mut(n).zip(a) {
                row.iter_mut().zip(b).for_each(|(t, b)| *t += a.double() * b.double());
            }
        }
        out
    }

    /// Adds `other` times a row-major matrix of its vectors by these.
    pub fn add_combined(&mut self, other: &Block<T>, by: &[f64], sign: f64) {
        let (k, n) = (self.k, self.used);
        for (to, a) in self.data.chunks_exact_mut(k).zip(other.rows()) {
            for (row, a) in by.chunks_exact(n).zip(a) {
                to.iter_mut().zip(row).for_each(|(t, b)| *t += T::of(sign * a.double() * b));
            }
        }
    }
}
