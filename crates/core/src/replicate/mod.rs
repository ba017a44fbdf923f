//! Many fits of one design.

mod refit;

pub use refit::{refit, Refits};
