//! Parts of Lambda M^-1 Lambda': the covariance of the random effects given the data, in units of
//! the residual variance.
//!
//! They are the derivatives of the decomposition of log|M| by the entries of M: what belongs to the
//! blocks D and B and to the directions V is exact, the rest is a mean over probes. With P = Lambda
//! D^-1 Lambda' of a level of the eliminated factor, Q = Lambda B^-1 Lambda' of one of another, and
//! C the products of their effects in common rows, the part of the blocks is P + P (sum C'QC) P, Q
//! and -Q C P.

use super::block::{Block, WIDEST};
use super::cells::Cells;
use super::logdet::Decomposition;
use super::operator::Sums;
use super::probes::Signs;
use super::real::Real;
use crate::dense::kernels;
use crate::error::CoreError;
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

impl<'d> Inverse<'d> {
    /// With so many probes.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn new(d: &'d Decomposition<'d>, signs: Signs, probes: usize) -> Result<Self, CoreError> {
        let lifted = |x: &Block<f64>| {
            let (scaled, sums) = d.scaled_and_sums(x);
            d.lifted(&scaled, &sums)
        };
        let each = d.taken_out().into_iter();
        let exact = each.map(|(a, b)| Pair { first: lifted(&a), second: lifted(&b), start: 0 }).collect();
        let mut out = Inverse { d, exact, sampled: Vec::new(), probes: 0, own: Vec::new() };
        out.own = out.own_blocks();
        out.add_probes(signs, probes)?;
        Ok(out)
    }

    /// Of which it is.
    pub(super) fn decomposition(&self) -> &'d Decomposition<'d> {
        self.d
    }

    /// Adds probes until there are so many.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn add_probes(&mut self, signs: Signs, to: usize) -> Result<(), CoreError> {
        while self.probes < to {
            let used = WIDEST.min(to - self.probes);
            let (_, pair) = self.d.probe_and_pair(signs, self.probes, used)?;
            self.add_pair(pair);
        }
        Ok(())
    }

    /// Adds the pair of some probes.
    pub(super) fn add_pair(&mut self, (first, second): (Lifted, Lifted)) {
        let used = first.used;
        self.sampled.push(Pair { first, second, start: self.probes });
        self.probes += used;
    }

    /// P + P (sum C'QC) P.
    fn own_blocks(&self) -> Vec<f64> {
        let k1 = self.d.graph().eliminated.k();
        let (reduced, through) = (&self.d.blocks().reduced, &self.d.blocks().through);
        let mut out = reduced.clone();
        let mut t = vec![0.0; k1 * k1];
        let each = out.chunks_exact_mut(k1 * k1).zip(reduced.chunks_exact(k1 * k1));
        for ((own, p), through) in each.zip(through.chunks_exact(k1 * k1)) {
            kernels::multiply(p, through, k1, k1, k1, &mut t);
            for i in 0..k1 {
                for j in 0..k1 {
                    own[i * k1 + j] += (0..k1).map(|c| t[i * k1 + c] * p[j * k1 + c]).sum::<f64>();
                }
            }
        }
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

    /// z'Lambda M^-1 Lambda'z of the rows of a part of the graph, z their effects there, by each of
    /// some groups of the probes: a row of numbers for each row.
    pub(super) fn of_part(&self, part: Range<usize>, groups: &[Range<usize>], out: &mut [f64]) {
        self.blocks_of_part(part.clone(), groups.len(), out);
        for pair in &self.exact {
            let all: Vec<[f32; WIDEST]> = groups.iter().map(|_| [1.0; WIDEST]).collect();
            self.add_products(pair, part.clone(), &all, out);
        }
        for pair in &self.sampled {
            let shares = groups.iter().map(|group| {
                let share = 1.0 / group.len().max(1) as f32;
                std::array::from_fn(|c| if group.contains(&(pair.start + c)) { share } else { 0.0 })
            });
            self.add_products(pair, part.clone(), &shares.collect::<Vec<_>>(), out);
        }
    }

    /// What the blocks are of it, `many` times side by side.
    fn blocks_of_part(&self, part: Range<usize>, many: usize, out: &mut [f64]) {
        let g = self.d.graph();
        let k1 = g.eliminated.k();
        let (factor, reduced) = (&self.d.blocks().factor, &self.d.blocks().reduced);
        let mut cells = Cells::new(g);
        let (mut z, mut y) = (vec![0.0; g.n_effects()], vec![0.0; k1]);
        let ones = g.is_ones();
        let mut out = out.chunks_exact_mut(many);
        for level in part {
            let rows = g.start[level]..g.start[level + 1];
            cells.fill(rows.clone());
            let (own, p) = (&self.own[level * k1 * k1..][..k1 * k1], &reduced[level * k1 * k1..][..k1 * k1]);
            for row in rows.clone() {
                let mut a;
                if ones {
                    a = own[0];
                    for &at in g.places(row) {
                        let f = factor[at as usize];
                        a += f * f * (1.0 - 2.0 * cells.c[at as usize] * p[0]);
                    }
                } else {
                    g.values(row, &mut z);
                    let (z1, mut rest) = z.split_at(k1);
                    a = form(own, z1);
                    kernels::multiply(p, z1, k1, k1, 1, &mut y);
                    for (part, &at) in g.others.iter().zip(g.places(row)) {
                        let (k, at) = (part.k(), at as usize);
                        let square = part.square + (at - part.first) * k;
                        let cell = &cells.c[at * k1..(at + k) * k1];
                        a += with_other(&factor[square..square + k * k], &rest[..k], cell, &y);
                        rest = &rest[k..];
                    }
                }
                out.next().expect("there is a place for each row").fill(a);
            }
            cells.clear(rows);
        }
    }

    /// Adds the products of the vectors of a pair, times `shares` of each result.
    fn add_products(&self, pair: &Pair, part: Range<usize>, shares: &[[f32; WIDEST]], out: &mut [f64]) {
        kernels::vectorised(
            #[inline(always)]
            || match pair.first.k {
                1 => self.add_products_of::<1>(pair, part, shares, out),
                2 => self.add_products_of::<2>(pair, part, shares, out),
                4 => self.add_products_of::<4>(pair, part, shares, out),
                _ => self.add_products_of::<8>(pair, part, shares, out),
            },
        );
    }

    #[inline(always)]
    fn add_products_of<const K: usize>(
        &self,
        pair: &Pair,
        part: Range<usize>,
        shares: &[[f32; WIDEST]],
        out: &mut [f64],
    ) {
        let g = self.d.graph();
        let k1 = g.eliminated.k();
        let (first, second) = (&pair.first.halves, &pair.second.halves);
        // vectors beyond those used have no share
        let shares: Vec<[f32; K]> =
            shares.iter().map(|s| std::array::from_fn(|c| if c < pair.first.used { s[c] } else { 0.0 })).collect();
        let begin = g.start[part.start];
        let (ones, mut z) = (g.is_ones(), vec![0.0; g.n_effects()]);
        let add = |z: f32, of: &[f32], at: usize, to: &mut [f32; K]| {
            let of = &of[at * K..(at + 1) * K];
            (0..K).for_each(|c| to[c] += z * of[c]);
        };
        for level in part {
            for row in g.start[level]..g.start[level + 1] {
                let (mut a, mut b) = ([0f32; K], [0f32; K]);
                if ones {
                    add(1.0, &first[0], level, &mut a);
                    add(1.0, &second[0], level, &mut b);
                    for &at in g.places(row) {
                        add(1.0, &first[1], at as usize, &mut a);
                        add(1.0, &second[1], at as usize, &mut b);
                    }
                } else {
                    g.values(row, &mut z);
                    let (z1, mut rest) = z.split_at(k1);
                    for (i, z) in z1.iter().enumerate() {
                        add(*z as f32, &first[0], level * k1 + i, &mut a);
                        add(*z as f32, &second[0], level * k1 + i, &mut b);
                    }
                    for (part, &at) in g.others.iter().zip(g.places(row)) {
                        for (i, z) in rest[..part.k()].iter().enumerate() {
                            add(*z as f32, &first[1], at as usize + i, &mut a);
                            add(*z as f32, &second[1], at as usize + i, &mut b);
                        }
                        rest = &rest[part.k()..];
                    }
                }
                (0..K).for_each(|c| a[c] *= b[c]);
                let to = &mut out[(row - begin) * shares.len()..(row - begin + 1) * shares.len()];
                for (to, share) in to.iter_mut().zip(&shares) {
                    *to += f64::from((0..K).map(|c| a[c] * share[c]).sum::<f32>());
                }
            }
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
    /// Vectors x of the reduced system in units of the effects of both halves: -P times the sums of
    /// the levels, and Lambda U'^-1 x, both of a pass.
    pub(super) fn lifted<T: Real>(&self, scaled: &Block<T>, sums: &Sums<T>) -> Lifted {
        let (g, k) = (self.graph(), scaled.k);
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
        Lifted { k, used: scaled.used, halves: [levels, places] }
    }
}
