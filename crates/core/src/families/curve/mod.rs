//! Nonlinear models: responses that are normal around a curve, whose parameters are the linear
//! predictors of a row, and log sigma the last one.
//!
//! A curve is a formula in columns and parameters ([`Program`]), or anything else that gives values
//! with derivatives ([`Mean`]). Self-starting curves are formulas like any other.

mod functions;
mod jets;
mod kernel;
mod program;
mod scaled;

pub use functions::Function;
pub use jets::parts;
pub use kernel::{Curve, Mean, MeanRows};
pub use program::{Operation, Program};
pub use scaled::{FittedScale, ScaledCurve};
