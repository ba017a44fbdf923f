//! Where the fit of a generalized model starts.

use super::generalized::{undefined, CrossedGlmm, Estimates};
use crate::dense::kernels;
use crate::error::CoreError;
use crate::families::{Batch, MoreDerivatives};
use crate::layout::{Block, Frame};
use crate::watch::Watch;

/// Standard deviations that a fit may begin with, in units of the linear predictor.
const BEGIN: (f64, f64) = (0.1, 3.0);

impl CrossedGlmm {
    /// Where a fit may start: fixed effects of the model without random effects, and standard
    /// deviations by the sums of its score by level.
    ///
    /// # Errors
    /// An interruption, or a log-likelihood that is not defined.
    pub fn start(&mut self, extras: Vec<f64>, watch: &dyn Watch) -> Result<Estimates, CoreError> {
        let p = self.rows.p;
        let zero = |b: &Block| Frame::near(&self.layout, *b, &vec![0.0; b.k * b.k]);
        let frames: Vec<Frame> = self.layout.blocks.iter().map(zero).collect();
        let beta = self.near_data(&extras);
        let mut s = self.at(frames, beta, extras);
        s.lambda = self.layout.zero_lambda();
        let mut h = self.rows_pass(&mut s, true, watch)?;
        if !h.is_finite() {
            return Err(undefined());
        }
        for _ in 0..20 {
            if p == 0 {
                break;
            }
            let mut xwx = self.products_of_x(&s, watch)?.x;
            (0..p).for_each(|i| xwx[i * p + i] *= 1.0 + 1e-12);
            let mut step = s.xr.clone();
            if !kernels::cholesky::<0>(&mut xwx, p) {
                break;
            }
            kernels::forward::<0>(&xwx, p, &mut step, 1);
            kernels::backward::<0>(&xwx, p, &mut step, 1);
            let gain: f64 = step.iter().zip(&s.xr).map(|(a, b)| a * b).sum();
            let before = s.beta.clone();
            s.beta.iter_mut().zip(&step).for_each(|(b, d)| *b += d);
            let trial = self.rows_pass(&mut s, true, watch)?;
            if trial.is_nan() || trial > h {
                s.beta = before;
                self.rows_pass(&mut s, true, watch)?;
                break;
            }
            h = trial;
            if gain < 1e-4 {
                break;
            }
        }
        let mut sd: Vec<f64> = Vec::new();
        for (half, part) in self.g.in_order() {
            for e in 0..part.k() {
                let (mut between, mut levels, mut total) = (0.0, 0.0, 0.0);
                for (first, at) in part.levels() {
                    let w = self.g.squares[half][at + e * part.k() + e];
                    if w > 0.0 {
                        between += s.zr[half][first + e].powi(2) / w;
                        levels += 1.0;
                        total += w;
                    }
                }
                let variance: f64 = (between - levels) / f64::max(total, 1e-300);
                sd.push(variance.max(0.0).sqrt().clamp(BEGIN.0, BEGIN.1));
            }
        }
        let of_block = |b: &Block| {
            let first: usize = self.layout.factors[..b.factor].iter().map(|f| f.k).sum::<usize>() + b.offset;
            let mut lambda = vec![0.0; b.k * b.k];
            (0..b.k).for_each(|i| lambda[i * b.k + i] = sd[first + i]);
            Frame::near(&self.layout, *b, &lambda)
        };
        s.frames = self.layout.blocks.iter().map(of_block).collect();
        s.lambda = self.layout.lambda_of(&s.frames);
        Ok(s)
    }

    /// Fixed effects by least squares on linear predictors near the data.
    fn near_data(&self, extras: &[f64]) -> Vec<f64> {
        let (n, p) = (self.rows.n, self.rows.p);
        let (mut xwx, mut xwz) = (vec![0.0; p * p], vec![0.0; p]);
        for from in (0..n).step_by(1 << 16) {
            let to = (from + (1 << 16)).min(n);
            let y: Vec<f64> = (from..to).map(|i| self.rows.y.at(i)).collect();
            let w: Vec<f64> = (from..to).map(|i| self.rows.prior.as_ref().map_or(1.0, |w| w.at(i))).collect();
            let m = to - from;
            let mut eta = vec![0.0; m];
            self.family.start(&y, &w, &mut eta);
            let e = extras.len();
            let mut more =
                [vec![0.0; m], vec![0.0; m], vec![0.0; m * e], vec![0.0; m * e], vec![0.0; m * e], vec![0.0; m * e]];
            let [weight, dw, w_d, l_d, r_d, wo_d] = &mut more;
            let out = MoreDerivatives { w: weight, dw, w_d, l_d, r_d, wo_d };
            self.family.more_derivatives(Batch { y: &y, w: &w, eta: &eta, extras }, out);
            for (i, row) in (from..to).enumerate() {
                let (w, z) = (more[0][i], eta[i] - self.rows.offset.get(row).unwrap_or(&0.0));
                if !(w > 0.0 && w.is_finite() && z.is_finite()) {
                    continue;
                }
                let x = self.rows.x(row);
                for a in 0..p {
                    xwz[a] += w * z * x[a];
                    (0..p).for_each(|b| xwx[a * p + b] += w * x[a] * x[b]);
                }
            }
        }
        (0..p).for_each(|i| xwx[i * p + i] *= 1.0 + 1e-10);
        if p > 0 && kernels::cholesky::<0>(&mut xwx, p) {
            kernels::forward::<0>(&xwx, p, &mut xwz, 1);
            kernels::backward::<0>(&xwx, p, &mut xwz, 1);
        }
        if xwz.iter().any(|v| !v.is_finite()) {
            xwz.fill(0.0);
        }
        xwz
    }
}
