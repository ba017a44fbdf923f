//! The criterion from pattern moments, with its gradient and exact Hessian.
//!
//! Derivatives are first found with respect to the entries of R at all positions of a universe,
//! where those of two entries need no more than products of entries of W = R^-1 and two matrices
//! like it; the parameters of a structure then follow by the chain rule.

use super::covariance::{entry, Covariance, Filled};
use super::moments::{Moments, Pattern, Universe};
use crate::dense::kernels;
use std::f64::consts::PI;

/// R of every universe and its derivatives at one z.
pub struct At {
    /// R, t x t each.
    pub r: Vec<Vec<f64>>,
    /// First derivatives by universe.
    pub first: Vec<Vec<f64>>,
    /// Second derivatives by universe.
    pub second: Vec<Vec<f64>>,
}

/// How much of [`At`] is wanted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// R alone.
    Value,
    /// And its derivatives.
    First,
    /// And its second derivatives.
    Second,
}

impl At {
    /// Of a structure; none where R is not defined.
    pub fn of(c: &dyn Covariance, m: &Moments, z: &[f64], order: Order) -> Option<At> {
        let n = c.n();
        let mut at = At { r: Vec::new(), first: Vec::new(), second: Vec::new() };
        for (i, u) in m.universes.iter().enumerate() {
            let t2 = u.t * u.t;
            let mut r = vec![0.0; t2];
            let mut first = vec![0.0; if order >= Order::First { n * t2 } else { 0 }];
            let mut second = vec![0.0; if order == Order::Second { n * (n + 1) / 2 * t2 } else { 0 }];
            if !c.fill(i, z, Filled { r: &mut r, first: &mut first, second: &mut second }) {
                return None;
            }
            at.r.push(r);
            at.first.push(first);
            at.second.push(second);
        }
        Some(at)
    }
}

/// The criterion at one R, in the changed basis; [`Moments::constant`] is the rest.
pub struct Evaluated {
    /// Whether under REML.
    pub reml: bool,
    /// Criterion.
    pub criterion: f64,
    /// log|R| of all subjects.
    pub log_det: f64,
    /// Lower Cholesky factor of \[X y\]'W\[X y\].
    pub root: Vec<f64>,
    /// log|R_X|.
    pub log_det_rx: f64,
    /// Residual sum of squares.
    pub r2: f64,
    /// Generalised least squares coefficients.
    pub beta: Vec<f64>,
    /// (X'WX)^-1.
    pub inverse: Vec<f64>,
    /// W of each pattern, by universe.
    pub w: Vec<Vec<Vec<f64>>>,
}

/// Derivatives with respect to entries (pairs a <= b of each universe, one after another).
pub struct Entries {
    /// Where each universe's begin, and the number of all.
    pub starts: Vec<usize>,
    /// Gradient of the criterion at given sigma: tr(T~ R_e) - (nu / r2) h'R_e h.
    pub gradient: Vec<f64>,
    /// h'R_e h.
    pub forms: Vec<f64>,
    /// X'W R_e h.
    pub cross: Vec<f64>,
    /// -X'W R_e W X.
    pub slopes: Vec<f64>,
    /// For each universe, tr(R_e W R_f K) summed over patterns, for pairs of its entries: with
    /// K = -m W + 2 W X C^-1 X'W + 2 (nu / r2) W E W.
    pub pairs: Vec<Vec<f64>>,
}

impl Evaluated {
    /// The criterion; none where R or X'WX is not positive definite.
    pub fn of(m: &Moments, r: &[Vec<f64>], reml: bool) -> Option<Evaluated> {
        kernels::vectorised(
            #[inline(always)]
            || Self::of_impl(m, r, reml),
        )
    }

    #[inline(always)]
    fn of_impl(m: &Moments, r: &[Vec<f64>], reml: bool) -> Option<Evaluated> {
        let p = m.p();
        let pw = p + 1;
        let mut sums = vec![0.0; pw * pw];
        let mut log_det = 0.0;
        let mut w_all = Vec::with_capacity(m.universes.len());
        for (u, r) in m.universes.iter().zip(r) {
            let mut of_universe = Vec::with_capacity(u.patterns.len());
            for pattern in &u.patterns {
                let s = pattern.visits.len();
                let mut l = vec![0.0; s * s];
                for (j, &a) in pattern.visits.iter().enumerate() {
                    for (k, &b) in pattern.visits.iter().enumerate() {
                        l[j * s + k] = r[a * u.t + b];
                    }
                }
                if !kernels::cholesky::<0>(&mut l, s) {
                    return None;
                }
                log_det += pattern.m * 2.0 * (0..s).map(|i| l[i * s + i].ln()).sum::<f64>();
                let mut w = vec![0.0; s * s];
                kernels::inverse_of_product::<0>(&l, s, &mut w);
                add_weighted(u, pattern, &w, pw, &mut sums);
                of_universe.push(w);
            }
            w_all.push(of_universe);
        }
        let mut root = sums;
        if !kernels::cholesky::<0>(&mut root, pw) {
            return None;
        }
        let log_det_rx = (0..p).map(|i| root[i * pw + i].ln()).sum::<f64>();
        let r2 = root[p * pw + p].powi(2);
        let nu = m.nu(reml);
        let mut criterion = log_det + nu * (1.0 + (2.0 * PI * r2 / nu).ln());
        if reml {
            criterion += 2.0 * log_det_rx;
        }
        let mut rx = vec![0.0; p * p];
        (0..p).for_each(|i| rx[i * p..=i * p + i].copy_from_slice(&root[i * pw..=i * pw + i]));
        let mut beta: Vec<f64> = root[p * pw..p * pw + p].to_vec();
        kernels::backward::<0>(&rx, p, &mut beta, 1);
        let mut inverse = vec![0.0; p * p];
        kernels::inverse_of_product::<0>(&rx, p, &mut inverse);
        criterion.is_finite().then_some(Evaluated {
            reml,
            criterion,
            log_det,
            root,
            log_det_rx,
            r2,
            beta,
            inverse,
            w: w_all,
        })
    }

    /// R_X, lower, p x p.
    pub fn root_of_fixed(&self) -> Vec<f64> {
        let p = self.beta.len();
        let mut out = vec![0.0; p * p];
        (0..p).for_each(|i| out[i * p..=i * p + i].copy_from_slice(&self.root[i * (p + 1)..=i * (p + 1) + i]));
        out
    }

    /// Rounding error to expect of the criterion.
    pub fn noise(&self, m: &Moments) -> f64 {
        1e-14 * (self.criterion.abs() + m.nu(self.reml))
    }

    /// Sums of products of residuals at pairs of positions of a pattern.
    pub fn residual_products(&self, u: &Universe, pattern: &Pattern) -> Vec<f64> {
        let mut v: Vec<f64> = self.beta.iter().map(|b| -b).collect();
        v.push(1.0);
        self.contracted(u, pattern, &v).0
    }

    /// Derivatives with respect to entries; those that the Hessian needs where it is wanted.
    pub fn entries(&self, m: &Moments, second: bool) -> Entries {
        kernels::vectorised(
            #[inline(always)]
            || self.entries_impl(m, second),
        )
    }

    #[inline(always)]
    fn entries_impl(&self, m: &Moments, second: bool) -> Entries {
        let p = m.p();
        let scale = m.nu(self.reml) / self.r2;
        let mut starts = vec![0];
        for u in &m.universes {
            starts.push(starts.last().copied().unwrap_or(0) + u.t * (u.t + 1) / 2);
        }
        let all = *starts.last().unwrap_or(&0);
        let mut out = Entries {
            gradient: vec![0.0; all],
            forms: vec![0.0; all],
            cross: vec![0.0; if second { all * p } else { 0 }],
            slopes: vec![0.0; if second { all * p * p } else { 0 }],
            pairs: Vec::new(),
            starts,
        };
        // (-b, 1): residuals are products of the rows with it
        let mut v: Vec<f64> = self.beta.iter().map(|b| -b).collect();
        v.push(1.0);
        for (i, u) in m.universes.iter().enumerate() {
            let n_entries = u.t * (u.t + 1) / 2;
            let mut pairs = vec![0.0; if second { n_entries * n_entries } else { 0 }];
            let begin = out.starts[i];
            for (pattern, w) in u.patterns.iter().zip(&self.w[i]) {
                let s = pattern.visits.len();
                let (e, xc) = self.contracted(u, pattern, &v);
                let g = both_sides(w, &e, s);
                let xcw = if self.reml { both_sides(w, &xc, s) } else { vec![0.0; s * s] };
                for b in 0..s {
                    for a in 0..=b {
                        let t = begin + entry(pattern.visits[a], pattern.visits[b]);
                        let f = if a == b { 1.0 } else { 2.0 };
                        let at = a * s + b;
                        out.gradient[t] += f * (pattern.m * w[at] - xcw[at] - scale * g[at]);
                        out.forms[t] += f * g[at];
                    }
                }
                if second {
                    let k: Vec<f64> =
                        (0..s * s).map(|t| -pattern.m * w[t] + 2.0 * xcw[t] + 2.0 * scale * g[t]).collect();
                    add_pairs(&pattern.visits, w, &k, n_entries, &mut pairs);
                    add_cross(u, pattern, w, &v, p, &mut out.cross[begin * p..]);
                    add_slopes(u, pattern, w, p, &mut out.slopes[begin * p * p..]);
                }
            }
            out.pairs.push(pairs);
        }
        out
    }

    /// For pairs of positions of a pattern the sums of products of residuals, and of x'C^-1 x.
    #[inline(always)]
    fn contracted(&self, u: &Universe, pattern: &Pattern, v: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let s = pattern.visits.len();
        let p = v.len() - 1;
        let (mut e, mut xc) = (vec![0.0; s * s], vec![0.0; s * s]);
        for k in 0..s {
            let right = &u.columns[pattern.visits[k]];
            for j in 0..=k {
                let left = &u.columns[pattern.visits[j]];
                let products = &pattern.products[pattern.starts[entry(j, k)]..];
                let (mut sum_e, mut sum_x) = (0.0, 0.0);
                for (row, &a) in products.chunks_exact(right.len()).zip(left) {
                    let mut along = 0.0;
                    for (x, &b) in row.iter().zip(right) {
                        along += x * v[b];
                    }
                    sum_e += v[a] * along;
                    if self.reml && a < p {
                        let c = &self.inverse[a * p..(a + 1) * p];
                        let mut along = 0.0;
                        for (x, &b) in row[..right.len() - 1].iter().zip(right) {
                            along += x * c[b];
                        }
                        sum_x += along;
                    }
                }
                (e[j * s + k], e[k * s + j]) = (sum_e, sum_e);
                (xc[j * s + k], xc[k * s + j]) = (sum_x, sum_x);
            }
        }
        (e, xc)
    }
}

/// Adds sum_jk A_jk M\[j, k\] to `sums`, whole.
#[inline(always)]
pub fn add_weighted(u: &Universe, pattern: &Pattern, a: &[f64], pw: usize, sums: &mut [f64]) {
    let s = pattern.visits.len();
    for k in 0..s {
        let right = &u.columns[pattern.visits[k]];
        for j in 0..=k {
            let left = &u.columns[pattern.visits[j]];
            let products = &pattern.products[pattern.starts[entry(j, k)]..];
            let f = a[j * s + k];
            for (row, &x) in products.chunks_exact(right.len()).zip(left) {
                for (value, &y) in row.iter().zip(right) {
                    sums[x * pw + y] += f * value;
                    if j != k {
                        sums[y * pw + x] += f * value;
                    }
                }
            }
        }
    }
}

/// W A W.
#[inline(always)]
pub fn both_sides(w: &[f64], a: &[f64], s: usize) -> Vec<f64> {
    let (mut half, mut out) = (vec![0.0; s * s], vec![0.0; s * s]);
    kernels::multiply(w, a, s, s, s, &mut half);
    kernels::multiply(&half, w, s, s, s, &mut out);
    out
}

/// Adds tr(E_e W E_f K) for all pairs of entries, E_e the symmetric unit matrix of an entry.
#[inline(always)]
pub fn add_pairs(visits: &[usize], w: &[f64], k: &[f64], n_entries: usize, pairs: &mut [f64]) {
    let s = visits.len();
    for b in 0..s {
        for a in 0..=b {
            let e = entry(visits[a], visits[b]);
            let half = if a == b { 0.5 } else { 1.0 };
            for d in 0..=b {
                let last = if d == b { a } else { d };
                for c in 0..=last {
                    let f = entry(visits[c], visits[d]);
                    let share = half * if c == d { 0.5 } else { 1.0 };
                    let value = share
                        * (w[b * s + c] * k[d * s + a]
                            + w[b * s + d] * k[c * s + a]
                            + w[a * s + c] * k[d * s + b]
                            + w[a * s + d] * k[c * s + b]);
                    pairs[e * n_entries + f] += value;
                    if e != f {
                        pairs[f * n_entries + e] += value;
                    }
                }
            }
        }
    }
}

/// Adds X'W E_e h for all entries of a pattern.
#[inline(always)]
fn add_cross(u: &Universe, pattern: &Pattern, w: &[f64], v: &[f64], p: usize, cross: &mut [f64]) {
    let s = pattern.visits.len();
    // q[j, k] = sum of x_j e_k, p numbers each
    let mut q = vec![0.0; s * s * p];
    for k in 0..s {
        let right = &u.columns[pattern.visits[k]];
        for j in 0..=k {
            let left = &u.columns[pattern.visits[j]];
            let products = &pattern.products[pattern.starts[entry(j, k)]..];
            for (row, &x) in products.chunks_exact(right.len()).zip(left) {
                let mut along = 0.0;
                for (value, &y) in row.iter().zip(right) {
                    along += value * v[y];
                    if j != k && y < p {
                        q[(k * s + j) * p + y] += value * v[x];
                    }
                }
                if x < p {
                    q[(j * s + k) * p + x] += along;
                }
            }
        }
    }
    // X'W at a times h at b
    let mut half = vec![0.0; s * s * p];
    let mut whole = vec![0.0; s * s * p];
    kernels::multiply(w, &q, s, s, s * p, &mut half);
    for a in 0..s {
        for b in 0..s {
            let out = &mut whole[(a * s + b) * p..(a * s + b + 1) * p];
            for k in 0..s {
                let f = w[k * s + b];
                for (t, x) in out.iter_mut().zip(&half[(a * s + k) * p..(a * s + k + 1) * p]) {
                    *t += f * x;
                }
            }
        }
    }
    for b in 0..s {
        for a in 0..=b {
            let e = entry(pattern.visits[a], pattern.visits[b]);
            let out = &mut cross[e * p..(e + 1) * p];
            for c in 0..p {
                out[c] += whole[(a * s + b) * p + c];
                if a != b {
                    out[c] += whole[(b * s + a) * p + c];
                }
            }
        }
    }
}

/// Adds -X'W E_e W X for all entries of a pattern, p x p each.
#[inline(always)]
fn add_slopes(u: &Universe, pattern: &Pattern, w: &[f64], p: usize, slopes: &mut [f64]) {
    let s = pattern.visits.len();
    let mut half: Vec<Vec<f64>> = Vec::with_capacity(s);
    for b in 0..s {
        // N_j = sum_k W_bk M[j, k]: columns of j by p, one after another
        let mut n: Vec<f64> = Vec::new();
        for j in 0..s {
            let left = &u.columns[pattern.visits[j]];
            let begin = n.len();
            n.resize(begin + (left.len() - 1) * p, 0.0);
            let out = &mut n[begin..];
            for k in 0..s {
                let f = w[b * s + k];
                let right = &u.columns[pattern.visits[k]];
                if j <= k {
                    let products = &pattern.products[pattern.starts[entry(j, k)]..];
                    for (row, out) in products.chunks_exact(right.len()).zip(out.chunks_exact_mut(p)) {
                        for (value, &y) in row[..right.len() - 1].iter().zip(right) {
                            out[y] += f * value;
                        }
                    }
                } else {
                    let products = &pattern.products[pattern.starts[entry(k, j)]..];
                    for (row, &y) in products.chunks_exact(left.len()).zip(&right[..right.len() - 1]) {
                        for (value, out) in row[..left.len() - 1].iter().zip(out.chunks_exact_mut(p)) {
                            out[y] += f * value;
                        }
                    }
                }
            }
        }
        half.push(n);
    }
    let mut z = vec![0.0; p * p];
    for b in 0..s {
        for a in 0..=b {
            z.fill(0.0);
            let mut at = 0;
            for j in 0..s {
                let f = w[a * s + j];
                let left = &u.columns[pattern.visits[j]];
                for &x in &left[..left.len() - 1] {
                    let row = &half[b][at..at + p];
                    for (t, value) in z[x * p..(x + 1) * p].iter_mut().zip(row) {
                        *t += f * value;
                    }
                    at += p;
                }
            }
            let e = entry(pattern.visits[a], pattern.visits[b]);
            let out = &mut slopes[e * p * p..(e + 1) * p * p];
            for x in 0..p {
                for y in 0..p {
                    out[x * p + y] -= if a == b { z[x * p + y] } else { z[x * p + y] + z[y * p + x] };
                }
            }
        }
    }
}
