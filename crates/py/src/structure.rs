//! Covariance structures of random terms, for what Python reports of them.

use numpy::ndarray::{Array2, Array3};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::structure::{self, Coordinates, Kind};
use std::sync::Arc;

/// A structure of k effects.
#[pyclass(module = "ranef._core", frozen)]
pub(crate) struct Structure {
    inner: Arc<dyn structure::Structure>,
    k: usize,
}

impl Structure {
    /// The rows of an array of parameters.
    fn rows<'a>(&self, theta: &'a PyReadonlyArray2<'_, f64>) -> PyResult<(usize, &'a [f64])> {
        let (m, n) = theta.as_array().dim();
        if n != self.inner.n_theta(self.k) {
            return Err(PyValueError::new_err(format!("theta must have {} columns", self.inner.n_theta(self.k))));
        }
        Ok((m, theta.as_slice()?))
    }

    fn vector<'a>(&self, name: &str, theta: &'a PyReadonlyArray1<'_, f64>) -> PyResult<&'a [f64]> {
        let v = theta.as_slice()?;
        if v.len() == self.inner.n_theta(self.k) {
            Ok(v)
        } else {
            Err(PyValueError::new_err(format!("{name} must have {} values", self.inner.n_theta(self.k))))
        }
    }
}

#[pymethods]
impl Structure {
    #[new]
    fn new(name: &str, k: usize) -> PyResult<Self> {
        let inner = structure::named(name)
            .ok_or_else(|| PyValueError::new_err(format!("unknown covariance structure {name:?}")))?;
        Ok(Structure { inner, k })
    }

    /// Number of parameters.
    #[getter]
    fn n_theta(&self) -> usize {
        self.inner.n_theta(self.k)
    }

    /// Whether theta is free entries of the relative factor.
    #[getter]
    fn is_free(&self) -> bool {
        matches!(self.inner.coordinates(self.k), Coordinates::Free(_))
    }

    /// What each parameter is as users know it: ``("sd", [i])``, ``("cor", [i, j])``, or the name
    /// of one of all effects and nothing.
    #[getter]
    fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let theta = vec![0.5; self.n_theta()];
        let one = |p: structure::Natural| match p.kind {
            Kind::Sd(i) => ("sd".into(), vec![i]),
            Kind::Correlation(i, j) => ("cor".into(), vec![i, j]),
            Kind::Common(name) => (name.into(), Vec::new()),
            Kind::Lag(h) => (format!("correlation_lag{h}"), Vec::new()),
        };
        self.inner.natural(&theta, self.k).into_iter().map(one).collect()
    }

    /// Parameters at their lower (-1) or upper (1) bound; 0 of others.
    #[allow(clippy::needless_pass_by_value)]
    fn bounds_met(&self, theta: PyReadonlyArray1<'_, f64>) -> PyResult<Vec<i8>> {
        let theta = self.vector("theta", &theta)?;
        let Coordinates::Bounded { lower, upper, .. } = self.inner.coordinates(self.k) else {
            return Ok(vec![0; theta.len()]);
        };
        // a search ends within rounding of a bound
        let at = |t: f64, bound: f64| bound.is_finite() && (t - bound).abs() <= 1e-6 * (1.0 + bound.abs());
        let met = |(t, (l, u)): (&f64, (&f64, &f64))| i8::from(at(*t, *u)) - i8::from(at(*t, *l));
        Ok(theta.iter().zip(lower.iter().zip(&upper)).map(met).collect())
    }

    /// Values (m, n) of these for rows of theta.
    fn natural<'py>(&self, py: Python<'py>, theta: PyReadonlyArray2<'py, f64>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (m, rows) = self.rows(&theta)?;
        let n = self.n_theta();
        let all = rows.chunks_exact(n.max(1)).flat_map(|t| self.inner.natural(t, self.k)).map(|p| p.value).collect();
        Ok(Array2::from_shape_vec((m, n), all).expect("every parameter has a value").into_pyarray(py))
    }

    /// Relative factors (m, k, k) of rows of theta.
    fn factors<'py>(&self, py: Python<'py>, theta: PyReadonlyArray2<'py, f64>) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let (m, rows) = self.rows(&theta)?;
        let (n, k) = (self.n_theta().max(1), self.k);
        let mut out = vec![0.0; m * k * k];
        for (t, l) in rows.chunks_exact(n).zip(out.chunks_exact_mut(k * k)) {
            self.inner.lambda(t, k, l);
        }
        Ok(Array3::from_shape_vec((m, k, k), out).expect("every row has a factor").into_pyarray(py))
    }

    /// Derivative (k, k) of the relative factor along a direction of theta.
    fn push<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        along: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let k = self.k;
        let mut out = vec![0.0; k * k];
        self.inner.push(self.vector("theta", &theta)?, self.vector("along", &along)?, k, &mut out);
        Ok(Array2::from_shape_vec((k, k), out).expect("k x k").into_pyarray(py))
    }

    /// The parameters of a relative factor (k, k), or of one near it.
    fn read<'py>(&self, py: Python<'py>, factor: PyReadonlyArray2<'py, f64>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        if factor.as_array().dim() != (self.k, self.k) {
            return Err(PyValueError::new_err(format!("the factor must be {0} x {0}", self.k)));
        }
        let given: Vec<f64> = factor.as_array().iter().copied().collect();
        let mut theta = vec![0.0; self.n_theta()];
        self.inner.read(&given, self.k, &mut theta);
        Ok(theta.into_pyarray(py))
    }
}
