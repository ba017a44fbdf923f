//! Many fits of one design.

mod refit;
mod refit_glmm;

pub use refit::{refit, Refits};
pub use refit_glmm::{refit_glmm, GlmmRefits};
