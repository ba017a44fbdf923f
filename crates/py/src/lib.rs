//! Python bindings of `ranef-core`: NumPy views in, frozen records out, the interpreter released in
//! between.

mod arguments;
mod correlated;
mod crossed;
mod crossed_glmm;
mod curve;
mod families;
mod glmm;
mod glmm_effects;
mod information;
mod kernel;
mod lmm;
mod lmm_effects;
mod pattern;
mod penalised;
mod plan;
mod prior;
mod profile;
mod records;
mod replicate;
mod row_covariance;
mod row_kernel;
mod statistic;
mod structure;
mod threads;
mod watch;

use pyo3::prelude::*;

// Everything shared is behind a lock or set once, so the module needs no global lock of its own.
#[pymodule(gil_used = false)]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<lmm::LmmSystem>()?;
    m.add_class::<correlated::CorrelatedSystem>()?;
    m.add_class::<curve::CurveModel>()?;
    m.add_class::<curve::CurveTurns>()?;
    m.add_class::<crossed::CrossedRows>()?;
    m.add_class::<crossed::CrossedSystem>()?;
    m.add_class::<crossed_glmm::CrossedGlmmSystem>()?;
    m.add_class::<glmm::GlmmSystem>()?;
    m.add("NoModesError", m.py().get_type::<glmm::NoModesError>())?;
    m.add_class::<row_kernel::RowKernel>()?;
    m.add_class::<pattern::PatternSystem>()?;
    m.add_class::<statistic::Statistic>()?;
    m.add_class::<structure::Structure>()?;
    m.add_class::<row_covariance::RowCovariance>()?;
    m.add_class::<records::Ending>()?;
    m.add_class::<records::Valley>()?;
    m.add_class::<records::Search>()?;
    m.add_class::<records::LinearSolution>()?;
    m.add_class::<records::LinearFit>()?;
    m.add_class::<records::SampledFit>()?;
    m.add_class::<records::SampledGeneralizedFit>()?;
    m.add_class::<records::LinearEvaluation>()?;
    m.add_class::<records::GeneralizedSolution>()?;
    m.add_class::<records::GeneralizedFit>()?;
    m.add_class::<records::GeneralizedEvaluation>()?;
    m.add_class::<records::Satterthwaite>()?;
    m.add_class::<records::KenwardRoger>()?;
    m.add_class::<records::Refits>()?;
    m.add_class::<records::Replicates>()?;
    m.add_class::<records::EachFit>()?;
    m.add_class::<records::Curve>()?;
    m.add_class::<records::Profile>()?;
    m.add_function(wrap_pyfunction!(families::families, m)?)?;
    m.add_function(wrap_pyfunction!(curve::curve_functions, m)?)?;
    m.add_function(wrap_pyfunction!(curve::curve_system, m)?)?;
    m.add_function(wrap_pyfunction!(curve::curve_derivatives, m)?)?;
    m.add_function(wrap_pyfunction!(row_covariance::variance_refuses, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_parametric, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_tested, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_residual, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_cases, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_within_union, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::bootstrap_members, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::jackknife_groups, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::refit, m)?)?;
    m.add_function(wrap_pyfunction!(replicate::fit_each, m)?)?;
    m.add_function(wrap_pyfunction!(profile::profile, m)?)?;
    m.add_function(wrap_pyfunction!(profile::profile_structured, m)?)?;
    m.add_function(wrap_pyfunction!(profile::profile_sampled, m)?)?;
    m.add_class::<plan::MemoryAllowance>()?;
    m.add_function(wrap_pyfunction!(plan::available_memory, m)?)?;
    m.add_function(wrap_pyfunction!(plan::allow_memory, m)?)?;
    m.add_function(wrap_pyfunction!(plan::restore_memory, m)?)?;
    m.add_function(wrap_pyfunction!(plan::predicted_factor, m)?)?;
    Ok(())
}
