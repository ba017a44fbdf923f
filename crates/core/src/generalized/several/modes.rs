//! The modes of the random effects where rows have several predictors: h need not be convex.
//!
//! Newton's step with the true Hessian where that can be factored, else with the rows' blocks
//! clipped to their positive part; halved until h falls.

use super::clip::clip;
use crate::families::{Kernel, KernelOut, KernelRows};
use crate::generalized::pirls::{Failure, Held, Modes, EXACT, MAX_STEPS, REQUIRED, TRUSTED};
use crate::generalized::system::GlmmSystem;

impl Modes {
    /// `eta_fixed` for the present fixed effects.
    pub(in crate::generalized) fn set_fixed_parts(&mut self, g: &GlmmSystem) {
        self.eta_fixed.copy_from_slice(&g.offset);
        g.add_parts(&self.beta, &mut self.eta_fixed);
    }

    /// eta and the kernel's results at the present u, third derivatives where asked for; returns h.
    pub(super) fn rows_of(&mut self, g: &GlmmSystem, kernel: &dyn Kernel, random: &[bool], third: bool) -> f64 {
        g.layout.lambda_times(&self.lambda, &self.u, 1, &mut self.lu);
        self.eta.copy_from_slice(&self.eta_fixed);
        g.add_effects(&self.lu, &mut self.eta);
        let rows = KernelRows { y: &g.y, w: &g.weights, eta: &self.eta, order: &g.order, random };
        let t: &mut [f64] = if third { &mut self.dwo } else { &mut [] };
        kernel.derivatives(rows, KernelOut { l: &mut self.l, r: &mut self.r, w: &mut self.wo, t });
        let total: f64 = self.l.iter().sum();
        0.5 * self.u.iter().map(|v| v * v).sum::<f64>() - total
    }

    /// Factors I + the sum of `A_j'W_jk A_k` with these curvatures.
    pub(super) fn factorise_pairs(&mut self, g: &GlmmSystem, w: &[f64]) -> Result<(), Failure> {
        g.gram_of_pairs(w, &mut self.gram);
        self.factor.factorise(&self.gram, &self.lambda, &mut [], 0).map_err(|_| Failure::NotPositive)
    }

    /// The modes at the present parameters, from the present u. Returns h. Rows with third
    /// derivatives and the factor of the observed curvature are left at the modes.
    pub(in crate::generalized) fn solve_several(&mut self, g: &GlmmSystem) -> Result<f64, Failure> {
        let kernel = g.family.kernel().expect("rows with several predictors have a kernel");
        let random = g.random_predictors();
        let among: Vec<usize> = (0..random.len()).filter(|&c| random[c]).collect();
        self.held = Held::Nothing;
        self.set_fixed(g);
        let mut h = self.rows_of(g, kernel, &random, false);
        if !h.is_finite() {
            self.u.fill(0.0);
            h = self.rows_of(g, kernel, &random, false);
        }
        if !h.is_finite() {
            return Err(if g.family.failure().is_some() { Failure::Family } else { Failure::Undefined });
        }
        let mut before = f64::INFINITY;
        let mut u = self.u.clone();
        for _ in 0..MAX_STEPS {
            g.effects_transposed(&self.r, &mut self.zr);
            g.layout.lambda_transposed_times(&self.lambda, &self.zr, 1, &mut self.grad);
            self.grad.iter_mut().zip(&self.u).for_each(|(g, u)| *g -= u);
            let w = std::mem::take(&mut self.wo);
            let exact = self.factorise_pairs(g, &w).is_ok();
            let convex = if exact {
                Ok(())
            } else {
                let mut clipped = w.clone();
                clip(&mut clipped, g.n, &among);
                self.factorise_pairs(g, &clipped)
            };
            self.wo = w;
            convex?;
            self.delta.copy_from_slice(&self.grad);
            let mut delta = std::mem::take(&mut self.delta);
            self.solve_plain(&mut delta);
            self.delta = delta;
            let decrement: f64 = self.grad.iter().zip(&self.delta).map(|(a, b)| a * b).sum();
            if !decrement.is_finite() {
                return Err(Failure::NotPositive);
            }
            if decrement <= EXACT || (decrement < REQUIRED && decrement > 0.1 * before) {
                if !exact {
                    return Err(Failure::NotPositive);
                }
                h = self.rows_of(g, kernel, &random, true);
                self.held = Held::Factor;
                return Ok(h);
            }
            before = decrement;
            self.steps += 1;
            u.copy_from_slice(&self.u);
            let mut t = 1.0;
            loop {
                self.u.iter_mut().zip(&u).zip(&self.delta).for_each(|((x, u), d)| *x = u + t * d);
                let trial = self.rows_of(g, kernel, &random, false);
                let fallen = trial <= h - 1e-4 * t * decrement;
                let trusted = exact && decrement < TRUSTED.max(1e-14 * h.abs()) && t == 1.0 && trial.is_finite();
                if fallen || trusted {
                    h = trial;
                    break;
                }
                t *= if trial.is_finite() { 0.5 } else { 0.25 };
                if t < 1e-14 {
                    return Err(if g.family.failure().is_some() { Failure::Family } else { Failure::NotPositive });
                }
            }
        }
        Err(Failure::NotPositive)
    }
}
