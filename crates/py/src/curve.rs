//! Nonlinear models: normal responses around a curve.

use crate::arguments::{columns, matrix, to_python, Arrays, FactorArgument};
use crate::glmm::GlmmSystem;
use crate::kernel::Raises;
use crate::prior::PriorArgument;
use crate::watch::whole;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::families::curve::{
    parts, Curve, FittedScale, Function, Mean, MeanRows, Operation, Program, ScaledCurve,
};
use ranef_core::families::{Kernel, Several};
use ranef_core::generalized::{FixedBlock, GlmmSystem as Model, SeveralRows};
use ranef_core::linear::{take_turns, CurveRows, TurnLimits, TurnsEnd};
use ranef_core::memory;
use std::sync::{Arc, Mutex};

/// Names of the functions that formulas of curves may have.
#[pyfunction]
pub fn curve_functions() -> Vec<&'static str> {
    Function::ALL.iter().map(|f| f.0).collect()
}

/// A curve from Python: `callable(parameters, order)` takes a matrix with a row for each parameter,
/// rows of the data in the caller's order, and gives one with a row for the value and each
/// derivative.
struct PythonMean {
    callable: Py<PyAny>,
    parameters: usize,
    error: Arc<Errors>,
}

#[derive(Default)]
struct Errors(Mutex<Option<PyErr>>);

impl Raises for Errors {
    fn take_error(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).take()
    }
}

impl PythonMean {
    fn call(&self, rows: MeanRows<'_>, order: usize, out: &mut [f64]) -> PyResult<()> {
        let n = rows.order.len();
        let mut given = vec![0.0; rows.eta.len()];
        for (given, eta) in given.chunks_exact_mut(n).zip(rows.eta.chunks_exact(n)) {
            eta.iter().zip(rows.order).for_each(|(e, &i)| given[i as usize] = *e);
        }
        Python::attach(|py| {
            let eta = PyArray1::from_vec(py, given).reshape([self.parameters, n])?;
            let result: PyReadonlyArray2<'_, f64> = self.callable.call1(py, (eta, order))?.extract(py)?;
            let found = result.as_array();
            if found.ncols() != n || found.nrows() * n < out.len() {
                return Err(PyValueError::new_err("the curve does not give a value for each row"));
            }
            for (out, found) in out.chunks_exact_mut(n).zip(found.rows()) {
                out.iter_mut().zip(rows.order).for_each(|(o, &i)| *o = found[i as usize]);
            }
            Ok(())
        })
    }
}

impl Mean for PythonMean {
    fn parameters(&self) -> usize {
        self.parameters
    }

    fn derivatives(&self, rows: MeanRows<'_>, order: usize, out: &mut [f64]) {
        let failed = self.error.0.lock().unwrap_or_else(|e| e.into_inner()).is_some();
        if failed {
            return out.fill(f64::NAN);
        }
        if let Err(e) = self.call(rows, order, out) {
            *self.error.0.lock().unwrap_or_else(|e| e.into_inner()) = Some(e);
            out.fill(f64::NAN);
        }
    }

    fn failure(&self) -> Option<String> {
        let error = self.error.0.lock().unwrap_or_else(|e| e.into_inner());
        error.as_ref().map(|e| format!("the curve failed: {e}"))
    }
}

/// A curve as steps of a formula, or as a function.
#[derive(FromPyObject)]
pub(crate) enum MeanArgument {
    Steps(Vec<(String, f64)>),
    Callable(Py<PyAny>),
}

/// A curve, and what a function may raise.
type Taken = (Box<dyn Mean>, Option<Arc<Errors>>);

impl MeanArgument {
    /// The curve of p parameters.
    fn taken(self, covariates: &[PyReadonlyArray1<'_, f64>], p: usize) -> PyResult<Taken> {
        Ok(match self {
            MeanArgument::Steps(steps) => (Box::new(program(&steps, covariates, p)?), None),
            MeanArgument::Callable(callable) => {
                let error = Arc::new(Errors::default());
                (Box::new(PythonMean { callable, parameters: p, error: error.clone() }), Some(error))
            }
        })
    }
}

/// Values of a formula and its derivatives up to an order, a row for each: parameters have a row
/// each, too.
#[pyfunction]
pub fn curve_derivatives<'py>(
    py: Python<'py>,
    steps: Vec<(String, f64)>,
    covariates: Vec<PyReadonlyArray1<'py, f64>>,
    parameters: PyReadonlyArray2<'py, f64>,
    order: usize,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let given = parameters.as_array();
    let (p, n) = given.dim();
    let program = program(&steps, &covariates, p)?;
    let eta: Vec<f64> = given.iter().copied().collect();
    let rows: Vec<u32> = (0..n as u32).collect();
    let parts = parts(p, order.min(3));
    let mut out = vec![0.0; parts * n];
    program.derivatives(MeanRows { eta: &eta, order: &rows }, order.min(3), &mut out);
    PyArray1::from_vec(py, out).reshape([parts, n])
}

fn program(steps: &[(String, f64)], covariates: &[PyReadonlyArray1<'_, f64>], p: usize) -> PyResult<Program> {
    let unknown = |name: &str| PyValueError::new_err(format!("unknown step {name:?} of a formula"));
    let step = |(name, value): &(String, f64)| Operation::named(name, *value).ok_or_else(|| unknown(name));
    let steps = steps.iter().map(step).collect::<PyResult<_>>()?;
    let held = covariates.iter().map(|c| c.as_array().to_vec()).collect();
    Program::new(steps, held, p).map_err(to_python)
}

/// The system of a nonlinear model. Columns of x belong to the predictors in `predictors`, effects
/// of each factor to those in `of`; after the parameters of the curve the predictors are log sigma
/// and the exponents of `scales`, functions of the curve with their constants. `start` holds all
/// predictors of the rows, `spread` standard deviations of random effects, both for the start.
#[pyfunction]
#[pyo3(signature = (
    mean, covariates, x, predictors, y, weights, factors, of, start, spread, gauss_newton, scales, prior = None
))]
#[allow(clippy::too_many_arguments)]
pub fn curve_system(
    py: Python<'_>,
    mean: MeanArgument,
    covariates: Vec<PyReadonlyArray1<'_, f64>>,
    x: Bound<'_, PyArray2<f64>>,
    predictors: Vec<usize>,
    y: Bound<'_, PyArray1<f64>>,
    weights: Bound<'_, PyArray1<f64>>,
    factors: Vec<FactorArgument<'_>>,
    of: Vec<Vec<usize>>,
    start: PyReadonlyArray2<'_, f64>,
    spread: Vec<f64>,
    gauss_newton: bool,
    scales: Vec<(String, f64)>,
    prior: Option<PriorArgument>,
) -> PyResult<GlmmSystem> {
    let m = spread.len();
    let p = m.saturating_sub(1 + scales.len());
    let (mean, errors) = mean.taken(&covariates, p)?;
    let custom = errors.map(|e| -> Arc<dyn Raises> { e });
    let start = start.as_array().iter().copied().collect();
    let scale = |(name, centre): &(String, f64)| {
        let unknown = || PyValueError::new_err(format!("unknown function {name:?} of a curve"));
        FittedScale::named(name, *centre).ok_or_else(unknown)
    };
    let scales: Vec<FittedScale> = scales.iter().map(scale).collect::<PyResult<_>>()?;
    let kernel: Arc<dyn Kernel> = if scales.is_empty() {
        Arc::new(Curve::new(mean, gauss_newton, start, spread))
    } else {
        Arc::new(ScaledCurve::new(mean, scales, start, spread))
    };
    let family = Arc::new(Several(kernel));
    let matrix = x.readonly();
    let all = columns(&matrix)?;
    if all.len() != predictors.len() {
        return Err(PyValueError::new_err("every column belongs to one predictor"));
    }
    let arrays = Arrays::new(x.clone(), None, y, Some(weights), None, factors)?;
    let borrowed = arrays.borrow(py);
    let rows = borrowed.rows()?;
    let fixed = (0..m)
        .map(|c| {
            let own = all.iter().zip(&predictors).filter(|(_, part)| **part == c).map(|(x, _)| *x).collect();
            FixedBlock { parts: vec![(c, own)] }
        })
        .filter(|block| !block.parts[0].1.is_empty())
        .collect();
    let several = SeveralRows {
        y: rows.y,
        weights: rows.weights,
        fixed,
        thresholds: None,
        offsets: vec![None; m],
        factors: rows.factors.clone(),
        of,
    };
    let mut g = Model::several(&several, family).map_err(to_python)?;
    g.prior = prior.map(|p| p.prior(&g.layout.basis.kept)).transpose()?;
    drop(rows);
    drop(borrowed);
    Ok(GlmmSystem::made(arrays, g, custom))
}

/// Rows of a curve and of the effects of its parameters, for least squares and turns of linear
/// models.
#[pyclass(frozen, module = "ranef._core")]
pub struct CurveModel {
    arrays: Arrays,
    mean: Box<dyn Mean>,
    errors: Option<Arc<Errors>>,
    parts: Vec<usize>,
    of: Vec<Vec<usize>>,
    memory: Option<f64>,
}

/// Where turns ended.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct CurveTurns {
    end: &'static str,
    beta: Py<PyArray1<f64>>,
    theta: Py<PyArray1<f64>>,
    sigma: f64,
    b: Vec<Py<PyArray2<f64>>>,
    rounds: usize,
}

/// Fixed effects, and spherical and other random ones of each factor.
type EffectArrays = (Py<PyArray1<f64>>, Vec<Py<PyArray2<f64>>>, Vec<Py<PyArray2<f64>>>);

impl CurveModel {
    /// Calls `f` with the rows, the interpreter released.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        progress: Option<Py<PyAny>>,
        n_threads: usize,
        f: impl FnOnce(&CurveRows<'_>, &dyn ranef_core::watch::Watch) -> T + Send,
    ) -> PyResult<T> {
        let borrowed = self.arrays.borrow(py);
        let rows = borrowed.rows()?;
        let (mean, parts, of) = (&*self.mean, &self.parts[..], &self.of[..]);
        let out = memory::within(self.memory, || {
            whole(py, progress, n_threads, |watch| f(&CurveRows { mean, rows, parts, of }, watch))
        });
        match self.errors.as_ref().and_then(|e| e.take_error()) {
            Some(raised) => Err(raised),
            None => out,
        }
    }

    fn by_factor(&self, py: Python<'_>, all: Vec<Vec<f64>>) -> PyResult<Vec<Py<PyArray2<f64>>>> {
        all.into_iter()
            .zip(&self.of)
            .map(|(v, of)| {
                let levels = v.len() / of.len();
                matrix(py, v, levels, of.len())
            })
            .collect()
    }
}

#[pymethods]
impl CurveModel {
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        mean: MeanArgument,
        covariates: Vec<PyReadonlyArray1<'_, f64>>,
        parameters: usize,
        x: Bound<'_, PyArray2<f64>>,
        parts: Vec<usize>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
        of: Vec<Vec<usize>>,
    ) -> PyResult<Self> {
        let (mean, errors) = mean.taken(&covariates, parameters)?;
        let arrays = Arrays::new(x, None, y, weights, None, factors)?;
        let borrowed = arrays.borrow(py);
        let rows = borrowed.rows()?;
        rows.check().map_err(to_python)?;
        let fits = rows.x.len() == parts.len()
            && rows.factors.len() == of.len()
            && rows.factors.iter().zip(&of).all(|(f, of)| f.k() == of.len())
            && parts.iter().chain(of.iter().flatten()).all(|&c| c < parameters);
        if !fits {
            return Err(PyValueError::new_err("every column and every effect belongs to one parameter"));
        }
        drop(rows);
        drop(borrowed);
        let memory = memory::allowance().map(|a| a.bytes());
        Ok(CurveModel { arrays, mean, errors, parts, of, memory })
    }

    /// Least squares without random effects: fixed effects and sigma.
    fn pooled(&self, py: Python<'_>, beta: PyReadonlyArray1<'_, f64>) -> PyResult<(Py<PyArray1<f64>>, f64)> {
        let beta = beta.as_array().to_vec();
        let found = self.with(py, None, 1, |rows, watch| rows.pooled(&beta, watch))?.map_err(to_python)?;
        Ok((found.beta.into_pyarray(py).unbind(), found.sigma))
    }

    /// Penalised least squares with theta held; none where the data do not determine an effect.
    fn least_squares(
        &self,
        py: Python<'_>,
        theta: PyReadonlyArray1<'_, f64>,
        beta: PyReadonlyArray1<'_, f64>,
        u: Option<Vec<PyReadonlyArray2<'_, f64>>>,
        fall: f64,
        n_threads: usize,
    ) -> PyResult<Option<EffectArrays>> {
        let (theta, beta) = (theta.as_array().to_vec(), beta.as_array().to_vec());
        let u = u.map(|all| all.iter().map(|u| u.as_array().iter().copied().collect()).collect());
        let found = self.with(py, None, n_threads, |rows, _| rows.least_squares(&theta, &beta, u, fall, n_threads))?;
        let Some(s) = found.map_err(to_python)? else { return Ok(None) };
        Ok(Some((s.beta.into_pyarray(py).unbind(), self.by_factor(py, s.u)?, self.by_factor(py, s.b)?)))
    }

    /// Turns of penalised least squares and linear mixed models.
    #[pyo3(signature = (beta, theta, rounds, settled, fall, max_evaluations, n_threads = 1, progress = None))]
    #[allow(clippy::too_many_arguments)]
    fn turns(
        &self,
        py: Python<'_>,
        beta: PyReadonlyArray1<'_, f64>,
        theta: Option<PyReadonlyArray1<'_, f64>>,
        rounds: usize,
        settled: f64,
        fall: f64,
        max_evaluations: usize,
        n_threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<CurveTurns> {
        let beta = beta.as_array().to_vec();
        let theta = theta.map(|t| t.as_array().to_vec());
        let limits = TurnLimits { rounds, settled, fall, max_evaluations };
        let found = self.with(py, progress, n_threads, |rows, watch| {
            let mut go_on = |n, d| watch.evaluated(n, d);
            take_turns(rows, &beta, theta.as_deref(), limits, n_threads, &mut go_on)
        })?;
        let found = found.map_err(to_python)?;
        let end = match found.end {
            TurnsEnd::Settled => "settled",
            TurnsEnd::Unsettled => "unsettled",
            TurnsEnd::NotFinite => "not_finite",
            TurnsEnd::NotDetermined => "not_determined",
        };
        Ok(CurveTurns {
            end,
            beta: found.beta.into_pyarray(py).unbind(),
            theta: found.theta.into_pyarray(py).unbind(),
            sigma: found.sigma,
            b: self.by_factor(py, found.b)?,
            rounds: found.rounds,
        })
    }
}
