//! Bootstraps: many fits of drawn responses or of drawn groups, one call each.

use crate::arguments::{matrix, to_python};
use crate::lmm::LmmSystem;
use crate::records;
use crate::supervised::supervised;
use numpy::{IntoPyArray, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::linear::FitOptions;
use ranef_core::replicate::{cases, jackknife, nested, parametric, residual, Member, Pools, Replicates, Truth};

/// theta, fixed effects and residual standard deviation of the model that is drawn from.
type TruthArgument<'py> = (PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>, f64);

/// Whether by REML, limit on evaluations, and tolerance.
type OptionsArgument = (bool, usize, f64);

fn options((reml, max_evaluations, tolerance): OptionsArgument) -> FitOptions {
    FitOptions { reml, max_evaluations, tolerance }
}

fn checked<'a>(system: &LmmSystem, truth: &'a TruthArgument<'_>) -> PyResult<Truth<'a>> {
    let (theta, beta) = (truth.0.as_slice()?, truth.1.as_slice()?);
    system.check_theta(theta)?;
    if beta.len() != system.sys.p() || !truth.2.is_finite() || truth.2 <= 0.0 {
        return Err(PyValueError::new_err("the model to draw from does not have the parameters of the system"));
    }
    Ok(Truth { theta, beta, sigma: truth.2 })
}

/// Random effects of each factor, levels x effects, in C order.
fn effects<'a>(system: &LmmSystem, given: &'a [PyReadonlyArray2<'_, f64>]) -> PyResult<Vec<&'a [f64]>> {
    let factors = &system.sys.factors;
    let fits = given.len() == factors.len()
        && given.iter().zip(factors).all(|(b, f)| b.shape() == [f.n_levels, f.k] && b.is_c_contiguous());
    if !fits {
        return Err(PyValueError::new_err("random effects must be levels x effects of each factor, in C order"));
    }
    Ok(given.iter().map(|b| b.as_slice()).collect::<Result<_, _>>()?)
}

fn checked_factor(system: &LmmSystem, by: usize, n: usize) -> PyResult<()> {
    if by >= system.sys.factors.len() || n > i64::MAX as usize {
        return Err(PyValueError::new_err("there is no such factor"));
    }
    Ok(())
}

/// What is finished of some replicates.
pub(crate) fn record(
    py: Python<'_>,
    r: Replicates,
    p: usize,
    n_theta: usize,
    interrupted: bool,
) -> PyResult<records::Replicates> {
    let m = r.number.len();
    Ok(records::Replicates {
        number: r.number.into_pyarray(py).unbind(),
        objective: r.objective.into_pyarray(py).unbind(),
        beta: matrix(py, r.beta, m, p)?,
        se: matrix(py, r.se, m, p)?,
        theta: matrix(py, r.theta, m, n_theta)?,
        spread: r.sigma.into_pyarray(py).unbind(),
        status: r.status.into_iter().map(str::to_owned).collect(),
        second_starts: r.moved_on.iter().filter(|&&m| m).count(),
        singular: r.singular.into_pyarray(py).unbind(),
        interrupted,
    })
}

fn finished(py: Python<'_>, system: &LmmSystem, (r, interrupted): (Replicates, bool)) -> PyResult<records::Replicates> {
    record(py, r, system.sys.p(), system.sys.n_theta, interrupted)
}

#[pyfunction]
#[pyo3(signature = (system, truth, kept, options_, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_parametric<'py>(
    py: Python<'py>,
    system: &LmmSystem,
    truth: TruthArgument<'py>,
    kept: Option<Vec<PyReadonlyArray2<'py, f64>>>,
    options_: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let truth = checked(system, &truth)?;
    let kept: Option<Vec<Vec<f64>>> = match &kept {
        Some(b) => Some(effects(system, b)?.into_iter().map(<[f64]>::to_vec).collect()),
        None => None,
    };
    let o = options(options_);
    let sys = &system.sys;
    let r = supervised(py, progress.as_ref(), n, n_threads, |w| {
        parametric(sys, &truth, kept.as_deref(), o, n, seed, n_threads, w)
    })?;
    finished(py, system, r)
}

#[pyfunction]
#[pyo3(signature = (system, truth, effects_, residuals, options_, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_residual<'py>(
    py: Python<'py>,
    system: &LmmSystem,
    truth: TruthArgument<'py>,
    effects_: Vec<PyReadonlyArray2<'py, f64>>,
    residuals: PyReadonlyArray1<'py, f64>,
    options_: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let truth = checked(system, &truth)?;
    let borrowed = system.arrays.borrow(py);
    let rows = borrowed.rows()?;
    let pools = Pools { effects: effects(system, &effects_)?, residuals: residuals.as_slice()? };
    if pools.residuals.len() != rows.n() {
        return Err(PyValueError::new_err("there must be a residual for each row"));
    }
    let o = options(options_);
    let sys = &system.sys;
    let r = supervised(py, progress.as_ref(), n, n_threads, |w| {
        residual(&rows, sys, &truth, &pools, o, n, seed, n_threads, w)
    })?;
    finished(py, system, r)
}

#[pyfunction]
#[pyo3(signature = (system, truth, by, options_, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_cases<'py>(
    py: Python<'py>,
    system: &LmmSystem,
    truth: TruthArgument<'py>,
    by: usize,
    options_: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let truth = checked(system, &truth)?;
    checked_factor(system, by, n)?;
    let borrowed = system.arrays.borrow(py);
    let rows = borrowed.rows()?;
    let o = options(options_);
    let sys = &system.sys;
    let r =
        supervised(py, progress.as_ref(), n, n_threads, |w| cases(&rows, sys, &truth, by, o, n, seed, n_threads, w))?;
    finished(py, system, r)
}

#[pyfunction]
#[pyo3(signature = (system, truth, by, options_, n, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn jackknife_groups<'py>(
    py: Python<'py>,
    system: &LmmSystem,
    truth: TruthArgument<'py>,
    by: usize,
    options_: OptionsArgument,
    n: usize,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let truth = checked(system, &truth)?;
    checked_factor(system, by, n)?;
    let borrowed = system.arrays.borrow(py);
    let rows = borrowed.rows()?;
    let o = options(options_);
    let sys = &system.sys;
    let r = supervised(py, progress.as_ref(), n, n_threads, |w| jackknife(&rows, sys, &truth, by, o, n, n_threads, w))?;
    finished(py, system, r)
}

/// A model to fit: its system, for each factor the union's factor and the union's effects, and theta to start from.
type MemberArgument<'py> = (PyRef<'py, LmmSystem>, Vec<(usize, Vec<usize>)>, Option<PyReadonlyArray1<'py, f64>>);

#[pyfunction]
#[pyo3(signature = (union, truth, members, options_, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_nested<'py>(
    py: Python<'py>,
    union: &LmmSystem,
    truth: TruthArgument<'py>,
    members: Vec<MemberArgument<'py>>,
    options_: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<records::Replicates>> {
    let truth = checked(union, &truth)?;
    let borrowed = union.arrays.borrow(py);
    let rows = borrowed.rows()?;
    let owned: Vec<_> = members.iter().map(|m| m.0.arrays.borrow(py)).collect();
    let member_rows = owned.iter().map(|b| b.rows()).collect::<PyResult<Vec<_>>>()?;
    let mut list = Vec::new();
    for ((system, places, start), rows) in members.iter().zip(&member_rows) {
        let start = start.as_ref().map(|s| s.as_slice()).transpose()?;
        start.map_or(Ok(()), |s| system.check_theta(s))?;
        let fits = places.len() == system.sys.factors.len()
            && places.iter().zip(&system.sys.factors).all(|((g, e), f)| {
                union
                    .sys
                    .factors
                    .get(*g)
                    .is_some_and(|u| u.n_levels == f.n_levels && e.len() == f.k && e.iter().all(|&i| i < u.k))
            });
        if !fits {
            return Err(PyValueError::new_err("a model does not lie within the union"));
        }
        let factor = places.iter().map(|p| p.0).collect();
        let effect = places.iter().map(|p| p.1.clone()).collect();
        list.push(Member { sys: &system.sys, rows, factor, effect, start });
    }
    let o = options(options_);
    let sys = &union.sys;
    let (result, interrupted) = supervised(py, progress.as_ref(), n, n_threads, |w| {
        nested(sys, &rows, &truth, &list, o, n, seed, n_threads, w)
    })?;
    let result = result.map_err(to_python)?;
    result.into_iter().zip(&list).map(|(r, m)| record(py, r, m.sys.p(), m.sys.n_theta, interrupted)).collect()
}
