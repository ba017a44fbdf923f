//! Densities with several predictors, and what is made of any of them: inflated with zeros,
//! truncated at zero, hurdles.
//!
//! A density is a file with the log density of one response as a [`Jet`] in its linear predictors
//! (the mean's through a link, then a dispersion and what shapes it) and a line in [`NAMES`]. The
//! zero part, where there is one, is the last predictor: the logit of the probability of an extra
//! zero, or of zero at all in a hurdle.

mod binomial;
mod blocks;
mod compois;
mod component;
mod counts;
mod jet;
mod octaves;
mod positive;
mod proportions;
mod real;
mod series;
mod tweedie;

pub use component::{Component, Zero};
pub use jet::Jet;

use super::kernel::Kernel;
use super::link::Link;
use std::sync::Arc;

/// A distribution with K linear predictors.
pub trait Density<const K: usize>: Send + Sync + 'static {
    /// Whether responses are proportions of numbers of trials.
    const TRIALS: bool = false;

    /// Whether several optima are usual with it.
    const ROUGH: bool = false;

    /// Time that a row takes in that of a usual one, as a round number.
    const EFFORT: usize = 1;

    /// Log density of one response, constants included, of weight one (`w` is the number of trials
    /// where there are trials). `eta` holds the linear predictors.
    fn log_density<const O: usize>(link: Link, y: f64, w: f64, eta: [f64; K]) -> Jet<K, O>;

    /// The same as a function of the first predictor alone, with two derivatives, where that is
    /// less work: all that is needed while modes of random effects in the mean are found.
    fn by_mean(_link: Link, _y: f64, _w: f64, _eta: [f64; K]) -> Option<[f64; 3]> {
        None
    }

    /// A mean near a response, inside the range of the link.
    fn near(y: f64, w: f64, average: f64) -> f64;

    /// The predictors but for the first, from responses and their average.
    fn shapes(_y: &[f64], _average: f64) -> [f64; K] {
        [0.0; K]
    }

    /// Probability of zero at an average, for the start of a zero part.
    fn zero(average: f64) -> f64 {
        (-average).exp()
    }

    /// Predictors beside the first from which a fit is begun once more; none where one start does.
    fn other_shapes(_y: &[f64], _average: f64) -> Option<[f64; K]> {
        None
    }

    /// Values of the predictors but for the first at which rows hardly vary but by their mean.
    fn simple(y: &[f64]) -> [Option<f64>; K];

    /// Typical size of the first predictor, where it has a unit of the response.
    fn unit(link: Link, y: &[f64]) -> f64 {
        let size = y.iter().map(|y| y.abs()).sum::<f64>() / y.len().max(1) as f64;
        if link.has_unit() && size > 0.0 {
            link.of_mean(size).abs()
        } else {
            1.0
        }
    }

    /// Standard deviation of random effects in the first predictor at the start.
    fn spread(_link: Link, _y: &[f64]) -> f64 {
        0.5
    }
}

/// Whether a density has a link.
type Allows = fn(Link) -> bool;
type Make = fn(Link, Zero, Option<Trials>) -> Arc<dyn Kernel>;

/// Numbers of trials of the rows in the caller's order, where weights are something else.
pub type Trials = Arc<[f64]>;

/// A density by name.
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// Number of its linear predictors, without a zero part.
    pub predictors: usize,
    allows: Allows,
    make: Make,
}

const fn named<D: Density<K>, const K: usize, const M: usize>(name: &'static str, allows: Allows) -> Named {
    Named { name, predictors: K, allows, make: made::<D, K, M> }
}

fn made<D: Density<K>, const K: usize, const M: usize>(
    link: Link,
    zero: Zero,
    trials: Option<Trials>,
) -> Arc<dyn Kernel> {
    if zero.has_predictor() {
        Arc::new(Component::<D, K, M>::new(link, zero, trials))
    } else {
        Arc::new(Component::<D, K, K>::new(link, zero, trials))
    }
}

fn counted(link: Link) -> bool {
    link.is_for_positive_means() || link == Link::Sqrt
}

fn positive(link: Link) -> bool {
    link.is_for_positive_means()
}

fn any(_: Link) -> bool {
    true
}

/// The densities of the core.
pub static NAMES: &[Named] = &[
    named::<counts::Poisson, 1, 2>("poisson", counted),
    named::<counts::NegativeBinomial2, 2, 3>("nbinom2", counted),
    named::<counts::NegativeBinomial1, 2, 3>("nbinom1", counted),
    named::<counts::GeneralizedPoisson, 2, 3>("genpois", counted),
    named::<compois::ConwayMaxwellPoisson, 2, 3>("compois", counted),
    named::<binomial::Binomial, 1, 2>("binomial", Link::is_for_probabilities),
    named::<proportions::BetaBinomial, 2, 3>("betabinomial", Link::is_for_probabilities),
    named::<proportions::Beta, 2, 3>("beta", Link::is_for_probabilities),
    named::<proportions::OrderedBeta, 4, 5>("ordbeta", Link::is_for_probabilities),
    named::<proportions::ZeroOneInflatedBeta, 4, 5>("zoib", Link::is_for_probabilities),
    named::<positive::Gamma, 2, 3>("gamma", positive),
    named::<positive::LogNormal, 2, 3>("lognormal", any),
    named::<positive::LogNormalResponse, 2, 3>("lognormal_response", positive),
    named::<tweedie::Tweedie, 3, 4>("tweedie", positive),
    named::<real::Gaussian, 2, 3>("gaussian", any),
    named::<real::StudentT, 3, 4>("t", any),
    named::<real::SkewNormal, 3, 4>("skewnormal", any),
];

/// The kernel of a density and what is made of it; none where the density or its link is unknown.
/// Numbers of trials stand in the weights where they are not given.
pub fn kernel(name: &str, link: Link, zero: Zero, trials: Option<Trials>) -> Option<Arc<dyn Kernel>> {
    NAMES.iter().find(|n| n.name == name && (n.allows)(link)).map(|n| (n.make)(link, zero, trials))
}
