//! What a row with several linear predictors has for a log-likelihood.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::families::density::{kernel, Zero};
use ranef_core::families::{Family, Kernel, Link, Ordinal, Several};
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
    /// hurdle, truncated_hurdle.
    #[staticmethod]
    fn density(name: &str, link: &str, zero: &str) -> PyResult<Self> {
        let unknown = || PyValueError::new_err(format!("there is no {zero} density {name:?} with the link {link:?}"));
        let (link, zero) = (Link::parse(link).ok_or_else(unknown)?, Zero::parse(zero).ok_or_else(unknown)?);
        kernel(name, link, zero).map(RowKernel).ok_or_else(unknown)
    }

    /// Ordered categories with a link, so many thresholds, and a predictor of the log scale or
    /// none.
    #[staticmethod]
    fn ordinal(link: &str, thresholds: usize, has_scale: bool) -> PyResult<Self> {
        let link = Link::parse(link).filter(|l| l.is_for_probabilities());
        let link = link.ok_or_else(|| PyValueError::new_err("this link is not for ordered categories"))?;
        Ok(RowKernel(Arc::new(Ordinal::new(link, thresholds, has_scale))))
    }

    /// Number of linear predictors.
    #[getter]
    fn predictors(&self) -> usize {
        self.0.predictors()
    }
}
