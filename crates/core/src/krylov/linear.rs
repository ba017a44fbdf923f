//! A linear model with crossed random intercepts: its rows, and everything about it at one set of
//! standard deviations.

use super::block::{Block, WIDEST};
use super::graph::Graph;
use super::logdet::{Decomposition, Probed};
use super::operator::{self, Own};
use super::probes::Signs;
use crate::basis::Basis;
use crate::crossprod::{settle_rank, transformed_w, Crossprod};
use crate::dense::kernels;
use crate::error::CoreError;
use crate::linear::Solution;
use crate::memory::room_for;
use crate::rows::Rows;
use crate::watch::Watch;

/// Rows whose columns are handled together.
const ROWS: usize = 128;
/// Vectors of the reduced system that are held at once beside those of the right sides.
const VECTORS: f64 = 64.0;

/// See the module.
pub struct Crossed {
    g: Graph,
    /// Change of basis of X and y.
    pub basis: Basis,
    /// Products of \[X y\], rows and covariance of the rows.
    cp: Crossprod,
    /// Z'\[X y\] of the eliminated factor and of all places.
    ztw: [Vec<f64>; 2],
    /// Levels of each factor.
    pub levels: Vec<usize>,
    n_threads: usize,
}

/// Everything at one set of standard deviations.
pub struct Evaluated<'a> {
    /// Criterion in the changed basis.
    pub criterion: f64,
    /// Estimates of the sampled part of log|M|.
    pub probed: Vec<Probed>,
    /// Derivatives of the criterion with respect to the standard deviations.
    pub gradient: Vec<f64>,
    /// Its Hessian: average information, and the curvature of the variances.
    pub hessian: Vec<f64>,
    decomposition: Decomposition<'a>,
    log_det_rx: f64,
    /// Penalised residual sum of squares.
    r2: f64,
    beta: Vec<f64>,
    s: Vec<f64>,
    /// Spherical random effects of the eliminated factor and of all places.
    u: [Vec<f64>; 2],
}

impl Crossed {
    /// Of rows all of whose factors have one random intercept.
    ///
    /// # Errors
    /// Other terms, values that are not finite, or what does not fit into memory.
    pub fn new(rows: &Rows<'_>, n_threads: usize) -> Result<Self, CoreError> {
        rows.check()?;
        let intercepts = |f: &crate::rows::FactorRows<'_>| {
            f.terms.len() == 1 && f.terms[0].z.len() == 1 && f.terms[0].z[0].iter().all(|&v| v == 1.0)
        };
        if rows.factors.len() < 2 || !rows.factors.iter().all(intercepts) {
            return Err(CoreError::Shape("every one of two or more factors must have one random intercept".into()));
        }
        let levels: Vec<usize> = rows.factors.iter().map(|f| f.n_levels).collect();
        let q: usize = levels.iter().sum();
        let pw = rows.x.len() + 1;
        room_for((VECTORS + 4.0 * pw as f64) * q as f64, || format!("the vectors of {q} random effects"))?;
        let g = Graph::new(rows)?;
        let fixed = Rows { x: rows.x.clone(), y: rows.y, weights: rows.weights, factors: Vec::new() };
        let mut basis = Basis::from_rows(&fixed);
        let mut cp = Crossprod::of(&fixed, &basis, n_threads);
        cp.check()?;
        if settle_rank(&fixed, &mut basis, &cp.wtw, cp.pw)? {
            cp = Crossprod::of(&fixed, &basis, n_threads);
            cp.check()?;
        }
        let pw = cp.pw;
        let mut ztw = [vec![0.0; g.n_levels() * pw], vec![0.0; g.n_places() * pw]];
        let mut w = vec![0.0; ROWS * pw];
        for from in (0..rows.n()).step_by(ROWS) {
            let range = from..(from + ROWS).min(rows.n());
            transformed_w(&fixed, &basis, range.clone(), &mut w);
            for (i, row) in range.zip(w.chunks_exact_mut(pw)) {
                if let Some(weights) = rows.weights {
                    let root = weights[i].sqrt();
                    row.iter_mut().for_each(|v| *v *= root);
                }
                let give = |to: &mut [f64], level: usize| {
                    to[level * pw..(level + 1) * pw].iter_mut().zip(&*row).for_each(|(t, v)| *t += v);
                };
                give(&mut ztw[0], rows.factors[g.eliminated].codes[i] as usize);
                for (k, &f) in g.others.iter().enumerate() {
                    give(&mut ztw[1], g.first[k] + rows.factors[f].codes[i] as usize);
                }
            }
        }
        Ok(Crossed { g, basis, cp, ztw, levels, n_threads })
    }

    /// Bytes that an exact factor takes at most: a dense matrix, held twice, of all effects but
    /// those of the factor with the most levels.
    pub fn exact_bytes(&self) -> f64 {
        16.0 * (self.g.n_places() as f64).powi(2)
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.cp.n
    }

    /// Divisor of the residual sum of squares.
    fn nu(&self, reml: bool) -> f64 {
        (self.cp.n - if reml { self.basis.p() } else { 0 }) as f64
    }

    /// What the changed basis and the weights add to the criterion.
    pub fn constant(&self, reml: bool) -> f64 {
        let x = if reml { -2.0 * self.basis.log_det_g() } else { 0.0 };
        2.0 * self.nu(reml) * self.basis.y_scale.ln() + self.cp.log_det_r + x
    }

    /// Standard deviations to start from, by the variances of the means of the levels of each
    /// factor alone.
    pub fn start(&self) -> Vec<f64> {
        let (pw, n) = (self.cp.pw, self.levels.len());
        let p = pw - 1;
        let total: f64 = self.g.total[0].iter().sum();
        let of = |f: usize| -> (f64, f64, f64) {
            let (weights, ztw, range) = self.factor_parts(f);
            let (mut between, mut squares) = (0.0, 0.0);
            for l in range.clone() {
                let w = weights[l];
                if w > 0.0 {
                    between += ztw[l * pw + p].powi(2) / w;
                    squares += w * w;
                }
            }
            (between, range.len() as f64, total - squares / total)
        };
        let sums: Vec<(f64, f64, f64)> = (0..n).map(of).collect();
        let spread = self.cp.wtw[pw * pw - 1] / self.cp.n as f64;
        let mut residual = 0.5 * spread;
        let mut variances = vec![0.0; n];
        for _ in 0..20 {
            for (v, (between, levels, effective)) in variances.iter_mut().zip(&sums) {
                *v = ((between - levels * residual) / effective).clamp(0.0, spread);
            }
            residual = (spread - variances.iter().sum::<f64>()).max(0.1 * spread);
        }
        variances.iter().map(|v| (v / residual).sqrt().clamp(0.1, 3.0)).collect()
    }

    /// Weights, Z'\[X y\] and where they are, of the levels of a factor.
    fn factor_parts(&self, f: usize) -> (&[f64], &[f64], std::ops::Range<usize>) {
        match self.g.others.iter().position(|&o| o == f) {
            None => (&self.g.total[0], &self.ztw[0], 0..self.g.n_levels()),
            Some(i) => (&self.g.total[1], &self.ztw[1], self.g.first[i]..self.g.first[i + 1]),
        }
    }

    /// Which half of the effects a factor is in, and where.
    fn half(&self, f: usize) -> (usize, std::ops::Range<usize>) {
        (usize::from(f != self.g.eliminated), self.factor_parts(f).2)
    }

    /// Multiplies each effect's row by the standard deviation of its factor.
    fn scale(&self, lambda: &[f64], v: &mut [Vec<f64>; 2], cols: usize) {
        for (f, s) in lambda.iter().enumerate() {
            let (half, range) = self.half(f);
            v[half][range.start * cols..range.end * cols].iter_mut().for_each(|v| *v *= s);
        }
    }

    /// Z'WZ v.
    fn gram(&self, v: &[Vec<f64>; 2], cols: usize) -> [Vec<f64>; 2] {
        let mut out = [vec![0.0; v[0].len()], vec![0.0; v[1].len()]];
        for from in (0..cols).step_by(WIDEST) {
            let used = WIDEST.min(cols - from);
            let (mut own, mut rest) =
                (Block::columns(&v[0], cols, from, used), Block::columns(&v[1], cols, from, used));
            let k = own.k;
            let sums = operator::pass(&self.g, Own::Given(&own.data), &rest.data, k, self.n_threads);
            for (j, row) in own.data.chunks_exact_mut(k).enumerate() {
                for (t, s) in row.iter_mut().zip(&sums.levels[j * k..]) {
                    *t = s + self.g.total[0][j] * *t;
                }
            }
            rest.data = sums.places;
            own.write(&mut out[0], cols, from);
            rest.write(&mut out[1], cols, from);
        }
        out
    }

    /// Criterion, gradient, Hessian and solution at the standard deviations `lambda`, with so many
    /// probes.
    ///
    /// # Errors
    /// An interruption, no convergence, or a system that is not positive definite.
    pub fn evaluate<'a>(
        &'a self,
        lambda: &[f64],
        reml: bool,
        probes: usize,
        signs: Signs,
        watch: &'a dyn Watch,
    ) -> Result<Evaluated<'a>, CoreError> {
        let (pw, n_factors) = (self.cp.pw, lambda.len());
        let p = pw - 1;
        let not_positive = || CoreError::Degenerate("the system is not positive definite".into());
        let decomposition = Decomposition::new(&self.g, lambda, self.n_threads, watch)?;
        let mut a = self.ztw.clone();
        self.scale(lambda, &mut a, pw);
        let (k1, k2) = decomposition.solve(&a[0], &a[1], pw)?;
        let mut k = [k1, k2];
        let mut rxx = self.cp.wtw.clone();
        for (a, k) in a.iter().zip(&k) {
            for (a, k) in a.chunks_exact(pw).zip(k.chunks_exact(pw)) {
                for i in 0..pw {
                    for j in 0..=i {
                        rxx[i * pw + j] -= 0.5 * (a[i] * k[j] + a[j] * k[i]);
                    }
                }
            }
        }
        drop(a);
        if !kernels::cholesky::<0>(&mut rxx, pw) {
            return Err(not_positive());
        }
        let log_det_rx = (0..p).map(|i| rxx[i * pw + i].ln()).sum::<f64>();
        let r2 = rxx[p * pw + p].powi(2);
        let mut beta = vec![0.0; p];
        for i in (0..p).rev() {
            let known: f64 = (i + 1..p).map(|m| rxx[m * pw + i] * beta[m]).sum();
            beta[i] = (rxx[p * pw + i] - known) / rxx[i * pw + i];
        }
        let mut s = vec![0.0; p * p];
        if p > 0 {
            let mut rx = vec![0.0; p * p];
            (0..p).for_each(|i| rx[i * p..i * p + i + 1].copy_from_slice(&rxx[i * pw..i * pw + i + 1]));
            kernels::inverse_of_product::<0>(&rx, p, &mut s);
        }
        // [F g0] = Z'[X y] - Z'Z L [K u0], of which the last column becomes g
        let mut scaled = k.clone();
        self.scale(lambda, &mut scaled, pw);
        let mut fg = self.gram(&scaled, pw);
        drop(scaled);
        for half in 0..2 {
            fg[half].iter_mut().zip(&self.ztw[half]).for_each(|(t, z)| *t = z - *t);
            for row in k[half].chunks_exact_mut(pw).chain(fg[half].chunks_exact_mut(pw)) {
                let along: f64 = row[..p].iter().zip(&beta).map(|(a, b)| a * b).sum();
                row[p] -= along;
            }
        }
        let nu = self.nu(reml);
        let (by, by2) = (nu / r2, nu / (r2 * r2));
        let mut probed = Vec::with_capacity(probes);
        for from in (0..probes).step_by(WIDEST) {
            probed.extend(decomposition.probe(signs, from, WIDEST.min(probes - from), true)?);
        }
        // derivatives
        let mut gradient = decomposition.known_gradient().to_vec();
        for probe in &probed {
            gradient.iter_mut().zip(&probe.gradient).for_each(|(t, v)| *t += v / probes as f64);
        }
        let mut along = vec![0.0; n_factors];
        let mut w = [vec![0.0; k[0].len() / pw * n_factors], vec![0.0; k[1].len() / pw * n_factors]];
        for f in 0..n_factors {
            let (half, range) = self.half(f);
            for l in range {
                let (k, fg) = (&k[half][l * pw..(l + 1) * pw], &fg[half][l * pw..(l + 1) * pw]);
                along[f] -= 2.0 * fg[p] * k[p];
                w[half][l * n_factors + f] = k[p] + lambda[f] * fg[p];
                if reml {
                    gradient[f] -= 2.0
                        * (0..p)
                            .map(|i| fg[i] * s[i * p..(i + 1) * p].iter().zip(k).map(|(s, k)| s * k).sum::<f64>())
                            .sum::<f64>();
                }
            }
            gradient[f] += by * along[f];
        }
        // w'Z'P Z w of all pairs
        let mut c = self.gram(&w, n_factors);
        let mut quadratic = vec![0.0; n_factors * n_factors];
        let mut fixed = vec![0.0; p * n_factors];
        for half in 0..2 {
            outer(&w[half], &c[half], n_factors, 1.0, &mut quadratic);
            for (fg, w) in fg[half].chunks_exact(pw).zip(w[half].chunks_exact(n_factors)) {
                for i in 0..p {
                    fixed[i * n_factors..(i + 1) * n_factors].iter_mut().zip(w).for_each(|(t, w)| *t += fg[i] * w);
                }
            }
        }
        self.scale(lambda, &mut c, n_factors);
        let (m1, m2) = decomposition.solve(&c[0], &c[1], n_factors)?;
        outer(&c[0], &m1, n_factors, -1.0, &mut quadratic);
        outer(&c[1], &m2, n_factors, -1.0, &mut quadratic);
        let mut hessian = vec![0.0; n_factors * n_factors];
        for a in 0..n_factors {
            for b in 0..n_factors {
                let x: f64 =
                    (0..p * p).map(|t| fixed[t / p * n_factors + a] * s[t] * fixed[t % p * n_factors + b]).sum();
                let both = 0.5 * (quadratic[a * n_factors + b] + quadratic[b * n_factors + a]) - x;
                hessian[a * n_factors + b] = by * both - by2 * along[a] * along[b];
            }
            if lambda[a] > 0.0 {
                hessian[a * n_factors + a] += gradient[a] / lambda[a];
            }
        }
        let mut u = [vec![0.0; k[0].len() / pw], vec![0.0; k[1].len() / pw]];
        for half in 0..2 {
            u[half].iter_mut().zip(k[half].chunks_exact(pw)).for_each(|(u, k)| *u = k[p]);
        }
        let mut out =
            Evaluated { criterion: 0.0, probed, gradient, hessian, decomposition, log_det_rx, r2, beta, s, u };
        out.criterion = self.criterion(&out, reml);
        if out.criterion.is_finite() {
            Ok(out)
        } else {
            Err(not_positive())
        }
    }

    fn criterion(&self, at: &Evaluated<'_>, reml: bool) -> f64 {
        let nu = self.nu(reml);
        let x = if reml { 2.0 * at.log_det_rx } else { 0.0 };
        at.log_det() + x + nu * (1.0 + (2.0 * std::f64::consts::PI * at.r2 / nu).ln())
    }

    /// Adds probes for the value alone.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn add_probes(&self, at: &mut Evaluated<'_>, reml: bool, signs: Signs, to: usize) -> Result<(), CoreError> {
        while at.probed.len() < to {
            let from = at.probed.len();
            let more = at.decomposition.probe(signs, from, WIDEST.min(to - from), false)?;
            at.probed.extend(more);
        }
        at.criterion = self.criterion(at, reml);
        Ok(())
    }

    /// Results in given units.
    pub fn solution(&self, at: &Evaluated<'_>, lambda: &[f64], reml: bool) -> Solution {
        let scale = self.basis.y_scale;
        let (mut u, mut b) = (Vec::new(), Vec::new());
        for (f, s) in lambda.iter().enumerate() {
            let (half, range) = self.half(f);
            let own: Vec<f64> = at.u[half][range].iter().map(|u| u * scale).collect();
            b.push(own.iter().map(|u| u * s).collect());
            u.push(own);
        }
        let p = self.basis.p();
        let g = self.basis.g();
        let (mut t, mut vcov) = (vec![0.0; p * p], vec![0.0; p * p]);
        kernels::multiply(&g, &at.s, p, p, p, &mut t);
        for i in 0..p {
            for j in 0..p {
                vcov[i * p + j] = (0..p).map(|c| t[i * p + c] * g[j * p + c]).sum();
            }
        }
        Solution {
            theta: lambda.to_vec(),
            beta: self.basis.beta_to_given(&at.beta),
            vcov,
            sigma2: at.r2 * scale * scale / self.nu(reml),
            pwrss: at.r2 * scale * scale,
            reml_criterion: self.criterion(at, true) + self.constant(true),
            ml_deviance: self.criterion(at, false) + self.constant(false),
            ldl2: at.log_det(),
            ldrx2: 2.0 * at.log_det_rx - 2.0 * self.basis.log_det_g(),
            u,
            b,
        }
    }
}

impl Evaluated<'_> {
    fn log_det(&self) -> f64 {
        let n = self.probed.len().max(1) as f64;
        self.decomposition.known() + self.probed.iter().map(|p| p.value).sum::<f64>() / n
    }

    /// Standard error of the criterion: of the mean of the probes, and what longer runs would
    /// change.
    pub fn error(&self) -> f64 {
        let values: Vec<f64> = self.probed.iter().map(|p| p.value).collect();
        let cut = self.probed.iter().map(|p| p.truncation).sum::<f64>() / self.probed.len().max(1) as f64;
        error_of_mean(&values).hypot(cut)
    }

    /// Covariance of the gradient by its probes.
    pub fn gradient_covariance(&self) -> Vec<f64> {
        let own: Vec<&Vec<f64>> = self.probed.iter().map(|p| &p.gradient).filter(|g| !g.is_empty()).collect();
        let (m, n) = (self.gradient.len(), own.len());
        let mean: Vec<f64> = (0..m).map(|f| own.iter().map(|g| g[f]).sum::<f64>() / n as f64).collect();
        (0..m * m)
            .map(|t| {
                let (a, b) = (t / m, t % m);
                own.iter().map(|g| (g[a] - mean[a]) * (g[b] - mean[b])).sum::<f64>() / (n * (n - 1).max(1)) as f64
            })
            .collect()
    }
}

/// Standard error of a mean.
pub(super) fn error_of_mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if n < 2.0 {
        return f64::INFINITY;
    }
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt()
}

/// out += sign a'b of row-major matrices.
fn outer(a: &[f64], b: &[f64], cols: usize, sign: f64, out: &mut [f64]) {
    for (a, b) in a.chunks_exact(cols).zip(b.chunks_exact(cols)) {
        for (row, a) in out.chunks_exact_mut(cols).zip(a) {
            row.iter_mut().zip(b).for_each(|(t, b)| *t += sign * a * b);
        }
    }
}
