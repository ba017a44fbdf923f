//! What calls may take of memory, and what an exact factor would take.

use crate::arguments::to_python;
use crate::threads::with_threads;
use crate::watch::whole_of;
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::blocks::{predicted, Limits};
use ranef_core::crossprod::met;
use ranef_core::error::CoreError;
use ranef_core::memory::{self, Allowance};

/// Bytes that can be taken now; none where the system does not say.
#[pyfunction]
pub fn available_memory() -> Option<f64> {
    memory::available()
}

/// An allowance that a call was given.
#[pyclass(frozen, module = "ranef._core")]
pub struct MemoryAllowance {
    held: Option<Allowance>,
}

/// Lets the calls of this thread take so many bytes more; none takes a limit away. Returns what was
/// allowed before.
#[pyfunction]
pub fn allow_memory(bytes: Option<f64>) -> MemoryAllowance {
    MemoryAllowance { held: memory::allow(bytes.map(Allowance::of)) }
}

/// Puts back what was allowed before.
#[pyfunction]
pub fn restore_memory(before: &MemoryAllowance) {
    memory::allow(before.held);
}

/// What an exact factor takes: pairs of levels that occur together, the order of its dense part,
/// bytes, and seconds of one evaluation; without the last three where one of the limits is passed.
type Predicted = (usize, Option<(usize, f64, f64)>);

/// For grouping factors given as codes, numbers of levels and of effects.
#[pyfunction]
#[pyo3(signature = (factors, bytes, seconds, n_threads = 1))]
pub fn predicted_factor(
    py: Python<'_>,
    factors: Vec<(PyReadonlyArray1<'_, i32>, usize, usize)>,
    bytes: f64,
    seconds: f64,
    n_threads: usize,
) -> PyResult<Predicted> {
    let mut codes = Vec::new();
    let (mut n_levels, mut ks) = (Vec::new(), Vec::new());
    for (c, levels, k) in &factors {
        let c = c.as_slice()?;
        if c.iter().any(|&v| v < 0 || v as usize >= *levels) {
            return Err(PyValueError::new_err("there is a code without a level"));
        }
        codes.push(c);
        n_levels.push(*levels);
        ks.push(*k);
    }
    let limits = Limits { bytes, seconds };
    let found = whole_of(py, None, n_threads, true, |_| {
        with_threads(n_threads, || {
            let cells = met(&codes, &n_levels, &ks);
            let n_cells = cells.iter().map(|c| c.level.len()).sum::<usize>();
            (n_cells, predicted(&n_levels, &ks, &cells, &limits))
        })
    })?;
    match found {
        (n, Ok(p)) => Ok((n, Some((p.dense, p.bytes, p.seconds)))),
        (n, Err(CoreError::TooLarge { .. } | CoreError::TooSlow { .. })) => Ok((n, None)),
        (_, Err(e)) => Err(to_python(e)),
    }
}
