//! Optimisation: the trust-region step, and the small dense decompositions it needs.

pub mod jacobi_svd;
pub mod quasi_newton;
pub mod trust_region;
