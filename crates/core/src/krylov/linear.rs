//! A linear model with crossed factors: its rows, and everything about it at one Lambda.

use super::block::WIDEST;
use super::gathered::Gathered;
use super::graph::Graph;
use super::logdet::{Decomposition, Probed};
use super::probes::Signs;
use super::sampling_error::{covariance_of_mean, error_of_value};
use super::sides::{outer, Sides};
use crate::basis::Basis;
use crate::crossprod::{independent_columns, settle_rank, well_conditioned, Crossprod};
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::{FactorSpec, Frame, Lambda, Layout};
use crate::linear::{Score, Solution};
use crate::rows::Rows;
use crate::watch::Watch;

/// See the module.
pub struct Crossed {
    pub(super) g: Graph,
    layout: Layout,
    /// Products of \[X y\], rows and covariance of the rows.
    cp: Crossprod,
    /// Z'\[X y\] of both halves.
    ztw: [Vec<f64>; 2],
    pub(super) n_threads: usize,
}

/// Everything at one Lambda.
pub struct Evaluated<'a> {
    /// Criterion in the changed basis.
    pub criterion: f64,
    /// Estimates of the sampled part of log|M|.
    pub probed: Vec<Probed>,
    /// Effects, F and g, and Gamma with d criterion / d lambda = 2 Gamma; in the order of the
    /// layout.
    pub score: Score,
    /// Penalised residual sum of squares.
    pub r2: f64,
    decomposition: Decomposition<'a>,
    log_det_rx: f64,
    /// Cholesky factor of \[X y\]'V^-1\[X y\].
    rxx: Vec<f64>,
}

/// What is computed at one Lambda.
pub(super) struct Solved<'a> {
    pub(super) decomposition: Decomposition<'a>,
    /// \[K u0\] = M^-1 L'Z'\[X y\] and \[F g0\] = Z'\[X y\] - Z'Z L \[K u0\], of both halves.
    pub(super) k: [Vec<f64>; 2],
    pub(super) fg: [Vec<f64>; 2],
    /// Cholesky factor of \[X y\]'V^-1\[X y\].
    pub(super) rxx: Vec<f64>,
}

fn not_positive() -> CoreError {
    CoreError::Degenerate("the system is not positive definite".into())
}

impl Crossed {
    /// Of rows in memory.
    ///
    /// # Errors
    /// Fewer than two factors, values that are not finite, or what does not fit into memory.
    pub fn new(rows: &Rows<'_>, n_threads: usize) -> Result<Self, CoreError> {
        rows.check()?;
        let fixed = Rows { x: rows.x.clone(), y: rows.y, weights: rows.weights, factors: Vec::new() };
        let mut basis = Basis::from_rows(rows);
        let cp = Crossprod::of(&fixed, &basis, n_threads);
        cp.check()?;
        settle_rank(&fixed, &mut basis, &cp.wtw, cp.pw)?;
        let mut gathered = Gathered::new(basis, rows.factors.iter().map(FactorSpec::of).collect())?;
        gathered.update(rows)?;
        Self::of_gathered(gathered, n_threads)
    }

    /// Of rows that came in batches. Columns of X that depend on earlier ones are left out.
    ///
    /// # Errors
    /// As [`Crossed::new`], and columns of X that nearly depend on each other, though not so in
    /// the first rows, or that the first rows do not tell apart.
    pub fn of_gathered(mut gathered: Gathered, n_threads: usize) -> Result<Self, CoreError> {
        let g = gathered.sorted()?;
        let Gathered { mut basis, specs, sums, mut ztw, .. } = gathered;
        let mut cp = sums.ok_or_else(|| CoreError::Shape("there are no rows".into()))?.finish();
        cp.check()?;
        if !well_conditioned(&cp.wtw, basis.p(), cp.pw) {
            let kept = independent_columns(&cp.wtw, basis.p(), cp.pw).filter(|_| basis.x_diagonal);
            let Some(kept) = kept else {
                let what = "the columns of the fixed effects nearly depend on each other, and sums over the rows do \
                            not tell whether they do";
                return Err(CoreError::Degenerate(what.into()));
            };
            cp.ztw = ztw.into();
            cp.keep_columns(&kept);
            basis.keep_columns(&kept);
            ztw = [std::mem::take(&mut cp.ztw[0]), std::mem::take(&mut cp.ztw[1])];
        }
        let layout = Layout::new(&specs, &[], basis)?;
        Ok(Crossed { g, layout, cp, ztw, n_threads })
    }

    /// Factors, terms and change of basis.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes that an exact factor takes at most: a dense matrix, held twice, of all effects but
    /// those of the factor with the most.
    pub fn exact_bytes(&self) -> f64 {
        16.0 * (self.g.n_places() as f64).powi(2)
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.cp.n
    }

    /// Divisor of the residual sum of squares.
    pub fn nu(&self, reml: bool) -> f64 {
        (self.cp.n - if reml { self.layout.p() } else { 0 }) as f64
    }

    /// What the changed basis and the weights add to the criterion.
    pub fn constant(&self, reml: bool) -> f64 {
        let basis = &self.layout.basis;
        let x = if reml { -2.0 * basis.log_det_g() } else { 0.0 };
        2.0 * self.nu(reml) * basis.y_scale.ln() + self.cp.log_det_r + x
    }

    /// Frames to start from: standard deviations by the variances of the coefficients of each
    /// effect alone, level by level.
    pub fn start(&self) -> Vec<Frame> {
        let pw = self.cp.pw;
        let p = pw - 1;
        // of each effect: weighted squares of its coefficients, levels, and what a variance of one
        // adds
        let mut sums: Vec<(f64, f64, f64)> = Vec::new();
        for (half, part) in self.g.in_order() {
            for e in 0..part.k() {
                let (mut between, mut squares, mut total) = (0.0, 0.0, 0.0);
                for (first, at) in part.levels() {
                    let w = self.g.squares[half][at + e * part.k() + e];
                    if w > 0.0 {
                        between += self.ztw[half][(first + e) * pw + p].powi(2) / w;
                        squares += w * w;
                        total += w;
                    }
                }
                sums.push((between, part.n_levels as f64, total - squares / total));
            }
        }
        let spread = self.cp.wtw[pw * pw - 1] / self.cp.n as f64;
        let mut residual = 0.5 * spread;
        let mut variances = vec![0.0; sums.len()];
        for _ in 0..20 {
            for (v, (between, levels, effective)) in variances.iter_mut().zip(&sums) {
                let found = (between - levels * residual) / effective;
                *v = if found.is_finite() { found.clamp(0.0, spread) } else { 0.0 };
            }
            residual = (spread - variances.iter().sum::<f64>()).max(0.1 * spread);
        }
        let sd: Vec<f64> = variances.iter().map(|v| (v / residual).sqrt().clamp(0.1, 3.0)).collect();
        let of_block = |b: &crate::layout::Block| {
            let first: usize = self.layout.factors[..b.factor].iter().map(|f| f.k).sum::<usize>() + b.offset;
            let mut lambda = vec![0.0; b.k * b.k];
            (0..b.k).for_each(|i| lambda[i * b.k + i] = sd[first + i]);
            Frame::near(&self.layout, *b, &lambda)
        };
        self.layout.blocks.iter().map(of_block).collect()
    }

    fn sides(&self) -> Sides<'_> {
        Sides { g: &self.g, layout: &self.layout, n_threads: self.n_threads }
    }

    /// Criterion, effects and score at a Lambda, with so many probes.
    ///
    /// # Errors
    /// An interruption, no convergence, or a system that is not positive definite.
    pub fn evaluate<'a>(
        &'a self,
        lambda: &Lambda,
        reml: bool,
        probes: usize,
        signs: Signs,
        watch: &'a dyn Watch,
    ) -> Result<Evaluated<'a>, CoreError> {
        let pw = self.cp.pw;
        let p = pw - 1;
        let decomposition = Decomposition::new(&self.g, lambda, self.n_threads, watch)?;
        let Solved { decomposition, mut k, mut fg, rxx } = self.solved(lambda, decomposition)?;
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
        // of [F g0] the last column becomes g, and of [K u0] u
        for half in 0..2 {
            for row in k[half].chunks_exact_mut(pw).chain(fg[half].chunks_exact_mut(pw)) {
                let along: f64 = row[..p].iter().zip(&beta).map(|(a, b)| a * b).sum();
                row[p] -= along;
            }
        }
        let by = self.nu(reml) / r2;
        let mut probed = Vec::with_capacity(probes);
        for from in (0..probes).step_by(WIDEST) {
            probed.extend(decomposition.probe(signs, from, WIDEST.min(probes - from), true)?);
        }
        // half the derivatives
        let mut gamma: Lambda = decomposition.known_derivative().clone();
        gamma.iter_mut().flatten().for_each(|v| *v *= 0.5);
        for probe in &probed {
            for (to, v) in gamma.iter_mut().flatten().zip(probe.derivative.iter().flatten()) {
                *to += 0.5 * v / probes as f64;
            }
        }
        let mut sk = vec![0.0; p];
        for (half, part) in self.g.in_order() {
            let (kf, to) = (part.k(), &mut gamma[part.factor]);
            for (first, _) in part.levels() {
                for j in 0..kf {
                    let own = &k[half][(first + j) * pw..(first + j + 1) * pw];
                    if reml {
                        for (a, t) in sk.iter_mut().enumerate() {
                            *t = s[a * p..(a + 1) * p].iter().zip(own).map(|(s, k)| s * k).sum();
                        }
                    }
                    for i in 0..kf {
                        let f = &fg[half][(first + i) * pw..(first + i + 1) * pw];
                        let of_x: f64 = if reml { f[..p].iter().zip(&sk).map(|(f, k)| f * k).sum() } else { 0.0 };
                        to[i * kf + j] -= by * f[p] * own[p] + of_x;
                    }
                }
            }
        }
        let mut score = Score::new(&self.layout);
        score.kw = self.sides().laid_out(&k, pw);
        score.fg = self.sides().laid_out(&fg, pw);
        score.u.iter_mut().zip(score.kw.chunks_exact(pw)).for_each(|(u, k)| *u = k[p]);
        (score.beta, score.s, score.gamma) = (beta, s, gamma);
        let mut out = Evaluated { criterion: 0.0, probed, score, r2, decomposition, log_det_rx, rxx };
        out.criterion = self.criterion(&out, reml);
        if out.criterion.is_finite() {
            Ok(out)
        } else {
            Err(not_positive())
        }
    }

    /// Solutions at a Lambda, by a decomposition there.
    ///
    /// # Errors
    /// As [`Crossed::evaluate`].
    pub(super) fn solved<'a>(
        &self,
        lambda: &Lambda,
        decomposition: Decomposition<'a>,
    ) -> Result<Solved<'a>, CoreError> {
        let pw = self.cp.pw;
        let mut a = self.ztw.clone();
        self.sides().scale(lambda, true, &mut a, pw);
        let (k1, k2) = decomposition.solve(&a[0], &a[1], pw)?;
        let k = [k1, k2];
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
        // [F g0] = Z'[X y] - Z'Z L [K u0]
        let mut scaled = k.clone();
        self.sides().scale(lambda, false, &mut scaled, pw);
        let mut fg = self.sides().gram(&scaled, pw);
        for (fg, ztw) in fg.iter_mut().zip(&self.ztw) {
            fg.iter_mut().zip(ztw).for_each(|(t, z)| *t = z - *t);
        }
        Ok(Solved { decomposition, k, fg, rxx })
    }

    /// w'Z'PZ w for all pairs of columns of w, in the order of the layout.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn quadratic_forms(
        &self,
        at: &Evaluated<'_>,
        lambda: &Lambda,
        w: &[f64],
        cols: usize,
    ) -> Result<Vec<f64>, CoreError> {
        let pw = self.cp.pw;
        let p = pw - 1;
        let mut out = vec![0.0; cols * cols];
        if cols == 0 {
            return Ok(out);
        }
        let mut fixed = vec![0.0; p * cols];
        for (fg, w) in at.score.fg.chunks_exact(pw).zip(w.chunks_exact(cols)) {
            for (to, f) in fixed.chunks_exact_mut(cols).zip(fg) {
                to.iter_mut().zip(w).for_each(|(t, w)| *t += f * w);
            }
        }
        let w = self.sides().halves(w, cols);
        let mut c = self.sides().gram(&w, cols);
        (0..2).for_each(|half| outer(&w[half], &c[half], cols, 1.0, &mut out));
        drop(w);
        self.sides().scale(lambda, true, &mut c, cols);
        let (m1, m2) = at.decomposition.solve(&c[0], &c[1], cols)?;
        outer(&c[0], &m1, cols, -1.0, &mut out);
        outer(&c[1], &m2, cols, -1.0, &mut out);
        let mut sf = vec![0.0; p * cols];
        kernels::multiply(&at.score.s, &fixed, p, p, cols, &mut sf);
        outer(&fixed, &sf, cols, -1.0, &mut out);
        for a in 0..cols {
            for b in 0..a {
                let both = 0.5 * (out[a * cols + b] + out[b * cols + a]);
                (out[a * cols + b], out[b * cols + a]) = (both, both);
            }
        }
        Ok(out)
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

    /// Gradient of the criterion with respect to theta.
    pub fn gradient(&self, at: &Evaluated<'_>, frames: &[Frame]) -> Vec<f64> {
        self.layout.gradient(&self.layout.lambda_of(frames), &at.score.gamma)
    }

    /// Results in given units.
    pub fn solution(&self, at: &Evaluated<'_>, frames: &[Frame], reml: bool) -> Solution {
        let (sys, basis) = (&self.layout, &self.layout.basis);
        let lambda = sys.lambda_of(frames);
        let (_, turns) = sys.theta_from_lambda(&lambda);
        let scale2 = basis.y_scale * basis.y_scale;
        Solution {
            theta: sys.theta_of(frames),
            beta: basis.beta_to_given(&at.score.beta),
            vcov: sys.vcov(&at.score.s),
            sigma2: at.r2 * scale2 / self.nu(reml),
            pwrss: at.r2 * scale2,
            reml_criterion: self.criterion(at, true) + self.constant(true),
            ml_deviance: self.criterion(at, false) + self.constant(false),
            ldl2: at.log_det(),
            ldrx2: 2.0 * at.log_det_rx - 2.0 * basis.log_det_g(),
            u: sys.spherical(&turns, &at.score.u),
            b: sys.effects(&lambda, &at.score.u),
        }
    }
}

impl<'a> Evaluated<'a> {
    /// The decomposition of log|M|.
    pub(super) fn decomposition(&self) -> &Decomposition<'a> {
        &self.decomposition
    }

    /// Cholesky factor of X'V^-1X, p x p.
    pub(super) fn root_of_fixed(&self, p: usize) -> Vec<f64> {
        let mut out = vec![0.0; p * p];
        (0..p).for_each(|i| out[i * p..=i * p + i].copy_from_slice(&self.rxx[i * (p + 1)..=i * (p + 1) + i]));
        out
    }

    fn log_det(&self) -> f64 {
        let n = self.probed.len().max(1) as f64;
        self.decomposition.known() + self.probed.iter().map(|p| p.value).sum::<f64>() / n
    }

    /// Standard error of the criterion.
    pub fn error(&self) -> f64 {
        error_of_value(&self.probed)
    }

    /// Covariance of what is linear in the derivatives: `of` gives it for half of each probe's.
    pub fn covariance(&self, of: impl Fn(&Lambda) -> Vec<f64>) -> Vec<f64> {
        let half =
            |p: &Probed| -> Lambda { p.derivative.iter().map(|d| d.iter().map(|v| 0.5 * v).collect()).collect() };
        let with = self.probed.iter().filter(|p| !p.derivative.is_empty());
        covariance_of_mean(&with.map(|p| of(&half(p))).collect::<Vec<_>>())
    }
}
