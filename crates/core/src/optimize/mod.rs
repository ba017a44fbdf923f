//! Optimisation: steps, differences, bounds, and the small dense decompositions they need.

pub mod bounds;
pub mod differences;
pub mod jacobi_svd;
pub mod quasi_newton;
pub mod trust_region;
