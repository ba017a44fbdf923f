//! Bootstraps of generalized models, one call each.

use crate::arguments::{columns, BorrowedFactors, FactorArgument};
use crate::families::checked_extras;
use crate::glmm::{approximation, GlmmSystem};
use crate::records;
use crate::replicate::record;
use crate::supervised::supervised;
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::generalized::{FitOptions, Point};
use ranef_core::replicate::{
    cases_glmm, jackknife_glmm, nested_glmm, parametric_glmm, GlmmMember, GlmmRows, Replicates, Watched,
};
use ranef_core::rows::Rows;

/// theta, fixed effects and dispersion of a model.
pub(crate) type PointArgument<'py> = (PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>, Option<f64>);

/// Quadrature nodes, curvature, limit on evaluations, tolerance, dispersion to keep, and whether fits start at the model's parameters.
pub(crate) type OptionsArgument = (usize, String, usize, f64, Option<f64>, bool);

/// X, prior weights, offset and grouping factors as they were given.
type RowsArgument<'py> = (
    PyReadonlyArray2<'py, f64>,
    PyReadonlyArray1<'py, f64>,
    Option<PyReadonlyArray1<'py, f64>>,
    Vec<FactorArgument<'py>>,
);

/// Parameters with the fixed effects in the changed basis.
pub(crate) fn point(system: &GlmmSystem, given: &PointArgument<'_>) -> PyResult<Point> {
    let (theta, beta) = (given.0.as_slice()?, given.1.as_slice()?);
    system.check("theta", theta, system.g.n_theta())?;
    system.check("beta", beta, system.g.p())?;
    let extras = checked_extras(&*system.g.family, given.2)?;
    Ok(Point { theta: theta.to_vec(), beta: system.g.beta_from_given(beta), extras })
}

pub(crate) fn options(system: &GlmmSystem, truth: &Point, given: &OptionsArgument) -> PyResult<FitOptions> {
    let (n_quad, curvature, max_evaluations, tolerance, fixed_dispersion, warm) = given;
    system.check_n_quad(*n_quad)?;
    Ok(FitOptions {
        how: approximation(*n_quad, curvature)?,
        theta: warm.then(|| truth.theta.clone()),
        beta: warm.then(|| truth.beta.clone()),
        extras: warm.then(|| truth.extras.clone()),
        held: fixed_dispersion.map(Some).into_iter().collect(),
        max_evaluations: *max_evaluations,
        tolerance: *tolerance,
        hessian: false,
    })
}

fn drawable(system: &GlmmSystem) -> PyResult<()> {
    if !system.g.family.can_draw() {
        return Err(PyValueError::new_err("the family has no random numbers in the core"));
    }
    Ok(())
}

fn finished(
    py: Python<'_>,
    system: &GlmmSystem,
    (r, interrupted): (Replicates, bool),
) -> PyResult<records::Replicates> {
    system.raised()?;
    record(py, r, system.g.p(), system.g.n_theta(), interrupted)
}

#[pyfunction]
#[pyo3(signature = (system, truth, eta, options_, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_glmm_parametric<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    truth: PointArgument<'py>,
    eta: Option<PyReadonlyArray1<'py, f64>>,
    options_: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    drawable(system)?;
    let truth = point(system, &truth)?;
    let eta = eta.as_ref().map(|e| e.as_slice()).transpose()?;
    eta.map_or(Ok(()), |e| system.check("the linear predictor", e, system.g.n))?;
    let o = options(system, &truth, &options_)?;
    let g = &system.g;
    let r = supervised(py, progress.as_ref(), n, n_threads, |w| {
        parametric_glmm(g, &truth, eta, &o, n, seed, n_threads, w)
    })?;
    finished(py, system, r)
}

/// Runs `f` on the rows as they were given.
#[allow(clippy::too_many_arguments)]
fn with_rows<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    y: &PyReadonlyArray1<'py, f64>,
    given: &RowsArgument<'py>,
    by: usize,
    n: usize,
    n_threads: usize,
    progress: Option<&Py<PyAny>>,
    f: impl FnOnce(&GlmmRows<'_>, &Watched) -> Replicates + Send,
) -> PyResult<records::Replicates> {
    let borrowed = BorrowedFactors::of(&given.3)?;
    let rows =
        Rows { x: columns(&given.0)?, y: y.as_slice()?, weights: Some(given.1.as_slice()?), factors: borrowed.rows()? };
    let offset = given.2.as_ref().map(|o| o.as_slice()).transpose()?;
    let m = system.g.n;
    if by >= rows.factors.len() || rows.n() != m || offset.is_some_and(|o| o.len() != m) || n > i64::MAX as usize {
        return Err(PyValueError::new_err("the rows are not those of the model, or there is no such factor"));
    }
    rows.check().map_err(crate::arguments::to_python)?;
    let data = GlmmRows { rows, offset };
    let r = supervised(py, progress, n, n_threads, |w| f(&data, w))?;
    finished(py, system, r)
}

#[pyfunction]
#[pyo3(signature = (system, truth, y, rows, by, options_, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_glmm_cases<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    truth: PointArgument<'py>,
    y: PyReadonlyArray1<'py, f64>,
    rows: RowsArgument<'py>,
    by: usize,
    options_: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let o = options(system, &point(system, &truth)?, &options_)?;
    let g = &system.g;
    with_rows(py, system, &y, &rows, by, n, n_threads, progress.as_ref(), |data, w| {
        cases_glmm(data, g, by, &o, n, seed, n_threads, w)
    })
}

#[pyfunction]
#[pyo3(signature = (system, truth, y, rows, by, options_, n, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn jackknife_glmm_groups<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    truth: PointArgument<'py>,
    y: PyReadonlyArray1<'py, f64>,
    rows: RowsArgument<'py>,
    by: usize,
    options_: OptionsArgument,
    n: usize,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let o = options(system, &point(system, &truth)?, &options_)?;
    let g = &system.g;
    with_rows(py, system, &y, &rows, by, n, n_threads, progress.as_ref(), |data, w| {
        jackknife_glmm(data, g, by, &o, n, n_threads, w)
    })
}

/// A model to fit, where its fits start, and how they are made.
type MemberArgument<'py> = (PyRef<'py, GlmmSystem>, PointArgument<'py>, OptionsArgument);

#[pyfunction]
#[pyo3(signature = (system, truth, members, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_glmm_nested<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    truth: PointArgument<'py>,
    members: Vec<MemberArgument<'py>>,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<records::Replicates>> {
    drawable(system)?;
    let truth = point(system, &truth)?;
    let g = &system.g;
    let list = members
        .iter()
        .map(|(m, start, o)| {
            m.check("a model to fit", &m.g.y, g.n)?;
            Ok(GlmmMember { g: &m.g, options: options(m, &point(m, start)?, o)? })
        })
        .collect::<PyResult<Vec<_>>>()?;
    let (result, interrupted) =
        supervised(py, progress.as_ref(), n, n_threads, |w| nested_glmm(g, &truth, &list, n, seed, n_threads, w))?;
    result.into_iter().zip(&list).map(|(r, m)| record(py, r, m.g.p(), m.g.n_theta(), interrupted)).collect()
}
