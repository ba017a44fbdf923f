//! The parts of -2 log-likelihood with the residual variance and a combination of the fixed effects
//! held, and what is left of log|M| beside its diagonal blocks.
//!
//! What is taken out of log|M| exactly and what is sampled are functions of the directions V, which
//! follow Lambda: only their sum has the derivatives that the decomposition gives. So the sum is
//! what is left here.

use super::block::WIDEST;
use super::linear::{Crossed, Solved};
use super::logdet::Decomposition;
use super::probes::Signs;
use crate::error::CoreError;
use crate::layout::Lambda;
use crate::linear::Plane;
use crate::watch::Watch;

/// A system at one Lambda, before the fixed effects are known.
pub struct HeldParts<'a> {
    solved: Solved<'a>,
    /// log|M| of the diagonal blocks alone, log|D| + log|B|.
    pub of_blocks: f64,
    /// Residual sum of squares with all fixed effects estimated.
    pub r2: f64,
}

impl Crossed {
    /// At a Lambda.
    ///
    /// # Errors
    /// An interruption, no convergence, or a system that is not positive definite.
    pub fn held_parts<'a>(&'a self, lambda: &Lambda, watch: &'a dyn Watch) -> Result<HeldParts<'a>, CoreError> {
        let decomposition = Decomposition::rough(&self.g, lambda, true, None, self.n_threads, watch)?;
        let solved = self.solved(lambda, decomposition)?;
        let p = self.layout().p();
        let r2 = solved.rxx[p * (p + 1) + p].powi(2);
        Ok(HeldParts { of_blocks: solved.decomposition.known(), r2, solved })
    }

    /// What is left of log|M| beside the diagonal blocks, and its derivatives by theta, as each of
    /// some probes has them.
    ///
    /// # Errors
    /// As [`Crossed::held_parts`].
    pub fn probed(
        &self,
        theta: &[f64],
        (signs, from, to): (Signs, usize, usize),
        watch: &dyn Watch,
    ) -> Result<Vec<(f64, Vec<f64>)>, CoreError> {
        let layout = self.layout();
        let lambda = layout.lambda_from_theta(theta);
        let at = Decomposition::new(&self.g, &lambda, self.n_threads, watch)?;
        let blocks = Decomposition::rough(&self.g, &lambda, true, None, self.n_threads, watch)?;
        let exact = at.known() - blocks.known();
        let of_theta = |of: &Lambda| layout.pull_back(theta, of);
        let (all, own) = (of_theta(at.known_derivative()), of_theta(blocks.known_derivative()));
        let mut out = Vec::with_capacity(to - from);
        for first in (from..to).step_by(WIDEST) {
            let used = WIDEST.min(to - first);
            for probe in at.probe(signs, first, used, true)? {
                let sampled = of_theta(&probe.derivative);
                let slopes = (0..sampled.len()).map(|i| sampled[i] + all[i] - own[i]).collect();
                out.push((exact + probe.value, slopes));
            }
        }
        Ok(out)
    }
}

impl HeldParts<'_> {
    /// row'S row and value - row'beta of a plane.
    pub fn off_plane(&self, plane: &Plane) -> (f64, f64) {
        let p = plane.row.len();
        let rxx = &self.solved.rxx;
        let pw = p + 1;
        let (mut variance, mut along) = (0.0, 0.0);
        let mut t = vec![0.0; p];
        for i in 0..p {
            let known: f64 = (0..i).map(|m| rxx[i * pw + m] * t[m]).sum();
            t[i] = (plane.row[i] - known) / rxx[i * pw + i];
            variance += t[i] * t[i];
            along += t[i] * rxx[p * pw + i];
        }
        (variance, plane.value - along)
    }

    /// Fixed effects, on a plane if there is one.
    pub fn beta(&self, p: usize, plane: Option<&Plane>) -> Vec<f64> {
        let (rxx, pw) = (&self.solved.rxx, p + 1);
        // with R R' = X'V^-1X: R' beta = what is left of y, and S row of the plane
        let back = |mut v: Vec<f64>| -> Vec<f64> {
            for i in (0..p).rev() {
                let known: f64 = (i + 1..p).map(|m| rxx[m * pw + i] * v[m]).sum();
                v[i] = (v[i] - known) / rxx[i * pw + i];
            }
            v
        };
        let mut beta = back(rxx[p * pw..p * pw + p].to_vec());
        if let Some(plane) = plane {
            let (variance, gap) = self.off_plane(plane);
            let mut t = plane.row.clone();
            for i in 0..p {
                let known: f64 = (0..i).map(|m| rxx[i * pw + m] * t[m]).sum();
                t[i] = (t[i] - known) / rxx[i * pw + i];
            }
            beta.iter_mut().zip(back(t)).for_each(|(b, s)| *b += s * gap / variance);
        }
        beta
    }

    /// Half the derivatives by Lambda of log|M| of the diagonal blocks, and of the residual sum of
    /// squares times `precision`, at these fixed effects.
    pub fn derivative(&self, model: &Crossed, precision: f64, beta: &[f64]) -> Lambda {
        let (p, pw) = (beta.len(), beta.len() + 1);
        let mut gamma = self.solved.decomposition.known_derivative().clone();
        gamma.iter_mut().flatten().for_each(|v| *v *= 0.5);
        for (half, part) in model.g.in_order() {
            let (kf, to) = (part.k(), &mut gamma[part.factor]);
            let left = |v: &[Vec<f64>; 2], at: usize| -> f64 {
                let row = &v[half][at * pw..(at + 1) * pw];
                row[p] - row[..p].iter().zip(beta).map(|(a, b)| a * b).sum::<f64>()
            };
            for (first, _) in part.levels() {
                let u: Vec<f64> = (0..kf).map(|j| left(&self.solved.k, first + j)).collect();
                for i in 0..kf {
                    let g = precision * left(&self.solved.fg, first + i);
                    to[i * kf..(i + 1) * kf].iter_mut().zip(&u).for_each(|(t, u)| *t -= g * u);
                }
            }
        }
        gamma
    }
}
