//! One pass over the rows, for a few vectors at once.
//!
//! Rows are divided into parts that do not depend on the number of threads, and sums of the parts
//! are added in order: the result is the same for any number.

use super::graph::{Effect, Graph};
use super::real::Real;
use crate::dense::kernels;
use rayon::prelude::*;
use std::ops::Range;

/// What the eliminated factor adds to every row of a level, in units of its effects.
#[derive(Clone, Copy)]
pub enum Own<'a, T> {
    /// These numbers.
    Given(&'a [T]),
    /// The sum of its rows times this matrix of each level, subtracted: what is left of the rows
    /// when the factor is eliminated.
    Reduced(&'a [f64]),
}

/// The sums of a pass.
pub struct Sums<T> {
    /// For each effect of the eliminated factor the sum of what the others gave to its rows.
    pub levels: Vec<T>,
    /// For each other effect the sum of its rows.
    pub places: Vec<T>,
}

/// Each row gets the effects of `y` of its levels and what its own level adds; the results are
/// summed, weighted, by effect. `k` is 1, 2, 4 or 8.
pub fn pass<T: Real>(g: &Graph, own: Own<'_, T>, y: &[T], k: usize, n_threads: usize) -> Sums<T> {
    match k {
        1 => pass_of::<T, 1>(g, own, y, n_threads),
        2 => pass_of::<T, 2>(g, own, y, n_threads),
        4 => pass_of::<T, 4>(g, own, y, n_threads),
        _ => pass_of::<T, 8>(g, own, y, n_threads),
    }
}

fn pass_of<T: Real, const K: usize>(g: &Graph, own: Own<'_, T>, y: &[T], n_threads: usize) -> Sums<T> {
    let k1 = g.eliminated.k();
    let zero = [T::default(); K];
    let mut levels = vec![zero; g.n_levels() * k1];
    let y: Vec<[T; K]> = y.chunks_exact(K).map(|row| std::array::from_fn(|i| row[i])).collect();
    let y = &y[..];
    let mut parts = Vec::with_capacity(g.parts.len());
    let mut rest = &mut levels[..];
    for part in &g.parts {
        let (head, tail) = rest.split_at_mut(part.len() * k1);
        parts.push((part.clone(), head));
        rest = tail;
    }
    let run = |part: Range<usize>, levels: &mut [[T; K]], places: &mut [[T; K]]| {
        kernels::vectorised(
            #[inline(always)]
            || {
                if g.is_pair() {
                    let rows = Pair { places: &g.places, graph: g };
                    each_level(g, &rows, part, own, y, levels, places);
                } else {
                    let rows = General {
                        graph: g,
                        effects: (&g.eliminated.effects, g.others.iter().map(|p| &p.effects[..]).collect()),
                    };
                    each_level(g, &rows, part, own, y, levels, places);
                }
            },
        );
    };
    let mut places = vec![zero; g.n_places()];
    if n_threads > 1 && parts.len() > 1 {
        while !parts.is_empty() {
            // no more sums at once than threads
            let now: Vec<_> = parts.drain(..n_threads.min(parts.len())).collect();
            let sums: Vec<Vec<[T; K]>> = now
                .into_par_iter()
                .map(|(part, levels)| {
                    let mut sums = vec![zero; g.n_places()];
                    run(part, levels, &mut sums);
                    sums
                })
                .collect();
            sums.iter().for_each(|s| add(&mut places, s));
        }
    } else {
        let mut sums = vec![zero; g.n_places()];
        for (part, levels) in parts {
            sums.fill(zero);
            run(part, levels, &mut sums);
            add(&mut places, &sums);
        }
    }
    if g.is_pair() {
        // what a row gets from its only place comes back to it
        for ((to, y), w) in places.iter_mut().zip(y).zip(&g.squares[1]) {
            let w = T::of(*w);
            to.iter_mut().zip(y).for_each(|(t, y)| *t += w * *y);
        }
    }
    Sums { levels: levels.into_flattened(), places: places.into_flattened() }
}

fn add<T: Real, const K: usize>(to: &mut [[T; K]], from: &[[T; K]]) {
    for (to, from) in to.iter_mut().zip(from) {
        to.iter_mut().zip(from).for_each(|(t, f)| *t += *f);
    }
}

/// How rows take from effects and give to them.
trait RowsOf<T, const K: usize> {
    /// Whether a row gives back to its effects what it took from them; if not, that is added
    /// afterwards.
    const GIVES_BACK: bool;
    /// What a row takes from the effects.
    fn taken(&self, row: usize, y: &[[T; K]]) -> [T; K];
    /// Adds what a row took, weighted, to the sums of its own level.
    fn to_level(&self, row: usize, taken: &[T; K], sums: &mut [[T; K]]);
    /// Adds what its level gives to a row.
    fn level_to_row(&self, row: usize, given: &[[T; K]], to: &mut [T; K]);
    /// Adds a row, weighted, to the sums of its effects.
    fn give(&self, row: usize, what: &[T; K], places: &mut [[T; K]]);
}

/// Two factors with a constant each.
struct Pair<'a> {
    places: &'a [u32],
    graph: &'a Graph,
}

impl<T: Real, const K: usize> RowsOf<T, K> for Pair<'_> {
    const GIVES_BACK: bool = false;

    #[inline(always)]
    fn taken(&self, row: usize, y: &[[T; K]]) -> [T; K] {
        y[self.places[row] as usize]
    }

    #[inline(always)]
    fn to_level(&self, row: usize, taken: &[T; K], sums: &mut [[T; K]]) {
        let sums = &mut sums[0];
        if self.graph.weights.is_none() {
            (0..K).for_each(|i| sums[i] += taken[i]);
        } else {
            let w = T::of(self.graph.weight(row));
            (0..K).for_each(|i| sums[i] += w * taken[i]);
        }
    }

    #[inline(always)]
    fn level_to_row(&self, _: usize, given: &[[T; K]], to: &mut [T; K]) {
        *to = given[0];
    }

    #[inline(always)]
    fn give(&self, row: usize, what: &[T; K], places: &mut [[T; K]]) {
        let to = &mut places[self.places[row] as usize];
        if self.graph.weights.is_none() {
            (0..K).for_each(|i| to[i] += what[i]);
        } else {
            let w = T::of(self.graph.weight(row));
            (0..K).for_each(|i| to[i] += w * what[i]);
        }
    }
}

/// Any factors.
struct General<'a> {
    graph: &'a Graph,
    /// Effects of the eliminated factor, and of each other one.
    effects: (&'a [Effect], Vec<&'a [Effect]>),
}

impl General<'_> {
    /// Visits the effects of a row: where they are and their values.
    #[inline(always)]
    fn each<T: Real>(&self, row: usize, mut visit: impl FnMut(usize, T)) {
        let g = self.graph;
        let m = self.effects.1.len();
        for (effects, &at) in self.effects.1.iter().zip(&g.places[row * m..(row + 1) * m]) {
            for (a, e) in effects.iter().enumerate() {
                visit(at as usize + a, T::of(g.value(e, row)));
            }
        }
    }
}

impl<T: Real, const K: usize> RowsOf<T, K> for General<'_> {
    const GIVES_BACK: bool = true;

    #[inline(always)]
    fn taken(&self, row: usize, y: &[[T; K]]) -> [T; K] {
        let mut t = [T::default(); K];
        self.each(row, |at, z: T| {
            let y = &y[at];
            (0..K).for_each(|i| t[i] += z * y[i]);
        });
        t
    }

    #[inline(always)]
    fn to_level(&self, row: usize, taken: &[T; K], sums: &mut [[T; K]]) {
        let w = self.graph.weight(row);
        for (e, sum) in self.effects.0.iter().zip(sums) {
            let z = T::of(w * self.graph.value(e, row));
            (0..K).for_each(|i| sum[i] += z * taken[i]);
        }
    }

    #[inline(always)]
    fn level_to_row(&self, row: usize, given: &[[T; K]], to: &mut [T; K]) {
        for (e, given) in self.effects.0.iter().zip(given) {
            let z = T::of(self.graph.value(e, row));
            (0..K).for_each(|i| to[i] += z * given[i]);
        }
    }

    #[inline(always)]
    fn give(&self, row: usize, what: &[T; K], places: &mut [[T; K]]) {
        let w = T::of(self.graph.weight(row));
        let what: [T; K] = std::array::from_fn(|i| w * what[i]);
        self.each(row, |at, z: T| {
            let to = &mut places[at];
            (0..K).for_each(|i| to[i] += z * what[i]);
        });
    }
}

#[inline(always)]
fn each_level<T: Real, const K: usize, R: RowsOf<T, K>>(
    g: &Graph,
    rows: &R,
    part: Range<usize>,
    own: Own<'_, T>,
    y: &[[T; K]],
    levels: &mut [[T; K]],
    places: &mut [[T; K]],
) {
    let k1 = g.eliminated.k();
    let mut taken: Vec<[T; K]> = Vec::new();
    let mut given = vec![[T::default(); K]; k1];
    for (level, sums) in part.zip(levels.chunks_exact_mut(k1)) {
        let range = g.start[level]..g.start[level + 1];
        if R::GIVES_BACK {
            taken.clear();
        }
        for row in range.clone() {
            let t = rows.taken(row, y);
            rows.to_level(row, &t, sums);
            if R::GIVES_BACK {
                taken.push(t);
            }
        }
        match own {
            Own::Given(c) => {
                for (to, c) in given.iter_mut().zip(c[level * k1 * K..(level + 1) * k1 * K].chunks_exact(K)) {
                    to.copy_from_slice(c);
                }
            }
            Own::Reduced(d) => {
                for (to, d) in given.iter_mut().zip(d[level * k1 * k1..(level + 1) * k1 * k1].chunks_exact(k1)) {
                    *to = [T::default(); K];
                    for (d, sum) in d.iter().zip(&*sums) {
                        let d = T::of(-d);
                        (0..K).for_each(|i| to[i] += d * sum[i]);
                    }
                }
            }
        }
        for (i, row) in range.enumerate() {
            let mut e = if R::GIVES_BACK { taken[i] } else { [T::default(); K] };
            rows.level_to_row(row, &given, &mut e);
            rows.give(row, &e, places);
        }
    }
}

/// For each level l of the factors that stay, and each of `m` symmetric matrices P_j of every level
/// j of the eliminated one, the sum over j of C P_j C', C the products of their effects in common
/// rows. The result has `m` blocks for each entry of the squares.
pub fn cell_sums(g: &Graph, of_levels: &[f64], m: usize, n_threads: usize) -> Vec<f64> {
    let size = g.squares[1].len() * m;
    let part = |part: &Range<usize>| {
        let mut out = vec![0.0; size];
        cells_of(g, part.clone(), of_levels, m, &mut out);
        out
    };
    let mut all = vec![0.0; size];
    let mut join = |sums: &[f64]| all.iter_mut().zip(sums).for_each(|(t, f)| *t += f);
    for now in g.parts.chunks(n_threads.max(1)) {
        if now.len() > 1 {
            let sums: Vec<Vec<f64>> = now.par_iter().map(part).collect();
            sums.iter().for_each(|p| join(p));
        } else {
            now.iter().for_each(|p| join(&part(p)));
        }
    }
    all
}

fn cells_of(g: &Graph, part: Range<usize>, of_levels: &[f64], m: usize, out: &mut [f64]) {
    let (n, k1) = (g.others.len(), g.eliminated.k());
    let mut seen = vec![0.0; g.n_places() * k1];
    let mut own = vec![0.0; k1];
    let mut by = Vec::new();
    for level in part {
        let rows = g.start[level]..g.start[level + 1];
        for row in rows.clone() {
            let w = g.weight(row);
            own.iter_mut().zip(&g.eliminated.effects).for_each(|(t, e)| *t = w * g.value(e, row));
            for (p, &at) in g.others.iter().zip(&g.places[row * n..(row + 1) * n]) {
                for (a, e) in p.effects.iter().enumerate() {
                    let z = g.value(e, row);
                    let to = &mut seen[(at as usize + a) * k1..(at as usize + a + 1) * k1];
                    to.iter_mut().zip(&own).for_each(|(t, o)| *t += z * o);
                }
            }
        }
        let ps = &of_levels[level * m * k1 * k1..(level + 1) * m * k1 * k1];
        for row in rows {
            for (p, &at) in g.others.iter().zip(&g.places[row * n..(row + 1) * n]) {
                let k = p.k();
                let c = &mut seen[at as usize * k1..(at as usize + k) * k1];
                if c.iter().all(|&v| v == 0.0) {
                    continue;
                }
                let square = p.square + (at as usize - p.first) * k;
                let to = &mut out[square * m..(square + k * k) * m];
                if k == 1 && k1 == 1 {
                    to.iter_mut().zip(ps).for_each(|(t, p)| *t += c[0] * c[0] * p);
                } else {
                    by.resize(k * k1, 0.0);
                    for (to, p) in to.chunks_exact_mut(k * k).zip(ps.chunks_exact(k1 * k1)) {
                        kernels::multiply(c, p, k, k1, k1, &mut by);
                        for (to, by) in to.chunks_exact_mut(k).zip(by.chunks_exact(k1)) {
                            for (t, c) in to.iter_mut().zip(c.chunks_exact(k1)) {
                                *t += by.iter().zip(c).map(|(a, b)| a * b).sum::<f64>();
                            }
                        }
                    }
                }
                c.fill(0.0);
            }
        }
    }
}
