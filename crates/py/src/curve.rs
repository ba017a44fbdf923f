//! Nonlinear models: normal responses around a curve.

use crate::arguments::{columns, to_python, Arrays, FactorArgument};
use crate::glmm::GlmmSystem;
use crate::kernel::Raises;
use crate::prior::PriorArgument;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::families::curve::{parts, Curve, Function, Mean, MeanRows, Operation, Program};
use ranef_core::families::Several;
use ranef_core::generalized::{FixedBlock, GlmmSystem as Model, SeveralRows};
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
/// of each factor to those in `of`; the last predictor is log sigma. `start` holds all predictors
/// of the rows, `spread` standard deviations of random effects, both for the start.
#[pyfunction]
#[pyo3(signature = (
    mean, covariates, x, predictors, y, weights, factors, of, start, spread, gauss_newton, prior = None
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
    prior: Option<PriorArgument>,
) -> PyResult<GlmmSystem> {
    let p = spread.len().saturating_sub(1);
    let mut custom: Option<Arc<dyn Raises>> = None;
    let mean: Box<dyn Mean> = match mean {
        MeanArgument::Steps(steps) => Box::new(program(&steps, &covariates, p)?),
        MeanArgument::Callable(callable) => {
            let error = Arc::new(Errors::default());
            custom = Some(error.clone());
            Box::new(PythonMean { callable, parameters: p, error })
        }
    };
    let start = start.as_array().iter().copied().collect();
    let family = Arc::new(Several(Arc::new(Curve::new(mean, gauss_newton, start, spread))));
    let matrix = x.readonly();
    let all = columns(&matrix)?;
    if all.len() != predictors.len() {
        return Err(PyValueError::new_err("every column belongs to one predictor"));
    }
    let arrays = Arrays::new(x.clone(), None, y, Some(weights), None, factors)?;
    let borrowed = arrays.borrow(py);
    let rows = borrowed.rows()?;
    let fixed = (0..=p)
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
        offsets: vec![None; p + 1],
        factors: rows.factors.clone(),
        of,
    };
    let mut g = Model::several(&several, family).map_err(to_python)?;
    g.prior = prior.map(|p| p.prior(&g.layout.basis.kept)).transpose()?;
    drop(rows);
    drop(borrowed);
    Ok(GlmmSystem::made(arrays, g, custom))
}
