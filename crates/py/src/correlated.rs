//! Linear mixed models whose rows are correlated given the random effects.

use crate::arguments::{by_factor, columns, matrix, to_python, Arrays, FactorArgument, NewFactorArgument};
use crate::records::{
    Ending, KenwardRoger, LinearEvaluation, LinearFit, LinearSolution, Satterthwaite, Search, Valley,
};
use crate::row_covariance::RowCovariance;
use crate::watch::whole;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use ranef_core::layout::Frame;
use ranef_core::linear::{
    fit_correlated, BlockRows, Correlated, CorrelatedSolution, CorrelatedState as State, FitOptions, Want,
};
use ranef_core::rows::NewRows;

/// What R knows of the rows.
#[derive(FromPyObject)]
pub(crate) struct RowsArgument<'py> {
    subject: PyReadonlyArray1<'py, i32>,
    position: PyReadonlyArray2<'py, f64>,
    group: PyReadonlyArray1<'py, i32>,
    covariates: Vec<(PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>)>,
}

impl RowsArgument<'_> {
    fn rows(&self) -> BlockRows {
        let d = self.position.shape()[1];
        BlockRows {
            subject: self.subject.as_array().to_vec(),
            position: self.position.as_array().iter().copied().collect(),
            d,
            group: self.group.as_array().to_vec(),
            covariates: self.covariates.iter().map(|(x, s)| (x.as_array().to_vec(), s.as_array().to_vec())).collect(),
        }
    }
}

/// Such a model with its rows.
#[pyclass(frozen, module = "ranef._core")]
pub struct CorrelatedSystem {
    model: Correlated,
    levels: usize,
}

fn singular() -> PyErr {
    PyValueError::new_err("the system is not positive definite at these parameters")
}

impl CorrelatedSystem {
    /// The model.
    pub(crate) fn model(&self) -> &Correlated {
        &self.model
    }

    /// The state at parameters.
    fn at(&self, theta: &[f64], z: &[f64], reml: bool) -> PyResult<(State, Vec<Frame>)> {
        if theta.len() != self.model.sys.n_theta || z.len() != self.model.r.n() {
            return Err(PyValueError::new_err("these are not as many parameters as the model has"));
        }
        let mut state = State::new(&self.model);
        state.lambda = self.model.sys.lambda_from_theta(theta);
        if !state.criterion(&self.model, z, reml).is_finite() {
            return Err(singular());
        }
        Ok((state, self.model.sys.frames_at(theta)))
    }

    fn record(&self, py: Python<'_>, s: CorrelatedSolution, reml: bool) -> PyResult<LinearSolution> {
        let p = self.model.p();
        let factors = &self.model.sys.factors;
        Ok(LinearSolution {
            theta: s.theta.into_pyarray(py).unbind(),
            objective: if reml { s.reml_criterion } else { s.ml_deviance },
            reml_criterion: s.reml_criterion,
            ml_deviance: s.ml_deviance,
            beta: s.beta.into_pyarray(py).unbind(),
            vcov_unscaled: matrix(py, s.vcov, p, p)?,
            sigma: s.sigma2.sqrt(),
            pwrss: s.pwrss,
            ldl2: s.ldl2,
            ldrx2: s.ldrx2,
            u: by_factor(py, s.u, factors)?,
            b: by_factor(py, s.b, factors)?,
        })
    }
}

#[pymethods]
impl CorrelatedSystem {
    #[new]
    #[pyo3(signature = (x, y, weights, factors, structure, levels, rows, n_threads = 1))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        x: Bound<'_, PyArray2<f64>>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
        structure: PyRef<'_, RowCovariance>,
        levels: usize,
        rows: RowsArgument<'_>,
        n_threads: usize,
    ) -> PyResult<Self> {
        let arrays = Arrays::new(x, None, y, weights, None, factors)?;
        let borrowed = arrays.borrow(py);
        let (of, r) = (rows.rows(), structure.inner.clone());
        let own = borrowed.rows()?;
        let model = py.detach(|| Correlated::new(&own, r, &of, n_threads)).map_err(to_python)?;
        Ok(CorrelatedSystem { model, levels })
    }

    /// Columns of x in use.
    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.model.sys.basis.kept.clone()
    }

    /// Number of blocks of rows, and of different ones.
    #[getter]
    fn n_blocks(&self) -> (usize, usize) {
        self.model.n_blocks()
    }

    #[pyo3(signature = (reml, start, z, max_evaluations, tolerance, n_threads = 1, progress = None))]
    #[allow(clippy::too_many_arguments)]
    fn fit(
        &self,
        py: Python<'_>,
        reml: bool,
        start: Option<Vec<f64>>,
        z: Option<Vec<f64>>,
        max_evaluations: usize,
        tolerance: f64,
        n_threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(LinearFit, Py<PyArray1<f64>>)> {
        let sys = &self.model.sys;
        if start.as_ref().is_some_and(|s| s.len() != sys.n_theta) {
            return Err(PyValueError::new_err("theta has another length"));
        }
        let options = FitOptions { reml, max_evaluations, tolerance };
        let starts = z.map_or_else(|| self.model.starts(self.levels), |z| vec![z]);
        let frames = start.map(|t| sys.frames_at(&t));
        let found = whole(py, progress, n_threads, |watch| {
            fit_correlated(&self.model, frames, &starts, options, &mut |n, d| {
                watch.evaluated(n, d + sys.constant(reml))
            })
        })?;
        let (f, state) = found.map_err(to_python)?;
        let usable = f.criterion.is_finite();
        let solution =
            usable.then(|| state.solution(&self.model, reml)).map(|s| self.record(py, s, reml)).transpose()?;
        let null = sys.null_dimensions(&f.frames);
        let ending = Ending {
            objective: solution.as_ref().map_or(f64::NAN, |s| s.objective),
            status: f.status.name(),
            evaluations: f.evaluations,
            decrement: f.decrement,
            certificate: f.certificate,
            singular: null.iter().any(|&m| m > 0),
            null_dimensions: null,
            gradient: usable.then(|| vec![f.gradient].into_pyarray(py).unbind()),
        };
        let valleys = f
            .valleys
            .iter()
            .map(|(criterion, frames, _)| Valley::linear(py, criterion + sys.constant(reml), sys.theta_of(frames)))
            .collect::<PyResult<_>>()?;
        let search = Search { runs: f.runs, valleys, ..Search::default() };
        let fit = LinearFit {
            solution: solution.map(|s| Py::new(py, s)).transpose()?,
            ending: Py::new(py, ending)?,
            search: Py::new(py, search)?,
        };
        Ok((fit, f.z.into_pyarray(py).unbind()))
    }

    fn solution(&self, py: Python<'_>, theta: Vec<f64>, z: Vec<f64>, reml: bool) -> PyResult<LinearSolution> {
        let (state, _) = self.at(&theta, &z, reml)?;
        self.record(py, state.solution(&self.model, reml), reml)
    }

    /// The criterion, and its gradient along z.
    fn evaluate(&self, py: Python<'_>, theta: Vec<f64>, z: Vec<f64>, reml: bool) -> PyResult<LinearEvaluation> {
        let (state, _) = self.at(&theta, &z, reml)?;
        let d = state.derivatives(&self.model, reml, &[], Want::Gradient);
        Ok(LinearEvaluation {
            objective: state.value(&self.model, reml) + self.model.sys.constant(reml),
            gradient: d.gradient.into_pyarray(py).unbind(),
        })
    }

    fn conditional_covariance<'py>(
        &self,
        py: Python<'py>,
        theta: Vec<f64>,
        z: Vec<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let (state, _) = self.at(&theta, &z, false)?;
        let list = PyList::empty(py);
        for (v, f) in state.conditional_covariance(&self.model).into_iter().zip(&self.model.sys.factors) {
            let a: Bound<'py, PyArray3<f64>> = v.into_pyarray(py).reshape([f.n_levels, f.k, f.k])?;
            list.append(a)?;
        }
        Ok(list)
    }

    fn prediction_variance<'py>(
        &self,
        py: Python<'py>,
        theta: Vec<f64>,
        z: Vec<f64>,
        x_new: PyReadonlyArray2<'py, f64>,
        factors: Vec<NewFactorArgument<'py>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (state, _) = self.at(&theta, &z, false)?;
        let n = x_new.shape()[0];
        let x = columns(&x_new)?;
        let mut new = Vec::new();
        for (codes, z) in &factors {
            let mut cols = Vec::new();
            for z in z {
                cols.extend(columns(z)?);
            }
            new.push(NewRows { codes: codes.one()?, members: None, z: cols });
        }
        Ok(state.prediction_variance(&self.model, &x, &new, n).into_pyarray(py))
    }

    fn fixed_root(&self, py: Python<'_>, theta: Vec<f64>, z: Vec<f64>) -> PyResult<Py<PyArray2<f64>>> {
        let (state, _) = self.at(&theta, &z, true)?;
        let p = self.model.p();
        matrix(py, state.fixed_root(&self.model), p, p)
    }

    fn satterthwaite(&self, py: Python<'_>, theta: Vec<f64>, z: Vec<f64>, reml: bool) -> PyResult<Satterthwaite> {
        let (state, frames) = self.at(&theta, &z, reml)?;
        let p = self.model.p();
        let s = py.detach(|| state.slopes_of_fixed(&self.model, reml, &frames));
        let m = s.slopes.len();
        Ok(Satterthwaite {
            root: matrix(py, s.root, p, p)?,
            covariance: matrix(py, s.covariance, m, m)?,
            slopes: s.slopes.concat().into_pyarray(py).reshape([m, p, p])?.unbind(),
            flat: s.flat,
        })
    }

    /// Kenward and Roger's adjustment by the observed information; `linear` leaves second
    /// derivatives of R out, which covariances as parameters do not have.
    fn kenward_roger(&self, py: Python<'_>, theta: Vec<f64>, z: Vec<f64>, linear: bool) -> PyResult<KenwardRoger> {
        let (state, frames) = self.at(&theta, &z, true)?;
        let p = self.model.p();
        let k = py.detach(|| state.kenward_roger(&self.model, &frames, linear));
        let r = k.weights.len().isqrt();
        Ok(KenwardRoger {
            root: matrix(py, k.root, p, p)?,
            adjusted: matrix(py, k.adjusted, p, p)?,
            slopes: k.slopes.into_pyarray(py).reshape([r, p, p])?.unbind(),
            weights: matrix(py, k.weights, r, r)?,
            flat: k.flat,
        })
    }

    /// Each range beside the distances of the rows: its number in z, the correlations at the
    /// smallest and the largest distance, and whether it is at the limit of a search.
    fn reach(&self, z: Vec<f64>) -> Vec<(usize, f64, f64, bool)> {
        self.model.reach(&z).iter().map(|r| (r.parameter, r.near, r.far, r.limit)).collect()
    }

    /// Asymptotic covariance of z; NaN of what is at the limit of a search.
    fn covariance_of_structure(
        &self,
        py: Python<'_>,
        theta: Vec<f64>,
        z: Vec<f64>,
        reml: bool,
    ) -> PyResult<Py<PyArray2<f64>>> {
        let (state, frames) = self.at(&theta, &z, reml)?;
        let s = py.detach(|| state.slopes_of_fixed(&self.model, reml, &frames));
        let (m, first, n) = (s.slopes.len(), s.n_random, z.len());
        let held = self.model.held_at_limit(&z);
        let own = (0..n * n).map(|t| {
            let (i, j) = (t / n, t % n);
            if held[i] || held[j] {
                f64::NAN
            } else {
                s.covariance[(first + i) * m + first + j]
            }
        });
        let own = own.collect();
        matrix(py, own, n, n)
    }

    /// Numbers of the parameters (theta, z, sigma) that the data do not identify.
    fn not_identified(&self, py: Python<'_>) -> Vec<usize> {
        py.detach(|| self.model.not_identified(&self.model.starts(self.levels)[0]))
    }

    /// Standard deviations of the rows in units of sigma.
    fn relative_sds<'py>(&self, py: Python<'py>, z: Vec<f64>) -> Bound<'py, PyArray1<f64>> {
        self.model.relative_sds(&z).into_pyarray(py)
    }

    /// Values of the rows multiplied by L^-1.
    fn whiten<'py>(
        &self,
        py: Python<'py>,
        z: Vec<f64>,
        values: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (state, _) = self.at(&vec![0.0; self.model.sys.n_theta], &z, false)?;
        Ok(state.whitened(&self.model, values.as_slice()?).into_pyarray(py))
    }

    /// Values of the rows multiplied by L.
    fn colour<'py>(
        &self,
        py: Python<'py>,
        z: Vec<f64>,
        values: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (state, _) = self.at(&vec![0.0; self.model.sys.n_theta], &z, false)?;
        Ok(state.coloured(&self.model, values.as_slice()?).into_pyarray(py))
    }
}
