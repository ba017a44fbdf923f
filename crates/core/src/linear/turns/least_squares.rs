//! Penalised nonlinear least squares with theta held, by Gauss and Newton with steps that are
//! halved until the sum falls.

use super::curve_rows::{CurveRows, Effects, Linearised};
use crate::error::CoreError;
use crate::linear::{Evaluator, Score, System};

/// Steps at most, and the shortest.
const STEPS: usize = 60;
const SHORTEST: f64 = 1e-10;
/// By how much a whole step may raise the sum relatively: rounding hides what it gains.
const ROUNDING: f64 = 1e-12;

/// Where the effects stand, spherical random ones, and the linear model there.
pub(super) struct Place {
    pub(super) effects: Effects,
    pub(super) near: Linearised,
    total: f64,
}

/// Where penalised least squares ended.
pub struct Squared {
    /// Fixed effects.
    pub beta: Vec<f64>,
    /// Spherical random effects of each factor: levels x effects.
    pub u: Vec<Vec<f64>>,
    /// Random effects.
    pub b: Vec<Vec<f64>>,
}

/// Why there is no way on.
#[derive(Debug)]
pub(super) enum Halt {
    /// The columns of the linear model depend on each other.
    NotDetermined,
    /// An error of the core.
    Error(CoreError),
}

impl From<CoreError> for Halt {
    fn from(e: CoreError) -> Self {
        Halt::Error(e)
    }
}

impl<'a> CurveRows<'a> {
    fn penalty(effects: &Effects) -> f64 {
        effects.random.iter().flatten().map(|u| u * u).sum()
    }

    /// The penalised sum of squares.
    pub(super) fn penalised(&self, theta: &[f64], effects: &Effects) -> f64 {
        let values = self.values(&effects.beta, &self.effects_of(theta, &effects.random));
        self.residual_squares(&values) + Self::penalty(effects)
    }

    /// Effects with the linear model there.
    pub(super) fn place(&self, theta: &[f64], effects: Effects) -> Place {
        let near = self.linearised(&effects.beta, &self.effects_of(theta, &effects.random));
        let squares = if near.is_finite() { self.residual_squares(&near.values) } else { f64::INFINITY };
        Place { total: squares + Self::penalty(&effects), effects, near }
    }

    /// The system of a linear model, which must have all columns.
    pub(super) fn system(&self, near: &Linearised, n_threads: usize) -> Result<System, Halt> {
        let sys = System::new(&near.rows(self), n_threads)?;
        if sys.p() < self.parts.len() {
            return Err(Halt::NotDetermined);
        }
        Ok(sys)
    }

    /// Effects of the linear model with theta held; none where it cannot be solved.
    fn solved(&self, near: &Linearised, theta: &[f64], n_threads: usize) -> Result<Option<Effects>, Halt> {
        let sys = self.system(near, n_threads)?;
        let (mut e, mut score) = (Evaluator::new(&sys, n_threads), Score::new(&sys));
        e.lambda = sys.lambda_from_theta(theta);
        if e.criterion(&sys, false).is_err() {
            return Ok(None);
        }
        e.solve_effects(&sys, &mut score);
        let (_, turns) = sys.theta_from_lambda(&e.lambda);
        Ok(Some(Effects { beta: sys.basis.beta_to_given(&score.beta), random: sys.spherical(&turns, &score.u) }))
    }

    /// From effects on, until the sum falls relatively by no more than `least_fall`: fixed effects,
    /// spherical random ones (from zero on where none are given) and random ones; none where the
    /// data do not determine an effect.
    ///
    /// # Errors
    /// Those of [`System::new`].
    pub fn least_squares(
        &self,
        theta: &[f64],
        beta: &[f64],
        u: Option<Vec<Vec<f64>>>,
        least_fall: f64,
        n_threads: usize,
    ) -> Result<Option<Squared>, CoreError> {
        let random = u.unwrap_or_else(|| self.zeros());
        let mut here = self.place(theta, Effects { beta: beta.to_vec(), random });
        if !here.near.is_finite() {
            here = self.place(theta, Effects { beta: beta.to_vec(), random: self.zeros() });
        }
        let descended = self.solved(&here.near, theta, n_threads).and_then(|first| match first {
            Some(first) => self.descend(theta, here.effects.clone(), first, least_fall, n_threads),
            None => Ok(here),
        });
        match descended {
            Ok(place) => {
                let b = self.effects_of(theta, &place.effects.random);
                Ok(Some(Squared { beta: place.effects.beta, u: place.effects.random, b }))
            }
            Err(Halt::NotDetermined) => Ok(None),
            Err(Halt::Error(e)) => Err(e),
        }
    }

    /// From effects on, whose first step is known, until the sum falls relatively by no more than
    /// `least_fall`.
    pub(super) fn descend(
        &self,
        theta: &[f64],
        mut from: Effects,
        first: Effects,
        least_fall: f64,
        n_threads: usize,
    ) -> Result<Place, Halt> {
        let mut total = self.penalised(theta, &from);
        if !total.is_finite() {
            from.random = self.zeros();
            total = self.penalised(theta, &from);
        }
        let mut target = first;
        let mut here: Option<Place> = None;
        for _ in 0..STEPS {
            let at = here.as_ref().map_or(&from, |p| &p.effects);
            let mut share = 1.0;
            let mut next = None;
            while share > SHORTEST {
                let trial = self.place(theta, at.towards(&target, share));
                let limit = if share == 1.0 { total * (1.0 + ROUNDING) } else { total };
                if trial.total < limit {
                    next = Some(trial);
                    break;
                }
                share *= 0.5;
            }
            let Some(next) = next else { break };
            let fall = total - next.total;
            total = next.total;
            let step = if fall > least_fall * total { self.solved(&next.near, theta, n_threads)? } else { None };
            here = Some(next);
            match step {
                Some(step) => target = step,
                None => break,
            }
        }
        Ok(here.unwrap_or_else(|| self.place(theta, from)))
    }
}
