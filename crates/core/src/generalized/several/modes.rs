//! Steps towards the modes of the random effects where rows have several predictors, and h need
//! not be convex: with the true Hessian where that can be factored, else with the rows' blocks
//! clipped to their positive part.

use super::clip::clip;
use crate::families::{Kernel, KernelOut, KernelRows};
use crate::generalized::pirls::{Failure, Held, Modes};
use crate::generalized::system::GlmmSystem;

impl Modes {
    /// `eta_fixed` for the present fixed effects.
    pub(in crate::generalized) fn set_fixed_parts(&mut self, g: &GlmmSystem) {
        self.eta_fixed.copy_from_slice(&g.offset);
        g.add_parts(&self.beta, &mut self.eta_fixed);
    }

    /// eta and the kernel's results at the present u, third derivatives where asked for; returns h.
    pub(in crate::generalized) fn rows_of(
        &mut self,
        g: &GlmmSystem,
        kernel: &dyn Kernel,
        random: &[bool],
        third: bool,
    ) -> f64 {
        self.passes += 1;
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
    pub(in crate::generalized) fn curvature_of_pairs(
        &mut self,
        g: &GlmmSystem,
        random: &[bool],
        profiled: bool,
    ) -> Result<bool, Failure> {
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
}
