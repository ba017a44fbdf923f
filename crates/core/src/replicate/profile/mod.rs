//! Profiles of -2 log-likelihood: for each parameter a curve of optima with that parameter held.
//!
//! zeta is the signed root of the rise of the deviance above its minimum (Bates, Mächler, Bolker
//! and Walker 2015, section 5.1).

mod chart;
mod constrained;
mod crossing;
mod generalized;
mod hold;
mod likelihood;
mod line;
mod node;
mod parameter;
mod sampled;
mod search;
mod structured;
mod subject;
mod walk;

use crate::error::CoreError;
use crate::watch::Watch;
pub use constrained::LinearFit;
pub use generalized::GeneralizedFit;
pub use hold::Walked;
pub use likelihood::{CorrelatedRows, Covariance, Effects};
use line::LineOf;
use parameter::Origin;
use rayon::prelude::*;
pub use sampled::Sampled;
use std::sync::atomic::{AtomicUsize, Ordering};
pub use structured::StructuredFit;
use subject::{Begun, Profiled, Subject};
use walk::{Stop, Walk};

/// How often the fit is made again from a lower deviance that a curve meets; after that it is
/// passed by.
const ATTEMPTS: usize = 3;

/// How far curves go.
#[derive(Clone, Debug)]
pub struct ProfileOptions {
    /// Distance of points in zeta.
    pub step: f64,
    /// |zeta| at the ends.
    pub reach: f64,
    /// |zeta| at which limits are wanted.
    pub targets: Vec<f64>,
}

/// Why a side ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// zeta is as large as asked for.
    Reached,
    /// The end of what is possible: a standard deviation of zero, a correlation of one.
    Bound,
    /// zeta does not get as large within the limit on points.
    Unreached,
    /// The parameter has no value at the estimate.
    Undefined,
}

impl Ending {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Ending::Reached => "reached",
            Ending::Bound => "bound",
            Ending::Unreached => "unreached",
            Ending::Undefined => "undefined",
        }
    }
}

/// One side of a curve.
#[derive(Clone, Debug)]
pub struct Side {
    /// The parameter where |zeta| is each target; NaN where it is nowhere.
    pub limits: Vec<f64>,
    /// Why it ends.
    pub ending: Ending,
}

/// A point of a curve.
#[derive(Clone, Debug)]
pub struct CurvePoint {
    /// Signed root of the rise of the deviance.
    pub zeta: f64,
    /// Derivative of zeta: with respect to the parameter itself, the logarithm of sigma, the
    /// arcsine of a correlation.
    pub rate: f64,
    /// The parameter.
    pub value: f64,
    /// All parameters: standard deviations and correlations in the places of theta, sigma, fixed
    /// effects.
    pub parameters: Vec<f64>,
    /// Covariance parameters of a model with structures; else empty.
    pub x: Vec<f64>,
}

/// The curve of one parameter.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Which parameter.
    pub index: usize,
    /// Points by increasing value.
    pub points: Vec<CurvePoint>,
    /// Below the estimate.
    pub lower: Side,
    /// Above it.
    pub upper: Side,
    /// Whether zeta increases throughout.
    pub monotone: bool,
    /// Whether every optimum was found.
    pub converged: bool,
}

impl Curve {
    /// Of a parameter that has no value at the estimate.
    fn undefined(index: usize, n_targets: usize) -> Self {
        let side = || Side { limits: vec![f64::NAN; n_targets], ending: Ending::Undefined };
        Curve { index, points: Vec::new(), lower: side(), upper: side(), monotone: true, converged: true }
    }
}

/// Curves of a model.
#[derive(Clone, Debug)]
pub struct Profile {
    /// -2 log-likelihood at its minimum.
    pub deviance: f64,
    /// All parameters there.
    pub estimates: Vec<f64>,
    /// How the ML fit ended.
    pub status: &'static str,
    /// Whether a curve met a lower deviance than the fit, which was then made again from there.
    pub refitted: bool,
    /// A curve for each parameter asked for.
    pub curves: Vec<Curve>,
}

/// Profiles the parameters at `indices` (theta, then sigma or the dispersion, then fixed effects)
/// of a model.
///
/// # Errors
/// [`CoreError::Interrupted`] when `watch` says so; a likelihood that is not finite; a failure
/// inside a kernel.
pub fn profile<M: Profiled>(
    model: &M,
    mut start: M::Start,
    indices: &[usize],
    options: &ProfileOptions,
    n_threads: usize,
    watch: &dyn Watch,
) -> Result<Profile, CoreError> {
    let mut attempt = 0;
    loop {
        let Begun { subject, work, origin, deviance, status } = model.begin(&start, watch)?;
        match curves(&subject, work, &origin, indices, options, n_threads, watch, attempt < ATTEMPTS) {
            Ok(curves) => {
                let refitted = attempt > 0;
                return Ok(Profile { deviance, estimates: origin.parameters, status, refitted, curves });
            }
            Err(Stop::Core(e)) => return Err(e),
            Err(Stop::Lower(state)) => {
                start = model.start_at(&subject, start, &state);
                attempt += 1;
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn curves<S: Subject>(
    subject: &S,
    mut work: S::Work,
    origin: &Origin,
    indices: &[usize],
    options: &ProfileOptions,
    n_threads: usize,
    watch: &dyn Watch,
    strict: bool,
) -> Result<Vec<Curve>, Stop> {
    let finished = AtomicUsize::new(0);
    let one = |work: &mut S::Work, &index: &usize| -> Result<Curve, Stop> {
        let (sys, target) = (subject.layout(), subject.target(index));
        subject.begin(work, origin);
        let curve = match target.start(sys, origin) {
            None => Curve::undefined(index, options.targets.len()),
            Some(w0) => {
                let mut line = LineOf::new(subject, &target, w0, work);
                let scale = subject.scale(origin);
                Walk { sys, origin, target: &target, w0, scale, options, watch, strict }.curve(&mut line)?
            }
        };
        let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
        if !watch.finished(done, indices.len()) {
            return Err(Stop::Core(CoreError::Interrupted));
        }
        Ok(curve)
    };
    // every curve sees the same numbers whatever the number of threads: each has one
    let all: Vec<Result<Curve, Stop>> = if n_threads > 1 && indices.len() > 1 {
        drop(work);
        indices.par_iter().map_init(|| subject.work(), one).collect()
    } else {
        let mut out = Vec::new();
        for index in indices {
            out.push(one(&mut work, index));
            if out.last().is_some_and(Result::is_err) {
                break;
            }
        }
        out
    };
    all.into_iter().collect()
}
