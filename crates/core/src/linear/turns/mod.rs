//! Nonlinear models by linear ones: least squares without random effects, penalised least squares
//! with theta held, and nlme's turns of that and of the linear mixed model that has the curve's
//! slopes.
//!
//! With f the curve at parameters `X b + Z u` and D its slopes, the linear model near some
//! parameters has the columns `D X` and `D Z` and the response `y - f + D X b + D Z u`.

mod curve_rows;
mod least_squares;
mod pooled;
mod taken;

pub use curve_rows::CurveRows;
pub use pooled::Pooled;
pub use taken::{take as take_turns, End, Limits, Turns};
