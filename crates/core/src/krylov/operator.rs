//! One pass over the rows, for a few vectors at once.
//!
//! Rows are divided into parts that do not depend on the number of threads, and sums of the parts
//! are added in order: the result is the same for any number.

use super::graph::Graph;
use crate::dense::kernels;
use rayon::prelude::*;
use std::ops::Range;

/// What the eliminated factor adds to every row of a level.
#[derive(Clone, Copy)]
pub enum Own<'a> {
    /// These numbers, `k` for each level.
    Given(&'a [f64]),
    /// The sum of its rows times this for each level, subtracted: what is left of the rows when the
    /// factor is eliminated.
    Reduced(&'a [f64]),
}

/// The sums of a pass.
pub struct Sums {
    /// For each level of the eliminated factor the sum of what the others gave to its rows.
    pub levels: Vec<f64>,
    /// For each place the sum of its rows.
    pub places: Vec<f64>,
}

/// Each row gets the sum of `y` at its places and what its own level adds; the results are summed,
/// weighted, by level and place. `k` is 1, 2, 4 or 8.
pub fn pass(g: &Graph, own: Own<'_>, y: &[f64], k: usize, n_threads: usize) -> Sums {
    match k {
        1 => pass_of::<1>(g, own, y, n_threads),
        2 => pass_of::<2>(g, own, y, n_threads),
        4 => pass_of::<4>(g, own, y, n_threads),
        _ => pass_of::<8>(g, own, y, n_threads),
    }
}

fn pass_of<const K: usize>(g: &Graph, own: Own<'_>, y: &[f64], n_threads: usize) -> Sums {
    let mut levels = vec![[0.0; K]; g.n_levels()];
    let y: Vec<[f64; K]> = y.chunks_exact(K).map(|row| std::array::from_fn(|i| row[i])).collect();
    let y = &y[..];
    let mut own_parts = Vec::with_capacity(g.parts.len());
    let mut rest = &mut levels[..];
    for part in &g.parts {
        let (head, tail) = rest.split_at_mut(part.len());
        own_parts.push((part.clone(), head));
        rest = tail;
    }
    let run = |part: Range<usize>, levels: &mut [[f64; K]], places: &mut [[f64; K]]| {
        kernels::vectorised(
            #[inline(always)]
            || {
                if g.others.len() == 1 {
                    pairs::<K>(g, part, own, y, levels, places);
                } else {
                    several::<K>(g, part, own, y, levels, places);
                }
            },
        );
    };
    let mut places = vec![0.0; g.n_places() * K];
    if n_threads > 1 && own_parts.len() > 1 {
        let sums: Vec<Vec<[f64; K]>> = own_parts
            .into_par_iter()
            .map(|(part, levels)| {
                let mut sums = vec![[0.0; K]; g.n_places()];
                run(part, levels, &mut sums);
                sums
            })
            .collect();
        sums.iter().for_each(|s| add(&mut places, s.as_flattened()));
    } else {
        let mut sums = vec![[0.0; K]; g.n_places()];
        for (part, levels) in own_parts {
            sums.fill([0.0; K]);
            run(part, levels, &mut sums);
            add(&mut places, sums.as_flattened());
        }
    }
    if g.others.len() == 1 {
        // what a row gets from its only place comes back to it
        for ((to, y), w) in places.chunks_exact_mut(K).zip(y).zip(&g.total[1]) {
            to.iter_mut().zip(y).for_each(|(t, y)| *t += w * y);
        }
    }
    Sums { levels: levels.into_flattened(), places }
}

fn add(to: &mut [f64], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

/// What the level itself adds, from the sum of its rows.
#[inline(always)]
fn own_part<const K: usize>(own: Own<'_>, level: usize, sum: &[f64; K]) -> [f64; K] {
    match own {
        Own::Given(c) => std::array::from_fn(|i| c[level * K + i]),
        Own::Reduced(d) => std::array::from_fn(|i| -d[level] * sum[i]),
    }
}

/// Of two factors: without what a place gives to itself.
#[inline(always)]
fn pairs<const K: usize>(
    g: &Graph,
    part: Range<usize>,
    own: Own<'_>,
    y: &[[f64; K]],
    levels: &mut [[f64; K]],
    places: &mut [[f64; K]],
) {
    for (level, to) in part.zip(levels) {
        let rows = g.start[level]..g.start[level + 1];
        let at = &g.places[rows.clone()];
        let mut sum = [0.0; K];
        match &g.weights {
            None => at.iter().for_each(|&c| (0..K).for_each(|i| sum[i] += y[c as usize][i])),
            Some(w) => {
                for (&c, w) in at.iter().zip(&w[rows.clone()]) {
                    (0..K).for_each(|i| sum[i] += w * y[c as usize][i]);
                }
            }
        }
        *to = sum;
        let add = own_part(own, level, &sum);
        match &g.weights {
            None => at.iter().for_each(|&c| (0..K).for_each(|i| places[c as usize][i] += add[i])),
            Some(w) => {
                for (&c, w) in at.iter().zip(&w[rows]) {
                    (0..K).for_each(|i| places[c as usize][i] += w * add[i]);
                }
            }
        }
    }
}

/// Of more factors.
#[inline(always)]
fn several<const K: usize>(
    g: &Graph,
    part: Range<usize>,
    own: Own<'_>,
    y: &[[f64; K]],
    levels: &mut [[f64; K]],
    places: &mut [[f64; K]],
) {
    let m = g.others.len();
    let mut of_rows: Vec<[f64; K]> = Vec::new();
    for (level, to) in part.zip(levels) {
        let rows = g.start[level]..g.start[level + 1];
        of_rows.clear();
        let mut sum = [0.0; K];
        for (row, at) in rows.clone().zip(g.places[rows.start * m..rows.end * m].chunks_exact(m)) {
            let mut t = [0.0; K];
            at.iter().for_each(|&c| (0..K).for_each(|i| t[i] += y[c as usize][i]));
            let w = g.weight(row);
            (0..K).for_each(|i| sum[i] += w * t[i]);
            of_rows.push(t);
        }
        *to = sum;
        let add = own_part(own, level, &sum);
        for ((row, at), t) in rows.clone().zip(g.places[rows.start * m..rows.end * m].chunks_exact(m)).zip(&of_rows) {
            let w = g.weight(row);
            let e: [f64; K] = std::array::from_fn(|i| w * (t[i] + add[i]));
            at.iter().for_each(|&c| (0..K).for_each(|i| places[c as usize][i] += e[i]));
        }
    }
}

/// For each place l the sum over levels j of (its weight in the level)^2 times each of two numbers
/// of the level.
pub fn square_sums(g: &Graph, of_levels: &[[f64; 2]], n_threads: usize) -> Vec<[f64; 2]> {
    let m = g.others.len();
    let run = |part: Range<usize>, out: &mut [[f64; 2]], seen: &mut [f64]| {
        for level in part {
            let rows = g.start[level]..g.start[level + 1];
            for row in rows.clone() {
                let w = g.weight(row);
                g.places[row * m..(row + 1) * m].iter().for_each(|&c| seen[c as usize] += w);
            }
            let by = of_levels[level];
            for &c in &g.places[rows.start * m..rows.end * m] {
                let w = std::mem::take(&mut seen[c as usize]);
                let out = &mut out[c as usize];
                *out = [out[0] + w * w * by[0], out[1] + w * w * by[1]];
            }
        }
    };
    let q2 = g.n_places();
    let part = |part: &Range<usize>| {
        let (mut out, mut seen) = (vec![[0.0; 2]; q2], vec![0.0; q2]);
        run(part.clone(), &mut out, &mut seen);
        out
    };
    let mut all = vec![[0.0; 2]; q2];
    let mut join = |sums: &[[f64; 2]]| add(all.as_flattened_mut(), sums.as_flattened());
    if n_threads > 1 && g.parts.len() > 1 {
        let parts: Vec<Vec<[f64; 2]>> = g.parts.par_iter().map(part).collect();
        parts.iter().for_each(|p| join(p));
    } else {
        g.parts.iter().for_each(|p| join(&part(p)));
    }
    all
}
