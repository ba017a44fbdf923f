//! Products of the effects of a level of the eliminated factor with those of all others in common
//! rows, and sums made of them.

use super::graph::Graph;
use crate::dense::kernels;
use rayon::prelude::*;
use std::ops::Range;

/// Products C of one level with all others, few of which are not zero: k x k1 at each place.
pub(super) struct Cells<'a> {
    g: &'a Graph,
    /// Every effect is one.
    ones: bool,
    pub(super) c: Vec<f64>,
    /// Effects of a row.
    z: Vec<f64>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(g: &'a Graph) -> Self {
        let c = vec![0.0; g.n_places() * g.eliminated.k()];
        Cells { g, ones: g.is_ones(), c, z: vec![0.0; g.n_effects()] }
    }

    /// Adds the products of the rows of a level.
    pub(super) fn fill(&mut self, rows: Range<usize>) {
        let (g, k1) = (self.g, self.g.eliminated.k());
        if self.ones {
            for row in rows {
                let w = g.weight(row);
                g.places(row).iter().for_each(|&at| self.c[at as usize] += w);
            }
            return;
        }
        for row in rows {
            let w = g.weight(row);
            g.values(row, &mut self.z);
            let (own, mut rest) = self.z.split_at_mut(k1);
            own.iter_mut().for_each(|z| *z *= w);
            for (p, &at) in g.others.iter().zip(g.places(row)) {
                let (z, after) = rest.split_at_mut(p.k());
                for (to, z) in self.c[at as usize * k1..].chunks_exact_mut(k1).zip(&*z) {
                    to.iter_mut().zip(&*own).for_each(|(t, o)| *t += z * o);
                }
                rest = after;
            }
        }
    }

    /// Visits each of the products that are not zero, with its place among the squares and the
    /// effects of its factor, and clears it.
    #[inline(always)]
    fn take(&mut self, rows: Range<usize>, mut visit: impl FnMut(usize, usize, &[f64])) {
        let (g, k1) = (self.g, self.g.eliminated.k());
        for row in rows {
            if self.ones {
                for &at in g.places(row) {
                    let c = &mut self.c[at as usize];
                    if *c != 0.0 {
                        visit(at as usize, 1, &[*c]);
                        *c = 0.0;
                    }
                }
                continue;
            }
            for (p, &at) in g.others.iter().zip(g.places(row)) {
                let (k, at) = (p.k(), at as usize);
                let c = &mut self.c[at * k1..(at + k) * k1];
                if c.iter().any(|&v| v != 0.0) {
                    visit(p.square + (at - p.first) * k, k, c);
                    c.fill(0.0);
                }
            }
        }
    }

    /// Clears the products of the rows of a level.
    pub(super) fn clear(&mut self, rows: Range<usize>) {
        self.take(rows, |_, _, _| ());
    }
}

/// For each level l of the factors that stay, and a symmetric matrix P_j of every level j of the
/// eliminated one, the sum over j of C P_j C', as the squares of the others stand.
pub(super) fn sums_of_others(g: &Graph, of_levels: &[f64], n_threads: usize) -> Vec<f64> {
    let size = g.squares[1].len();
    let part = |part: &Range<usize>| {
        let mut out = vec![0.0; size];
        others_of(g, part.clone(), of_levels, &mut out);
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

fn others_of(g: &Graph, part: Range<usize>, of_levels: &[f64], out: &mut [f64]) {
    let k1 = g.eliminated.k();
    let mut cells = Cells::new(g);
    let mut by = Vec::new();
    for level in part {
        let rows = g.start[level]..g.start[level + 1];
        cells.fill(rows.clone());
        let p = &of_levels[level * k1 * k1..(level + 1) * k1 * k1];
        cells.take(rows, |square, k, c| {
            if k * k1 == 1 {
                out[square] += c[0] * c[0] * p[0];
                return;
            }
            by.resize(k * k1, 0.0);
            kernels::multiply(c, p, k, k1, k1, &mut by);
            for (to, by) in out[square..square + k * k].chunks_exact_mut(k).zip(by.chunks_exact(k1)) {
                for (t, c) in to.iter_mut().zip(c.chunks_exact(k1)) {
                    *t += by.iter().zip(c).map(|(a, b)| a * b).sum::<f64>();
                }
            }
        });
    }
}

/// For each level of the eliminated factor, and a matrix F_l of every level of the others, the sum
/// of C'F F'C.
pub(super) fn sums_of_eliminated(g: &Graph, factor: &[f64], n_threads: usize) -> Vec<f64> {
    let k1 = g.eliminated.k();
    let mut out = vec![0.0; g.squares[0].len()];
    by_parts(
        g,
        n_threads,
        |part| part.len() * k1 * k1,
        &mut out,
        |part, out| {
            let mut cells = Cells::new(g);
            let mut fc = Vec::new();
            for (level, to) in part.zip(out.chunks_exact_mut(k1 * k1)) {
                let rows = g.start[level]..g.start[level + 1];
                cells.fill(rows.clone());
                cells.take(rows, |square, k, c| {
                    let f = &factor[square..square + k * k];
                    if k * k1 == 1 {
                        to[0] += (f[0] * c[0]).powi(2);
                        return;
                    }
                    fc.clear();
                    fc.resize(k * k1, 0.0);
                    kernels::transposed_multiply(f, c, k, k, k1, &mut fc);
                    for f in fc.chunks_exact(k1) {
                        for (to, a) in to.chunks_exact_mut(k1).zip(f) {
                            to.iter_mut().zip(f).for_each(|(t, b)| *t += a * b);
                        }
                    }
                });
            }
        },
    );
    out
}

/// Runs `work` on the levels, rows and results of each part, several at once.
pub(super) fn by_parts<T: Send>(
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
