//! What a generalized model gives at its modes, for the columns and rows of the caller.

use super::generalized::{CrossedGlmm, Estimates};
use super::logdet::Decomposition;
use super::predict::{self, Levels};
use super::probes::Signs;
use crate::error::CoreError;
use crate::watch::Watch;

impl CrossedGlmm {
    /// Parameters given by the caller: theta, and fixed effects of the columns as given.
    ///
    /// # Errors
    /// Numbers of parameters that are not those of the model.
    pub fn given(&mut self, theta: &[f64], beta: &[f64], extras: Vec<f64>) -> Result<Estimates, CoreError> {
        // what is found there does not depend on what was found before
        self.rest.clear();
        if theta.len() != self.layout.n_theta || beta.len() != self.rows.p {
            return Err(CoreError::Shape("the model has another number of parameters".into()));
        }
        let beta = self.layout.basis.beta_from_given(beta);
        Ok(self.at(self.layout.frames_at(theta), beta, extras))
    }

    /// Linear predictors and means, in the order of the caller.
    pub fn predictors(&self, s: &Estimates) -> (Vec<f64>, Vec<f64>) {
        let b = self.effects(&s.lambda, &s.u);
        let eta = self.pass(s, &b).predictors();
        let mut mu = vec![0.0; eta.len()];
        self.family.means(&eta, &mut mu);
        let given = |v: Vec<f64>| {
            let mut out = vec![0.0; v.len()];
            self.order.iter().zip(v).for_each(|(&i, v)| out[i as usize] = v);
            out
        };
        (given(eta), given(mu))
    }

    /// Spherical and original random effects of each factor, for the columns as given; the
    /// log-likelihood given them and u'u.
    pub fn modes(&self, s: &Estimates) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, f64, f64) {
        let u = self.sides().laid_out(&s.u, 1);
        let (_, turns) = self.layout.theta_from_lambda(&s.lambda);
        let penalty = u.iter().map(|v| v * v).sum::<f64>();
        let own = self.layout.spherical(&turns, &u);
        (own, self.layout.effects(&s.lambda, &u), 0.5 * penalty - s.h + s.free, penalty)
    }

    /// Covariance of the random effects of every level given the data and the parameters, at the
    /// modes found last.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn conditional_covariance(
        &self,
        s: &Estimates,
        (signs, probes): (Signs, usize),
        watch: &dyn Watch,
    ) -> Result<Levels, CoreError> {
        let d = Decomposition::new(&self.g, &s.lambda, self.n_threads, watch)?;
        predict::of_levels(&self.layout, &d, signs, probes)
    }
}
