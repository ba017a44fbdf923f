//! The modes of the random effects of a generalized model with crossed factors, by Newton steps.
//!
//! A step is solved for as precisely as the curvature that it leaves out allows, and the last one
//! is that after which neither matters: no step is made only to see that none is needed.

use super::cg::Precision;
use super::generalized::{undefined, CrossedGlmm, Estimates};
use super::logdet::Decomposition;
use crate::error::CoreError;
use crate::watch::Watch;

/// What may be left of the drop of 2 h: second derivatives are differences of gradients that are as
/// precise as its root.
const LEFT: f64 = 1e-9;
/// Decrement below which rounding may hide that a step lowers h.
const TRUSTED: f64 = 1e-6;
/// Largest and smallest precision of the solution, relative to the decrement, and that relative to
/// what curvature leaves.
const FAR: f64 = 1e-4;
const NEAR: f64 = 1e-8;
const SHARE: f64 = 0.1;
const MOST_STEPS: usize = 100;

/// A step towards the modes.
struct Newton {
    step: [Vec<f64>; 2],
    /// The drop of 2 h that it promises.
    decrement: f64,
    /// What of the drop its solution leaves.
    left: f64,
}

impl CrossedGlmm {
    /// The modes at the parameters, from the present u; rows and weights are left there.
    ///
    /// # Errors
    /// An interruption, or modes that cannot be found.
    pub fn find_modes(&mut self, s: &mut Estimates, watch: &dyn Watch) -> Result<(), CoreError> {
        if !self.rows_pass(s, false, watch)?.is_finite() {
            s.u.iter_mut().flatten().for_each(|u| *u = 0.0);
            if !self.rows_pass(s, false, watch)?.is_finite() {
                return Err(undefined());
            }
        }
        for _ in 0..MOST_STEPS {
            let h = s.h;
            let Newton { step, decrement, left } = match self.newton(s, watch) {
                Err(CoreError::Degenerate(_)) => {
                    // outside the region where h is convex: expected weights are never negative
                    self.rows_pass(s, true, watch)?;
                    self.rest.clear();
                    self.newton(s, watch)?
                }
                found => found?,
            };
            if !decrement.is_finite() || decrement < 0.0 {
                return Err(undefined());
            }
            let before = s.u.clone();
            let mut length = 1.0;
            loop {
                for ((u, b), d) in s.u.iter_mut().flatten().zip(before.iter().flatten()).zip(step.iter().flatten()) {
                    *u = b + length * d;
                }
                let trial = self.rows_pass(s, false, watch)?;
                if trial <= h || (decrement < TRUSTED && trial.is_finite()) {
                    break;
                }
                length *= 0.5;
                if length < 1e-8 {
                    return Err(undefined());
                }
            }
            // curvature changes by no more than a linear predictor moves
            let moved = self.largest_move(s, &step);
            if length == 1.0 && left + decrement * moved * moved < LEFT {
                return Ok(());
            }
        }
        Err(undefined())
    }

    /// Makes rows and weights those of modes that were found before.
    ///
    /// # Errors
    /// An interruption.
    pub(super) fn return_to(&mut self, s: &mut Estimates, watch: &dyn Watch) -> Result<(), CoreError> {
        self.rows_pass(s, false, watch).map(drop)
    }

    fn newton(&mut self, s: &Estimates, watch: &dyn Watch) -> Result<Newton, CoreError> {
        let mut grad = s.zr.clone();
        self.sides().scale(&s.lambda, true, &mut grad, 1);
        grad.iter_mut().flatten().zip(s.u.iter().flatten()).for_each(|(g, u)| *g -= u);
        let rest = Some(&self.rest[..]).filter(|r| !r.is_empty());
        let d = Decomposition::rough(&self.g, &s.lambda, false, rest, self.n_threads, watch)?;
        let about = d.decrement_by_blocks(&grad);
        let weight: f64 = self.g.squares[0].chunks_exact(self.g.eliminated.k().pow(2)).map(|w| w[0]).sum();
        let enough = (SHARE * about * about / weight.max(f64::MIN_POSITIVE)).clamp(SHARE * LEFT, f64::INFINITY);
        let enough = enough.min(FAR * about).max(NEAR * NEAR * about);
        let precision = Precision { tolerance: 0.0, least: 1, enough };
        let (x1, x2) = d.solve_to(precision, &grad[0], &grad[1], 1)?;
        let step = [x1, x2];
        let decrement = step.iter().flatten().zip(grad.iter().flatten()).map(|(a, b)| a * b).sum();
        if self.rest.is_empty() {
            let rest = d.blocks().rest.clone();
            self.rest = rest;
        }
        Ok(Newton { step, decrement, left: enough })
    }

    /// About the largest change of a linear predictor by a change of u.
    fn largest_move(&self, s: &Estimates, step: &[Vec<f64>; 2]) -> f64 {
        let b = self.effects(&s.lambda, step);
        let largest = |(half, part): (usize, &super::graph::Part)| {
            let of_effect = |e: usize| part.levels().map(|(first, _)| b[half][first + e].abs()).fold(0.0, f64::max);
            (0..part.k()).map(of_effect).sum::<f64>()
        };
        self.g.in_order().map(largest).sum()
    }
}
