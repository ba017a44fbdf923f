//! Sums of some of the columns and effects, for smaller models of the same rows.

use super::cells::CellSums;
use super::exact::Exact;
use super::{LevelSums, Statistic};
use crate::error::CoreError;

impl Statistic {
    /// Takes the sums of the same rows from those of a larger model, in place of its own.
    ///
    /// # Arguments
    /// * `columns` - the numbers that the columns of X have there.
    /// * `factors` - for each factor the number that it has there, and those of its effects.
    ///
    /// # Errors
    /// Numbers that are not those of columns, factors and effects, or factors with other levels.
    pub fn take_part(
        &mut self,
        of: &Statistic,
        columns: &[usize],
        factors: &[(usize, Vec<usize>)],
    ) -> Result<(), CoreError> {
        let (old, pw) = (of.pw(), self.pw());
        let fits = columns.len() + 1 == pw
            && columns.iter().all(|&j| j + 1 < old)
            && factors.len() == self.specs.len()
            && factors.iter().zip(&self.factors).all(|((f, effects), own)| {
                let theirs = of.factors.get(*f);
                effects.len() == own.k
                    && theirs.is_some_and(|t| t.count.len() == own.count.len() && effects.iter().all(|&e| e < t.k))
            });
        if !fits {
            return Err(CoreError::Shape("these are not columns and effects of the sums".into()));
        }
        let w: Vec<usize> = columns.iter().copied().chain([old - 1]).collect();
        let lower = |i: usize, j: usize, k: usize| i.max(j) * k + i.min(j);
        let products: Vec<usize> = (0..pw * pw).map(|t| lower(w[t / pw], w[t % pw], old)).collect();
        let taken = |(f, effects): &(usize, Vec<usize>)| {
            let theirs = &of.factors[*f];
            let (k, n) = (theirs.k, theirs.count.len());
            let squares: Vec<usize> =
                effects.iter().flat_map(|&i| effects.iter().map(move |&j| lower(i, j, k))).collect();
            let rows: Vec<usize> = effects.iter().flat_map(|&i| w.iter().map(move |&c| i * old + c)).collect();
            LevelSums {
                k: effects.len(),
                count: theirs.count.clone(),
                ztz: blocks(&theirs.ztz, k * k, &squares, n),
                ztw: blocks(&theirs.ztw, k * old, &rows, n),
            }
        };
        let all = of.cells();
        let mut cells: Vec<CellSums> = Vec::new();
        for f in 0..factors.len() {
            for g in f + 1..factors.len() {
                let ((a, of_a), (b, of_b)) = (&factors[f], &factors[g]);
                let held = all.iter().find(|c| (c.f, c.g) == (*a.min(b), *a.max(b)));
                let Some(held) = held else { return Err(CoreError::Shape("a factor is there twice".into())) };
                let every = |n: usize| -> Vec<Option<u32>> { (0..n).map(|l| Some(l as u32)).collect() };
                let sizes = (self.specs[f].n_levels, self.specs[g].n_levels);
                let (to_f, to_g) = (every(sizes.0), every(sizes.1));
                cells.push(if a < b {
                    held.renumbered((f, g), [&to_f, &to_g], sizes, [of_a, of_b])
                } else {
                    held.renumbered((g, f), [&to_g, &to_f], (sizes.1, sizes.0), [of_b, of_a])
                });
            }
        }
        self.factors = factors.iter().map(taken).collect();
        self.wtw = blocks(&of.wtw, old * old, &products, 1);
        self.n = of.n;
        self.log_det_r = of.log_det_r.clone();
        self.runs = if cells.is_empty() { Vec::new() } else { vec![(0, cells)] };
        self.own = None;
        Ok(())
    }
}

/// Some places of each of `n` blocks of a size.
fn blocks(of: &Exact, size: usize, places: &[usize], n: usize) -> Exact {
    let take = |v: &[f64]| (0..n).flat_map(|l| places.iter().map(move |i| v[l * size + i])).collect();
    Exact { high: take(&of.high), low: take(&of.low) }
}
