//! Numbers on the pattern of a factor: what R, T = M^-1 on the pattern of R, and the factor of Z'Z
//! are kept in.

use super::symbolic::Symbolic;

/// Blocks of a lower triangular matrix.
#[derive(Default)]
pub(super) struct Storage {
    /// Diagonal blocks of the sparse part: k x k, row-major.
    pub diag: Vec<f64>,
    /// Blocks below them: one column-major panel for each position.
    pub panel: Vec<f64>,
    /// Dense part: column-major, lower half (both halves of T).
    pub tail: Vec<f64>,
}

/// Where the block of two levels that occur together stands: entry (column c, row r) is at
/// `start + c * height + r`.
#[derive(Clone, Copy)]
pub(super) struct Place {
    is_dense: bool,
    start: usize,
    height: usize,
    /// Whether the columns are those of the pair's first factor.
    pub first_is_column: bool,
}

impl Place {
    /// Of cell `i` of a pair of factors, whose levels are at positions `pf` and `pg`.
    #[inline(always)]
    pub fn of(s: &Symbolic, rows: &[u32], i: usize, pf: usize, pg: usize) -> Self {
        // the column is the position eliminated first
        let (lo, hi, first_is_column) = if pf < pg { (pf, pg, true) } else { (pg, pf, false) };
        if lo < s.n_sparse {
            let (start, height) = (s.panel[lo] + rows[i] as usize, s.height[lo] as usize);
            Place { is_dense: false, start, height, first_is_column }
        } else {
            let start = s.dense_row(lo) * s.dense + s.dense_row(hi);
            Place { is_dense: true, start, height: s.dense, first_is_column }
        }
    }

    /// Index of the entry of effect `x` of the first factor and `y` of the second.
    #[inline(always)]
    pub fn at(&self, x: usize, y: usize) -> usize {
        if self.first_is_column {
            x * self.height + y
        } else {
            y * self.height + x
        }
    }
}

impl Storage {
    /// Zeros.
    pub fn zeros(s: &Symbolic) -> Self {
        Storage { diag: vec![0.0; s.diag_len], panel: vec![0.0; s.panel_len], tail: vec![0.0; s.dense * s.dense] }
    }

    /// The numbers from a place on.
    #[inline(always)]
    pub fn starting_at(&self, place: Place) -> &[f64] {
        if place.is_dense {
            &self.tail[place.start..]
        } else {
            &self.panel[place.start..]
        }
    }

    /// The same to be written.
    #[inline(always)]
    pub fn starting_at_mut(&mut self, place: Place) -> &mut [f64] {
        if place.is_dense {
            &mut self.tail[place.start..]
        } else {
            &mut self.panel[place.start..]
        }
    }

    /// The diagonal block of a position (k x k, row-major) of a matrix both halves of whose dense
    /// part are filled.
    #[inline(always)]
    pub fn copy_diagonal(&self, s: &Symbolic, pos: usize, out: &mut [f64]) {
        let k = s.k[pos] as usize;
        if pos < s.n_sparse {
            out.copy_from_slice(&self.diag[s.diag[pos]..s.diag[pos] + k * k]);
            return;
        }
        let at = s.dense_row(pos);
        for i in 0..k {
            for j in 0..k {
                out[i * k + j] = self.tail[(at + j) * s.dense + at + i];
            }
        }
    }

    /// Puts a symmetric block on the diagonal.
    #[inline(always)]
    pub fn set_diagonal(&mut self, s: &Symbolic, pos: usize, block: &[f64]) {
        let k = s.k[pos] as usize;
        if pos < s.n_sparse {
            self.diag[s.diag[pos]..s.diag[pos] + k * k].copy_from_slice(block);
            return;
        }
        let at = s.dense_row(pos);
        for i in 0..k {
            for j in 0..=i {
                self.tail[(at + j) * s.dense + at + i] = block[i * k + j];
            }
        }
    }

    /// Puts a symmetric block on the diagonal, in both halves of the dense part.
    pub fn set_whole_diagonal(&mut self, s: &Symbolic, pos: usize, block: &[f64]) {
        self.set_diagonal(s, pos, block);
        if pos >= s.n_sparse {
            let (at, k) = (s.dense_row(pos), s.k[pos] as usize);
            for t in 0..k * k {
                self.tail[(at + t / k) * s.dense + at + t % k] = block[t];
            }
        }
    }

    /// Puts a number at a place, in both halves of the dense part.
    pub fn set_number(&mut self, s: &Symbolic, place: Place, v: f64) {
        self.starting_at_mut(place)[0] = v;
        if place.is_dense {
            let (column, row) = (place.start / s.dense, place.start % s.dense);
            self.tail[row * s.dense + column] = v;
        }
    }

    /// Element `i` of the diagonal of a position's block.
    pub fn pivot(&self, s: &Symbolic, pos: usize, i: usize) -> f64 {
        if pos < s.n_sparse {
            self.diag[s.diag[pos] + i * (s.k[pos] as usize + 1)]
        } else {
            self.tail[(s.dense_row(pos) + i) * (s.dense + 1)]
        }
    }

    /// The same to be written.
    pub fn pivot_mut(&mut self, s: &Symbolic, pos: usize, i: usize) -> &mut f64 {
        if pos < s.n_sparse {
            &mut self.diag[s.diag[pos] + i * (s.k[pos] as usize + 1)]
        } else {
            &mut self.tail[(s.dense_row(pos) + i) * (s.dense + 1)]
        }
    }
}
