//! Profiles of a model.

use crate::arguments::{matrix, to_python, OptionsArgument, PointArgument};
use crate::correlated::CorrelatedSystem;
use crate::crossed::CrossedSystem;
use crate::lmm::LmmSystem;
use crate::records;
use crate::replicate::Model;
use crate::watch::{whole, whole_of};
use numpy::IntoPyArray;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::krylov::Polynomial;
use ranef_core::linear::frames_of;
use ranef_core::replicate::{
    self, CorrelatedRows, Covariance, Curve, CurvePoint, Effects, GeneralizedFit, LinearFit, Profile, ProfileOptions,
    Sampled, StructuredFit, Walked,
};
use std::collections::BTreeMap;

#[pyfunction]
#[pyo3(signature = (model, start, options, indices, step, reach, targets, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn profile(
    py: Python<'_>,
    model: Model<'_>,
    start: PointArgument<'_>,
    options: OptionsArgument,
    indices: Vec<usize>,
    step: f64,
    reach: f64,
    targets: Vec<f64>,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Profile> {
    let (n_theta, p) = match &model {
        Model::Linear(m) => (m.sys(py)?.n_theta, m.sys(py)?.p()),
        Model::Generalized(m) => (m.g.n_theta(), m.g.p()),
    };
    if indices.iter().any(|&i| i > n_theta + p) {
        return Err(PyValueError::new_err("there is no parameter of that number"));
    }
    let curves = ProfileOptions { step, reach, targets };
    let found = match &model {
        Model::Linear(m) => {
            let sys = m.sys(py)?;
            m.check_theta(start.theta.as_slice()?)?;
            let frames = frames_of(sys, &sys.lambda_from_theta(start.theta.as_slice()?));
            let fit = LinearFit { sys, options: options.linear(false) };
            whole_of(py, progress, n_threads, m.is_long(), |watch| {
                replicate::profile(&fit, frames, &indices, &curves, n_threads, watch)
            })
        }
        Model::Generalized(m) => {
            if options.n_quad == 0 {
                return Err(PyValueError::new_err("there is nothing to profile with n_quad = 0"));
            }
            let start = options.generalized(m, Some(&start))?;
            let fit = GeneralizedFit { g: &m.g };
            let found = whole_of(py, progress, n_threads, m.is_long(), |watch| {
                replicate::profile(&fit, start, &indices, &curves, n_threads, watch)
            });
            m.raised()?;
            found
        }
    };
    profile_record(py, found?.map_err(to_python)?)
}

/// A linear model with structures.
#[derive(FromPyObject)]
pub(crate) enum Structured<'py> {
    Effects(PyRef<'py, LmmSystem>),
    Rows(PyRef<'py, CorrelatedSystem>),
}

/// How natural parameters are walked, by number: sds, correlations, positive and other numbers.
fn walked(kinds: Vec<(usize, String)>) -> PyResult<BTreeMap<usize, Walked>> {
    let of = |name: &str| match name {
        "sd" => Ok(Walked::Sd),
        "cor" => Ok(Walked::Correlation),
        "positive" => Ok(Walked::Positive),
        "number" => Ok(Walked::Number),
        _ => Err(PyValueError::new_err(format!("unknown kind {name:?}"))),
    };
    kinds.into_iter().map(|(i, name)| Ok((i, of(&name)?))).collect()
}

/// Profiles of a model whose random effects or rows have covariance structures.
#[pyfunction]
#[pyo3(signature = (model, theta, z, kinds, options, indices, step, reach, targets, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn profile_structured(
    py: Python<'_>,
    model: Structured<'_>,
    theta: Vec<f64>,
    z: Vec<f64>,
    kinds: Vec<(usize, String)>,
    options: OptionsArgument,
    indices: Vec<usize>,
    step: f64,
    reach: f64,
    targets: Vec<f64>,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Profile> {
    let kinds = walked(kinds)?;
    let curves = ProfileOptions { step, reach, targets };
    let start = Covariance { theta, z };
    let options = options.linear(false);
    let (sys, n_z) = match &model {
        Structured::Effects(m) => (m.sys(py)?, 0),
        Structured::Rows(m) => (&m.model().sys, m.model().r.n()),
    };
    if start.theta.len() != sys.n_theta || start.z.len() != n_z {
        return Err(PyValueError::new_err("these are not as many parameters as the model has"));
    }
    if indices.iter().any(|&i| i > sys.n_theta + sys.p() + n_z) {
        return Err(PyValueError::new_err("there is no parameter of that number"));
    }
    let found = match &model {
        Structured::Effects(m) => {
            let of = Effects { sys: m.sys(py)?, options };
            let fit = StructuredFit { model: &of, rows: &[], walked: &kinds };
            whole(py, progress, n_threads, |watch| replicate::profile(&fit, start, &indices, &curves, n_threads, watch))
        }
        Structured::Rows(m) => {
            let of = CorrelatedRows { model: m.model(), options };
            let rows = m.model().r.parameters();
            let fit = StructuredFit { model: &of, rows: &rows, walked: &kinds };
            whole(py, progress, n_threads, |watch| replicate::profile(&fit, start, &indices, &curves, n_threads, watch))
        }
    };
    profile_record(py, found?.map_err(to_python)?)
}

/// Part of a log-determinant: centre, coordinates, powers of the terms, their factors.
type PolynomialArgument = (Vec<f64>, Vec<f64>, Vec<Vec<i32>>, Vec<f64>);

/// Profiles of a model for the iterative solver, with a polynomial for the part of the
/// log-determinant that is sampled.
#[pyfunction]
#[pyo3(signature = (system, theta, sampled, kinds, indices, step, reach, targets, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn profile_sampled(
    py: Python<'_>,
    system: PyRef<'_, CrossedSystem>,
    theta: Vec<f64>,
    sampled: PolynomialArgument,
    kinds: Vec<(usize, String)>,
    indices: Vec<usize>,
    step: f64,
    reach: f64,
    targets: Vec<f64>,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Profile> {
    let model = system.model();
    let (kinds, curves) = (walked(kinds)?, ProfileOptions { step, reach, targets });
    let (centre, turn, powers, by) = sampled;
    let m = model.layout().n_theta;
    let fits = theta.len() == m
        && centre.len() == m
        && turn.len() == m * m
        && powers.len() == by.len()
        && powers.iter().all(|t| t.len() == m);
    if !fits || indices.iter().any(|&i| i > m + model.layout().p()) {
        return Err(PyValueError::new_err("these are not the parameters of the model"));
    }
    let sampled = Polynomial { centre, turn, powers, by };
    let start = Covariance { theta, z: Vec::new() };
    let found = whole(py, progress, n_threads, |watch| {
        let of = Sampled { model, sampled: &sampled, watch };
        let fit = StructuredFit { model: &of, rows: &[], walked: &kinds };
        // one curve at a time: the threads share the rows
        replicate::profile(&fit, start, &indices, &curves, 1, watch)
    });
    profile_record(py, found?.map_err(to_python)?)
}

/// The curves and the ML fit they begin at.
fn profile_record(py: Python<'_>, p: Profile) -> PyResult<records::Profile> {
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
        covariance: matrix(
            py,
            c.points.iter().flat_map(|p| p.x.iter().copied()).collect(),
            c.points.len(),
            c.points.first().map_or(0, |p| p.x.len()),
        )?,
        lower: c.lower.limits.into_pyarray(py).unbind(),
        upper: c.upper.limits.into_pyarray(py).unbind(),
        endings: (c.lower.ending.name(), c.upper.ending.name()),
        monotone: c.monotone,
        converged: c.converged,
    })
}
