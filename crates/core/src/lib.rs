//! Mixed models: cross-products of the data, the block system they define, criteria with exact
//! derivatives, and the optimisers that fit them. No Python here.
//!
//! Symbols follow the model `y = X b + Z L u + e`, `u ~ N(0, s2 I)`, `e ~ N(0, s2 I)`:
//!
//! | symbol | identifier |
//! | --- | --- |
//! | L = Lambda(theta), one k x k block per level | `lambda` |
//! | Z'WZ | [`crossprod::Gram`] |
//! | M = L'Z'WZ L + I = R R', T = M^-1 on the pattern of R | [`blocks::Factor`] |
//! | `R_ZX`, `c_u` = R^-1 L'Z'\[X y\] | `Evaluator::rzw` |
//! | `R_X`, `c_b`, r2 | `Evaluator::rxx` |
//! | Gamma, Psi: scores with respect to lambda and Sigma | `Score::gamma`, `psi` |

pub mod basis;
pub mod blocks;
pub mod correlation;
pub mod crossprod;
pub mod dense;
pub mod error;
pub mod families;
pub mod fit;
pub mod generalized;
pub mod jet;
pub mod krylov;
pub mod layout;
pub mod linear;
pub mod memory;
pub mod model;
pub mod optimize;
pub mod pattern;
pub mod prior;
pub mod replicate;
pub mod residual;
pub mod rng;
pub mod rows;
pub mod statistic;
pub mod structure;
pub mod variance;
pub mod watch;

#[cfg(test)]
extern crate self as ranef_core;
#[cfg(test)]
#[path = "../tests/mod.rs"]
mod tests;
