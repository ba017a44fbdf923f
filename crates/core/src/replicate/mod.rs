//! Many fits of one design.

mod bootstrap;
mod cases;
mod each;
mod nested;
mod profile;
mod refit;
mod replicates;
mod workers;

pub use bootstrap::{drawn, drawn_with};
pub use cases::{cases, jackknife, Data};
pub use each::{each, EachFit, Groups};
pub use nested::{nested, Member};
pub use profile::{
    profile, CorrelatedRows, Covariance, Curve, CurvePoint, Effects, Ending, GeneralizedFit, LinearFit, Profile,
    ProfileOptions, Sampled, Side, StructuredFit, Walked,
};
pub use refit::refit;
pub use replicates::Replicates;
