//! Fits of whole groups: drawn with replacement (each copy a group of its own), or one left out at
//! a time.

use super::replicates::Replicates;
use super::workers::replicate;
use crate::model::{Outcome, Replicable};
use crate::rng::Rng;
use crate::rows::{Column, FactorRows, Rows, TermRows};
use crate::watch::Watch;

/// The rows of a model as they were given.
pub struct Data<'a> {
    /// Rows; only the columns of X that the model has in use.
    pub rows: Rows<'a>,
    /// Offset.
    pub offset: Option<&'a [f64]>,
    /// The factor whose groups are taken.
    pub by: usize,
}

/// Rows of each level of the factor whose groups are taken.
struct Groups {
    start: Vec<usize>,
    order: Vec<u32>,
    by: usize,
    /// Whether every level of a factor lies within one group, so that each copy of the group has
    /// its own.
    nested: Vec<bool>,
}

impl Groups {
    fn of(rows: &Rows<'_>, by: usize) -> Self {
        let codes = rows.factors[by].codes;
        let m = rows.factors[by].n_levels;
        let mut start = vec![0usize; m + 1];
        codes.iter().for_each(|&c| start[c as usize + 1] += 1);
        (0..m).for_each(|l| start[l + 1] += start[l]);
        let mut next = start.clone();
        let mut order = vec![0u32; codes.len()];
        for (r, &c) in codes.iter().enumerate() {
            order[next[c as usize]] = r as u32;
            next[c as usize] += 1;
        }
        let nested = rows
            .factors
            .iter()
            .map(|f| {
                let mut home = vec![-1; f.n_levels];
                f.codes.iter().zip(codes).all(|(&l, &g)| {
                    let h = &mut home[l as usize];
                    let fits = *h < 0 || *h == g;
                    *h = g;
                    fits
                })
            })
            .collect();
        Groups { start, order, by, nested }
    }

    fn len(&self) -> usize {
        self.start.len() - 1
    }
}

/// Columns of the rows that were picked.
struct Picked {
    /// Their numbers.
    index: Vec<u32>,
    x: Vec<Vec<f64>>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    codes: Vec<Vec<i32>>,
    n_levels: Vec<usize>,
    z: Vec<Vec<Vec<f64>>>,
}

impl Picked {
    /// Rows of the groups in `picks`, one group after the other.
    fn of(rows: &Rows<'_>, groups: &Groups, picks: &[usize]) -> Self {
        let parts = || picks.iter().map(|&g| &groups.order[groups.start[g]..groups.start[g + 1]]);
        let n: usize = parts().map(<[u32]>::len).sum();
        let mut index = Vec::with_capacity(n);
        parts().for_each(|p| index.extend_from_slice(p));
        let take = |v: &[f64]| -> Vec<f64> { index.iter().map(|&r| v[r as usize]).collect() };
        let mut codes = Vec::new();
        let mut n_levels = Vec::new();
        for (f, fr) in rows.factors.iter().enumerate() {
            let mut out = Vec::with_capacity(n);
            let mut count = 0;
            let mut name = vec![-1; fr.n_levels];
            for (copy, part) in parts().enumerate() {
                if f == groups.by {
                    out.extend(std::iter::repeat_n(copy as i32, part.len()));
                    continue;
                }
                if groups.nested[f] {
                    part.iter().for_each(|&r| name[fr.codes[r as usize] as usize] = -1);
                }
                for &r in part {
                    let v = &mut name[fr.codes[r as usize] as usize];
                    if *v < 0 {
                        *v = count;
                        count += 1;
                    }
                    out.push(*v);
                }
            }
            codes.push(out);
            n_levels.push(if f == groups.by { picks.len() } else { count as usize });
        }
        Picked {
            x: rows.x.iter().map(|x| index.iter().map(|&r| x.at(r as usize)).collect()).collect(),
            y: take(rows.y),
            weights: rows.weights.map(take),
            codes,
            n_levels,
            z: rows.factors.iter().map(|f| f.terms.iter().flat_map(|t| &t.z).map(|z| take(z)).collect()).collect(),
            index,
        }
    }

    fn rows<'a>(&'a self, like: &Rows<'_>) -> Rows<'a> {
        let factors = like.factors.iter().enumerate().map(|(f, fr)| {
            let mut columns = self.z[f].iter().map(Vec::as_slice);
            let terms = fr
                .terms
                .iter()
                .map(|t| TermRows { z: columns.by_ref().take(t.z.len()).collect(), structure: t.structure.clone() });
            FactorRows { codes: &self.codes[f], members: None, n_levels: self.n_levels[f], terms: terms.collect() }
        });
        Rows {
            x: self.x.iter().map(Column::from).collect(),
            y: &self.y,
            weights: self.weights.as_deref(),
            factors: factors.collect(),
        }
    }
}

fn fit_groups<M: Replicable>(
    data: &Data<'_>,
    model: &M,
    groups: &Groups,
    picks: &[usize],
    how: &M::How,
    watch: &dyn Watch,
) -> Option<Outcome> {
    let picked = Picked::of(&data.rows, groups, picks);
    let offset = data.offset.map(|o| picked.index.iter().map(|&r| o[r as usize]).collect::<Vec<_>>());
    let Some((new, how)) = model.of_rows(&picked.rows(&data.rows), offset.as_deref(), how) else {
        return Some(Outcome::failed(Outcome::RANK_DEFICIENT));
    };
    new.outcome(&mut new.work(), &how, watch)
}

/// Fits `n` samples of as many groups as there are, drawn with replacement.
pub fn cases<M: Replicable>(
    data: &Data<'_>,
    model: &M,
    how: &M::How,
    n: usize,
    seed: u64,
    n_threads: usize,
    watch: &dyn Watch,
) -> Replicates {
    let groups = Groups::of(&data.rows, data.by);
    let make = || vec![0; groups.len()];
    let all = replicate(n, n_threads, watch, make, |picks, i| {
        let mut rng = Rng::of(seed, i as u64);
        picks.iter_mut().for_each(|p| *p = rng.below(groups.len()));
        fit_groups(data, model, &groups, picks, how, watch)
    });
    Replicates::gather(all, model.n_beta(), model.n_theta())
}

/// Fits the model without each of `n` parts of the groups; part i holds the groups i, i + n, i +
/// 2n, ….
pub fn jackknife<M: Replicable>(
    data: &Data<'_>,
    model: &M,
    how: &M::How,
    n: usize,
    n_threads: usize,
    watch: &dyn Watch,
) -> Replicates {
    let groups = Groups::of(&data.rows, data.by);
    let all = replicate(n, n_threads, watch, Vec::new, |picks: &mut Vec<usize>, i| {
        picks.clear();
        picks.extend((0..groups.len()).filter(|g| g % n != i));
        fit_groups(data, model, &groups, picks, how, watch)
    });
    Replicates::gather(all, model.n_beta(), model.n_theta())
}
