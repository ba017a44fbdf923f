//! Adaptive Gauss-Hermite quadrature for one grouping factor with few effects per level.
//!
//! | formula | identifier |
//! | --- | --- |
//! | nodes u_j = u + sqrt2 R^-T z_j, M = R R' | `node` |
//! | log L = -(k/2) log pi - log det R + logsumexp_j { log w_j + z_j'z_j - h(u_j) } | `Nodes::log_l` |
//! | pi_j, h'_j, gbar, G, N, Q = R^-T N R^-1 | as written; Q takes the place of M^-1 |
//!
//! With sampling weights the effects u of a level of weight W are sqrt(W) times those of the model
//! and h is W times its own: nodes lie sqrt(W) further out, exponents are h / W, the log
//! likelihood of the level counts W times, and N = W I - sqrt(2 W) (...).

use super::nested::NestedShape;
use super::pirls::Modes;
use super::system::GlmmSystem;
use crate::dense::kernels;
use crate::families::{Batch, Derivatives, MoreDerivatives};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Most numbers stored for one chunk of groups.
pub(super) const CHUNK: usize = 1 << 17;

/// A product rule for the weight exp(-z'z).
pub struct Rule {
    n: usize,
    k: usize,
    /// Nodes, k numbers each.
    z: Vec<f64>,
    /// Logarithm of each weight plus z'z.
    log_w: Vec<f64>,
}

impl Rule {
    /// `n` nodes in each of `k` dimensions.
    pub fn new(n: usize, k: usize) -> Self {
        let one = in_one_dimension(n);
        let (x, log_w1) = &*one;
        let total = n.pow(k as u32);
        let mut z = Vec::with_capacity(total * k);
        let mut log_w = Vec::with_capacity(total);
        for j in 0..total {
            let mut rest = j;
            let mut w = 0.0;
            for _ in 0..k {
                let i = rest % n;
                rest /= n;
                z.push(x[i]);
                w += log_w1[i] + x[i] * x[i];
            }
            log_w.push(w);
        }
        Rule { n, k, z, log_w }
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.log_w.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.log_w.is_empty()
    }

    /// A node of a rule in one dimension.
    pub(super) fn node(&self, i: usize) -> f64 {
        self.z[i]
    }

    /// Logarithm of a weight plus z'z.
    pub(super) fn log_weight(&self, i: usize) -> f64 {
        self.log_w[i]
    }

    /// A node in all its dimensions.
    pub(super) fn point(&self, j: usize) -> &[f64] {
        &self.z[j * self.k..(j + 1) * self.k]
    }

    /// Whether it has `n` nodes in each of `k` dimensions.
    pub fn is(&self, n: usize, k: usize) -> bool {
        self.n == n && self.k == k
    }
}

type OneDimension = (Vec<f64>, Vec<f64>);

/// The rule in one dimension, made once: models of single clusters are many.
fn in_one_dimension(n: usize) -> Arc<OneDimension> {
    static MADE: Mutex<BTreeMap<usize, Arc<OneDimension>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(|e| e.into_inner());
    made.entry(n).or_insert_with(|| Arc::new(gauss_hermite(n))).clone()
}

/// Nodes and logarithms of the weights of the Gauss-Hermite rule (weight exp(-x^2)), by Newton
/// steps on orthonormal polynomials.
fn gauss_hermite(n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut x = vec![0.0; n];
    let mut log_w = vec![0.0; n];
    // p_n and the sum of squares of p_0..p_(n-1), orthonormal for exp(-x^2)
    let polynomial = |t: f64| -> (f64, f64, f64) {
        let (mut before, mut p) = (0.0, std::f64::consts::PI.powf(-0.25));
        let mut squares = 0.0;
        for i in 0..n {
            squares += p * p;
            let next = t * (2.0 / (i + 1) as f64).sqrt() * p - (i as f64 / (i + 1) as f64).sqrt() * before;
            before = p;
            p = next;
        }
        (p, (2.0 * n as f64).sqrt() * before, squares)
    };
    // zeros of the positive half by bisection between sign changes on a fine grid, then Newton
    let top = (2.0 * n as f64 + 1.0).sqrt();
    let steps = 200 * n;
    let mut found = Vec::new();
    let mut a = if n % 2 == 1 { 1e-9 } else { 0.0 };
    let mut fa = polynomial(a).0;
    for i in 1..=steps {
        let b = top * i as f64 / steps as f64;
        let fb = polynomial(b).0;
        if (fa < 0.0) != (fb < 0.0) {
            let mut t = 0.5 * (a + b);
            for _ in 0..50 {
                let (p, d, _) = polynomial(t);
                let next = t - p / d;
                if (next - t).abs() <= 1e-16 * t.abs() {
                    break;
                }
                t = next;
            }
            found.push(t);
        }
        (a, fa) = (b, fb);
    }
    let half = n / 2;
    for (i, &t) in found.iter().take(half).enumerate() {
        x[n / 2 + n % 2 + i] = t;
        x[half - 1 - i] = -t;
    }
    for i in 0..n {
        log_w[i] = -polynomial(x[i]).2.ln();
    }
    (x, log_w)
}

/// Q on the pattern of M.
pub enum Shape {
    /// Of each group, by level.
    OneFactor(Vec<f64>),
    /// Of an outer group and its inner groups.
    Nested(NestedShape),
}

/// What the nodes contribute to the objective and its gradient.
pub struct Nodes {
    /// Sum over groups of log L, without the free part of the log-likelihood.
    pub log_l: f64,
    /// sum_j pi_j r(u_j), by row.
    pub r: Vec<f64>,
    /// sum_j pi_j h'_j, by scalar row of the block system.
    pub g: Vec<f64>,
    /// For each factor, the sum over groups and nodes of pi_j Z'r(u_j) u_j'.
    pub gamma: Vec<Vec<f64>>,
    /// Sums over groups, nodes and rows of pi_j times the derivative of l with respect to each
    /// extra parameter.
    pub l_d: Vec<f64>,
    /// Q.
    pub q: Shape,
    /// Largest |N| of any group: an indicator of the error of log L.
    pub error: f64,
}

struct Part {
    log_l: f64,
    r: Vec<f64>,
    g: Vec<f64>,
    q: Vec<f64>,
    gamma: Vec<f64>,
    l_d: Vec<f64>,
    error: f64,
}

impl Modes {
    /// Evaluates the rule at the present modes; the factor gives the scale of the nodes.
    pub fn nodes(&self, g: &GlmmSystem, rule: &Rule) -> Nodes {
        let f = &g.effects[0];
        let k = f.k;
        let n_levels = g.layout.factors[0].n_levels;
        let mut start = vec![0usize; n_levels + 1];
        f.level.iter().for_each(|&l| start[l as usize + 1] += 1);
        for l in 0..n_levels {
            start[l + 1] += start[l];
        }
        let per_chunk = (CHUNK / rule.log_w.len()).max(64);
        let mut chunks: Vec<Range<usize>> = Vec::new();
        let mut from = 0;
        while from < n_levels {
            let mut to = from + 1;
            while to < n_levels && start[to + 1] - start[from] <= per_chunk {
                to += 1;
            }
            chunks.push(from..to);
            from = to;
        }
        let work = |levels: &Range<usize>| self.chunk(g, rule, levels.clone(), &start);
        let parts: Vec<Part> = if self.n_threads > 1 && chunks.len() > 1 {
            chunks.par_iter().map(work).collect()
        } else {
            chunks.iter().map(work).collect()
        };
        let mut out = Nodes {
            log_l: 0.0,
            r: Vec::with_capacity(g.n),
            g: vec![0.0; n_levels * k],
            gamma: vec![vec![0.0; k * k]],
            l_d: vec![0.0; g.n_extras()],
            q: Shape::OneFactor(Vec::new()),
            error: 0.0,
        };
        let mut q = vec![0.0; n_levels * k * k];
        for (levels, part) in chunks.into_iter().zip(parts) {
            out.log_l += part.log_l;
            out.l_d.iter_mut().zip(&part.l_d).for_each(|(a, b)| *a += b);
            out.error = out.error.max(part.error);
            out.r.extend_from_slice(&part.r);
            out.gamma[0].iter_mut().zip(&part.gamma).for_each(|(a, b)| *a += b);
            for (i, l) in levels.enumerate() {
                let at = g.layout.first_row(0, l);
                out.g[at..at + k].copy_from_slice(&part.g[i * k..(i + 1) * k]);
                q[l * k * k..(l + 1) * k * k].copy_from_slice(&part.q[i * k * k..(i + 1) * k * k]);
            }
        }
        out.q = Shape::OneFactor(q);
        out
    }

    fn chunk(&self, g: &GlmmSystem, rule: &Rule, levels: Range<usize>, start: &[usize]) -> Part {
        let f = &g.effects[0];
        let k = rule.k;
        let n_nodes = rule.log_w.len();
        let rows = start[levels.start]..start[levels.end];
        let (n, first) = (rows.len(), rows.start);
        let m = levels.len();
        let lam = &self.lambda[0];
        let root2 = std::f64::consts::SQRT_2;
        let n_extras = g.n_extras();
        let factor = |l: usize| self.factor.level_block(0, l);
        let weight = |l: usize| g.layout.weight(0, l);
        let mode = |l: usize| {
            let at = g.layout.first_row(0, l);
            &self.u[at..at + k]
        };
        let mut eta = vec![0.0; n];
        let mut b = vec![0.0; m * k];
        let mut u = vec![0.0; m * k * n_nodes];
        let mut r_all = vec![0.0; n * n_nodes];
        let mut zr = vec![0.0; m * k * n_nodes];
        let mut t = vec![0.0; m * n_nodes];
        let mut l_d = vec![0.0; n_extras * m * n_nodes];
        let mut scratch: Vec<Vec<f64>> = vec![vec![0.0; n]; 3];
        let second = |of: usize| vec![0.0; if n_extras > 0 { of * n } else { 0 }];
        let mut more = [second(1), second(1)];
        let mut by_extra = [second(n_extras), second(n_extras), second(n_extras), second(n_extras)];
        for j in 0..n_nodes {
            for (i, l) in levels.clone().enumerate() {
                let node = &mut u[(j * m + i) * k..(j * m + i + 1) * k];
                node.copy_from_slice(&rule.z[j * k..(j + 1) * k]);
                kernels::backward::<0>(factor(l), k, node, 1);
                let far = root2 * weight(l).sqrt();
                node.iter_mut().zip(mode(l)).for_each(|(v, u)| *v = far * *v + u);
                kernels::multiply(lam, node, k, k, 1, &mut b[i * k..(i + 1) * k]);
            }
            eta.copy_from_slice(&self.eta_fixed[rows.clone()]);
            for (i, l) in levels.clone().enumerate() {
                let mine = &mut eta[start[l] - first..start[l + 1] - first];
                let b = &b[i * k..(i + 1) * k];
                if f.z.is_empty() {
                    mine.iter_mut().for_each(|e| *e += b[0]);
                } else {
                    for (e, z) in mine.iter_mut().zip(f.z[start[l] * k..start[l + 1] * k].chunks_exact(k)) {
                        *e += z.iter().zip(b).map(|(z, b)| z * b).sum::<f64>();
                    }
                }
            }
            let (y, w) = (&g.y[rows.clone()], &g.weights[rows.clone()]);
            let batch = Batch { y, w, eta: &eta, extras: &self.extras };
            let r = &mut r_all[j * n..(j + 1) * n];
            let [l0, wo, dwo] = &mut scratch[..] else { unreachable!("three vectors") };
            g.family.derivatives(batch, Derivatives { l: l0, r, wo, dwo });
            if n_extras > 0 {
                let ([w, dw], [w_d, ld, r_d, wo_d]) = (&mut more, &mut by_extra);
                g.family.more_derivatives(batch, MoreDerivatives { w, dw, w_d, l_d: ld, r_d, wo_d });
                for (e, ld) in ld.chunks_exact(n.max(1)).enumerate() {
                    for (i, l) in levels.clone().enumerate() {
                        l_d[(e * n_nodes + j) * m + i] = ld[start[l] - first..start[l + 1] - first].iter().sum();
                    }
                }
            }
            for (i, l) in levels.clone().enumerate() {
                let mine = start[l] - first..start[l + 1] - first;
                let sum: f64 = l0[mine.clone()].iter().sum();
                let node = &u[(j * m + i) * k..(j * m + i + 1) * k];
                let half = 0.5 * node.iter().map(|v| v * v).sum::<f64>();
                let value = rule.log_w[j] + (sum - half) / weight(l);
                t[j * m + i] = if value.is_finite() { value } else { f64::NEG_INFINITY };
                let out = &mut zr[(j * m + i) * k..(j * m + i + 1) * k];
                if f.z.is_empty() {
                    out[0] = r[mine].iter().sum();
                } else {
                    for (r, z) in r[mine].iter().zip(f.z[start[l] * k..start[l + 1] * k].chunks_exact(k)) {
                        out.iter_mut().zip(z).for_each(|(o, z)| *o += r * z);
                    }
                }
            }
        }
        let mut out = Part {
            log_l: 0.0,
            r: vec![0.0; n],
            g: vec![0.0; m * k],
            q: vec![0.0; m * k * k],
            gamma: vec![0.0; k * k],
            l_d: vec![0.0; n_extras],
            error: 0.0,
        };
        let mut slope = vec![0.0; k];
        let mut big = vec![0.0; k * k];
        for (i, l) in levels.clone().enumerate() {
            let chol = factor(l);
            let largest = (0..n_nodes).fold(f64::NEG_INFINITY, |a, j| a.max(t[j * m + i]));
            let total: f64 = (0..n_nodes).map(|j| (t[j * m + i] - largest).exp()).sum();
            let log_det: f64 = (0..k).map(|c| chol[c * k + c].ln()).sum();
            let w = weight(l);
            out.log_l += w * (largest + total.ln() - log_det - 0.5 * k as f64 * std::f64::consts::PI.ln());
            big.fill(0.0);
            let gbar = &mut out.g[i * k..(i + 1) * k];
            for j in 0..n_nodes {
                let pi = (t[j * m + i] - largest).exp() / total;
                if pi == 0.0 {
                    continue;
                }
                let node = &u[(j * m + i) * k..(j * m + i + 1) * k];
                let zr = &zr[(j * m + i) * k..(j * m + i + 1) * k];
                kernels::transposed_multiply(lam, zr, k, k, 1, &mut slope);
                for c in 0..k {
                    let h = node[c] - slope[c];
                    gbar[c] += pi * h;
                    for d in 0..k {
                        big[c * k + d] += pi * h * rule.z[j * k + d];
                        out.gamma[c * k + d] += pi * zr[c] * node[d];
                    }
                }
                for (e, total) in out.l_d.iter_mut().enumerate() {
                    *total += pi * l_d[(e * n_nodes + j) * m + i];
                }
                let mine = start[l] - first..start[l + 1] - first;
                for (o, r) in out.r[mine.clone()].iter_mut().zip(&r_all[j * n..(j + 1) * n][mine]) {
                    *o += pi * r;
                }
            }
            // B = R^-1 G, N = I - sqrt2 (upper triangle of B, mirrored), Q = R^-T N R^-1
            kernels::forward::<0>(chol, k, &mut big, k);
            let q = &mut out.q[i * k * k..(i + 1) * k * k];
            for c in 0..k {
                for d in c..k {
                    let v = w * f64::from(c == d) - root2 * w.sqrt() * big[c * k + d];
                    q[c * k + d] = v;
                    q[d * k + c] = v;
                    out.error = out.error.max(v.abs() / w);
                }
            }
            kernels::backward::<0>(chol, k, q, k);
            transpose(q, k);
            kernels::backward::<0>(chol, k, q, k);
        }
        out
    }
}

fn transpose(a: &mut [f64], k: usize) {
    for i in 0..k {
        for j in 0..i {
            a.swap(i * k + j, j * k + i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::gauss_hermite;

    #[test]
    fn integrates_polynomials() {
        for n in 1..=60 {
            let (x, w) = gauss_hermite(n);
            let moment = |d: i32| x.iter().zip(&w).map(|(x, w)| w.exp() * x.powi(d)).sum::<f64>();
            let root = std::f64::consts::PI.sqrt();
            assert!((moment(0) - root).abs() < 1e-13, "{n}");
            assert!(moment(1).abs() < 1e-13);
            if n > 1 {
                assert!((moment(2) - root / 2.0).abs() < 1e-13);
            }
            if n > 4 {
                assert!((moment(8) - root * 105.0 / 16.0).abs() < 1e-11, "{n}");
            }
        }
    }
}
