//! The Laplace approximation of -2 log-likelihood and its exact gradient by one adjoint solve.
//!
//! | formula | identifier |
//! | --- | --- |
//! | d = 2 h(u) + log det M | `Value::objective` |
//! | a_i = \[Z L M^-1 L'Z'\]_ii, s_i = a_i dW_i/deta | `Modes::leverage`, `s` |
//! | v = Mo^-1 L'Z's | `v` |
//! | rho = -2 r + s - Wo Z L v | `rho` |

use super::pirls::{Failure, Modes};
use super::quadrature::{Rule, Shape};
use super::system::GlmmSystem;
use crate::dense::kernels;

/// Which weights the determinant is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curvature {
    /// Minus the second derivatives of the log-likelihood.
    Observed,
    /// Their expectations.
    Expected,
}

/// The objective and its gradient.
#[derive(Clone, Debug, Default)]
pub struct Value {
    /// -2 log-likelihood, with -2 log density of the priors where there are some.
    pub objective: f64,
    /// For each factor, the derivative with respect to its Lambda in the changed basis.
    pub gamma: Vec<Vec<f64>>,
    /// Derivative with respect to the fixed effects in the changed basis.
    pub beta: Vec<f64>,
    /// Derivatives with respect to the coordinates of the extra parameters.
    pub extras: Vec<f64>,
    /// What priors add to the derivative with respect to theta as given; empty without.
    pub theta: Vec<f64>,
    /// What priors add to the objective.
    pub penalty: f64,
    /// Quadrature: largest |N| of a group, of the order of the error of its log-likelihood; 0 for
    /// Laplace.
    pub error: f64,
}

impl Modes {
    /// The Laplace deviance at the present Lambda, fixed effects (found on the way if `profiled`)
    /// and extra parameters.
    ///
    /// # Errors
    /// Where the modes cannot be found.
    pub fn laplace(&mut self, g: &GlmmSystem, curvature: Curvature, profiled: bool) -> Result<Value, Failure> {
        self.approximate(g, curvature, profiled, None)
    }

    /// The same by the nodes of a rule.
    ///
    /// # Errors
    /// Where the modes cannot be found.
    pub fn quadrature(&mut self, g: &GlmmSystem, curvature: Curvature, rule: &Rule) -> Result<Value, Failure> {
        self.approximate(g, curvature, false, Some(rule))
    }

    fn approximate(
        &mut self,
        g: &GlmmSystem,
        curvature: Curvature,
        profiled: bool,
        rule: Option<&Rule>,
    ) -> Result<Value, Failure> {
        if let Some(kernel) = g.family.kernel() {
            return self.approximate_several(g, kernel, rule);
        }
        let h = self.solve(g, profiled)?;
        let free = self.free_part(g);
        let expected = curvature == Curvature::Expected && !g.family.is_canonical();
        let n_extras = g.n_extras();
        if expected || n_extras > 0 {
            self.more_pass(g);
        }
        if expected {
            self.factorise_expected(g)?;
        }
        let mut out = Value {
            objective: 2.0 * (h - free.0) + self.factor.log_det(),
            gamma: g.layout.zero_lambda(),
            beta: vec![0.0; g.p()],
            extras: vec![0.0; n_extras],
            ..Value::default()
        };
        self.factor.invert();
        let nodes = match rule {
            None => None,
            Some(_) if g.has_members() => return Err(Failure::Undefined),
            Some(rule) if g.effects.len() == 1 => Some(self.nodes(g, rule)),
            Some(rule) => Some(self.nested_nodes(g, rule, g.nesting().ok_or(Failure::Undefined)?)),
        };
        if let Some(nodes) = &nodes {
            out.objective = -2.0 * (nodes.log_l + free.0);
            out.error = nodes.error;
            match &nodes.q {
                Shape::OneFactor(q) => self.factor.set_inverse_blocks(0, q),
                Shape::Nested(q) => self.place_nested(q),
            }
        }
        if !out.objective.is_finite() {
            return Err(Failure::Undefined);
        }
        self.factor.traces(&self.gram, &self.lambda, &mut out.gamma);
        out.gamma.iter_mut().flatten().for_each(|v| *v *= 2.0);
        let mut a = std::mem::take(&mut self.rows);
        self.leverage(g, &mut a);
        for e in 0..n_extras {
            let rows = e * g.n..(e + 1) * g.n;
            let w_d = if expected { &self.more.w_d } else { &self.more.wo_d };
            let l_d = match &nodes {
                None => self.more.l_d[rows.clone()].iter().sum::<f64>(),
                Some(nodes) => nodes.l_d[e],
            };
            out.extras[e] = -2.0 * free.1[e] + l_d * -2.0 + a.iter().zip(&w_d[rows]).map(|(a, w)| a * w).sum::<f64>();
        }
        // s takes the place of a
        a.iter_mut().zip(if expected { &self.more.dw } else { &self.dwo }).for_each(|(a, d)| *a *= d);
        let s = a;
        if expected {
            self.factorise_observed(g)?;
        }
        let mut zs = std::mem::take(&mut self.scratch);
        g.random_transposed(&s, &mut zs);
        let mut v = vec![0.0; zs.len()];
        g.layout.lambda_transposed_times(&self.lambda, &zs, 1, &mut v);
        if let Some(nodes) = &nodes {
            v.iter_mut().zip(&nodes.g).for_each(|(v, g)| *v += 2.0 * g);
        }
        let mut v_beta = vec![0.0; g.p()];
        let profiled = profiled && g.p() > 0;
        if profiled {
            g.fixed_transposed(&s, &mut v_beta);
            self.border(g, false)?;
            self.solve_bordered(&mut v, &mut v_beta);
        } else {
            self.solve_plain(&mut v);
        }
        // the change of eta along v
        g.layout.lambda_times(&self.lambda, &v, 1, &mut zs);
        let mut rho = vec![0.0; g.n];
        if profiled {
            g.add_fixed(&v_beta, &mut rho);
        }
        g.add_random(&zs, 0..g.n, &mut rho);
        for (slope, r_d) in out.extras.iter_mut().zip(self.more.r_d.chunks_exact(g.n.max(1))) {
            *slope += rho.iter().zip(r_d).map(|(z, r)| z * r).sum::<f64>();
        }
        match &nodes {
            None => {
                for i in 0..g.n {
                    rho[i] = s[i] - 2.0 * self.r[i] - self.wo[i] * rho[i];
                }
                g.fixed_transposed(&rho, &mut out.beta);
            }
            Some(nodes) => {
                let mut both = vec![0.0; g.n];
                for i in 0..g.n {
                    rho[i] = s[i] - self.wo[i] * rho[i];
                    both[i] = rho[i] - 2.0 * nodes.r[i];
                }
                g.fixed_transposed(&both, &mut out.beta);
                for (total, part) in out.gamma.iter_mut().flatten().zip(nodes.gamma.iter().flatten()) {
                    *total -= 2.0 * part;
                }
            }
        }
        self.rows = s;
        g.random_transposed(&rho, &mut zs);
        add_outer(g, &zs, &self.u, &mut out.gamma);
        add_outer(g, &self.zr, &v, &mut out.gamma);
        self.scratch = zs;
        Ok(out)
    }

    /// \[Z L T L'Z'\]_ii of every row; T has been computed.
    pub fn leverage(&self, g: &GlmmSystem, out: &mut [f64]) {
        out.fill(0.0);
        for (f, eff) in g.effects.iter().enumerate() {
            let k = eff.k;
            let mut blocks = self.factor.inverse_blocks(f);
            let mut tmp = vec![0.0; k * k];
            for b in blocks.chunks_exact_mut(k * k) {
                between(&self.lambda[f], k, b, &self.lambda[f], k, &mut tmp);
            }
            if eff.members.is_some() {
                for (r, o) in out.iter_mut().enumerate() {
                    let z = eff.of_row(r);
                    eff.each(r, |l, _, weight| {
                        for (row, x) in blocks[l * k * k..(l + 1) * k * k].chunks_exact(k).zip(z) {
                            *o += weight * weight * x * row.iter().zip(z).map(|(b, y)| b * y).sum::<f64>();
                        }
                    });
                }
                continue;
            }
            if eff.z.is_empty() {
                out.iter_mut().zip(&eff.level).for_each(|(o, &l)| *o += blocks[l as usize]);
                continue;
            }
            for (r, (o, &l)) in out.iter_mut().zip(&eff.level).enumerate() {
                let (b, z) = (&blocks[l as usize * k * k..(l as usize + 1) * k * k], eff.of_row(r));
                for i in 0..k {
                    *o += z[i] * (0..k).map(|j| b[i * k + j] * z[j]).sum::<f64>();
                }
            }
        }
        for (pair, (c, cell)) in self.gram.cells.iter().zip(&g.cells).enumerate() {
            let (kf, kg) = (c.kf, c.kg);
            let m = kf * kg;
            let mut blocks = self.factor.inverse_cells(c, pair);
            let mut tmp = vec![0.0; m];
            let scalar = self.lambda[c.f][0] * self.lambda[c.g][0];
            if m == 1 {
                blocks.iter_mut().for_each(|b| *b *= scalar);
            } else {
                for b in blocks.chunks_exact_mut(m) {
                    between(&self.lambda[c.f], kf, b, &self.lambda[c.g], kg, &mut tmp);
                }
            }
            let (ef, eg) = (&g.effects[c.f], &g.effects[c.g]);
            if ef.members.is_some() || eg.members.is_some() {
                g.leverage_of_members(&blocks, pair, (c.f, c.g), out);
                continue;
            }
            if ef.z.is_empty() && eg.z.is_empty() {
                out.iter_mut().zip(cell).for_each(|(o, &i)| *o += 2.0 * blocks[i as usize]);
                continue;
            }
            for (r, (o, &i)) in out.iter_mut().zip(cell).enumerate() {
                let b = &blocks[i as usize * m..(i as usize + 1) * m];
                let (zf, zg) = (ef.of_row(r), eg.of_row(r));
                for x in 0..kf {
                    *o += 2.0 * zf[x] * (0..kg).map(|y| b[x * kg + y] * zg[y]).sum::<f64>();
                }
            }
        }
    }
}

/// gamma += sum over levels of a_l b_l'.
pub(super) fn add_outer(g: &GlmmSystem, a: &[f64], b: &[f64], gamma: &mut [Vec<f64>]) {
    let s = &g.layout.sym;
    for (pos, &f) in s.factor.iter().enumerate() {
        let (k, at) = (s.k[pos] as usize, s.row[pos]);
        let g = &mut gamma[f as usize];
        for i in 0..k {
            for j in 0..k {
                g[i * k + j] += a[at + i] * b[at + j];
            }
        }
    }
}

/// b = a b c' in place, for row-major a (ka x ka), b (ka x kc), c (kc x kc).
pub(super) fn between(a: &[f64], ka: usize, b: &mut [f64], c: &[f64], kc: usize, tmp: &mut [f64]) {
    if ka == 1 && kc == 1 {
        b[0] *= a[0] * c[0];
        return;
    }
    kernels::multiply(a, b, ka, ka, kc, tmp);
    for i in 0..ka {
        for j in 0..kc {
            b[i * kc + j] = (0..kc).map(|m| tmp[i * kc + m] * c[j * kc + m]).sum();
        }
    }
}
