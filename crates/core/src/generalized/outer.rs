//! The objective and its gradient as a function of the coordinates, and its Hessian by differences
//! of the exact gradient.

use super::laplace::{Curvature, Value};
use super::parameters::{Coordinates, Point};
use super::pirls::{Failure, Modes};
use super::quadrature::Rule;
use super::system::GlmmSystem;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::Layout;
use crate::model::Progress;
use crate::optimize::differences::{self, Width};
use crate::optimize::quasi_newton::Evaluated;

/// Which approximation of the likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approximation {
    /// 0: Laplace with the fixed effects at the mode of the penalised likelihood; 1: Laplace; more:
    /// quadrature.
    pub n_quad: usize,
    /// Weights of the determinant.
    pub curvature: Curvature,
}

/// Step of one-sided differences, in standard errors. As the gradient is exact to rounding the step
/// can be tiny; the one-sided error is about 1e-6 of a standard error.
const DISPLACEMENT: f64 = 1e-5;
/// Displacement of central differences.
const CENTRAL: f64 = 1e-4;
/// Rows up to which differences are central: few rows make a skew likelihood, and evaluations
/// cheap.
const FEW: usize = 1000;
/// Newton steps for the modes that an evaluation may take on average, where they are counted.
const STEPS_EACH: usize = 25;
/// Relative difference of two penalised likelihoods that makes modes other ones.
const LOWER: f64 = 1e-9;

impl Modes {
    /// Moves to a point and evaluates there. Where that fails the modes are left as they were.
    ///
    /// # Errors
    /// Where the modes cannot be found.
    pub fn value(
        &mut self,
        g: &GlmmSystem,
        point: &Point,
        how: Approximation,
        profiled: bool,
    ) -> Result<Value, Failure> {
        self.lambda = g.layout.lambda_from_theta(&point.theta);
        self.extras.copy_from_slice(&point.extras);
        if !profiled {
            self.beta.copy_from_slice(&point.beta);
        }
        let u = self.u.clone();
        let beta = self.beta.clone();
        let v = if how.n_quad > 1 && !profiled {
            let rule = match self.rule.take() {
                Some(rule) if rule.is(how.n_quad, g.effects[0].k) => rule,
                _ => Rule::new(how.n_quad, g.effects[0].k),
            };
            let v = self.quadrature(g, how.curvature, &rule);
            self.rule = Some(rule);
            v
        } else {
            self.laplace(g, how.curvature, profiled)
        };
        let v = v.and_then(|mut v| match &g.prior {
            Some(prior) => v.add_prior(g, prior, point, profiled).map(|()| v),
            None => Ok(v),
        });
        if v.is_err() {
            self.u = u;
            self.beta = beta;
        }
        v
    }
}

/// An evaluation that can be returned to: where the modes are not unique its objective belongs to
/// the modes it had.
pub struct Lowest {
    x: Vec<f64>,
    objective: f64,
    u: Vec<f64>,
    beta: Vec<f64>,
}

/// The outer problem.
pub struct Outer<'a, 'p> {
    /// The model.
    pub g: &'a GlmmSystem,
    /// Work space.
    pub m: &'a mut Modes,
    /// Coordinates.
    pub c: Coordinates,
    /// What is not among the coordinates.
    pub base: Point,
    /// Approximation of the likelihood.
    pub how: Approximation,
    /// Evaluations so far.
    pub evaluations: usize,
    /// Where the work space stands after an evaluation that succeeded.
    pub stands: Option<Vec<f64>>,
    /// The lowest objective seen since the coordinates were chosen, with its point, modes and fixed
    /// effects.
    pub lowest: Option<Lowest>,
    /// Callback.
    pub progress: Progress<'p>,
}

impl Outer<'_, '_> {
    /// The value at coordinates; none where it is not defined.
    ///
    /// # Errors
    /// [`CoreError::Interrupted`] when the callback says so; a failure inside a family.
    pub fn value(&mut self, x: &[f64]) -> Result<Option<Value>, CoreError> {
        let point = self.c.point(x, &self.base);
        self.evaluations += 1;
        self.stands = None;
        let allowed = self.m.budget.steps.saturating_add(STEPS_EACH * self.evaluations);
        let v = if self.m.steps > allowed || self.m.passes > self.m.budget.passes {
            Err(Failure::Undefined)
        } else {
            self.m.value(self.g, &point, self.how, !self.c.with_beta)
        };
        if let Some(message) = self.g.family.failure() {
            return Err(CoreError::Degenerate(message));
        }
        let objective = v.as_ref().map_or(f64::INFINITY, |v| v.objective);
        if !(self.progress)(self.evaluations, objective) {
            return Err(CoreError::Interrupted);
        }
        Ok(v.ok())
    }

    /// Objective and gradient.
    ///
    /// # Errors
    /// As [`Outer::value`].
    pub fn at(&mut self, x: &[f64]) -> Evaluated {
        let Some(v) = self.value(x)? else {
            return Ok(None);
        };
        let gradient = self.c.gradient(self.g, &self.c.theta(x), &v);
        if gradient.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        self.stands = Some(x.to_vec());
        let known = self.lowest.take();
        self.lowest = match known {
            Some(mut l) if l.x.len() == x.len() => {
                if v.objective <= l.objective {
                    l.objective = v.objective;
                    l.x.copy_from_slice(x);
                    l.u.copy_from_slice(&self.m.u);
                    l.beta.copy_from_slice(&self.m.beta);
                }
                Some(l)
            }
            _ => Some(Lowest { x: x.to_vec(), objective: v.objective, u: self.m.u.clone(), beta: self.m.beta.clone() }),
        };
        Ok(Some((v.objective, gradient)))
    }

    /// Puts the modes of a point in place, as far as they are known; where they are not, those at
    /// hand are kept.
    pub fn recall(&mut self, x: &[f64]) {
        if let Some(l) = self.lowest.as_ref().filter(|l| l.x == x) {
            self.m.u.copy_from_slice(&l.u);
            self.m.beta.copy_from_slice(&l.beta);
        }
    }

    /// Brings the work space to a point where it has been, if it is elsewhere. Whether it stands
    /// there.
    ///
    /// # Errors
    /// As [`Outer::at`].
    pub fn stand(&mut self, x: &[f64]) -> Result<bool, CoreError> {
        if self.stands.as_deref() == Some(x) {
            return Ok(true);
        }
        self.recall(x);
        if self.at(x)?.is_some() {
            return Ok(true);
        }
        self.m.forget();
        let found = self.at(x)?.is_some();
        if !found {
            self.recall(x);
        }
        Ok(found)
    }

    /// Finds the modes at a point anew, from no random effects; objective and gradient there if
    /// they are lower ones. Else the work space stands at the point with the modes it had.
    ///
    /// # Errors
    /// As [`Outer::at`].
    pub fn lower_modes(&mut self, x: &[f64]) -> Result<Option<(f64, Vec<f64>)>, CoreError> {
        if !self.stand(x)? {
            return Ok(None);
        }
        let (here, u) = (self.m.penalised(), self.m.u.clone());
        let lowest = self.lowest.take();
        self.m.forget();
        let found = self.at(x)?;
        if found.is_some() && self.m.penalised() < here - LOWER * (1.0 + here.abs()) {
            return Ok(found);
        }
        self.lowest = lowest;
        if found.is_none() || self.m.penalised() > here + LOWER * (1.0 + here.abs()) {
            self.m.u = u;
            self.at(x)?;
        }
        Ok(None)
    }

    /// The Hessian by differences of the gradient, which is `here` at `x`; `scale` holds the
    /// diagonal of a guess. None where a displaced point cannot be evaluated. Leaves the work space
    /// displaced, its modes at the centre.
    ///
    /// # Errors
    /// As [`Outer::at`].
    pub fn hessian(&mut self, x: &[f64], here: &[f64], scale: &[f64]) -> Result<Option<Vec<f64>>, CoreError> {
        if !self.stand(x)? {
            return Ok(None);
        }
        let u = self.m.u.clone();
        let beta = self.m.beta.clone();
        self.stands = None;
        let central = self.g.n <= FEW;
        let widths: Vec<Width> = x
            .iter()
            .zip(scale)
            .map(|(&x, scale)| {
                let unit = (2.0 / scale.abs().max(1e-300)).sqrt();
                let step = ((if central { CENTRAL } else { DISPLACEMENT }) * unit).clamp(1e-9, 1e-2);
                // away from zero: a standard deviation near it would change its sign
                let step = if x < 0.0 { -step } else { step };
                Width { before: if central { (x - step) - x } else { 0.0 }, after: (x + step) - x }
            })
            .collect();
        let h = differences::hessian(&widths, here, &mut |c, displacement| {
            let mut at = x.to_vec();
            at[c] += displacement;
            self.m.u.copy_from_slice(&u);
            self.m.beta.copy_from_slice(&beta);
            Ok(self.at(&at)?.map(|(_, g)| g))
        })?;
        self.m.u.copy_from_slice(&u);
        self.m.beta.copy_from_slice(&beta);
        self.stands = None;
        Ok(h)
    }
}

impl Modes {
    /// Turns the spherical effects of every term by its rotation.
    pub fn turn(&mut self, sys: &Layout, turns: &[Vec<Vec<f64>>]) {
        for (f, (layouts, of_factor)) in sys.terms.iter().zip(turns).enumerate() {
            for (tl, q) in layouts.iter().zip(of_factor) {
                let k = tl.k;
                for &pos in &sys.sym.position[f] {
                    let row = sys.sym.row[pos as usize] + tl.offset;
                    let u = self.u[row..row + k].to_vec();
                    kernels::multiply(q, &u, k, k, 1, &mut self.u[row..row + k]);
                }
            }
        }
    }

    /// Minus the log of the joint density at the modes.
    fn penalised(&self) -> f64 {
        0.5 * self.u.iter().map(|v| v * v).sum::<f64>() - self.l.iter().sum::<f64>()
    }

    /// Moves to a point and finds the modes there.
    ///
    /// # Errors
    /// Where they cannot be found.
    pub fn stand_at(&mut self, g: &GlmmSystem, point: &Point) -> Result<(), Failure> {
        self.lambda = g.layout.lambda_from_theta(&point.theta);
        self.extras.copy_from_slice(&point.extras);
        self.beta.copy_from_slice(&point.beta);
        self.solve(g, false).map(|_| ())
    }

    /// The modes at given parameters, and M^-1 there with the curvature asked for.
    ///
    /// # Errors
    /// As [`Modes::stand_at`].
    pub fn stand_inverted(&mut self, g: &GlmmSystem, point: &Point, curvature: Curvature) -> Result<(), Failure> {
        self.forget();
        self.stand_at(g, point)?;
        if curvature == Curvature::Expected {
            self.more_pass(g);
            self.factorise_expected(g)?;
        }
        self.factor.invert_unweighted();
        Ok(())
    }
}
