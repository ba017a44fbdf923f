//! Link functions: the inverse and its derivatives with respect to the linear predictor.

use super::elementary::{exp, ln_1p};
use super::special::log_normal_cdf;

/// The links that a model can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// log(mu / (1 - mu)).
    Logit,
    /// Normal quantile.
    Probit,
    /// log(-log(1 - mu)).
    Cloglog,
    /// -log(-log(mu)).
    Loglog,
    /// Cauchy quantile.
    Cauchit,
    /// log(mu).
    Log,
    /// mu.
    Identity,
    /// Square root of mu.
    Sqrt,
    /// 1 / mu.
    Inverse,
    /// 1 / mu^2.
    InverseSquare,
}

impl Link {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logit => "logit",
            Self::Probit => "probit",
            Self::Cloglog => "cloglog",
            Self::Loglog => "loglog",
            Self::Cauchit => "cauchit",
            Self::Log => "log",
            Self::Identity => "identity",
            Self::Sqrt => "sqrt",
            Self::Inverse => "inverse",
            Self::InverseSquare => "1/mu^2",
        }
    }

    /// The link of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.name() == name)
    }

    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Logit,
        Self::Probit,
        Self::Cloglog,
        Self::Loglog,
        Self::Cauchit,
        Self::Log,
        Self::Identity,
        Self::Sqrt,
        Self::Inverse,
        Self::InverseSquare,
    ];

    /// Whether the linear predictor has no unit of its own (logarithms, odds).
    pub fn is_scale_free(self) -> bool {
        self.is_for_probabilities() || self == Self::Log
    }

    /// Whether the linear predictor is measured in a unit of the response. Square roots of counts
    /// are not: their standard deviation is ½ whatever the mean.
    pub fn has_unit(self) -> bool {
        !self.is_scale_free() && self != Self::Sqrt
    }

    /// Whether it suits means that are positive without being counts.
    pub fn is_for_positive_means(self) -> bool {
        matches!(self, Self::Log | Self::Identity | Self::Inverse | Self::InverseSquare)
    }

    /// Whether it maps the interval (0, 1).
    pub fn is_for_probabilities(self) -> bool {
        matches!(self, Self::Logit | Self::Probit | Self::Cloglog | Self::Loglog | Self::Cauchit)
    }

    /// Mean at a linear predictor.
    pub fn mean(self, eta: f64) -> f64 {
        match self {
            Self::Log => exp(eta),
            Self::Identity => eta,
            Self::Sqrt => eta * eta,
            Self::Inverse => 1.0 / eta,
            Self::InverseSquare => 1.0 / eta.sqrt(),
            Self::Logit => {
                let e = exp(-eta.abs());
                if eta >= 0.0 {
                    1.0 / (1.0 + e)
                } else {
                    e / (1.0 + e)
                }
            }
            Self::Cauchit if eta < 0.0 => (-1.0 / eta).atan() / std::f64::consts::PI,
            Self::Cauchit => 0.5 + eta.atan() / std::f64::consts::PI,
            Self::Probit | Self::Cloglog | Self::Loglog => self.log_probabilities(eta).0[0].exp(),
        }
    }

    /// Linear predictor at a mean inside the range of the inverse.
    pub fn of_mean(self, mu: f64) -> f64 {
        match self {
            Self::Log => mu.ln(),
            Self::Identity => mu,
            Self::Sqrt => mu.sqrt(),
            Self::Inverse => 1.0 / mu,
            Self::InverseSquare => 1.0 / (mu * mu),
            Self::Logit => (mu / (1.0 - mu)).ln(),
            Self::Cloglog => (-(-mu).ln_1p()).ln(),
            Self::Loglog => -(-mu.ln()).ln(),
            Self::Cauchit => (std::f64::consts::PI * (mu - 0.5)).tan(),
            Self::Probit if mu > 0.5 => -self.of_mean(1.0 - mu),
            Self::Probit => {
                // Newton steps on log Phi, which is concave, from the logistic approximation
                let mut x = (mu / (1.0 - mu)).ln() / 1.702;
                for _ in 0..8 {
                    let (l, m) = log_normal_cdf(x);
                    x -= (l - mu.ln()) / m;
                }
                x
            }
        }
    }

    /// log mu and log(1 - mu), each with three derivatives. Precise in both tails. Probability
    /// links and log.
    #[inline(always)]
    pub fn log_probabilities(self, eta: f64) -> ([f64; 4], [f64; 4]) {
        match self {
            Self::Logit => {
                let e = exp(-eta.abs());
                let d = 1.0 / (1.0 + e);
                let (mu, nu) = if eta >= 0.0 { (d, e * d) } else { (e * d, d) };
                let s = ln_1p(e);
                let (a, b) = if eta >= 0.0 { (-s, -eta - s) } else { (eta - s, -s) };
                let v = mu * nu;
                let t = -v * (nu - mu);
                ([a, nu, -v, t], [b, -mu, -v, t])
            }
            Self::Probit => (normal_tail(eta), mirrored(normal_tail(-eta))),
            Self::Cloglog => complementary(eta),
            Self::Loglog => {
                let (a, b) = complementary(-eta);
                (mirrored(b), mirrored(a))
            }
            Self::Cauchit => (cauchy_tail(eta), mirrored(cauchy_tail(-eta))),
            _ => {
                // log link: valid for eta < 0
                let t = if eta < 0.0 { exp(eta) } else { f64::NAN };
                let b1 = -t / (1.0 - t);
                let b2 = b1 * (1.0 - b1);
                ([eta, 1.0, 0.0, 0.0], [(-t).ln_1p(), b1, b2, b2 * (1.0 - 2.0 * b1)])
            }
        }
    }

    /// log mu with three derivatives, for links of positive means; NaN outside their range.
    #[inline(always)]
    pub fn log_mean(self, eta: f64) -> [f64; 4] {
        let positive = if eta > 0.0 { eta } else { f64::NAN };
        match self {
            Self::Log => [eta, 1.0, 0.0, 0.0],
            Self::Sqrt => {
                let e = if eta.abs() < 1e-8 { 1e-8 } else { eta };
                let v = 1.0 / e;
                [2.0 * e.abs().ln(), 2.0 * v, -2.0 * v * v, 4.0 * v * v * v]
            }
            _ => {
                let factor = match self {
                    Self::Identity => 1.0,
                    Self::Inverse => -1.0,
                    _ => -0.5,
                };
                let v = 1.0 / positive;
                [factor * positive.ln(), factor * v, -factor * v * v, 2.0 * factor * v * v * v]
            }
        }
    }

    /// mu, 1 - mu (for probabilities) and three derivatives of mu.
    #[inline(always)]
    pub fn derivatives(self, eta: f64) -> (f64, f64, [f64; 3]) {
        match self {
            Self::Identity => (eta, 1.0 - eta, [1.0, 0.0, 0.0]),
            Self::Log => {
                let m = exp(eta);
                (m, 1.0 - m, [m, m, m])
            }
            Self::Inverse => {
                let m = 1.0 / eta;
                (m, 1.0 - m, [-m * m, 2.0 * m * m * m, -6.0 * m * m * m * m])
            }
            _ => {
                // from the derivatives of log mu
                let (a, b) = self.log_probabilities(eta);
                let mu = a[0].exp();
                let m1 = mu * a[1];
                let m2 = mu * (a[2] + a[1] * a[1]);
                let m3 = mu * (a[3] + 3.0 * a[1] * a[2] + a[1] * a[1] * a[1]);
                (mu, b[0].exp(), [m1, m2, m3])
            }
        }
    }
}

/// Derivatives of f(-x) from those of f at -x.
#[inline(always)]
fn mirrored(f: [f64; 4]) -> [f64; 4] {
    [f[0], -f[1], f[2], -f[3]]
}

fn normal_tail(eta: f64) -> [f64; 4] {
    let (l, m) = log_normal_cdf(eta);
    // eta + m cancels in the far left tail: m = -eta + 1/(-eta) - 2/(-eta)^3 + ...
    let sum = if eta < -50.0 {
        let v = -1.0 / eta;
        let z = v * v;
        v * (1.0 - z * (2.0 - z * (10.0 - 74.0 * z)))
    } else {
        eta + m
    };
    let d1 = -m * sum;
    [l, m, d1, -d1 * sum - m * (1.0 + d1)]
}

fn cauchy_tail(eta: f64) -> [f64; 4] {
    let mu = Link::Cauchit.mean(eta);
    let v = 1.0 / (1.0 + eta * eta);
    let m1 = v / std::f64::consts::PI;
    let a1 = m1 / mu;
    let q2 = -2.0 * eta * v; // m2 / m1
    let q3 = (6.0 * eta * eta - 2.0) * v * v;
    let a2 = a1 * (q2 - a1);
    let a3 = a1 * q3 - 3.0 * a1 * a2 - a1 * a1 * a1;
    [mu.ln(), a1, a2, a3]
}

/// Complementary log-log: log mu and log(1 - mu).
#[inline(always)]
fn complementary(eta: f64) -> ([f64; 4], [f64; 4]) {
    let t = exp(eta);
    let minus = (-t).exp_m1();
    // g = t / (e^t - 1)
    let (a, g) = if t < 1e-14 { (eta, 1.0) } else { ((-minus).ln(), t * (1.0 + minus) / (-minus)) };
    let c = if t < 1e-5 { -0.5 * t - t * t / 12.0 } else { 1.0 - t - g };
    let a2 = g * c;
    let a3 = if g == 0.0 { 0.0 } else { a2 * c + g * (-t - a2) };
    let a2 = if g == 0.0 { 0.0 } else { a2 };
    ([a, g, a2, a3], [-t, -t, -t, -t])
}

#[cfg(test)]
mod tests {
    use super::Link;

    #[test]
    fn derivatives_equal_differences() {
        let check = |name: Link, f: &dyn Fn(f64) -> [f64; 4], at: f64| {
            let h = 1e-4;
            for d in 0..3 {
                let want =
                    (8.0 * (f(at + h)[d] - f(at - h)[d]) - (f(at + 2.0 * h)[d] - f(at - 2.0 * h)[d])) / (12.0 * h);
                let got = f(at)[d + 1];
                assert!((got - want).abs() < 2e-9 * (1.0 + want.abs()), "{name:?} {at} {d}: {got} {want}");
            }
        };
        for link in [Link::Logit, Link::Probit, Link::Cloglog, Link::Loglog, Link::Cauchit] {
            for at in [-30.0, -8.0, -2.0, -0.3, 0.4, 1.9, 3.0, 7.0] {
                if !(matches!(link, Link::Cloglog) && at > 4.0 || matches!(link, Link::Loglog) && at < -4.0) {
                    check(link, &|e| link.log_probabilities(e).0, at);
                    check(link, &|e| link.log_probabilities(e).1, at);
                }
                let mu = link.mean(at);
                if mu > 1e-4 && mu < 1.0 - 1e-4 {
                    assert!((link.of_mean(mu) - at).abs() < 1e-9, "{link:?} {at}");
                }
            }
            for at in [-700.0, 700.0] {
                let (a, b) = link.log_probabilities(at);
                assert!(a.iter().chain(&b).all(|v| v.is_finite()), "{link:?} {at} {a:?} {b:?}");
            }
        }
        check(Link::Log, &|e| Link::Log.log_probabilities(e).1, -1.3);
        for link in [Link::Log, Link::Sqrt, Link::Identity, Link::Inverse, Link::InverseSquare] {
            check(link, &|e| link.log_mean(e), 1.7);
        }
    }
}
