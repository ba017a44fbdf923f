//! Profiles of -2 log-likelihood: for each parameter a curve of optima with that parameter held.
//!
//! zeta is the signed root of the rise of the deviance above its minimum (Bates, Mächler, Bolker and Walker 2015, section 5.1).

mod chart;
mod constrained;
mod generalized;
mod node;
mod parameter;
mod search;
mod subject;
mod walk;

use crate::error::CoreError;
use crate::linear::{frames_of, search, Begin, FitOptions, Frame, Status, System};
use constrained::Linear;
pub use generalized::{profile_glmm, GlmmProfileOptions};
use parameter::{parameters, Origin};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use subject::{State, Subject};
use walk::{Stop, Walk};

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
    /// Derivative of zeta: with respect to the parameter itself, the logarithm of sigma, the arcsine of a correlation.
    pub rate: f64,
    /// The parameter.
    pub value: f64,
    /// All parameters: standard deviations and correlations in the places of theta, sigma, fixed effects.
    pub parameters: Vec<f64>,
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

/// Tells the searches to stop.
pub struct Watcher<'a> {
    stop: &'a AtomicBool,
    keep_going: &'a (dyn Fn(Option<usize>) -> bool + Sync),
}

impl Watcher<'_> {
    /// An error once the caller wants no more.
    pub fn check(&self) -> Result<(), CoreError> {
        if self.stop.load(Ordering::Relaxed) || !(self.keep_going)(None) {
            self.stop.store(true, Ordering::Relaxed);
            return Err(CoreError::Interrupted);
        }
        Ok(())
    }
}

/// Profiles the parameters at `indices` (theta, then sigma, then fixed effects), starting the ML fit from frames.
///
/// `keep_going` is called with nothing during the work, and with the number of curves after each; it returns false to stop.
///
/// # Errors
/// [`CoreError::Interrupted`] when `keep_going` says so.
#[allow(clippy::too_many_arguments)]
pub fn profile(
    sys: &System,
    start: Vec<Frame>,
    indices: &[usize],
    fit_options: FitOptions,
    options: &ProfileOptions,
    n_threads: usize,
    keep_going: &(dyn Fn(Option<usize>) -> bool + Sync),
) -> Result<Profile, CoreError> {
    let stop = AtomicBool::new(false);
    let watch = Watcher { stop: &stop, keep_going };
    let mut frames = start;
    let mut attempt = 0;
    loop {
        let subject = Linear(sys);
        let mut work = subject.work();
        let mut go_on = |_: usize, _: f64| keep_going(None);
        let f = search(sys, &mut work.e, &mut work.score, Begin::At(frames), fit_options, &mut go_on)?.fit;
        if f.status == Status::NonFinite {
            return Err(CoreError::Degenerate("the likelihood is not finite".into()));
        }
        let sigma2 = work.e.r2 / sys.nu(false);
        let beta = work.score.beta.clone();
        let origin = Origin {
            deviance: f.criterion,
            parameters: parameters(sys, &work.e.lambda, sigma2, &beta),
            state: State { lambda: work.e.lambda.clone(), sigma: sigma2.sqrt(), beta, u: Vec::new() },
        };
        let strict = attempt < 3;
        match curves(&subject, work, &origin, indices, options, n_threads, &watch, strict) {
            Ok(curves) => {
                return Ok(Profile {
                    deviance: origin.deviance + sys.constant(false),
                    estimates: origin.parameters,
                    status: f.status.name(),
                    refitted: attempt > 0,
                    curves,
                })
            }
            Err(Stop::Core(e)) => return Err(e),
            Err(Stop::Lower(state)) => {
                frames = frames_of(sys, &state.lambda);
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
    watch: &Watcher<'_>,
    strict: bool,
) -> Result<Vec<Curve>, Stop> {
    let finished = AtomicUsize::new(0);
    let one = |work: &mut S::Work, &index: &usize| -> Result<Curve, Stop> {
        let curve = Walk::new(subject, work, origin, index, options, watch, strict).curve()?;
        let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
        if !(watch.keep_going)(Some(done)) {
            watch.stop.store(true, Ordering::Relaxed);
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
