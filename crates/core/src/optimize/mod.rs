//! Optimisation: steps, differences, bounds.

pub mod bounds;
pub mod differences;
pub mod mixing;
pub mod quasi_newton;
pub mod trust_region;
