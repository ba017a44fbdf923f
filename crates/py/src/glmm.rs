//! The generalized linear mixed model.

use crate::arguments::{by_factor, columns, each_row, matrix, to_python, Arrays, FactorArgument, NewFactorArgument};
use crate::families::{checked_extras, chosen, ExtrasArgument};
use crate::glmm_effects as effects;
use crate::kernel::Raises;
use crate::prior::{by_level, PriorArgument, SamplingArgument};
use crate::records::{Ending, GeneralizedEvaluation, GeneralizedFit, GeneralizedSolution, Search, Valley};
use crate::row_kernel::RowKernel;
use crate::watch::{asking_nobody, whole_of, LONG, MANY_ROWS};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use ranef_core::families::{ABOVE, BELOW};
use ranef_core::generalized::{
    search, Approximation, Curvature, Failure, Fit, FitOptions, FixedBlock, GlmmSystem as Model, Modes, Point,
    SeveralRows, Solution, ThresholdBlock,
};
use ranef_core::memory::{self, room_for};
use std::sync::{Arc, Mutex};

type Vector<'py> = PyReadonlyArray1<'py, f64>;

pyo3::create_exception!(
    ranef._core,
    NoModesError,
    PyValueError,
    "The modes of the random effects cannot be found at given parameters."
);

/// Place of the thresholds among the blocks, their map, and columns of effects on them.
type ThresholdsArgument<'py> = (usize, PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>);

/// A generalized linear mixed model: its rows and the layout of its system.
#[pyclass(frozen, module = "ranef._core")]
pub struct GlmmSystem {
    pub(crate) arrays: Arrays,
    pub(crate) g: Model,
    custom: Option<Arc<dyn Raises>>,
    work: Mutex<Option<(Modes, usize)>>,
    /// Bytes that calls may take, where the fit was given a limit.
    pub(crate) memory: Option<f64>,
}

pub(crate) fn approximation(n_quad: usize, curvature: &str) -> PyResult<Approximation> {
    let curvature = match curvature {
        "observed" => Curvature::Observed,
        "expected" => Curvature::Expected,
        other => return Err(PyValueError::new_err(format!("unknown curvature {other:?}"))),
    };
    Ok(Approximation { n_quad, curvature })
}

pub(crate) fn not_found(why: Failure) -> PyErr {
    let why = match why {
        Failure::Undefined => "the likelihood is not defined there",
        Failure::NotPositive => "the penalised likelihood has no interior maximum there",
        Failure::Family => "the family failed",
    };
    NoModesError::new_err(format!("the modes of the random effects cannot be found at these parameters: {why}"))
}

impl GlmmSystem {
    /// The system of a model whose rows are kept in `arrays`; `custom` is what may have raised an
    /// exception in Python.
    pub(crate) fn made(arrays: Arrays, g: Model, custom: Option<Arc<dyn Raises>>) -> Self {
        GlmmSystem { arrays, g, custom, work: Mutex::new(None), memory: memory::allowance().map(|a| a.bytes()) }
    }

    pub(crate) fn with_work<T>(&self, n_threads: usize, f: impl FnOnce(&Model, &mut Modes) -> T) -> T {
        let taken = self.work.lock().unwrap_or_else(|e| e.into_inner()).take();
        let mut work = match taken {
            Some((w, n)) if n == n_threads => w,
            _ => Modes::new(&self.g, n_threads),
        };
        let out = memory::within(self.memory, || f(&self.g, &mut work));
        *self.work.lock().unwrap_or_else(|e| e.into_inner()) = Some((work, n_threads));
        out
    }

    /// Sees that one more factor, which every worker has, fits into what calls may take.
    pub(crate) fn room_for_worker(&self) -> PyResult<()> {
        let layout = &self.g.layout;
        let what = || format!("the factor of {} random effects", layout.q());
        memory::within(self.memory, || room_for(layout.numbers_of_factor(), what)).map_err(to_python)
    }

    /// The exception that a Python kernel raised, if it did.
    pub(crate) fn raised(&self) -> PyResult<()> {
        match self.custom.as_ref().and_then(|k| k.take_error()) {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }

    pub(crate) fn check(&self, what: &str, v: &[f64], n: usize) -> PyResult<()> {
        if v.len() != n {
            return Err(PyValueError::new_err(format!("{what} has {} entries where the model has {n}", v.len())));
        }
        Ok(())
    }

    /// Whether one evaluation takes a while.
    pub(crate) fn is_long(&self) -> bool {
        self.g.layout.sym.seconds > LONG || self.g.n >= MANY_ROWS
    }

    pub(crate) fn check_n_quad(&self, n_quad: usize) -> PyResult<()> {
        if n_quad > 1 && !self.g.allows_quadrature() {
            return Err(PyValueError::new_err(
                "quadrature needs one grouping factor with at most 3 random effects per level, or two nested ones with \
                 one each",
            ));
        }
        Ok(())
    }

    /// Parameters given by the caller, fixed effects in the changed basis.
    pub(crate) fn point(
        &self,
        theta: &Vector<'_>,
        beta: &Vector<'_>,
        dispersion: Option<&ExtrasArgument>,
    ) -> PyResult<Point> {
        let theta = theta.as_array().to_vec();
        let beta = beta.as_array().to_vec();
        self.check("theta", &theta, self.g.n_theta())?;
        self.check("beta", &beta, self.g.p())?;
        let extras = checked_extras(&*self.g.family, dispersion)?;
        Ok(Point { theta, beta: self.g.beta_from_given(&beta), extras })
    }

    fn solution_record(&self, py: Python<'_>, s: Solution, point: &Point) -> PyResult<GeneralizedSolution> {
        let p = self.g.p();
        Ok(GeneralizedSolution {
            theta: point.theta.clone().into_pyarray(py).unbind(),
            beta: s.beta.into_pyarray(py).unbind(),
            dispersion: point.extras.first().copied(),
            extras: point.extras.clone().into_pyarray(py).unbind(),
            eta: s.eta.into_pyarray(py).unbind(),
            mu: s.mu.into_pyarray(py).unbind(),
            conditional_loglik: s.conditional_loglik,
            penalty: s.penalty,
            log_det: s.log_det,
            vcov_profiled: matrix(py, s.vcov_profiled, p, p)?,
            u: by_factor(py, s.u, &self.g.layout.factors)?,
            b: by_factor(py, s.b, &self.g.layout.factors)?,
        })
    }

    fn fit_record(
        &self,
        py: Python<'_>,
        f: &Fit,
        solution: Option<GeneralizedSolution>,
        search: Search,
    ) -> PyResult<GeneralizedFit> {
        let (p, nt) = (self.g.p(), self.g.n_theta());
        let m = f.coordinates.len();
        let square = |v: Option<Vec<f64>>, n: usize| v.map(|v| matrix(py, v, n, n)).transpose();
        let covariance = f.covariance(&self.g);
        let vcov = covariance
            .as_ref()
            .filter(|_| f.coordinates.with_beta)
            .map(|c| (0..p * p).map(|t| c[(nt + t / p) * m + nt + t % p]).collect::<Vec<f64>>());
        let ending = Ending {
            objective: f.objective,
            status: f.status.name(),
            evaluations: f.evaluations,
            decrement: f.decrement,
            certificate: f.certificate,
            singular: f.null_dimensions.iter().any(|&m| m > 0),
            null_dimensions: f.null_dimensions.clone(),
            gradient: f.given_gradient(&self.g).map(|v| v.into_pyarray(py).unbind()),
        };
        Ok(GeneralizedFit {
            solution: solution.map(|s| Py::new(py, s)).transpose()?,
            ending: Py::new(py, ending)?,
            search: Py::new(py, search)?,
            separated: f.separated.clone(),
            hessian: square(f.given_hessian(&self.g), m)?,
            vcov: square(vcov, p)?,
            covariance: square(covariance, m)?,
        })
    }
}

#[pymethods]
impl GlmmSystem {
    #[new]
    #[pyo3(signature = (
        x, y, weights, offset, factors, family, link, kernel = None, n_threads = 1, prior = None, sampling = None,
        repeats = None
    ))]
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
        kernel: Option<Py<PyAny>>,
        n_threads: usize,
        prior: Option<PriorArgument>,
        sampling: Option<SamplingArgument<'_>>,
        repeats: Option<Vector<'_>>,
    ) -> PyResult<Self> {
        let (family, custom) = chosen(family, link, kernel)?;
        let arrays = Arrays::new(x, None, y, Some(weights), offset, factors)?;
        let borrowed = arrays.borrow(py);
        let (rows, offset) = (borrowed.rows()?, borrowed.offset()?);
        let g = whole_of(py, None, n_threads, rows.n() >= MANY_ROWS, |_| Model::new(&rows, offset, family))?;
        let mut g = g.map_err(to_python)?;
        if let Some(weights) = &sampling {
            g.layout.weigh(&by_level(weights)).map_err(to_python)?;
        }
        g.prior = prior.map(|p| p.prior(&g.layout.basis.kept)).transpose()?;
        if let Some(repeats) = &repeats {
            g.repeat(&each_row(repeats, rows.n())?);
        }
        drop(rows);
        drop(borrowed);
        Ok(Self::made(arrays, g, custom.map(|c| c as Arc<dyn Raises>)))
    }

    /// A model of rows with several linear predictors. `fixed` holds blocks of columns with one
    /// vector of coefficients each: for every predictor they act on, its number and matrix; `of`
    /// has the predictor of every effect of every factor. Of ordered categories `thresholds` has
    /// their place among the blocks, their map from parameters, and columns of effects on them.
    /// With `all_columns` those are kept that depend on others, for evaluations alone.
    #[staticmethod]
    #[pyo3(signature = (
        y, weights, fixed, offsets, factors, of, kernel, thresholds = None, all_columns = false, prior = None,
        sampling = None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn several<'py>(
        py: Python<'py>,
        y: Bound<'py, PyArray1<f64>>,
        weights: Bound<'py, PyArray1<f64>>,
        fixed: Vec<Vec<(usize, PyReadonlyArray2<'py, f64>)>>,
        offsets: Vec<Option<Vector<'py>>>,
        factors: Vec<FactorArgument<'py>>,
        of: Vec<Vec<usize>>,
        kernel: &RowKernel,
        thresholds: Option<ThresholdsArgument<'py>>,
        all_columns: bool,
        prior: Option<PriorArgument>,
        sampling: Option<SamplingArgument<'py>>,
    ) -> PyResult<Self> {
        let none = PyArray2::zeros(py, [y.len(), 0], true);
        let arrays = Arrays::new(none, None, y, Some(weights), None, factors)?;
        let borrowed = arrays.borrow(py);
        let rows = borrowed.rows()?;
        let mut blocks = Vec::new();
        for block in &fixed {
            let parts = block.iter().map(|(c, x)| Ok((*c, columns(x)?))).collect::<PyResult<_>>()?;
            blocks.push(FixedBlock { parts });
        }
        let map: Vec<f64> =
            thresholds.iter().flat_map(|(_, map, _)| map.as_array().iter().copied().collect::<Vec<_>>()).collect();
        let cuts = thresholds.as_ref().map(|(at, shape, x)| -> PyResult<_> {
            let n_alpha = shape.shape()[1];
            Ok((*at, ThresholdBlock { predictors: [ABOVE, BELOW], map: &map, n_alpha, columns: columns(x)? }))
        });
        let offsets = offsets.iter().map(|o| o.as_ref().map(|o| o.as_slice()).transpose());
        let several = SeveralRows {
            y: rows.y,
            weights: rows.weights,
            fixed: blocks,
            thresholds: cuts.transpose()?,
            offsets: offsets.collect::<Result<_, _>>()?,
            factors: rows.factors.clone(),
            of,
        };
        let mut g = Model::of_predictors(&several, kernel.family(), all_columns).map_err(to_python)?;
        if let Some(weights) = &sampling {
            g.layout.weigh(&by_level(weights)).map_err(to_python)?;
        }
        g.prior = prior.map(|p| p.prior(&g.layout.basis.kept)).transpose()?;
        drop(several);
        drop(rows);
        drop(borrowed);
        Ok(Self::made(arrays, g, None))
    }

    /// Columns of x in use.
    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.g.layout.basis.kept.clone()
    }

    /// Whether there is quadrature for the random effects of this model.
    #[getter]
    fn allows_quadrature(&self) -> bool {
        self.g.allows_quadrature()
    }

    /// Number of covariance parameters.
    #[getter]
    fn n_theta(&self) -> usize {
        self.g.n_theta()
    }

    /// Number of extra parameters of the family.
    #[getter]
    fn n_extras(&self) -> usize {
        self.g.n_extras()
    }

    #[pyo3(signature = (
        n_quad, curvature, theta, beta, dispersion, fixed_dispersion, max_evaluations, tolerance, n_threads = 1,
        progress = None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn fit<'py>(
        &self,
        py: Python<'py>,
        n_quad: usize,
        curvature: &str,
        theta: Option<Vector<'py>>,
        beta: Option<Vector<'py>>,
        dispersion: Option<ExtrasArgument>,
        fixed_dispersion: Option<f64>,
        max_evaluations: usize,
        tolerance: f64,
        n_threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<GeneralizedFit> {
        self.check_n_quad(n_quad)?;
        let theta = theta.map(|t| t.as_array().to_vec());
        let beta = beta.map(|t| t.as_array().to_vec());
        if let Some(t) = &theta {
            self.check("theta", t, self.g.n_theta())?;
        }
        if let Some(b) = &beta {
            self.check("beta", b, self.g.p())?;
        }
        let options = FitOptions {
            how: approximation(n_quad, curvature)?,
            theta,
            beta: beta.map(|b| self.g.beta_from_given(&b)),
            extras: dispersion.map(|d| checked_extras(&*self.g.family, Some(&d))).transpose()?,
            held: fixed_dispersion.map(Some).into_iter().collect(),
            max_evaluations,
            tolerance,
            hessian: true,
        };
        let result = whole_of(py, progress, n_threads, self.is_long(), |watch| {
            self.with_work(n_threads, |g, m| {
                let s = search(g, m, &options, &mut |n, d| watch.evaluated(n, d))?;
                let solution = if s.fit.objective.is_finite() { m.solution(g).ok() } else { None };
                Ok((s, solution))
            })
        });
        self.raised()?;
        let (mut s, solution) = result?.map_err(to_python)?;
        let solution = solution.map(|found| self.solution_record(py, found, &s.fit.point)).transpose()?;
        let valley = |v: ranef_core::generalized::Valley| {
            let valley = Valley {
                objective: v.objective,
                theta: v.point.theta.into_pyarray(py).unbind(),
                beta: Some(self.g.layout.basis.beta_to_given(&v.point.beta).into_pyarray(py).unbind()),
                dispersion: v.point.extras.first().copied(),
                extras: v.point.extras.into_pyarray(py).unbind(),
            };
            Py::new(py, valley)
        };
        let valleys = std::mem::take(&mut s.valleys).into_iter().map(valley).collect::<PyResult<_>>()?;
        let search = Search::of(&s, valleys);
        self.fit_record(py, &s.fit, solution, search)
    }

    #[pyo3(signature = (theta, beta, dispersion, n_quad, curvature, n_threads = 1))]
    #[allow(clippy::too_many_arguments)]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        theta: Vector<'py>,
        beta: Vector<'py>,
        dispersion: Option<ExtrasArgument>,
        n_quad: usize,
        curvature: &str,
        n_threads: usize,
    ) -> PyResult<GeneralizedEvaluation> {
        self.check_n_quad(n_quad)?;
        let point = self.point(&theta, &beta, dispersion.as_ref())?;
        let how = approximation(n_quad, curvature)?;
        let v = asking_nobody(py, n_threads, self.is_long(), || {
            self.with_work(n_threads, |g, m| {
                m.forget();
                let before = m.steps;
                m.beta.copy_from_slice(&point.beta);
                let v = m.value(g, &point, how, n_quad == 0)?;
                Ok::<_, Failure>((v, m.steps - before, m.spherical_effects(g)))
            })
        });
        self.raised()?;
        let (v, steps, u) = v?.map_err(not_found)?;
        let mut gradient = v.by_theta(&self.g, &point.theta);
        // beta~ = G^-1 beta: the derivative moves with the transposed inverse
        let p = self.g.p();
        for j in 0..p {
            let mut unit = vec![0.0; p];
            unit[j] = 1.0;
            let column = self.g.beta_from_given(&unit);
            gradient.push(column.iter().zip(&v.beta).map(|(a, b)| a * b).sum());
        }
        gradient.extend(v.extras);
        Ok(GeneralizedEvaluation {
            objective: v.objective,
            gradient: gradient.into_pyarray(py).unbind(),
            iterations: steps,
            quadrature_error: v.error,
            u: by_factor(py, u, &self.g.layout.factors)?,
        })
    }

    #[pyo3(signature = (theta, beta, dispersion, n_quad, curvature, n_threads = 1, needs_hessian = true))]
    #[allow(clippy::too_many_arguments)]
    fn solution<'py>(
        &self,
        py: Python<'py>,
        theta: Vector<'py>,
        beta: Vector<'py>,
        dispersion: Option<ExtrasArgument>,
        n_quad: usize,
        curvature: &str,
        n_threads: usize,
        needs_hessian: bool,
    ) -> PyResult<GeneralizedFit> {
        self.check_n_quad(n_quad)?;
        let point = self.point(&theta, &beta, dispersion.as_ref())?;
        let how = approximation(n_quad, curvature)?;
        let r = asking_nobody(py, n_threads, self.is_long(), || {
            self.with_work(n_threads, |g, m| {
                m.forget();
                m.beta.copy_from_slice(&point.beta);
                let f = ranef_core::generalized::examine(g, m, &point, how, needs_hessian)?;
                let s = m.solution(g)?;
                Ok::<_, Failure>((f, s))
            })
        });
        self.raised()?;
        let (f, s) = r?.map_err(not_found)?;
        let solution = self.solution_record(py, s, &f.point)?;
        self.fit_record(py, &f, Some(solution), Search::default())
    }

    #[pyo3(signature = (theta, beta, dispersion, curvature, n_threads = 1))]
    fn conditional_covariance<'py>(
        &self,
        py: Python<'py>,
        theta: Vector<'py>,
        beta: Vector<'py>,
        dispersion: Option<ExtrasArgument>,
        curvature: &str,
        n_threads: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let point = self.point(&theta, &beta, dispersion.as_ref())?;
        effects::conditional_covariance(py, self, &point, curvature, n_threads)
    }

    /// Parts of M^-1, one after another: of the effects from each start to the next.
    #[pyo3(signature = (theta, beta, dispersion, curvature, starts, effects, n_threads = 1))]
    #[allow(clippy::too_many_arguments)]
    fn inverse_parts<'py>(
        &self,
        py: Python<'py>,
        theta: Vector<'py>,
        beta: Vector<'py>,
        dispersion: Option<ExtrasArgument>,
        curvature: &str,
        starts: PyReadonlyArray1<'py, i64>,
        effects: PyReadonlyArray1<'py, i64>,
        n_threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let point = self.point(&theta, &beta, dispersion.as_ref())?;
        effects::inverse_parts(py, self, &point, curvature, (&starts, &effects), n_threads)
    }

    #[pyo3(signature = (theta, beta, dispersion, covariance, x_new, factors, n_threads = 1))]
    #[allow(clippy::too_many_arguments)]
    fn prediction_variance<'py>(
        &self,
        py: Python<'py>,
        theta: Vector<'py>,
        beta: Vector<'py>,
        dispersion: Option<ExtrasArgument>,
        covariance: PyReadonlyArray2<'py, f64>,
        x_new: PyReadonlyArray2<'py, f64>,
        factors: Vec<NewFactorArgument<'py>>,
        n_threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let point = self.point(&theta, &beta, dispersion.as_ref())?;
        effects::prediction_variance(py, self, &point, &covariance, (&x_new, &factors), n_threads)
    }
}
