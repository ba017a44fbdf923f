//! Passes over the rows of a factor of which rows have several levels, each with a weight: those of
//! a membership, or the independent effects behind levels with a known covariance matrix.

use super::system::{Effects, GlmmSystem};
use crate::rows::FactorRows;
use std::ops::Range;

/// The members of each row, in the order of the rows of a system.
#[derive(Clone)]
pub struct RowMembers {
    /// Start of each row's members; one more entry than rows.
    start: Vec<u32>,
    /// Level of each member.
    level: Vec<u32>,
    /// First scalar row (elimination order) of each member's level.
    at: Vec<u32>,
    /// Weight of each member.
    weight: Vec<f64>,
}

impl RowMembers {
    /// Those of a factor; None where each row has one level.
    pub fn of(f: &FactorRows<'_>, order: &[u32], first_row: impl Fn(usize) -> usize) -> Option<Self> {
        f.members?;
        let mut out = RowMembers { start: vec![0], level: Vec::new(), at: Vec::new(), weight: Vec::new() };
        for &i in order {
            f.each(i as usize, |l, weight| {
                out.level.push(l as u32);
                out.at.push(first_row(l) as u32);
                out.weight.push(weight);
            });
            out.start.push(out.level.len() as u32);
        }
        Some(out)
    }

    #[inline(always)]
    fn of_row(&self, r: usize) -> Range<usize> {
        self.start[r] as usize..self.start[r + 1] as usize
    }
}

impl Effects {
    /// The levels of a row: level, first scalar row and weight.
    #[inline(always)]
    pub fn each(&self, r: usize, mut visit: impl FnMut(usize, usize, f64)) {
        match &self.members {
            None => visit(self.level[r] as usize, self.at[r] as usize, 1.0),
            Some(m) => {
                m.of_row(r).for_each(|i| visit(m.level[i] as usize, m.at[i] as usize, m.weight[i]));
            }
        }
    }

    /// eta += Z v for a range of rows.
    pub(super) fn add_of_members(&self, v: &[f64], range: Range<usize>, eta: &mut [f64]) {
        for (e, r) in eta.iter_mut().zip(range) {
            let z = self.of_row(r);
            self.each(r, |_, at, weight| *e += weight * z.iter().zip(&v[at..]).map(|(z, b)| z * b).sum::<f64>());
        }
    }

    /// out += Z'r.
    pub(super) fn transposed_of_members(&self, r: &[f64], out: &mut [f64]) {
        for (row, r) in r.iter().enumerate() {
            let z = self.of_row(row);
            self.each(row, |_, at, weight| out[at..].iter_mut().zip(z).for_each(|(t, z)| *t += weight * z * r));
        }
    }

    /// The blocks of levels of Z'WZ, lower halves.
    pub(super) fn gram_of_members(&self, w: &[f64], ztz: &mut [f64]) {
        let k = self.k;
        for (row, w) in w.iter().enumerate() {
            let z = self.of_row(row);
            self.each(row, |level, _, weight| {
                let block = &mut ztz[level * k * k..(level + 1) * k * k];
                for i in 0..k {
                    let t = w * weight * weight * z[i];
                    (0..=i).for_each(|j| block[i * k + j] += t * z[j]);
                }
            });
        }
    }
}

/// The pairs of levels of two factors that a row has, with the products of their weights; of one
/// factor those of a level with a later one.
#[inline(always)]
pub(super) fn each_pair(f: &Effects, g: &Effects, same: bool, r: usize, mut visit: impl FnMut(usize, usize, f64)) {
    f.each(r, |l, _, of_l| {
        g.each(r, |m, _, of_m| {
            if !same || m > l {
                visit(l, m, of_l * of_m);
            }
        });
    });
}

impl GlmmSystem {
    /// Whether rows have several levels of some factor.
    pub fn has_members(&self) -> bool {
        self.effects.iter().any(|f| f.members.is_some())
    }

    /// Z'WZ of the pairs of levels that occur together in the rows, for pair number `pair`.
    pub(super) fn cells_of_members(&self, w: &[f64], pair: usize, (a, b): (usize, usize), value: &mut [f64]) {
        let (f, g) = (&self.effects[a], &self.effects[b]);
        let m = f.k * g.k;
        let mut places = self.cells[pair].iter();
        for (r, w) in w.iter().enumerate() {
            let (zf, zg) = (f.of_row(r), g.of_row(r));
            each_pair(f, g, a == b, r, |_, _, weight| {
                let i = *places.next().expect("a place for every pair") as usize;
                for (row, x) in value[i * m..(i + 1) * m].chunks_exact_mut(g.k).zip(zf) {
                    row.iter_mut().zip(zg).for_each(|(t, y)| *t += w * weight * x * y);
                }
            });
        }
    }

    /// What levels of two factors that occur together in a row add to \[Z B Z'\]_ii, for the blocks
    /// of B of pair number `pair`.
    pub(super) fn leverage_of_members(&self, blocks: &[f64], pair: usize, (a, b): (usize, usize), out: &mut [f64]) {
        let (f, g) = (&self.effects[a], &self.effects[b]);
        let m = f.k * g.k;
        let mut places = self.cells[pair].iter();
        for (r, out) in out.iter_mut().enumerate() {
            let (zf, zg) = (f.of_row(r), g.of_row(r));
            each_pair(f, g, a == b, r, |_, _, weight| {
                let i = *places.next().expect("a place for every pair") as usize;
                for (row, x) in blocks[i * m..(i + 1) * m].chunks_exact(g.k).zip(zf) {
                    *out += 2.0 * weight * x * row.iter().zip(zg).map(|(b, y)| b * y).sum::<f64>();
                }
            });
        }
    }
}
