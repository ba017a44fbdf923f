//! Variance functions: the logarithm of a row's standard deviation as a function of a covariate and
//! of a few parameters. One file each, one line in [`named`].
//!
//! Each stratum has its own parameters. Parameters z lie on the whole line; natural ones are what
//! users know.

mod by_group;
mod const_power;
mod exponential;
mod fixed;
mod power;

pub use by_group::ByGroup;
pub use const_power::ConstPower;
pub use exponential::Exponential;
pub use fixed::Fixed;
pub use power::Power;
use std::fmt::Debug;
use std::sync::Arc;

/// log sd of a row with derivatives with respect to at most two parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogSd {
    /// The value.
    pub value: f64,
    /// First derivatives.
    pub first: [f64; 2],
    /// Second derivatives: of the first parameter, of both, of the second.
    pub second: [f64; 3],
}

/// A variance function within one stratum.
pub trait VarianceFunction: Debug + Send + Sync {
    /// Number of parameters, at most two.
    fn n(&self) -> usize;

    /// Names of the natural parameters.
    fn names(&self) -> Vec<&'static str>;

    /// Whether rows of the first stratum have no parameters, as the others are relative to them.
    fn first_is_reference(&self) -> bool {
        false
    }

    /// log sd of a row with the covariate `x`.
    fn log_sd(&self, z: &[f64], x: f64) -> LogSd;

    /// Natural parameters, with first and second derivatives, each a function of its own z.
    fn natural(&self, z: &[f64]) -> Vec<(f64, f64, f64)>;

    /// The z of natural parameters; none where they cannot be.
    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>>;

    /// Where a search begins, for the values of the covariate; more than one where the criterion
    /// has several minima.
    fn starts(&self, x: &[f64]) -> Vec<Vec<f64>>;

    /// What is wrong with a value of the covariate.
    fn refuses(&self, x: f64) -> Option<&'static str>;
}

/// The function of that name.
pub fn named(name: &str) -> Option<Arc<dyn VarianceFunction>> {
    Some(match name {
        "by_group" => Arc::new(ByGroup),
        "power" => Arc::new(Power),
        "exponential" => Arc::new(Exponential),
        "const_power" => Arc::new(ConstPower),
        "fixed" => Arc::new(Fixed),
        _ => return None,
    })
}
