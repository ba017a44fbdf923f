//! What a row with several linear predictors has for a log-likelihood.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::families::density::{kernel, Zero};
use ranef_core::families::{Family, Kernel, KernelOut, KernelRows, Link, Ordinal, Several};
use std::sync::Arc;

/// A kernel of the core, by what it is made of.
#[pyclass(frozen, module = "ranef._core")]
pub struct RowKernel(Arc<dyn Kernel>);

impl RowKernel {
    pub(crate) fn family(&self) -> Arc<dyn Family> {
        Arc::new(Several(self.0.clone()))
    }
}

#[pymethods]
impl RowKernel {
    /// A density with a link of its mean, and what becomes of zero: plain, truncated, inflated,
    /// hurdle, truncated_hurdle. Numbers of trials (n,) where weights are something else.
    #[staticmethod]
    #[pyo3(signature = (name, link, zero, trials=None))]
    fn density(name: &str, link: &str, zero: &str, trials: Option<PyReadonlyArray1<'_, f64>>) -> PyResult<Self> {
        let unknown = || PyValueError::new_err(format!("there is no {zero} density {name:?} with the link {link:?}"));
        let (link, zero) = (Link::parse(link).ok_or_else(unknown)?, Zero::parse(zero).ok_or_else(unknown)?);
        let trials = trials.map(|t| t.as_array().to_vec().into());
        kernel(name, link, zero, trials).map(RowKernel).ok_or_else(unknown)
    }

    /// Ordered categories with a link, so many thresholds, and a predictor of the log scale or
    /// none.
    #[staticmethod]
    fn ordinal(link: &str, thresholds: usize, has_scale: bool) -> PyResult<Self> {
        let link = Link::parse(link).filter(|l| l.is_for_probabilities());
        let link = link.ok_or_else(|| PyValueError::new_err("this link is not for ordered categories"))?;
        Ok(RowKernel(Arc::new(Ordinal::new(link, thresholds, has_scale))))
    }

    /// Log-likelihoods (n,) of responses of weight 1 or more, first derivatives (m n,) in the
    /// linear predictors (m, n), minus the second ones and their derivatives, by pairs and triples
    /// j <= k <= l in the order of the last.
    #[allow(clippy::type_complexity)]
    fn rows<'py>(
        &self,
        py: Python<'py>,
        y: PyReadonlyArray1<'py, f64>,
        weights: PyReadonlyArray1<'py, f64>,
        eta: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<(
        Bound<'py, PyArray1<f64>>,
        Bound<'py, PyArray1<f64>>,
        Bound<'py, PyArray1<f64>>,
        Bound<'py, PyArray1<f64>>,
    )> {
        let (y, w) = (y.as_array().to_vec(), weights.as_array().to_vec());
        let (n, m) = (y.len(), self.0.predictors());
        let eta: Vec<f64> = eta.as_array().iter().copied().collect();
        if w.len() != n || eta.len() != m * n {
            return Err(PyValueError::new_err("responses, weights and linear predictors do not fit each other"));
        }
        let order: Vec<u32> = (0..n as u32).collect();
        let random = vec![true; m];
        let empty = |count: usize| vec![0.0; count * n];
        let (mut l, mut r) = (empty(1), empty(m));
        let (mut second, mut third) = (empty(m * (m + 1) / 2), empty(m * (m + 1) * (m + 2) / 6));
        let rows = KernelRows { y: &y, w: &w, eta: &eta, order: &order, random: &random };
        self.0.derivatives(rows, KernelOut { l: &mut l, r: &mut r, w: &mut second, t: &mut third });
        Ok((l.into_pyarray(py), r.into_pyarray(py), second.into_pyarray(py), third.into_pyarray(py)))
    }

    /// Number of linear predictors.
    #[getter]
    fn predictors(&self) -> usize {
        self.0.predictors()
    }
}
