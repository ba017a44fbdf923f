//! Parts of Lambda M^-1 Lambda': the covariance of the random effects given the data, in units of
//! the residual variance.
//!
//! They are the derivatives of the decomposition of log|M| by the entries of M: what belongs to the
//! blocks D and B and to the directions V is exact, the rest is a mean over probes. With P = Lambda
//! D^-1 Lambda' of a level of the eliminated factor, Q = Lambda B^-1 Lambda' of one of another, and
//! C the products of their effects in common rows, the part of the blocks is P + P (sum C'QC) P, Q
//! and -Q C P.

use super::block::{Block, WIDEST};
use super::graph::Graph;
use super::logdet::Decomposition;
use super::probes::Signs;
use super::real::Real;
use crate::dense::kernels;
use crate::error::CoreError;
use rayon::prelude::*;
use std::ops::Range;

/// Vectors of the reduced system lifted to the effects of both halves, row by row.
pub(super) struct Lifted {
    pub(super) k: usize,
    pub(super) used: usize,
    pub(super) halves: [Vec<f32>; 2],
}

/// Vectors whose products, made symmetric and summed, are a part.
struct Pair {
    first: Lifted,
    second: Lifted,
    /// Number of its first probe.
    start: usize,
}

/// See the module.
pub struct Inverse<'d> {
    d: &'d Decomposition<'d>,
    exact: Vec<Pair>,
    sampled: Vec<Pair>,
    probes: usize,
    /// P + P (sum C'QC) P of each level.
    own: Vec<f64>,
}

/// Matrices of all levels of both halves, as the squares of the graph stand.
pub struct OfLevels {
    /// Their values.
    pub values: [Vec<f64>; 2],
    /// Standard errors by sampling.
    pub errors: [Vec<f64>; 2],
}

/// A row of a model: of each factor, in the order of the model, its level (none where it has
/// no effect) and its effects in the changed basis.
pub type NewRow<'r> = [(Option<usize>, &'r [f64])];

/// Products of the effects of a level of the eliminated factor with those of all others, of which
/// few are not zero.
struct Cells {
    c: Vec<f64>,
    own: Vec<f64>,
}

impl Cells {
    fn new(g: &Graph) -> Self {
        Cells { c: vec![0.0; g.n_places() * g.eliminated.k()], own: vec![0.0; g.eliminated.k()] }
    }

    fn fill(&mut self, g: &Graph, rows: Range<usize>) {
        let (n, k1) = (g.others.len(), g.eliminated.k());
        for row in rows {
            let w = g.weight(row);
            self.own.iter_mut().zip(&g.eliminated.effects).for_each(|(t, e)| *t = w * g.value(e, row));
            for (p, &at) in g.others.iter().zip(&g.places[row * n..(row + 1) * n]) {
                for (a, e) in p.effects.iter().enumerate() {
                    let z = g.value(e, row);
                    let to = &mut self.c[(at as usize + a) * k1..(at as usize + a + 1) * k1];
                    to.iter_mut().zip(&self.own).for_each(|(t, o)| *t += z * o);
                }
            }
        }
    }

    fn clear(&mut self, g: &Graph, rows: Range<usize>) {
        let (n, k1) = (g.others.len(), g.eliminated.k());
        for row in rows {
            for (p, &at) in g.others.iter().zip(&g.places[row * n..(row + 1) * n]) {
                self.c[at as usize * k1..(at as usize + p.k()) * k1].fill(0.0);
            }
        }
    }
}

/// Runs `work` on the levels, rows and results of each part, several at once.
fn by_parts<T: Send>(
    g: &Graph,
    threads: usize,
    size: impl Fn(&Range<usize>) -> usize,
    mut out: &mut [T],
    work: impl Fn(Range<usize>, &mut [T]) + Sync,
) {
    let mut parts = Vec::with_capacity(g.parts.len());
    for part in &g.parts {
        let (head, tail) = std::mem::take(&mut out).split_at_mut(size(part));
        parts.push((part.clone(), head));
        out = tail;
    }
    if threads > 1 && parts.len() > 1 {
        parts.into_par_iter().for_each(|(part, out)| work(part, out));
    } else {
        parts.into_iter().for_each(|(part, out)| work(part, out));
    }
}

impl<'d> Inverse<'d> {
    /// With so many probes.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn new(d: &'d Decomposition<'d>, signs: Signs, probes: usize) -> Result<Self, CoreError> {
        let mut exact = Vec::new();
        for (first, second) in d.taken_out() {
            exact.push(Pair { first: d.lifted(&first), second: d.lifted(&second), start: 0 });
        }
        let mut out = Inverse { d, exact, sampled: Vec::new(), probes: 0, own: Vec::new() };
        out.own = out.own_blocks();
        out.add_probes(signs, probes)?;
        Ok(out)
    }

    /// Adds probes until there are so many.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn add_probes(&mut self, signs: Signs, to: usize) -> Result<(), CoreError> {
        while self.probes < to {
            let used = WIDEST.min(to - self.probes);
            let (x, z) = self.d.probe_pair(signs, self.probes, used)?;
            self.add_pair(&x, &z);
        }
        Ok(())
    }

    /// Adds the pair of some probes.
    pub(super) fn add_pair(&mut self, x: &Block<f32>, z: &Block<f32>) {
        self.sampled.push(Pair { first: self.d.lifted(x), second: self.d.lifted(z), start: self.probes });
        self.probes += x.used;
    }

    /// P + P (sum C'QC) P.
    fn own_blocks(&self) -> Vec<f64> {
        let g = self.d.graph();
        let (k1, n) = (g.eliminated.k(), g.others.len());
        let (factor, reduced) = (&self.d.blocks().factor, &self.d.blocks().reduced);
        let mut out = reduced.clone();
        by_parts(
            g,
            self.d.threads(),
            |part| part.len() * k1 * k1,
            &mut out,
            |part, out| {
                let mut cells = Cells::new(g);
                let mut through = vec![0.0; k1 * k1];
                let (mut t, mut fc) = (vec![0.0; k1 * k1], Vec::new());
                for (level, own) in part.zip(out.chunks_exact_mut(k1 * k1)) {
                    let rows = g.start[level]..g.start[level + 1];
                    cells.fill(g, rows.clone());
                    through.fill(0.0);
                    for row in rows {
                        for (p, &at) in g.others.iter().zip(&g.places[row * n..(row + 1) * n]) {
                            let k = p.k();
                            let c = &mut cells.c[at as usize * k1..(at as usize + k) * k1];
                            if c.iter().all(|&v| v == 0.0) {
                                continue;
                            }
                            let square = p.square + (at as usize - p.first) * k;
                            fc.clear();
                            fc.resize(k * k1, 0.0);
                            kernels::transposed_multiply(&factor[square..square + k * k], c, k, k, k1, &mut fc);
                            for f in fc.chunks_exact(k1) {
                                for (to, a) in through.chunks_exact_mut(k1).zip(f) {
                                    to.iter_mut().zip(f).for_each(|(t, b)| *t += a * b);
                                }
                            }
                            c.fill(0.0);
                        }
                    }
                    let p = &reduced[level * k1 * k1..(level + 1) * k1 * k1];
                    kernels::multiply(p, &through, k1, k1, k1, &mut t);
                    for i in 0..k1 {
                        for j in 0..k1 {
                            own[i * k1 + j] += (0..k1).map(|c| t[i * k1 + c] * p[j * k1 + c]).sum::<f64>();
                        }
                    }
                }
            },
        );
        out
    }

    /// The matrices of all levels.
    pub fn of_levels(&self) -> OfLevels {
        let g = self.d.graph();
        let mut values = [self.own.clone(), vec![0.0; g.squares[1].len()]];
        let factor = &self.d.blocks().factor;
        for p in &g.others {
            let k = p.k();
            for (_, at) in p.levels() {
                let f = &factor[at..at + k * k];
                for i in 0..k {
                    for j in 0..k {
                        values[1][at + i * k + j] = (0..k).map(|c| f[i * k + c] * f[j * k + c]).sum();
                    }
                }
            }
        }
        let mut errors = [vec![0.0; values[0].len()], vec![0.0; values[1].len()]];
        let many = self.probes as f64;
        for (half, part) in g.in_order() {
            let k = part.k();
            for (first, at) in part.levels() {
                for i in 0..k {
                    for j in 0..k {
                        let (mut known, mut sum, mut squares) = (0.0, 0.0, 0.0);
                        let visit = |pairs: &[Pair], to: &mut dyn FnMut(f64)| {
                            for pair in pairs {
                                let m = pair.first.k;
                                let (a, b) = (&pair.first.halves[half], &pair.second.halves[half]);
                                for c in 0..pair.first.used {
                                    let of = |v: &[f32], i: usize| f64::from(v[(first + i) * m + c]);
                                    to(0.5 * (of(a, i) * of(b, j) + of(a, j) * of(b, i)));
                                }
                            }
                        };
                        visit(&self.exact, &mut |v| known += v);
                        visit(&self.sampled, &mut |v| {
                            sum += v;
                            squares += v * v;
                        });
                        let to = at + i * k + j;
                        values[half][to] += known + sum / many.max(1.0);
                        let variance = (squares - sum * sum / many.max(1.0)) / (many * (many - 1.0)).max(1.0);
                        errors[half][to] = variance.max(0.0).sqrt();
                    }
                }
            }
        }
        OfLevels { values, errors }
    }

    /// z'Lambda M^-1 Lambda'z of every row of the graph, z its effects there.
    pub fn of_rows(&self) -> Vec<f64> {
        self.of_rows_by(0..self.probes)
    }

    /// The same by some of the probes.
    pub(super) fn of_rows_by(&self, probes: Range<usize>) -> Vec<f64> {
        let g = self.d.graph();
        let mut out = vec![0.0; g.places.len() / g.others.len()];
        let size = |part: &Range<usize>| g.start[part.end] - g.start[part.start];
        by_parts(g, self.d.threads(), size, &mut out, |part, out| self.of_part(part, probes.clone(), out));
        out
    }

    fn of_part(&self, part: Range<usize>, probes: Range<usize>, out: &mut [f64]) {
        let g = self.d.graph();
        let (k1, n) = (g.eliminated.k(), g.others.len());
        let (factor, reduced) = (&self.d.blocks().factor, &self.d.blocks().reduced);
        let mut cells = Cells::new(g);
        let widest = g.others.iter().map(super::graph::Part::k).max().unwrap_or(1);
        let (mut z1, mut y) = (vec![0.0; k1], vec![0.0; k1]);
        let mut z = vec![0.0; widest];
        let many = probes.len().max(1) as f32;
        let begin = g.start[part.start];
        let simple = g.is_pair();
        for level in part {
            let rows = g.start[level]..g.start[level + 1];
            cells.fill(g, rows.clone());
            let (own, p) = (&self.own[level * k1 * k1..][..k1 * k1], &reduced[level * k1 * k1..][..k1 * k1]);
            for row in rows.clone() {
                let places = &g.places[row * n..(row + 1) * n];
                let mut a;
                if simple {
                    let at = places[0] as usize;
                    let f = factor[at];
                    a = own[0] + f * f * (1.0 - 2.0 * cells.c[at] * p[0]);
                } else {
                    z1.iter_mut().zip(&g.eliminated.effects).for_each(|(t, e)| *t = g.value(e, row));
                    a = form(own, &z1);
                    kernels::multiply(p, &z1, k1, k1, 1, &mut y);
                    for (part, &at) in g.others.iter().zip(places) {
                        let (k, at) = (part.k(), at as usize);
                        z.iter_mut().zip(&part.effects).for_each(|(t, e)| *t = g.value(e, row));
                        let square = part.square + (at - part.first) * k;
                        let cell = &cells.c[at * k1..(at + k) * k1];
                        a += with_other(&factor[square..square + k * k], &z[..k], cell, &y);
                    }
                }
                let of = |l: &Lifted| -> [f32; WIDEST] {
                    let mut t = [0f32; WIDEST];
                    let m = l.k;
                    let mut add = |z: f32, half: usize, at: usize| {
                        t.iter_mut().zip(&l.halves[half][at * m..(at + 1) * m]).for_each(|(t, v)| *t += z * v);
                    };
                    if simple {
                        add(1.0, 0, level);
                        add(1.0, 1, places[0] as usize);
                    } else {
                        z1.iter().enumerate().for_each(|(i, z)| add(*z as f32, 0, level * k1 + i));
                        for (part, &at) in g.others.iter().zip(places) {
                            for (i, e) in part.effects.iter().enumerate() {
                                add(g.value(e, row) as f32, 1, at as usize + i);
                            }
                        }
                    }
                    t
                };
                let sum = |pairs: &[Pair], columns: Range<usize>| -> f32 {
                    let of_pair = |p: &Pair| {
                        let from = columns.start.saturating_sub(p.start).min(p.first.used);
                        let to = columns.end.saturating_sub(p.start).min(p.first.used);
                        if from == to {
                            return 0.0;
                        }
                        let (first, second) = (of(&p.first), of(&p.second));
                        first[from..to].iter().zip(&second[from..to]).map(|(a, b)| a * b).sum::<f32>()
                    };
                    pairs.iter().map(of_pair).sum()
                };
                let known = a + f64::from(sum(&self.exact, 0..usize::MAX));
                out[row - begin] = known + f64::from(sum(&self.sampled, probes.clone()) / many);
            }
            cells.clear(g, rows);
        }
    }

    /// The same of another row.
    pub fn of_row(&self, row: &NewRow<'_>) -> f64 {
        let g = self.d.graph();
        let k1 = g.eliminated.k();
        let (factor, reduced) = (&self.d.blocks().factor, &self.d.blocks().reduced);
        let mut y = vec![0.0; k1];
        let (own_level, z1) = row[g.eliminated.factor];
        let mut a = 0.0;
        if let Some(level) = own_level {
            a += form(&self.own[level * k1 * k1..][..k1 * k1], z1);
            kernels::multiply(&reduced[level * k1 * k1..][..k1 * k1], z1, k1, k1, 1, &mut y);
        }
        let mut effects: Vec<(f64, usize, usize)> = Vec::new();
        if let Some(level) = own_level {
            effects.extend(z1.iter().enumerate().map(|(i, z)| (*z, 0, level * k1 + i)));
        }
        for (m, part) in g.others.iter().enumerate() {
            let (Some(level), z) = row[part.factor] else { continue };
            let k = part.k();
            let at = part.first + level * k;
            let square = part.square + level * k * k;
            let mut cell = vec![0.0; k * k1];
            for r in own_level.map_or(0..0, |j| g.start[j]..g.start[j + 1]) {
                if g.places[r * g.others.len() + m] as usize != at {
                    continue;
                }
                for (to, e) in cell.chunks_exact_mut(k1).zip(&part.effects) {
                    let z = g.weight(r) * g.value(e, r);
                    to.iter_mut().zip(&g.eliminated.effects).for_each(|(t, e)| *t += z * g.value(e, r));
                }
            }
            a += with_other(&factor[square..square + k * k], z, &cell, &y);
            effects.extend(z.iter().enumerate().map(|(i, z)| (*z, 1, at + i)));
        }
        let of = |l: &Lifted, c: usize| -> f64 {
            effects.iter().map(|&(z, half, at)| z * f64::from(l.halves[half][at * l.k + c])).sum()
        };
        let sum = |pairs: &[Pair]| -> f64 {
            pairs.iter().map(|p| (0..p.first.used).map(|c| of(&p.first, c) * of(&p.second, c)).sum::<f64>()).sum()
        };
        a + sum(&self.exact) + sum(&self.sampled) / self.probes.max(1) as f64
    }
}

/// z'A z.
fn form(a: &[f64], z: &[f64]) -> f64 {
    a.chunks_exact(z.len()).zip(z).map(|(row, x)| x * row.iter().zip(z).map(|(a, z)| a * z).sum::<f64>()).sum()
}

/// z'Qz - 2 z'QCy of a level of a factor that is not eliminated, Q = FF'.
fn with_other(f: &[f64], z: &[f64], c: &[f64], y: &[f64]) -> f64 {
    let (k, k1) = (z.len(), y.len());
    (0..k)
        .map(|a| {
            let own: f64 = (0..k).map(|i| f[i * k + a] * z[i]).sum();
            let other: f64 = (0..k).map(|i| f[i * k + a] * (0..k1).map(|j| c[i * k1 + j] * y[j]).sum::<f64>()).sum();
            own * (own - 2.0 * other)
        })
        .sum()
}

impl Decomposition<'_> {
    /// Vectors of the reduced system in units of the effects of both halves: -P times the sums of
    /// the levels, and Lambda U'^-1 x.
    pub(super) fn lifted<T: Real>(&self, x: &Block<T>) -> Lifted {
        let (scaled, sums) = self.scaled_and_sums(x);
        let (g, k) = (self.graph(), x.k);
        let k1 = g.eliminated.k();
        let mut levels = vec![0f32; g.n_levels() * k1 * k];
        let each = levels.chunks_exact_mut(k1 * k).zip(sums.levels.chunks_exact(k1 * k));
        for ((to, m), p) in each.zip(self.blocks().reduced.chunks_exact(k1 * k1)) {
            for (to, p) in to.chunks_exact_mut(k).zip(p.chunks_exact(k1)) {
                for (m, p) in m.chunks_exact(k).zip(p) {
                    to.iter_mut().zip(m).for_each(|(t, m)| *t -= (p * m.double()) as f32);
                }
            }
        }
        let places = scaled.data.iter().map(|v| v.double() as f32).collect();
        Lifted { k, used: x.used, halves: [levels, places] }
    }
}
