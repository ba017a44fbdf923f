//! Profiles as dictionaries of arrays.

use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use ranef_core::replicate::{Curve, Profile};

/// The curves and the ML fit they begin at.
pub fn profile_dict<'py>(py: Python<'py>, p: Profile) -> PyResult<Bound<'py, PyDict>> {
    let n_parameters = p.estimates.len();
    let d = PyDict::new(py);
    d.set_item("deviance", p.deviance)?;
    d.set_item("estimates", p.estimates.into_pyarray(py))?;
    d.set_item("status", p.status.name())?;
    d.set_item("refitted", p.refitted)?;
    let list = PyList::empty(py);
    for c in p.curves {
        list.append(curve_dict(py, c, n_parameters)?)?;
    }
    d.set_item("curves", list)?;
    Ok(d)
}

fn curve_dict<'py>(py: Python<'py>, c: Curve, n_parameters: usize) -> PyResult<Bound<'py, PyDict>> {
    let d = PyDict::new(py);
    let n = c.points.len();
    d.set_item("index", c.index)?;
    d.set_item("zeta", c.points.iter().map(|p| p.zeta).collect::<Vec<_>>().into_pyarray(py))?;
    d.set_item("value", c.points.iter().map(|p| p.value).collect::<Vec<_>>().into_pyarray(py))?;
    d.set_item("rate", c.points.iter().map(|p| p.rate).collect::<Vec<_>>().into_pyarray(py))?;
    let all: Vec<f64> = c.points.into_iter().flat_map(|p| p.parameters).collect();
    d.set_item("parameters", all.into_pyarray(py).reshape([n, n_parameters])?)?;
    d.set_item("lower", c.lower.limits.into_pyarray(py))?;
    d.set_item("upper", c.upper.limits.into_pyarray(py))?;
    d.set_item("endings", (c.lower.ending.name(), c.upper.ending.name()))?;
    d.set_item("monotone", c.monotone)?;
    d.set_item("converged", c.converged)?;
    Ok(d)
}
