//! Cross-products of the effects of two grouping factors: one block for each pair of levels that
//! occur together. Where rows have several levels of one factor there are pairs of these too.

use super::{members, unweighted_z};
use crate::basis::Basis;
use crate::residual::Residual;
use crate::rows::{FactorRows, Rows};
use std::ops::Range;

/// Observed pairs of levels of the factors f < g, by level of f, then of g; of one factor f = g the
/// pairs of a level with a later one.
#[derive(Clone, Debug)]
pub struct Cells {
    /// First factor.
    pub f: usize,
    /// Second factor.
    pub g: usize,
    /// Number of effects of f.
    pub kf: usize,
    /// Number of effects of g.
    pub kg: usize,
    /// Start of each level of f in `level`; one more entry than levels.
    pub start: Vec<usize>,
    /// Level of g of each cell.
    pub level: Vec<u32>,
    /// `kf` x `kg` block of each cell, row-major.
    pub value: Vec<f64>,
}

impl Cells {
    /// The block of cell `c`.
    #[inline(always)]
    pub fn block(&self, c: usize) -> &[f64] {
        let s = self.kf * self.kg;
        &self.value[c * s..(c + 1) * s]
    }

    /// Sums of both parts.
    pub fn merge(self, other: Cells) -> Cells {
        let n = self.start.len() - 1;
        let s = self.kf * self.kg;
        let mut out = Cells {
            f: self.f,
            g: self.g,
            kf: self.kf,
            kg: self.kg,
            start: Vec::with_capacity(n + 1),
            level: Vec::with_capacity(self.level.len() + other.level.len() / 4),
            value: Vec::with_capacity(self.value.len() + other.value.len() / 4),
        };
        out.start.push(0);
        for l in 0..n {
            let (mut a, mut b) = (self.start[l], other.start[l]);
            let (ea, eb) = (self.start[l + 1], other.start[l + 1]);
            while a < ea || b < eb {
                let la = if a < ea { self.level[a] } else { u32::MAX };
                let lb = if b < eb { other.level[b] } else { u32::MAX };
                out.level.push(la.min(lb));
                if la == lb {
                    out.value.extend((0..s).map(|i| self.value[a * s + i] + other.value[b * s + i]));
                } else if la < lb {
                    out.value.extend_from_slice(&self.value[a * s..(a + 1) * s]);
                } else {
                    out.value.extend_from_slice(&other.value[b * s..(b + 1) * s]);
                }
                a += usize::from(la <= lb);
                b += usize::from(lb <= la);
            }
            out.start.push(out.level.len());
        }
        out
    }
}

/// Cells of all pairs of factors for a range of rows.
pub(super) fn accumulate<R: Residual>(
    rows: &Rows<'_>,
    basis: &Basis,
    (residual, rho): (&R, &[f64]),
    range: Range<usize>,
) -> Vec<Cells> {
    let nf = rows.factors.len();
    let mut out = Vec::new();
    let several = |f: usize| rows.factors[f].members.is_some();
    if nf < 2 && !(0..nf).any(several) {
        return out;
    }
    let m = range.len();
    let ks: Vec<usize> = rows.factors.iter().map(FactorRows::k).collect();
    let z: Vec<Vec<f64>> = (0..nf)
        .map(|f| {
            let mut buf = vec![0.0; m * ks[f]];
            unweighted_z(rows, basis, f, range.clone(), &mut buf);
            residual.whiten(rho, range.clone(), ks[f], &mut buf);
            buf
        })
        .collect();
    let of_members =
        |f: usize, g: usize| members::pair((f, g), (&rows.factors[f], &rows.factors[g]), (&z[f], &z[g]), range.clone());
    let codes: Vec<&[i32]> =
        rows.factors.iter().map(|f| if f.members.is_some() { &[][..] } else { &f.codes[range.clone()] }).collect();
    for f in 0..nf - 1 {
        let (row_start, row_order) = by_level(codes[f], rows.factors[f].n_levels);
        for g in f + 1..nf {
            if several(f) || several(g) {
                out.push(of_members(f, g));
                continue;
            }
            let mut sums = Sums { kf: ks[f], kg: ks[g], zf: &z[f], zg: &z[g], value: Vec::new() };
            let (start, level) = pair(&row_start, &row_order, codes[g], rows.factors[g].n_levels, &mut sums);
            out.push(Cells { f, g, kf: ks[f], kg: ks[g], start, level, value: sums.value });
        }
    }
    out.extend((0..nf).filter(|&f| several(f)).map(|f| of_members(f, f)));
    out
}

/// The cells of all pairs of factors, with zeros for their blocks.
pub fn observed(rows: &Rows<'_>) -> Vec<Cells> {
    let nf = rows.factors.len();
    let mut out = Vec::new();
    let of_members = |f: usize, g: usize| {
        let (of_f, of_g) = (&rows.factors[f], &rows.factors[g]);
        let (zf, zg) = (vec![0.0; rows.n() * of_f.k()], vec![0.0; rows.n() * of_g.k()]);
        members::pair((f, g), (of_f, of_g), (&zf, &zg), 0..rows.n())
    };
    let several = |f: usize| rows.factors[f].members.is_some();
    for f in 0..nf.saturating_sub(1) {
        if several(f) {
            out.extend((f + 1..nf).map(|g| of_members(f, g)));
            continue;
        }
        let (row_start, row_order) = by_level(rows.factors[f].codes, rows.factors[f].n_levels);
        for g in f + 1..nf {
            if several(g) {
                out.push(of_members(f, g));
                continue;
            }
            let other = &rows.factors[g];
            let (start, level) = pair(&row_start, &row_order, other.codes, other.n_levels, &mut Pattern);
            let (kf, kg) = (rows.factors[f].k(), other.k());
            let value = vec![0.0; level.len() * kf * kg];
            out.push(Cells { f, g, kf, kg, start, level, value });
        }
    }
    out.extend((0..nf).filter(|&f| several(f)).map(|f| of_members(f, f)));
    out
}

/// The pairs of levels that occur together, of factors given by the level of each row; without
/// blocks.
pub fn met(codes: &[&[i32]], n_levels: &[usize], ks: &[usize]) -> Vec<Cells> {
    let mut out = Vec::new();
    for f in 0..codes.len().saturating_sub(1) {
        let (row_start, row_order) = by_level(codes[f], n_levels[f]);
        for g in f + 1..codes.len() {
            let (start, level) = pair(&row_start, &row_order, codes[g], n_levels[g], &mut Pattern);
            out.push(Cells { f, g, kf: ks[f], kg: ks[g], start, level, value: Vec::new() });
        }
    }
    out
}

/// Rows sorted by level (counting sort).
pub(crate) fn by_level(codes: &[i32], n_levels: usize) -> (Vec<usize>, Vec<u32>) {
    let mut start = vec![0usize; n_levels + 1];
    for &c in codes {
        start[c as usize + 1] += 1;
    }
    for l in 0..n_levels {
        start[l + 1] += start[l];
    }
    let mut next = start.clone();
    let mut order = vec![0u32; codes.len()];
    for (r, &c) in codes.iter().enumerate() {
        order[next[c as usize]] = r as u32;
        next[c as usize] += 1;
    }
    (start, order)
}

/// What is summed over the rows of each cell.
pub(crate) trait Blocks {
    /// Makes room for this number of cells.
    fn grow(&mut self, cells: usize);
    /// Adds a row to a cell.
    fn add(&mut self, cell: usize, row: usize);
}

/// Cross-products of two factors' effects.
struct Sums<'a> {
    kf: usize,
    kg: usize,
    zf: &'a [f64],
    zg: &'a [f64],
    value: Vec<f64>,
}

impl Blocks for Sums<'_> {
    #[inline(always)]
    fn grow(&mut self, cells: usize) {
        self.value.resize(cells * self.kf * self.kg, 0.0);
    }

    #[inline(always)]
    fn add(&mut self, cell: usize, row: usize) {
        let (kf, kg) = (self.kf, self.kg);
        let (a, b) = (&self.zf[row * kf..(row + 1) * kf], &self.zg[row * kg..(row + 1) * kg]);
        let block = &mut self.value[cell * kf * kg..(cell + 1) * kf * kg];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                block[i * kg + j] += x * y;
            }
        }
    }
}

/// Which cells there are, and nothing of them.
struct Pattern;

impl Blocks for Pattern {
    fn grow(&mut self, _: usize) {}
    fn add(&mut self, _: usize, _: usize) {}
}

/// The cells of two factors: the start of each level of the first, and the levels of the second.
pub(crate) fn pair<B: Blocks>(
    row_start: &[usize],
    row_order: &[u32],
    codes_g: &[i32],
    n_levels_g: usize,
    blocks: &mut B,
) -> (Vec<usize>, Vec<u32>) {
    let n = row_start.len() - 1;
    let mut start = Vec::with_capacity(n + 1);
    start.push(0);
    let mut level: Vec<u32> = Vec::new();
    // slot[l] is the cell of level l of g within the present level of f, while touched[l] says so
    let mut slot = vec![0u32; n_levels_g];
    let mut touched = vec![u32::MAX; n_levels_g];
    let mut here: Vec<u32> = Vec::new();
    for l in 0..n {
        here.clear();
        let these = &row_order[row_start[l]..row_start[l + 1]];
        for &r in these {
            let c = codes_g[r as usize] as usize;
            if touched[c] != l as u32 {
                touched[c] = l as u32;
                here.push(c as u32);
            }
        }
        here.sort_unstable();
        let base = level.len();
        for (i, &c) in here.iter().enumerate() {
            slot[c as usize] = (base + i) as u32;
        }
        level.extend_from_slice(&here);
        blocks.grow(level.len());
        for &r in these {
            blocks.add(slot[codes_g[r as usize] as usize] as usize, r as usize);
        }
        start.push(level.len());
    }
    (start, level)
}
