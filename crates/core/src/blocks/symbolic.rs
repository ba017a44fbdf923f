//! Positions and sizes of all blocks of M and of its factor, fixed for the life of a model.

use super::ordering::{self, Rule};
use crate::crossprod::Cells;
use crate::error::CoreError;
use crate::memory;
use std::ops::Range;

/// Share of the levels still to come that a level must be joined with for the rest to be stored as
/// one dense block.
const DENSE_SHARE: f64 = 0.95;

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
}

/// Value of `dense_first` where the rows are scattered or absent.
pub const SCATTERED: u32 = u32::MAX;

impl Symbolic {
    /// Orders the levels and lays out the factor.
    ///
    /// # Errors
    /// [`CoreError::TooLarge`] where the factor does not fit into memory.
    pub fn new(n_levels: &[usize], ks: &[usize], cells: &[Cells], fixed: Option<usize>) -> Result<Self, CoreError> {
        let (order, settled) = ordering::order(n_levels, cells, Rule::LargestFirst);
        let mut layout = Elimination::of(&order, n_levels, ks, cells);
        // looking for a better order costs about as much as an evaluation with a dense block of a
        // few hundred rows
        if settled < order.len() && layout.cost > 4e-3 {
            let (order, _) = ordering::order(n_levels, cells, Rule::MinimumDegree);
            let other = Elimination::of(&order, n_levels, ks, cells);
            if other.cost < layout.cost {
                layout = other;
            }
        }
        let Elimination { factor, level, k, position, row, below_start, below, n_sparse, cost } = layout;
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
        let bytes = 8.0 * (2.0 * (dense as f64).powi(2) + 2.0 * panel_len as f64);
        if memory::limit_of(bytes).is_some_and(|limit| bytes > limit) {
            return Err(CoreError::TooLarge { bytes, dense });
        }

        let mut update_start = Vec::with_capacity(n_sparse + 1);
        let mut update_row: Vec<u32> = Vec::new();
        update_start.push(0);
        for j in 0..n_sparse {
            let list = &below[below_start[j]..below_start[j + 1]];
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
        })
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

/// An order of elimination and the structure of the factor it leads to.
struct Elimination {
    factor: Vec<u32>,
    level: Vec<u32>,
    k: Vec<u32>,
    position: Vec<Vec<u32>>,
    row: Vec<usize>,
    below_start: Vec<usize>,
    below: Vec<u32>,
    n_sparse: usize,
    /// Predicted seconds of one evaluation with its score; only comparisons matter.
    cost: f64,
}

impl Elimination {
    fn of(order: &[u32], n_levels: &[usize], ks: &[usize], cells: &[Cells]) -> Self {
        let nf = n_levels.len();
        let n = order.len();
        let mut first = vec![0usize; nf + 1];
        for f in 0..nf {
            first[f + 1] = first[f] + n_levels[f];
        }
        let mut factor = vec![0u32; n];
        let mut level = vec![0u32; n];
        let mut k = vec![0u32; n];
        let mut row = vec![0usize; n + 1];
        let mut position: Vec<Vec<u32>> = n_levels.iter().map(|&m| vec![0u32; m]).collect();
        for (pos, &v) in order.iter().enumerate() {
            let f = first.partition_point(|&s| s <= v as usize) - 1;
            let l = v as usize - first[f];
            factor[pos] = f as u32;
            level[pos] = l as u32;
            k[pos] = ks[f] as u32;
            row[pos + 1] = row[pos] + ks[f];
            position[f][l] = pos as u32;
        }

        // later neighbours of each position
        let mut count = vec![0usize; n + 1];
        let each_cell = |visit: &mut dyn FnMut(u32, u32)| {
            for c in cells {
                for l in 0..n_levels[c.f] {
                    let a = position[c.f][l];
                    for &m in &c.level[c.start[l]..c.start[l + 1]] {
                        let b = position[c.g][m as usize];
                        visit(a.min(b), a.max(b));
                    }
                }
            }
        };
        each_cell(&mut |a, _| count[a as usize + 1] += 1);
        for i in 0..n {
            count[i + 1] += count[i];
        }
        let mut later = vec![0u32; count[n]];
        let mut next = count.clone();
        each_cell(&mut |a, b| {
            later[next[a as usize]] = b;
            next[a as usize] += 1;
        });

        // structure of each column: its own neighbours and those of the columns whose first block
        // it is
        let mut below_start = vec![0usize];
        let mut below: Vec<u32> = Vec::new();
        let mut children: Vec<Vec<u32>> = vec![Vec::new(); if cells.is_empty() { 0 } else { n }];
        let mut mark = vec![u32::MAX; n];
        let mut n_sparse = n;
        for j in 0..n {
            if cells.is_empty() {
                below_start.push(0);
                continue;
            }
            let at = below.len();
            mark[j] = j as u32;
            for &b in &later[count[j]..count[j + 1]] {
                if mark[b as usize] != j as u32 {
                    mark[b as usize] = j as u32;
                    below.push(b);
                }
            }
            for &c in &children[j] {
                let c = c as usize;
                for i in below_start[c]..below_start[c + 1] {
                    let b = below[i];
                    if mark[b as usize] != j as u32 {
                        mark[b as usize] = j as u32;
                        below.push(b);
                    }
                }
            }
            let left = n - j - 1;
            let here = below.len() - at;
            if left >= 1 && here as f64 >= DENSE_SHARE * left as f64 {
                below.truncate(at);
                n_sparse = j;
                break;
            }
            below[at..].sort_unstable();
            if let Some(&parent) = below.get(at) {
                children[parent as usize].push(j as u32);
            }
            below_start.push(below.len());
        }
        let (cut, cost) = cheapest_cut(n_sparse, &row, &k, &below_start, &below);
        let (below_start, below) = padded(cut, &row, &k, &below_start, &below);
        Elimination { factor, level, k, position, row, below_start, below, n_sparse: cut, cost }
    }
}

/// Seconds that one update of a scattered entry, one of consecutive entries, and one floating-point
/// operation within the dense block take, roughly: only their ratios matter.
const SCATTERED_COST: f64 = 4e-9;
/// Largest ratio of the length of a padded list to that of the list.
const PADDING: f64 = 1.6;
const CONSECUTIVE_COST: f64 = 1e-10;
const DENSE_COST: f64 = 4e-11;

/// The number of sparse positions, at most `limit`, for which elimination and selected inversion
/// cost least, and that cost.
fn cheapest_cut(limit: usize, row: &[usize], k: &[u32], below_start: &[usize], below: &[u32]) -> (usize, f64) {
    let q = row[row.len() - 1];
    let dense = |cut: usize| ((q - row[cut]) as f64).powi(3) * DENSE_COST;
    let mut sparse = 0.0;
    let mut best = (0, dense(0));
    for j in 0..limit {
        let list = &below[below_start[j]..below_start[j + 1]];
        let height: f64 = list.iter().map(|&b| f64::from(k[b as usize])).sum();
        let kj = f64::from(k[j]);
        let consecutive = list.last().is_some_and(|&b| (b - list[0]) as usize == list.len() - 1);
        let update = if consecutive { kj * CONSECUTIVE_COST } else { (0.5 + 0.5 * kj) * SCATTERED_COST };
        sparse += height * (height + 1.0) * update;
        let cost = sparse + dense(j + 1);
        if cost <= best.1 {
            best = (j + 1, cost);
        }
    }
    best
}

/// The positions from the first to the last of a list, where it holds most of them: then they are
/// stored all, as one piece.
fn span(list: &[u32]) -> Option<Range<usize>> {
    let (first, last) = (*list.first()? as usize, *list.last()? as usize);
    ((last + 1 - first) as f64 <= PADDING * list.len() as f64).then_some(first..last + 1)
}

/// The lists of the sparse positions, with explicit zeros where they make a list consecutive within
/// the dense block.
fn padded(n_sparse: usize, row: &[usize], k: &[u32], below_start: &[usize], below: &[u32]) -> (Vec<usize>, Vec<u32>) {
    let n = k.len();
    let dense = (row[n] - row[n_sparse]) as f64;
    let mut start = Vec::with_capacity(n_sparse + 1);
    let mut out = Vec::with_capacity(below_start[n_sparse]);
    start.push(0);
    for j in 0..n_sparse {
        let list = &below[below_start[j]..below_start[j + 1]];
        let all_dense = list.first().is_some_and(|&b| b as usize >= n_sparse);
        let height: f64 = list.iter().map(|&b| f64::from(k[b as usize])).sum();
        match span(list) {
            _ if all_dense && height * PADDING >= dense => out.extend((n_sparse..n).map(|b| b as u32)),
            Some(s) if all_dense => out.extend(s.map(|b| b as u32)),
            _ => out.extend_from_slice(list),
        }
        start.push(out.len());
    }
    (start, out)
}
