//! What is asked about the random effects of a generalized model at given parameters: their
//! covariances, parts of M^-1, and variances of predictions.

use crate::arguments::{columns, effect_sets, new_rows, to_python, NewFactorArgument};
use crate::glmm::{approximation, not_found, GlmmSystem};
use crate::watch::asking_nobody;
use numpy::{
    IntoPyArray, PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use ranef_core::generalized::{predict_variance, Failure, Point};
use ranef_core::memory::{self, room_for};

/// Conditional covariances of the effects of every level, an array for each factor.
pub(crate) fn conditional_covariance<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    point: &Point,
    curvature: &str,
    n_threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let how = approximation(1, curvature)?;
    let layout = &system.g.layout;
    let entries: f64 = layout.factors.iter().map(|f| (f.n_levels * f.k * f.k) as f64).sum();
    let what = || format!("the conditional covariances of {} random effects", layout.q());
    memory::within(system.memory, || room_for(2.0 * entries, what)).map_err(to_python)?;
    let all = asking_nobody(py, n_threads, system.is_long(), || {
        system.with_work(n_threads, |g, m| {
            m.stand_inverted(g, point, how.curvature)?;
            let out = (0..g.effects.len())
                .map(|f| g.layout.conditional_covariance(&m.lambda, &m.factor, f))
                .collect::<Vec<_>>();
            Ok::<_, Failure>(out)
        })
    });
    system.raised()?;
    let all = all?.map_err(not_found)?;
    let list = PyList::empty(py);
    for (v, f) in all.into_iter().zip(&layout.factors) {
        let a: Bound<'py, PyArray3<f64>> = v.into_pyarray(py).reshape([f.n_levels, f.k, f.k])?;
        list.append(a)?;
    }
    Ok(list)
}

/// Parts of M^-1, one after another: of the effects from each start to the next.
pub(crate) fn inverse_parts<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    point: &Point,
    curvature: &str,
    (starts, effects): (&PyReadonlyArray1<'py, i64>, &PyReadonlyArray1<'py, i64>),
    n_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let how = approximation(1, curvature)?;
    let (starts, effects) = effect_sets(starts, effects, system.g.layout.q())?;
    let v = asking_nobody(py, n_threads, system.is_long(), || {
        system.with_work(n_threads, |g, m| {
            m.stand_inverted(g, point, how.curvature)?;
            Ok::<_, Failure>(g.layout.inverse_parts(&m.factor, &starts, &effects))
        })
    });
    system.raised()?;
    Ok(v?.map_err(not_found)?.into_pyarray(py))
}

/// Variance of predictions for new rows, with `covariance` of beta or of all parameters.
pub(crate) fn prediction_variance<'py>(
    py: Python<'py>,
    system: &GlmmSystem,
    point: &Point,
    covariance: &PyReadonlyArray2<'py, f64>,
    (x_new, factors): (&PyReadonlyArray2<'py, f64>, &[NewFactorArgument<'py>]),
    n_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (p, nt) = (system.g.p(), system.g.n_theta());
    let order = covariance.shape()[0];
    if covariance.shape()[1] != order || ![p, nt + p, nt + p + system.g.n_extras()].contains(&order) {
        return Err(PyValueError::new_err("the covariance matrix must be of beta, or of all parameters"));
    }
    // symmetric: the order of the entries does not matter
    let covariance: Vec<f64> = covariance.as_array().iter().copied().collect();
    let n_rows = x_new.shape()[0];
    let x = columns(x_new)?;
    if x.len() != p {
        return Err(PyValueError::new_err("new rows do not have the columns of the model"));
    }
    let new = new_rows(factors, n_rows, &system.g.layout)?;
    let v = asking_nobody(py, n_threads, system.is_long(), || {
        system.with_work(n_threads, |g, m| {
            m.forget();
            m.stand_at(g, point)?;
            predict_variance(g, m, &covariance, &x, &new, n_rows)
        })
    });
    system.raised()?;
    Ok(v?.map_err(not_found)?.into_pyarray(py))
}
