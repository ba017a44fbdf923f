//! One pass over the rows, for a few vectors at once.
//!
//! Rows are divided into parts that do not depend on the number of threads, and sums of the parts
//! are added in order: the result is the same for any number.

use super::graph::{Graph, Numbers, Part};
use super::real::Real;
use crate::dense::kernels;
use rayon::prelude::*;
use std::ops::Range;

/// Sums of a level that are made side by side, where a row is one number of each vector.
const CHAINS: usize = 4;

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
                    let places_of = &g.places[..];
                    match &g.weights {
                        None => each_level(g, &Pair { places: places_of, weights: One }, part, own, y, levels, places),
                        Some(Numbers::Single(w)) => {
                            each_level(g, &Pair { places: places_of, weights: &w[..] }, part, own, y, levels, places);
                        }
                        Some(Numbers::Double(w)) => {
                            each_level(g, &Pair { places: places_of, weights: &w[..] }, part, own, y, levels, places);
                        }
                    }
                } else {
                    match (g.is_ones(), g.others.len()) {
                        (true, 2) => each_level(g, &Ones::<2> { graph: g }, part, own, y, levels, places),
                        (true, 3) => each_level(g, &Ones::<3> { graph: g }, part, own, y, levels, places),
                        _ => {
                            let k = g.others.iter().map(Part::k).collect();
                            each_level(g, &General { graph: g, k }, part, own, y, levels, places);
                        }
                    }
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
    /// Numbers of a row that are kept between its two visits.
    fn kept(&self) -> usize {
        0
    }
    /// What a row takes from the effects.
    fn taken(&self, row: usize, y: &[[T; K]], kept: &mut [T]) -> [T; K];
    /// Adds what a row took, weighted, to the sums of its own level.
    fn to_level(&self, row: usize, taken: &[T; K], kept: &[T], sums: &mut [[T; K]]);
    /// Adds what its level gives to a row.
    fn level_to_row(&self, kept: &[T], given: &[[T; K]], to: &mut [T; K]);
    /// Adds a row, weighted, to the sums of its effects.
    fn give(&self, row: usize, what: &[T; K], kept: &[T], places: &mut [[T; K]]);
}

/// The weight of a row where they differ, times a vector.
#[inline(always)]
fn weighted<T: Real, const K: usize>(g: &Graph, row: usize, v: &[T; K]) -> [T; K] {
    if g.weights.is_none() {
        return *v;
    }
    let w = T::of(g.weight(row));
    std::array::from_fn(|i| w * v[i])
}

/// Weights of rows.
trait Weights<T> {
    /// A vector times the weight of a row.
    fn times<const K: usize>(&self, row: usize, v: [T; K]) -> [T; K];
}

/// All of them are one.
struct One;

impl<T: Real> Weights<T> for One {
    #[inline(always)]
    fn times<const K: usize>(&self, _: usize, v: [T; K]) -> [T; K] {
        v
    }
}

impl<T: Real> Weights<T> for &[f32] {
    #[inline(always)]
    fn times<const K: usize>(&self, row: usize, v: [T; K]) -> [T; K] {
        let w = T::of(f64::from(self[row]));
        std::array::from_fn(|i| w * v[i])
    }
}

impl<T: Real> Weights<T> for &[f64] {
    #[inline(always)]
    fn times<const K: usize>(&self, row: usize, v: [T; K]) -> [T; K] {
        let w = T::of(self[row]);
        std::array::from_fn(|i| w * v[i])
    }
}

/// Two factors with a constant each.
struct Pair<'a, W> {
    places: &'a [u32],
    weights: W,
}

impl<T: Real, W: Weights<T>, const K: usize> RowsOf<T, K> for Pair<'_, W> {
    const GIVES_BACK: bool = false;

    #[inline(always)]
    fn taken(&self, row: usize, y: &[[T; K]], _: &mut [T]) -> [T; K] {
        y[self.places[row] as usize]
    }

    #[inline(always)]
    fn to_level(&self, row: usize, taken: &[T; K], _: &[T], sums: &mut [[T; K]]) {
        let taken = self.weights.times(row, *taken);
        (0..K).for_each(|i| sums[0][i] += taken[i]);
    }

    #[inline(always)]
    fn level_to_row(&self, _: &[T], given: &[[T; K]], to: &mut [T; K]) {
        *to = given[0];
    }

    #[inline(always)]
    fn give(&self, row: usize, what: &[T; K], _: &[T], places: &mut [[T; K]]) {
        let what = self.weights.times(row, *what);
        let to = &mut places[self.places[row] as usize];
        (0..K).for_each(|i| to[i] += what[i]);
    }
}

/// `M` factors beside the eliminated one, and every effect is one.
struct Ones<'a, const M: usize> {
    graph: &'a Graph,
}

impl<const M: usize> Ones<'_, M> {
    #[inline(always)]
    fn places(&self, row: usize) -> [usize; M] {
        let places = &self.graph.places[row * M..(row + 1) * M];
        std::array::from_fn(|f| places[f] as usize)
    }
}

impl<T: Real, const K: usize, const M: usize> RowsOf<T, K> for Ones<'_, M> {
    const GIVES_BACK: bool = true;

    #[inline(always)]
    fn taken(&self, row: usize, y: &[[T; K]], _: &mut [T]) -> [T; K] {
        let mut t = [T::default(); K];
        for at in self.places(row) {
            let y = &y[at];
            (0..K).for_each(|i| t[i] += y[i]);
        }
        t
    }

    #[inline(always)]
    fn to_level(&self, row: usize, taken: &[T; K], _: &[T], sums: &mut [[T; K]]) {
        let taken = weighted(self.graph, row, taken);
        (0..K).for_each(|i| sums[0][i] += taken[i]);
    }

    #[inline(always)]
    fn level_to_row(&self, _: &[T], given: &[[T; K]], to: &mut [T; K]) {
        (0..K).for_each(|i| to[i] += given[0][i]);
    }

    #[inline(always)]
    fn give(&self, row: usize, what: &[T; K], _: &[T], places: &mut [[T; K]]) {
        let what = weighted(self.graph, row, what);
        for at in self.places(row) {
            let to = &mut places[at];
            (0..K).for_each(|i| to[i] += what[i]);
        }
    }
}

/// Any factors. The effects of a row are kept, then the same weighted.
struct General<'a> {
    graph: &'a Graph,
    /// Effects of each factor beside the eliminated one.
    k: Vec<usize>,
}

impl General<'_> {
    /// Visits the effects of a row: where they are and their values.
    #[inline(always)]
    fn each<T: Real>(&self, row: usize, z: &[T], mut visit: impl FnMut(usize, T)) {
        let mut from = self.graph.eliminated.k();
        for (&k, &at) in self.k.iter().zip(self.graph.places(row)) {
            z[from..from + k].iter().enumerate().for_each(|(a, z)| visit(at as usize + a, *z));
            from += k;
        }
    }
}

impl<T: Real, const K: usize> RowsOf<T, K> for General<'_> {
    const GIVES_BACK: bool = true;

    fn kept(&self) -> usize {
        2 * self.graph.n_effects()
    }

    #[inline(always)]
    fn taken(&self, row: usize, y: &[[T; K]], kept: &mut [T]) -> [T; K] {
        let g = self.graph;
        let (z, weighted) = kept.split_at_mut(kept.len() / 2);
        let w = g.weight(row);
        let all = g.eliminated.effects.iter().chain(g.others.iter().flat_map(|p| &p.effects));
        for ((z, weighted), e) in z.iter_mut().zip(weighted).zip(all) {
            let value = g.value(e, row);
            (*z, *weighted) = (T::of(value), T::of(w * value));
        }
        let mut t = [T::default(); K];
        self.each(row, z, |at, z| {
            let y = &y[at];
            (0..K).for_each(|i| t[i] += z * y[i]);
        });
        t
    }

    #[inline(always)]
    fn to_level(&self, _: usize, taken: &[T; K], kept: &[T], sums: &mut [[T; K]]) {
        for (z, sum) in kept[kept.len() / 2..].iter().zip(sums) {
            (0..K).for_each(|i| sum[i] += *z * taken[i]);
        }
    }

    #[inline(always)]
    fn level_to_row(&self, kept: &[T], given: &[[T; K]], to: &mut [T; K]) {
        for (z, given) in kept.iter().zip(given) {
            (0..K).for_each(|i| to[i] += *z * given[i]);
        }
    }

    #[inline(always)]
    fn give(&self, row: usize, what: &[T; K], kept: &[T], places: &mut [[T; K]]) {
        self.each(row, &kept[kept.len() / 2..], |at, z| {
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
    let m = rows.kept();
    let mut taken: Vec<[T; K]> = Vec::new();
    let mut kept: Vec<T> = Vec::new();
    let mut given = vec![[T::default(); K]; k1];
    for (level, sums) in part.zip(levels.chunks_exact_mut(k1)) {
        let range = g.start[level]..g.start[level + 1];
        if R::GIVES_BACK {
            taken.clear();
            kept.resize(kept.len().max(m * range.len()), T::default());
        }
        if R::GIVES_BACK {
            for (i, row) in range.clone().enumerate() {
                let kept = &mut kept[i * m..(i + 1) * m];
                let t = rows.taken(row, y, kept);
                rows.to_level(row, &t, kept, sums);
                taken.push(t);
            }
        } else {
            // several sums at once, none of which waits for another
            let mut each = [[[T::default(); K]; 1]; CHAINS];
            let mut row = range.start;
            while row + CHAINS <= range.end {
                for (c, sums) in each.iter_mut().enumerate() {
                    let t = rows.taken(row + c, y, &mut []);
                    rows.to_level(row + c, &t, &[], sums);
                }
                row += CHAINS;
            }
            for row in row..range.end {
                let t = rows.taken(row, y, &mut []);
                rows.to_level(row, &t, &[], &mut each[0]);
            }
            for own in &each {
                (0..K).for_each(|i| sums[0][i] += own[0][i]);
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
            let kept = &kept[i * m..(i + 1) * m];
            let mut e = if R::GIVES_BACK { taken[i] } else { [T::default(); K] };
            rows.level_to_row(kept, &given, &mut e);
            rows.give(row, &e, kept, places);
        }
    }
}
