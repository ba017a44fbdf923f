//! Python bindings of `ranef-core`: NumPy views in, dictionaries of arrays out, the interpreter released in between.

mod lmm;
mod profile;
mod replicate;
mod supervised;
mod threads;

use pyo3::prelude::*;

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<lmm::LmmSystem>()?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_parametric, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_residual, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_cases, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_nested, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::jackknife_groups, m)?)?;
    Ok(())
}
