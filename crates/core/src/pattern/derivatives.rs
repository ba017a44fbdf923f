//! From derivatives with respect to entries of R to those with respect to parameters.

use super::covariance::{entry, Covariance};
use super::criterion::{At, Entries, Evaluated, Order};
use super::moments::Moments;
use crate::dense::kernels;

/// Derivatives of the criterion, and what degrees of freedom are made of.
pub struct Derivatives {
    /// Number of parameters.
    pub n: usize,
    /// Gradient.
    pub gradient: Vec<f64>,
    /// Exact Hessian.
    pub hessian: Vec<f64>,
    /// Derivative of r2 by each parameter.
    pub r2: Vec<f64>,
    /// K' P_k K with P_k the derivative of X'WX and K K' = (X'WX)^-1: p x p each.
    pub slopes: Vec<f64>,
}

/// Derivatives of the entries by each parameter: entries x n, and the same contracted with weights
/// for pairs of parameters.
pub struct Jacobian {
    /// Number of parameters.
    pub n: usize,
    /// Entries x n, row-major.
    pub j: Vec<f64>,
}

impl Jacobian {
    /// Of R by z.
    pub fn of(m: &Moments, at: &At, n: usize) -> Jacobian {
        let mut j = Vec::new();
        for (u, first) in m.universes.iter().zip(&at.first) {
            for b in 0..u.t {
                for a in 0..=b {
                    j.extend((0..n).map(|k| first[k * u.t * u.t + a * u.t + b]));
                }
            }
        }
        Jacobian { n, j }
    }

    /// With one more parameter, the logarithm of a factor of R.
    pub fn with_scale(&self, m: &Moments, at: &At) -> Jacobian {
        let n = self.n;
        let mut j = Vec::with_capacity(self.j.len() / n.max(1) * (n + 1));
        let mut e = 0;
        for (u, r) in m.universes.iter().zip(&at.r) {
            for b in 0..u.t {
                for a in 0..=b {
                    j.extend_from_slice(&self.j[e * n..(e + 1) * n]);
                    j.push(r[a * u.t + b]);
                    e += 1;
                }
            }
        }
        Jacobian { n: n + 1, j }
    }

    /// Entries of the gradient by parameter.
    pub fn pull(&self, of_entries: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.n];
        for (row, f) in self.j.chunks_exact(self.n.max(1)).zip(of_entries) {
            out.iter_mut().zip(row).for_each(|(t, v)| *t += f * v);
        }
        out
    }

    /// Blocks of `width` numbers by entry, to blocks by parameter.
    pub fn pull_blocks(&self, of_entries: &[f64], width: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.n * width];
        for (row, block) in self.j.chunks_exact(self.n.max(1)).zip(of_entries.chunks_exact(width.max(1))) {
            for (k, &f) in row.iter().enumerate().filter(|(_, f)| **f != 0.0) {
                out[k * width..(k + 1) * width].iter_mut().zip(block).for_each(|(t, v)| *t += f * v);
            }
        }
        out
    }

    /// J' A J for A block diagonal over universes.
    pub fn pull_pairs(&self, starts: &[usize], pairs: &[Vec<f64>]) -> Vec<f64> {
        let n = self.n;
        let mut out = vec![0.0; n * n];
        let mut row = vec![0.0; n];
        for (i, a) in pairs.iter().enumerate() {
            let size = starts[i + 1] - starts[i];
            let j = &self.j[starts[i] * n..starts[i + 1] * n];
            for e in 0..size {
                let own = &j[e * n..(e + 1) * n];
                if own.iter().all(|v| *v == 0.0) {
                    continue;
                }
                row.fill(0.0);
                for (f, x) in j.chunks_exact(n.max(1)).zip(&a[e * size..(e + 1) * size]) {
                    if *x != 0.0 {
                        row.iter_mut().zip(f).for_each(|(t, v)| *t += x * v);
                    }
                }
                for (k, &f) in own.iter().enumerate().filter(|(_, f)| **f != 0.0) {
                    out[k * n..(k + 1) * n].iter_mut().zip(&row).for_each(|(t, v)| *t += f * v);
                }
            }
        }
        out
    }
}

/// Adds the sums of `weights` by entry times the second derivatives of R by pairs of parameters to
/// `out` (rows of `stride` numbers).
pub fn add_second(m: &Moments, c: &dyn Covariance, z: &[f64], weights: &[f64], stride: usize, out: &mut [f64]) {
    let n = c.n();
    let mut begin = 0;
    let mut sums = vec![0.0; n * n];
    for (i, u) in m.universes.iter().enumerate() {
        let t = u.t;
        let mut of = vec![0.0; t * t];
        for b in 0..t {
            for a in 0..=b {
                let f = weights[begin + entry(a, b)];
                if a == b {
                    of[a * t + a] = f;
                } else {
                    (of[a * t + b], of[b * t + a]) = (0.5 * f, 0.5 * f);
                }
            }
        }
        begin += t * (t + 1) / 2;
        c.add_curvature(i, z, &of, &mut sums);
    }
    for k in 0..n {
        for l in 0..n {
            out[k * stride + l] += sums[k * n + l];
        }
    }
}

impl Derivatives {
    /// Of the criterion with sigma at its optimum, by z.
    pub fn of(m: &Moments, c: &dyn Covariance, z: &[f64], e: &Evaluated) -> Option<Derivatives> {
        let n = c.n();
        let at = At::of(c, m, z, Order::First)?;
        let entries = e.entries(m, true);
        let j = Jacobian::of(m, &at, n);
        let mut d = Self::at_sigma(m, e, &entries, &j);
        add_second(m, c, z, &entries.gradient, n, &mut d.hessian);
        let nu = m.nu(e.reml);
        let f = nu / (e.r2 * e.r2);
        for k in 0..n {
            for l in 0..n {
                d.hessian[k * n + l] -= f * d.r2[k] * d.r2[l];
            }
        }
        Some(d)
    }

    /// At given sigma, without the second derivatives of R.
    pub fn at_sigma(m: &Moments, e: &Evaluated, entries: &Entries, j: &Jacobian) -> Derivatives {
        let (n, p) = (j.n, m.p());
        let nu = m.nu(e.reml);
        let gradient = j.pull(&entries.gradient);
        let r2: Vec<f64> = j.pull(&entries.forms).iter().map(|v| -v).collect();
        let mut hessian = j.pull_pairs(&entries.starts, &entries.pairs);
        let rx = e.root_of_fixed();
        // R_X^-1 X'W R_k h
        let cross = j.pull_blocks(&entries.cross, p);
        let mut solved = vec![0.0; p * n];
        for k in 0..n {
            (0..p).for_each(|c| solved[c * n + k] = cross[k * p + c]);
        }
        kernels::forward::<0>(&rx, p, &mut solved, n);
        let f = 2.0 * nu / e.r2;
        for k in 0..n {
            for l in 0..n {
                let dot: f64 = (0..p).map(|c| solved[c * n + k] * solved[c * n + l]).sum();
                hessian[k * n + l] -= f * dot;
            }
        }
        let mut slopes = j.pull_blocks(&entries.slopes, p * p);
        for block in slopes.chunks_exact_mut((p * p).max(1)) {
            whiten(&rx, p, block);
        }
        if e.reml {
            for k in 0..n {
                let a = &slopes[k * p * p..(k + 1) * p * p];
                for l in 0..=k {
                    let b = &slopes[l * p * p..(l + 1) * p * p];
                    let dot: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
                    hessian[k * n + l] -= dot;
                    if k != l {
                        hessian[l * n + k] -= dot;
                    }
                }
            }
        }
        Derivatives { n, gradient, hessian, r2, slopes }
    }
}

/// R_X^-1 A R_X'^-1 for a symmetric A, in place.
pub fn whiten(rx: &[f64], p: usize, a: &mut [f64]) {
    kernels::forward::<0>(rx, p, a, p);
    for i in 0..p {
        for j in 0..i {
            a.swap(i * p + j, j * p + i);
        }
    }
    kernels::forward::<0>(rx, p, a, p);
}
