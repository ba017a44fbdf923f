//! Responses drawn from a fitted model by the products that a fit needs of them, whatever the
//! number of subjects.
//!
//! Of the m subjects of a pattern let X hold all columns at all positions, c of them independent,
//! X'X = F F', and E the errors, whose rows have the covariance Sigma of the pattern. Then
//! X'E = F T with c rows T of that covariance, and E'E = T'T + a Wishart matrix of Sigma with
//! m - c degrees of freedom.

use super::covariance::{entry, Covariance};
use super::criterion::{At, Evaluated, Order};
use super::fit::{fit, Fit};
use super::moments::{Moments, Pattern, Universe};
use super::solution::Solution;
use crate::dense::by_size::{cholesky, multiply, transposed_multiply};
use crate::error::CoreError;
use crate::linear::FitOptions;
use crate::optimize::trust_region::Eigen;
use crate::rng::Rng;

/// Eigenvalues of X'X up to this share of the largest are zero but for rounding.
const ROUNDING: f64 = 1e-11;

/// What is drawn for one pattern.
struct Law {
    /// Lower root of Sigma.
    root: Vec<f64>,
    /// Number of columns at each position, without y, and where they begin.
    begins: Vec<usize>,
    /// Coefficient of each column.
    beta: Vec<f64>,
    /// F: columns x c.
    f: Vec<f64>,
    c: usize,
    m: usize,
    /// X'X b by position: columns x positions.
    fixed: Vec<f64>,
}

/// The laws of all patterns, by universe.
pub struct Drawn {
    laws: Vec<Vec<Law>>,
}

impl Law {
    /// None where Sigma is not positive definite.
    fn of(u: &Universe, pattern: &Pattern, r: &[f64], beta: &[f64], sigma: f64) -> Option<Law> {
        let s = pattern.visits.len();
        let mut root: Vec<f64> =
            (0..s * s).map(|t| sigma * sigma * r[pattern.visits[t / s] * u.t + pattern.visits[t % s]]).collect();
        if !cholesky(&mut root, s) {
            return None;
        }
        (0..s).for_each(|i| root[i * s + i + 1..(i + 1) * s].fill(0.0));
        let mut begins = vec![0];
        let mut coefficients = Vec::new();
        for &v in &pattern.visits {
            let columns = &u.columns[v];
            coefficients.extend(columns[..columns.len() - 1].iter().map(|&c| beta[c]));
            begins.push(coefficients.len());
        }
        let all = coefficients.len();
        let mut g = vec![0.0; all * all];
        for k in 0..s {
            for j in 0..=k {
                let width = begins[k + 1] - begins[k];
                let products = &pattern.products[pattern.starts[entry(j, k)]..];
                for (a, row) in (begins[j]..begins[j + 1]).zip(products.chunks_exact(width + 1)) {
                    for (b, value) in (begins[k]..begins[k + 1]).zip(row) {
                        (g[a * all + b], g[b * all + a]) = (*value, *value);
                    }
                }
            }
        }
        let mut fixed = vec![0.0; all * s];
        for a in 0..all {
            for k in 0..s {
                fixed[a * s + k] = (begins[k]..begins[k + 1]).map(|b| g[a * all + b] * coefficients[b]).sum();
            }
        }
        let (mut f, mut c) = (Vec::new(), 0);
        if all > 0 {
            let e = Eigen::of(&g, all)?;
            let least = ROUNDING * e.values[all - 1];
            // rounding may leave more than there are subjects
            let first =
                (0..all).find(|&i| e.values[i] > least).unwrap_or(all).max(all.saturating_sub(pattern.m as usize));
            c = all - first;
            f = (0..all * c)
                .map(|t| e.vectors[t / c * all + first + t % c] * e.values[first + t % c].max(0.0).sqrt())
                .collect();
        }
        Some(Law { root, begins, beta: coefficients, f, c, m: pattern.m as usize, fixed })
    }

    /// `n` rows of the covariance: n x s.
    fn rows(&self, n: usize, rng: &mut Rng) -> Vec<f64> {
        let s = self.begins.len() - 1;
        let noise: Vec<f64> = (0..n * s).map(|_| rng.normal()).collect();
        let mut out = vec![0.0; n * s];
        for (row, e) in out.chunks_exact_mut(s).zip(noise.chunks_exact(s)) {
            for (i, v) in row.iter_mut().enumerate() {
                *v = self.root[i * s..=i * s + i].iter().zip(e).map(|(l, e)| l * e).sum();
            }
        }
        out
    }

    /// A Wishart matrix of the covariance (Bartlett's decomposition).
    fn wishart(&self, df: usize, rng: &mut Rng) -> Vec<f64> {
        let s = self.begins.len() - 1;
        if df < s {
            let rows = self.rows(df, rng);
            return transposed_multiply(&rows, &rows, df, s, s);
        }
        let mut a = vec![0.0; s * s];
        for i in 0..s {
            (0..i).for_each(|j| a[i * s + j] = rng.normal());
            a[i * s + i] = rng.chi_square(df - i).sqrt();
        }
        let half = multiply(&self.root, &a, s, s, s);
        (0..s * s).map(|t| (0..s).map(|c| half[t / s * s + c] * half[t % s * s + c]).sum()).collect()
    }

    /// Puts the products of a new response into a pattern.
    fn draw(&self, pattern: &mut Pattern, rng: &mut Rng) {
        let s = self.begins.len() - 1;
        let all = self.beta.len();
        let t = self.rows(self.c, rng);
        let with_errors = multiply(&self.f, &t, all, self.c, s);
        let mut errors = transposed_multiply(&t, &t, self.c, s, s);
        let rest = self.wishart(self.m - self.c, rng);
        errors.iter_mut().zip(&rest).for_each(|(e, w)| *e += w);
        // y at each position times b'X at each, and the other way round
        let along = |j: usize, of: &[f64], k: usize| -> f64 {
            (self.begins[j]..self.begins[j + 1]).map(|a| self.beta[a] * of[a * s + k]).sum()
        };
        for k in 0..s {
            for j in 0..=k {
                let (left, right) = (self.begins[j]..self.begins[j + 1], self.begins[k]..self.begins[k + 1]);
                let width = right.len() + 1;
                let block = &mut pattern.products[pattern.starts[entry(j, k)]..];
                for (row, a) in block.chunks_exact_mut(width).zip(left.clone()) {
                    row[width - 1] = self.fixed[a * s + k] + with_errors[a * s + k];
                }
                let last = &mut block[left.len() * width..(left.len() + 1) * width];
                for (v, b) in last.iter_mut().zip(right) {
                    *v = self.fixed[b * s + j] + with_errors[b * s + j];
                }
                last[width - 1] = along(j, &self.fixed, k)
                    + along(j, &with_errors, k)
                    + along(k, &with_errors, j)
                    + errors[j * s + k];
            }
        }
    }
}

impl Drawn {
    /// Of a model at given parameters of R; none where R is not defined.
    pub fn of(m: &Moments, c: &dyn Covariance, z: &[f64], reml: bool) -> Option<Drawn> {
        let at = At::of(c, m, z, Order::Value)?;
        let e = Evaluated::of(m, &at.r, reml)?;
        let sigma = (e.r2 / m.nu(reml)).sqrt();
        let of = |(u, r): (&Universe, &Vec<f64>)| -> Option<Vec<Law>> {
            u.patterns.iter().map(|p| Law::of(u, p, r, &e.beta, sigma)).collect()
        };
        let laws = m.universes.iter().zip(&at.r).map(of).collect::<Option<_>>()?;
        Some(Drawn { laws })
    }

    /// Draws the products of a response into `own`, which has the patterns of the model.
    pub fn draw(&self, own: &mut Moments, rng: &mut Rng) {
        for (u, laws) in own.universes.iter_mut().zip(&self.laws) {
            for (pattern, law) in u.patterns.iter_mut().zip(laws) {
                law.draw(pattern, rng);
            }
        }
    }
}

/// Fits to `n` responses drawn from a model at z, of which they start; replicate i depends on the
/// seed and `first` + i only. They end early when `progress` says so.
///
/// # Errors
/// R that is not defined at z; [`CoreError::Interrupted`] when `progress` says so.
#[allow(clippy::too_many_arguments)]
pub fn bootstrap(
    m: &Moments,
    c: &dyn Covariance,
    z: &[f64],
    options: FitOptions,
    seed: u64,
    first: usize,
    n: usize,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<(Fit, Option<Solution>)>, CoreError> {
    let undefined = || CoreError::Degenerate("the covariance of the rows is not positive definite".into());
    let law = Drawn::of(m, c, z, options.reml).ok_or_else(undefined)?;
    let mut own = m.clone();
    let mut out = Vec::new();
    for i in 0..n {
        law.draw(&mut own, &mut Rng::of(seed, (first + i) as u64));
        let found = fit(&own, c, z, options, &mut |_, _| true)?;
        let solution = found.at.as_ref().map(|e| e.solution(&own));
        out.push((Fit { at: None, ..found }, solution));
        if !progress(out.len()) {
            return Err(CoreError::Interrupted);
        }
    }
    Ok(out)
}
