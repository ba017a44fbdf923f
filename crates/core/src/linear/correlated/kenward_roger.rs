//! Kenward and Roger's adjustment (1997) by the observed information, as SAS has it.
//!
//! The sum of W (Q - P C P) over all pairs of parameters does not depend on their choice, and is
//! zero for pairs with sigma^2 while the others are relative to it; what second derivatives of V
//! add does. They are zero in covariances of the random effects; in the parameters (sigma^2,
//! natural ones) of R they are those of sigma^2 R.

use super::clusters::Correlated;
use super::criterion::{dot, multiply, solve_lower, transposed, transposed_multiply, State};
use super::derivatives::Want;
use super::directions::Direction;
use crate::layout::Frame;
use crate::linear::chart::Chart;
use crate::linear::information::KenwardRoger;

impl State {
    /// At frames that were evaluated last; `linear` leaves second derivatives of R out.
    pub fn kenward_roger(&self, model: &Correlated, frames: &[Frame], linear: bool) -> KenwardRoger {
        let own = self.slopes_of_fixed(model, true, frames);
        let (p, m, nz) = (model.p(), own.slopes.len(), model.r.n());
        let nu = model.sys.nu(true);
        let chart = Chart::new(&model.sys);
        let all = Direction::of_chart(&model.sys, &chart, frames);
        let inside: Vec<Direction> = own.inside.iter().map(|&k| all[k].clone()).collect();
        let d = self.derivatives(model, true, &inside, Want::Exact);
        let rdot: Vec<f64> = d.rdot.iter().map(|v| v * nu / self.r2).collect();
        // R_X^-1 (.) R_X^-T
        let lower = self.lower_of_fixed(model);
        let turned = |a: &[f64]| {
            let mut t = a.to_vec();
            solve_lower(&lower, p, &mut t, p);
            t = transposed(&t, p, p);
            solve_lower(&lower, p, &mut t, p);
            t
        };
        let y: Vec<Vec<f64>> = d.slopes.iter().map(|s| turned(s)).collect();
        let mut middle = turned(&self.sum_of_products(model, &inside, &own.covariance));
        for k in 0..m {
            for l in 0..m {
                let product = multiply(&y[k], &y[l], p, p, p);
                let w = own.covariance[k * m + l];
                middle.iter_mut().zip(&product).for_each(|(t, v)| *t -= w * v);
            }
        }
        // covariance with sigma^2, in units of it
        let with_sigma: Vec<f64> = (0..m).map(|k| dot(&own.covariance[k * m..(k + 1) * m], &rdot) / nu).collect();
        if !linear && nz > 0 {
            let w: Vec<f64> = (0..nz * nz).map(|t| own.covariance[(m - nz + t / nz) * m + m - nz + t % nz]).collect();
            let mut second = turned(&self.sum_of_curvatures(model, &w));
            let natural = model.r.natural(self.z(), 2);
            // what the change to natural parameters adds
            let bends: Vec<f64> =
                (0..nz).map(|k| (0..nz * nz).map(|t| w[t] * natural.d2(t / nz, t % nz)[k]).sum::<f64>()).collect();
            let jacobian: Vec<f64> = (0..nz * nz).map(|t| natural.d(t % nz)[t / nz]).collect();
            let t = solve(&jacobian, &bends, nz);
            for c in 0..nz {
                let factor = 2.0 * with_sigma[m - nz + c] - t[c];
                second.iter_mut().zip(&y[m - nz + c]).for_each(|(s, y)| *s += factor * y);
            }
            middle.iter_mut().zip(&second).for_each(|(t, s)| *t -= 0.25 * s);
        }
        let adjusted = (0..p * p).map(|t| f64::from(t / p == t % p) + middle[t] + middle[t % p * p + t / p]).collect();
        let r = m + 1;
        let mut weights = vec![0.0; r * r];
        for k in 0..m {
            for l in 0..m {
                weights[k * r + l] = own.covariance[k * m + l];
            }
            weights[k * r + m] = with_sigma[k];
            weights[m * r + k] = with_sigma[k];
        }
        weights[m * r + m] = 2.0 / nu + dot(&with_sigma, &rdot) / nu;
        let mut slopes: Vec<f64> = y.iter().flatten().map(|v| -v).collect();
        slopes.extend((0..p * p).map(|t| -f64::from(t / p == t % p)));
        KenwardRoger { root: own.root, adjusted, slopes, weights, flat: own.flat }
    }

    /// Sum of W X'V^-1 dV V^-1 dV V^-1 X over all pairs of parameters.
    fn sum_of_products(&self, model: &Correlated, directions: &[Direction], weights: &[f64]) -> Vec<f64> {
        let (b, q, p, w) = (model.b(), model.q, model.p(), model.b() + 1);
        let nd = directions.len();
        let m = nd + model.r.n();
        let random = self.border_inverse(model, false);
        let n: Vec<f64> = (0..b).flat_map(|i| self.n[i * w..i * w + b].to_vec()).collect();
        // (I - T N) on the fixed effects: b x p, and Z'V^-1 X of the border
        let tn = multiply(&random, &n, b, b, b);
        let through: Vec<f64> = (0..b * p).map(|t| f64::from(t / p == q + t % p) - tn[t / p * b + q + t % p]).collect();
        let zx = multiply(&n[..q * b], &through, q, b, p);
        let turned = self.turned(model);
        let mut sums = vec![vec![0.0; p * p]; m * m];
        let mut a = vec![vec![0.0; b * p]; m];
        for (i, c) in model.clusters.iter().enumerate() {
            let (mc, width, rows) = (c.m, c.width(), c.n());
            let ab = width - mc - 1;
            let active = c.border();
            let u = self.less_local(c, i);
            let white = &self.white[c.start..c.start + rows * width];
            let ub: Vec<f64> = u.chunks_exact(width).flat_map(|r| r[mc..mc + ab].to_vec()).collect();
            let part: Vec<f64> = active.iter().flat_map(|&j| through[j * p..(j + 1) * p].to_vec()).collect();
            let ux = multiply(&ub, &part, rows, ab, p);
            let z: Vec<f64> = white.chunks_exact(width).flat_map(|r| r[..mc].to_vec()).collect();
            let zu = transposed_multiply(&z, &ux, rows, mc, p);
            let mut f: Vec<(usize, Vec<f64>)> = Vec::new();
            for (k, d) in directions.iter().enumerate() {
                if model.border_at[d.factor].is_none() {
                    let s = super::criterion::local_blocks(model, c, |f| (f == d.factor).then_some(&d.sigma));
                    f.push((k, multiply(&z, &multiply(&s, &zu, mc, mc, p), rows, mc, p)));
                } else {
                    let along = super::derivatives::rows_of_direction(model, d, &zx, p);
                    let own: Vec<f64> = active
                        .iter()
                        .flat_map(|&j| if j < q { along[j * p..(j + 1) * p].to_vec() } else { vec![0.0; p] })
                        .collect();
                    let zb: Vec<f64> = white.chunks_exact(width).flat_map(|r| r[mc..mc + ab].to_vec()).collect();
                    f.push((k, multiply(&zb, &own, rows, ab, p)));
                }
            }
            for k in 0..model.r.n() {
                f.push((nd + k, self.times_e(model, c, &turned, k, &ux, p)));
            }
            for (k, v) in &f {
                let t = self.less_local_of(c, i, &z, v, p);
                for (l, other) in &f {
                    let product = transposed_multiply(other, &t, rows, p, p);
                    sums[k * m + l].iter_mut().zip(&product).for_each(|(s, v)| *s += v);
                }
                let seen = transposed_multiply(&ub, v, rows, ab, p);
                for (at, &j) in active.iter().enumerate() {
                    (0..p).for_each(|x| a[*k][j * p + x] += seen[at * p + x]);
                }
            }
        }
        let mut out = vec![0.0; p * p];
        let ta: Vec<Vec<f64>> = a.iter().map(|a| multiply(&random, a, b, b, p)).collect();
        for k in 0..m {
            for l in 0..m {
                let taken = transposed_multiply(&a[k], &ta[l], b, p, p);
                let weight = weights[k * m + l];
                out.iter_mut().zip(sums[k * m + l].iter().zip(&taken)).for_each(|(t, (s, v))| *t += weight * (s - v));
            }
        }
        out
    }

    /// Sum of W X'V^-1 d2R V^-1 X over all pairs of parameters of R.
    fn sum_of_curvatures(&self, model: &Correlated, weights: &[f64]) -> Vec<f64> {
        let (b, q, p, w) = (model.b(), model.q, model.p(), model.b() + 1);
        let nz = model.r.n();
        let random = self.border_inverse(model, false);
        let n: Vec<f64> = (0..b).flat_map(|i| self.n[i * w..i * w + b].to_vec()).collect();
        let tn = multiply(&random, &n, b, b, b);
        let through: Vec<f64> = (0..b * p).map(|t| f64::from(t / p == q + t % p) - tn[t / p * b + q + t % p]).collect();
        // for each pattern and pair of columns the sum of v v' over its blocks, v = V^-1 X
        let mut sums: Vec<Vec<f64>> = model.patterns.iter().map(|t| vec![0.0; p * p * t.m * t.m]).collect();
        for (i, c) in model.clusters.iter().enumerate() {
            let (mc, width) = (c.m, c.width());
            let ab = width - mc - 1;
            let u = self.less_local(c, i);
            let ub: Vec<f64> = u.chunks_exact(width).flat_map(|r| r[mc..mc + ab].to_vec()).collect();
            let part: Vec<f64> = c.border().iter().flat_map(|&j| through[j * p..(j + 1) * p].to_vec()).collect();
            let ux = multiply(&ub, &part, c.n(), ab, p);
            for block in &model.blocks[c.blocks.clone()] {
                let m = block.rows.len();
                let at = block.rows.start - c.rows.start;
                let mut v = ux[at * p..(at + m) * p].to_vec();
                self.roots[block.pattern].solve_transposed(m, &mut v, p);
                let sum = &mut sums[block.pattern];
                for x in 0..p {
                    for y in 0..=x {
                        let to = &mut sum[(x * p + y) * m * m..(x * p + y + 1) * m * m];
                        for s in 0..m {
                            for t in 0..m {
                                to[s * m + t] += 0.5 * (v[s * p + x] * v[t * p + y] + v[t * p + x] * v[s * p + y]);
                            }
                        }
                    }
                }
            }
        }
        let mut out = vec![0.0; p * p];
        for (pattern, sum) in model.patterns.iter().zip(&sums) {
            let m = pattern.m;
            for x in 0..p {
                for y in 0..=x {
                    let weight = &sum[(x * p + y) * m * m..(x * p + y + 1) * m * m];
                    let mut found = Vec::new();
                    let active = pattern.with(|s| model.r.curvature(self.z(), s, weight, &mut found));
                    let k = active.len();
                    let v: f64 = (0..k * k).map(|t| found[t] * weights[active[t / k] * nz + active[t % k]]).sum();
                    out[x * p + y] += v;
                    if x != y {
                        out[y * p + x] += v;
                    }
                }
            }
        }
        out
    }
}

/// Solution of a small system by elimination with pivots.
fn solve(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut m: Vec<Vec<f64>> = (0..n).map(|i| [&a[i * n..(i + 1) * n], &b[i..=i]].concat()).collect();
    for c in 0..n {
        let best = (c..n).max_by(|&i, &j| m[i][c].abs().total_cmp(&m[j][c].abs())).unwrap_or(c);
        m.swap(c, best);
        let pivot = m[c].clone();
        for row in m.iter_mut().skip(c + 1) {
            let f = row[c] / pivot[c];
            row.iter_mut().zip(&pivot).for_each(|(t, p)| *t -= f * p);
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        let s: f64 = (i + 1..n).map(|j| m[i][j] * x[j]).sum();
        x[i] = (m[i][n] - s) / m[i][i];
    }
    x
}
