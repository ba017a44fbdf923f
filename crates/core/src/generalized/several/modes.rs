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

    /// The factor of the observed curvature and, if `profiled`, its border; else those of the rows'
    /// blocks clipped to their positive part. Whether it is the observed one.
    fn newton(&mut self, g: &GlmmSystem, random: &[bool], profiled: bool) -> Result<bool, Failure> {
        self.held = Held::Nothing;
        let observed = std::mem::take(&mut self.wo);
        let exact = self.factorise_pairs(g, &observed).is_ok();
        self.wo = observed;
        if exact {
            self.held = Held::Factor;
            if !profiled || self.border(g, false).is_ok() {
                return Ok(true);
            }
            self.held = Held::Nothing;
        }
        let among: Vec<usize> = (0..random.len()).filter(|&c| profiled || random[c]).collect();
        let mut clipped = self.wo.clone();
        clip(&mut clipped, g.n, &among);
        std::mem::swap(&mut self.wo, &mut clipped);
        let w = std::mem::take(&mut self.wo);
        let factored = self.factorise_pairs(g, &w);
        self.wo = w;
        let bordered = if profiled && factored.is_ok() { self.border(g, false) } else { Ok(()) };
        self.wo = clipped;
        factored.and(bordered)?;
        Ok(false)
    }

    /// The modes at the present parameters, from the present u; the fixed effects are among the
    /// unknowns if `profiled`. Steps end where the Newton decrement is below `enough`, and what the
    /// last step would still have gained is taken off. Returns h. The rows and the factor of the
    /// observed curvature are left at the modes, with third derivatives where these are exact.
    pub(in crate::generalized) fn solve_several(
        &mut self,
        g: &GlmmSystem,
        kernel: &dyn Kernel,
        profiled: bool,
        enough: f64,
    ) -> Result<f64, Failure> {
        let random = g.random_predictors();
        self.set_fixed(g);
        let mut h = self.rows_of(g, kernel, &random, false);
        if !h.is_finite() {
            self.u.fill(0.0);
            h = self.rows_of(g, kernel, &random, false);
        }
        let failed = |why| if g.family.failure().is_some() { Failure::Family } else { why };
        if !h.is_finite() {
            return Err(failed(Failure::Undefined));
        }
        let mut before = f64::INFINITY;
        let (mut u, mut beta) = (self.u.clone(), self.beta.clone());
        let mut first = true;
        // whether the rows have third derivatives
        let mut whole = false;
        for _ in 0..MAX_STEPS {
            g.effects_transposed(&self.r, &mut self.zr);
            g.layout.lambda_transposed_times(&self.lambda, &self.zr, 1, &mut self.grad);
            self.grad.iter_mut().zip(&self.u).for_each(|(g, u)| *g -= u);
            if profiled {
                g.parts_transposed(&self.r, &mut self.grad_beta);
            }
            // a step with the factor at hand, which belongs to parameters and modes nearby: as good
            // as Newton's for the first, and good enough for a last one
            let near = first || before < 1e-5;
            if near && (self.held == Held::Border || (self.held == Held::Factor && !profiled)) {
                let decrement = self.direction(profiled);
                let last = decrement * (decrement / before).min(1.0) <= EXACT && decrement > EXACT;
                if decrement.is_finite() && (first || last) {
                    first = false;
                    u.copy_from_slice(&self.u);
                    beta.copy_from_slice(&self.beta);
                    self.move_by(g, &u, &beta, 1.0, profiled);
                    whole = last && enough <= EXACT;
                    let trial = self.rows_of(g, kernel, &random, whole);
                    if trial <= h || (decrement < TRUSTED && trial.is_finite()) {
                        h = trial;
                        before = decrement;
                        self.steps += 1;
                        continue;
                    }
                    self.move_by(g, &u, &beta, 0.0, profiled);
                    whole = false;
                    h = self.rows_of(g, kernel, &random, false);
                    g.effects_transposed(&self.r, &mut self.zr);
                    g.layout.lambda_transposed_times(&self.lambda, &self.zr, 1, &mut self.grad);
                    self.grad.iter_mut().zip(&self.u).for_each(|(g, u)| *g -= u);
                    if profiled {
                        g.parts_transposed(&self.r, &mut self.grad_beta);
                    }
                }
            }
            first = false;
            let exact = self.newton(g, &random, profiled)?;
            let decrement = self.direction(profiled);
            if !decrement.is_finite() {
                return Err(Failure::NotPositive);
            }
            if decrement <= enough || (decrement < REQUIRED && decrement > 0.1 * before) {
                if enough > EXACT {
                    return Ok(h - 0.5 * decrement);
                }
                if !exact {
                    return Err(Failure::NotPositive);
                }
                return Ok(if whole { h } else { self.rows_of(g, kernel, &random, true) });
            }
            whole = false;
            before = decrement;
            self.steps += 1;
            u.copy_from_slice(&self.u);
            beta.copy_from_slice(&self.beta);
            let mut t = 1.0;
            loop {
                self.move_by(g, &u, &beta, t, profiled);
                let trial = self.rows_of(g, kernel, &random, false);
                let fallen = trial <= h - 1e-4 * t * decrement;
                let trusted = exact && decrement < TRUSTED.max(1e-14 * h.abs()) && t == 1.0 && trial.is_finite();
                if fallen || trusted {
                    h = trial;
                    break;
                }
                t *= if trial.is_finite() { 0.5 } else { 0.25 };
                if t < 1e-14 {
                    return Err(failed(Failure::NotPositive));
                }
            }
        }
        Err(Failure::NotPositive)
    }
}
