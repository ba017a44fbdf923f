//! Cross-products of rows that come in parts: added, taken away, merged, renumbered, and written to
//! bytes.

mod bytes;
mod cells;
pub mod exact;
mod levels;
mod part;
mod rank;

pub use levels::Crossed;

use crate::basis::Basis;
use crate::crossprod::{unweighted_w, unweighted_z, Crossprod, Gram, BLOCK, CHUNK};
use crate::dense::large;
use crate::error::CoreError;
use crate::layout::FactorSpec;
use crate::memory::room_for;
use crate::residual::Residual;
use crate::rows::Rows;
use cells::{joined, CellSums};
use exact::{add, Exact};
use std::ops::Range;

/// Columns up to which each row is added by itself, so that no order of rows shows; of more, blocks
/// of rows are.
const FEW: usize = 16;

/// Sums over the rows of every level of a factor.
#[derive(Clone, Debug, PartialEq)]
struct LevelSums {
    k: usize,
    /// Rows of each level.
    count: Vec<i64>,
    /// Z'Z of each level: k x k, the lower half.
    ztz: Exact,
    /// Z'\[X y\] of each level: k x (p + 1), row-major.
    ztw: Exact,
}

impl LevelSums {
    fn zeros(k: usize, n_levels: usize, pw: usize) -> Self {
        LevelSums {
            k,
            count: vec![0; n_levels],
            ztz: Exact::zeros(n_levels * k * k),
            ztw: Exact::zeros(n_levels * k * pw),
        }
    }
}

/// \[X y\]'\[X y\] of every level of one factor, so that a level's rows can be left out.
#[derive(Clone, Debug, PartialEq)]
struct Own {
    factor: usize,
    /// Lower half, row by row, for each level.
    wtw: Exact,
    /// What each level adds to log|R|.
    log_det_r: Exact,
}

/// Sums over rows in a basis that is fixed beforehand. They keep what rounding took from them: no
/// order of rows shows beyond the last bit, and what was added can be taken away again.
///
/// Cells are kept as runs of similar numbers of parts, which are merged like the digits of a binary
/// counter: otherwise every part would copy all cells so far.
#[derive(Clone)]
pub struct Statistic {
    basis: Basis,
    specs: Vec<FactorSpec>,
    n: i64,
    log_det_r: Exact,
    /// \[X y\]'\[X y\], the lower half of (p + 1) x (p + 1).
    wtw: Exact,
    factors: Vec<LevelSums>,
    /// Cells, each with the binary logarithm of the number of parts in it.
    runs: Vec<(u32, Vec<CellSums>)>,
    own: Option<Own>,
}

impl Statistic {
    /// Without rows; with the sums of every level of the factor `by_level`, if one is given.
    pub fn new(basis: Basis, specs: Vec<FactorSpec>, by_level: Option<usize>) -> Self {
        let pw = basis.p() + 1;
        let size = |s: &FactorSpec| LevelSums::zeros(s.terms.iter().map(|t| t.0).sum(), s.n_levels, pw);
        let factors = specs.iter().map(size).collect();
        let own = by_level.map(|factor| {
            let n = specs[factor].n_levels;
            Own { factor, wtw: Exact::zeros(n * pw * (pw + 1) / 2), log_det_r: Exact::zeros(n) }
        });
        let (log_det_r, wtw) = (Exact::zeros(1), Exact::zeros(pw * pw));
        Statistic { basis, specs, n: 0, log_det_r, wtw, factors, runs: Vec::new(), own }
    }

    /// Sees that the sums of a model fit into memory, before there are any.
    ///
    /// # Errors
    /// [`CoreError::NoRoom`] where they do not.
    pub fn room(basis: &Basis, specs: &[FactorSpec], by_level: Option<usize>) -> Result<(), CoreError> {
        let pw = (basis.p() + 1) as f64;
        let effects = |s: &FactorSpec| s.terms.iter().map(|t| t.0).sum::<usize>() as f64;
        let of_factor = |s: &FactorSpec| s.n_levels as f64 * effects(s) * (effects(s) + pw);
        let of_levels: f64 = specs.iter().map(of_factor).sum();
        let own = by_level.map_or(0.0, |f| specs[f].n_levels as f64 * pw * (pw + 1.0) / 2.0);
        // sums and what rounding took from them
        room_for(2.0 * (of_levels + own + pw * pw), || {
            let q: f64 = specs.iter().map(|s| s.n_levels as f64 * effects(s)).sum();
            format!("the sums of {q} random effects with {} fixed effects", pw - 1.0)
        })
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.n as usize
    }

    /// p + 1.
    fn pw(&self) -> usize {
        self.basis.p() + 1
    }

    /// Change of basis of the columns.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Grouping factors.
    pub fn specs(&self) -> &[FactorSpec] {
        &self.specs
    }

    /// Number of rows of each level of a factor.
    pub fn counts(&self, factor: usize) -> &[i64] {
        &self.factors[factor].count
    }

    /// Adds rows, whose factors have the levels and effects of the statistic. The sums are of no
    /// use where this fails.
    ///
    /// # Errors
    /// Rows of another shape, or no room.
    pub fn update(&mut self, rows: &Rows<'_>) -> Result<(), CoreError> {
        rows.check()?;
        let same = rows.x.len() == self.basis.p()
            && rows.factors.len() == self.specs.len()
            && rows.factors.iter().zip(&self.specs).all(|(f, s)| {
                f.n_levels == s.n_levels
                    && f.terms.len() == s.terms.len()
                    && f.terms.iter().zip(&s.terms).all(|(t, (k, _))| t.z.len() == *k)
            });
        if !same {
            return Err(CoreError::Shape("the rows do not have the columns and factors of the sums".into()));
        }
        self.add_levels(rows);
        if self.specs.len() > 1 {
            for start in (0..rows.n()).step_by(CHUNK) {
                let range = start..(start + CHUNK).min(rows.n());
                let run = cells::of_chunk(rows, &self.basis, range);
                self.room_for_run(&run)?;
                self.add_run(run);
            }
        }
        Ok(())
    }

    /// Adds rows to all sums but the cells.
    fn add_levels(&mut self, rows: &Rows<'_>) {
        let pw = self.pw();
        let residual = rows.independent();
        let mut w = vec![0.0; BLOCK * pw];
        let mut z: Vec<Vec<f64>> = self.factors.iter().map(|f| vec![0.0; BLOCK * f.k]).collect();
        let mut products = vec![0.0; pw * pw];
        for start in (0..rows.n()).step_by(BLOCK) {
            let range: Range<usize> = start..(start + BLOCK).min(rows.n());
            let m = range.len();
            unweighted_w(rows, &self.basis, range.clone(), &mut w);
            residual.whiten(&[], range.clone(), pw, &mut w);
            let block = &w[..m * pw];
            if pw <= FEW {
                block.chunks_exact(pw).for_each(|row| self.add_products(row));
            } else {
                products.fill(0.0);
                large::products(block, pw, &mut products);
                products.iter().enumerate().for_each(|(i, &v)| self.wtw.add(i, v));
            }
            if rows.weights.is_some() {
                range.clone().for_each(|i| self.log_det_r.add(0, residual.log_det(&[], i..i + 1)));
            }
            for (fi, f) in rows.factors.iter().enumerate() {
                unweighted_z(rows, &self.basis, fi, range.clone(), &mut z[fi]);
                residual.whiten(&[], range.clone(), self.factors[fi].k, &mut z[fi]);
                self.factors[fi].add_rows(&f.codes[range.clone()], &z[fi], &w, pw);
            }
            if let Some(own) = &mut self.own {
                let codes = &rows.factors[own.factor].codes[range.clone()];
                own.add_rows(codes, &w, pw);
                if rows.weights.is_some() {
                    for (i, &l) in range.clone().zip(codes) {
                        own.log_det_r.add(l as usize, residual.log_det(&[], i..i + 1));
                    }
                }
            }
        }
        self.n += rows.n() as i64;
    }

    /// Adds the products of the columns of one row.
    #[inline(always)]
    fn add_products(&mut self, row: &[f64]) {
        let pw = row.len();
        for (i, &a) in row.iter().enumerate() {
            let own = i * pw..i * pw + i + 1;
            let (high, low) = (&mut self.wtw.high[own.clone()], &mut self.wtw.low[own]);
            high.iter_mut().zip(low).zip(row).for_each(|((h, l), &b)| add(h, l, a * b));
        }
    }

    /// Adds the sums of other rows with the same columns and factors.
    pub fn merge(&mut self, other: &Statistic) {
        self.combine(other, 1.0);
        other.runs.iter().for_each(|run| self.add_run_of(run.clone()));
    }

    /// Takes the sums of other rows away.
    ///
    /// # Errors
    /// Rows that are not in the sums, which are then as they were.
    pub fn remove(&mut self, other: &Statistic) -> Result<(), CoreError> {
        let fewer = |a: &[i64], b: &[i64]| a.iter().zip(b).any(|(a, b)| a < b);
        let left = joined(&self.cells(), &other.cells(), -1);
        let absent = self.n < other.n
            || self.factors.iter().zip(&other.factors).any(|(a, b)| fewer(&a.count, &b.count))
            || left.iter().any(|c| c.count.iter().any(|&n| n < 0));
        if absent {
            return Err(CoreError::Shape("some of these rows are not in the sums".into()));
        }
        self.combine(other, -1.0);
        self.runs = if left.is_empty() { Vec::new() } else { vec![(0, left)] };
        if self.n == 0 {
            *self = Statistic::new(self.basis.clone(), self.specs.clone(), self.own.as_ref().map(|o| o.factor));
        }
        Ok(())
    }

    /// Adds `sign` times other sums, but for cells.
    fn combine(&mut self, other: &Statistic, sign: f64) {
        self.n += sign as i64 * other.n;
        self.log_det_r.merge(&other.log_det_r, sign);
        self.wtw.merge(&other.wtw, sign);
        for (a, b) in self.factors.iter_mut().zip(&other.factors) {
            a.count.iter_mut().zip(&b.count).for_each(|(a, b)| *a += sign as i64 * b);
            a.ztz.merge(&b.ztz, sign);
            a.ztw.merge(&b.ztw, sign);
        }
        if let (Some(a), Some(b)) = (&mut self.own, &other.own) {
            a.wtw.merge(&b.wtw, sign);
            a.log_det_r.merge(&b.log_det_r, sign);
        }
    }

    /// Sees that the cells can be joined with those of other rows: then both and all are held.
    fn room_for_run(&self, run: &[CellSums]) -> Result<(), CoreError> {
        let held = self.runs.iter().flat_map(|(_, cells)| cells).chain(run);
        let (cells, numbers) = held.fold((0, 0.0), |(cells, numbers), c| {
            (cells + c.level.len(), numbers + c.level.len() as f64 + 2.0 * c.value.high.len() as f64)
        });
        room_for(numbers, || format!("the sums of {cells} pairs of levels that occur together"))
    }

    fn add_run(&mut self, cells: Vec<CellSums>) {
        self.add_run_of((0, cells));
    }

    fn add_run_of(&mut self, mut run: (u32, Vec<CellSums>)) {
        while let Some((rank, _)) = self.runs.last() {
            if *rank > run.0 {
                break;
            }
            let (rank, earlier) = self.runs.pop().expect("there is one");
            run = (rank.max(run.0) + 1, joined(&earlier, &run.1, 1));
        }
        self.runs.push(run);
    }

    /// The cells of all rows.
    fn cells(&self) -> Vec<CellSums> {
        let mut runs = self.runs.iter().rev();
        let Some((_, last)) = runs.next() else { return self.no_cells() };
        runs.fold(last.clone(), |later, (_, earlier)| joined(earlier, &later, 1))
    }

    fn no_cells(&self) -> Vec<CellSums> {
        let mut out = Vec::new();
        for f in 0..self.factors.len() {
            for g in f + 1..self.factors.len() {
                let ks = (self.factors[f].k, self.factors[g].k);
                out.push(CellSums::empty(f, g, ks, self.specs[f].n_levels));
            }
        }
        out
    }

    /// \[X y\]'\[X y\], row by row.
    pub fn products(&self) -> Vec<f64> {
        let (pw, half) = (self.pw(), self.wtw.rounded());
        (0..pw * pw).map(|t| half[(t / pw).max(t % pw) * pw + (t / pw).min(t % pw)]).collect()
    }

    /// The sums that a fit is made of, each rounded once; none where there are no rows.
    pub fn finished(&self) -> Option<Crossprod> {
        if self.n == 0 {
            return None;
        }
        let pw = self.pw();
        let gram = Gram {
            k: self.factors.iter().map(|f| f.k).collect(),
            levels: self.factors.iter().map(|f| f.ztz.rounded()).collect(),
            cells: self.cells().iter().map(CellSums::rounded).collect(),
        };
        let out = Crossprod {
            n: self.n(),
            log_det_r: self.log_det_r.rounded()[0],
            pw,
            wtw: self.wtw.rounded(),
            wtw_low: vec![0.0; pw * pw],
            gram,
            ztw: self.factors.iter().map(|f| f.ztw.rounded()).collect(),
        };
        Some(out.finish())
    }
}

impl LevelSums {
    /// Adds a block of rows to the sums of their levels.
    #[inline(always)]
    fn add_rows(&mut self, codes: &[i32], z: &[f64], w: &[f64], pw: usize) {
        let k = self.k;
        for (r, &code) in codes.iter().enumerate() {
            let l = code as usize;
            let (zr, wr) = (&z[r * k..(r + 1) * k], &w[r * pw..(r + 1) * pw]);
            self.count[l] += 1;
            for (i, &a) in zr.iter().enumerate() {
                let at = (l * k + i) * pw;
                let (high, low) = (&mut self.ztw.high[at..at + pw], &mut self.ztw.low[at..at + pw]);
                for ((h, o), &b) in high.iter_mut().zip(low).zip(wr) {
                    add(h, o, a * b);
                }
                let at = (l * k + i) * k;
                (0..=i).for_each(|j| self.ztz.add(at + j, a * zr[j]));
            }
        }
    }
}

impl Own {
    /// Adds a block of rows to the sums of their levels.
    fn add_rows(&mut self, codes: &[i32], w: &[f64], pw: usize) {
        let size = pw * (pw + 1) / 2;
        for (row, &code) in w.chunks_exact(pw).zip(codes) {
            let mut at = code as usize * size;
            for (i, &a) in row.iter().enumerate() {
                for &b in &row[..=i] {
                    self.wtw.add(at, a * b);
                    at += 1;
                }
            }
        }
    }
}
