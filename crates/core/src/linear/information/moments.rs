//! The quantities of one fit that both methods are made of.

use super::blocks::MarginalBlocks;
use super::traces::Traces;
use super::{coordinates, Runner};
use crate::dense::{kernels, large};
use crate::error::CoreError;
use crate::linear::criterion::Evaluator;
use crate::linear::score::Score;
use crate::linear::system::System;

/// A variance (x = y) or covariance of a factor's effects x >= y.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its grouping factor.
    pub factor: usize,
    /// Its later effect.
    pub x: usize,
    /// Its earlier effect.
    pub y: usize,
}

impl Parameter {
    /// The derivative of D.
    pub fn direction(&self) -> Direction {
        let pairs = [(self.x, self.y, 1.0), (self.y, self.x, 1.0)];
        Direction { factor: self.factor, pairs: pairs[..1 + usize::from(self.x != self.y)].to_vec() }
    }
}

/// The derivative J of D by one parameter.
#[derive(Clone, Debug)]
pub struct Direction {
    /// The grouping factor of the parameter.
    pub factor: usize,
    /// Entries that are not zero: two effects, and the derivative of their covariance.
    pub pairs: Vec<(usize, usize, f64)>,
}

impl Direction {
    /// The ordered pairs of effects that it joins, with their weights.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        self.pairs.iter().copied()
    }
}

/// See the module; symbols as there.
pub struct Moments {
    /// Derivatives of D by the parameters.
    pub parameters: Vec<Direction>,
    /// D as a sum of them.
    pub d: Vec<f64>,
    /// tr(H J_r).
    pub trace: Vec<f64>,
    /// tr(H J_r H J_c), row-major.
    pub traces: Vec<f64>,
    /// Number of columns of [F g].
    pub width: usize,
    /// [F g]'J_r [F g] for each parameter.
    pub p: Vec<Vec<f64>>,
    /// [F g]'J_r H J_c [F g] for each pair of parameters, row-major.
    pub q: Vec<Vec<f64>>,
    /// For each factor the traces of the blocks of H of its effects i, j at `i * k + j`.
    pub own: Vec<Vec<f64>>,
    /// For each factor the sums over levels of [F g]_i'[F g]_j at `i * k + j`.
    pub cross: Vec<Vec<Vec<f64>>>,
}

/// Parameters of all free blocks.
pub fn parameters(sys: &System) -> Vec<Parameter> {
    let mut out = Vec::new();
    for b in &sys.blocks {
        for x in 0..b.k {
            out.extend((0..=x).map(|y| Parameter { factor: b.factor, x: b.offset + x, y: b.offset + y }));
        }
    }
    out
}

impl Moments {
    /// In all variances and covariances, block by block, at the Lambda last factored, whose effects
    /// are in the score.
    pub fn of(sys: &System, e: &Evaluator, score: &Score, runner: Runner<'_>) -> Result<Self, CoreError> {
        let all = parameters(sys);
        let of = |r: &Parameter| {
            let (l, k) = (&e.lambda[r.factor], sys.factors[r.factor].k);
            (0..k).map(|c| l[r.x * k + c] * l[r.y * k + c]).sum()
        };
        let d = all.iter().map(of).collect();
        Self::along(sys, e, score, runner, (all.iter().map(Parameter::direction).collect(), d))
    }

    /// The same in other parameters: derivatives of D by them, and D as a sum of these.
    pub fn along(
        sys: &System,
        e: &Evaluator,
        score: &Score,
        runner: Runner<'_>,
        (parameters, d): (Vec<Direction>, Vec<f64>),
    ) -> Result<Self, CoreError> {
        let h = MarginalBlocks::new(sys, &e.lambda, runner)?;
        let traces = Traces::of(&h)?;
        let ks: Vec<usize> = sys.factors.iter().map(|f| f.k).collect();
        let n = parameters.len();
        let width = sys.cp.pw;
        let fg = fixed_and_residual(sys, e, score, &h);
        let cross = cross_products(sys, &h, &fg, width);
        let mut out = Moments {
            d,
            trace: parameters
                .iter()
                .map(|r| r.pairs().map(|(i, j, w)| w * traces.own[r.factor][j * ks[r.factor] + i]).sum())
                .collect(),
            traces: vec![0.0; n * n],
            width,
            p: Vec::with_capacity(n),
            q: vec![Vec::new(); n * n],
            own: traces.own.clone(),
            cross,
            parameters,
        };
        for (r, a) in out.parameters.iter().enumerate() {
            let k = ks[a.factor];
            out.p.push(sum_of(a.pairs().map(|(i, j, w)| (&out.cross[a.factor][i * k + j], w)), width));
            for (c, b) in out.parameters.iter().enumerate() {
                // tr(H E_ij H E_mn) is the sum of the products of blocks (j, m) and (i, n)
                out.traces[r * n + c] = a
                    .pairs()
                    .flat_map(|(i, j, w)| b.pairs().map(move |(m, l, v)| ((a.factor, j, i), (b.factor, m, l), w * v)))
                    .map(|(left, right, w)| w * traces.product(left, right, &ks))
                    .sum();
            }
        }
        for c in 0..n {
            runner.check()?;
            let moved = h.times(&apply(&h, &out.parameters[c], ks[out.parameters[c].factor], &fg, width), width);
            for r in 0..=c {
                let a = &out.parameters[r];
                let found = form(&h, a, ks[a.factor], sys.factors[a.factor].n_levels, &fg, &moved, width);
                out.q[c * n + r] = transposed(&found, width);
                out.q[r * n + c] = found;
            }
        }
        Ok(out)
    }
}

/// [F g], q x (p + 1), row-major in the order of the blocks.
fn fixed_and_residual(sys: &System, e: &Evaluator, score: &Score, h: &MarginalBlocks<'_>) -> Vec<f64> {
    let pw = sys.cp.pw;
    let to = coordinates(sys, e, score);
    let mut out = vec![0.0; h.q() * pw];
    for (f, fs) in sys.factors.iter().enumerate() {
        let rows = fs.n_levels * fs.k;
        let at = h.start(f) * pw;
        let target = &mut out[at..at + rows * pw];
        if pw >= large::MANY {
            large::multiply(&sys.cp.ztw[f], &to, rows, pw, pw, target);
        } else {
            kernels::multiply(&sys.cp.ztw[f], &to, rows, pw, pw, target);
        }
    }
    h.reduce(&mut out, pw);
    out
}

/// For each factor the sums over levels of the products of the rows of its effects.
fn cross_products(sys: &System, h: &MarginalBlocks<'_>, v: &[f64], width: usize) -> Vec<Vec<Vec<f64>>> {
    let mut out = Vec::new();
    for (f, fs) in sys.factors.iter().enumerate() {
        let mut of_factor = vec![vec![0.0; width * width]; fs.k * fs.k];
        if width >= large::MANY {
            let rows = &v[h.start(f) * width..];
            for (t, target) in of_factor.iter_mut().enumerate() {
                let (a, b) = (&rows[t / fs.k * width..], &rows[t % fs.k * width..]);
                large::add_products_of_rows(a, b, fs.n_levels, fs.k * width, width, target);
            }
            out.push(of_factor);
            continue;
        }
        for l in 0..fs.n_levels {
            let rows = &v[(h.start(f) + l * fs.k) * width..][..fs.k * width];
            for (t, target) in of_factor.iter_mut().enumerate() {
                add_outer(&rows[t / fs.k * width..][..width], &rows[t % fs.k * width..][..width], target);
            }
        }
        out.push(of_factor);
    }
    out
}

/// J v.
fn apply(h: &MarginalBlocks<'_>, r: &Direction, k: usize, v: &[f64], width: usize) -> Vec<f64> {
    let mut out = vec![0.0; v.len()];
    let levels = h.levels(r.factor);
    for (i, j, w) in r.pairs() {
        for first in (0..levels).map(|l| h.start(r.factor) + l * k) {
            let source = &v[(first + j) * width..(first + j + 1) * width];
            out[(first + i) * width..(first + i + 1) * width].iter_mut().zip(source).for_each(|(t, v)| *t += w * v);
        }
    }
    out
}

/// a'J b.
fn form(
    h: &MarginalBlocks<'_>,
    r: &Direction,
    k: usize,
    levels: usize,
    a: &[f64],
    b: &[f64],
    width: usize,
) -> Vec<f64> {
    let mut out = vec![0.0; width * width];
    let mut of_pair = vec![0.0; width * width];
    for (i, j, w) in r.pairs() {
        of_pair.fill(0.0);
        if width >= large::MANY {
            let first = h.start(r.factor);
            let (a, b) = (&a[(first + i) * width..], &b[(first + j) * width..]);
            large::add_products_of_rows(a, b, levels, k * width, width, &mut of_pair);
        } else {
            for first in (0..levels).map(|l| h.start(r.factor) + l * k) {
                add_outer(&a[(first + i) * width..][..width], &b[(first + j) * width..][..width], &mut of_pair);
            }
        }
        out.iter_mut().zip(&of_pair).for_each(|(t, v)| *t += w * v);
    }
    out
}

/// out += a b'.
fn add_outer(a: &[f64], b: &[f64], out: &mut [f64]) {
    for (row, x) in out.chunks_exact_mut(b.len()).zip(a) {
        row.iter_mut().zip(b).for_each(|(t, y)| *t += x * y);
    }
}

fn sum_of<'a>(all: impl Iterator<Item = (&'a Vec<f64>, f64)>, width: usize) -> Vec<f64> {
    let mut out = vec![0.0; width * width];
    all.for_each(|(m, w)| out.iter_mut().zip(m).for_each(|(t, v)| *t += w * v));
    out
}

fn transposed(m: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|t| m[t % n * n + t / n]).collect()
}
