//! Variances of zero: whether the objective falls where one of them grows.
//!
//! A standard deviation of zero has a gradient of zero whatever the data say, since the objective
//! depends on its square. Its derivative with respect to the variance is finite there: that of the
//! score test for a variance. With Sigma = L L' the exact gradient is Gamma = 2 Psi L, so that
//! U'Gamma L'U = 2 e^2 U'Psi U on directions U to which L gives the standard deviation e. It is
//! taken at so small an e that what is neglected, of relative size e^2 times the information of a
//! level, does not count.

use super::outer::Outer;
use super::parameters::Coordinates;
use super::system::GlmmSystem;
use crate::crossprod::Gram;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::fit::boundary::Escape;
use crate::layout::{Block, Frame};
use crate::optimize::trust_region::Eigen;

/// Square of the standard deviation given to the directions, times the largest information of a
/// level.
const TINY: f64 = 1e-6;
/// Standard deviations up to this share of the unit are taken for zero.
const ZERO: f64 = 1e-11;

/// v'Z'WZ v of a block's levels, summed, squared and summed, and the largest.
fn information(gram: &Gram, kf: usize, b: Block, v: &[f64]) -> (f64, f64) {
    let (mut squares, mut largest) = (0.0, 0.0f64);
    for ztz in gram.levels[b.factor].chunks_exact(kf * kf) {
        let mut c = 0.0;
        for i in 0..b.k {
            for j in 0..b.k {
                c += v[i] * v[j] * ztz[(b.offset + i) * kf + b.offset + j];
            }
        }
        squares += c * c;
        largest = largest.max(c);
    }
    (squares, largest)
}

impl Outer<'_, '_> {
    /// The frames of coordinates.
    pub fn frames(&self, x: &[f64]) -> Vec<Frame> {
        self.g.layout.frames_at(&self.c.theta(x))
    }

    /// Coordinates with the covariance parameters of frames, all others as in `x`.
    pub fn with_frames(&self, x: &[f64], frames: &[Frame]) -> Vec<f64> {
        let theta = self.g.layout.theta_of(frames);
        let mut out = x.to_vec();
        out[..theta.len()].copy_from_slice(&self.c.xi(&theta));
        out
    }

    /// Directions out of variances of zero in which the objective falls. The work space must stand
    /// at `x`; it is left displaced.
    ///
    /// # Errors
    /// As [`Outer::at`].
    pub fn ways_out(&mut self, x: &[f64]) -> Result<Vec<Escape>, CoreError> {
        let g = self.g;
        let mut frames = self.frames(x);
        let mut ranks = Vec::with_capacity(frames.len());
        let mut displacements = Vec::with_capacity(frames.len());
        for (b, f) in g.layout.blocks.iter().zip(&mut frames) {
            let kf = g.layout.factors[b.factor].k;
            // a variance that a prior keeps off zero is not there
            let kept_off = g.prior.as_ref().is_some_and(|p| p.forbids_zero(b.factor, b.term, b.k));
            let rank = if b.is_free && !kept_off { f.rank(ZERO * self.c.unit()) } else { f.k };
            let mut most = 0.0f64;
            for j in rank..f.k {
                let v: Vec<f64> = (0..f.k).map(|i| f.u[i * f.k + j]).collect();
                most = most.max(information(&self.m.gram, kf, *b, &v).1);
            }
            let e = if most > 0.0 && most.is_finite() { (TINY / most).sqrt() } else { 0.0 };
            f.s[rank..].fill(e);
            ranks.push(rank);
            displacements.push(e);
        }
        if displacements.iter().all(|&e| e == 0.0) {
            return Ok(Vec::new());
        }
        let (u, beta) = (self.m.u.clone(), self.m.beta.clone());
        let moved = self.with_frames(x, &frames);
        let value = self.value(&moved)?;
        let mut out = Vec::new();
        if let Some(v) = value {
            for (index, (b, f)) in g.layout.blocks.iter().zip(&frames).enumerate() {
                let (rank, e) = (ranks[index], displacements[index]);
                if rank == f.k || e == 0.0 {
                    continue;
                }
                let psi = null_psi(&v.gamma[b.factor], &self.m.lambda[b.factor], *b, f, rank, e);
                let (m, kf) = (f.k - rank, g.layout.factors[b.factor].k);
                let Some(eigen) = Eigen::of(&psi, m) else { continue };
                for c in 0..m {
                    if eigen.values[c] >= 0.0 {
                        break;
                    }
                    let direction: Vec<f64> = (0..f.k)
                        .map(|i| (0..m).map(|j| f.u[i * f.k + rank + j] * eigen.vectors[j * m + c]).sum())
                        .collect();
                    let h = information(&self.m.gram, kf, *b, &direction).0;
                    if h > 0.0 {
                        let psi = eigen.values[c];
                        out.push(Escape { block: index, direction, amount: -psi / h, gain: psi * psi / (2.0 * h) });
                    }
                }
            }
        }
        self.m.u.copy_from_slice(&u);
        self.m.beta.copy_from_slice(&beta);
        self.stands = None;
        Ok(out)
    }
}

/// U'Psi U on the columns of a frame from `rank` on, which have the standard deviation `e` in
/// `lambda`.
fn null_psi(gamma: &[f64], lambda: &[f64], b: Block, f: &Frame, rank: usize, e: f64) -> Vec<f64> {
    let (k, m) = (f.k, f.k - rank);
    let kf = gamma.len().isqrt();
    let part = |a: &[f64]| -> Vec<f64> { (0..k * k).map(|t| a[(b.offset + t / k) * kf + b.offset + t % k]).collect() };
    let (gamma, lambda) = (part(gamma), part(lambda));
    let u: Vec<f64> = (0..k * m).map(|t| f.u[(t / m) * k + rank + t % m]).collect();
    let (mut gu, mut lu, mut out) = (vec![0.0; k * m], vec![0.0; k * m], vec![0.0; m * m]);
    // (Gamma'U)'(L'U)
    kernels::transposed_multiply(&gamma, &u, k, k, m, &mut gu);
    kernels::transposed_multiply(&lambda, &u, k, k, m, &mut lu);
    kernels::transposed_multiply(&gu, &lu, k, m, m, &mut out);
    out.iter_mut().for_each(|v| *v /= 2.0 * e * e);
    for i in 0..m {
        for j in 0..i {
            let mean = 0.5 * (out[i * m + j] + out[j * m + i]);
            (out[i * m + j], out[j * m + i]) = (mean, mean);
        }
    }
    out
}

/// Which coordinates belong to variances of zero: the gradient is silent about them.
pub fn silent(c: &Coordinates, g: &GlmmSystem, x: &[f64]) -> Vec<bool> {
    let mut out = super::solution::null_parameters(g, &c.theta(x));
    out.resize(x.len(), false);
    out
}
