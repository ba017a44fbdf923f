//! What the bindings share: arrays in, errors out.

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use ranef_core::error::CoreError;
use ranef_core::layout::FactorSize;
use ranef_core::rows::{FactorRows, Rows, TermRows};
use ranef_core::structure::{self, Structure};
use std::sync::Arc;

/// The exception of an error of the core.
pub(crate) fn to_python(e: CoreError) -> PyErr {
    match e {
        CoreError::Interrupted => PyKeyboardInterrupt::new_err(()),
        CoreError::TooLarge { .. } | CoreError::Refused { .. } => PyMemoryError::new_err(e.to_string()),
        _ => PyValueError::new_err(e.to_string()),
    }
}

/// Columns of a matrix in Fortran order.
pub(crate) fn columns<'a>(a: &'a PyReadonlyArray2<'_, f64>) -> PyResult<Vec<&'a [f64]>> {
    let shape = a.shape();
    let (n, k) = (shape[0], shape[1]);
    if k == 0 || n == 0 {
        return Ok(vec![&[]; k]);
    }
    if !a.is_fortran_contiguous() {
        return Err(PyValueError::new_err("matrices must be in Fortran order"));
    }
    Ok(a.as_slice()?.chunks_exact(n).collect())
}

/// A matrix from its rows.
pub(crate) fn matrix(py: Python<'_>, v: Vec<f64>, rows: usize, cols: usize) -> PyResult<Py<PyArray2<f64>>> {
    Ok(v.into_pyarray(py).reshape([rows, cols])?.unbind())
}

/// For each factor a matrix, levels x effects.
pub(crate) fn by_factor(
    py: Python<'_>,
    all: Vec<Vec<f64>>,
    factors: &[FactorSize],
) -> PyResult<Vec<Py<PyArray2<f64>>>> {
    all.into_iter().zip(factors).map(|(v, f)| matrix(py, v, f.n_levels, f.k)).collect()
}

pub(crate) type TermArgument<'py> = (Bound<'py, PyArray2<f64>>, String);
pub(crate) type FactorArgument<'py> = (Bound<'py, PyArray1<i32>>, usize, Vec<TermArgument<'py>>);
pub(crate) type NewFactorArgument<'py> = (PyReadonlyArray1<'py, i32>, Vec<PyReadonlyArray2<'py, f64>>);

/// Parameters of a model, for the columns as they were given.
#[derive(FromPyObject)]
pub(crate) struct PointArgument<'py> {
    /// Covariance parameters.
    pub(crate) theta: PyReadonlyArray1<'py, f64>,
    /// Fixed effects of the columns in use.
    pub(crate) beta: PyReadonlyArray1<'py, f64>,
    /// Residual standard deviation, or the dispersion of a family.
    pub(crate) spread: Option<f64>,
}

/// How a model is fitted; linear models read `reml` and generalized ones the approximation.
#[derive(FromPyObject)]
pub(crate) struct OptionsArgument {
    pub(crate) reml: bool,
    pub(crate) n_quad: usize,
    pub(crate) curvature: String,
    pub(crate) fixed_dispersion: Option<f64>,
    pub(crate) max_evaluations: usize,
    pub(crate) tolerance: f64,
}

/// Effects of a term, and their structure.
type TermArrays = (Py<PyArray2<f64>>, Arc<dyn Structure>);

struct FactorArrays {
    codes: Py<PyArray1<i32>>,
    n_levels: usize,
    terms: Vec<TermArrays>,
}

/// The arrays a model was made of, kept alive (not copied).
pub(crate) struct Arrays {
    x: Py<PyArray2<f64>>,
    y: Py<PyArray1<f64>>,
    weights: Option<Py<PyArray1<f64>>>,
    offset: Option<Py<PyArray1<f64>>>,
    factors: Vec<FactorArrays>,
}

/// Codes, number of levels, and the effects of each term of one factor.
type BorrowedFactor<'py> = (PyReadonlyArray1<'py, i32>, usize, Vec<(PyReadonlyArray2<'py, f64>, Arc<dyn Structure>)>);

pub(crate) struct Borrowed<'py> {
    x: PyReadonlyArray2<'py, f64>,
    y: PyReadonlyArray1<'py, f64>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
    offset: Option<PyReadonlyArray1<'py, f64>>,
    factors: Vec<BorrowedFactor<'py>>,
}

impl Arrays {
    /// Keeps the arrays of arguments.
    pub(crate) fn new(
        x: Bound<'_, PyArray2<f64>>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Option<Bound<'_, PyArray1<f64>>>,
        offset: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
    ) -> PyResult<Self> {
        let factor = |(codes, n_levels, terms): FactorArgument<'_>| {
            let term = |(z, s): TermArgument<'_>| {
                let structure = structure::named(&s)
                    .ok_or_else(|| PyValueError::new_err(format!("unknown covariance structure {s:?}")))?;
                Ok((z.unbind(), structure))
            };
            let terms = terms.into_iter().map(term).collect::<PyResult<_>>()?;
            Ok(FactorArrays { codes: codes.unbind(), n_levels, terms })
        };
        Ok(Arrays {
            x: x.unbind(),
            y: y.unbind(),
            weights: weights.map(Bound::unbind),
            offset: offset.map(Bound::unbind),
            factors: factors.into_iter().map(factor).collect::<PyResult<_>>()?,
        })
    }

    pub(crate) fn borrow<'py>(&self, py: Python<'py>) -> Borrowed<'py> {
        Borrowed {
            x: self.x.bind(py).readonly(),
            y: self.y.bind(py).readonly(),
            weights: self.weights.as_ref().map(|w| w.bind(py).readonly()),
            offset: self.offset.as_ref().map(|o| o.bind(py).readonly()),
            factors: self
                .factors
                .iter()
                .map(|f| {
                    let terms = f.terms.iter().map(|(z, s)| (z.bind(py).readonly(), s.clone())).collect();
                    (f.codes.bind(py).readonly(), f.n_levels, terms)
                })
                .collect(),
        }
    }
}

impl Borrowed<'_> {
    /// Added to the linear predictor.
    pub(crate) fn offset(&self) -> PyResult<Option<&[f64]>> {
        Ok(self.offset.as_ref().map(|o| o.as_slice()).transpose()?)
    }

    pub(crate) fn rows(&self) -> PyResult<Rows<'_>> {
        Ok(Rows {
            x: columns(&self.x)?,
            y: self.y.as_slice()?,
            weights: self.weights.as_ref().map(|w| w.as_slice()).transpose()?,
            factors: self
                .factors
                .iter()
                .map(|(codes, n_levels, terms)| {
                    Ok(FactorRows {
                        codes: codes.as_slice()?,
                        n_levels: *n_levels,
                        terms: terms
                            .iter()
                            .map(|(z, s)| Ok(TermRows { z: columns(z)?, structure: s.clone() }))
                            .collect::<PyResult<_>>()?,
                    })
                })
                .collect::<PyResult<_>>()?,
        })
    }
}
