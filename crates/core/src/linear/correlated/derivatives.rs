//! Exact derivatives of the criterion along directions of the random effects' covariance and the
//! parameters of R, from one pass over the clusters.

use super::clusters::{Cluster, Correlated};
use super::criterion::{border_factors, dot, local_blocks, multiply, transposed, transposed_multiply, State};
use super::directions::Direction;
use crate::jet::Jet;

/// How much is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Want {
    /// The gradient.
    Gradient,
    /// And the average information.
    Average,
    /// The exact Hessian in its place.
    Exact,
}

/// Derivatives; directions of the random effects come first, then the parameters of R.
#[derive(Clone, Debug)]
pub struct Derivatives {
    /// Of the criterion.
    pub gradient: Vec<f64>,
    /// Average information or Hessian; empty where neither is wanted.
    pub hessian: Vec<f64>,
    /// Of the residual sum of squares.
    pub rdot: Vec<f64>,
    /// Of the criterion by each factor's Sigma, k x k.
    pub psi: Vec<Vec<f64>>,
    /// X'V^-1 (dV) V^-1 X, p x p in the changed basis; where the Hessian is wanted.
    pub slopes: Vec<Vec<f64>>,
    /// tr(P dV P dV), with V^-1 for P by maximum likelihood; where the Hessian is wanted.
    pub traces: Vec<f64>,
}

/// R of a pattern: E for each parameter in use.
pub(super) struct Turned {
    pub(super) active: Vec<usize>,
    pub(super) e: Vec<Vec<f64>>,
}

/// A part of the border's random effects, and what a direction of a factor of the border makes of
/// a vector there.
fn border_direction(model: &Correlated, d: &Direction, v: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; model.q];
    for (_, at, k, levels) in border_factors(model).filter(|b| b.0 == d.factor) {
        for first in (at..at + levels * k).step_by(k) {
            for i in 0..k {
                out[first + i] = (0..k).map(|j| d.sigma[i * k + j] * v[first + j]).sum();
            }
        }
    }
    out
}

impl State {
    /// E of every pattern.
    pub(super) fn turned(&self, model: &Correlated) -> Vec<Turned> {
        let mut r = Jet::default();
        model
            .patterns
            .iter()
            .zip(&self.roots)
            .map(|(p, l)| {
                let m = p.m;
                let active = p.with(|s| model.r.matrix(self.z(), s, 1, &mut r));
                let e = (0..active.len()).map(|k| l.whiten(m, r.d(k))).collect();
                Turned { active, e }
            })
            .collect()
    }

    /// Whitened columns of a cluster less what its local effects explain, y last: n x width.
    pub(super) fn less_local(&self, c: &Cluster, i: usize) -> Vec<f64> {
        let (m, width) = (c.m, c.width());
        let rows = &self.white[c.start..c.start + c.n() * width];
        if m == 0 {
            return rows.to_vec();
        }
        let top: Vec<f64> = self.gram[i][..m * width].to_vec();
        let dg = multiply(&self.d[i], &top, m, m, width);
        let z: Vec<f64> = rows.chunks_exact(width).flat_map(|r| r[..m].to_vec()).collect();
        let taken = multiply(&z, &dg, c.n(), m, width);
        rows.iter().zip(&taken).map(|(a, b)| a - b).collect()
    }

    /// The derivatives at the last evaluation.
    pub fn derivatives(&self, model: &Correlated, reml: bool, directions: &[Direction], want: Want) -> Derivatives {
        let gamma = self.border_effects(model);
        self.derivatives_with(model, reml, directions, want, &gamma, model.sys.nu(reml) / self.r2)
    }

    /// The same with given effects of the border, and a given 1 / sigma^2 in place of the optimum.
    pub(super) fn derivatives_with(
        &self,
        model: &Correlated,
        reml: bool,
        directions: &[Direction],
        want: Want,
        gamma: &[f64],
        ratio: f64,
    ) -> Derivatives {
        let (b, q, p) = (model.b(), model.q, model.p());
        let w = b + 1;
        let (nd, nz) = (directions.len(), model.r.n());
        let total = nd + nz;
        let inverse = self.border_inverse(model, reml);
        let all = if reml { inverse.clone() } else { self.border_inverse(model, true) };
        let turned = self.turned(model);
        let is_local = |d: &Direction| model.border_at[d.factor].is_none();
        // Z'Py of the border's effects
        let g_border: Vec<f64> = (0..q).map(|i| self.n[i * w + b] - dot(&self.n[i * w..i * w + b], gamma)).collect();
        let pushed: Vec<Vec<f64>> = directions
            .iter()
            .map(|d| if is_local(d) { Vec::new() } else { border_direction(model, d, &g_border) })
            .collect();

        let mut psi: Vec<Vec<f64>> = model.sys.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect();
        let mut weights: Vec<Vec<f64>> = model.patterns.iter().map(|p| vec![0.0; p.m * p.m]).collect();
        let mut rdot = vec![0.0; total];
        let mut quad = vec![0.0; total * total];
        let mut a = vec![0.0; if want > Want::Gradient { total * b } else { 0 }];
        let mut pairs = vec![0.0; total * total];
        let exact = want == Want::Exact;
        let mut y = vec![vec![0.0; if exact { b * b } else { 0 }]; total];

        for (i, c) in model.clusters.iter().enumerate() {
            let (m, width, n) = (c.m, c.width(), c.n());
            let ab = width - m - 1;
            let active = c.border();
            let u = self.less_local(c, i);
            let rows = &self.white[c.start..c.start + n * width];
            let h: Vec<f64> = u
                .chunks_exact(width)
                .map(|r| r[width - 1] - active.iter().zip(&r[m..]).map(|(&j, v)| gamma[j] * v).sum::<f64>())
                .collect();
            let own: Vec<f64> =
                active.iter().flat_map(|&j| active.iter().map(move |&k| j * b + k)).map(|t| inverse[t]).collect();
            let z: Vec<f64> = rows.chunks_exact(width).flat_map(|r| r[..m].to_vec()).collect();
            let zb_u: Vec<f64> = u.chunks_exact(width).flat_map(|r| r[..m + ab].to_vec()).collect();
            let ub: Vec<f64> = u.chunks_exact(width).flat_map(|r| r[m..m + ab].to_vec()).collect();
            // Z'U: B_c and H'
            let zu = transposed_multiply(&z, &zb_u, n, m, m + ab);
            let g = transposed_multiply(&z, &h, n, m, 1);
            let hp: Vec<f64> = zu.chunks_exact((m + ab).max(1)).flat_map(|r| r[m..].to_vec()).collect();
            let through = multiply(&hp, &own, m, ab, ab);
            for &(f, _, at) in &c.levels {
                let k = model.sys.factors[f].k;
                for s in 0..k {
                    for t in 0..k {
                        let (s, t) = (at + s, at + t);
                        psi[f][(s - at) * k + t - at] += zu[s * (m + ab) + t]
                            - dot(&through[s * ab..(s + 1) * ab], &hp[t * ab..(t + 1) * ab])
                            - ratio * g[s] * g[t];
                    }
                }
            }
            // of R: what the derivative of R is multiplied by, in whitened coordinates
            let zd = multiply(&z, if m > 0 { &self.d[i] } else { &[] }, n, m, m);
            let us = multiply(&ub, &own, n, ab, ab);
            let mut of_r: Vec<usize> = Vec::new();
            for block in &model.blocks[c.blocks.clone()] {
                let at = block.rows.start - c.rows.start;
                let len = block.rows.len();
                let t = &turned[block.pattern];
                of_r.extend(t.active.iter().filter(|k| !of_r.contains(k)).copied().collect::<Vec<_>>());
                let weight = &mut weights[block.pattern];
                // I - [Z D, U T, ratio h] [Z, U, h]'
                let side = m + ab + 1;
                let mut left = Vec::with_capacity(len * side);
                let mut right = Vec::with_capacity(len * side);
                for s in at..at + len {
                    left.extend_from_slice(&zd[s * m..(s + 1) * m]);
                    left.extend_from_slice(&us[s * ab..(s + 1) * ab]);
                    left.push(ratio * h[s]);
                    right.extend_from_slice(&z[s * m..(s + 1) * m]);
                    right.extend_from_slice(&ub[s * ab..(s + 1) * ab]);
                    right.push(h[s]);
                }
                let product = multiply(&left, &transposed(&right, len, side), len, side, len);
                weight.iter_mut().zip(&product).for_each(|(w, p)| *w -= p);
                (0..len).for_each(|s| weight[s * len + s] += 1.0);
            }
            if want == Want::Gradient {
                continue;
            }
            // the parameters that this cluster knows of, and dV P y of each
            let local: Vec<usize> = (0..nd)
                .filter(|&k| is_local(&directions[k]) && c.levels.iter().any(|l| l.0 == directions[k].factor))
                .collect();
            let crossed: Vec<usize> = (0..nd).filter(|&k| !is_local(&directions[k])).collect();
            let blocks: Vec<Vec<f64>> = local
                .iter()
                .map(|&k| local_blocks(model, c, |f| (f == directions[k].factor).then_some(&directions[k].sigma)))
                .collect();
            let mut f: Vec<(usize, Vec<f64>)> = Vec::new();
            for (&k, s) in local.iter().zip(&blocks) {
                f.push((k, multiply(&z, &multiply(s, &g, m, m, 1), n, m, 1)));
            }
            for &k in &crossed {
                let v: Vec<f64> = active.iter().map(|&j| if j < q { pushed[k][j] } else { 0.0 }).collect();
                f.push((k, rows.chunks_exact(width).map(|r| dot(&r[m..m + ab], &v)).collect()));
            }
            for &k in &of_r {
                f.push((nd + k, self.times_e(model, c, &turned, k, &h, 1)));
            }
            for (k, v) in &f {
                rdot[*k] -= dot(v, &h);
                let t = self.less_local_of(c, i, &z, v, 1);
                for (l, other) in &f {
                    quad[k * total + l] += dot(&t, other);
                }
                for (row, t) in rows.chunks_exact(width).zip(&t) {
                    active.iter().zip(&row[m..]).for_each(|(&j, x)| a[k * b + j] += t * x);
                }
            }
            if !exact {
                continue;
            }
            // of dV U, U its border part: V_c^-1 and the inverse of the border times that part, and
            // U'dV U; dV of the random effects has few columns
            let border_part =
                |v: &[f64]| -> Vec<f64> { v.chunks_exact(m + ab).flat_map(|r| r[m..].to_vec()).collect() };
            let z_u: Vec<f64> = u.chunks_exact(width).flat_map(|r| r[..m].to_vec()).collect();
            let mut keys: Vec<usize> = local.clone();
            let (mut seen, mut unexplained, mut yk) = (Vec::new(), Vec::new(), Vec::new());
            for s in &blocks {
                let turned = multiply(s, &zu, m, m, m + ab);
                seen.push(multiply(&z, &multiply(s, &through, m, m, ab), n, m, ab));
                unexplained.push(multiply(&z_u, &border_part(&turned), n, m, ab));
                yk.push(transposed_multiply(&zu, &turned, m, m + ab, m + ab));
            }
            for &k in &of_r {
                let with = self.times_e(model, c, &turned, k, &zb_u, m + ab);
                let of_border = border_part(&with);
                keys.push(nd + k);
                seen.push(multiply(&of_border, &own, n, ab, ab));
                unexplained.push(self.less_local_of(c, i, &z, &of_border, ab));
                yk.push(transposed_multiply(&zb_u, &with, n, m + ab, m + ab));
            }
            for (s, k) in keys.iter().enumerate() {
                for (i, &row) in active.iter().enumerate() {
                    for (j, &col) in active.iter().enumerate() {
                        y[*k][row * b + col] += yk[s][(m + i) * (m + ab) + m + j];
                    }
                }
                for (t, l) in keys.iter().enumerate() {
                    pairs[k * total + l] -= 2.0 * dot(&seen[s], &unexplained[t]);
                }
            }
            // tr(V_c^-1 dV V_c^-1 dV)
            let corner =
                |v: &[f64]| -> Vec<f64> { (0..m).flat_map(|i| v[i * (m + ab)..i * (m + ab) + m].to_vec()).collect() };
            let bc = corner(&zu);
            let sb: Vec<Vec<f64>> = blocks.iter().map(|s| multiply(s, &bc, m, m, m)).collect();
            for (s, &k) in local.iter().enumerate() {
                for (t, &l) in local.iter().enumerate() {
                    pairs[k * total + l] += trace_of_product(&sb[s], &sb[t], m);
                }
                for (t, &l) in of_r.iter().enumerate() {
                    let v = dot(&blocks[s], &corner(&yk[local.len() + t]));
                    pairs[k * total + nd + l] += v;
                    pairs[(nd + l) * total + k] += v;
                }
            }
            self.add_pairs_of_r(model, c, (i, &z, &zd), &turned, &of_r, &mut |k, l, v| {
                pairs[(nd + k) * total + nd + l] += v;
            });
        }

        for block in &mut psi {
            // symmetric but for rounding
            let k = block.len().isqrt();
            *block = (0..k * k).map(|t| 0.5 * (block[t] + block[t % k * k + t / k])).collect();
        }
        // the factors of the border
        let nz_all: Vec<f64> = (0..q).flat_map(|i| self.n[i * w..i * w + b].to_vec()).collect();
        let nt = multiply(&nz_all, &inverse, q, b, b);
        let bb: Vec<f64> = (0..q * q)
            .map(|t| {
                let (i, j) = (t / q, t % q);
                self.n[i * w + j] - dot(&nt[i * b..(i + 1) * b], &nz_all[j * b..(j + 1) * b])
            })
            .collect();
        for (f, at, k, levels) in border_factors(model) {
            for first in (at..at + levels * k).step_by(k) {
                for t in 0..k * k {
                    let (i, j) = (first + t / k, first + t % k);
                    psi[f][t] += bb[i * q + j] - ratio * g_border[i] * g_border[j];
                }
            }
        }
        let mut gradient: Vec<f64> = directions.iter().map(|d| dot(&psi[d.factor], &d.sigma)).collect();
        gradient.resize(total, 0.0);
        for (t, weight) in turned.iter().zip(&weights) {
            for (&k, e) in t.active.iter().zip(&t.e) {
                gradient[nd + k] += dot(e, weight);
            }
        }
        let mut out = Derivatives { gradient, hessian: Vec::new(), rdot, psi, slopes: Vec::new(), traces: Vec::new() };
        if want == Want::Gradient {
            return out;
        }
        let aq = multiply(&a, &all, total, b, b);
        for k in 0..total {
            for l in 0..total {
                quad[k * total + l] -= dot(&aq[k * b..(k + 1) * b], &a[l * b..(l + 1) * b]);
            }
        }
        let (scale, last) = (if exact { 2.0 * ratio } else { ratio }, ratio / self.r2);
        out.hessian =
            (0..total * total).map(|t| scale * quad[t] - last * out.rdot[t / total] * out.rdot[t % total]).collect();
        if !exact {
            self.add_curvature(model, directions, &out.psi.clone(), None, &mut out.hessian);
            return out;
        }
        self.add_border_pairs(model, directions, &inverse, &nt, &bb, &y, &mut pairs);
        out.hessian.iter_mut().zip(&pairs).for_each(|(h, p)| *h -= p);
        self.add_curvature(model, directions, &out.psi.clone(), Some(&weights), &mut out.hessian);
        out.traces = pairs;
        out.slopes = self.slopes(model, directions, &y, p);
        out
    }

    /// V_c^-1 v of whitened rows v (n x cols).
    pub(super) fn less_local_of(&self, c: &Cluster, i: usize, z: &[f64], v: &[f64], cols: usize) -> Vec<f64> {
        let (m, n) = (c.m, c.n());
        if m == 0 {
            return v.to_vec();
        }
        let zv = transposed_multiply(z, v, n, m, cols);
        let dz = multiply(&self.d[i], &zv, m, m, cols);
        let taken = multiply(z, &dz, n, m, cols);
        v.iter().zip(&taken).map(|(a, b)| a - b).collect()
    }

    /// E v of a parameter of R, for whitened rows v (n x cols).
    pub(super) fn times_e(
        &self,
        model: &Correlated,
        c: &Cluster,
        turned: &[Turned],
        k: usize,
        v: &[f64],
        cols: usize,
    ) -> Vec<f64> {
        let mut out = vec![0.0; v.len()];
        for block in &model.blocks[c.blocks.clone()] {
            let t = &turned[block.pattern];
            let Some(at) = t.active.iter().position(|&a| a == k) else { continue };
            let range = (block.rows.start - c.rows.start) * cols..(block.rows.end - c.rows.start) * cols;
            let len = block.rows.len();
            out[range.clone()].copy_from_slice(&multiply(&t.e[at], &v[range], len, len, cols));
        }
        out
    }

    /// tr(V_c^-1 dR V_c^-1 dR) for all pairs of parameters of R in a cluster.
    fn add_pairs_of_r(
        &self,
        model: &Correlated,
        c: &Cluster,
        (i, z, zd): (usize, &[f64], &[f64]),
        turned: &[Turned],
        of_r: &[usize],
        add: &mut impl FnMut(usize, usize, f64),
    ) {
        for block in &model.blocks[c.blocks.clone()] {
            let t = &turned[block.pattern];
            for (s, &k) in t.active.iter().enumerate() {
                for (u, &l) in t.active.iter().enumerate() {
                    add(k, l, dot(&t.e[s], &t.e[u]));
                }
            }
        }
        let (m, n) = (c.m, c.n());
        if m == 0 {
            return;
        }
        let with_z: Vec<Vec<f64>> = of_r.iter().map(|&k| self.times_e(model, c, turned, k, z, m)).collect();
        let with_zd: Vec<Vec<f64>> = of_r.iter().map(|&k| self.times_e(model, c, turned, k, zd, m)).collect();
        let ds: Vec<Vec<f64>> =
            with_z.iter().map(|v| multiply(&self.d[i], &transposed_multiply(z, v, n, m, m), m, m, m)).collect();
        for (s, &k) in of_r.iter().enumerate() {
            for (t, &l) in of_r.iter().enumerate() {
                add(k, l, trace_of_product(&ds[s], &ds[t], m) - 2.0 * dot(&with_zd[s], &with_z[t]));
            }
        }
    }

    /// What the border adds to tr(P dV P dV).
    #[allow(clippy::too_many_arguments)]
    fn add_border_pairs(
        &self,
        model: &Correlated,
        directions: &[Direction],
        inverse: &[f64],
        nt: &[f64],
        bb: &[f64],
        y: &[Vec<f64>],
        pairs: &mut [f64],
    ) {
        let (b, q, nd) = (model.b(), model.q, directions.len());
        let total = y.len();
        let crossed: Vec<usize> = (0..nd).filter(|&k| model.border_at[directions[k].factor].is_some()).collect();
        let others: Vec<usize> = (0..total).filter(|k| !crossed.contains(k)).collect();
        let turned: Vec<Vec<f64>> = others.iter().map(|&k| multiply(inverse, &y[k], b, b, b)).collect();
        for (s, &k) in others.iter().enumerate() {
            for (t, &l) in others.iter().enumerate() {
                pairs[k * total + l] += trace_of_product(&turned[s], &turned[t], b);
            }
        }
        if q == 0 {
            return;
        }
        // rows of I - N T: P Z of the border
        let through: Vec<f64> = (0..q * b).map(|t| f64::from(t / b == t % b) - nt[t]).collect();
        let products: Vec<(usize, Vec<f64>)> = others
            .iter()
            .map(|&k| {
                let half = multiply(&through, &y[k], q, b, b);
                (k, multiply(&half, &transposed(&through, q, b), q, b, q))
            })
            .collect();
        let sb: Vec<Vec<f64>> = crossed.iter().map(|&k| rows_of_direction(model, &directions[k], bb, q)).collect();
        for (s, &k) in crossed.iter().enumerate() {
            for (t, &l) in crossed.iter().enumerate() {
                pairs[k * total + l] += trace_of_product(&sb[s], &sb[t], q);
            }
            for (l, product) in &products {
                let along = rows_of_direction(model, &directions[k], product, q);
                let v: f64 = (0..q).map(|i| along[i * q + i]).sum();
                pairs[k * total + l] += v;
                pairs[l * total + k] += v;
            }
        }
    }

    /// Second derivatives of Sigma and (where `weights` are given) R.
    fn add_curvature(
        &self,
        model: &Correlated,
        directions: &[Direction],
        psi: &[Vec<f64>],
        weights: Option<&[Vec<f64>]>,
        h: &mut [f64],
    ) {
        let nd = directions.len();
        let total = nd + model.r.n();
        for (k, d) in directions.iter().enumerate() {
            for (l, e) in directions.iter().enumerate() {
                if let Some(second) = d.with(e, model.sys.factors[d.factor].k) {
                    h[k * total + l] += dot(&psi[d.factor], &second);
                }
            }
        }
        let Some(weights) = weights else { return };
        for ((p, weight), l) in model.patterns.iter().zip(weights).zip(&self.roots) {
            let m = p.m;
            let outer = l.back(m, weight);
            let mut found = Vec::new();
            let active = p.with(|s| model.r.curvature(self.z(), s, &outer, &mut found));
            let n = active.len();
            for (s, &k) in active.iter().enumerate() {
                for (t, &l) in active.iter().enumerate() {
                    h[(nd + k) * total + nd + l] += found[s * n + t];
                }
            }
        }
    }

    /// X'V^-1 dV V^-1 X of all parameters.
    fn slopes(&self, model: &Correlated, directions: &[Direction], y: &[Vec<f64>], p: usize) -> Vec<Vec<f64>> {
        let (b, q, w) = (model.b(), model.q, model.b() + 1);
        if q == 0 {
            return y.to_vec();
        }
        let random = self.border_inverse(model, false);
        let n: Vec<f64> = (0..b).flat_map(|i| self.n[i * w..i * w + b].to_vec()).collect();
        // rows q.. of I - N T: p x b
        let nt = multiply(&n[q * b..], &random, p, b, b);
        let through: Vec<f64> = (0..p * b).map(|t| f64::from(t / b + q == t % b) - nt[t]).collect();
        // X'V^-1 Z of the border
        let xz = multiply(&through, &n, p, b, b);
        let xz: Vec<f64> = xz.chunks_exact(b).flat_map(|r| r[..q].to_vec()).collect();
        y.iter()
            .enumerate()
            .map(|(k, y)| match directions.get(k).filter(|d| model.border_at[d.factor].is_some()) {
                Some(d) => {
                    let along = rows_of_direction(model, d, &transposed(&xz, p, q), p);
                    multiply(&xz, &along, p, q, p)
                }
                None => {
                    let half = multiply(&through, y, p, b, b);
                    multiply(&half, &transposed(&through, p, b), p, b, p)
                }
            })
            .collect()
    }
}

/// A direction of a factor of the border times a matrix of q rows.
pub(super) fn rows_of_direction(model: &Correlated, d: &Direction, v: &[f64], cols: usize) -> Vec<f64> {
    let columns = transposed(v, model.q, cols);
    let out: Vec<f64> = columns.chunks_exact(model.q).flat_map(|c| border_direction(model, d, c)).collect();
    transposed(&out, cols, model.q)
}

fn trace_of_product(a: &[f64], b: &[f64], n: usize) -> f64 {
    (0..n).map(|i| (0..n).map(|j| a[i * n + j] * b[j * n + i]).sum::<f64>()).sum()
}
