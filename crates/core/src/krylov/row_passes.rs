//! Passes over the rows of a generalized model, part by part: linear predictors, what the family
//! says of them, and sums by effect.

use super::graph::{Graph, Numbers};
use crate::families::{Batch, Derivatives, Family, MoreDerivatives};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that a family is handed at once.
const BATCH: usize = 2048;

/// Rows sorted by the eliminated factor, and what does not change with the parameters.
pub(super) struct GlmmRows {
    pub(super) n: usize,
    pub(super) p: usize,
    /// X in the changed basis, n x p.
    pub(super) x: Vec<f64>,
    pub(super) y: Numbers,
    /// Prior weights; none where all are one.
    pub(super) prior: Option<Numbers>,
    /// Empty where there is none.
    pub(super) offset: Vec<f64>,
}

/// Sums of a pass.
#[derive(Clone)]
pub(super) struct PassSums {
    /// Log-likelihood without its free part, or the sum that a pass is for.
    pub(super) value: f64,
    /// X'v.
    pub(super) x: Vec<f64>,
    /// Z'v of both halves.
    pub(super) z: [Vec<f64>; 2],
    /// Z'WZ of the levels of both halves.
    pub(super) squares: [Vec<f64>; 2],
}

/// What the family says of some rows.
#[derive(Default)]
struct Said {
    y: Vec<f64>,
    prior: Vec<f64>,
    eta: Vec<f64>,
    l: Vec<f64>,
    r: Vec<f64>,
    wo: Vec<f64>,
    dwo: Vec<f64>,
    more: [Vec<f64>; 6],
}

/// One pass: parameters, and the family.
pub(super) struct Pass<'a> {
    pub(super) g: &'a Graph,
    pub(super) rows: &'a GlmmRows,
    pub(super) family: &'a dyn Family,
    pub(super) extras: &'a [f64],
    /// Fixed part of the linear predictors.
    pub(super) fixed: &'a [f64],
    /// Random effects in the changed basis.
    pub(super) b: &'a [Vec<f64>; 2],
    pub(super) threads: usize,
}

/// Results by row of a part.
struct OfRows<'o> {
    first: &'o mut [f64],
    weights: &'o mut [f32],
}

impl Pass<'_> {
    /// Random effects of rows added to `eta`; `level` is that of the first, and becomes that of the
    /// last.
    fn add_random(&self, b: &[Vec<f64>; 2], rows: Range<usize>, level: &mut usize, eta: &mut [f64]) {
        let g = self.g;
        let (k1, n) = (g.eliminated.k(), g.others.len());
        let simple = g.is_pair();
        for (row, eta) in rows.zip(eta) {
            while g.start[*level + 1] <= row {
                *level += 1;
            }
            if simple {
                *eta += b[0][*level] + b[1][g.places[row] as usize];
                continue;
            }
            let own = &b[0][*level * k1..(*level + 1) * k1];
            *eta += g.eliminated.effects.iter().zip(own).map(|(e, b)| g.value(e, row) * b).sum::<f64>();
            for (p, &at) in g.others.iter().zip(&g.places[row * n..(row + 1) * n]) {
                let of = &b[1][at as usize..at as usize + p.k()];
                *eta += p.effects.iter().zip(of).map(|(e, b)| g.value(e, row) * b).sum::<f64>();
            }
        }
    }

    /// Z'v added to the sums of its effects; `levels` begin with `first`.
    fn give(&self, row: usize, v: f64, level: usize, first: usize, levels: &mut [f64], places: &mut [f64]) {
        let g = self.g;
        let (k1, n) = (g.eliminated.k(), g.others.len());
        for (to, e) in levels[(level - first) * k1..].iter_mut().zip(&g.eliminated.effects) {
            *to += g.value(e, row) * v;
        }
        for (p, &at) in g.others.iter().zip(&g.places[row * n..(row + 1) * n]) {
            for (to, e) in places[at as usize..].iter_mut().zip(&p.effects) {
                *to += g.value(e, row) * v;
            }
        }
    }

    /// The same of z w z'.
    fn give_squares(&self, row: usize, w: f64, level: usize, first: usize, levels: &mut [f64], places: &mut [f64]) {
        let g = self.g;
        let (k1, n) = (g.eliminated.k(), g.others.len());
        let own = &mut levels[(level - first) * k1 * k1..(level - first + 1) * k1 * k1];
        for (to, a) in own.chunks_exact_mut(k1).zip(&g.eliminated.effects) {
            let z = w * g.value(a, row);
            to.iter_mut().zip(&g.eliminated.effects).for_each(|(t, b)| *t += z * g.value(b, row));
        }
        for (p, &at) in g.others.iter().zip(&g.places[row * n..(row + 1) * n]) {
            let k = p.k();
            let square = p.square + (at as usize - p.first) * k;
            for (to, a) in places[square..square + k * k].chunks_exact_mut(k).zip(&p.effects) {
                let z = w * g.value(a, row);
                to.iter_mut().zip(&p.effects).for_each(|(t, b)| *t += z * g.value(b, row));
            }
        }
    }

    /// Runs `work` on every part with its rows of `first` and `weights` (which may be empty) and
    /// its sums; the sums of the parts are added in order.
    fn by_parts(
        &self,
        mut first: &mut [f64],
        mut weights: &mut [f32],
        squares: bool,
        work: impl Fn(Range<usize>, OfRows<'_>, &mut PassSums) + Sync,
    ) -> PassSums {
        let g = self.g;
        let k1 = g.eliminated.k();
        let mut parts = Vec::with_capacity(g.parts.len());
        for part in &g.parts {
            let n = g.start[part.end] - g.start[part.start];
            let kept = n.min(weights.len());
            let (own, rest) = std::mem::take(&mut first).split_at_mut(n);
            let (own_weights, rest_weights) = std::mem::take(&mut weights).split_at_mut(kept);
            parts.push((part.clone(), OfRows { first: own, weights: own_weights }));
            (first, weights) = (rest, rest_weights);
        }
        let run = |(part, rows): (Range<usize>, OfRows<'_>)| {
            let square = |n: usize| if squares { n } else { 0 };
            let mut sums = PassSums {
                value: 0.0,
                x: vec![0.0; self.rows.p],
                z: [vec![0.0; part.len() * k1], vec![0.0; g.n_places()]],
                squares: [vec![0.0; square(part.len() * k1 * k1)], vec![0.0; square(g.squares[1].len())]],
            };
            work(part, rows, &mut sums);
            sums
        };
        let all: Vec<PassSums> = if self.threads > 1 && parts.len() > 1 {
            parts.into_par_iter().map(run).collect()
        } else {
            parts.into_iter().map(run).collect()
        };
        let mut all = all.into_iter();
        let mut out = all.next().expect("there are rows");
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
        for s in all {
            out.value += s.value;
            add(&mut out.x, &s.x);
            add(&mut out.z[1], &s.z[1]);
            add(&mut out.squares[1], &s.squares[1]);
            out.z[0].extend(s.z[0].iter());
            out.squares[0].extend(s.squares[0].iter());
        }
        out
    }

    fn say(&self, rows: Range<usize>, level: &mut usize, more: bool, said: &mut Said) {
        let n = rows.len();
        let number = |v: &Numbers, out: &mut Vec<f64>| {
            out.clear();
            out.extend(rows.clone().map(|i| v.at(i)));
        };
        number(&self.rows.y, &mut said.y);
        match &self.rows.prior {
            Some(w) => number(w, &mut said.prior),
            None => {
                said.prior.clear();
                said.prior.resize(n, 1.0);
            }
        }
        said.eta.clear();
        said.eta.extend_from_slice(&self.fixed[rows.clone()]);
        self.add_random(self.b, rows, level, &mut said.eta);
        for v in [&mut said.l, &mut said.r, &mut said.wo, &mut said.dwo] {
            v.resize(n, 0.0);
        }
        let batch = Batch { y: &said.y, w: &said.prior, eta: &said.eta, extras: self.extras };
        let out = Derivatives { l: &mut said.l, r: &mut said.r, wo: &mut said.wo, dwo: &mut said.dwo };
        self.family.derivatives(batch, out);
        if more {
            let e = self.extras.len();
            for (i, v) in said.more.iter_mut().enumerate() {
                v.resize(if i < 2 { n } else { n * e }, 0.0);
            }
            let [w, dw, w_d, l_d, r_d, wo_d] = &mut said.more;
            self.family.more_derivatives(batch, MoreDerivatives { w, dw, w_d, l_d, r_d, wo_d });
        }
    }

    /// Batches of the rows of a part, each with the level of its first row.
    fn batches(&self, part: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (from, to) = (self.g.start[part.start], self.g.start[part.end]);
        (from..to).step_by(BATCH).map(move |i| i..(i + BATCH).min(to))
    }

    /// dl/deta into `r`, weights into `weights` (expected ones where asked for), and their sums;
    /// the value is the log-likelihood without its free part.
    pub(super) fn derivatives(&self, r: &mut [f64], weights: &mut [f32], expected: bool) -> PassSums {
        self.by_parts(r, weights, true, |part, rows, sums| {
            let begin = self.g.start[part.start];
            let (mut said, mut level, mut own) = (Said::default(), part.start, part.start);
            let p = self.rows.p;
            for batch in self.batches(&part) {
                self.say(batch.clone(), &mut level, expected, &mut said);
                for (i, row) in batch.enumerate() {
                    while self.g.start[own + 1] <= row {
                        own += 1;
                    }
                    let w = if expected { said.more[0][i] } else { said.wo[i] } as f32;
                    rows.first[row - begin] = said.r[i];
                    rows.weights[row - begin] = w;
                    sums.value += said.l[i];
                    let x = &self.rows.x[row * p..(row + 1) * p];
                    sums.x.iter_mut().zip(x).for_each(|(t, x)| *t += x * said.r[i]);
                    let [levels, places] = &mut sums.z;
                    self.give(row, said.r[i], own, part.start, levels, places);
                    let [levels, places] = &mut sums.squares;
                    self.give_squares(row, f64::from(w), own, part.start, levels, places);
                }
            }
        })
    }

    /// Leverages a become s = a dW/deta; sums of s.
    pub(super) fn third_derivatives(&self, a: &mut [f64]) -> PassSums {
        self.by_parts(a, &mut [], false, |part, rows, sums| {
            let begin = self.g.start[part.start];
            let (mut said, mut level, mut own) = (Said::default(), part.start, part.start);
            let p = self.rows.p;
            for batch in self.batches(&part) {
                self.say(batch.clone(), &mut level, false, &mut said);
                for (i, row) in batch.enumerate() {
                    while self.g.start[own + 1] <= row {
                        own += 1;
                    }
                    let a = &mut rows.first[row - begin];
                    *a *= said.dwo[i];
                    let x = &self.rows.x[row * p..(row + 1) * p];
                    sums.x.iter_mut().zip(x).for_each(|(t, x)| *t += x * *a);
                    let [levels, places] = &mut sums.z;
                    self.give(row, *a, own, part.start, levels, places);
                }
            }
        })
    }

    /// Sums of rho = s - 2 r - W Z v for effects `v` in the changed basis.
    pub(super) fn changes(&self, s: &mut [f64], v: &[Vec<f64>; 2]) -> PassSums {
        self.by_parts(s, &mut [], false, |part, rows, sums| {
            let begin = self.g.start[part.start];
            let (mut said, mut level, mut along, mut own) = (Said::default(), part.start, part.start, part.start);
            let p = self.rows.p;
            let mut moved = Vec::new();
            for batch in self.batches(&part) {
                self.say(batch.clone(), &mut level, false, &mut said);
                moved.clear();
                moved.resize(batch.len(), 0.0);
                self.add_random(v, batch.clone(), &mut along, &mut moved);
                for (i, row) in batch.enumerate() {
                    while self.g.start[own + 1] <= row {
                        own += 1;
                    }
                    let rho = rows.first[row - begin] - 2.0 * said.r[i] - said.wo[i] * moved[i];
                    let x = &self.rows.x[row * p..(row + 1) * p];
                    sums.x.iter_mut().zip(x).for_each(|(t, x)| *t += x * rho);
                    let [levels, places] = &mut sums.z;
                    self.give(row, rho, own, part.start, levels, places);
                }
            }
        })
    }

    /// Linear predictors.
    pub(super) fn predictors(&self) -> Vec<f64> {
        let mut eta = self.fixed.to_vec();
        self.add_random(self.b, 0..self.rows.n, &mut 0, &mut eta);
        eta
    }
}
