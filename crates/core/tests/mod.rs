//! Tests by the public names alone, against dense algebra, quadrature and differences. They are
//! compiled with the core and the tests beside its code, all of them once.

mod curve;
mod dense;
mod families;
mod glmm;
mod glmm_data;
mod glmm_nested;
mod krylov;
mod limits;
mod no_random_terms;
mod pattern;
mod pattern_draws;
mod random_bytes;
mod response_law;
mod row_covariance;
