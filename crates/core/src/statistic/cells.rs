//! Sums over the rows of pairs of levels, with the number of rows of each.

use super::exact::{add, Exact};
use crate::crossprod::{by_level, pair, unweighted_z, Blocks, Cells};
use crate::residual::Residual;
use crate::rows::Rows;
use std::ops::Range;

/// Observed pairs of levels of the factors f < g, by level of f, then of g.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CellSums {
    pub f: usize,
    pub g: usize,
    pub kf: usize,
    pub kg: usize,
    /// Start of each level of f in `level`; one more entry than levels.
    pub start: Vec<usize>,
    /// Level of g of each cell.
    pub level: Vec<u32>,
    /// Rows of each cell; may be negative in what is to be added to others.
    pub count: Vec<i32>,
    /// `kf` x `kg` numbers of each cell, row-major.
    pub value: Exact,
}

/// Rows of one chunk while they are added up.
struct Chunk<'a> {
    kf: usize,
    kg: usize,
    zf: &'a [f64],
    zg: &'a [f64],
    count: Vec<i32>,
    value: Exact,
}

impl Blocks for Chunk<'_> {
    #[inline(always)]
    fn grow(&mut self, cells: usize) {
        self.count.resize(cells, 0);
        self.value.high.resize(cells * self.kf * self.kg, 0.0);
        self.value.low.resize(cells * self.kf * self.kg, 0.0);
    }

    #[inline(always)]
    fn add(&mut self, cell: usize, row: usize) {
        let (kf, kg) = (self.kf, self.kg);
        self.count[cell] += 1;
        let (a, b) = (&self.zf[row * kf..(row + 1) * kf], &self.zg[row * kg..(row + 1) * kg]);
        let own = cell * kf * kg..(cell + 1) * kf * kg;
        let (high, low) = (&mut self.value.high[own.clone()], &mut self.value.low[own]);
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                add(&mut high[i * kg + j], &mut low[i * kg + j], x * y);
            }
        }
    }
}

/// Cells of all pairs of factors for a range of rows.
pub(super) fn of_chunk(rows: &Rows<'_>, basis: &crate::basis::Basis, range: Range<usize>) -> Vec<CellSums> {
    let nf = rows.factors.len();
    let ks: Vec<usize> = rows.factors.iter().map(|f| f.k()).collect();
    let residual = rows.independent();
    let z: Vec<Vec<f64>> = (0..nf)
        .map(|f| {
            let mut buf = vec![0.0; range.len() * ks[f]];
            unweighted_z(rows, basis, f, range.clone(), &mut buf);
            residual.whiten(&[], range.clone(), ks[f], &mut buf);
            buf
        })
        .collect();
    let mut out = Vec::new();
    for f in 0..nf.saturating_sub(1) {
        let (row_start, row_order) = by_level(&rows.factors[f].codes[range.clone()], rows.factors[f].n_levels);
        for g in f + 1..nf {
            let (kf, kg) = (ks[f], ks[g]);
            let mut sums = Chunk { kf, kg, zf: &z[f], zg: &z[g], count: Vec::new(), value: Exact::default() };
            let codes = &rows.factors[g].codes[range.clone()];
            let (start, level) = pair(&row_start, &row_order, codes, rows.factors[g].n_levels, &mut sums);
            out.push(CellSums { f, g, kf, kg, start, level, count: sums.count, value: sums.value });
        }
    }
    out
}

impl CellSums {
    /// Without cells.
    pub fn empty(f: usize, g: usize, (kf, kg): (usize, usize), n_levels: usize) -> Self {
        let start = vec![0; n_levels + 1];
        CellSums { f, g, kf, kg, start, level: Vec::new(), count: Vec::new(), value: Exact::default() }
    }

    /// Number of levels of f.
    fn n_levels(&self) -> usize {
        self.start.len() - 1
    }

    /// Level of f, level of g and place of every cell.
    pub fn each(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        (0..self.n_levels())
            .flat_map(move |l| (self.start[l]..self.start[l + 1]).map(move |c| (l, self.level[c] as usize, c)))
    }

    /// Appends a cell of others to the level of f that is being filled.
    fn push(&mut self, level: u32, other: &CellSums, cell: usize, sign: i32) {
        let s = self.kf * self.kg;
        self.level.push(level);
        self.count.push(sign * other.count[cell]);
        let at = self.value.high.len();
        self.value.append(&other.value, cell * s..(cell + 1) * s);
        if sign < 0 {
            self.value.high[at..].iter_mut().for_each(|v| *v = -*v);
            self.value.low[at..].iter_mut().for_each(|v| *v = -*v);
        }
    }

    /// The sum with `sign` times others. Cells whose rows are all gone are left out.
    pub fn merged(&self, other: &CellSums, sign: i32) -> CellSums {
        let s = self.kf * self.kg;
        let mut out = CellSums { start: vec![0], ..CellSums::empty(self.f, self.g, (self.kf, self.kg), 0) };
        for l in 0..self.n_levels() {
            let (mut a, mut b) = (self.start[l], other.start[l]);
            let (ea, eb) = (self.start[l + 1], other.start[l + 1]);
            while a < ea || b < eb {
                let la = if a < ea { self.level[a] } else { u32::MAX };
                let lb = if b < eb { other.level[b] } else { u32::MAX };
                if la < lb {
                    out.push(la, self, a, 1);
                } else if lb < la {
                    out.push(lb, other, b, sign);
                } else if self.count[a] + sign * other.count[b] != 0 {
                    out.push(la, self, a, 1);
                    let at = out.level.len() - 1;
                    out.count[at] += sign * other.count[b];
                    out.value.merge_at(at * s, &other.value, b * s..(b + 1) * s, f64::from(sign));
                }
                a += usize::from(la <= lb);
                b += usize::from(lb <= la);
            }
            out.start.push(out.level.len());
        }
        out
    }

    /// The cells that are kept.
    pub fn filtered(&self, kept: impl Fn(usize, usize) -> bool) -> CellSums {
        let mut out = CellSums { start: vec![0], ..CellSums::empty(self.f, self.g, (self.kf, self.kg), 0) };
        for l in 0..self.n_levels() {
            for c in self.start[l]..self.start[l + 1] {
                if kept(l, self.level[c] as usize) {
                    out.push(self.level[c], self, c, 1);
                }
            }
            out.start.push(out.level.len());
        }
        out
    }

    /// The same with factors, levels and columns renumbered: the new number of every old level,
    /// none for those left out; the new numbers of levels; and the old columns that are kept, in
    /// their new order.
    pub fn renumbered(
        &self,
        (f, g): (usize, usize),
        to: [&[Option<u32>]; 2],
        sizes: (usize, usize),
        columns: [&[usize]; 2],
    ) -> CellSums {
        let turned = f > g;
        let (first, second) = if turned { (g, f) } else { (f, g) };
        let taken = (columns[0].len(), columns[1].len());
        let ks = if turned { (taken.1, taken.0) } else { taken };
        let n_first = if turned { sizes.1 } else { sizes.0 };
        let moved = |(a, b, c): (usize, usize, usize)| {
            let (a, b) = (to[0][a]?, to[1][b]?);
            Some(if turned { (b, a, c) } else { (a, b, c) })
        };
        let mut cells: Vec<(u32, u32, usize)> = self.each().filter_map(moved).collect();
        cells.sort_unstable();
        let mut places = Vec::with_capacity(ks.0 * ks.1);
        for (i, j) in (0..ks.0).flat_map(|i| (0..ks.1).map(move |j| (i, j))) {
            let (i, j) = if turned { (j, i) } else { (i, j) };
            places.push(columns[0][i] * self.kg + columns[1][j]);
        }
        let mut out = CellSums::empty(first, second, ks, n_first);
        for &(a, b, c) in &cells {
            out.start[a as usize + 1] += 1;
            out.level.push(b);
            out.count.push(self.count[c]);
            let at = c * self.kf * self.kg;
            out.value.high.extend(places.iter().map(|p| self.value.high[at + p]));
            out.value.low.extend(places.iter().map(|p| self.value.low[at + p]));
        }
        (0..n_first).for_each(|l| out.start[l + 1] += out.start[l]);
        out
    }

    /// As a fit takes them.
    pub fn rounded(&self) -> Cells {
        Cells {
            f: self.f,
            g: self.g,
            kf: self.kf,
            kg: self.kg,
            start: self.start.clone(),
            level: self.level.clone(),
            value: self.value.rounded(),
        }
    }
}

/// The sums of runs of pairs, one by one.
pub(super) fn joined(a: &[CellSums], b: &[CellSums], sign: i32) -> Vec<CellSums> {
    a.iter().zip(b).map(|(a, b)| a.merged(b, sign)).collect()
}
