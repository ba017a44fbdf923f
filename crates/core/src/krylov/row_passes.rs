//! Passes over the rows of a generalized model, part by part: linear predictors, derivatives of the
//! family, and their sums by effect.

use super::graph::{Graph, Numbers};
use crate::error::CoreError;
use crate::families::{Batch, Derivatives, Family, MoreDerivatives};
use crate::watch::Watch;
use rayon::prelude::*;
use std::ops::Range;

/// Rows that a family is handed at once.
const BATCH: usize = 2048;

/// Rows sorted by the eliminated factor, and what does not change with the parameters.
pub(super) struct GlmmRows {
    pub(super) n: usize,
    pub(super) p: usize,
    /// X in the changed basis, row by row, or one row that all are equal to.
    x: Vec<f64>,
    pub(super) y: Numbers,
    /// Prior weights; none where all are one.
    pub(super) prior: Option<Numbers>,
    /// How often each row counts, where prior weights are numbers of trials times that.
    pub(super) repeats: Option<Vec<f64>>,
    /// Empty where there is none.
    pub(super) offset: Vec<f64>,
}

impl GlmmRows {
    pub(super) fn new((n, p): (usize, usize), mut x: Vec<f64>, y: Numbers, prior: Option<Numbers>) -> Self {
        if p > 0 && x.chunks_exact(p).all(|row| row == &x[..p]) {
            x.truncate(p);
            x.shrink_to_fit();
        }
        GlmmRows { n, p, x, y, prior, repeats: None, offset: Vec::new() }
    }

    /// A row of X.
    #[inline(always)]
    pub(super) fn x(&self, row: usize) -> &[f64] {
        let at = if self.x.len() == self.p { 0 } else { row * self.p };
        &self.x[at..at + self.p]
    }

    /// Responses of some rows.
    pub(super) fn y_of(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        out.clear();
        out.extend(rows.map(|i| self.y.at(i)));
    }

    /// Prior weights of some rows.
    pub(super) fn prior_of(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        out.clear();
        match &self.prior {
            Some(w) => out.extend(rows.map(|i| w.at(i))),
            None => out.resize(rows.len(), 1.0),
        }
    }
}

/// Sums of a pass.
#[derive(Clone, Default)]
pub(super) struct PassSums {
    /// Log-likelihood without its free part.
    pub(super) value: f64,
    /// X'v.
    pub(super) x: Vec<f64>,
    /// Z'v of both halves.
    pub(super) z: [Vec<f64>; 2],
    /// Z'WZ of the levels of both halves.
    pub(super) squares: [Vec<f64>; 2],
}

/// The family at some rows.
#[derive(Default)]
struct AtRows {
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
    /// Fixed effects in the changed basis.
    pub(super) beta: &'a [f64],
    /// Random effects in the changed basis.
    pub(super) b: &'a [Vec<f64>; 2],
    pub(super) threads: usize,
}

/// Sums by effect of the rows of a part, which come in order; of each row some numbers.
struct ByEffect<'a> {
    g: &'a Graph,
    ones: bool,
    /// First level of the part, and level of the last row.
    first: usize,
    level: usize,
    /// Effects of the row.
    z: Vec<f64>,
}

impl<'a> ByEffect<'a> {
    fn new(g: &'a Graph, first: usize) -> Self {
        ByEffect { g, ones: g.is_ones(), first, level: first, z: vec![0.0; g.n_effects()] }
    }

    #[inline(always)]
    fn go_to(&mut self, row: usize) -> usize {
        while self.g.start[self.level + 1] <= row {
            self.level += 1;
        }
        self.level - self.first
    }

    /// Adds z v' to the sums of each effect.
    #[inline(always)]
    fn add(&mut self, row: usize, v: &[f64], [levels, places]: &mut [Vec<f64>; 2]) {
        let (level, m) = (self.go_to(row), v.len());
        let add = |to: &mut [f64], z: f64| to.iter_mut().zip(v).for_each(|(t, v)| *t += z * v);
        if self.ones {
            add(&mut levels[level * m..(level + 1) * m], 1.0);
            for &at in self.g.places(row) {
                add(&mut places[at as usize * m..(at as usize + 1) * m], 1.0);
            }
            return;
        }
        self.g.values(row, &mut self.z);
        let k1 = self.g.eliminated.k();
        let (own, mut rest) = self.z.split_at(k1);
        for (to, z) in levels[level * k1 * m..].chunks_exact_mut(m).zip(own) {
            add(to, *z);
        }
        for (p, &at) in self.g.others.iter().zip(self.g.places(row)) {
            for (to, z) in places[at as usize * m..].chunks_exact_mut(m).zip(&rest[..p.k()]) {
                add(to, *z);
            }
            rest = &rest[p.k()..];
        }
    }

    /// Adds z w z' to the squares of its levels, after the row was added.
    #[inline(always)]
    fn add_squares(&mut self, row: usize, w: f64, [levels, places]: &mut [Vec<f64>; 2]) {
        let level = self.level - self.first;
        if self.ones {
            levels[level] += w;
            self.g.places(row).iter().for_each(|&at| places[at as usize] += w);
            return;
        }
        let add = |to: &mut [f64], z: &[f64]| {
            for (to, a) in to.chunks_exact_mut(z.len()).zip(z) {
                to.iter_mut().zip(z).for_each(|(t, b)| *t += w * a * b);
            }
        };
        let k1 = self.g.eliminated.k();
        let (own, mut rest) = self.z.split_at(k1);
        add(&mut levels[level * k1 * k1..(level + 1) * k1 * k1], own);
        for (p, &at) in self.g.others.iter().zip(self.g.places(row)) {
            let k = p.k();
            let square = p.square + (at as usize - p.first) * k;
            add(&mut places[square..square + k * k], &rest[..k]);
            rest = &rest[k..];
        }
    }
}

impl Pass<'_> {
    /// Linear predictors of some rows; `level` is that of the first, and becomes that of the last.
    fn predictors_of(&self, rows: Range<usize>, level: &mut usize, eta: &mut Vec<f64>) {
        let (g, k1) = (self.g, self.g.eliminated.k());
        eta.clear();
        if self.rows.offset.is_empty() {
            eta.resize(rows.len(), 0.0);
        } else {
            eta.extend_from_slice(&self.rows.offset[rows.clone()]);
        }
        let ones = g.is_ones();
        let mut z = vec![0.0; g.n_effects()];
        for (row, eta) in rows.zip(eta) {
            while g.start[*level + 1] <= row {
                *level += 1;
            }
            *eta += self.rows.x(row).iter().zip(self.beta).map(|(x, b)| x * b).sum::<f64>();
            if ones {
                *eta += self.b[0][*level];
                g.places(row).iter().for_each(|&at| *eta += self.b[1][at as usize]);
                continue;
            }
            g.values(row, &mut z);
            let (own, mut rest) = z.split_at(k1);
            *eta += own.iter().zip(&self.b[0][*level * k1..]).map(|(z, b)| z * b).sum::<f64>();
            for (p, &at) in g.others.iter().zip(g.places(row)) {
                *eta += rest[..p.k()].iter().zip(&self.b[1][at as usize..]).map(|(z, b)| z * b).sum::<f64>();
                rest = &rest[p.k()..];
            }
        }
    }

    /// Runs `work` on every part with its rows of `weights` (which may be empty) and its sums, of
    /// which there are `cols` for each effect; the sums of the parts are added in order.
    fn by_parts(
        &self,
        mut weights: &mut [f32],
        (of_x, cols, squares): (usize, usize, bool),
        work: impl Fn(Range<usize>, &mut [f32], &mut PassSums) + Sync,
        watch: &dyn Watch,
    ) -> Result<PassSums, CoreError> {
        let g = self.g;
        let k1 = g.eliminated.k();
        let mut parts = Vec::with_capacity(g.parts.len());
        for part in &g.parts {
            let n = (g.start[part.end] - g.start[part.start]).min(weights.len());
            let (own, rest) = std::mem::take(&mut weights).split_at_mut(n);
            parts.push((part.clone(), own));
            weights = rest;
        }
        let square = |n: usize| if squares { n } else { 0 };
        let run = |(part, weights): (Range<usize>, &mut [f32])| {
            let mut sums = PassSums {
                value: 0.0,
                x: vec![0.0; of_x],
                z: [vec![0.0; part.len() * k1 * cols], vec![0.0; g.n_places() * cols]],
                squares: [vec![0.0; square(part.len() * k1 * k1)], vec![0.0; square(g.squares[1].len())]],
            };
            work(part, weights, &mut sums);
            sums
        };
        let mut out = PassSums {
            value: 0.0,
            x: vec![0.0; of_x],
            z: [Vec::new(), vec![0.0; g.n_places() * cols]],
            squares: [Vec::new(), vec![0.0; square(g.squares[1].len())]],
        };
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
        while !parts.is_empty() {
            watch.check()?;
            // no more sums at once than threads
            let now: Vec<_> = parts.drain(..self.threads.clamp(1, parts.len())).collect();
            let sums: Vec<PassSums> =
                if now.len() > 1 { now.into_par_iter().map(run).collect() } else { now.into_iter().map(run).collect() };
            for s in sums {
                out.value += s.value;
                add(&mut out.x, &s.x);
                add(&mut out.z[1], &s.z[1]);
                add(&mut out.squares[1], &s.squares[1]);
                out.z[0].extend(s.z[0].iter());
                out.squares[0].extend(s.squares[0].iter());
            }
        }
        Ok(out)
    }

    fn family_at(&self, rows: Range<usize>, level: &mut usize, more: bool, at: &mut AtRows) {
        let n = rows.len();
        self.rows.y_of(rows.clone(), &mut at.y);
        self.rows.prior_of(rows.clone(), &mut at.prior);
        self.predictors_of(rows, level, &mut at.eta);
        for v in [&mut at.l, &mut at.r, &mut at.wo, &mut at.dwo] {
            v.resize(n, 0.0);
        }
        let batch = Batch { y: &at.y, w: &at.prior, eta: &at.eta, extras: self.extras };
        let out = Derivatives { l: &mut at.l, r: &mut at.r, wo: &mut at.wo, dwo: &mut at.dwo };
        self.family.derivatives(batch, out);
        if more {
            let e = self.extras.len();
            for (i, v) in at.more.iter_mut().enumerate() {
                v.resize(if i < 2 { n } else { n * e }, 0.0);
            }
            let [w, dw, w_d, l_d, r_d, wo_d] = &mut at.more;
            self.family.more_derivatives(batch, MoreDerivatives { w, dw, w_d, l_d, r_d, wo_d });
        }
    }

    /// Batches of the rows of a part.
    fn batches(&self, part: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (from, to) = (self.g.start[part.start], self.g.start[part.end]);
        (from..to).step_by(BATCH).map(move |i| i..(i + BATCH).min(to))
    }

    /// Sums of dl/deta, and of the weights, which are put into `weights` (expected ones where asked
    /// for); the value is the log-likelihood without its free part.
    pub(super) fn derivatives(
        &self,
        weights: &mut [f32],
        expected: bool,
        watch: &dyn Watch,
    ) -> Result<PassSums, CoreError> {
        let work = |part: Range<usize>, weights: &mut [f32], sums: &mut PassSums| {
            let begin = self.g.start[part.start];
            let (mut at, mut level) = (AtRows::default(), part.start);
            let mut by_effect = ByEffect::new(self.g, part.start);
            for batch in self.batches(&part) {
                self.family_at(batch.clone(), &mut level, expected, &mut at);
                let of_rows = if expected { &at.more[0] } else { &at.wo };
                for (i, row) in batch.enumerate() {
                    let (r, w) = (at.r[i], of_rows[i] as f32);
                    weights[row - begin] = w;
                    sums.value += at.l[i];
                    sums.x.iter_mut().zip(self.rows.x(row)).for_each(|(t, x)| *t += x * r);
                    by_effect.add(row, &[r], &mut sums.z);
                    by_effect.add_squares(row, f64::from(w), &mut sums.squares);
                }
            }
        };
        self.by_parts(weights, (self.rows.p, 1, true), work, watch)
    }

    /// Sums of s = a dW/deta, `cols` numbers a of each row, which `fill` finds for a part.
    pub(super) fn third_derivatives(
        &self,
        cols: usize,
        fill: &(dyn Fn(Range<usize>, &mut [f64]) + Sync),
        watch: &dyn Watch,
    ) -> Result<PassSums, CoreError> {
        let work = |part: Range<usize>, _: &mut [f32], sums: &mut PassSums| {
            let begin = self.g.start[part.start];
            let mut a = vec![0.0; (self.g.start[part.end] - begin) * cols];
            fill(part.clone(), &mut a);
            let (mut at, mut level) = (AtRows::default(), part.start);
            let mut by_effect = ByEffect::new(self.g, part.start);
            for batch in self.batches(&part) {
                self.family_at(batch.clone(), &mut level, false, &mut at);
                for (i, row) in batch.enumerate() {
                    let s = &mut a[(row - begin) * cols..(row - begin + 1) * cols];
                    s.iter_mut().for_each(|s| *s *= at.dwo[i]);
                    for (to, x) in sums.x.chunks_exact_mut(cols).zip(self.rows.x(row)) {
                        to.iter_mut().zip(&*s).for_each(|(t, s)| *t += x * s);
                    }
                    by_effect.add(row, s, &mut sums.z);
                }
            }
        };
        self.by_parts(&mut [], (self.rows.p * cols, cols, false), work, watch)
    }

    /// X'WX and Z'WX, with the weights of the graph.
    pub(super) fn products_of_x(&self, watch: &dyn Watch) -> Result<PassSums, CoreError> {
        let p = self.rows.p;
        let work = |part: Range<usize>, _: &mut [f32], sums: &mut PassSums| {
            let mut by_effect = ByEffect::new(self.g, part.start);
            let mut wx = vec![0.0; p];
            for row in self.g.start[part.start]..self.g.start[part.end] {
                let (w, x) = (self.g.weight(row), self.rows.x(row));
                wx.iter_mut().zip(x).for_each(|(t, x)| *t = w * x);
                for (to, x) in sums.x.chunks_exact_mut(p).zip(x) {
                    to.iter_mut().zip(&wx).for_each(|(t, w)| *t += x * w);
                }
                by_effect.add(row, &wx, &mut sums.z);
            }
        };
        self.by_parts(&mut [], (p * p, p, false), work, watch)
    }

    /// Linear predictors.
    pub(super) fn predictors(&self) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.rows.n);
        let (mut level, mut eta) = (0, Vec::new());
        for from in (0..self.rows.n).step_by(BATCH) {
            self.predictors_of(from..(from + BATCH).min(self.rows.n), &mut level, &mut eta);
            out.extend_from_slice(&eta);
        }
        out
    }
}
