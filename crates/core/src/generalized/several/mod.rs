//! Rows with several linear predictors: where their fixed and random effects go, the modes, and the
//! approximation of the likelihood with its gradient. The optimiser, the boundary and the standard
//! errors are those of models with one predictor.

mod among_modes;
mod clip;
#[cfg(test)]
mod gradients;
mod laplace;
mod modes;
mod passes;
mod quadrature;
mod search;
mod start;
mod system;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod threshold_tests;
mod thresholds;

pub(in crate::generalized) use search::is_sound;
pub use system::{FixedBlock, SeveralRows};
pub use thresholds::{ThresholdBlock, ThresholdRows};
