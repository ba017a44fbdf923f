//! Python bindings of `ranef-core`: NumPy views in, dictionaries of arrays out, the interpreter released in between.

mod arguments;
mod glmm;
mod information;
mod kernel;
mod lmm;
mod profile;
mod replicate;
mod replicate_glmm;
mod supervised;
mod threads;
mod watch;

use pyo3::prelude::*;

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<lmm::LmmSystem>()?;
    m.add_class::<glmm::GlmmSystem>()?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_parametric, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_residual, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_cases, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_nested, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::jackknife_groups, m)?)?;
    m.add_function(wrap_pyfunction!(replicate_glmm::bootstrap_glmm_parametric, m)?)?;
    m.add_function(wrap_pyfunction!(replicate_glmm::bootstrap_glmm_cases, m)?)?;
    m.add_function(wrap_pyfunction!(replicate_glmm::bootstrap_glmm_nested, m)?)?;
    m.add_function(wrap_pyfunction!(profile::profile_glmm_curves, m)?)?;
    m.add_function(wrap_pyfunction!(replicate_glmm::jackknife_glmm_groups, m)?)?;
    Ok(())
}
