//! What priors add to the objective and its gradient.

use super::laplace::Value;
use super::parameters::Point;
use super::pirls::Failure;
use super::system::GlmmSystem;
use crate::families::Coordinate;
use crate::prior::Prior;

impl Value {
    /// Adds -2 log density at a point. Fixed effects that are found on the way (`profiled`) have
    /// no prior.
    ///
    /// # Errors
    /// Where the density is zero.
    pub(super) fn add_prior(
        &mut self,
        g: &GlmmSystem,
        prior: &Prior,
        point: &Point,
        profiled: bool,
    ) -> Result<(), Failure> {
        let p = g.p();
        self.theta = vec![0.0; g.n_theta()];
        let mut penalty = prior.of_theta(&g.layout, &point.theta, 1.0, &mut self.theta).0;
        if !profiled && !prior.effects.is_empty() {
            let mut slope = vec![0.0; p];
            penalty += prior.of_beta(&g.layout.basis.beta_to_given(&point.beta), &mut slope);
            let to_given = g.layout.basis.g();
            for (j, out) in self.beta.iter_mut().enumerate() {
                *out += (0..p).map(|i| to_given[i * p + j] * slope[i]).sum::<f64>();
            }
        }
        for (e, (out, &value)) in self.extras.iter_mut().zip(&point.extras).enumerate() {
            let (v, by_value) = prior.of_number(e, value);
            penalty += v;
            *out += match g.family.extras()[e].coordinate {
                Coordinate::Identity => by_value,
                Coordinate::Log => by_value * value,
            };
        }
        self.penalty = penalty;
        self.objective += penalty;
        if self.objective.is_finite() {
            Ok(())
        } else {
            Err(Failure::Undefined)
        }
    }

    /// Derivative of the objective with respect to theta as given.
    pub fn by_theta(&self, g: &GlmmSystem, theta: &[f64]) -> Vec<f64> {
        let mut out = g.layout.pull_back(theta, &self.gamma);
        out.iter_mut().zip(&self.theta).for_each(|(o, t)| *o += t);
        out
    }
}
