//! Families and links by name, and extra parameters given by the caller.

use crate::kernel::PythonFamily;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::families::{find, Extra, Family, Link, REGISTRY};
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

/// Extra parameters given by the caller: as many as the family has, or one number. Arrays come
/// first, as older NumPy takes one of a single number for that number, with a warning.
#[derive(FromPyObject)]
pub(crate) enum ExtrasArgument {
    All(Vec<f64>),
    One(f64),
}

impl ExtrasArgument {
    pub(crate) fn values(&self) -> Vec<f64> {
        match self {
            Self::One(v) => vec![*v],
            Self::All(v) => v.clone(),
        }
    }
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
