//! Storage and order of the blocks of the system: a sparse part in an elimination order that creates little fill, and one dense
//! trailing block.

pub mod kernels;
mod ordering;
mod symbolic;

pub use symbolic::{Symbolic, SCATTERED};
