//! Inputs of the core from random bytes, and what must hold for all of them. The targets beside
//! this are for cargo-fuzz; a test of the core runs the same with bytes of a generator.

mod data;
mod properties;

pub use properties::{merge, rows, sums};
