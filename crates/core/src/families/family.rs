//! What the engine sees of a family: batches of rows, their derivatives and the extra parameters.
//!
//! A row with response y and prior weight w contributes l(eta, extras). Derivatives with respect to
//! an extra parameter are with respect to its coordinate (a positive parameter's logarithm). What
//! depends on y and the extra parameters alone is kept apart ([`Family::free_part`]): it need not
//! be computed at every step.

use super::kernel::Kernel;
use crate::rng::Rng;

/// The scale on which an extra parameter moves during a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinate {
    /// The parameter itself.
    Identity,
    /// Its logarithm.
    Log,
}

/// Logarithms that a coordinate can have: beyond them the parameter is infinite or zero for all
/// purposes.
const LOG_LIMIT: f64 = 300.0;

impl Coordinate {
    /// Coordinate of a value.
    pub fn of(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Log => value.ln(),
        }
    }

    /// Value at a coordinate.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Log => x.clamp(-LOG_LIMIT, LOG_LIMIT).exp(),
        }
    }
}

/// An extra parameter of a family: one number for all rows that is estimated with the fixed
/// effects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extra {
    /// Its name in messages.
    pub name: &'static str,
    /// The scale on which it moves.
    pub coordinate: Coordinate,
    /// Its values lie strictly between this
    pub lower: f64,
    /// and this.
    pub upper: f64,
    /// Whether it is a scale (standard deviation) of the response, which reports call sigma.
    pub is_scale: bool,
}

impl Extra {
    /// A positive parameter that is no scale.
    pub const fn positive(name: &'static str) -> Self {
        Extra { name, coordinate: Coordinate::Log, lower: 0.0, upper: f64::INFINITY, is_scale: false }
    }

    /// The standard deviation of a response of mean 1.
    pub const SIGMA: Self = Extra { is_scale: true, ..Self::positive("sigma") };

    /// Whether it can have the value.
    pub fn allows(&self, value: f64) -> bool {
        value.is_finite() && self.lower < value && value < self.upper
    }
}

/// Rows handed to a family with K linear predictors and E extra parameters.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Responses (for the binomial family, proportions).
    pub y: &'a [f64],
    /// Prior weights (for the binomial family, numbers of trials).
    pub w: &'a [f64],
    /// Linear predictors: those of all rows for the first, then for the next.
    pub eta: &'a [f64],
    /// Extra parameters (E numbers).
    pub extras: &'a [f64],
}

/// First-order results, one entry per row. A family with K predictors fills K, K (K + 1) / 2 and K
/// (K + 1) (K + 2) / 6 such vectors of first, second and third derivatives, one after the other,
/// index pairs and triples in ascending order.
pub struct Derivatives<'a> {
    /// Log-likelihood without its part that is free of eta.
    pub l: &'a mut [f64],
    /// dl/deta.
    pub r: &'a mut [f64],
    /// -d2l/deta2.
    pub wo: &'a mut [f64],
    /// Derivative of `wo` with respect to eta.
    pub dwo: &'a mut [f64],
}

/// Second-order results: expected weights, and derivatives with respect to the coordinates of the
/// extra parameters. The latter hold the vector of the first extra parameter, then that of the
/// next: E n entries.
pub struct MoreDerivatives<'a> {
    /// Expected weight.
    pub w: &'a mut [f64],
    /// Its derivative with respect to eta.
    pub dw: &'a mut [f64],
    /// Its derivatives with respect to the extra parameters.
    pub w_d: &'a mut [f64],
    /// Those of l, without the part free of eta.
    pub l_d: &'a mut [f64],
    /// Those of r.
    pub r_d: &'a mut [f64],
    /// Those of `wo`.
    pub wo_d: &'a mut [f64],
}

/// The distribution of a response given its linear predictors and E extra parameters. A family from
/// outside is one more implementation; those of the core are a
/// [`Distribution`](super::Distribution) with a link.
pub trait Family: Send + Sync {
    /// Number K of linear predictors per row.
    fn predictors(&self) -> usize {
        1
    }
    /// The kernel of rows with several linear predictors; none for the families of one.
    fn kernel(&self) -> Option<&dyn Kernel> {
        None
    }
    /// The E extra parameters. The first is the dispersion: the one that the spread of responses
    /// about their mean determines.
    fn extras(&self) -> &[Extra];
    /// Whether expected and observed weights agree for every y.
    fn is_canonical(&self) -> bool;
    /// Log-likelihood and derivatives. A linear predictor outside the range of the link gives a
    /// log-likelihood that is not finite.
    fn derivatives(&self, b: Batch<'_>, out: Derivatives<'_>);
    /// Expected weights and derivatives with respect to the extra parameters.
    fn more_derivatives(&self, b: Batch<'_>, out: MoreDerivatives<'_>);
    /// The sum over rows of what is free of eta in the log-likelihood; its derivatives with respect
    /// to the coordinates of the extra parameters go into `d`.
    fn free_part(&self, y: &[f64], w: &[f64], extras: &[f64], d: &mut [f64]) -> f64;
    /// Mean of each row.
    fn means(&self, eta: &[f64], mu: &mut [f64]);
    /// Linear predictors near the data, from which a fit may start.
    fn start(&self, y: &[f64], w: &[f64], eta: &mut [f64]);
    /// Extra parameters to start from, given means.
    fn start_extras(&self, y: &[f64], w: &[f64], mu: &[f64], extras: &mut [f64]);
    /// Whether the linear predictor has no unit of its own (logarithms, odds), so that effects of
    /// order one are moderate.
    fn is_scale_free(&self) -> bool {
        true
    }
    /// Whether the linear predictor is measured in a unit of the response. Not for the square-root
    /// link: square roots of counts have standard deviation ½ whatever the mean.
    fn has_unit(&self) -> bool {
        !self.is_scale_free()
    }
    /// Whether calls are so dear that all rows should be handed over together.
    fn takes_all_rows(&self) -> bool {
        false
    }
    /// Whether responses can be drawn.
    fn can_draw(&self) -> bool {
        false
    }
    /// Draws responses at linear predictors; false where the family has no response of such a mean.
    fn draw(&self, _rng: &mut Rng, _eta: &[f64], _w: &[f64], _extras: &[f64], _y: &mut [f64]) -> bool {
        false
    }
    /// A message of a failure inside the family, if there was one.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// The part that is free of eta where rows count several times: weights `w` are numbers of trials
/// times that, and the number of ways is that of the trials. The family has no extra parameters.
pub fn ways_of_repeats(family: &dyn Family, y: &[f64], w: &[f64], repeats: &[f64]) -> f64 {
    let rows = y.iter().zip(w).zip(repeats);
    rows.map(|((y, w), r)| r * family.free_part(&[*y], &[w / r], &[], &mut [])).sum()
}
