//! Adaptive Gauss-Hermite quadrature for one grouping factor whose effects act on several
//! predictors: the formulas of one predictor, with sampling weights too, and sums over predictors
//! in Z'r.

use super::super::quadrature::{Nodes, Rule, Shape};
use crate::dense::kernels;
use crate::families::{pair, Kernel, KernelOut, KernelRows};
use crate::generalized::pirls::Modes;
use crate::generalized::system::GlmmSystem;

impl Modes {
    /// Evaluates the rule at the present modes; the factor gives the scale of the nodes.
    pub(super) fn nodes_of_pairs(&self, g: &GlmmSystem, kernel: &dyn Kernel, rule: &Rule) -> Nodes {
        let f = &g.effects[0];
        let (k, n, m) = (f.k, g.n, kernel.predictors());
        let levels = g.layout.factors[0].n_levels;
        let root2 = std::f64::consts::SQRT_2;
        // first derivatives in all of them
        let random = vec![true; m];
        let lam = &self.lambda[0];
        let nodes = rule.len();
        let mut u = vec![0.0; nodes * levels * k];
        let mut zr = vec![0.0; nodes * levels * k];
        let mut t = vec![0.0; nodes * levels];
        let mut r_all = vec![0.0; nodes * m * n];
        let mut eta = vec![0.0; m * n];
        let (mut l, mut w) = (vec![0.0; n], vec![0.0; (pair(m - 1, m - 1) + 1) * n]);
        let mut b = vec![0.0; k];
        for j in 0..nodes {
            eta.copy_from_slice(&self.eta_fixed);
            for r in 0..n {
                let level = f.level[r] as usize;
                let node = &mut u[(j * levels + level) * k..(j * levels + level + 1) * k];
                if r == 0 || f.level[r - 1] != f.level[r] {
                    node.copy_from_slice(rule.point(j));
                    kernels::backward::<0>(self.factor.level_block(0, level), k, node, 1);
                    let at = g.layout.first_row(0, level);
                    let far = root2 * g.layout.weight(0, level).sqrt();
                    node.iter_mut().zip(&self.u[at..at + k]).for_each(|(v, u)| *v = far * *v + u);
                    kernels::multiply(lam, node, k, k, 1, &mut b);
                }
                for ((&c, z), b) in f.of.iter().zip(f.of_row(r)).zip(&b) {
                    eta[c * n + r] += z * b;
                }
            }
            let rows = KernelRows { y: &g.y, w: &g.weights, eta: &eta, order: &g.order, random: &random };
            let r_j = &mut r_all[j * m * n..(j + 1) * m * n];
            kernel.derivatives(rows, KernelOut { l: &mut l, r: r_j, w: &mut w, t: &mut [] });
            for r in 0..n {
                let level = f.level[r] as usize;
                t[j * levels + level] += l[r];
                let out = &mut zr[(j * levels + level) * k..(j * levels + level + 1) * k];
                for ((o, &c), z) in out.iter_mut().zip(&f.of).zip(f.of_row(r)) {
                    *o += z * r_j[c * n + r];
                }
            }
            for level in 0..levels {
                let half = 0.5 * u[(j * levels + level) * k..][..k].iter().map(|v| v * v).sum::<f64>();
                let value = rule.log_weight(j) + (t[j * levels + level] - half) / g.layout.weight(0, level);
                t[j * levels + level] = if value.is_finite() { value } else { f64::NEG_INFINITY };
            }
        }
        let mut out = Nodes {
            log_l: 0.0,
            r: vec![0.0; m * n],
            g: vec![0.0; g.layout.q()],
            gamma: vec![vec![0.0; k * k]],
            l_d: Vec::new(),
            q: Shape::OneFactor(Vec::new()),
            error: 0.0,
        };
        let mut all = vec![0.0; levels * k * k];
        let (mut slope, mut big) = (vec![0.0; k], vec![0.0; k * k]);
        for level in 0..levels {
            let chol = self.factor.level_block(0, level);
            let largest = (0..nodes).fold(f64::NEG_INFINITY, |a, j| a.max(t[j * levels + level]));
            let total: f64 = (0..nodes).map(|j| (t[j * levels + level] - largest).exp()).sum();
            let log_det: f64 = (0..k).map(|c| chol[c * k + c].ln()).sum();
            let weight = g.layout.weight(0, level);
            out.log_l += weight * (largest + total.ln() - log_det - 0.5 * k as f64 * std::f64::consts::PI.ln());
            big.fill(0.0);
            let at = g.layout.first_row(0, level);
            for j in 0..nodes {
                // t becomes the share of the node
                let pi = (t[j * levels + level] - largest).exp() / total;
                t[j * levels + level] = pi;
                if pi == 0.0 {
                    continue;
                }
                let node = &u[(j * levels + level) * k..][..k];
                let zr = &zr[(j * levels + level) * k..][..k];
                kernels::transposed_multiply(lam, zr, k, k, 1, &mut slope);
                for c in 0..k {
                    let h = node[c] - slope[c];
                    out.g[at + c] += pi * h;
                    for d in 0..k {
                        big[c * k + d] += pi * h * rule.point(j)[d];
                        out.gamma[0][c * k + d] += pi * zr[c] * node[d];
                    }
                }
            }
            // B = R^-1 G, N = I - sqrt2 (upper triangle of B, mirrored), Q = R^-T N R^-1
            kernels::forward::<0>(chol, k, &mut big, k);
            let q = &mut all[level * k * k..(level + 1) * k * k];
            for c in 0..k {
                for d in c..k {
                    let v = weight * f64::from(u8::from(c == d)) - root2 * weight.sqrt() * big[c * k + d];
                    (q[c * k + d], q[d * k + c]) = (v, v);
                    out.error = out.error.max(v.abs() / weight);
                }
            }
            kernels::backward::<0>(chol, k, q, k);
            for c in 0..k {
                for d in 0..c {
                    q.swap(c * k + d, d * k + c);
                }
            }
            kernels::backward::<0>(chol, k, q, k);
        }
        for j in 0..nodes {
            for c in 0..m {
                for r in 0..n {
                    out.r[c * n + r] += t[j * levels + f.level[r] as usize] * r_all[(j * m + c) * n + r];
                }
            }
        }
        out.q = Shape::OneFactor(all);
        out
    }
}
