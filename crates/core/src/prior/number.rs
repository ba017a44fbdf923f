//! Densities of one positive number: a standard deviation, a variance, the parameter of a family.

use super::LOG_2PI;
use crate::families::lgamma;

/// A density.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OfNumber {
    /// Of shape and rate; rate 0 is the improper t^(shape - 1).
    Gamma {
        /// Shape.
        shape: f64,
        /// Rate.
        rate: f64,
    },
    /// Of shape and scale.
    InverseGamma {
        /// Shape.
        shape: f64,
        /// Scale.
        scale: f64,
    },
    /// Student's t folded at zero; infinite degrees of freedom make it the half-normal.
    HalfT {
        /// Degrees of freedom.
        df: f64,
        /// Scale.
        scale: f64,
    },
    /// Normal, on the whole line.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        sd: f64,
    },
    /// Student's t, on the whole line.
    StudentT {
        /// Degrees of freedom.
        df: f64,
        /// Mean.
        mean: f64,
        /// Scale.
        scale: f64,
    },
}

impl OfNumber {
    /// -2 log density and its derivative; infinite where the density is zero.
    pub fn penalty(&self, t: f64) -> (f64, f64) {
        match *self {
            OfNumber::Gamma { shape, rate } => {
                let log = if shape == 1.0 { 0.0 } else { (shape - 1.0) * t.ln() };
                let constant = if rate > 0.0 { shape * rate.ln() - lgamma(shape) } else { 0.0 };
                let slope = if shape == 1.0 { 0.0 } else { (shape - 1.0) / t };
                (-2.0 * (constant + log - rate * t), -2.0 * (slope - rate))
            }
            OfNumber::InverseGamma { shape, scale } => {
                if t <= 0.0 {
                    return (f64::INFINITY, 0.0);
                }
                let log = shape * scale.ln() - lgamma(shape) - (shape + 1.0) * t.ln() - scale / t;
                (-2.0 * log, 2.0 * ((shape + 1.0) / t - scale / (t * t)))
            }
            OfNumber::HalfT { df, scale } => {
                let (v, d) = student(t / scale, df);
                (v + 2.0 * scale.ln() - 2.0 * std::f64::consts::LN_2, d / scale)
            }
            OfNumber::Normal { mean, sd } => {
                let z = (t - mean) / sd;
                (z * z + LOG_2PI + 2.0 * sd.ln(), 2.0 * z / sd)
            }
            OfNumber::StudentT { df, mean, scale } => {
                let (v, d) = student((t - mean) / scale, df);
                (v + 2.0 * scale.ln(), d / scale)
            }
        }
    }
}

/// -2 log density of Student's t and its derivative.
fn student(z: f64, df: f64) -> (f64, f64) {
    if df.is_infinite() {
        return (z * z + LOG_2PI, 2.0 * z);
    }
    let constant = lgamma(0.5 * (df + 1.0)) - lgamma(0.5 * df) - 0.5 * (df * std::f64::consts::PI).ln();
    (-2.0 * constant + (df + 1.0) * (z * z / df).ln_1p(), 2.0 * (df + 1.0) * z / (df + z * z))
}

/// A prior of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberPrior {
    /// Its density.
    pub law: OfNumber,
    /// What it is the density of.
    pub of: Scale,
}

/// A function of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// The number itself.
    Itself,
    /// Its square.
    Square,
    /// Its logarithm.
    Log,
    /// The exponential of a multiple of it.
    Exponential(f64),
}

impl NumberPrior {
    /// -2 log density at a number and the derivative by the number; no Jacobian.
    pub fn penalty(&self, t: f64) -> (f64, f64) {
        match self.of {
            Scale::Itself => self.law.penalty(t),
            Scale::Square => {
                let (v, d) = self.law.penalty(t * t);
                (v, 2.0 * t * d)
            }
            Scale::Log => {
                let (v, d) = self.law.penalty(t.ln());
                (v, d / t)
            }
            Scale::Exponential(by) => {
                let e = (by * t).exp();
                let (v, d) = self.law.penalty(e);
                (v, by * e * d)
            }
        }
    }
}
