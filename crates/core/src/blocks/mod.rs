//! Storage and order of the blocks of the system, and its factor: a sparse part in an elimination
//! order that creates little fill, and one dense trailing block.

mod eliminate;
mod factor;
mod fill;
mod inverse;
mod minimum_degree;
mod ordering;
mod parts;
mod path;
pub(crate) mod semidefinite;
mod solve;
mod storage;
mod symbolic;

pub use factor::Factor;
pub use fill::{predicted, Limits, Prediction};
pub use parts::{Effect, InverseParts};
pub use path::PathSolver;
pub use symbolic::Symbolic;

/// The system was not positive definite in floating point: Lambda is too large, or the response is
/// fitted exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotPositive;
