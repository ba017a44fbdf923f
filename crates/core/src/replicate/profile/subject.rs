//! What a walk needs to know of a model: the likelihood with one parameter held, and the point that
//! it stands at.

use super::parameter::{Origin, Target};
use crate::error::CoreError;
use crate::layout::{Lambda, Layout};
use crate::watch::Watch;

/// A point from which coordinates of any kind can be read.
#[derive(Clone)]
pub struct State {
    /// Lambda (changed basis).
    pub lambda: Lambda,
    /// Residual standard deviation (changed basis), or the dispersion of a family.
    pub sigma: f64,
    /// Fixed effects (changed basis).
    pub beta: Vec<f64>,
    /// Modes of the random effects to start from; empty where they are not searched for.
    pub u: Vec<f64>,
    /// Covariance parameters of a model with structures, which Lambda follows from; else empty.
    pub x: Vec<f64>,
}

/// -2 log-likelihood while one parameter is held, as a function of free coordinates.
pub trait Held {
    /// Work space.
    type Work;

    /// Changes the value that is held.
    fn set(&mut self, value: f64);

    /// The coordinates nearest to a point: exact where it meets the constraint.
    fn coordinates(&self, state: &State) -> Vec<f64>;

    /// -2 log-likelihood (changed basis) at coordinates; infinite where it cannot be computed.
    fn deviance(&mut self, work: &mut Self::Work, phi: &[f64], watch: &dyn Watch) -> Result<f64, CoreError>;

    /// Gradient at the coordinates last evaluated; returns the derivative with respect to what is
    /// held.
    fn gradient(&self, work: &mut Self::Work, phi: &[f64], out: &mut Vec<f64>) -> f64;

    /// The coordinates moved to where lost directions come back; none if none is lost.
    fn nudged(&self, phi: &[f64]) -> Option<Vec<f64>>;

    /// Differences of the deviance that may be rounding.
    fn noise(&self, deviance: f64) -> f64;

    /// The point last evaluated.
    fn state(&self, work: &Self::Work) -> State;

    /// All parameters there, columns as given.
    fn parameters(&self, work: &Self::Work) -> Vec<f64>;
}

/// A model whose parameters are profiled.
pub trait Subject: Sync {
    /// Work space of one curve.
    type Work;
    /// Its likelihood with one parameter held.
    type Held<'a>: Held<Work = Self::Work>
    where
        Self: 'a;

    /// Layout and basis.
    fn layout(&self) -> &Layout;

    /// The parameter at a position.
    fn target(&self, index: usize) -> Target {
        Target::of(self.layout(), index)
    }

    /// A new work space.
    fn work(&self) -> Self::Work;

    /// Makes a work space forget what was done with it.
    fn begin(&self, work: &mut Self::Work, origin: &Origin);

    /// The likelihood with a parameter held.
    fn problem(&self, target: &Target, w: f64) -> Self::Held<'_>;

    /// The likelihood with a standard deviation of zero.
    fn absent(&self, target: &Target) -> Option<Self::Held<'_>>;

    /// What relative standard deviations are multiplied by (changed basis).
    fn scale(&self, origin: &Origin) -> f64;

    /// A length of the walk over which the deviance changes visibly, at the estimate.
    fn width(&self, work: &Self::Work, problem: &Self::Held<'_>, target: &Target, w0: f64) -> f64;
}

/// A fit whose curves begin at its end.
pub trait Profiled {
    /// Where the fit starts.
    type Start;
    /// What the walks see of the model.
    type Subject<'a>: Subject
    where
        Self: 'a;

    /// Makes the fit.
    ///
    /// # Errors
    /// [`CoreError::Interrupted`] when `watch` says so; a likelihood that is not finite.
    fn begin(&self, start: &Self::Start, watch: &dyn Watch) -> Result<Begun<Self::Subject<'_>>, CoreError>;

    /// Where the fit is made again after a lower deviance was met.
    fn start_at(&self, subject: &Self::Subject<'_>, start: Self::Start, state: &State) -> Self::Start;
}

/// The end of a fit.
pub struct Begun<S: Subject> {
    /// The model.
    pub subject: S,
    /// The work space, left at the estimates.
    pub work: S::Work,
    /// The estimates.
    pub origin: Origin,
    /// -2 log-likelihood (columns as given).
    pub deviance: f64,
    /// How the fit ended.
    pub status: &'static str,
}
