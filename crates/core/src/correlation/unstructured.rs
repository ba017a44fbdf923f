//! Any covariance matrix whose first variance is one, over levels: R = L L' with L lower triangular
//! and L_11 = 1; z is the rest of the lower triangle row by row, diagonal entries as logarithms.
//! Natural parameters are the other standard deviations and the correlations.

use super::{factor, Correlation, Parameter, PositionRule, Positions, StartData};
use crate::dense::jacobi_svd::svd;
use crate::jet::{pair, Jet, Number};

/// Smallest eigenvalue of the correlation matrix at the start.
const FLOOR: f64 = 0.05;

/// See the module.
#[derive(Debug)]
pub struct Unstructured {
    /// Number of levels.
    pub levels: usize,
}

/// Place of an entry of the lower triangle among the parameters; none for the first.
fn place(i: usize, j: usize) -> Option<usize> {
    (i * (i + 1) / 2 + j).checked_sub(1)
}

impl Unstructured {
    /// Rows of L, zeros above the diagonal.
    fn root(&self, z: &[f64]) -> Vec<f64> {
        let t = self.levels;
        let mut l = vec![0.0; t * t];
        for i in 0..t {
            for j in 0..=i {
                let z = place(i, j).map_or(0.0, |p| z[p]);
                l[i * t + j] = if i == j { z.exp() } else { z };
            }
        }
        l
    }

    /// The entries of L that are parameters: number, row, column, derivative with respect to z.
    fn entries<'a>(&self, l: &'a [f64]) -> impl Iterator<Item = (usize, usize, usize, f64)> + 'a {
        let t = self.levels;
        (1..t).flat_map(move |i| {
            (0..=i).map(move |j| (place(i, j).unwrap(), i, j, if i == j { l[i * t + i] } else { 1.0 }))
        })
    }

    /// The z of a covariance matrix, divided by its first variance.
    fn read(&self, covariance: &[f64]) -> Option<Vec<f64>> {
        let t = self.levels;
        let (l, _) = factor(covariance, t)?;
        Some(
            (1..t)
                .flat_map(|i| (0..=i).map(move |j| (i, j)))
                .map(|(i, j)| l[i * t + j] / l[0])
                .zip((1..t).flat_map(|i| (0..=i).map(move |j| i == j)))
                .map(|(v, diagonal)| if diagonal { v.ln() } else { v })
                .collect(),
        )
    }
}

/// A covariance matrix with the eigenvalues of its correlation matrix at least [`FLOOR`].
pub(super) fn floored(covariance: &[f64], t: usize) -> Option<Vec<f64>> {
    let sd: Vec<f64> = (0..t).map(|i| covariance[i * t + i].sqrt()).collect();
    if sd.iter().any(|s| s.is_nan() || *s <= 0.0) {
        return None;
    }
    let c: Vec<f64> = (0..t * t).map(|p| covariance[p] / (sd[p / t] * sd[p % t])).collect();
    let c: Vec<f64> = c.iter().map(|v| if v.is_finite() { v.clamp(-1.0, 1.0) } else { 0.0 }).collect();
    // of a symmetric matrix u = +-v: the sign is that of the eigenvalue
    let (u, s, v) = svd(&c, t);
    let mut out = vec![0.0; t * t];
    for e in 0..t {
        let sign: f64 = (0..t).map(|i| u[i * t + e] * v[i * t + e]).sum();
        let value = (s[e] * sign.signum()).max(FLOOR);
        for i in 0..t {
            for j in 0..t {
                out[i * t + j] += value * u[i * t + e] * u[j * t + e];
            }
        }
    }
    (0..t * t).for_each(|p| out[p] *= sd[p / t] * sd[p % t]);
    Some(out)
}

impl Correlation for Unstructured {
    fn n(&self) -> usize {
        self.levels * (self.levels + 1) / 2 - 1
    }

    fn parameters(&self) -> Vec<Parameter> {
        let sd = (1..self.levels).map(|i| Parameter { name: "sd_ratio", at: vec![i] });
        let pairs = (1..self.levels).flat_map(|i| (0..i).map(move |j| (j, i)));
        sd.chain(pairs.map(|(j, i)| Parameter { name: "cor", at: vec![j, i] })).collect()
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        let (t, n) = (self.levels, self.n());
        let codes: Vec<f64> = (0..t).map(|i| i as f64).collect();
        let mut r = Jet::default();
        self.matrix(z, Positions { values: &codes, d: 1 }, order, &mut r);
        let sd: Vec<Number> = (0..t).map(|i| Number::of(&r, i * t + i).sqrt()).collect();
        out.reset(n, n, order);
        for i in 1..t {
            out.put(i - 1, &sd[i]);
        }
        let mut at = t - 1;
        for i in 1..t {
            for j in 0..i {
                out.put(at, &Number::of(&r, i * t + j).times(&sd[i].times(&sd[j]).recip()));
                at += 1;
            }
        }
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        let t = self.levels;
        let sd = |i: usize| if i == 0 { 1.0 } else { natural[i - 1] };
        if (1..t).any(|i| sd(i) <= 0.0) {
            return None;
        }
        let mut r = vec![0.0; t * t];
        let mut correlations = natural[t - 1..].iter();
        for i in 0..t {
            r[i * t + i] = sd(i) * sd(i);
            for j in 0..i {
                let c = correlations.next()? * sd(i) * sd(j);
                (r[i * t + j], r[j * t + i]) = (c, c);
            }
        }
        self.read(&r)
    }

    fn starts(&self, data: &StartData<'_>) -> Vec<Vec<f64>> {
        let moments = data.covariance.and_then(|c| floored(c, self.levels)).and_then(|c| self.read(&c));
        vec![moments.unwrap_or_else(|| vec![0.0; self.n()])]
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: true, whole: true, distinct: true, several: false }
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        let (t, m, n) = (self.levels, at.m(), self.n());
        let l = self.root(z);
        let level: Vec<usize> = (0..m).map(|i| at.first(i) as usize).collect();
        out.reset(n, m * m, order);
        for i in 0..m {
            for j in 0..m {
                let (a, b) = (level[i], level[j]);
                out.value[i * m + j] = (0..=a.min(b)).map(|c| l[a * t + c] * l[b * t + c]).sum();
            }
        }
        if order == 0 {
            return;
        }
        let rows: Vec<Vec<usize>> = (0..t).map(|a| (0..m).filter(|&i| level[i] == a).collect()).collect();
        let entries: Vec<_> = self.entries(&l).collect();
        for &(k, a, b, slope) in &entries {
            for &i in &rows[a] {
                for j in 0..m {
                    let v = slope * l[level[j] * t + b];
                    out.first[k * m * m + i * m + j] += v;
                    out.first[k * m * m + j * m + i] += v;
                }
            }
        }
        if order == 1 {
            return;
        }
        for &(k, a, b, slope) in &entries {
            for &(q, c, d, other) in &entries {
                if q > k || d != b {
                    continue;
                }
                for &i in &rows[a] {
                    for &j in &rows[c] {
                        let p = pair(k, q) * m * m;
                        out.second[p + i * m + j] += slope * other;
                        out.second[p + j * m + i] += slope * other;
                    }
                }
            }
            if a == b {
                // the diagonal is an exponential: its second derivative is its first
                let p = pair(k, k) * m * m;
                for s in 0..m * m {
                    out.second[p + s] += out.first[k * m * m + s];
                }
            }
        }
    }

    fn add_curvature(&self, z: &[f64], at: Positions<'_>, weight: &[f64], out: &mut [f64]) {
        // without the n^2 matrices: entries in one column of L have the product of their slopes
        let (t, m, n) = (self.levels, at.m(), self.n());
        let l = self.root(z);
        let level: Vec<usize> = (0..m).map(|i| at.first(i) as usize).collect();
        let mut by_level = vec![0.0; t * t];
        let mut weighted = vec![0.0; t * t]; // by_level times L
        for i in 0..m {
            for j in 0..m {
                by_level[level[i] * t + level[j]] += weight[i * m + j];
            }
        }
        crate::dense::kernels::multiply(&by_level, &l, t, t, t, &mut weighted);
        for (k, a, b, slope) in self.entries(&l) {
            for c in b.max(1)..t {
                let q = place(c, b).unwrap();
                let other = if c == b { l[b * t + b] } else { 1.0 };
                out[k * n + q] += 2.0 * slope * other * by_level[a * t + c];
            }
            if a == b {
                out[k * n + k] += 2.0 * slope * weighted[a * t + b];
            }
        }
    }
}
