//! Models without random effects whose rows are correlated within subjects, from sums over the
//! subjects seen at the same positions: the criterion, its gradient, its exact Hessian and what
//! degrees of freedom need cost the same whatever the number of subjects.
//!
//! Covariance structures are behind a trait here; R of a pattern is a part of that of all positions
//! of its universe.

pub mod covariance;
mod criterion;
mod derivatives;
mod drawn;
mod fit;
mod identified;
mod information;
mod moments;
mod packed;
mod solution;
mod structured;

pub use covariance::{entry, Covariance, Filled, Natural};
pub use criterion::{add_weighted, At, Entries, Evaluated, Order};
pub use derivatives::{Derivatives, Jacobian};
pub use drawn::{bootstrap, Drawn};
pub use fit::{fit, refits, Fit};
pub use identified::{determined, Determined};
pub use information::{kenward_roger, satterthwaite, KenwardRoger, Satterthwaite};
pub use moments::{Moments, Pattern, Places, Positions, Universe};
pub use solution::Solution;
pub use structured::Structured;
