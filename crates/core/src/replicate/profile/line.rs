//! The likelihood with one parameter held together with its work space: what a walk evaluates, by
//! the same code for every model.

use super::parameter::Target;
use super::subject::{Held, State, Subject};
use crate::error::CoreError;
use crate::watch::Watch;

/// As [`Held`], with the work space.
pub trait Line {
    /// Changes the value that is held.
    fn set(&mut self, value: f64);

    /// The coordinates nearest to a point: exact where it meets the constraint.
    fn coordinates(&self, state: &State) -> Vec<f64>;

    /// -2 log-likelihood (changed basis) at coordinates; infinite where it cannot be computed.
    fn deviance(&mut self, phi: &[f64], watch: &dyn Watch) -> Result<f64, CoreError>;

    /// Gradient at the coordinates last evaluated; returns the derivative with respect to what is
    /// held.
    fn gradient(&mut self, phi: &[f64], out: &mut Vec<f64>) -> f64;

    /// The coordinates moved to where lost directions come back; none if none is lost.
    fn nudged(&self, phi: &[f64]) -> Option<Vec<f64>>;

    /// Differences of the deviance that may be rounding.
    fn noise(&self, deviance: f64) -> f64;

    /// The point last evaluated.
    fn state(&self) -> State;

    /// All parameters there, columns as given.
    fn parameters(&self) -> Vec<f64>;

    /// A length of the walk over which the deviance changes visibly, at the estimate.
    fn width(&self, w0: f64) -> f64;

    /// The likelihood with a standard deviation of zero.
    fn absent(&mut self) -> Option<Box<dyn Line + '_>>;
}

/// The line of a parameter of a model.
pub struct LineOf<'a, S: Subject + 'a> {
    subject: &'a S,
    target: &'a Target,
    held: S::Held<'a>,
    work: &'a mut S::Work,
}

impl<'a, S: Subject> LineOf<'a, S> {
    /// With the parameter held at `w`.
    pub fn new(subject: &'a S, target: &'a Target, w: f64, work: &'a mut S::Work) -> Self {
        LineOf { held: subject.problem(target, w), subject, target, work }
    }
}

impl<S: Subject> Line for LineOf<'_, S> {
    fn set(&mut self, value: f64) {
        self.held.set(value);
    }

    fn coordinates(&self, state: &State) -> Vec<f64> {
        self.held.coordinates(state)
    }

    fn deviance(&mut self, phi: &[f64], watch: &dyn Watch) -> Result<f64, CoreError> {
        self.held.deviance(self.work, phi, watch)
    }

    fn gradient(&mut self, phi: &[f64], out: &mut Vec<f64>) -> f64 {
        self.held.gradient(self.work, phi, out)
    }

    fn nudged(&self, phi: &[f64]) -> Option<Vec<f64>> {
        self.held.nudged(phi)
    }

    fn noise(&self, deviance: f64) -> f64 {
        self.held.noise(deviance)
    }

    fn state(&self) -> State {
        self.held.state(self.work)
    }

    fn parameters(&self) -> Vec<f64> {
        self.held.parameters(self.work)
    }

    fn width(&self, w0: f64) -> f64 {
        self.subject.width(self.work, &self.held, self.target, w0)
    }

    fn absent(&mut self) -> Option<Box<dyn Line + '_>> {
        let held = self.subject.absent(self.target)?;
        Some(Box::new(LineOf { subject: self.subject, target: self.target, held, work: &mut *self.work }))
    }
}
