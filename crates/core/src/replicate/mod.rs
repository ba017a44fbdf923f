//! Many fits of one design.

mod bootstrap;
mod cases;
mod nested;
mod outcome;
mod profile;
mod refit;
mod workers;

pub use bootstrap::{parametric, residual, Pools, Truth};
pub use cases::{cases, jackknife};
pub use nested::{nested, Member, NestedOutcomes};
pub use outcome::Replicates;
pub use profile::{profile, Curve, CurvePoint, Ending, Profile, ProfileOptions, Side};
pub use refit::{refit, Refits};
pub use workers::Watched;
