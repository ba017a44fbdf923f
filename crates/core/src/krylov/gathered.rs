//! Rows that come in batches, kept in few bytes each, and their sums; sorted when all are there.

use super::graph::{Effect, Graph, Numbers, Part};
use super::packed::{Column, Run, RUN};
use crate::basis::Basis;
use crate::crossprod::{settle_rank, transformed_w, Crossprod, CHUNK};
use crate::error::CoreError;
use crate::layout::FactorSpec;
use crate::memory::room_for;
use crate::rows::Rows;
use crate::watch::not_stopped;

/// Parts that rows are divided into, whatever the number of threads.
const PARTS: usize = 16;
/// Rows whose columns are handled together.
const ROWS: usize = 128;

/// See the module.
pub struct Gathered {
    /// Change of basis of all columns.
    pub basis: Basis,
    /// Factors.
    pub specs: Vec<FactorSpec>,
    /// Products of \[X y\].
    pub sums: Option<Crossprod>,
    /// The basis as it was given, with the products in it, where the first rows changed it.
    given: Option<(Basis, Crossprod)>,
    /// Z'W\[X y\] of both halves.
    pub ztw: [Vec<f64>; 2],
    squares: [Vec<f64>; 2],
    runs: Vec<Run>,
    /// Whether two effects, by number, have been equal in all runs.
    same: Vec<bool>,
    /// Rows of each level of the eliminated factor.
    counts: Vec<usize>,
    layout: Places,
}

/// Where effects are.
struct Places {
    eliminated: usize,
    /// Of each factor: first effect and first square in its half.
    first: Vec<(usize, usize)>,
    k: Vec<usize>,
}

impl Places {
    fn of(specs: &[FactorSpec]) -> Self {
        let k: Vec<usize> = specs.iter().map(|s| s.terms.iter().map(|t| t.0).sum()).collect();
        let size = |f: usize| specs[f].n_levels * k[f];
        let eliminated = (0..specs.len()).rev().max_by_key(|&f| size(f)).expect("there are factors");
        let (mut at, mut square) = (0, 0);
        let first = (0..specs.len())
            .map(|f| {
                if f == eliminated {
                    return (0, 0);
                }
                let here = (at, square);
                at += size(f);
                square += size(f) * k[f];
                here
            })
            .collect();
        Places { eliminated, first, k }
    }
}

impl Gathered {
    /// Without rows.
    ///
    /// # Errors
    /// Fewer than two factors, or no room.
    pub fn new(basis: Basis, specs: Vec<FactorSpec>) -> Result<Self, CoreError> {
        if specs.len() < 2 || specs.iter().any(|s| s.terms.is_empty()) {
            return Err(CoreError::Shape("there must be two or more grouping factors".into()));
        }
        let layout = Places::of(&specs);
        let pw = basis.p() + 1;
        let sizes = |own: bool| -> (usize, usize) {
            let of = |f: usize| (specs[f].n_levels * layout.k[f], specs[f].n_levels * layout.k[f] * layout.k[f]);
            let all = (0..specs.len()).filter(|&f| (f == layout.eliminated) == own).map(of);
            all.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
        };
        let (own, rest) = (sizes(true), sizes(false));
        let q = own.0 + rest.0;
        room_for((VECTORS + 4.0 * pw as f64) * q as f64, || format!("the vectors of {q} random effects"))?;
        if u32::try_from(rest.0).is_err() {
            return Err(CoreError::Shape("there are more than 4 billion random effects".into()));
        }
        let effects: usize = layout.k.iter().sum();
        Ok(Gathered {
            ztw: [vec![0.0; own.0 * pw], vec![0.0; rest.0 * pw]],
            squares: [vec![0.0; own.1], vec![0.0; rest.1]],
            counts: vec![0; specs[layout.eliminated].n_levels],
            same: vec![true; effects * effects],
            runs: Vec::new(),
            sums: None,
            given: None,
            basis,
            specs,
            layout,
        })
    }

    /// Number of rows so far.
    pub fn n(&self) -> usize {
        self.sums.as_ref().map_or(0, |s| s.n)
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Rows of another shape, or no room.
    pub fn update(&mut self, rows: &Rows<'_>) -> Result<(), CoreError> {
        rows.check()?;
        let same = rows.factors.len() == self.specs.len()
            && rows.factors.iter().zip(&self.specs).all(|(f, s)| {
                f.n_levels == s.n_levels
                    && f.terms.len() == s.terms.len()
                    && f.terms.iter().zip(&s.terms).all(|(t, (k, _))| t.z.len() == *k)
            });
        if !same {
            return Err(CoreError::Shape("the rows do not have the columns and factors of the model".into()));
        }
        let n = rows.n();
        let per_row = self.specs.len() as f64 + f64::from(u8::from(rows.weights.is_some()));
        room_for(per_row * n as f64, || format!("the levels of {n} rows"))?;
        let fixed = Rows { x: rows.x.clone(), y: rows.y, weights: rows.weights, factors: Vec::new() };
        let first = self.sums.is_none();
        self.sums = Some(added(self.sums.take(), &fixed, &self.basis)?);
        if first {
            self.settle(&fixed)?;
        } else if let Some((basis, sums)) = self.given.take() {
            let sums = added(Some(sums), &fixed, &basis)?;
            self.given = Some((basis, sums));
        }
        self.add_products(rows, &fixed)?;
        rows.factors[self.layout.eliminated].codes.iter().for_each(|&c| self.counts[c as usize] += 1);
        let all: Vec<&[f64]> =
            rows.factors.iter().flat_map(|f| f.terms.iter().flat_map(|t| t.z.iter().copied())).collect();
        for a in 0..all.len() {
            for b in 0..a {
                let known = &mut self.same[a * all.len() + b];
                *known = *known && (all[a].as_ptr() == all[b].as_ptr() || all[a] == all[b]);
            }
        }
        for from in (0..n).step_by(RUN) {
            self.runs.push(Run::of(rows, from..(from + RUN).min(n), self.layout.eliminated));
        }
        Ok(())
    }

    /// Changes the basis by the first rows where columns of X nearly depend on each other there:
    /// products in the basis as given do not have the digits that tell them apart.
    fn settle(&mut self, fixed: &Rows<'_>) -> Result<(), CoreError> {
        let products = self.sums.clone().expect("there are rows").finish();
        let mut basis = self.basis.clone();
        let changed = basis.x_diagonal && settle_rank(fixed, &mut basis, &products.wtw, products.pw)?;
        // a column that says nothing here may do so in other rows
        if changed && basis.p() == self.basis.p() {
            let given = std::mem::replace(&mut self.basis, basis);
            let sums = added(None, fixed, &self.basis)?;
            self.given = self.sums.replace(sums).map(|before| (given, before));
        }
        Ok(())
    }

    /// \[X y\]'\[X y\] in the basis as it was given, row by row.
    pub fn products(&self) -> Vec<f64> {
        let sums = self.given.as_ref().map(|g| &g.1).or(self.sums.as_ref());
        sums.map_or_else(Vec::new, |s| s.clone().finish().wtw)
    }

    /// Adds to the products of the random effects.
    fn add_products(&mut self, rows: &Rows<'_>, fixed: &Rows<'_>) -> Result<(), CoreError> {
        let pw = self.basis.p() + 1;
        let mut w = vec![0.0; ROWS * pw];
        let mut z = vec![0.0; self.layout.k.iter().copied().max().unwrap_or(0)];
        for from in (0..rows.n()).step_by(ROWS) {
            if from % CHUNK == 0 {
                not_stopped()?;
            }
            let range = from..(from + ROWS).min(rows.n());
            transformed_w(fixed, &self.basis, range.clone(), &mut w);
            for (i, row) in range.zip(w.chunks_exact_mut(pw)) {
                let weight = rows.weights.map_or(1.0, |w| w[i]);
                if rows.weights.is_some() {
                    let root = weight.sqrt();
                    row.iter_mut().for_each(|v| *v *= root);
                }
                for (f, factor) in rows.factors.iter().enumerate() {
                    let half = usize::from(f != self.layout.eliminated);
                    let (k, (first, square)) = (self.layout.k[f], self.layout.first[f]);
                    let level = factor.codes[i] as usize;
                    let mut at = 0;
                    for (t, basis) in factor.terms.iter().zip(&self.basis.terms[f]) {
                        for (j, column) in t.z.iter().enumerate() {
                            z[at] = (column[i] - basis.shift[j]) / basis.scale[j];
                            at += 1;
                        }
                    }
                    let ztw = &mut self.ztw[half][(first + level * k) * pw..(first + (level + 1) * k) * pw];
                    for (to, z) in ztw.chunks_exact_mut(pw).zip(&z) {
                        to.iter_mut().zip(&*row).for_each(|(t, v)| *t += z * v);
                    }
                    let own = &mut self.squares[half][square + level * k * k..square + (level + 1) * k * k];
                    for (a, to) in own.chunks_exact_mut(k).enumerate() {
                        to.iter_mut().zip(&z).for_each(|(t, b)| *t += weight * z[a] * b);
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows sorted; only sums are left here.
    ///
    /// # Errors
    /// No rows, or no room.
    pub fn sorted(&mut self) -> Result<Graph, CoreError> {
        let n = self.n();
        if n == 0 {
            return Err(CoreError::Shape("there are no rows".into()));
        }
        let own = self.layout.eliminated;
        let others: Vec<usize> = (0..self.specs.len()).filter(|&f| f != own).collect();
        let (columns, kept) = self.columns();
        let weighted = self.runs.iter().any(|b| b.weights.is_some());
        let constant = |f: usize| self.basis.terms[f].iter().flat_map(|t| t.shift.iter().zip(&t.scale));
        // rows are multiplied by what makes constants one
        let all: Vec<(f64, f64)> = (0..self.specs.len()).flat_map(|f| constant(f).map(|(a, b)| (*a, *b))).collect();
        let unit = match columns.iter().position(Option::is_none) {
            Some(e) if weighted => (1.0 - all[e].0) / all[e].1,
            _ => 1.0,
        };
        let mut at = 0;
        let mut part = |f: usize| -> Part {
            let from: usize = self.layout.k[..f].iter().sum();
            let effects = (from..from + self.layout.k[f])
                .map(|e| match columns[e] {
                    None => Effect { column: None, shift: 0.0, by: (1.0 - all[e].0) / all[e].1 / unit },
                    Some(c) => Effect { column: Some(c), shift: all[e].0, by: 1.0 / (all[e].1 * unit) },
                })
                .collect();
            at += 1;
            let (first, square) = self.layout.first[f];
            Part { factor: f, n_levels: self.specs[f].n_levels, effects, first, square }
        };
        let eliminated = part(own);
        let parts: Vec<Part> = others.iter().map(|&f| part(f)).collect();
        let mut start = vec![0; self.counts.len() + 1];
        self.counts.iter().enumerate().for_each(|(j, c)| start[j + 1] = start[j] + c);
        let (m, nz) = (others.len(), kept.len());
        let single = self.runs.iter().all(|b| kept.iter().all(|&e| b.columns[e].is_single()));
        let wide = if single { 0.5 } else { 1.0 };
        room_for((0.5 * m as f64 + wide * nz as f64 + f64::from(u8::from(weighted))) * n as f64, || {
            format!("the levels of {n} rows")
        })?;
        let mut places = vec![0u32; n * m];
        let mut z = if single { Numbers::Single(vec![0.0; n * nz]) } else { Numbers::Double(vec![0.0; n * nz]) };
        let mut weights = weighted.then(|| vec![0.0; n]);
        let mut next = start.clone();
        for run in self.runs.drain(..) {
            not_stopped()?;
            run.each(|i, level| {
                let row = next[level];
                next[level] += 1;
                for ((o, to), p) in places[row * m..(row + 1) * m].iter_mut().enumerate().zip(&parts) {
                    *to = (p.first + run.code(o, i) * p.k()) as u32;
                }
                for (c, &e) in kept.iter().enumerate() {
                    let v = run.columns[e].at(i);
                    match &mut z {
                        Numbers::Single(z) => z[row * nz + c] = v as f32,
                        Numbers::Double(z) => z[row * nz + c] = v,
                    }
                }
                if let Some(to) = &mut weights {
                    to[row] = run.weights.as_ref().map_or(1.0, |w| w.at(i)) * unit * unit;
                }
            });
        }
        let q2 = parts.last().map_or(0, |p| p.range().end);
        let parts_of_rows = divided(&start, n * m / (4 * q2).max(1));
        Ok(Graph {
            eliminated,
            others: parts,
            start,
            places,
            z,
            columns: nz,
            weights: weights.map(Numbers::Double),
            unit,
            squares: std::mem::take(&mut self.squares),
            parts: parts_of_rows,
        })
    }

    /// For each effect its column, none where it is one; and the effect of each column.
    fn columns(&self) -> (Vec<Option<usize>>, Vec<usize>) {
        let effects: usize = self.layout.k.iter().sum();
        let mut kept: Vec<usize> = Vec::new();
        let columns = (0..effects)
            .map(|e| {
                if self.runs.iter().all(|b| matches!(b.columns[e], Column::Ones)) {
                    return None;
                }
                let known = kept.iter().position(|&k| self.same[e * effects + k]);
                Some(known.unwrap_or_else(|| {
                    kept.push(e);
                    kept.len() - 1
                }))
            })
            .collect();
        (columns, kept)
    }
}

/// Products of \[X y\] with those of further rows.
fn added(sums: Option<Crossprod>, fixed: &Rows<'_>, basis: &Basis) -> Result<Crossprod, CoreError> {
    let mut sums = sums;
    for start in (0..fixed.n()).step_by(CHUNK) {
        not_stopped()?;
        let end = (start + CHUNK).min(fixed.n());
        let part = Crossprod::of_chunk(fixed, basis, (&fixed.independent(), &[]), start..end);
        sums = Some(match sums {
            Some(sums) => sums.merge(part),
            None => part,
        });
    }
    sums.ok_or_else(|| CoreError::Shape("there are no rows".into()))
}

/// Vectors of the reduced system that are held at once beside those of the right sides.
const VECTORS: f64 = 64.0;

/// Levels in parts of similar numbers of rows, no more than are worth their sums.
fn divided(start: &[usize], worth: usize) -> Vec<std::ops::Range<usize>> {
    let (levels, n) = (start.len() - 1, start[start.len() - 1]);
    let worth = worth.clamp(1, PARTS);
    let mut parts = Vec::with_capacity(worth);
    let mut from = 0;
    for part in 1..=worth {
        let end = if part == worth { levels } else { start.partition_point(|&s| s < n / worth * part).min(levels) };
        if end > from {
            parts.push(from..end);
            from = end;
        }
    }
    parts
}
