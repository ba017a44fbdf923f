//! The Hessian of a generalized model with crossed factors, by differences of its gradient.

use super::generalized::Ask;
use super::generalized_fit::{Fitting, Place};
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::{Frame, Lambda};
use crate::optimize::differences::{self, Width};

/// Displacements by which the gradient is differentiated: of theta by its size, of fixed effects
/// in standard errors. The gradient is smooth, as its probes are the same.
const OF_THETA: f64 = 2e-3;
const OF_BETA: f64 = 0.05;
/// Share of the largest theta that the size of any is at least.
const LEAST: f64 = 0.3;
/// By theta and the fixed effects as given.
pub(super) struct Second {
    pub(super) gradient: Vec<f64>,
    pub(super) hessian: Option<Vec<f64>>,
    pub(super) covariance: Option<Vec<f64>>,
}

impl Fitting<'_> {
    /// Gradient by theta and the fixed effects of the changed basis.
    fn gradient(&self, frames: &[Frame], (gamma, beta): &(Lambda, Vec<f64>)) -> Vec<f64> {
        let layout = self.model.layout();
        layout.gradient(&layout.lambda_of(frames), gamma).into_iter().chain(beta.iter().copied()).collect()
    }

    pub(super) fn second_derivatives(&mut self, here: &Place) -> Result<Second, CoreError> {
        let theta = self.model.layout().theta_of(&here.s.frames);
        let (nt, p) = (theta.len(), here.s.beta.len());
        let n = nt + p;
        let center = self.gradient(&here.s.frames, &here.found.gradient);
        // parameters of terms with directions without variance have no second derivatives
        let null = self.model.layout().null_dimensions(&here.s.frames);
        let mut moves = vec![true; n];
        for (tl, &null) in self.model.layout().terms.iter().flatten().zip(&null) {
            moves[tl.own()].fill(null == 0);
        }
        let free: Vec<usize> = (0..n).filter(|&i| moves[i]).collect();
        let largest = theta.iter().fold(0.0f64, |m, t| m.max(t.abs()));
        let width = |&i: &usize| {
            let by = if i < nt {
                OF_THETA * theta[i].abs().max(LEAST * largest)
            } else {
                OF_BETA / here.found.information.1[(i - nt) * (p + 1)].max(1e-300).sqrt()
            };
            Width { before: 0.0, after: if i < nt && theta[i] < 0.0 { -by } else { by } }
        };
        let widths: Vec<Width> = free.iter().map(width).collect();
        let own: Vec<f64> = free.iter().map(|&i| center[i]).collect();
        let mut done =
            self.standing.vectors.drain(self.standing.vectors.len().min(3)..).collect::<Vec<_>>().into_iter();
        let found = differences::hessian(&widths, &own, &mut |c, by| {
            if let Some(gradient) = done.next().filter(|g| g.len() == free.len()) {
                self.evaluations += 1;
                self.standing.vectors.push(gradient.clone());
                return Ok(Some(gradient));
            }
            let mut at = theta.clone();
            let mut beta = here.s.beta.clone();
            match free[c].checked_sub(nt) {
                None => at[free[c]] += by,
                Some(j) => beta[j] += by,
            }
            let frames: Vec<Frame> = self.model.layout().frames_at(&at);
            let mut s = self.model.moved(&here.s, frames.clone(), beta);
            self.evaluations += 1;
            self.model.rest.clone_from(&here.found.rest);
            if let Err(e) = self.model.find_modes(&mut s, self.watch) {
                return if matches!(e, CoreError::Degenerate(_)) { Ok(None) } else { Err(e) };
            }
            let ask = Ask { information: false, groups: 1, ..self.ask() };
            let g = self.model.examine(&s, ask)?.gradient;
            let g = self.gradient(&frames, &g);
            let g: Vec<f64> = free.iter().map(|&i| g[i]).collect();
            if self.watch.keeps() {
                self.standing.vectors.push(g.clone());
                self.standing.keep(self.watch)?;
            }
            Ok(Some(g))
        })?;
        let basis = &self.model.layout().basis;
        // d(as given) = J d(here), which is the identity for theta
        let g = basis.g();
        let m = free.len();
        let mut covariance = None;
        let mut hessian = None;
        let jacobian = |r: usize, c: usize| -> f64 {
            let (i, j) = (free[r], free[c]);
            if i >= nt && j >= nt {
                g[(i - nt) * p + j - nt]
            } else {
                f64::from(u8::from(i == j))
            }
        };
        if let Some(h) = found {
            let mut root = h;
            if m == 0 || kernels::cholesky::<0>(&mut root, m) {
                let mut inverse = vec![0.0; m * m];
                kernels::inverse_of_product::<0>(&root, m, &mut inverse);
                let j: Vec<f64> = (0..m * m).map(|t| jacobian(t / m, t % m)).collect();
                let (mut half, mut whole) = (vec![0.0; m * m], vec![0.0; m * m]);
                kernels::multiply(&j, &inverse, m, m, m, &mut half);
                for a in 0..m {
                    for b in 0..m {
                        whole[a * m + b] = 2.0 * (0..m).map(|c| half[a * m + c] * j[b * m + c]).sum::<f64>();
                    }
                }
                let wide = |v: &[f64]| {
                    let mut out = vec![f64::NAN; n * n];
                    (0..m * m).for_each(|t| out[free[t / m] * n + free[t % m]] = v[t]);
                    out
                };
                covariance = Some(wide(&whole));
                let mut back: Vec<f64> = whole.iter().map(|v| 0.5 * v).collect();
                if m == 0 || kernels::cholesky::<0>(&mut back, m) {
                    let mut h = vec![0.0; m * m];
                    kernels::inverse_of_product::<0>(&back, m, &mut h);
                    hessian = Some(wide(&h));
                }
            }
        }
        // J'^-1 of the gradient by the fixed effects
        let mut gradient = center;
        let given = basis.g();
        let mut lu: Vec<f64> =
            (0..p * p).map(|t| (0..p).map(|c| given[t / p * p + c] * given[t % p * p + c]).sum()).collect();
        if p > 0 && kernels::cholesky::<0>(&mut lu, p) {
            // G'^-1 v = (G G')^-1 G v
            let v: Vec<f64> = (0..p).map(|i| (0..p).map(|j| given[i * p + j] * gradient[nt + j]).sum()).collect();
            let mut v = v;
            kernels::forward::<0>(&lu, p, &mut v, 1);
            kernels::backward::<0>(&lu, p, &mut v, 1);
            gradient[nt..].copy_from_slice(&v);
        }
        Ok(Second { gradient, hessian, covariance })
    }
}
