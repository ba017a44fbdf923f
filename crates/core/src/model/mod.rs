//! What all models share, whatever their kind.

mod replicable;
mod search;
mod status;

pub use replicable::{Estimates, Outcome, Replicable};
pub use search::Search;
pub use status::Status;

/// Told the number of evaluations and the objective; returns false to stop.
pub type Progress<'a> = &'a mut dyn FnMut(usize, f64) -> bool;
