//! The pattern that an order of elimination leads to, its cost, and the best one within limits.
//!
//! What a later cut between the sparse and the dense part costs is known to be more as soon as the
//! sparse part alone does, so that the search for it ends there: a pattern that is too large for
//! memory is never formed.

use super::minimum_degree::{self, Pivot};
use super::ordering::{self, Rule};
use crate::crossprod::Cells;
use crate::error::CoreError;
use crate::memory;
use crate::watch::is_stopped;
use std::ops::Range;

/// Share of the levels still to come that a level must be joined with for the rest to be stored as
/// one dense block.
const DENSE_SHARE: f64 = 0.95;
/// Seconds that one update of a scattered entry, one of consecutive entries, and one floating-point
/// operation within the dense block take, roughly: only their ratios matter.
const SCATTERED_COST: f64 = 4e-9;
const CONSECUTIVE_COST: f64 = 1e-10;
const DENSE_COST: f64 = 4e-11;
/// Largest ratio of the length of a padded list to that of the list.
const PADDING: f64 = 1.6;
/// Bytes that the search for an order of minimum degree takes for each cell and for each level, and
/// seconds for each list entry that it reads.
const BYTES_OF_CELL: f64 = 24.0;
const BYTES_OF_NODE: f64 = 100.0;
const SECONDS_OF_ENTRY: f64 = 5e-9;
/// Share of an evaluation by the order known before that the search may take.
const WORTH: f64 = 0.5;

/// Most bytes of factor, inverse and pattern for each pair of effects.
const BYTES_OF_PAIR: f64 = 48.0;
/// Bytes of factors that are looked at in any case, so that what is needed is known well where
/// little is free.
const SEARCHED: f64 = 2.5e8;
/// Positions after which it is asked whether to go on.
const POSITIONS: usize = 64;

/// What a factor may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes, of R and T together with their pattern.
    pub bytes: f64,
    /// Seconds of one evaluation.
    pub seconds: f64,
}

impl Limits {
    /// What the memory allows, in any time, for a system of so many effects. It is not asked where
    /// the factor is small whatever its pattern: many small fits would ask it each.
    pub fn of_machine(order: usize) -> Self {
        let bytes = if memory::is_little(BYTES_OF_PAIR * (order as f64).powi(2)) { None } else { memory::available() };
        Limits { bytes: bytes.unwrap_or(f64::INFINITY), seconds: f64::INFINITY }
    }

    /// None.
    pub fn none() -> Self {
        Limits { bytes: f64::INFINITY, seconds: f64::INFINITY }
    }
}

/// What the exact factor of a system takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Order of its dense part.
    pub dense: usize,
    /// Bytes of R and T and of their pattern.
    pub bytes: f64,
    /// Bytes of the dense parts alone.
    pub dense_bytes: f64,
    /// Seconds of one evaluation with its score.
    pub seconds: f64,
}

/// An order of elimination and the pattern of the factor it leads to.
pub(super) struct Fill {
    pub factor: Vec<u32>,
    pub level: Vec<u32>,
    pub k: Vec<u32>,
    pub position: Vec<Vec<u32>>,
    pub row: Vec<usize>,
    pub below_start: Vec<usize>,
    pub below: Vec<u32>,
    pub n_sparse: usize,
    /// Predicted seconds of one evaluation with its score; only comparisons matter.
    pub cost: f64,
    /// Bytes that factor and pattern take.
    pub bytes: f64,
}

/// Predicts what the exact factor of a system takes, without forming it; `n_levels` and `ks` are of
/// each factor.
///
/// # Errors
/// As [`Symbolic::within`](super::Symbolic::within).
pub fn predicted(n_levels: &[usize], ks: &[usize], cells: &[Cells], limits: &Limits) -> Result<Prediction, CoreError> {
    let found = Fill::best(n_levels, ks, cells, limits)?;
    let dense = found.row[found.row.len() - 1] - found.row[found.n_sparse];
    Ok(Prediction { dense, bytes: found.bytes, dense_bytes: dense_bytes(dense as f64), seconds: found.cost })
}

/// Bytes of the dense parts of R and T.
fn dense_bytes(order: f64) -> f64 {
    16.0 * order * order
}

impl Fill {
    /// The cheapest order that is known.
    pub fn best(n_levels: &[usize], ks: &[usize], cells: &[Cells], limits: &Limits) -> Result<Self, CoreError> {
        let (order, settled) = ordering::order(n_levels, ks, cells, Rule::LargestFirst);
        let mut found = Self::of(&order, n_levels, ks, cells, limits);
        // looking for a better order costs about as much as an evaluation with a dense block of a
        // few hundred rows
        let worth_it = match &found {
            Ok(f) => settled < order.len() && f.cost > 4e-3,
            Err(_) => settled < order.len(),
        };
        let n_cells: f64 = cells.iter().map(|c| c.level.len() as f64).sum();
        let fits = n_cells * BYTES_OF_CELL + order.len() as f64 * BYTES_OF_NODE < limits.bytes;
        let by_effects = worth_it && ks.iter().any(|&k| k != ks[0]);
        let others = [(Rule::MostEffectsFirst, by_effects), (Rule::MinimumDegree, worth_it && fits)];
        for (rule, _) in others.into_iter().filter(|o| o.1) {
            let order = match rule {
                Rule::MinimumDegree => {
                    let known = found.as_ref().map_or(limits.seconds, |f| f.cost.min(limits.seconds));
                    Self::by_degree(n_levels, ks, cells, &Limits { seconds: known, ..*limits })?
                }
                _ => ordering::order(n_levels, ks, cells, rule).0,
            };
            let other = Self::of(&order, n_levels, ks, cells, limits);
            found = match (found, other) {
                (Ok(a), Ok(b)) => Ok(if b.cost < a.cost { b } else { a }),
                (Err(_), Ok(b)) => Ok(b),
                (a, _) => a,
            };
        }
        found
    }

    /// An order of minimum degree, followed only as far as it can lead to an evaluation that keeps
    /// to the limits.
    fn by_degree(n_levels: &[usize], ks: &[usize], cells: &[Cells], limits: &Limits) -> Result<Vec<u32>, CoreError> {
        let (mut order, left) = ordering::settled(n_levels, ks, cells, Rule::MinimumDegree);
        let (graph, nodes) = ordering::neighbours(n_levels, cells, &left);
        let rows: Vec<u32> = left.iter().flat_map(|&f| std::iter::repeat_n(ks[f] as u32, n_levels[f])).collect();
        let k = rows.iter().copied().max().unwrap_or(1);
        let mut cut = Cut::none(rows.iter().map(|&r| r as usize).sum(), limits);
        let go_on = |pivot: &Pivot| {
            // nodes that are one leave one after another
            let mut left = pivot.left + pivot.rows;
            for _ in 0..(pivot.rows / k as usize).max(1) {
                left = left.saturating_sub(k as usize).max(pivot.left);
                let height = (pivot.height + left - pivot.left) as f64;
                let goes_on = cut.step(0, (height, pivot.nodes), f64::from(k), false, left);
                if !goes_on || cut.bytes > limits.bytes {
                    return false;
                }
            }
            (pivot.height as f64) < DENSE_SHARE * pivot.left as f64
        };
        let entries = WORTH * limits.seconds / SECONDS_OF_ENTRY;
        order.extend(minimum_degree::order(graph, &rows, entries, go_on)?.into_iter().map(|i| nodes[i as usize]));
        Ok(order)
    }

    fn of(
        order: &[u32],
        n_levels: &[usize],
        ks: &[usize],
        cells: &[Cells],
        limits: &Limits,
    ) -> Result<Self, CoreError> {
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

        // pattern of each column: its own neighbours and those of the columns whose first block it
        // is
        let mut below_start = vec![0usize];
        let mut below: Vec<u32> = Vec::new();
        let mut children: Vec<Vec<u32>> = vec![Vec::new(); if cells.is_empty() { 0 } else { n }];
        let mut mark = vec![u32::MAX; n];
        let mut cut = Cut::none(row[n], limits);
        for j in 0..n {
            if j % POSITIONS == 0 && is_stopped() {
                return Err(CoreError::Interrupted);
            }
            if cells.is_empty() {
                below_start.push(0);
                cut.add(j, &[], &row, &k);
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
                break;
            }
            below[at..].sort_unstable();
            if let Some(&parent) = below.get(at) {
                children[parent as usize].push(j as u32);
            }
            below_start.push(below.len());
            if !cut.add(j, &below[at..], &row, &k) {
                break;
            }
        }
        let n_sparse = cut.place()?;
        let (below_start, below) = padded(n_sparse, &row, &k, &below_start, &below);
        let bytes = bytes_of(n_sparse, &row, &k, &below_start, &below);
        if bytes > limits.bytes {
            return Err(CoreError::TooLarge { bytes, dense: row[n] - row[n_sparse], free: limits.bytes });
        }
        Ok(Fill { factor, level, k, position, row, below_start, below, n_sparse, cost: cut.best.cost, bytes })
    }
}

/// Where the sparse part ends and the dense one begins.
struct Cut<'a> {
    limits: &'a Limits,
    /// Rows in all.
    q: usize,
    /// Seconds and bytes of the sparse part so far.
    sparse: f64,
    bytes: f64,
    /// The cheapest one that fits, or if none does the smallest.
    best: Place,
}

/// A place for the cut, and what it costs.
struct Place {
    n_sparse: usize,
    dense: usize,
    cost: f64,
    bytes: f64,
}

impl Place {
    fn fits(&self, limits: &Limits) -> bool {
        self.bytes <= limits.bytes
    }
}

impl<'a> Cut<'a> {
    /// Before the first position.
    fn none(q: usize, limits: &'a Limits) -> Self {
        let dense = q as f64;
        let best = Place { n_sparse: 0, dense: q, cost: dense.powi(3) * DENSE_COST, bytes: dense_bytes(dense) };
        Cut { limits, q, sparse: 0.0, bytes: 0.0, best }
    }

    /// Position `j` joins the sparse part. Whether a later cut may be better.
    fn add(&mut self, j: usize, list: &[u32], row: &[usize], k: &[u32]) -> bool {
        let height: f64 = list.iter().map(|&b| f64::from(k[b as usize])).sum();
        let consecutive = list.last().is_some_and(|&b| (b - list[0]) as usize == list.len() - 1);
        self.step(j + 1, (height, list.len()), f64::from(k[j]), consecutive, self.q - row[j + 1])
    }

    /// The same for a position of `kj` rows above others, of so many rows and blocks; `dense` rows
    /// are left then.
    fn step(
        &mut self,
        n_sparse: usize,
        (height, blocks): (f64, usize),
        kj: f64,
        consecutive: bool,
        dense: usize,
    ) -> bool {
        let update = if consecutive { kj * CONSECUTIVE_COST } else { (0.5 + 0.5 * kj) * SCATTERED_COST };
        self.sparse += height * (height + 1.0) * update;
        self.bytes += 16.0 * kj * (height + kj) + 8.0 * blocks as f64;
        let rest = dense as f64;
        let place = Place {
            n_sparse,
            dense,
            cost: self.sparse + rest.powi(3) * DENSE_COST,
            bytes: self.bytes + dense_bytes(rest),
        };
        let better = match (place.fits(self.limits), self.best.fits(self.limits)) {
            (true, true) => place.cost <= self.best.cost,
            (false, false) => place.bytes <= self.best.bytes,
            (fits, _) => fits,
        };
        if better {
            self.best = place;
        }
        let fits = self.best.fits(self.limits);
        let affordable = self.bytes <= self.limits.bytes.max(SEARCHED) && self.sparse <= self.limits.seconds;
        affordable && !(fits && self.sparse > self.best.cost)
    }

    /// Number of sparse positions.
    fn place(&self) -> Result<usize, CoreError> {
        let Place { n_sparse, dense, cost, bytes } = self.best;
        if !self.best.fits(self.limits) {
            return Err(CoreError::TooLarge { bytes, dense, free: self.limits.bytes });
        }
        if cost > self.limits.seconds {
            return Err(CoreError::TooSlow { seconds: cost, dense });
        }
        Ok(n_sparse)
    }
}

/// Bytes of a factor, of its inverse on the same pattern, and of the pattern.
fn bytes_of(n_sparse: usize, row: &[usize], k: &[u32], below_start: &[usize], below: &[u32]) -> f64 {
    let mut scalars = 0.0;
    let mut pairs = 0.0;
    for j in 0..n_sparse {
        let list = &below[below_start[j]..below_start[j + 1]];
        let height: f64 = list.iter().map(|&b| f64::from(k[b as usize])).sum();
        let kj = f64::from(k[j]);
        scalars += kj * (height + kj);
        let inside = list.partition_point(|&b| (b as usize) < n_sparse) as f64;
        pairs += inside * (list.len() as f64 - 0.5 * (inside + 1.0));
    }
    let dense = (row[row.len() - 1] - row[n_sparse]) as f64;
    16.0 * scalars + 8.0 * below.len() as f64 + 4.0 * pairs + dense_bytes(dense)
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
