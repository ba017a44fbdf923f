//! Many fits of one design.

mod bootstrap;
mod bootstrap_glmm;
mod cases;
mod nested;
mod outcome;
mod outcome_glmm;
mod profile;
mod refit;
mod refit_glmm;
mod workers;

pub use bootstrap::{parametric, residual, Pools, Truth};
pub use bootstrap_glmm::{cases_glmm, jackknife_glmm, nested_glmm, parametric_glmm, GlmmMember, GlmmRows};
pub use cases::{cases, jackknife};
pub use nested::{nested, Member, NestedOutcomes};
pub use outcome::Replicates;
pub use profile::{
    profile, profile_glmm, Curve, CurvePoint, Ending, GlmmProfileOptions, Profile, ProfileOptions, Side,
};
pub use refit::{refit, Refits};
pub use refit_glmm::{refit_glmm, GlmmRefits};
pub use workers::Watched;
