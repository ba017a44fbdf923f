//! The modes of the random effects by damped Newton steps, of rows with one linear predictor or
//! several.

use super::pirls::{Failure, Held, Modes, EXACT};
use super::system::GlmmSystem;
use crate::families::Kernel;
use crate::watch::is_stopped;

/// Newton decrement that must be reached.
const REQUIRED: f64 = 1e-12;
/// Decrement below which rounding may hide that a step lowers h; the step is then taken without the
/// comparison.
const TRUSTED: f64 = 1e-9;
const MAX_STEPS: usize = 200;

/// The kernel of rows with several linear predictors, and which of these have random effects; none
/// of rows with one.
type Several<'a> = Option<(&'a dyn Kernel, &'a [bool])>;

impl Modes {
    /// The modes at the present Lambda, fixed effects (unless `profiled`) and extra parameters,
    /// from the present u. Returns h less the free part of the log-likelihood. The rows and the
    /// factor (of observed weights) are left at the modes.
    pub fn solve(&mut self, g: &GlmmSystem, profiled: bool) -> Result<f64, Failure> {
        self.solve_to(g, profiled, EXACT)
    }

    /// The same, until the Newton decrement is below `enough`. What the last step would still have
    /// gained is taken off. Rows with several predictors have third derivatives where the modes are
    /// exact.
    pub fn solve_to(&mut self, g: &GlmmSystem, profiled: bool, enough: f64) -> Result<f64, Failure> {
        let profiled = profiled && g.p() > 0;
        let random = g.family.kernel().map(|_| g.random_predictors());
        let several = g.family.kernel().zip(random.as_deref());
        let failed = |why| if g.family.failure().is_some() { Failure::Family } else { why };
        self.set_fixed(g);
        let mut h = self.rows_at(g, several, false);
        if !h.is_finite() {
            self.u.fill(0.0);
            h = self.rows_at(g, several, false);
        }
        if !h.is_finite() {
            return Err(failed(Failure::Undefined));
        }
        let mut before = f64::INFINITY;
        let (mut u, mut beta) = (self.u.clone(), self.beta.clone());
        let mut first = true;
        // whether the rows have all derivatives
        let mut whole = several.is_none();
        for _ in 0..MAX_STEPS {
            if is_stopped() || self.passes > self.budget.passes {
                break;
            }
            self.slopes(g, profiled);
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
                    whole = several.is_none() || (last && enough <= EXACT);
                    let trial = self.rows_at(g, several, whole);
                    if trial <= h || (decrement < TRUSTED && trial.is_finite()) {
                        h = trial;
                        before = decrement;
                        self.steps += 1;
                        continue;
                    }
                    self.move_by(g, &u, &beta, 0.0, profiled);
                    whole = several.is_none();
                    h = self.rows_at(g, several, false);
                }
            }
            first = false;
            let exact = match several {
                Some((_, random)) => self.curvature_of_pairs(g, random, profiled)?,
                None => self.curvature(g, profiled)?,
            };
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
                return Ok(if whole { h } else { self.rows_at(g, several, true) });
            }
            whole = several.is_none();
            before = decrement;
            self.steps += 1;
            // the step, halved until h falls
            u.copy_from_slice(&self.u);
            beta.copy_from_slice(&self.beta);
            let mut t = 1.0;
            loop {
                self.move_by(g, &u, &beta, t, profiled);
                let trial = self.rows_at(g, several, false);
                let fallen = trial <= h - 1e-4 * t * decrement;
                let known = exact || several.is_none();
                let trusted = known && decrement < TRUSTED.max(1e-14 * h.abs()) && t == 1.0 && trial.is_finite();
                if fallen || trusted {
                    h = trial;
                    break;
                }
                t *= if trial.is_finite() { 0.5 } else { 0.25 };
                if t < 1e-14 || is_stopped() {
                    return Err(failed(Failure::NotPositive));
                }
            }
        }
        Err(Failure::NotPositive)
    }

    /// The rows at the present u, with third derivatives where asked for; returns h.
    fn rows_at(&mut self, g: &GlmmSystem, several: Several<'_>, third: bool) -> f64 {
        match several {
            Some((kernel, random)) => self.rows_of(g, kernel, random, third),
            None => self.rows_pass(g),
        }
    }

    /// Minus the gradient of h, from the rows.
    fn slopes(&mut self, g: &GlmmSystem, profiled: bool) {
        if g.family.kernel().is_some() {
            g.effects_transposed(&self.r, &mut self.zr);
        } else {
            g.random_transposed(&self.r, &mut self.zr);
        }
        g.layout.lambda_transposed_times(&self.lambda, &self.zr, 1, &mut self.grad);
        self.grad.iter_mut().zip(&self.u).for_each(|(g, u)| *g -= u);
        if profiled && g.family.kernel().is_some() {
            g.parts_transposed(&self.r, &mut self.grad_beta);
        } else if profiled {
            g.fixed_transposed(&self.r, &mut self.grad_beta);
        }
    }

    /// The factor of the observed curvature and, if `profiled`, its border; outside the region
    /// where h is convex those of expected weights, which are never negative. Whether it is the
    /// observed one.
    fn curvature(&mut self, g: &GlmmSystem, profiled: bool) -> Result<bool, Failure> {
        let mut expected = false;
        if self.factorise_observed(g).is_err() {
            expected = true;
            self.more_pass(g);
            self.factorise_expected(g)?;
        }
        if profiled && self.border(g, expected).is_err() {
            if expected {
                return Err(Failure::NotPositive);
            }
            expected = true;
            self.more_pass(g);
            self.factorise_expected(g)?;
            self.border(g, true)?;
        }
        Ok(!expected)
    }
}
