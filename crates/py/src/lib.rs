//! Python bindings of `ranef-core`: NumPy views in, dictionaries of arrays out, the interpreter released in between.

mod lmm;
mod profile;
mod threads;

use pyo3::prelude::*;

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<lmm::LmmSystem>()?;
    Ok(())
}
