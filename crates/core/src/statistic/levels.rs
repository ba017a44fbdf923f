//! Levels of the sums: left out with their rows, renumbered, more of them.

use super::cells::CellSums;
use super::exact::Exact;
use super::{LevelSums, Own, Statistic};
use crate::error::CoreError;
use crate::layout::FactorSpec;

impl Statistic {
    /// \[X y\]'\[X y\] of every level of the factor whose levels have sums of their own: its
    /// number, and the lower halves, row by row.
    pub fn level_products(&self) -> Option<(usize, Vec<f64>)> {
        self.own.as_ref().map(|own| (own.factor, own.wtw.rounded()))
    }

    /// Leaves out all rows of a level of the factor whose levels have sums of their own. All other
    /// factors are nested in it.
    ///
    /// # Errors
    /// No such sums, or a factor that is crossed with it at this level: the number of that factor.
    pub fn without(&mut self, level: usize) -> Result<(), Crossed> {
        let pw = self.pw();
        let own = self.own.as_ref().ok_or(Crossed::NoSums)?;
        let o = own.factor;
        let cells = self.cells();
        // levels of every factor that are in this one
        let mut gone: Vec<Vec<bool>> = self.specs.iter().map(|s| vec![false; s.n_levels]).collect();
        gone[o][level] = true;
        for c in cells.iter().filter(|c| c.f == o || c.g == o) {
            let other = if c.f == o { c.g } else { c.f };
            let pairs = || c.each().map(|(a, b, _)| if c.f == o { (a, b) } else { (b, a) });
            pairs().filter(|&(a, _)| a == level).for_each(|(_, b)| gone[other][b] = true);
            if pairs().any(|(a, b)| a != level && gone[other][b]) {
                return Err(Crossed::Factor(other));
            }
        }
        let size = pw * (pw + 1) / 2;
        let mut at = level * size;
        let (n, own) = (self.factors[o].count[level], self.own.as_mut().expect("there are some"));
        for i in 0..pw {
            for j in 0..=i {
                self.wtw.merge_at(i * pw + j, &own.wtw, at..at + 1, -1.0);
                at += 1;
            }
        }
        self.log_det_r.merge_at(0, &own.log_det_r, level..level + 1, -1.0);
        own.wtw.clear(level * size..(level + 1) * size);
        own.log_det_r.clear(level..level + 1);
        self.n -= n;
        for (f, gone) in self.factors.iter_mut().zip(&gone) {
            let k = f.k;
            for l in (0..gone.len()).filter(|&l| gone[l]) {
                f.count[l] = 0;
                f.ztz.clear(l * k * k..(l + 1) * k * k);
                f.ztw.clear(l * k * pw..(l + 1) * k * pw);
            }
        }
        let kept = |c: &CellSums| c.filtered(|a, b| !gone[c.f][a] && !gone[c.g][b]);
        self.runs = vec![(0, cells.iter().map(kept).collect())];
        Ok(())
    }

    /// The same sums with factors and their terms in another order and levels renumbered.
    ///
    /// # Arguments
    /// * `factors` - for each new factor the number of the old one, and of its old terms.
    /// * `levels` - for each new factor and each of its levels the old level; none for a new one.
    ///
    /// # Errors
    /// Numbers that are not those of factors and levels, each once.
    pub fn renumbered(
        &self,
        factors: &[(usize, Vec<usize>)],
        levels: &[Vec<Option<usize>>],
    ) -> Result<Statistic, CoreError> {
        let pw = self.pw();
        let mut to: Vec<Vec<Option<u32>>> = self.specs.iter().map(|s| vec![None; s.n_levels]).collect();
        let mut place = vec![usize::MAX; self.specs.len()];
        let bad = || CoreError::Shape("these are not the factors and levels of the sums".into());
        if factors.len() != self.specs.len() || levels.len() != factors.len() {
            return Err(bad());
        }
        // for each old factor its columns in their new order
        let mut columns: Vec<Vec<usize>> = vec![Vec::new(); self.specs.len()];
        let mut basis = self.basis.clone();
        basis.terms.clear();
        let mut specs = Vec::new();
        for (new, ((old, terms), levels)) in factors.iter().zip(levels).enumerate() {
            *place.get_mut(*old).filter(|p| **p == usize::MAX).ok_or_else(bad)? = new;
            for (number, from) in levels.iter().enumerate().filter_map(|(i, l)| l.map(|l| (i, l))) {
                *to[*old].get_mut(from).filter(|t| t.is_none()).ok_or_else(bad)? = Some(number as u32);
            }
            let spec = &self.specs[*old];
            let mut each = terms.clone();
            each.sort_unstable();
            if !each.into_iter().eq(0..spec.terms.len()) {
                return Err(bad());
            }
            let start = |t: usize| spec.terms[..t].iter().map(|t| t.0).sum::<usize>();
            columns[*old] = terms.iter().flat_map(|&t| start(t)..start(t + 1)).collect();
            basis.terms.push(terms.iter().map(|&t| self.basis.terms[*old][t].clone()).collect());
            let terms = terms.iter().map(|&t| spec.terms[t].clone()).collect();
            specs.push(FactorSpec { n_levels: levels.len(), terms });
        }
        let taken = |(old, levels): (usize, &Vec<Option<usize>>)| {
            let (f, c) = (&self.factors[old], &columns[old]);
            let k = f.k;
            let pairs = (0..k * k).map(|t| (c[t / k].max(c[t % k]), c[t / k].min(c[t % k])));
            let squares: Vec<usize> = pairs.map(|(i, j)| i * k + j).collect();
            let rows: Vec<usize> = c.iter().flat_map(|&i| i * pw..(i + 1) * pw).collect();
            LevelSums {
                k,
                count: levels.iter().map(|l| l.map_or(0, |l| f.count[l])).collect(),
                ztz: blocks(&f.ztz, &squares, levels),
                ztw: blocks(&f.ztw, &rows, levels),
            }
        };
        let own = self.own.as_ref().map(|own| {
            let levels = &levels[place[own.factor]];
            let all: Vec<usize> = (0..pw * (pw + 1) / 2).collect();
            let (wtw, log_det_r) = (blocks(&own.wtw, &all, levels), blocks(&own.log_det_r, &[0], levels));
            Own { factor: place[own.factor], wtw, log_det_r }
        });
        let mut out = Statistic {
            factors: factors.iter().zip(levels).map(|((f, _), l)| taken((*f, l))).collect(),
            basis,
            n: self.n,
            log_det_r: self.log_det_r.clone(),
            wtw: self.wtw.clone(),
            runs: Vec::new(),
            own,
            specs,
        };
        if !self.runs.is_empty() {
            let moved = |c: &CellSums| {
                let (f, g) = (place[c.f], place[c.g]);
                let sizes = (out.specs[f].n_levels, out.specs[g].n_levels);
                c.renumbered((f, g), [&to[c.f], &to[c.g]], sizes, [&columns[c.f], &columns[c.g]])
            };
            let mut cells: Vec<CellSums> = self.cells().iter().map(moved).collect();
            cells.sort_by_key(|c| (c.f, c.g));
            out.runs = vec![(0, cells)];
        }
        Ok(out)
    }
}

/// Why a level cannot be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossed {
    /// Levels have no sums of their own.
    NoSums,
    /// This factor has a level there and elsewhere.
    Factor(usize),
}

/// Blocks of numbers of levels, each in another order; zeros for new levels.
fn blocks(of: &Exact, places: &[usize], levels: &[Option<usize>]) -> Exact {
    let size = places.len();
    let take = |v: &[f64]| {
        let one = |l: &Option<usize>, i: &usize| l.map_or(0.0, |l| v[l * size + i]);
        levels.iter().flat_map(|l| places.iter().map(move |i| one(l, i))).collect()
    };
    Exact { high: take(&of.high), low: take(&of.low) }
}
