//! Models without random effects whose rows are correlated within subjects, by pattern moments.

use crate::arguments::{columns, matrix, to_python};
use crate::records::{Ending, KenwardRoger, LinearFit, LinearSolution, Refits, Satterthwaite, Search};
use crate::row_covariance::RowCovariance;
use crate::watch::whole;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::linear::FitOptions;
use ranef_core::pattern::{
    self, determined, fit, At, Covariance, Derivatives, Evaluated, Moments, Order, Places, Positions, Structured,
};
use ranef_core::residual;
use ranef_core::rows::{Column, Rows};

/// Smallest eigenvalue and direction of what is least determined.
type Least = (f64, Vec<f64>);
/// Criterion, gradient and Hessian.
type Evaluation = (f64, Py<PyArray1<f64>>, Py<PyArray2<f64>>);

/// A model without random effects reduced to its pattern moments.
#[pyclass(frozen, module = "ranef._core")]
pub(crate) struct PatternSystem {
    moments: Moments,
    rows: residual::RowCovariance,
    name: String,
}

impl PatternSystem {
    fn structured(&self) -> Structured<'_> {
        Structured::new(&self.rows, &self.moments)
    }

    /// The criterion at z.
    fn at(&self, z: &PyReadonlyArray1<'_, f64>, reml: bool) -> PyResult<(Vec<f64>, Evaluated)> {
        let z = z.as_array().to_vec();
        let structure = self.structured();
        if z.len() != structure.n() {
            return Err(PyValueError::new_err(format!("there are {} parameters", structure.n())));
        }
        let found = At::of(&structure, &self.moments, &z, Order::Value)
            .and_then(|at| Evaluated::of(&self.moments, &at.r, reml));
        found.map(|e| (z, e)).ok_or_else(singular)
    }

    /// Fits as Python has them.
    fn refits_of(
        &self,
        py: Python<'_>,
        found: &[(pattern::Fit, Option<pattern::Solution>)],
        reml: bool,
    ) -> PyResult<Refits> {
        let (p, k, count) = (self.moments.p(), self.rows.n(), found.len());
        let mut out = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (f, s) in found {
            let s = s.as_ref();
            out.0.push(s.map_or(f64::NAN, |s| if reml { s.reml_criterion } else { s.ml_deviance }));
            (0..p).for_each(|i| out.1.push(s.map_or(f64::NAN, |s| s.beta[i])));
            (0..p).for_each(|i| out.2.push(s.map_or(f64::NAN, |s| (s.vcov[i * p + i] * s.sigma2).sqrt())));
            out.3.extend_from_slice(&f.z);
            out.4.push(s.map_or(f64::NAN, |s| s.sigma2.sqrt()));
        }
        Ok(Refits {
            objective: out.0.into_pyarray(py).unbind(),
            beta: matrix(py, out.1, count, p)?,
            se: matrix(py, out.2, count, p)?,
            theta: matrix(py, out.3, count, k)?,
            spread: out.4.into_pyarray(py).unbind(),
            status: found.iter().map(|(f, _)| f.status.name()).collect(),
        })
    }

    fn record(&self, py: Python<'_>, z: Vec<f64>, e: &Evaluated) -> PyResult<LinearSolution> {
        let s = e.solution(&self.moments);
        let p = self.moments.p();
        Ok(LinearSolution {
            theta: z.into_pyarray(py).unbind(),
            objective: if e.reml { s.reml_criterion } else { s.ml_deviance },
            reml_criterion: s.reml_criterion,
            ml_deviance: s.ml_deviance,
            beta: s.beta.into_pyarray(py).unbind(),
            vcov_unscaled: matrix(py, s.vcov, p, p)?,
            sigma: s.sigma2.sqrt(),
            pwrss: s.rss,
            ldl2: s.log_det,
            ldrx2: s.log_det_x,
            u: Vec::new(),
            b: Vec::new(),
        })
    }
}

fn singular() -> PyErr {
    PyValueError::new_err("the covariance of the rows is not positive definite at these parameters")
}

#[pymethods]
impl PatternSystem {
    #[new]
    #[pyo3(signature = (x, y, weights, subject, group, structure, name, visits = None, coordinates = None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        x: PyReadonlyArray2<'_, f64>,
        y: PyReadonlyArray1<'_, f64>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
        subject: PyReadonlyArray1<'_, i32>,
        group: PyReadonlyArray1<'_, i32>,
        structure: &RowCovariance,
        name: String,
        visits: Option<(PyReadonlyArray1<'_, i32>, usize)>,
        coordinates: Option<PyReadonlyArray2<'_, f64>>,
    ) -> PyResult<Self> {
        let x = columns(&x)?;
        let y = y.as_slice()?;
        let weights = weights.as_ref().map(|w| w.as_slice()).transpose()?;
        let (subject, group) = (subject.as_slice()?, group.as_slice()?);
        let n = y.len();
        let visits = visits.as_ref().map(|(v, t)| Ok::<_, PyErr>((v.as_slice()?, *t))).transpose()?;
        let d = coordinates.as_ref().map_or(1, |c| c.shape()[1]);
        let coordinates = coordinates.as_ref().map(|c| c.as_slice()).transpose()?;
        let at = match (visits, coordinates) {
            (Some((v, t)), None) => Positions::Visits(v, t),
            (None, Some(c)) => Positions::Coordinates(c, d),
            _ => return Err(PyValueError::new_err("positions are visits or coordinates")),
        };
        let fits = subject.len() == n
            && group.len() == n
            && group.iter().all(|g| (0..structure.inner.groups as i32).contains(g))
            && visits.is_none_or(|(v, t)| v.len() == n && v.iter().all(|v| (0..t as i32).contains(v)))
            && coordinates.is_none_or(|c| c.len() == n * d);
        if !fits || n == 0 {
            return Err(PyValueError::new_err("subjects, groups and positions must have a value for each row"));
        }
        let rows = Rows { x: x.into_iter().map(Column::from).collect(), y, weights, factors: Vec::new() };
        let moments = py.detach(|| Moments::of(&rows, &Places { subject, group, at })).map_err(to_python)?;
        Ok(PatternSystem { moments, rows: structure.inner.clone(), name })
    }

    /// Columns of x in use.
    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.moments.basis.kept.clone()
    }

    /// Number of parameters.
    #[getter]
    fn n_theta(&self) -> usize {
        self.rows.n()
    }

    /// Subjects with rows, and sets of positions at which they were seen.
    #[getter]
    fn counts(&self) -> (usize, usize) {
        (self.moments.n_subjects, self.moments.universes.iter().map(|u| u.patterns.len()).sum())
    }

    /// Root of the covariance of the fixed effects, divided by sigma^2.
    fn root(&self, py: Python<'_>, z: PyReadonlyArray1<'_, f64>) -> PyResult<Py<PyArray2<f64>>> {
        let (_, e) = self.at(&z, true)?;
        let p = self.moments.p();
        matrix(py, e.given_root(&self.moments), p, p)
    }

    /// Where a fit begins.
    fn start(&self, py: Python<'_>, reml: bool) -> Py<PyArray1<f64>> {
        self.structured().start(&self.moments, reml).into_pyarray(py).unbind()
    }

    /// How well the parameters are determined near a point.
    fn determined(&self, py: Python<'_>, start: PyReadonlyArray1<'_, f64>) -> Option<Least> {
        let start = start.as_array().to_vec();
        let found = py.detach(|| determined(&self.moments, &self.structured(), &start));
        found.map(|d| (d.smallest, d.direction))
    }

    #[pyo3(signature = (reml, start, max_evaluations, tolerance, progress = None))]
    fn fit(
        &self,
        py: Python<'_>,
        reml: bool,
        start: PyReadonlyArray1<'_, f64>,
        max_evaluations: usize,
        tolerance: f64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<LinearFit> {
        let start = start.as_array().to_vec();
        let options = FitOptions { reml, max_evaluations, tolerance };
        let constant = self.moments.constant(reml);
        let structure = self.structured();
        if start.len() != structure.n() {
            return Err(PyValueError::new_err(format!("there are {} parameters", structure.n())));
        }
        let found = whole(py, progress, 1, |watch| {
            fit(&self.moments, &structure, &start, options, &mut |n, d| watch.evaluated(n, d + constant))
        })?;
        let f = found.map_err(to_python)?;
        let solution = f.at.as_ref().map(|e| self.record(py, f.z.clone(), e)).transpose()?;
        let ending = Ending {
            objective: solution.as_ref().map_or(f64::NAN, |s| s.objective),
            status: f.status.name(),
            evaluations: f.evaluations,
            decrement: f.decrement,
            certificate: 0.0,
            singular: false,
            null_dimensions: Vec::new(),
            gradient: Some(f.gradient.into_pyarray(py).unbind()),
        };
        let search = Search { complete: true, ..Search::default() };
        Ok(LinearFit {
            solution: solution.map(|s| Py::new(py, s)).transpose()?,
            ending: Py::new(py, ending)?,
            search: Py::new(py, search)?,
        })
    }

    /// Fits of the columns of `responses`, which must be finite.
    #[pyo3(signature = (responses, reml, start, max_evaluations, tolerance, progress = None))]
    #[allow(clippy::too_many_arguments)]
    fn refits(
        &self,
        py: Python<'_>,
        responses: PyReadonlyArray2<'_, f64>,
        reml: bool,
        start: PyReadonlyArray1<'_, f64>,
        max_evaluations: usize,
        tolerance: f64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Refits> {
        let (rows, count) = (responses.shape()[0], responses.shape()[1]);
        if rows != self.moments.n || !responses.is_fortran_contiguous() && count > 1 {
            return Err(PyValueError::new_err("responses must have the rows of the model, in Fortran order"));
        }
        let start = start.as_array().to_vec();
        let options = FitOptions { reml, max_evaluations, tolerance };
        let structure = self.structured();
        if start.len() != structure.n() {
            return Err(PyValueError::new_err(format!("there are {} parameters", structure.n())));
        }
        let values = responses.as_slice()?;
        let found = whole(py, progress, 1, |watch| {
            let mut finished = |n| watch.finished(n, count);
            pattern::refits(&self.moments, &structure, values, &start, options, &mut finished)
        })?;
        self.refits_of(py, &found.map_err(to_python)?, reml)
    }

    /// Fits of `count` responses drawn from the model at z, by the products that a fit needs of
    /// them; replicate i depends on the seed and `first` + i only.
    #[pyo3(signature = (z, reml, seed, first, count, max_evaluations, tolerance, progress = None))]
    #[allow(clippy::too_many_arguments)]
    fn bootstrap(
        &self,
        py: Python<'_>,
        z: PyReadonlyArray1<'_, f64>,
        reml: bool,
        seed: u64,
        first: usize,
        count: usize,
        max_evaluations: usize,
        tolerance: f64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Refits> {
        let z = z.as_array().to_vec();
        let options = FitOptions { reml, max_evaluations, tolerance };
        let structure = self.structured();
        if z.len() != structure.n() {
            return Err(PyValueError::new_err(format!("there are {} parameters", structure.n())));
        }
        let found = whole(py, progress, 1, |watch| {
            let mut finished = |n| watch.finished(n, count);
            pattern::bootstrap(&self.moments, &structure, &z, options, seed, first, count, &mut finished)
        })?;
        self.refits_of(py, &found.map_err(to_python)?, reml)
    }

    fn solution(&self, py: Python<'_>, z: PyReadonlyArray1<'_, f64>, reml: bool) -> PyResult<LinearSolution> {
        let (z, e) = self.at(&z, reml)?;
        self.record(py, z, &e)
    }

    fn evaluation(&self, py: Python<'_>, z: PyReadonlyArray1<'_, f64>, reml: bool) -> PyResult<Evaluation> {
        let (z, e) = self.at(&z, reml)?;
        let d = Derivatives::of(&self.moments, &self.structured(), &z, &e).ok_or_else(singular)?;
        let value = e.criterion + self.moments.constant(reml);
        Ok((value, d.gradient.into_pyarray(py).unbind(), matrix(py, d.hessian, d.n, d.n)?))
    }

    fn satterthwaite(&self, py: Python<'_>, z: PyReadonlyArray1<'_, f64>, reml: bool) -> PyResult<Satterthwaite> {
        let (z, e) = self.at(&z, reml)?;
        let s = py.detach(|| pattern::satterthwaite(&self.moments, &self.structured(), &e, &z)).ok_or_else(singular)?;
        let p = self.moments.p();
        Ok(Satterthwaite {
            root: matrix(py, s.root, p, p)?,
            covariance: matrix(py, s.covariance, s.n, s.n)?,
            slopes: s.slopes.into_pyarray(py).reshape([s.n, p, p])?.unbind(),
            flat: s.flat,
        })
    }

    fn kenward_roger(&self, py: Python<'_>, z: PyReadonlyArray1<'_, f64>, linear: bool) -> PyResult<KenwardRoger> {
        let (z, e) = self.at(&z, true)?;
        let structure = self.structured();
        let own_variances = self.rows.levels.is_some();
        // where Sigma is linear in its parameters there is no second derivative to leave out
        let is_linear = self.name == "us" || !own_variances && matches!(self.name.as_str(), "cs" | "toep");
        let natural = if linear || is_linear { None } else { structure.natural(&self.name, own_variances) };
        if natural.is_none() && !linear && !is_linear {
            return Err(PyValueError::new_err("the structure has no natural parameters"));
        }
        let k = py
            .detach(|| pattern::kenward_roger(&self.moments, &structure, &e, &z, natural.as_deref()))
            .ok_or_else(singular)?;
        let p = self.moments.p();
        Ok(KenwardRoger {
            root: matrix(py, k.root, p, p)?,
            adjusted: matrix(py, k.adjusted, p, p)?,
            slopes: k.slopes.into_pyarray(py).reshape([k.n, p, p])?.unbind(),
            weights: matrix(py, k.weights, k.n, k.n)?,
            flat: k.flat,
        })
    }
}
