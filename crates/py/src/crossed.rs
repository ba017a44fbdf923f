//! The linear mixed model with crossed factors, by the iterative solver.

use crate::arguments::{
    by_factor, columns, matrix, new_rows, to_python, Arrays, FactorArgument, LevelsArgument, NewFactorArgument,
};
use crate::information::satterthwaite_record;
use crate::records::{Ending, LinearFit, LinearSolution, SampledFit, Search};
use crate::statistic::{coded, ColumnsArgument, SpecArgument};
use crate::watch::{asking_nobody, kept, whole, MANY_ROWS};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::krylov::{fit, Crossed, CrossedOptions, Gathered, Levels, Polynomial, Signs};
use ranef_core::layout::{Lambda, Layout};
use ranef_core::linear::FitOptions;
use ranef_core::replicate::Sampled;
use ranef_core::watch::Watch;

/// Rows for the iterative solver that come in batches, kept in few bytes each.
#[pyclass(module = "ranef._core")]
pub struct CrossedRows {
    rows: Option<Gathered>,
}

#[pymethods]
impl CrossedRows {
    #[new]
    fn new(x: ColumnsArgument, y: (f64, f64), factors: Vec<SpecArgument>) -> PyResult<Self> {
        let (basis, specs) = coded(x, y, factors)?;
        Ok(CrossedRows { rows: Some(Gathered::new(basis, specs).map_err(to_python)?) })
    }

    /// Number of rows.
    #[getter]
    fn n(&self) -> usize {
        self.rows.as_ref().map_or(0, Gathered::n)
    }

    #[pyo3(signature = (x, y, weights, factors))]
    fn update(
        &mut self,
        py: Python<'_>,
        x: Bound<'_, PyArray2<f64>>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
    ) -> PyResult<()> {
        let arrays = Arrays::new(x, None, y, weights, None, factors)?;
        let borrowed = arrays.borrow(py);
        let rows = borrowed.rows()?;
        let Some(own) = &mut self.rows else { return Err(PyValueError::new_err("the rows were taken")) };
        py.detach(|| own.update(&rows)).map_err(to_python)
    }

    /// \[X y\]'\[X y\] in the basis as it was given, row by row.
    fn products(&self) -> Vec<f64> {
        self.rows.as_ref().map_or_else(Vec::new, Gathered::products)
    }

    /// The system that is fitted; takes the rows.
    #[pyo3(signature = (n_threads = 1))]
    fn system(&mut self, py: Python<'_>, n_threads: usize) -> PyResult<CrossedSystem> {
        let Some(rows) = self.rows.take() else { return Err(PyValueError::new_err("the rows were taken")) };
        let long = rows.n() >= MANY_ROWS;
        let made = asking_nobody(py, n_threads, long, || Crossed::of_gathered(rows, n_threads))?;
        Ok(CrossedSystem { model: made.map_err(to_python)? })
    }
}

/// Rows sorted for the iterative solver.
#[pyclass(frozen, module = "ranef._core")]
pub struct CrossedSystem {
    model: Crossed,
}

/// Covariances of the levels of each factor, their relative errors by sampling, and probes.
pub(crate) type SampledCovariance = (Vec<Py<PyArray3<f64>>>, Vec<f64>, usize);

/// Values and derivatives, probe by probe.
type Probed = (Py<PyArray1<f64>>, Py<PyArray2<f64>>);

/// Covariances of all levels, as arrays.
pub(crate) fn levels_record(py: Python<'_>, found: Levels, layout: &Layout) -> PyResult<SampledCovariance> {
    let mut all = Vec::new();
    for (c, f) in found.covariance.into_iter().zip(&layout.factors) {
        all.push(c.into_pyarray(py).reshape([f.n_levels, f.k, f.k])?.unbind());
    }
    Ok((all, found.error, found.probes))
}

impl CrossedSystem {
    /// The rows.
    pub(crate) fn model(&self) -> &Crossed {
        &self.model
    }

    fn lambda(&self, theta: &PyReadonlyArray1<'_, f64>) -> PyResult<Lambda> {
        let theta = theta.as_array().to_vec();
        if theta.len() != self.model.layout().n_theta {
            return Err(PyValueError::new_err("theta has another number of entries than the model"));
        }
        Ok(self.model.layout().lambda_from_theta(&theta))
    }
}

#[pymethods]
impl CrossedSystem {
    #[new]
    #[pyo3(signature = (x, y, weights, factors, n_threads = 1, levels = None))]
    fn new(
        py: Python<'_>,
        x: Bound<'_, PyArray2<f64>>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
        n_threads: usize,
        levels: Option<LevelsArgument>,
    ) -> PyResult<Self> {
        let arrays = Arrays::new(x, levels, y, weights, None, factors)?;
        let borrowed = arrays.borrow(py);
        let rows = borrowed.rows()?;
        let made = asking_nobody(py, n_threads, rows.n() >= MANY_ROWS, || Crossed::new(&rows, n_threads))?;
        Ok(CrossedSystem { model: made.map_err(to_python)? })
    }

    /// Columns of x in use.
    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.model.layout().basis.kept.clone()
    }

    /// Bytes that an exact factor takes at most.
    #[getter]
    fn exact_bytes(&self) -> f64 {
        self.model.exact_bytes()
    }

    #[pyo3(signature = (
        reml, start, max_evaluations, tolerance, probes, seed, n_threads = 1, progress = None, stood = None, keep = None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn fit<'py>(
        &self,
        py: Python<'py>,
        reml: bool,
        start: Option<PyReadonlyArray1<'py, f64>>,
        max_evaluations: usize,
        tolerance: f64,
        probes: usize,
        seed: u64,
        n_threads: usize,
        progress: Option<Py<PyAny>>,
        stood: Option<PyReadonlyArray1<'py, f64>>,
        keep: Option<Py<PyAny>>,
    ) -> PyResult<SampledFit> {
        let model = &self.model;
        let start: Option<Vec<f64>> = start.map(|s| s.as_array().to_vec());
        if start.as_ref().is_some_and(|s| s.len() != model.layout().n_theta) {
            return Err(PyValueError::new_err("theta has another number of entries than the model"));
        }
        let start = start.map(|theta| model.layout().frames_at(&theta));
        let options =
            CrossedOptions { fit: FitOptions { reml, max_evaluations, tolerance }, probes, signs: Signs { seed } };
        let stood = stood.map(|s| s.as_array().to_vec());
        let run = |watch: &dyn Watch| fit(model, start, stood.as_deref(), options, watch);
        let found = kept(py, (progress, keep), n_threads, run)?.map_err(to_python)?;
        let s = found.solution;
        let (p, sizes) = (model.layout().p(), &model.layout().factors);
        let objective = if reml { s.reml_criterion } else { s.ml_deviance };
        let solution = LinearSolution {
            theta: s.theta.into_pyarray(py).unbind(),
            objective,
            reml_criterion: s.reml_criterion,
            ml_deviance: s.ml_deviance,
            beta: s.beta.into_pyarray(py).unbind(),
            vcov_unscaled: matrix(py, s.vcov, p, p)?,
            sigma: s.sigma2.sqrt(),
            pwrss: s.pwrss,
            ldl2: s.ldl2,
            ldrx2: s.ldrx2,
            u: by_factor(py, s.u, sizes)?,
            b: by_factor(py, s.b, sizes)?,
        };
        let null = model.layout().null_dimensions(&found.frames);
        let ending = Ending {
            objective,
            status: found.status.name(),
            evaluations: found.evaluations,
            decrement: found.decrement,
            certificate: found.certificate,
            singular: null.iter().any(|&n| n > 0),
            null_dimensions: null,
            gradient: Some(found.gradient.into_pyarray(py).unbind()),
        };
        let search = Search { looks: found.evaluations, ..Search::default() };
        let fit = LinearFit {
            solution: Some(Py::new(py, solution)?),
            ending: Py::new(py, ending)?,
            search: Py::new(py, search)?,
        };
        Ok(SampledFit {
            fit: Py::new(py, fit)?,
            sampling: found.sampling,
            error: found.error,
            probes: found.probes.into_pyarray(py).unbind(),
            satterthwaite: Py::new(py, satterthwaite_record(py, found.satterthwaite, p)?)?,
        })
    }

    /// -2 log-likelihood at a theta, all else estimated, with the diagonal blocks of the
    /// log-determinant alone, up to a constant, and its gradient.
    #[pyo3(signature = (theta, n_threads = 1))]
    fn computed<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        n_threads: usize,
    ) -> PyResult<(f64, Py<PyArray1<f64>>)> {
        self.lambda(&theta)?;
        let (theta, nothing) = (theta.as_array().to_vec(), Polynomial::default());
        let found = whole(py, None, n_threads, |watch| {
            Sampled { model: &self.model, sampled: &nothing, watch }.profiled(&theta)
        })?;
        let (value, gradient) = found.map_err(to_python)?;
        Ok((value, gradient.into_pyarray(py).unbind()))
    }

    /// What some probes, by their numbers, have of the rest of the log-determinant at a theta, and
    /// the derivatives.
    #[pyo3(signature = (theta, first, last, seed, n_threads = 1))]
    fn probed<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        first: usize,
        last: usize,
        seed: u64,
        n_threads: usize,
    ) -> PyResult<Probed> {
        self.lambda(&theta)?;
        let (theta, how) = (theta.as_array().to_vec(), (Signs { seed }, first, last));
        let found = whole(py, None, n_threads, |watch| self.model.probed(&theta, how, watch))?.map_err(to_python)?;
        let (values, slopes): (Vec<f64>, Vec<Vec<f64>>) = found.into_iter().unzip();
        let n = values.len();
        Ok((values.into_pyarray(py).unbind(), matrix(py, slopes.concat(), n, theta.len())?))
    }

    /// Covariances of the effects of every level given the data, in units of the residual variance,
    /// and of each factor their relative error by sampling.
    #[pyo3(signature = (theta, probes, seed, n_threads = 1))]
    fn conditional_covariance<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        probes: usize,
        seed: u64,
        n_threads: usize,
    ) -> PyResult<SampledCovariance> {
        let lambda = self.lambda(&theta)?;
        let how = (Signs { seed }, probes);
        let found = whole(py, None, n_threads, |watch| self.model.conditional_covariance(&lambda, how, watch))?;
        levels_record(py, found.map_err(to_python)?, self.model.layout())
    }

    /// Variance of x'(b^ - b) + z'(u^ - u) of new rows, divided by sigma^2.
    #[pyo3(signature = (theta, x_new, factors, probes, seed, n_threads = 1))]
    #[allow(clippy::too_many_arguments)]
    fn prediction_variance<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        x_new: PyReadonlyArray2<'py, f64>,
        factors: Vec<NewFactorArgument<'py>>,
        probes: usize,
        seed: u64,
        n_threads: usize,
    ) -> PyResult<Py<PyArray1<f64>>> {
        let lambda = self.lambda(&theta)?;
        let x = columns(&x_new)?;
        let new = new_rows(&factors, x_new.shape()[0], self.model.layout())?;
        if x.len() != self.model.layout().p() {
            return Err(PyValueError::new_err("new rows do not have the columns of the model"));
        }
        let how = (Signs { seed }, probes);
        let v = whole(py, None, n_threads, |watch| self.model.prediction_variance(&lambda, &x, &new, how, watch))?;
        Ok(v.map_err(to_python)?.into_pyarray(py).unbind())
    }
}
