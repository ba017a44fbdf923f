//! The objective and its gradient as a function of the coordinates, and its Hessian by differences of the exact gradient.

use super::laplace::{Curvature, Value};
use super::parameters::{Coordinates, Point};
use super::pirls::{Failure, Modes};
use super::quadrature::Rule;
use super::system::GlmmSystem;
use crate::error::CoreError;
use crate::optimize::quasi_newton::Evaluated;

/// Which approximation of the likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approximation {
    /// 0: Laplace with the fixed effects at the mode of the penalised likelihood; 1: Laplace; more: quadrature.
    pub n_quad: usize,
    /// Weights of the determinant.
    pub curvature: Curvature,
}

/// Told the number of evaluations and the objective; returns false to stop.
pub type Progress<'a> = &'a mut dyn FnMut(usize, f64) -> bool;

/// Displacement of central differences, in standard errors.
const DISPLACEMENT: f64 = 1e-3;
/// Displacement of one-sided differences.
const ONE_SIDED: f64 = 1e-4;
/// Rows from which differences are one-sided: the error of standard errors is then 1e-5 instead of 1e-7 of them, at half the cost.
const MANY: usize = 2000;

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
        self.e.lambda = g.layout.lambda_from_theta(&point.theta);
        self.dispersion = point.dispersion;
        if !profiled {
            self.beta.copy_from_slice(&point.beta);
        }
        let u = self.u.clone();
        let beta = self.beta.clone();
        let v = if how.n_quad > 1 && !profiled {
            self.quadrature(g, how.curvature, &Rule::new(how.n_quad, g.effects[0].k))
        } else {
            self.laplace(g, how.curvature, profiled)
        };
        if v.is_err() {
            self.u = u;
            self.beta = beta;
        }
        v
    }
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
    /// Callback.
    pub progress: Progress<'p>,
}

impl Outer<'_, '_> {
    /// Objective and gradient.
    ///
    /// # Errors
    /// [`CoreError::Interrupted`] when the callback says so; a failure inside a kernel.
    pub fn at(&mut self, x: &[f64]) -> Evaluated {
        let point = self.c.point(x, &self.base);
        self.evaluations += 1;
        let v = self.m.value(self.g, &point, self.how, !self.c.with_beta);
        if let Some(message) = self.g.kernel.failure() {
            return Err(CoreError::Degenerate(message));
        }
        let objective = v.as_ref().map_or(f64::INFINITY, |v| v.objective);
        if !(self.progress)(self.evaluations, objective) {
            return Err(CoreError::Interrupted);
        }
        let Ok(v) = v else {
            return Ok(None);
        };
        let gradient = self.c.gradient(self.g, &v);
        if gradient.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        Ok(Some((v.objective, gradient)))
    }

    /// The Hessian by differences of the gradient, which is `here` at `x`; `scale` holds the diagonal of a guess. None where a displaced point
    /// cannot be evaluated. Leaves the work space displaced, its modes at the centre.
    ///
    /// # Errors
    /// As [`Outer::at`].
    pub fn hessian(&mut self, x: &[f64], here: &[f64], scale: &[f64]) -> Result<Option<Vec<f64>>, CoreError> {
        let n = x.len();
        let mut h = vec![0.0; n * n];
        let u = self.m.u.clone();
        let beta = self.m.beta.clone();
        let mut at = x.to_vec();
        for c in 0..n {
            let one_sided = self.g.n >= MANY;
            let displacement = if one_sided { ONE_SIDED } else { DISPLACEMENT };
            let step = (displacement * (2.0 / scale[c].abs().max(1e-300)).sqrt()).clamp(1e-7, 1e-2);
            if one_sided {
                for (r, g) in here.iter().enumerate() {
                    h[r * n + c] = -g / step;
                }
            }
            let (signs, width): (&[f64], f64) = if one_sided { (&[1.0], step) } else { (&[1.0, -1.0], 2.0 * step) };
            for &sign in signs {
                self.m.u.copy_from_slice(&u);
                self.m.beta.copy_from_slice(&beta);
                at[c] = x[c] + sign * step;
                let Some((_, g)) = self.at(&at)? else {
                    self.m.u.copy_from_slice(&u);
                    self.m.beta.copy_from_slice(&beta);
                    return Ok(None);
                };
                for (r, g) in g.into_iter().enumerate() {
                    h[r * n + c] += sign * g / width;
                }
            }
            at[c] = x[c];
        }
        self.m.u.copy_from_slice(&u);
        self.m.beta.copy_from_slice(&beta);
        for r in 0..n {
            for c in 0..r {
                let mean = 0.5 * (h[r * n + c] + h[c * n + r]);
                (h[r * n + c], h[c * n + r]) = (mean, mean);
            }
        }
        Ok(Some(h))
    }
}

impl Modes {
    /// Moves to a point and finds the modes there.
    ///
    /// # Errors
    /// Where they cannot be found.
    pub fn stand_at(&mut self, g: &GlmmSystem, point: &Point) -> Result<(), Failure> {
        self.e.lambda = g.layout.lambda_from_theta(&point.theta);
        self.dispersion = point.dispersion;
        self.beta.copy_from_slice(&point.beta);
        self.solve(g, false).map(|_| ())
    }
}
