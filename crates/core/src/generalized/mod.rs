//! Generalized linear mixed models: the modes of the random effects, approximations of the
//! likelihood with exact gradients, and the optimiser that fits them. Rows with several linear
//! predictors (`several`) have their own passes over the rows; all else is shared.

mod basins;
mod descents;
mod design;
mod fit;
mod laplace;
mod members;
mod nested;
mod newton;
mod outer;
mod parameters;
mod penalty;
mod pirls;
mod quadrature;
mod replicable;
mod search;
mod several;
mod solution;
mod start;
mod system;
mod zero;

pub use crate::model::{Progress, Status};
pub use fit::{examine, fit, Fit, FitOptions};
pub use laplace::{Curvature, Value};
pub use outer::{Approximation, Outer};
pub use parameters::{Coordinates, Point};
pub use pirls::{Failure, Modes};
pub use replicable::Law;
pub use search::{search, Search, Valley};
pub use several::{FixedBlock, SeveralRows, ThresholdBlock};
pub use solution::{predict_variance, Solution};
pub use system::GlmmSystem;
