//! What the core answers: frozen records, whose arrays Python may keep.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3};
use pyo3::prelude::*;

type Vector = Py<PyArray1<f64>>;
type Matrix = Py<PyArray2<f64>>;

/// How a fit ended.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct Ending {
    pub objective: f64,
    pub status: &'static str,
    pub evaluations: usize,
    pub decrement: f64,
    pub certificate: f64,
    pub singular: bool,
    pub null_dimensions: Vec<usize>,
    pub gradient: Option<Vector>,
}

/// An optimum that a search met.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct Valley {
    pub objective: f64,
    pub theta: Vector,
    pub beta: Option<Vector>,
    pub dispersion: Option<f64>,
    pub extras: Vector,
}

/// What a search for the lowest valley did.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct Search {
    pub runs: usize,
    pub looks: usize,
    pub complete: bool,
    pub moved_on: bool,
    pub beyond: f64,
    pub valleys: Vec<Py<Valley>>,
}

impl Valley {
    /// Of a linear model, whose other parameters follow from theta.
    pub fn linear(py: Python<'_>, objective: f64, theta: Vec<f64>) -> PyResult<Py<Valley>> {
        let (theta, extras) = (theta.into_pyarray(py).unbind(), Vec::new().into_pyarray(py).unbind());
        Py::new(py, Valley { objective, theta, beta: None, dispersion: None, extras })
    }
}

impl Default for Search {
    /// One fit, and no look elsewhere.
    fn default() -> Self {
        Search { runs: 1, looks: 0, complete: false, moved_on: false, beyond: 0.0, valleys: Vec::new() }
    }
}

impl Search {
    /// What a search did, with its optima as Python has them.
    pub fn of<F, V>(found: &ranef_core::model::Search<F, V>, valleys: Vec<Py<Valley>>) -> Self {
        let ranef_core::model::Search { runs, looks, complete, moved_on, beyond, .. } = *found;
        Search { runs, looks, complete, moved_on, beyond, valleys }
    }
}

/// Estimates of a linear model.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct LinearSolution {
    pub theta: Vector,
    pub objective: f64,
    pub reml_criterion: f64,
    pub ml_deviance: f64,
    pub beta: Vector,
    pub vcov_unscaled: Matrix,
    pub sigma: f64,
    pub pwrss: f64,
    pub ldl2: f64,
    pub ldrx2: f64,
    pub u: Vec<Matrix>,
    pub b: Vec<Matrix>,
}

/// A fit of a linear model.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct LinearFit {
    pub solution: Option<Py<LinearSolution>>,
    pub ending: Py<Ending>,
    pub search: Py<Search>,
}

/// A fit of a linear model whose log-determinant is sampled.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct SampledFit {
    pub fit: Py<LinearFit>,
    pub sampling: f64,
    pub error: f64,
    pub probes: Vector,
    pub satterthwaite: Py<Satterthwaite>,
}

/// The criterion of a linear model with its derivatives.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct LinearEvaluation {
    pub objective: f64,
    pub gradient: Vector,
}

/// Estimates of a generalized model.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct GeneralizedSolution {
    pub theta: Vector,
    pub beta: Vector,
    pub dispersion: Option<f64>,
    pub extras: Vector,
    pub eta: Vector,
    pub mu: Vector,
    pub conditional_loglik: f64,
    pub penalty: f64,
    pub log_det: f64,
    pub vcov_profiled: Matrix,
    pub u: Vec<Matrix>,
    pub b: Vec<Matrix>,
}

/// A fit of a generalized model, with the curvature at its end.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct GeneralizedFit {
    pub solution: Option<Py<GeneralizedSolution>>,
    pub ending: Py<Ending>,
    pub search: Py<Search>,
    pub separated: Vec<usize>,
    pub hessian: Option<Matrix>,
    pub covariance: Option<Matrix>,
    pub vcov: Option<Matrix>,
}

/// A fit of a generalized model whose log-determinant is sampled.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct SampledGeneralizedFit {
    pub fit: Py<GeneralizedFit>,
    pub sampling: f64,
    pub error: f64,
    pub probes: Vector,
}

/// The criterion of a generalized model with its derivatives, and the modes.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct GeneralizedEvaluation {
    pub objective: f64,
    pub gradient: Vector,
    pub iterations: usize,
    pub quadrature_error: f64,
    pub u: Vec<Matrix>,
}

/// Satterthwaite's information.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct Satterthwaite {
    pub root: Matrix,
    pub covariance: Matrix,
    pub slopes: Py<PyArray3<f64>>,
    pub flat: usize,
}

/// Kenward and Roger's.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct KenwardRoger {
    pub root: Matrix,
    pub adjusted: Matrix,
    pub slopes: Py<PyArray3<f64>>,
    pub weights: Matrix,
    pub flat: usize,
}

/// Fits of many responses.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct Refits {
    pub objective: Vector,
    pub beta: Matrix,
    pub se: Matrix,
    pub theta: Matrix,
    pub spread: Vector,
    pub status: Vec<&'static str>,
}

/// Fits of the same model to many groups of rows.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct EachFit {
    pub objective: Vector,
    pub beta: Matrix,
    pub se: Matrix,
    pub df: Matrix,
    pub theta: Matrix,
    pub sigma: Vector,
    pub singular: Py<PyArray1<bool>>,
    pub n_levels: Py<PyArray2<u32>>,
    pub status: Vec<&'static str>,
}

/// Fits of replicates.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct Replicates {
    pub number: Py<PyArray1<i64>>,
    pub objective: Vector,
    pub beta: Matrix,
    pub se: Matrix,
    pub theta: Matrix,
    pub spread: Vector,
    pub status: Vec<String>,
    pub second_starts: usize,
    pub singular: Py<PyArray1<bool>>,
    pub interrupted: bool,
}

#[pymethods]
impl Replicates {
    /// Of fits made one by one.
    #[new]
    #[pyo3(signature = (*, number, objective, beta, se, theta, spread, status, second_starts, singular, interrupted))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        number: Py<PyArray1<i64>>,
        objective: Vector,
        beta: Matrix,
        se: Matrix,
        theta: Matrix,
        spread: Vector,
        status: Vec<String>,
        second_starts: usize,
        singular: Py<PyArray1<bool>>,
        interrupted: bool,
    ) -> Self {
        Replicates { number, objective, beta, se, theta, spread, status, second_starts, singular, interrupted }
    }
}

/// The profile of one parameter.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct Curve {
    pub index: usize,
    pub zeta: Vector,
    pub value: Vector,
    pub rate: Vector,
    pub parameters: Matrix,
    pub covariance: Matrix,
    pub lower: Vector,
    pub upper: Vector,
    pub endings: (&'static str, &'static str),
    pub monotone: bool,
    pub converged: bool,
}

/// Profiles of a model.
#[pyclass(frozen, get_all, module = "ranef._core")]
pub struct Profile {
    pub deviance: f64,
    pub estimates: Vector,
    pub status: &'static str,
    pub refitted: bool,
    pub curves: Vec<Py<Curve>>,
}
