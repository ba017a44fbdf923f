//! Many fits of one design.

mod profile;
mod refit;

pub use profile::{profile, Curve, CurvePoint, Ending, Profile, ProfileOptions, Side};
pub use refit::{refit, Refits};
