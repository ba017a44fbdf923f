//! What is asked about the random effects of a linear model at a theta: their covariances and
//! coefficients, parts of M^-1, and variances of predictions.

use crate::arguments::{columns, effect_sets, matrix, new_rows, NewFactorArgument};
use crate::lmm::{singular, with_work_on, LmmSystem};
use crate::watch::asking_nobody;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use ranef_core::blocks::NotPositive;
use ranef_core::linear::{predict_variance, Deletion};

/// Conditional covariances of the effects of every level, an array for each factor.
pub(crate) fn conditional_covariance<'py>(
    py: Python<'py>,
    system: &LmmSystem,
    theta: &[f64],
    n_threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    system.check_theta(theta)?;
    let whole = system.sys(py)?;
    let entries: f64 = whole.factors.iter().map(|f| (f.n_levels * f.k * f.k) as f64).sum();
    system.room_for(2.0 * entries, || format!("the conditional covariances of {} random effects", whole.q()))?;
    let all = asking_nobody(py, n_threads, system.is_long(), || {
        system.with_work(n_threads, |sys, e, _| {
            e.lambda = sys.lambda_from_theta(theta);
            e.criterion(sys, false).ok()?;
            e.factor.invert_unweighted();
            Some((0..sys.terms.len()).map(|f| sys.conditional_covariance(&e.lambda, &e.factor, f)).collect::<Vec<_>>())
        })
    })?;
    let all = all.ok_or_else(singular)?;
    let list = PyList::empty(py);
    for (v, f) in all.into_iter().zip(&whole.factors) {
        let a: Bound<'py, PyArray3<f64>> = v.into_pyarray(py).reshape([f.n_levels, f.k, f.k])?;
        list.append(a)?;
    }
    Ok(list)
}

/// M^-1 L'Z'WX K for every random effect, K the root of the covariance of the fixed effects.
pub(crate) fn random_coefficients(
    py: Python<'_>,
    system: &LmmSystem,
    theta: &[f64],
    n_threads: usize,
) -> PyResult<Py<PyArray2<f64>>> {
    system.check_theta(theta)?;
    let whole = system.sys(py)?;
    let (q, p) = (whole.q(), whole.p());
    system.room_for(2.0 * q as f64 * p as f64, || {
        format!("the products of {q} random effects with {p} fixed effects, which leverages need")
    })?;
    let found = asking_nobody(py, n_threads, system.is_long(), || {
        system.with_work(n_threads, |sys, e, score| Ok(Deletion::at(sys, e, theta)?.coefficients(score)))
    })?;
    matrix(py, found.map_err(|NotPositive| singular())?, whole.q(), whole.p())
}

/// Parts of M^-1, one after another: of the effects from each start to the next.
pub(crate) fn inverse_parts<'py>(
    py: Python<'py>,
    system: &LmmSystem,
    theta: &[f64],
    (starts, effects): (&PyReadonlyArray1<'py, i64>, &PyReadonlyArray1<'py, i64>),
    n_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    system.check_theta(theta)?;
    let whole = system.sys(py)?;
    let (starts, effects) = effect_sets(starts, effects, whole.q())?;
    let entries: f64 = starts.windows(2).map(|w| ((w[1] - w[0]) as f64).powi(2)).sum();
    system.room_for(2.0 * entries, || "the covariances of the random effects of groups that are left out".into())?;
    let found = asking_nobody(py, n_threads, system.is_long(), || {
        system.with_work(n_threads, |sys, e, _| Ok(Deletion::at(sys, e, theta)?.inverse_parts(&starts, &effects)))
    })?;
    Ok(found.map_err(|NotPositive| singular())?.into_pyarray(py))
}

/// Variance of predictions for new rows, divided by sigma^2.
pub(crate) fn prediction_variance<'py>(
    py: Python<'py>,
    system: &LmmSystem,
    theta: &[f64],
    x_new: &PyReadonlyArray2<'py, f64>,
    factors: &[NewFactorArgument<'py>],
    n_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    system.check_theta(theta)?;
    let whole = system.sys(py)?;
    let n_rows = x_new.shape()[0];
    let x = columns(x_new)?;
    if x.len() != whole.p() {
        return Err(PyValueError::new_err("new rows do not have the columns of the model"));
    }
    let new = new_rows(factors, n_rows, whole)?;
    let v = asking_nobody(py, n_threads, system.is_long(), || {
        with_work_on(&system.work, whole, n_threads, |sys, e, _| {
            e.lambda = sys.lambda_from_theta(theta);
            e.criterion(sys, false).ok()?;
            Some(predict_variance(sys, e, &x, &new, n_rows))
        })
    })?;
    Ok(v.ok_or_else(singular)?.into_pyarray(py))
}
