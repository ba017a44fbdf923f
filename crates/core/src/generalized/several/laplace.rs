//! The Laplace approximation with several predictors, and its exact gradient by one adjoint solve.
//!
//! | formula | identifier |
//! | --- | --- |
//! | `M` = I + sum over j, k of `A_j'W_jk A_k`, `A_c` = `Z_c` L | `Modes::factor` |
//! | `a_jk` = the diagonal of `A_j M^-1 A_k'` | `a`, by pair |
//! | `s_c` = sum over j, k of `a_jk T_jkc` | `s` |
//! | v = `M^-1` sum over c of `A_c's_c`, `t_j` = `A_j v` | `v`, `t` |
//! | `rho_c` = `-2 r_c + s_c` - sum over j of `W_jc t_j` | `rho` |
//!
//! Derivatives: `X_c'rho_c` for the fixed effects of every predictor, and for Lambda the sum over
//! levels of (Z'rho) u' + (Z'r) v' + 2 Z'WZ L `M^-1`.

use super::passes::of_pair;
use crate::families::{pair, triple, Kernel, KernelRows};
use crate::generalized::laplace::{add_outer, between, Value};
use crate::generalized::pirls::{Failure, Modes};
use crate::generalized::quadrature::{Rule, Shape};
use crate::generalized::system::GlmmSystem;

/// Variance of a spherical random effect given the data, in that without them, beyond which
/// Laplace's approximation says nothing; where rows are log-concave it is below 1.
const WIDEST: f64 = 20.0;

impl Modes {
    pub(in crate::generalized) fn approximate_several(
        &mut self,
        g: &GlmmSystem,
        kernel: &dyn Kernel,
        rule: Option<&Rule>,
    ) -> Result<Value, Failure> {
        let anew = kernel.is_mixture() && self.u.iter().all(|&u| u == 0.0);
        let among = kernel.has_several_modes() || anew;
        let h = if among { self.solve_among(g, kernel)? } else { self.solve(g, false)? };
        let (n, m) = (g.n, kernel.predictors());
        let random = g.random_predictors();
        let among: Vec<usize> = (0..m).filter(|&c| random[c]).collect();
        let own = kernel.has_own_curvature();
        let mut determinant = None;
        if own {
            let (mut w, mut t) = (vec![0.0; self.wo.len()], vec![0.0; self.wo.len() * m]);
            let rows = KernelRows { y: &g.y, w: &g.weights, eta: &self.eta, order: &g.order, random: &random };
            kernel.determinant(rows, &mut w, &mut t);
            self.factorise_pairs(g, &w)?;
            determinant = Some(t);
        }
        let mut out = Value {
            objective: 2.0 * h + self.factor.log_det(),
            gamma: g.layout.zero_lambda(),
            beta: vec![0.0; g.p()],
            ..Value::default()
        };
        let nodes = match rule {
            None => None,
            Some(rule) if g.effects.len() == 1 => Some(self.nodes_of_pairs(g, kernel, rule)),
            Some(rule) => Some(self.nested_nodes(g, rule, g.nesting().ok_or(Failure::Undefined)?)),
        };
        if let Some(nodes) = &nodes {
            out.objective = -2.0 * nodes.log_l;
            out.error = nodes.error;
        }
        if !out.objective.is_finite() {
            return Err(Failure::Undefined);
        }
        self.factor.invert();
        if !own && self.is_degenerate(g) {
            return Err(Failure::NotPositive);
        }
        match nodes.as_ref().map(|n| &n.q) {
            Some(Shape::OneFactor(q)) => self.factor.set_inverse_blocks(0, q),
            Some(Shape::Nested(q)) => self.place_nested(q),
            None => {}
        }
        self.factor.traces(&self.gram, &self.lambda, &mut out.gamma);
        out.gamma.iter_mut().flatten().for_each(|v| *v *= 2.0);
        let a = self.leverage_of_pairs(g, m);
        let third = determinant.as_ref().unwrap_or(&self.dwo);
        let mut s = vec![0.0; m * n];
        for c in 0..m {
            let s = &mut s[c * n..(c + 1) * n];
            for (at, &j) in among.iter().enumerate() {
                for &k in &among[..=at] {
                    let factor = if j == k { 1.0 } else { 2.0 };
                    let place = if own { pair(j, k) * m + c } else { triple(j, k, c) };
                    let t = &third[place * n..(place + 1) * n];
                    for ((s, a), t) in s.iter_mut().zip(of_pair(&a, n, j, k)).zip(t) {
                        *s += factor * a * t;
                    }
                }
            }
        }
        if own {
            let w = std::mem::take(&mut self.wo);
            let observed = self.factorise_pairs(g, &w);
            self.wo = w;
            observed?;
        }
        let mut zs = std::mem::take(&mut self.scratch);
        g.effects_transposed(&s, &mut zs);
        let mut v = vec![0.0; zs.len()];
        g.layout.lambda_transposed_times(&self.lambda, &zs, 1, &mut v);
        if let Some(nodes) = &nodes {
            v.iter_mut().zip(&nodes.g).for_each(|(v, g)| *v += 2.0 * g);
        }
        self.solve_plain(&mut v);
        g.layout.lambda_times(&self.lambda, &v, 1, &mut zs);
        let mut t = vec![0.0; m * n];
        g.add_effects(&zs, &mut t);
        let mut rho = s;
        for c in 0..m {
            let rho = &mut rho[c * n..(c + 1) * n];
            if nodes.is_none() {
                rho.iter_mut().zip(&self.r[c * n..(c + 1) * n]).for_each(|(rho, r)| *rho -= 2.0 * r);
            }
            for &j in &among {
                let (w, t) = (of_pair(&self.wo, n, j, c), &t[j * n..(j + 1) * n]);
                rho.iter_mut().zip(w).zip(t).for_each(|((rho, w), t)| *rho -= w * t);
            }
        }
        if let Some(nodes) = &nodes {
            let both: Vec<f64> = rho.iter().zip(&nodes.r).map(|(rho, r)| rho - 2.0 * r).collect();
            g.parts_transposed(&both, &mut out.beta);
            for (total, part) in out.gamma.iter_mut().flatten().zip(nodes.gamma.iter().flatten()) {
                *total -= 2.0 * part;
            }
        } else {
            g.parts_transposed(&rho, &mut out.beta);
        }
        g.effects_transposed(&rho, &mut zs);
        add_outer(g, &zs, &self.u, &mut out.gamma);
        add_outer(g, &self.zr, &v, &mut out.gamma);
        self.scratch = zs;
        Ok(out)
    }

    /// Whether the density about the modes is so much wider than that of the random effects alone
    /// that two modes are about to meet: the determinant then vanishes, and the approximation falls
    /// below any bound. `M^-1` has been computed.
    fn is_degenerate(&self, g: &GlmmSystem) -> bool {
        g.effects.iter().enumerate().any(|(f, e)| {
            let k = e.k;
            self.factor.inverse_blocks(f).chunks_exact(k * k).any(|b| (0..k).any(|i| b[i * k + i] > WIDEST))
        })
    }

    /// The diagonals of `A_j M^-1 A_k'` of all pairs of predictors; `M^-1` has been computed.
    fn leverage_of_pairs(&self, g: &GlmmSystem, m: usize) -> Vec<f64> {
        let n = g.n;
        let mut out = vec![0.0; m * (m + 1) / 2 * n];
        for (f, eff) in g.effects.iter().enumerate() {
            let k = eff.k;
            let mut blocks = self.factor.inverse_blocks(f);
            let mut tmp = vec![0.0; k * k];
            for b in blocks.chunks_exact_mut(k * k) {
                between(&self.lambda[f], k, b, &self.lambda[f], k, &mut tmp);
            }
            for (r, &l) in eff.level.iter().enumerate() {
                let b = &blocks[l as usize * k * k..(l as usize + 1) * k * k];
                eff.each_pair(r, |i, j, zz| {
                    // both orders are visited
                    let share = if eff.of[i] == eff.of[j] { 1.0 } else { 0.5 };
                    out[pair(eff.of[i], eff.of[j]) * n + r] += share * zz * b[i * k + j];
                });
            }
        }
        for (at, (c, cell)) in self.gram.cells.iter().zip(&g.cells).enumerate() {
            let (kf, kg) = (c.kf, c.kg);
            let size = kf * kg;
            let mut blocks = self.factor.inverse_cells(c, at);
            let mut tmp = vec![0.0; size];
            for b in blocks.chunks_exact_mut(size) {
                between(&self.lambda[c.f], kf, b, &self.lambda[c.g], kg, &mut tmp);
            }
            let (ef, eg) = (&g.effects[c.f], &g.effects[c.g]);
            for (r, &i) in cell.iter().enumerate() {
                let b = &blocks[i as usize * size..(i as usize + 1) * size];
                let (zf, zg) = (ef.of_row(r), eg.of_row(r));
                for x in 0..kf {
                    for y in 0..kg {
                        let share = if ef.of[x] == eg.of[y] { 2.0 } else { 1.0 };
                        out[pair(ef.of[x], eg.of[y]) * n + r] += share * zf[x] * zg[y] * b[x * kg + y];
                    }
                }
            }
        }
        out
    }
}
