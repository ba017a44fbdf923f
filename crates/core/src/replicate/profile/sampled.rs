//! What profiles need of a linear model whose log-determinant is sampled: that of the diagonal
//! blocks, and a polynomial for the rest, so that value and derivatives are of one smooth function.

use super::likelihood::{by_theta, Covariance, Likelihood, Parts, Slopes};
use crate::error::CoreError;
use crate::krylov::{Crossed, HeldParts, Polynomial};
use crate::layout::Layout;
use crate::linear::{Plane, Status};
use crate::optimize::differences::{self, Width};
use crate::optimize::trust_region::Eigen;
use crate::watch::Watch;

/// Newton decrement at which the fit ends: a curve that meets a deviance lower by 1e-6 would begin
/// again.
const DECREMENT: f64 = 1e-9;
/// Steps of it, at most, and halvings of each.
const STEPS: usize = 20;
const HALVINGS: usize = 20;
/// Displacement of theta for second derivatives.
const DISPLACEMENT: f64 = 1e-4;
/// Curvatures below this share of the largest carry no information.
const FLAT: f64 = 1e-9;

/// A model with crossed factors, for the iterative solver.
pub struct Sampled<'m> {
    /// Rows.
    pub model: &'m Crossed,
    /// What is left of the log-determinant, by theta.
    pub sampled: &'m Polynomial,
    /// Who is asked whether to go on.
    pub watch: &'m dyn Watch,
}

impl Sampled<'_> {
    fn parts_at(&self, theta: &[f64]) -> Result<HeldParts<'_>, CoreError> {
        self.model.held_parts(&self.model.layout().lambda_from_theta(theta), self.watch)
    }

    /// Derivatives by theta at a residual variance of 1 / `precision`.
    fn gradient(&self, at: &HeldParts<'_>, theta: &[f64], precision: f64, plane: Option<&Plane>) -> Vec<f64> {
        let beta = at.beta(self.model.layout().p(), plane);
        let gamma = at.derivative(self.model, precision, &beta);
        let mut out = by_theta(self.model.layout(), theta, &gamma);
        out.iter_mut().zip(self.sampled.gradient(theta)).for_each(|(t, s)| *t += s);
        out
    }

    /// -2 log-likelihood with all but theta estimated (changed basis, up to a constant), and its
    /// gradient.
    ///
    /// # Errors
    /// As [`Crossed::held_parts`].
    pub fn profiled(&self, theta: &[f64]) -> Result<(f64, Vec<f64>), CoreError> {
        let (parts, n) = (self.parts_at(theta)?, self.n());
        let (value, precision) = (parts.of_blocks + self.sampled.value(theta) + n * (parts.r2 / n).ln(), n / parts.r2);
        Ok((value, self.gradient(&parts, theta, precision, None)))
    }
}

impl<'m> Likelihood for Sampled<'m> {
    type Work = Option<HeldParts<'m>>;

    fn layout(&self) -> &Layout {
        self.model.layout()
    }

    fn n(&self) -> f64 {
        self.model.nu(false)
    }

    fn constant(&self) -> f64 {
        self.model.constant(false)
    }

    fn n_z(&self) -> usize {
        0
    }

    fn natural(&self, _: &[f64]) -> Vec<f64> {
        Vec::new()
    }

    fn work(&self) -> Self::Work {
        None
    }

    fn parts(&self, work: &mut Self::Work, theta: &[f64], _: &[f64], plane: Option<&Plane>) -> Option<Parts> {
        let lambda = self.model.layout().lambda_from_theta(theta);
        *work = self.model.held_parts(&lambda, self.watch).ok();
        let at = work.as_ref()?;
        let (mut r2, mut off) = (at.r2, 0.0);
        if let Some(plane) = plane {
            let (variance, gap) = at.off_plane(plane);
            r2 += gap * gap / variance;
            off = 2.0 * gap / variance;
        }
        Some(Parts { log_det: at.of_blocks + self.sampled.value(theta), r2, off })
    }

    fn slopes(&self, work: &mut Self::Work, theta: &[f64], precision: f64, plane: Option<&Plane>) -> Slopes {
        let at = work.as_ref().expect("the parts were evaluated");
        Slopes { theta: self.gradient(at, theta, precision, plane), z: Vec::new() }
    }

    fn beta(&self, work: &Self::Work, plane: Option<&Plane>) -> Vec<f64> {
        work.as_ref().map_or_else(Vec::new, |at| at.beta(self.model.layout().p(), plane))
    }

    fn variance(&self, work: &Self::Work, plane: &Plane) -> f64 {
        work.as_ref().map_or(f64::NAN, |at| at.off_plane(plane).0)
    }

    /// Newton's method from where the search with probes has ended.
    fn fit(&self, start: &Covariance, watch: &dyn Watch) -> Result<(Covariance, Status), CoreError> {
        let mut theta = start.theta.clone();
        let (mut value, mut g) = self.profiled(&theta)?;
        let mut status = Status::MaxEvaluations;
        for _ in 0..STEPS {
            let m = theta.len();
            let h = differences::hessian(&vec![Width::central(DISPLACEMENT); m], &[], &mut |c, displacement| {
                watch.check()?;
                let mut x = theta.clone();
                x[c] += displacement;
                Ok(Some(self.profiled(&x)?.1))
            })?;
            let Some(eigen) = h.and_then(|h| Eigen::of(&h, m)) else { break };
            let floor = FLAT * eigen.values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
            let (mut step, mut decrement) = (vec![0.0; m], 0.0);
            for (j, c) in eigen.components(&g).into_iter().enumerate() {
                let curvature = eigen.values[j].abs();
                if curvature > floor {
                    decrement += c * c / curvature;
                    (0..m).for_each(|i| step[i] -= eigen.vectors[i * m + j] * c / curvature);
                }
            }
            if decrement < DECREMENT {
                status = Status::Converged;
                break;
            }
            let mut taken = None;
            for halving in 0..HALVINGS {
                let share = 0.5f64.powi(halving as i32);
                let trial: Vec<f64> = theta.iter().zip(&step).map(|(t, s)| t + share * s).collect();
                let (v, at) = self.profiled(&trial)?;
                if v <= value {
                    taken = Some((trial, v, at));
                    break;
                }
            }
            let Some(next) = taken else {
                status = Status::NoProgress;
                break;
            };
            (theta, value, g) = next;
        }
        Ok((Covariance { theta, z: Vec::new() }, status))
    }
}
