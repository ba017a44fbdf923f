//! What the bindings share: arrays in, errors out.

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use ranef_core::error::CoreError;

/// The exception of an error of the core.
pub(crate) fn to_python(e: CoreError) -> PyErr {
    match e {
        CoreError::Interrupted => PyKeyboardInterrupt::new_err(()),
        CoreError::TooLarge { .. } => PyMemoryError::new_err(e.to_string()),
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
pub(crate) fn matrix<'py>(
    py: Python<'py>,
    v: Vec<f64>,
    rows: usize,
    cols: usize,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    v.into_pyarray(py).reshape([rows, cols])
}

pub(crate) type TermArgument<'py> = (Bound<'py, PyArray2<f64>>, String);
pub(crate) type FactorArgument<'py> = (Bound<'py, PyArray1<i32>>, usize, Vec<TermArgument<'py>>);
pub(crate) type NewFactorArgument<'py> = (PyReadonlyArray1<'py, i32>, Vec<PyReadonlyArray2<'py, f64>>);
