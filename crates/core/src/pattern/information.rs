//! What degrees of freedom are made of: Satterthwaite's and Kenward and Roger's.
//!
//! Both rest on the observed information. Kenward and Roger's covariance depends on the parameters
//! in which Sigma is written; these are SAS's: covariances where Sigma is linear in them, else
//! variances, correlations and ranges.

use super::covariance::{entry, Covariance, Natural};
use super::criterion::{add_weighted, both_sides, At, Evaluated, Order};
use super::derivatives::{add_second, whiten, Derivatives, Jacobian};
use super::moments::Moments;
use crate::dense::kernels;
use crate::optimize::trust_region::Eigen;

/// Eigenvalues of a curvature of unit diagonal below this say nothing.
const FLAT: f64 = 1e-9;

/// By Satterthwaite. Fixed effects are in coordinates in which their covariance is sigma^2 times
/// the identity; those of a contrast l of the columns as given are l times `root`.
pub struct Satterthwaite {
    /// Number of parameters.
    pub n: usize,
    /// Root of the covariance of the fixed effects divided by sigma^2.
    pub root: Vec<f64>,
    /// Asymptotic covariance of the parameters.
    pub covariance: Vec<f64>,
    /// Derivatives of the covariance of the fixed effects by each parameter, sigma following, in
    /// units of sigma^2.
    pub slopes: Vec<f64>,
    /// Combinations of parameters of which the data say nothing.
    pub flat: usize,
}

/// By Kenward and Roger, in the same coordinates.
pub struct KenwardRoger {
    /// Number of parameters, the residual variance included.
    pub n: usize,
    /// As Satterthwaite's.
    pub root: Vec<f64>,
    /// The adjusted covariance.
    pub adjusted: Vec<f64>,
    /// Derivatives of the inverse of the covariance.
    pub slopes: Vec<f64>,
    /// Asymptotic covariance of the parameters.
    pub weights: Vec<f64>,
    /// As Satterthwaite's.
    pub flat: usize,
}

/// Twice the inverse of a Hessian, without directions in which it is not positive.
fn twice_inverse(h: &[f64], n: usize) -> Option<(Vec<f64>, usize)> {
    if n == 0 {
        return Some((Vec::new(), 0));
    }
    let scale: Vec<f64> =
        (0..n).map(|i| h[i * n + i].abs().sqrt().recip()).map(|v| if v.is_finite() { v } else { 1.0 }).collect();
    let scaled: Vec<f64> = (0..n * n).map(|t| h[t] * scale[t / n] * scale[t % n]).collect();
    let e = Eigen::of(&scaled, n)?;
    let mut out = vec![0.0; n * n];
    let mut flat = 0;
    for (c, &value) in e.values.iter().enumerate() {
        if value < FLAT {
            flat += 1;
            continue;
        }
        for i in 0..n {
            let f = 2.0 / value * e.vectors[i * n + c] * scale[i];
            (0..n).for_each(|j| out[i * n + j] += f * e.vectors[j * n + c] * scale[j]);
        }
    }
    Some((out, flat))
}

/// Satterthwaite's information at an evaluated point; none where R is not defined.
pub fn satterthwaite(m: &Moments, c: &dyn Covariance, e: &Evaluated, z: &[f64]) -> Option<Satterthwaite> {
    let n = c.n();
    let p = m.p();
    let d = Derivatives::of(m, c, z, e)?;
    let (covariance, flat) = twice_inverse(&d.hessian, n)?;
    // of r2 C^-1: - r2 C^-1 P_k C^-1 + (d r2) C^-1, in the coordinates and divided by r2
    let mut slopes: Vec<f64> = d.slopes.iter().map(|v| -v).collect();
    for k in 0..n {
        (0..p).for_each(|i| slopes[(k * p + i) * p + i] += d.r2[k] / e.r2);
    }
    // K' P K in the coordinates of K = C^-1/2: K is R_X'^-1, so that they are R_X^-1 P R_X'^-1
    Some(Satterthwaite { n, root: e.given_root(m), covariance, slopes, flat })
}

/// Kenward and Roger's adjustment at an evaluated point; `natural` are the parameters of Sigma in
/// which it is made, none for the form that leaves second derivatives out.
pub fn kenward_roger(
    m: &Moments,
    c: &dyn Covariance,
    e: &Evaluated,
    z: &[f64],
    natural: Option<&[Natural]>,
) -> Option<KenwardRoger> {
    let n = c.n() + 1;
    let p = m.p();
    let at = At::of(c, m, z, Order::First)?;
    let entries = e.entries(m, true);
    let j = Jacobian::of(m, &at, c.n()).with_scale(m, &at);
    let mut d = Derivatives::at_sigma(m, e, &entries, &j);
    // second derivatives of exp(s) R(z): R_kl, R_k and R
    add_second(m, c, z, &entries.gradient, n, &mut d.hessian);
    let by_scale = j.pull(&entries.gradient);
    for k in 0..n {
        d.hessian[k * n + n - 1] += by_scale[k];
        if k + 1 < n {
            d.hessian[(n - 1) * n + k] += by_scale[k];
        }
    }
    let (weights, flat) = twice_inverse(&d.hessian, n)?;
    let mut change = q_of_pairs(m, e, &entries.starts, &j, &weights);
    whiten(&e.root_of_fixed(), p, &mut change);
    // less sum W_kl P_k Phi P_l
    let mut weighted = vec![0.0; p * p];
    let mut product = vec![0.0; p * p];
    for k in 0..n {
        weighted.fill(0.0);
        for l in 0..n {
            let f = weights[k * n + l];
            weighted.iter_mut().zip(&d.slopes[l * p * p..(l + 1) * p * p]).for_each(|(t, v)| *t += f * v);
        }
        kernels::multiply(&d.slopes[k * p * p..(k + 1) * p * p], &weighted, p, p, p, &mut product);
        change.iter_mut().zip(&product).for_each(|(t, v)| *t -= v);
    }
    if let Some(natural) = natural {
        let s = second_in(m, &At::of(c, m, z, Order::Second)?, &j, &weights, natural, z)?;
        let mut r = vec![0.0; p * p];
        for (block, f) in entries.slopes.chunks_exact((p * p).max(1)).zip(&s) {
            r.iter_mut().zip(block).for_each(|(t, v)| *t -= f * v);
        }
        whiten(&e.root_of_fixed(), p, &mut r);
        change.iter_mut().zip(&r).for_each(|(t, v)| *t -= v / 4.0);
    }
    let mut adjusted = vec![0.0; p * p];
    for i in 0..p {
        for k in 0..p {
            adjusted[i * p + k] = f64::from(i == k) + change[i * p + k] + change[k * p + i];
        }
    }
    Some(KenwardRoger { n, root: e.given_root(m), adjusted, slopes: d.slopes, weights, flat })
}

/// sum over pairs of W_kl X'W R_k W R_l W X.
fn q_of_pairs(m: &Moments, e: &Evaluated, starts: &[usize], j: &Jacobian, weights: &[f64]) -> Vec<f64> {
    let (n, p) = (j.n, m.p());
    let pw = p + 1;
    let mut sums = vec![0.0; pw * pw];
    for (i, u) in m.universes.iter().enumerate() {
        // J W J' for the entries of the universe
        let size = starts[i + 1] - starts[i];
        let own = &j.j[starts[i] * n..starts[i + 1] * n];
        let mut half = vec![0.0; size * n];
        kernels::multiply(own, weights, size, n, n, &mut half);
        let mut of_entries = vec![0.0; size * size];
        for a in 0..size {
            for b in 0..=a {
                let dot = half[a * n..(a + 1) * n].iter().zip(&own[b * n..(b + 1) * n]).map(|(x, y)| x * y).sum();
                of_entries[a * size + b] = dot;
                of_entries[b * size + a] = dot;
            }
        }
        for (pattern, w) in u.patterns.iter().zip(&e.w[i]) {
            let s = pattern.visits.len();
            let v = &pattern.visits;
            // sum of W_ef E_e W E_f, entry (x, y) = sum_ab Cov(R_xa, R_by) W_ab
            let mut middle = vec![0.0; s * s];
            for x in 0..s {
                for y in 0..s {
                    let mut sum = 0.0;
                    for a in 0..s {
                        let row = entry(v[x], v[a]) * size;
                        for b in 0..s {
                            sum += of_entries[row + entry(v[b], v[y])] * w[a * s + b];
                        }
                    }
                    middle[x * s + y] = sum;
                }
            }
            add_weighted(u, pattern, &both_sides(w, &middle, s), pw, &mut sums);
        }
    }
    let mut out = vec![0.0; p * p];
    (0..p).for_each(|i| out[i * p..(i + 1) * p].copy_from_slice(&sums[i * pw..i * pw + p]));
    out
}

/// For every entry the second derivatives of Sigma by pairs of natural parameters, weighted by
/// their covariance and summed.
///
/// With phi(xi) the natural parameters of the parameters xi = (z, log of the factor),
/// sum W_ij Sigma_ij by xi = the same by phi + sum_n (d Sigma / d phi_n) c_n,
/// c_n = sum W_ij d2 phi_n / d xi_i d xi_j.
fn second_in(m: &Moments, at: &At, j: &Jacobian, weights: &[f64], natural: &[Natural], z: &[f64]) -> Option<Vec<f64>> {
    let n = j.n;
    if natural.len() != n {
        return None;
    }
    let nz = n - 1;
    // s_e = sum W_ij d2 R_e: of z, then twice those with the factor, then of the factor
    let mut s = Vec::with_capacity(j.j.len() / n);
    let mut e = 0;
    let mut begins = Vec::new();
    for (i, u) in m.universes.iter().enumerate() {
        begins.push(e);
        for b in 0..u.t {
            for a in 0..=b {
                let mut sum = 0.0;
                let mut pair = 0;
                for k in 0..nz {
                    for l in 0..=k {
                        let f = weights[k * n + l] * if k == l { 1.0 } else { 2.0 };
                        sum += f * at.second[i][pair * u.t * u.t + a * u.t + b];
                        pair += 1;
                    }
                }
                let row = &j.j[e * n..(e + 1) * n];
                sum += (0..nz).map(|k| 2.0 * weights[k * n + nz] * row[k]).sum::<f64>();
                sum += weights[nz * n + nz] * row[nz];
                s.push(sum);
                e += 1;
            }
        }
    }
    // gradients of the natural parameters by xi, and c
    let mut rows = vec![0.0; n * n];
    let mut c = vec![0.0; n];
    let quadratic = |a: &[f64], b: &[f64]| -> f64 {
        (0..n).map(|i| a[i] * (0..n).map(|k| weights[i * n + k] * b[k]).sum::<f64>()).sum()
    };
    for (i, what) in natural.iter().enumerate() {
        let out = &mut rows[i * n..(i + 1) * n];
        match *what {
            Natural::Entry(u, a, b) => {
                let e = begins[u] + entry(a, b);
                out.copy_from_slice(&j.j[e * n..(e + 1) * n]);
                c[i] = s[e];
            }
            Natural::Correlation(u, a, b) => {
                let t = m.universes[u].t;
                let value = |a: usize, b: usize| at.r[u][a * t + b];
                let of = |a: usize, b: usize| begins[u] + entry(a, b);
                let (x, y, w) = (value(a, b), value(a, a), value(b, b));
                let r = x / (y * w).sqrt();
                // first and second derivatives by (x, y, w)
                let root = (y * w).sqrt();
                let g = [1.0 / root, -0.5 * r / y, -0.5 * r / w];
                let h = [
                    [0.0, -0.5 / (root * y), -0.5 / (root * w)],
                    [-0.5 / (root * y), 0.75 * r / (y * y), 0.25 * r / (y * w)],
                    [-0.5 / (root * w), 0.25 * r / (y * w), 0.75 * r / (w * w)],
                ];
                let places = [of(a, b), of(a, a), of(b, b)];
                for f in 0..3 {
                    let row = &j.j[places[f] * n..(places[f] + 1) * n];
                    out.iter_mut().zip(row).for_each(|(t, v)| *t += g[f] * v);
                    c[i] += g[f] * s[places[f]];
                    for l in 0..3 {
                        c[i] += h[f][l] * quadratic(row, &j.j[places[l] * n..(places[l] + 1) * n]);
                    }
                }
            }
            Natural::Exponential(k) => {
                let value = z[k].exp();
                out[k] = value;
                c[i] = value * weights[k * n + k];
            }
        }
    }
    // d xi = (d phi / d xi)^-1 c, and what Sigma moves along it
    let along = solve(&mut rows, c, n)?;
    for (row, s) in j.j.chunks_exact(n).zip(&mut s) {
        *s -= row.iter().zip(&along).map(|(a, b)| a * b).sum::<f64>();
    }
    Some(s)
}

/// Solves a square system by elimination with pivots.
fn solve(a: &mut [f64], mut b: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for k in 0..n {
        let best = (k..n).max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs()))?;
        if a[best * n + k] == 0.0 {
            return None;
        }
        if best != k {
            (0..n).for_each(|c| a.swap(best * n + c, k * n + c));
            b.swap(best, k);
        }
        for i in k + 1..n {
            let f = a[i * n + k] / a[k * n + k];
            if f == 0.0 {
                continue;
            }
            (k..n).for_each(|c| a[i * n + c] -= f * a[k * n + c]);
            b[i] -= f * b[k];
        }
    }
    for k in (0..n).rev() {
        let sum: f64 = (k + 1..n).map(|c| a[k * n + c] * b[c]).sum();
        b[k] = (b[k] - sum) / a[k * n + k];
    }
    Some(b)
}
