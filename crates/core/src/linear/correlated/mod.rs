//! Linear mixed models whose rows are correlated, or have variances of their own, given the random
//! effects: V = R + Z D Z' with R block diagonal over subjects.
//!
//! Rows are whitened block by block, R = L L'. Levels of *local* factors and the subjects that they
//! share rows with make small *clusters*, which are eliminated one by one. What all clusters have
//! in common, the effects of the other factors (such as items crossed with subjects) and the fixed
//! effects, is the *border*. In the coordinates of a cluster, whose columns are the effects of its
//! local levels, its part of the border, and y,
//!
//! | symbol | is |
//! | --- | --- |
//! | D | Lambda M^-1 Lambda' of the local effects, M = Lambda'Z'WZ Lambda + I |
//! | U = L'`V_c`^-1 \[Z B\] | whitened columns less what the local effects explain |
//! | N | B'`V_c`^-1 B of the border, summed over clusters |
//! | E = L^-1 dR L^-T | derivative of R in whitened coordinates |
//!
//! Derivatives are exact, in the covariance of all random effects and the parameters of R together.

mod clusters;
mod criterion;
mod derivatives;
mod directions;
mod fit;
mod held;
mod identified;
mod inference;
mod kenward_roger;
mod posterior;
mod reach;
mod root;
mod rows;
mod solution;
mod starts;
#[cfg(test)]
mod tests;

pub use clusters::{BlockRows, Correlated};
pub use criterion::State;
pub use derivatives::{Derivatives, Want};
pub use directions::Direction;
pub use fit::{fit, CorrelatedFit};
pub use inference::Slopes;
pub use reach::Reach;
pub use solution::CorrelatedSolution;
