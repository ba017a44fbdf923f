//! Families of distributions, one file each, with the links and the functions they share.
//!
//! A new family is a file with its [`Distribution`] and a line in [`REGISTRY`] (and its descriptor
//! in Python).

mod beta;
mod binomial;
pub mod curve;
pub mod density;
mod distribution;
mod elementary;
mod family;
mod gamma;
mod gaussian;
mod inverse_gaussian;
mod kernel;
mod link;
mod negative_binomial;
mod ordinal;
mod poisson;
pub(crate) mod special;

pub use distribution::{
    by_log_mean, by_mean, each, each_more, more_by_log_mean, more_by_mean, Distribution, Inner, InnerSecond, Observed,
    Second,
};
pub use family::{ways_of_repeats, Batch, Coordinate, Derivatives, Extra, Family, MoreDerivatives};
pub use kernel::{pair, triple, Kernel, KernelOut, KernelRows, Several};
pub use link::Link;
pub use ordinal::{Interval, Ordinal, ABOVE, BELOW, LOCATION, SCALE};
pub use special::{lgamma, polygamma};

use distribution::Linked;
use std::sync::Arc;

/// A family of the core, by name.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its extra parameters.
    pub extras: &'static [Extra],
    /// Whether it can have a link.
    pub allows: fn(Link) -> bool,
    linked: fn(Link) -> Arc<dyn Family>,
}

/// The families of the core.
pub static REGISTRY: [Entry; 8] = [
    entry::<binomial::Binomial, 0>(),
    entry::<poisson::Poisson, 0>(),
    entry::<negative_binomial::NegativeBinomial2, 1>(),
    entry::<negative_binomial::NegativeBinomial1, 1>(),
    entry::<gamma::Gamma, 1>(),
    entry::<inverse_gaussian::InverseGaussian, 1>(),
    entry::<gaussian::Gaussian, 1>(),
    entry::<beta::Beta, 1>(),
];

const fn entry<D: Distribution<E>, const E: usize>() -> Entry {
    Entry { name: D::NAME, extras: D::EXTRAS, allows: D::allows, linked: linked::<D, E> }
}

/// A distribution with a link.
pub fn linked<D: Distribution<E>, const E: usize>(link: Link) -> Arc<dyn Family> {
    Arc::new(Linked::<D, E>::new(link))
}

impl Entry {
    /// The family with a link; none where that makes no sense.
    pub fn with(&self, link: Link) -> Option<Arc<dyn Family>> {
        (self.allows)(link).then(|| (self.linked)(link))
    }
}

/// The family of that name in the registry.
pub fn find(name: &str) -> Option<&'static Entry> {
    REGISTRY.iter().find(|e| e.name == name)
}
