//! Linear models whose crossed factors are too large for an exact factor: the rows as an operator,
//! deflated conjugate gradients, and a log-determinant by random probes.
//!
//! The factor with the most effects is eliminated exactly; what is left, S = I + L2'Z2'(W - W Z1 L1
//! (L1'Z1'WZ1 L1 + I)^-1 L1'Z1'W) Z2 L2, is never formed. With B = UU' its exact diagonal blocks,
//! Shat = U^-1 S U'^-1 and V a few directions taken out exactly,
//!
//! log|M| = log|D| + log|B| + log|V'Shat V - ...| + log|P Shat P|, P = I - VV'.
//!
//! Only the last term is sampled, with the part of first order, whose mean is known, taken off. The
//! gradient is that of the same decomposition.

mod block;
mod blocks;
mod cells;
mod cg;
mod deflate;
mod fit;
mod gathered;
mod generalized;
mod generalized_fit;
mod generalized_modes;
mod generalized_results;
mod generalized_second;
mod generalized_start;
mod graph;
mod held;
mod inverse;
mod linear;
mod logdet;
mod operator;
mod packed;
mod polynomial;
mod predict;
mod probes;
mod real;
mod rough;
mod row_passes;
mod sampling_error;
mod sides;
mod standing;
mod tested;
#[cfg(test)]
mod tests;

pub use fit::{fit, CrossedFit, CrossedOptions};
pub use gathered::Gathered;
pub use generalized::{CrossedGlmm, Estimates};
pub use generalized_fit::{CrossedGlmmFit, CrossedGlmmOptions};
pub use held::HeldParts;
pub use inverse::{Inverse, NewRow, OfLevels};
pub use linear::{Crossed, Evaluated};
pub use logdet::{Decomposition, Probed};
pub use polynomial::Polynomial;
pub use predict::Levels;
pub use probes::Signs;
