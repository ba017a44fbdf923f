//! Profiles: the call that can be stopped, and dictionaries of arrays.

use crate::arguments::to_python;
use crate::glmm::GlmmSystem;
use crate::replicate_glmm::{options, point, OptionsArgument, PointArgument};
use crate::threads::with_watched_threads;
use crate::watch::Watch;
use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use ranef_core::error::CoreError;
use ranef_core::replicate::{profile_glmm, Curve, GlmmProfileOptions, Profile, ProfileOptions};
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
) -> PyResult<Bound<'py, PyDict>> {
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
    profile_dict(py, result.map_err(to_python)?)
}

/// The curves and the ML fit they begin at.
pub fn profile_dict<'py>(py: Python<'py>, p: Profile) -> PyResult<Bound<'py, PyDict>> {
    let n_parameters = p.estimates.len();
    let d = PyDict::new(py);
    d.set_item("deviance", p.deviance)?;
    d.set_item("estimates", p.estimates.into_pyarray(py))?;
    d.set_item("status", p.status)?;
    d.set_item("refitted", p.refitted)?;
    let list = PyList::empty(py);
    for c in p.curves {
        list.append(curve_dict(py, c, n_parameters)?)?;
    }
    d.set_item("curves", list)?;
    Ok(d)
}

fn curve_dict<'py>(py: Python<'py>, c: Curve, n_parameters: usize) -> PyResult<Bound<'py, PyDict>> {
    let d = PyDict::new(py);
    let n = c.points.len();
    d.set_item("index", c.index)?;
    d.set_item("zeta", c.points.iter().map(|p| p.zeta).collect::<Vec<_>>().into_pyarray(py))?;
    d.set_item("value", c.points.iter().map(|p| p.value).collect::<Vec<_>>().into_pyarray(py))?;
    d.set_item("rate", c.points.iter().map(|p| p.rate).collect::<Vec<_>>().into_pyarray(py))?;
    let all: Vec<f64> = c.points.into_iter().flat_map(|p| p.parameters).collect();
    d.set_item("parameters", all.into_pyarray(py).reshape([n, n_parameters])?)?;
    d.set_item("lower", c.lower.limits.into_pyarray(py))?;
    d.set_item("upper", c.upper.limits.into_pyarray(py))?;
    d.set_item("endings", (c.lower.ending.name(), c.upper.ending.name()))?;
    d.set_item("monotone", c.monotone)?;
    d.set_item("converged", c.converged)?;
    Ok(d)
}
