//! The generalized linear mixed model with crossed factors, by the iterative solver.

use crate::arguments::{by_factor, each_row, matrix, to_python, Arrays, FactorArgument};
use crate::crossed::{levels_record, SampledCovariance};
use crate::families::{checked_extras, chosen, ExtrasArgument};
use crate::records::{Ending, GeneralizedFit, GeneralizedSolution, SampledGeneralizedFit, Search};
use crate::watch::{asking_nobody, kept, whole, MANY_ROWS};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::krylov::{CrossedGlmm, CrossedGlmmFit, CrossedGlmmOptions, Signs};
use std::sync::{Mutex, MutexGuard};

type Given<'py> = PyReadonlyArray1<'py, f64>;

/// Rows sorted for the iterative solver.
#[pyclass(frozen, module = "ranef._core")]
pub struct CrossedGlmmSystem {
    model: Mutex<CrossedGlmm>,
}

impl CrossedGlmmSystem {
    fn model(&self) -> MutexGuard<'_, CrossedGlmm> {
        self.model.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[pymethods]
impl CrossedGlmmSystem {
    #[new]
    #[pyo3(signature = (x, y, weights, offset, factors, family, link, n_threads = 1, repeats = None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        x: Bound<'_, PyArray2<f64>>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Bound<'_, PyArray1<f64>>,
        offset: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
        family: &str,
        link: &str,
        n_threads: usize,
        repeats: Option<Given<'_>>,
    ) -> PyResult<Self> {
        let (family, _) = chosen(family, link, None)?;
        let arrays = Arrays::new(x, None, y, Some(weights), offset, factors)?;
        let borrowed = arrays.borrow(py);
        let (rows, offset) = (borrowed.rows()?, borrowed.offset()?);
        let long = rows.n() >= MANY_ROWS;
        let made = asking_nobody(py, n_threads, long, || CrossedGlmm::new(&rows, offset, family, n_threads))?;
        let mut made = made.map_err(to_python)?;
        if let Some(repeats) = &repeats {
            made.repeat(&each_row(repeats, rows.n())?);
        }
        Ok(CrossedGlmmSystem { model: Mutex::new(made) })
    }

    /// Columns of x in use.
    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.model().layout().basis.kept.clone()
    }

    /// Bytes that an exact factor takes at most.
    #[getter]
    fn exact_bytes(&self) -> f64 {
        self.model().exact_bytes()
    }

    #[pyo3(signature = (
        theta, beta, dispersion, max_evaluations, tolerance, probes, seed, n_threads = 1, progress = None,
        stood = None, keep = None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn fit<'py>(
        &self,
        py: Python<'py>,
        theta: Option<Given<'py>>,
        beta: Option<Given<'py>>,
        dispersion: Option<f64>,
        max_evaluations: usize,
        tolerance: f64,
        probes: usize,
        seed: u64,
        n_threads: usize,
        progress: Option<Py<PyAny>>,
        stood: Option<Given<'py>>,
        keep: Option<Py<PyAny>>,
    ) -> PyResult<SampledGeneralizedFit> {
        let mut model = self.model();
        let layout = model.layout();
        let (theta, beta) = (theta.map(|v| v.as_array().to_vec()), beta.map(|v| v.as_array().to_vec()));
        if theta.as_ref().is_some_and(|t| t.len() != layout.n_theta)
            || beta.as_ref().is_some_and(|b| b.len() != layout.p())
        {
            return Err(PyValueError::new_err("the model has another number of parameters"));
        }
        let options = CrossedGlmmOptions {
            max_evaluations,
            tolerance,
            probes,
            signs: Signs { seed },
            theta,
            beta: beta.map(|b| layout.basis.beta_from_given(&b)),
            extras: if dispersion.is_some() {
                checked_extras(model.family(), dispersion.map(ExtrasArgument::One).as_ref())?
            } else {
                Vec::new()
            },
            stood: stood.map(|s| s.as_array().to_vec()),
        };
        let own = &mut *model;
        let found = kept(py, (progress, keep), n_threads, |watch| own.fit(options, watch))?.map_err(to_python)?;
        record(py, &model, found, dispersion)
    }

    /// Covariances of the effects of every level given the data and the parameters, and of each
    /// factor their relative error by sampling.
    #[pyo3(signature = (theta, beta, dispersion, probes, seed, n_threads = 1))]
    #[allow(clippy::too_many_arguments)]
    fn conditional_covariance<'py>(
        &self,
        py: Python<'py>,
        theta: Given<'py>,
        beta: Given<'py>,
        dispersion: Option<f64>,
        probes: usize,
        seed: u64,
        n_threads: usize,
    ) -> PyResult<SampledCovariance> {
        let mut model = self.model();
        let extras = if dispersion.is_some() {
            checked_extras(model.family(), dispersion.map(ExtrasArgument::One).as_ref())?
        } else {
            Vec::new()
        };
        let (theta, beta) = (theta.as_array().to_vec(), beta.as_array().to_vec());
        let own = &mut *model;
        let found = whole(py, None, n_threads, |watch| {
            let mut s = own.given(&theta, &beta, extras)?;
            own.find_modes(&mut s, watch)?;
            own.conditional_covariance(&s, (Signs { seed }, probes), watch)
        })?;
        levels_record(py, found.map_err(to_python)?, model.layout())
    }
}

fn record(
    py: Python<'_>,
    model: &CrossedGlmm,
    f: CrossedGlmmFit,
    dispersion: Option<f64>,
) -> PyResult<SampledGeneralizedFit> {
    let layout = model.layout();
    let (p, nt) = (layout.p(), layout.n_theta);
    let n = nt + p;
    let (eta, mu) = model.predictors(&f.estimates);
    let (u, b, conditional_loglik, penalty) = model.modes(&f.estimates);
    let solution = GeneralizedSolution {
        theta: f.theta.into_pyarray(py).unbind(),
        beta: layout.basis.beta_to_given(&f.estimates.beta).into_pyarray(py).unbind(),
        dispersion,
        extras: f.estimates.extras.clone().into_pyarray(py).unbind(),
        eta: eta.into_pyarray(py).unbind(),
        mu: mu.into_pyarray(py).unbind(),
        conditional_loglik,
        penalty,
        log_det: f.log_det,
        vcov_profiled: matrix(py, f.vcov_profiled, p, p)?,
        u: by_factor(py, u, &layout.factors)?,
        b: by_factor(py, b, &layout.factors)?,
    };
    let ending = Ending {
        objective: f.objective,
        status: f.status.name(),
        evaluations: f.evaluations,
        decrement: f.decrement,
        certificate: 0.0,
        singular: f.null_dimensions.iter().any(|&m| m > 0),
        null_dimensions: f.null_dimensions,
        gradient: Some(f.gradient.into_pyarray(py).unbind()),
    };
    let search = Search { looks: f.evaluations, ..Search::default() };
    let square = |v: Option<Vec<f64>>, n: usize| v.map(|v| matrix(py, v, n, n)).transpose();
    let vcov = f.covariance.as_ref().map(|c| (0..p * p).map(|t| c[(nt + t / p) * n + nt + t % p]).collect());
    let fit = GeneralizedFit {
        solution: Some(Py::new(py, solution)?),
        ending: Py::new(py, ending)?,
        search: Py::new(py, search)?,
        separated: Vec::new(),
        hessian: square(f.hessian, n)?,
        vcov: square(vcov, p)?,
        covariance: square(f.covariance, n)?,
    };
    Ok(SampledGeneralizedFit {
        fit: Py::new(py, fit)?,
        sampling: f.sampling,
        error: f.error,
        probes: f.probes.into_pyarray(py).unbind(),
    })
}
