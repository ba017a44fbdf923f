//! Profiles: the call that can be stopped, and its records.

use crate::arguments::{matrix, to_python};
use crate::glmm::GlmmSystem;
use crate::records;
use crate::replicate_glmm::{options, point, OptionsArgument, PointArgument};
use crate::threads::with_watched_threads;
use crate::watch::Watch;
use numpy::IntoPyArray;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::error::CoreError;
use ranef_core::replicate::{profile_glmm, Curve, CurvePoint, GlmmProfileOptions, Profile, ProfileOptions};
use std::sync::atomic::Ordering;
use std::sync::Mutex;

/// Told of the number of curves that are finished, or of nothing; says whether to go on.
type KeepGoing<'a> = &'a (dyn Fn(Option<usize>) -> bool + Sync);

/// Runs a profile of `total` curves with the interpreter released.
///
/// # Errors
/// What `progress` or a signal handler raised.
pub fn watched_curves<T: Send>(
    py: Python<'_>,
    total: usize,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
    f: impl FnOnce(KeepGoing<'_>) -> T + Send,
) -> PyResult<T> {
    let watch = Mutex::new(Watch::new(progress));
    let (result, signal) = py.detach(|| {
        with_watched_threads(n_threads, |stop| {
            let keep_going = |done: Option<usize>| {
                if stop.load(Ordering::Relaxed) {
                    return false;
                }
                if done.is_none() && n_threads > 1 {
                    return true;
                }
                let mut w = watch.lock().unwrap_or_else(|e| e.into_inner());
                match done {
                    None => w.check(),
                    Some(done) => w.go_on(done, total as f64),
                }
            };
            f(&keep_going)
        })
    });
    match signal.or(watch.into_inner().unwrap_or_else(|e| e.into_inner()).error) {
        Some(e) => Err(e),
        None => Ok(result),
    }
}

#[pyfunction]
#[pyo3(signature = (system, start, options_, indices, step, reach, targets, n_threads = 1, progress = None))]
#[allow(clippy::too_many_arguments)]
pub fn profile_glmm_curves<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    start: PointArgument<'py>,
    options_: OptionsArgument,
    indices: Vec<usize>,
    step: f64,
    reach: f64,
    targets: Vec<f64>,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Profile> {
    let g = &system.g;
    if indices.iter().any(|&i| i > g.n_theta() + g.p()) || options_.0 == 0 {
        return Err(PyValueError::new_err(
            "there is no parameter of that number, or nothing to profile with n_quad = 0",
        ));
    }
    let o = GlmmProfileOptions {
        fit: options(system, &point(system, &start)?, &options_)?,
        curves: ProfileOptions { step, reach, targets },
    };
    let result: Result<Profile, CoreError> = watched_curves(py, indices.len(), n_threads, progress, |keep_going| {
        profile_glmm(g, &indices, &o, n_threads, keep_going)
    })?;
    system.raised()?;
    profile_record(py, result.map_err(to_python)?)
}

/// The curves and the ML fit they begin at.
pub(crate) fn profile_record(py: Python<'_>, p: Profile) -> PyResult<records::Profile> {
    let n_parameters = p.estimates.len();
    Ok(records::Profile {
        deviance: p.deviance,
        estimates: p.estimates.into_pyarray(py).unbind(),
        status: p.status,
        refitted: p.refitted,
        curves: p
            .curves
            .into_iter()
            .map(|c| Py::new(py, curve_record(py, c, n_parameters)?))
            .collect::<PyResult<_>>()?,
    })
}

fn curve_record(py: Python<'_>, c: Curve, n_parameters: usize) -> PyResult<records::Curve> {
    let column = |f: fn(&CurvePoint) -> f64| c.points.iter().map(f).collect::<Vec<_>>().into_pyarray(py).unbind();
    Ok(records::Curve {
        index: c.index,
        zeta: column(|p| p.zeta),
        value: column(|p| p.value),
        rate: column(|p| p.rate),
        parameters: matrix(
            py,
            c.points.iter().flat_map(|p| p.parameters.iter().copied()).collect(),
            c.points.len(),
            n_parameters,
        )?,
        lower: c.lower.limits.into_pyarray(py).unbind(),
        upper: c.upper.limits.into_pyarray(py).unbind(),
        endings: (c.lower.ending.name(), c.upper.ending.name()),
        monotone: c.monotone,
        converged: c.converged,
    })
}
