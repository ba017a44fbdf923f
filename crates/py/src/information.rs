//! What degrees of freedom of the fixed effects are made of.

use crate::arguments::{matrix, to_python};
use crate::lmm::LmmSystem;
use crate::records::{KenwardRoger, Satterthwaite};
use crate::watch::{whole_of, LONG};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::error::CoreError;
use ranef_core::linear::{self, At, Evaluator, GoOn, Score, System, Tested};

/// A theta, the directions that each term lacks, and whether the criterion is REML.
pub(crate) type PointArgument = (Vec<f64>, Vec<usize>, bool);

/// Runs a computation with the interpreter released, ready to be stopped.
fn watched<T: Send>(
    py: Python<'_>,
    system: &LmmSystem,
    (theta, null, reml): &PointArgument,
    n_threads: usize,
    f: impl FnOnce(&System, &mut Evaluator, &mut Score, At<'_>, GoOn<'_>) -> Result<T, CoreError> + Send,
) -> PyResult<T> {
    system.check_theta(theta)?;
    let sys = system.sys(py)?;
    if null.len() != sys.terms.iter().map(Vec::len).sum::<usize>() {
        return Err(PyValueError::new_err("there must be a number of directions for each random term"));
    }
    let n_threads = linear::threads_worth(sys, n_threads);
    let at = At { theta, null, reml: *reml, n_threads };
    let out = whole_of(py, None, n_threads, sys.predicted_seconds() > LONG, |watch| {
        system.with_work(n_threads, |sys, e, score| f(sys, e, score, at, &|| watch.go_on()))
    })?;
    out.map_err(to_python)
}

/// Root of the covariance of the fixed effects.
pub(crate) fn root(
    py: Python<'_>,
    system: &LmmSystem,
    at: &PointArgument,
    n_threads: usize,
) -> PyResult<Py<PyArray2<f64>>> {
    let p = system.sys(py)?.p();
    let root = watched(py, system, at, n_threads, |sys, e, _, at, _| linear::fixed_root(sys, e, at.theta, at.reml))?;
    matrix(py, root, p, p)
}

/// By Satterthwaite.
pub(crate) fn satterthwaite(
    py: Python<'_>,
    system: &LmmSystem,
    at: &PointArgument,
    n_threads: usize,
) -> PyResult<Satterthwaite> {
    let s = watched(py, system, at, n_threads, linear::satterthwaite)?;
    satterthwaite_record(py, s, system.sys(py)?.p())
}

pub(crate) fn satterthwaite_record(py: Python<'_>, s: linear::Satterthwaite, p: usize) -> PyResult<Satterthwaite> {
    Ok(Satterthwaite {
        root: matrix(py, s.root, p, p)?,
        covariance: matrix(py, s.covariance, s.m, s.m)?,
        slopes: s.slopes.into_pyarray(py).reshape([s.m, p, p])?.unbind(),
        flat: s.flat,
    })
}

/// By Kenward and Roger; `memory` is how many bytes dense matrices may take, `linear` leaves
/// second derivatives of V out.
pub(crate) fn kenward_roger(
    py: Python<'_>,
    system: &LmmSystem,
    at: &PointArgument,
    (memory, linear): (f64, bool),
    n_threads: usize,
) -> PyResult<KenwardRoger> {
    let memory = system.memory.map_or(memory, |m| memory.min(m));
    let k = watched(py, system, at, n_threads, |sys, e, score, at, go_on| {
        linear::kenward_roger(sys, e, score, at, (memory, linear), go_on)
    })?;
    kenward_roger_record(py, k, system.sys(py)?.p())
}

fn kenward_roger_record(py: Python<'_>, k: linear::KenwardRoger, p: usize) -> PyResult<KenwardRoger> {
    let r = k.weights.len().isqrt();
    Ok(KenwardRoger {
        root: matrix(py, k.root, p, p)?,
        adjusted: matrix(py, k.adjusted, p, p)?,
        slopes: k.slopes.into_pyarray(py).reshape([r, p, p])?.unbind(),
        weights: matrix(py, k.weights, r, r)?,
        flat: k.flat,
    })
}

/// What tests of one replicate need.
#[derive(IntoPyObject)]
pub enum TestedRecord {
    Root(Py<PyArray2<f64>>),
    Satterthwaite(Satterthwaite),
    KenwardRoger(KenwardRoger),
}

/// The same as records; none where the fit of a replicate has no degrees of freedom.
///
/// # Errors
/// Matrices that would take more memory than allowed, which is so for all replicates.
pub(crate) fn tested_records(
    py: Python<'_>,
    all: Vec<Option<Result<Tested, CoreError>>>,
    p: usize,
) -> PyResult<Vec<Option<TestedRecord>>> {
    let of = |t: Option<Result<Tested, CoreError>>| match t {
        Some(Ok(Tested::Root(root))) => Ok(Some(TestedRecord::Root(matrix(py, root, p, p)?))),
        Some(Ok(Tested::Satterthwaite(s))) => Ok(Some(TestedRecord::Satterthwaite(satterthwaite_record(py, s, p)?))),
        Some(Ok(Tested::KenwardRoger(k))) => Ok(Some(TestedRecord::KenwardRoger(kenward_roger_record(py, k, p)?))),
        Some(Err(e @ CoreError::Refused { .. })) => Err(to_python(e)),
        Some(Err(_)) | None => Ok(None),
    };
    all.into_iter().map(of).collect()
}
