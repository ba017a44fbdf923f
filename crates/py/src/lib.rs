//! Python bindings of `ranef-core`: NumPy views in, dictionaries of arrays out, the interpreter released in between.

mod arguments;
mod glmm;
mod kernel;
mod lmm;
mod threads;
mod watch;

use pyo3::prelude::*;

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<lmm::LmmSystem>()?;
    m.add_class::<glmm::GlmmSystem>()?;
    Ok(())
}
