//! What the bindings share: arrays in, errors out.

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use ranef_core::error::CoreError;
use ranef_core::layout::FactorSize;
use ranef_core::rows::{FactorRows, TermRows};
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

/// Grouping factors with their arrays borrowed.
pub(crate) struct BorrowedFactors<'py>(Vec<BorrowedFactor<'py>>);

/// Codes, number of levels, and the effects of each term of one factor.
type BorrowedFactor<'py> = (PyReadonlyArray1<'py, i32>, usize, Vec<(PyReadonlyArray2<'py, f64>, Arc<dyn Structure>)>);

impl<'py> BorrowedFactors<'py> {
    /// Of an argument.
    pub(crate) fn of(factors: &[FactorArgument<'py>]) -> PyResult<Self> {
        let one = |(codes, n_levels, terms): &FactorArgument<'py>| {
            let terms = terms
                .iter()
                .map(|(z, s)| {
                    let structure = structure::named(s)
                        .ok_or_else(|| PyValueError::new_err(format!("unknown covariance structure {s:?}")))?;
                    Ok((z.readonly(), structure))
                })
                .collect::<PyResult<Vec<_>>>()?;
            Ok((codes.readonly(), *n_levels, terms))
        };
        Ok(BorrowedFactors(factors.iter().map(one).collect::<PyResult<_>>()?))
    }

    /// As the core takes them.
    pub(crate) fn rows(&self) -> PyResult<Vec<FactorRows<'_>>> {
        let mut out = Vec::with_capacity(self.0.len());
        for (codes, n_levels, terms) in &self.0 {
            let terms = terms
                .iter()
                .map(|(z, s)| Ok(TermRows { z: columns(z)?, structure: s.clone() }))
                .collect::<PyResult<_>>()?;
            out.push(FactorRows { codes: codes.as_slice()?, n_levels: *n_levels, terms });
        }
        Ok(out)
    }
}
