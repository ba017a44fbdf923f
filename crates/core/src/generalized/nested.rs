//! Adaptive Gauss-Hermite quadrature for two nested grouping factors with one effect each, which
//! may act on different linear predictors.
//!
//! Given the effect u of an outer level the inner effects v_j within it are independent, so that
//! the sum over the product rule of a whole outer group is one over the nodes of u of products over
//! j of sums over the nodes of v_j: n K^2 rows and not n K^(1+J). The nodes are those of the joint
//! curvature M = R R' with the inner effects eliminated first, mode + sqrt2 R^-T z: each v_j is
//! centred at its mode given u in the quadratic approximation and has its conditional scale.
//!
//! | formula | identifier |
//! | --- | --- |
//! | D_j, c_j, s^2 = M_oo - sum c_j^2 / D_j | `root_d`, `slope` = c_j / D_j, `s` |
//! | u_a = u + sqrt2 z_a / s, v_jab = v_j - slope_j (u_a - u) + sqrt2 z_b / root_d_j | as written |
//! | log L = -((1 + J) / 2) log pi - log det R + logsumexp_a { q_a + sum_j log I_ja } | `Nodes::log_l` |
//! | q_a = log w_a + z_a^2 - u_a^2 / 2 | as written |
//! | log I_ja = logsumexp_b { log w_b + z_b^2 - v_jab^2 / 2 + l_j } | `inside` |
//! | h', gbar, G, N, Q = R^-T N R^-1 on the pattern of M | as in the module for one factor |

use super::design::sum;
use super::pirls::Modes;
use super::quadrature::{Nodes, Rule, Shape, CHUNK};
use super::system::{Effects, GlmmSystem};
use crate::families::{pair, Batch, Derivatives, KernelOut, KernelRows, MoreDerivatives};
use rayon::prelude::*;
use std::ops::Range;

/// Two factors, the levels of one within those of the other.
pub struct Nesting {
    /// The factor whose levels are within.
    pub inner: usize,
    /// The other.
    pub outer: usize,
    /// Outer level of each inner level.
    parent: Vec<u32>,
    /// Cell of the cross-products of each inner level.
    cell: Vec<u32>,
}

impl GlmmSystem {
    /// How the factors are nested, where there are two and they are.
    pub fn nesting(&self) -> Option<Nesting> {
        let [c] = &self.gram.cells[..] else { return None };
        if self.effects.len() != 2 {
            return None;
        }
        let (nf, ng) = (self.layout.factors[c.f].n_levels, self.layout.factors[c.g].n_levels);
        let cells = c.level.len();
        // every level is in some cell, so as many cells as levels means one cell each
        if cells == nf {
            let cell = (0..nf as u32).collect();
            return Some(Nesting { inner: c.f, outer: c.g, parent: c.level.clone(), cell });
        }
        if cells != ng {
            return None;
        }
        let (mut parent, mut cell) = (vec![0; ng], vec![0; ng]);
        for l in 0..nf {
            for i in c.start[l]..c.start[l + 1] {
                parent[c.level[i] as usize] = l as u32;
                cell[c.level[i] as usize] = i as u32;
            }
        }
        Some(Nesting { inner: c.g, outer: c.f, parent, cell })
    }

    /// Whether the factors allow quadrature: one with at most three effects, or two nested ones
    /// with one each.
    pub fn allows_quadrature(&self) -> bool {
        if self.has_members() {
            return false;
        }
        match &self.effects[..] {
            _ if self.family.kernel().is_some_and(|k| k.has_own_curvature()) => false,
            [f] => f.k <= 3,
            [f, g] => f.k == 1 && g.k == 1 && self.nesting().is_some(),
            _ => false,
        }
    }
}

/// Q on the pattern of M.
pub struct NestedShape {
    inner: Vec<f64>,
    cross: Vec<f64>,
    outer: Vec<f64>,
    nesting: Nesting,
}

/// One outer group and its inner groups, by position in the chunk.
struct Group {
    inner: Range<usize>,
    s: f64,
    mode: f64,
    /// Sampling weight, and its root.
    weight: f64,
    far: f64,
}

struct Inner {
    rows: Range<usize>,
    root_d: f64,
    slope: f64,
    mode: f64,
    weight: f64,
    far: f64,
}

struct Part {
    log_l: f64,
    l_d: Vec<f64>,
    r: Vec<f64>,
    /// gbar, N_jj and N_jo of inner groups, then gbar and N_oo of outer groups.
    inner: Vec<[f64; 3]>,
    outer: Vec<[f64; 2]>,
    gamma: [f64; 2],
}

/// Expectations over the inner nodes, given an outer node.
#[derive(Clone, Copy, Default)]
struct Inside {
    log: f64,
    /// E of h', h' z, Z'r v and the outer effect's Z'r.
    h: f64,
    hz: f64,
    rv: f64,
    outer_r: f64,
}

/// softmax weights of `t` in place, and the logarithm of the sum of exp(t); none where every entry
/// is minus infinity.
fn softmax(t: &mut [f64]) -> Option<f64> {
    let largest = t.iter().fold(f64::NEG_INFINITY, |a, &v| a.max(v));
    if largest == f64::NEG_INFINITY {
        return None;
    }
    t.iter_mut().for_each(|v| *v = (*v - largest).exp());
    let total: f64 = t.iter().sum();
    t.iter_mut().for_each(|v| *v /= total);
    Some(largest + total.ln())
}

impl Modes {
    /// Evaluates the rule at the present modes; the cross-products last formed give the scale of
    /// the nodes.
    pub fn nested_nodes(&self, g: &GlmmSystem, rule: &Rule, nesting: Nesting) -> Nodes {
        let (inner, outer) = (nesting.inner, nesting.outer);
        let (factors, ztz) = (&g.layout.factors, &self.gram.levels);
        let (n_inner, n_outer) = (factors[inner].n_levels, factors[outer].n_levels);
        // rows of an inner level stand together
        let level = &g.effects[inner].level;
        let mut rows = vec![0..0; n_inner];
        let mut from = 0;
        for r in 0..g.n {
            if r + 1 == g.n || level[r + 1] != level[r] {
                rows[level[r] as usize] = from..r + 1;
                from = r + 1;
            }
        }
        // inner levels by outer level
        let mut start = vec![0usize; n_outer + 1];
        nesting.parent.iter().for_each(|&o| start[o as usize + 1] += 1);
        for o in 0..n_outer {
            start[o + 1] += start[o];
        }
        let mut next = start.clone();
        let mut members = vec![0usize; n_inner];
        for (l, &o) in nesting.parent.iter().enumerate() {
            members[next[o as usize]] = l;
            next[o as usize] += 1;
        }
        let per_chunk = (CHUNK / (2 * rule.len())).max(64);
        let mut chunks: Vec<Range<usize>> = Vec::new();
        let (mut from, mut held) = (0, 0);
        for o in 0..n_outer {
            let mine: usize = members[start[o]..start[o + 1]].iter().map(|&l| rows[l].len()).sum();
            if o > from && held + mine > per_chunk {
                chunks.push(from..o);
                (from, held) = (o, 0);
            }
            held += mine;
        }
        chunks.push(from..n_outer);
        let (lam_i, lam_o) = (self.lambda[inner][0], self.lambda[outer][0]);
        let row_of = |f: usize, l: usize| g.layout.first_row(f, l);
        let predictors = g.family.kernel().map_or(1, |k| k.predictors());
        let layout = |outers: &Range<usize>| -> (Vec<Group>, Vec<Inner>) {
            let mut inners = Vec::new();
            let mut groups = Vec::new();
            for o in outers.clone() {
                let first = inners.len();
                let mut s2 = lam_o * lam_o * ztz[outer][o] + 1.0;
                for &l in &members[start[o]..start[o + 1]] {
                    let d = lam_i * lam_i * ztz[inner][l] + 1.0;
                    let c = lam_i * lam_o * self.gram.cells[0].value[nesting.cell[l] as usize];
                    s2 -= c * c / d;
                    inners.push(Inner {
                        rows: rows[l].clone(),
                        root_d: d.sqrt(),
                        slope: c / d,
                        mode: self.u[row_of(inner, l)],
                        weight: g.layout.weight(inner, l),
                        far: g.layout.weight(inner, l).sqrt(),
                    });
                }
                let weight = g.layout.weight(outer, o);
                groups.push(Group {
                    inner: first..inners.len(),
                    s: s2.sqrt(),
                    mode: self.u[row_of(outer, o)],
                    weight,
                    far: weight.sqrt(),
                });
            }
            (groups, inners)
        };
        let work = |outers: &Range<usize>| {
            let (groups, inners) = layout(outers);
            let part = self.nested_chunk(g, rule, (inner, outer), &groups, &inners);
            (part, groups, inners)
        };
        let parts: Vec<(Part, Vec<Group>, Vec<Inner>)> = if self.n_threads > 1 && chunks.len() > 1 {
            chunks.par_iter().map(work).collect()
        } else {
            chunks.iter().map(work).collect()
        };
        let mut gamma: Vec<Vec<f64>> = vec![vec![0.0]; 2];
        let mut out = Nodes {
            log_l: 0.0,
            r: vec![0.0; predictors * g.n],
            g: vec![0.0; self.u.len()],
            gamma: Vec::new(),
            l_d: vec![0.0; g.n_extras()],
            q: Shape::OneFactor(Vec::new()),
            error: 0.0,
        };
        let (mut q_inner, mut q_cross, mut q_outer) = (vec![0.0; n_inner], vec![0.0; n_inner], vec![0.0; n_outer]);
        for (outers, (part, groups, inners)) in chunks.into_iter().zip(parts) {
            out.log_l += part.log_l;
            out.l_d.iter_mut().zip(&part.l_d).for_each(|(a, b)| *a += b);
            gamma[inner][0] += part.gamma[0];
            gamma[outer][0] += part.gamma[1];
            let mut at = 0;
            for c in 0..predictors {
                for i in &inners {
                    let n = i.rows.len();
                    out.r[c * g.n..][i.rows.clone()].copy_from_slice(&part.r[at..at + n]);
                    at += n;
                }
            }
            for ((o, group), &[g_o, n_oo]) in outers.zip(&groups).zip(&part.outer) {
                let q_oo = n_oo / (group.s * group.s);
                out.g[row_of(outer, o)] = g_o;
                q_outer[o] = q_oo;
                out.error = out.error.max(n_oo.abs() / group.weight);
                for (j, &l) in group.inner.clone().zip(&members[start[o]..start[o + 1]]) {
                    let [g_j, n_jj, n_jo] = part.inner[j];
                    let Inner { root_d, slope, weight, .. } = inners[j];
                    out.g[row_of(inner, l)] = g_j;
                    let across = n_jo / (root_d * group.s);
                    q_inner[l] = n_jj / (root_d * root_d) - 2.0 * slope * across + slope * slope * q_oo;
                    q_cross[l] = across - slope * q_oo;
                    out.error = out.error.max(n_jj.abs() / weight).max(n_jo.abs() / weight);
                }
            }
        }
        out.gamma = gamma;
        out.q = Shape::Nested(NestedShape { inner: q_inner, cross: q_cross, outer: q_outer, nesting });
        out
    }

    fn nested_chunk(
        &self,
        g: &GlmmSystem,
        rule: &Rule,
        (inner, outer): (usize, usize),
        groups: &[Group],
        inners: &[Inner],
    ) -> Part {
        let n: usize = inners.iter().map(|i| i.rows.len()).sum();
        let (m, nodes) = (inners.len(), rule.len());
        let (lam_i, lam_o) = (self.lambda[inner][0], self.lambda[outer][0]);
        let root2 = std::f64::consts::SQRT_2;
        let n_extras = g.n_extras();
        let gathered =
            |v: &[f64]| -> Vec<f64> { inners.iter().flat_map(|i| v[i.rows.clone()].iter().copied()).collect() };
        let effect = |e: &Effects| if e.z.is_empty() { Vec::new() } else { gathered(&e.z) };
        let (y, w) = (gathered(&g.y), gathered(&g.weights));
        // of every predictor, one after the other
        let fixed: Vec<f64> = self.eta_fixed.chunks_exact(g.n).flat_map(gathered).collect();
        let (zi, zo) = (effect(&g.effects[inner]), effect(&g.effects[outer]));
        let of = |f: usize| g.effects[f].of.first().map_or(0, |c| c * n);
        let (at_i, at_o) = (of(inner), of(outer));
        let all = fixed.len();
        let mut own = Vec::with_capacity(m);
        let mut at = 0;
        for i in inners {
            own.push(at..at + i.rows.len());
            at += i.rows.len();
        }
        let times = |z: &[f64], r: &[f64], rows: Range<usize>| -> f64 {
            if z.is_empty() {
                sum(&r[rows])
            } else {
                r[rows.clone()].iter().zip(&z[rows]).map(|(r, z)| r * z).sum()
            }
        };
        let add = |eta: &mut [f64], at: usize, z: &[f64], rows: Range<usize>, v: f64| {
            let eta = &mut eta[at..at + n];
            if z.is_empty() {
                eta[rows].iter_mut().for_each(|e| *e += v);
            } else {
                eta[rows.clone()].iter_mut().zip(&z[rows]).for_each(|(e, z)| *e += v * z);
            }
        };
        let (mut eta, mut base, mut l) = (vec![0.0; all], vec![0.0; all], vec![0.0; n]);
        let predictors = g.family.kernel().map_or(1, |k| k.predictors());
        let (mut wo, mut dwo) = (vec![0.0; (pair(predictors - 1, predictors - 1) + 1) * n], vec![0.0; n]);
        let random = vec![true; predictors];
        let order: Vec<u32> = inners.iter().flat_map(|i| g.order[i.rows.clone()].iter().copied()).collect();
        let second = |of: usize| vec![0.0; if n_extras > 0 { of * n } else { 0 }];
        let mut more = [second(1), second(1)];
        let mut by_extra = [second(n_extras), second(n_extras), second(n_extras), second(n_extras)];
        let mut r_all = vec![0.0; all * nodes];
        let mut t = vec![0.0; m * nodes];
        let (mut zr, mut zor, mut v) = (t.clone(), t.clone(), t.clone());
        // derivatives by the extra parameters, by node, and their expectations over the inner nodes
        let mut l_d = vec![0.0; n_extras * m * nodes];
        let mut inside_l_d = l_d.clone();
        let mut inside = vec![Inside::default(); m * nodes];
        let mut r_mean = vec![0.0; all * nodes];
        let mut weights = vec![0.0; nodes];
        for a in 0..nodes {
            base.copy_from_slice(&fixed);
            for group in groups {
                let step = root2 * group.far * rule.node(a) / group.s;
                for j in group.inner.clone() {
                    add(&mut base, at_o, &zo, own[j].clone(), lam_o * (group.mode + step));
                    add(&mut base, at_i, &zi, own[j].clone(), lam_i * (inners[j].mode - inners[j].slope * step));
                    for b in 0..nodes {
                        let own = root2 * inners[j].far * rule.node(b) / inners[j].root_d;
                        v[j * nodes + b] = inners[j].mode - inners[j].slope * step + own;
                    }
                }
            }
            for b in 0..nodes {
                eta.copy_from_slice(&base);
                for (i, rows) in inners.iter().zip(&own) {
                    add(&mut eta, at_i, &zi, rows.clone(), lam_i * root2 * i.far * rule.node(b) / i.root_d);
                }
                let r = &mut r_all[b * all..(b + 1) * all];
                let batch = Batch { y: &y, w: &w, eta: &eta, extras: &self.extras };
                if let Some(kernel) = g.family.kernel() {
                    let rows = KernelRows { y: &y, w: &w, eta: &eta, order: &order, random: &random };
                    kernel.derivatives(rows, KernelOut { l: &mut l, r, w: &mut wo, t: &mut [] });
                } else {
                    g.family.derivatives(batch, Derivatives { l: &mut l, r, wo: &mut wo, dwo: &mut dwo });
                }
                if n_extras > 0 {
                    let ([w, dw], [w_d, ld, r_d, wo_d]) = (&mut more, &mut by_extra);
                    g.family.more_derivatives(batch, MoreDerivatives { w, dw, w_d, l_d: ld, r_d, wo_d });
                }
                let r = &r_all[b * all..(b + 1) * all];
                for (j, rows) in own.iter().enumerate() {
                    let at = j * nodes + b;
                    let exponent = (sum(&l[rows.clone()]) - 0.5 * v[at] * v[at]) / inners[j].weight;
                    let value = rule.log_weight(b) + exponent;
                    t[at] = if value.is_finite() { value } else { f64::NEG_INFINITY };
                    zr[at] = times(&zi, &r[at_i..at_i + n], rows.clone());
                    zor[at] = times(&zo, &r[at_o..at_o + n], rows.clone());
                    for (e, ld) in by_extra[1].chunks_exact(n.max(1)).enumerate() {
                        l_d[e * m * nodes + at] = sum(&ld[rows.clone()]);
                    }
                }
            }
            for (j, rows) in own.iter().enumerate() {
                let here = j * nodes..(j + 1) * nodes;
                weights.copy_from_slice(&t[here.clone()]);
                let out = &mut inside[a * m + j];
                let Some(log) = softmax(&mut weights) else {
                    out.log = f64::NEG_INFINITY;
                    continue;
                };
                out.log = log;
                for (b, (&p, at)) in weights.iter().zip(here).enumerate() {
                    if p == 0.0 {
                        continue;
                    }
                    let h = v[at] - lam_i * zr[at];
                    out.h += p * h;
                    out.hz += p * h * rule.node(b);
                    out.rv += p * zr[at] * v[at];
                    out.outer_r += p * zor[at];
                    for e in 0..n_extras {
                        inside_l_d[(e * nodes + a) * m + j] += p * l_d[e * m * nodes + at];
                    }
                    let (mean, r) = (&mut r_mean[a * all..(a + 1) * all], &r_all[b * all..(b + 1) * all]);
                    for c in (0..all).step_by(n.max(1)) {
                        let mean = &mut mean[c..c + n][rows.clone()];
                        mean.iter_mut().zip(&r[c..c + n][rows.clone()]).for_each(|(m, r)| *m += p * r);
                    }
                }
            }
        }
        let mut out = Part {
            log_l: 0.0,
            l_d: vec![0.0; n_extras],
            r: vec![0.0; all],
            inner: vec![[0.0; 3]; m],
            outer: vec![[0.0; 2]; groups.len()],
            gamma: [0.0; 2],
        };
        for (group, [g_o, n_oo]) in groups.iter().zip(&mut out.outer) {
            let mine = group.inner.clone();
            let u = |a: usize| group.mode + root2 * group.far * rule.node(a) / group.s;
            // how often an inner level counts within its outer one
            let times = |j: usize| inners[j].weight / group.weight;
            for (a, t) in weights.iter_mut().enumerate() {
                let within: f64 = mine.clone().map(|j| times(j) * inside[a * m + j].log).sum();
                *t = rule.log_weight(a) - 0.5 * u(a).powi(2) / group.weight + within;
            }
            let log = softmax(&mut weights).unwrap_or(f64::NAN);
            let half = 0.5 * std::f64::consts::PI.ln();
            let log_det =
                group.s.ln() + half + mine.clone().map(|j| times(j) * (inners[j].root_d.ln() + half)).sum::<f64>();
            out.log_l += group.weight * (log - log_det);
            // G_oo, then with the part of the inner effects taken off
            let mut big = 0.0;
            for (a, &p) in weights.iter().enumerate().filter(|(_, &p)| p > 0.0) {
                let mut outer_r = 0.0;
                for j in mine.clone() {
                    let e = &inside[a * m + j];
                    outer_r += e.outer_r;
                    for (x, total) in out.l_d.iter_mut().enumerate() {
                        *total += p * inside_l_d[(x * nodes + a) * m + j];
                    }
                    out.gamma[0] += p * e.rv;
                    let [g_j, g_jj, g_jo] = &mut out.inner[j];
                    *g_j += p * e.h;
                    *g_jj += p * e.hz;
                    *g_jo += p * e.h * rule.node(a);
                    let rows = own[j].clone();
                    let from = &r_mean[a * all..(a + 1) * all];
                    for c in (0..all).step_by(n.max(1)) {
                        let r = &from[c..c + n][rows.clone()];
                        out.r[c..c + n][rows.clone()].iter_mut().zip(r).for_each(|(o, r)| *o += p * r);
                    }
                }
                let h = u(a) - lam_o * outer_r;
                *g_o += p * h;
                big += p * h * rule.node(a);
                out.gamma[1] += p * outer_r * u(a);
            }
            for j in mine {
                let [_, g_jj, g_jo] = &mut out.inner[j];
                big -= inners[j].slope * *g_jo;
                *g_jj = inners[j].weight - root2 * inners[j].far * *g_jj / inners[j].root_d;
                *g_jo *= -root2 * group.far / inners[j].root_d;
            }
            *n_oo = group.weight - root2 * group.far * big / group.s;
        }
        out
    }

    /// Puts Q in the place of the inverse of M.
    pub(super) fn place_nested(&mut self, q: &NestedShape) {
        let Nesting { inner, outer, cell, .. } = &q.nesting;
        self.factor.set_inverse_blocks(*inner, &q.inner);
        self.factor.set_inverse_blocks(*outer, &q.outer);
        let mut across = vec![0.0; cell.len()];
        cell.iter().zip(&q.cross).for_each(|(&c, &v)| across[c as usize] = v);
        self.factor.set_inverse_cells(&self.gram.cells[0], 0, &across);
    }
}
