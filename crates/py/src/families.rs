//! Families and links by name, and extra parameters given by the caller.

use crate::kernel::PythonFamily;
use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::families::{find, Extra, Family, Link, Ordinal, RowColumns, REGISTRY};
use std::sync::Arc;

/// Name of a family, its links, and name, lower and upper limit of each extra parameter and whether
/// it is a scale.
type Described = (&'static str, Vec<&'static str>, Vec<(&'static str, f64, f64, bool)>);

/// The families of the core.
#[pyfunction]
pub fn families() -> Vec<Described> {
    let extra = |e: &Extra| (e.name, e.lower, e.upper, e.is_scale);
    let links = |allows: fn(Link) -> bool| Link::ALL.into_iter().filter(|&l| allows(l)).map(Link::name).collect();
    REGISTRY.iter().map(|e| (e.name, links(e.allows), e.extras.iter().map(extra).collect())).collect()
}

/// A family, and the same once more where it is one from Python.
type Chosen = (Arc<dyn Family>, Option<Arc<PythonFamily>>);

/// The family of a name and a link, or one from Python.
pub(crate) fn chosen(family: &str, link: &str, callable: Option<Py<PyAny>>) -> PyResult<Chosen> {
    let link = Link::parse(link).ok_or_else(|| PyValueError::new_err(format!("unknown link {link:?}")))?;
    if let Some(callable) = callable {
        let custom = Arc::new(PythonFamily::new(callable, link));
        return Ok((custom.clone(), Some(custom)));
    }
    let entry = find(family).ok_or_else(|| PyValueError::new_err(format!("unknown family {family:?}")))?;
    let chosen = entry.with(link);
    Ok((chosen.ok_or_else(|| PyValueError::new_err("this link is not available for this family"))?, None))
}

/// Extra parameters given by the caller: one number, or as many as the family has.
#[derive(FromPyObject)]
pub(crate) enum ExtrasArgument {
    One(f64),
    All(Vec<f64>),
}

impl ExtrasArgument {
    pub(crate) fn values(&self) -> Vec<f64> {
        match self {
            Self::One(v) => vec![*v],
            Self::All(v) => v.clone(),
        }
    }
}

/// Map from threshold parameters to thresholds, and the columns of nominal and of scale effects.
pub(crate) type OrdinalArgument<'py> =
    (PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>);

/// The model of ordered categories with a link.
pub(crate) fn ordinal(link: &str, n: usize, given: &OrdinalArgument<'_>) -> PyResult<Arc<dyn Family>> {
    let link = Link::parse(link).filter(|l| l.is_for_probabilities());
    let link = link.ok_or_else(|| PyValueError::new_err("this link is not for ordered categories"))?;
    let rows = |a: &PyReadonlyArray2<'_, f64>| -> Vec<f64> { a.as_array().iter().copied().collect() };
    let (map, nominal, scale) = given;
    let columns = |a: &PyReadonlyArray2<'_, f64>| RowColumns { k: a.shape()[1], values: rows(a) };
    let fits = |a: &PyReadonlyArray2<'_, f64>| a.shape()[1] == 0 || a.shape()[0] == n;
    if map.shape()[0] == 0 || map.shape()[1] == 0 || !fits(nominal) || !fits(scale) {
        return Err(PyValueError::new_err("thresholds need parameters, and their columns the rows of the model"));
    }
    Ok(Arc::new(Ordinal::new(link, rows(map), map.shape()[1], columns(nominal), columns(scale))))
}

/// Extra parameters of a family from those given.
pub(crate) fn checked_extras(family: &dyn Family, given: Option<&ExtrasArgument>) -> PyResult<Vec<f64>> {
    let about = family.extras();
    let given: Vec<f64> = given.map_or_else(Vec::new, ExtrasArgument::values).into_iter().take(about.len()).collect();
    if given.len() != about.len() {
        let names: Vec<&str> = about.iter().map(|e| e.name).collect();
        return Err(PyValueError::new_err(format!("the extra parameters of the family are {}", names.join(", "))));
    }
    for (e, &v) in about.iter().zip(&given) {
        if !e.allows(v) {
            return Err(PyValueError::new_err(format!(
                "{} must be between {} and {}, not {v}",
                e.name, e.lower, e.upper
            )));
        }
    }
    Ok(given)
}
