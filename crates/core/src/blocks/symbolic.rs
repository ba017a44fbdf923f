//! Positions and sizes of all blocks of M and of its factor, fixed for the life of a model.

use super::fill::{Fill, Limits};
use crate::crossprod::Cells;
use crate::error::CoreError;
use crate::watch::{not_stopped, Pace};

/// Symbolic factorisation. A *node* is one level of one factor; *positions* count nodes in the
/// order of elimination.
#[derive(Clone)]
pub struct Symbolic {
    /// Factor of each position.
    pub factor: Vec<u32>,
    /// Level of each position.
    pub level: Vec<u32>,
    /// Number of effects of each position.
    pub k: Vec<u32>,
    /// Position of each level of each factor.
    pub position: Vec<Vec<u32>>,
    /// First scalar row of each position (one more entry than positions).
    pub row: Vec<usize>,
    /// Start of each sparse position's diagonal block.
    pub diag: Vec<usize>,
    /// Start of each sparse position's list in `below`, `below_row`.
    pub below_start: Vec<usize>,
    /// Positions of the blocks below the diagonal, ascending.
    pub below: Vec<u32>,
    /// First row of each such block within its panel.
    pub below_row: Vec<u32>,
    /// Start of each sparse position's panel (column-major, `height` x k).
    pub panel: Vec<usize>,
    /// Rows of each sparse position's panel.
    pub height: Vec<u32>,
    /// For each sparse position, start in `update_row`.
    pub update_start: Vec<usize>,
    /// Row of block a within the panel of position b, for the pairs a > b below a position with b
    /// sparse.
    pub update_row: Vec<u32>,
    /// For each pair of factors and each cell, the row of the cell's block in the panel that holds
    /// it.
    pub cell_row: Vec<Vec<u32>>,
    /// Number of sparse positions; the rest form the dense block.
    pub n_sparse: usize,
    /// Number of scalar rows in all.
    pub q: usize,
    /// Order of the dense block.
    pub dense: usize,
    /// Whether the blocks of every sparse position's panel that lie in the dense block are its
    /// consecutive rows from `dense_first`.
    pub dense_first: Vec<u32>,
    /// Runs of consecutive sparse positions that cover all of them. Positions of a run longer than
    /// one have the same blocks below them, all in the dense block and consecutive there, so that
    /// their panels form one matrix.
    pub runs: Vec<(u32, u32)>,
    /// For each row of each panel that lies in the dense block, its row there; panels one after
    /// another.
    pub dense_of_row: Vec<u32>,
    /// Start of each sparse position's part of `dense_of_row`, and the panel row it begins with.
    pub dense_rows: Vec<(usize, u32)>,
    /// Total length of all diagonal blocks.
    pub diag_len: usize,
    /// Total length of all panels.
    pub panel_len: usize,
    /// Predicted seconds of one factorisation and selected inversion; only the order of magnitude
    /// matters.
    pub seconds: f64,
    /// Which factor is not shrunk: M has no identity there.
    pub fixed: Option<usize>,
    /// Of nested factors whose levels have sampling weights, what the log determinant that each
    /// position leaves counts: that of the level and of those it lies in, multiplied.
    pub weights: Option<Vec<f64>>,
}

/// Value of `dense_first` where the rows are scattered or absent.
pub const SCATTERED: u32 = u32::MAX;

impl Symbolic {
    /// Orders the levels and lays out the factor.
    ///
    /// # Errors
    /// [`CoreError::TooLarge`] where the factor does not fit into memory.
    pub fn new(n_levels: &[usize], ks: &[usize], cells: &[Cells], fixed: Option<usize>) -> Result<Self, CoreError> {
        let order = n_levels.iter().zip(ks).map(|(n, k)| n * k).sum();
        Self::within(n_levels, ks, cells, fixed, &Limits::of_machine(order))
    }

    /// The same where the factor may take only so much. What is done to find out is limited too.
    ///
    /// # Errors
    /// [`CoreError::TooLarge`] where it would take more memory, [`CoreError::TooSlow`] where more
    /// time.
    pub fn within(
        n_levels: &[usize],
        ks: &[usize],
        cells: &[Cells],
        fixed: Option<usize>,
        limits: &Limits,
    ) -> Result<Self, CoreError> {
        Self::laid_out(Fill::best(n_levels, ks, cells, limits)?, n_levels, cells, fixed)
    }

    /// Floating-point operations that eliminating a run of positions takes.
    #[inline(always)]
    pub(super) fn operations(&self, start: usize, end: usize) -> f64 {
        let height = f64::from(self.height[start]);
        height * height * (self.row[end] - self.row[start]) as f64
    }

    fn laid_out(best: Fill, n_levels: &[usize], cells: &[Cells], fixed: Option<usize>) -> Result<Self, CoreError> {
        let Fill { factor, level, k, position, row, below_start, below, n_sparse, cost, .. } = best;
        let q = row[row.len() - 1];
        let dense = q - row[n_sparse];

        let mut diag = Vec::with_capacity(n_sparse);
        let mut panel = Vec::with_capacity(n_sparse);
        let mut height = Vec::with_capacity(n_sparse);
        let mut below_row = vec![0u32; below.len()];
        let mut dense_first = vec![SCATTERED; n_sparse];
        let mut dense_of_row: Vec<u32> = Vec::new();
        let mut dense_rows = Vec::with_capacity(n_sparse);
        let (mut diag_len, mut panel_len) = (0usize, 0usize);
        for j in 0..n_sparse {
            let kj = k[j] as usize;
            diag.push(diag_len);
            diag_len += kj * kj;
            let mut h = 0u32;
            let (mut runs, mut expected) = (0, usize::MAX);
            let from = dense_of_row.len();
            let mut first_dense = u32::MAX;
            for i in below_start[j]..below_start[j + 1] {
                let b = below[i] as usize;
                below_row[i] = h;
                h += k[b];
                if b >= n_sparse {
                    let at = row[b] - row[n_sparse];
                    first_dense = first_dense.min(below_row[i]);
                    dense_of_row.extend((at..at + k[b] as usize).map(|r| r as u32));
                    if at != expected {
                        runs += 1;
                        if runs == 1 {
                            dense_first[j] = at as u32;
                        }
                    }
                    expected = at + k[b] as usize;
                }
            }
            if runs != 1 {
                dense_first[j] = SCATTERED;
            }
            dense_rows.push((from, first_dense.min(h)));
            panel.push(panel_len);
            panel_len += kj * h as usize;
            height.push(h);
        }

        let mut update_start = Vec::with_capacity(n_sparse + 1);
        let mut update_row: Vec<u32> = Vec::new();
        update_start.push(0);
        let mut pace = Pace::default();
        for j in 0..n_sparse {
            let list = &below[below_start[j]..below_start[j + 1]];
            if pace.is_stopped((list.len() as f64).powi(2)) {
                return Err(CoreError::Interrupted);
            }
            for (ib, &b) in list.iter().enumerate() {
                let b = b as usize;
                if b >= n_sparse {
                    break;
                }
                let mut at = below_start[b];
                for &a in &list[ib + 1..] {
                    while below[at] != a {
                        at += 1;
                    }
                    update_row.push(below_row[at]);
                }
            }
            update_start.push(update_row.len());
        }

        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut j = 0;
        while j < n_sparse {
            let list = &below[below_start[j]..below_start[j + 1]];
            let mut end = j + 1;
            if dense_first[j] != SCATTERED && list[0] as usize >= n_sparse {
                while end < n_sparse && &below[below_start[end]..below_start[end + 1]] == list {
                    end += 1;
                }
            }
            if end - j < 4 || height[j] < 8 {
                end = j + 1;
            }
            runs.push((j as u32, end as u32));
            j = end;
        }

        let cell_row = cells
            .iter()
            .map(|c| {
                let mut out = vec![0u32; c.level.len()];
                for l in 0..n_levels[c.f] {
                    let a = position[c.f][l];
                    for i in c.start[l]..c.start[l + 1] {
                        let b = position[c.g][c.level[i] as usize];
                        let (lo, hi) = (a.min(b) as usize, a.max(b));
                        if lo < n_sparse {
                            let list = &below[below_start[lo]..below_start[lo + 1]];
                            let at = list.binary_search(&hi).expect("a cell is part of the structure");
                            out[i] = below_row[below_start[lo] + at];
                        }
                    }
                }
                out
            })
            .collect();
        not_stopped()?;
        Ok(Symbolic {
            factor,
            level,
            k,
            position,
            row,
            diag,
            below_start,
            below,
            below_row,
            panel,
            height,
            update_start,
            update_row,
            cell_row,
            n_sparse,
            q,
            dense,
            dense_first,
            runs,
            dense_of_row,
            dense_rows,
            diag_len,
            panel_len,
            seconds: cost,
            fixed,
            weights: None,
        })
    }

    /// Gives the levels of every factor sampling weights; false where a level that is eliminated
    /// does not lie within all levels that are then left of those it meets, so that the factors are
    /// not nested.
    pub fn weigh(&mut self, by_level: &[Vec<f64>]) -> bool {
        for j in 0..self.n_sparse {
            let factors: Vec<u32> = self.below(j).iter().map(|&b| self.factor[b as usize]).collect();
            if factors.iter().enumerate().any(|(i, f)| factors[..i].contains(f)) {
                return false;
            }
        }
        let weight = |(&f, &l): (&u32, &u32)| by_level[f as usize][l as usize];
        self.weights = Some(self.factor.iter().zip(&self.level).map(weight).collect());
        true
    }

    /// What the log determinant of a position counts.
    #[inline(always)]
    pub fn weight(&self, position: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w[position])
    }

    /// Positions of the blocks below a sparse position.
    #[inline(always)]
    pub fn below(&self, j: usize) -> &[u32] {
        &self.below[self.below_start[j]..self.below_start[j + 1]]
    }

    /// First rows of those blocks within the panel.
    #[inline(always)]
    pub fn below_rows(&self, j: usize) -> &[u32] {
        &self.below_row[self.below_start[j]..self.below_start[j + 1]]
    }

    /// Rows of the dense block that the last rows of a sparse position's panel stand for, and the
    /// first of those panel rows.
    #[inline(always)]
    pub fn dense_part(&self, j: usize) -> (&[u32], usize) {
        let (from, first) = self.dense_rows[j];
        let n = (self.height[j] - first) as usize;
        (&self.dense_of_row[from..from + n], first as usize)
    }

    /// What is added to the diagonal of M at a position of a factor.
    #[inline(always)]
    pub fn ridge(&self, factor: usize) -> f64 {
        if self.fixed == Some(factor) {
            0.0
        } else {
            1.0
        }
    }

    /// First row of a position within the dense block.
    #[inline(always)]
    pub fn dense_row(&self, pos: usize) -> usize {
        self.row[pos] - self.row[self.n_sparse]
    }
}
