//! Families: the log-likelihood of a batch of rows and its derivatives with respect to the linear predictor and the dispersion.
//!
//! A row with response y and prior weight w contributes l(eta, d). Derivatives with respect to the dispersion are with respect to
//! log d. What depends on y and d alone is kept apart ([`Kernel::free`]): it need not be computed at every step.

use super::draw;
use super::link::Link;
use super::rules::{self, Observed, Second};
use crate::blocks::kernels::vectorised;
use crate::rng::Rng;

/// Rows handed to a kernel.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Responses (for the binomial family, proportions).
    pub y: &'a [f64],
    /// Prior weights (for the binomial family, numbers of trials).
    pub w: &'a [f64],
    /// Linear predictors.
    pub eta: &'a [f64],
    /// Dispersion.
    pub dispersion: f64,
}

/// First-order results, one entry per row.
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

/// Second-order results: expected weights, and derivatives with respect to the logarithm of the dispersion.
pub struct MoreDerivatives<'a> {
    /// Expected weight.
    pub w: &'a mut [f64],
    /// Its derivative with respect to eta.
    pub dw: &'a mut [f64],
    /// Its derivative with respect to log dispersion.
    pub w_d: &'a mut [f64],
    /// dl/dlog d, without the part free of eta.
    pub l_d: &'a mut [f64],
    /// dr/dlog d.
    pub r_d: &'a mut [f64],
    /// dwo/dlog d.
    pub wo_d: &'a mut [f64],
}

/// What a family computes for rows. A family from outside is one more implementation.
pub trait Kernel: Send + Sync {
    /// Whether a dispersion is estimated.
    fn has_dispersion(&self) -> bool;
    /// Whether expected and observed weights agree for every y.
    fn is_canonical(&self) -> bool;
    /// Log-likelihood and derivatives. A linear predictor outside the range of the link gives a log-likelihood that is not finite.
    fn derivatives(&self, b: Batch<'_>, out: Derivatives<'_>);
    /// Expected weights and derivatives with respect to the dispersion.
    fn more_derivatives(&self, b: Batch<'_>, out: MoreDerivatives<'_>);
    /// The sum over rows of what is free of eta in the log-likelihood, and its derivative with respect to log dispersion.
    fn free(&self, y: &[f64], w: &[f64], dispersion: f64) -> (f64, f64);
    /// Mean of each row.
    fn means(&self, eta: &[f64], mu: &mut [f64]);
    /// Linear predictors near the data, from which a fit may start.
    fn start(&self, y: &[f64], w: &[f64], eta: &mut [f64]);
    /// A dispersion to start from, given means.
    fn start_dispersion(&self, y: &[f64], w: &[f64], mu: &[f64]) -> f64;
    /// Whether the linear predictor has no unit of its own (logarithms, odds), so that effects of order one are moderate.
    fn is_scale_free(&self) -> bool {
        true
    }
    /// Whether the linear predictor is measured in a unit of the response: that of its square root is not, as counts scatter by a half there
    /// whatever their mean.
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
    fn draw(&self, _stream: &mut Rng, _eta: &[f64], _w: &[f64], _dispersion: f64, _y: &mut [f64]) -> bool {
        false
    }
    /// A message of a failure inside the kernel, if there was one.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// The built-in families. The dispersion d of each is that of the variance given here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// mu (1 - mu) / w; y is a proportion of w trials.
    Binomial,
    /// mu.
    Poisson,
    /// mu + mu^2 / d.
    NegativeBinomial2,
    /// mu (1 + d).
    NegativeBinomial1,
    /// d^2 mu^2.
    Gamma,
    /// d^2 mu^3.
    InverseGaussian,
    /// d^2.
    Gaussian,
    /// mu (1 - mu) / (1 + d).
    Beta,
}

impl Family {
    /// The family of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "binomial" => Self::Binomial,
            "poisson" => Self::Poisson,
            "nbinom2" => Self::NegativeBinomial2,
            "nbinom1" => Self::NegativeBinomial1,
            "gamma" => Self::Gamma,
            "inverse_gaussian" => Self::InverseGaussian,
            "gaussian" => Self::Gaussian,
            "beta" => Self::Beta,
            _ => return None,
        })
    }

    /// Whether the link makes sense for the family.
    pub fn allows(self, link: Link) -> bool {
        match self {
            Self::Binomial => link.is_for_probabilities() || link == Link::Log,
            Self::Beta => link.is_for_probabilities(),
            Self::Gaussian => matches!(link, Link::Log | Link::Identity | Link::Inverse),
            Self::Poisson | Self::NegativeBinomial1 | Self::NegativeBinomial2 => {
                matches!(link, Link::Log | Link::Sqrt | Link::Identity)
            }
            Self::Gamma | Self::InverseGaussian => {
                matches!(link, Link::Log | Link::Identity | Link::Inverse | Link::InverseSquare)
            }
        }
    }
}

/// A built-in family with a link.
#[derive(Clone, Copy, Debug)]
pub struct FamilyLink {
    /// The family.
    pub family: Family,
    /// The link.
    pub link: Link,
}

#[inline(always)]
fn each(b: Batch<'_>, out: Derivatives<'_>, f: impl Fn(f64, f64, f64) -> Observed) {
    vectorised(
        #[inline(always)]
        || {
            let n = b.eta.len();
            let (y, w, eta) = (&b.y[..n], &b.w[..n], &b.eta[..n]);
            let (l, r, wo, dwo) = (&mut out.l[..n], &mut out.r[..n], &mut out.wo[..n], &mut out.dwo[..n]);
            for i in 0..n {
                let o = f(y[i], w[i], eta[i]);
                l[i] = o.l;
                r[i] = o.r;
                wo[i] = o.wo;
                dwo[i] = o.dwo;
            }
        },
    );
}

#[inline(always)]
fn each_more(b: Batch<'_>, out: MoreDerivatives<'_>, f: impl Fn(f64, f64, f64) -> Second) {
    for i in 0..b.eta.len() {
        let o = f(b.y[i], b.w[i], b.eta[i]);
        out.w[i] = o.w;
        out.dw[i] = o.dw;
        out.w_d[i] = o.w_d;
        out.l_d[i] = o.l_d;
        out.r_d[i] = o.r_d;
        out.wo_d[i] = o.wo_d;
    }
}

impl Kernel for FamilyLink {
    fn has_dispersion(&self) -> bool {
        !matches!(self.family, Family::Binomial | Family::Poisson)
    }

    fn is_canonical(&self) -> bool {
        matches!(
            (self.family, self.link),
            (Family::Binomial, Link::Logit) | (Family::Poisson, Link::Log) | (Family::Gaussian, Link::Identity)
        )
    }

    fn is_scale_free(&self) -> bool {
        self.link.is_for_probabilities() || self.link == Link::Log
    }

    fn has_unit(&self) -> bool {
        !self.is_scale_free() && self.link != Link::Sqrt
    }

    fn derivatives(&self, b: Batch<'_>, out: Derivatives<'_>) {
        let (link, d) = (self.link, b.dispersion);
        match (self.family, link) {
            (Family::Binomial, Link::Logit) => each(b, out, rules::binomial_logit),
            (Family::Binomial, _) => each(b, out, |y, w, e| rules::binomial(link, y, w, e)),
            (Family::Poisson, Link::Log) => each(b, out, rules::poisson_log),
            (Family::Poisson, Link::Sqrt) => each(b, out, rules::poisson_sqrt),
            (Family::NegativeBinomial2, Link::Log) => {
                each(b, out, |y, w, e| rules::observed(w, rules::nbinom2(y, e, d), [1.0, 0.0, 0.0]))
            }
            (Family::Gamma, Link::Log) => {
                each(b, out, |y, w, e| rules::observed(w, rules::gamma(y, e, d), [1.0, 0.0, 0.0]))
            }
            (family, _) => each(b, out, |y, w, e| {
                let (t, d) = rules::general(family, link, y, e, d);
                rules::observed(w, t, d)
            }),
        }
    }

    fn more_derivatives(&self, b: Batch<'_>, out: MoreDerivatives<'_>) {
        let (family, link, d) = (self.family, self.link, b.dispersion);
        match family {
            Family::Binomial => each_more(b, out, |_, w, e| rules::binomial_expected(link, w, e)),
            Family::Poisson if link == Link::Sqrt => {
                each_more(b, out, |_, w, _| Second { w: 4.0 * w, ..Second::default() })
            }
            _ => each_more(b, out, |y, w, e| rules::general_second(family, link, y, w, e, d)),
        }
    }

    fn free(&self, y: &[f64], w: &[f64], d: f64) -> (f64, f64) {
        let mut total = (0.0, 0.0);
        let mut known: Vec<Option<(f64, f64)>> = vec![None; 256];
        for (&y, &w) in y.iter().zip(w) {
            // counts repeat
            let count = self.family != Family::Binomial && (0.0..256.0).contains(&y) && y.fract() == 0.0;
            let (l, l_d) = match (count, known.get(y as usize)) {
                (true, Some(Some(v))) => *v,
                _ => {
                    let v = rules::free(self.family, y, w, d);
                    if count {
                        known[y as usize] = Some(v);
                    }
                    v
                }
            };
            let factor = if self.family == Family::Binomial { 1.0 } else { w };
            total.0 += factor * l;
            total.1 += factor * l_d;
        }
        total
    }

    fn means(&self, eta: &[f64], mu: &mut [f64]) {
        mu.iter_mut().zip(eta).for_each(|(m, &e)| *m = self.link.mean(e));
    }

    fn can_draw(&self) -> bool {
        true
    }

    fn draw(&self, stream: &mut Rng, eta: &[f64], w: &[f64], dispersion: f64, y: &mut [f64]) -> bool {
        y.iter_mut().zip(eta).zip(w).all(|((y, &e), &w)| {
            match draw::response(self.family, stream, self.link.mean(e), w, dispersion) {
                Some(v) => {
                    *y = v;
                    true
                }
                None => false,
            }
        })
    }

    fn start(&self, y: &[f64], w: &[f64], eta: &mut [f64]) {
        let mean = y.iter().sum::<f64>() / y.len().max(1) as f64;
        for ((e, &y), &w) in eta.iter_mut().zip(y).zip(w) {
            let mu = match self.family {
                Family::Binomial => (w * y + 0.5) / (w + 1.0),
                Family::Beta => y.clamp(1e-3, 1.0 - 1e-3),
                Family::Poisson => y + 0.1,
                Family::NegativeBinomial1 | Family::NegativeBinomial2 => {
                    if y > 0.0 {
                        y
                    } else {
                        (0.2 * mean).clamp(1e-3, 0.2)
                    }
                }
                Family::Gaussian if self.link == Link::Log => y.max(1e-3 * mean.abs().max(1e-300)),
                Family::Gaussian if self.link == Link::Inverse && y == 0.0 => mean,
                _ => y,
            };
            let mu = if self.family == Family::Binomial && self.link == Link::Log { mu.min(0.95) } else { mu };
            *e = self.link.of_mean(mu);
        }
    }

    fn start_dispersion(&self, y: &[f64], w: &[f64], mu: &[f64]) -> f64 {
        let n = y.len() as f64;
        let mean = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            let total: f64 = w.iter().sum();
            y.iter().zip(mu).zip(w).map(|((&y, &m), &w)| w * f(y, m)).sum::<f64>() / total
        };
        match self.family {
            Family::Binomial | Family::Poisson => 1.0,
            Family::Gaussian => mean(&|y, m| (y - m).powi(2)).sqrt().max(1e-8 * mean(&|y, _| y.abs())).max(1e-150),
            Family::Gamma => mean(&|y, m| ((y - m) / m).powi(2)).sqrt().clamp(1e-3, 10.0),
            Family::InverseGaussian => mean(&|y, m| (y - m).powi(2) / m.powi(3)).sqrt().max(1e-8),
            Family::NegativeBinomial2 => {
                let excess = mean(&|y, m| ((y - m).powi(2) - m) / (m * m));
                (1.0 / excess.max(1.0 / n.sqrt())).clamp(0.05, 100.0)
            }
            Family::NegativeBinomial1 => (mean(&|y, m| (y - m).powi(2) / m) - 1.0).clamp(0.05, 100.0),
            Family::Beta => (1.0 / mean(&|y, m| (y - m).powi(2) / (m * (1.0 - m))) - 1.0).clamp(0.2, 1e4),
        }
    }
}
