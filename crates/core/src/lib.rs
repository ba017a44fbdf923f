//! Linear mixed models: cross-products of the data, the block system they define, its criterion, gradient and curvature,
//! and the optimiser that fits it. No Python here.
//!
//! Symbols follow the model `y = X b + Z L u + e`, `u ~ N(0, s2 I)`, `e ~ N(0, s2 I)`:
//!
//! | symbol | identifier |
//! | --- | --- |
//! | L = Lambda(theta), one k x k block per level | `lambda` |
//! | M = L'Z'Z L + I = R R' | `Evaluator::diag`, `panel`, `tail` |
//! | `R_ZX`, `c_u` = R^-1 L'Z'\[X y\] | `Evaluator::rzw` |
//! | `R_X`, `c_b`, r2 | `Evaluator::rxx` |
//! | T = M^-1 on the pattern of R | `Evaluator::t_diag`, `t_panel`, `t_tail` |
//! | Gamma, Psi: scores with respect to lambda and Sigma | `Score::gamma`, `psi` |

pub mod basis;
pub mod blocks;
pub mod crossprod;
pub mod error;
pub mod families;
pub mod generalized;
pub mod linear;
pub mod optimize;
pub mod replicate;
pub mod rng;
pub mod rows;
pub mod structure;
