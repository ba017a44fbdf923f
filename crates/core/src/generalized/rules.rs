//! The formulas of the families, one row at a time.
//!
//! A general family gives its log-likelihood and three derivatives in an inner variable (log mu for positive means, mu otherwise);
//! the derivatives of that variable with respect to eta turn them into those of l.

use super::elementary::{exp, ln_1p, ln_near};
use super::family::Family;
use super::link::Link;
use super::special::{gamma_normaliser, lgamma, log_minus_digamma, polygamma, polygamma_differences};

/// l and its derivatives with respect to eta.
pub struct Observed {
    pub l: f64,
    pub r: f64,
    pub wo: f64,
    pub dwo: f64,
}

/// Expected weights and derivatives with respect to log dispersion.
#[derive(Default)]
pub struct Second {
    pub w: f64,
    pub dw: f64,
    pub w_d: f64,
    pub l_d: f64,
    pub r_d: f64,
    pub wo_d: f64,
}

/// l and three derivatives in the inner variable.
pub type Inner = [f64; 4];

/// Chain rule: `t` holds the derivatives of the inner variable with respect to eta.
#[inline(always)]
pub fn observed(w: f64, f: Inner, t: [f64; 3]) -> Observed {
    let t11 = t[0] * t[0];
    Observed {
        l: w * f[0],
        r: w * f[1] * t[0],
        wo: -w * (f[2] * t11 + f[1] * t[1]),
        dwo: -w * (f[3] * t11 * t[0] + 3.0 * f[2] * t[0] * t[1] + f[1] * t[2]),
    }
}

#[inline(always)]
pub fn binomial_logit(y: f64, w: f64, eta: f64) -> Observed {
    let e = exp(-eta.abs());
    let t = 1.0 + e;
    let d = 1.0 / t;
    let (big, small) = (d, e * d);
    let up = eta >= 0.0;
    let mu = if up { big } else { small };
    let nu = if up { small } else { big };
    let v = w * (big * small);
    Observed {
        l: w * (y * eta - if up { eta } else { 0.0 } - ln_near(e, t, d)),
        r: w * (y * nu - (1.0 - y) * mu),
        wo: v,
        dwo: v * (nu - mu),
    }
}

#[inline(always)]
pub fn binomial(link: Link, y: f64, w: f64, eta: f64) -> Observed {
    let (a, b) = link.log_probabilities(eta);
    let (s, f) = (w * y, w * (1.0 - y));
    // 0 log 0 = 0
    let mix = |i: usize| (if s == 0.0 { 0.0 } else { s * a[i] }) + (if f == 0.0 { 0.0 } else { f * b[i] });
    let valid = if eta < 0.0 || link != Link::Log { 0.0 } else { f64::NAN };
    Observed { l: mix(0) + valid, r: mix(1), wo: -mix(2), dwo: -mix(3) }
}

#[inline(always)]
pub fn binomial_expected(link: Link, w: f64, eta: f64) -> Second {
    let (a, b) = link.log_probabilities(eta);
    Second { w: -w * a[1] * b[1], dw: -w * (a[2] * b[1] + a[1] * b[2]), ..Second::default() }
}

#[inline(always)]
pub fn poisson_log(y: f64, w: f64, eta: f64) -> Observed {
    let m = exp(eta);
    Observed { l: w * (y * eta - m), r: w * (y - m), wo: w * m, dwo: w * m }
}

#[inline(always)]
pub fn poisson_sqrt(y: f64, w: f64, eta: f64) -> Observed {
    if y == 0.0 {
        return Observed { l: -w * eta * eta, r: -2.0 * w * eta, wo: 2.0 * w, dwo: 0.0 };
    }
    let v = 1.0 / eta;
    Observed {
        l: w * (2.0 * y * eta.abs().ln() - eta * eta),
        r: 2.0 * w * (y * v - eta),
        wo: 2.0 * w * (y * v * v + 1.0),
        dwo: -4.0 * w * y * v * v * v,
    }
}

/// Negative binomial with size d in log mu.
#[inline(always)]
pub fn nbinom2(y: f64, tau: f64, d: f64) -> Inner {
    let mu = exp(tau);
    let ratio = mu / d;
    // shares of mu and d in mu + d
    let q = 1.0 / (1.0 + ratio);
    let p = ratio * q;
    let wo = q * p * (y + d);
    [y * tau - (d + y) * ln_1p(ratio), q * (y - mu), -wo, -wo * (q - p)]
}

/// Gamma in log mu.
#[inline(always)]
pub fn gamma(y: f64, tau: f64, d: f64) -> Inner {
    let p = 1.0 / (d * d);
    let t = y * exp(-tau);
    [-p * (tau + t), p * (t - 1.0), -p * t, p * t]
}

fn poisson(y: f64, tau: f64) -> Inner {
    let m = exp(tau);
    [if y == 0.0 { -m } else { y * tau - m }, y - m, -m, -m]
}

fn nbinom1(y: f64, tau: f64, d: f64) -> Inner {
    let s = (exp(tau) / d).clamp(1e-100, 1e100);
    let (g, a, b, c) = polygamma_differences(y, s);
    let a = a - d.ln_1p();
    let (sa, ssb) = (s * a, s * s * b);
    [g - s * d.ln_1p(), sa, sa + ssb, sa + 3.0 * ssb + s * s * s * c]
}

fn inverse_gaussian(y: f64, tau: f64, d: f64) -> Inner {
    let p = 1.0 / (d * d);
    let v = exp(-tau);
    let q = y * v * v;
    [-p * (0.5 * q - v), p * (q - v), p * (v - 2.0 * q), p * (4.0 * q - v)]
}

fn gaussian(y: f64, mu: f64, d: f64) -> Inner {
    let p = 1.0 / (d * d);
    [-0.5 * p * (y - mu).powi(2), p * (y - mu), -p, 0.0]
}

fn beta(y: f64, mu: f64, nu: f64, d: f64) -> Inner {
    let (a, b) = ((mu * d).max(1e-100), (nu * d).max(1e-100));
    let (pa, pb) = (polygamma(a), polygamma(b));
    let (ly, lz) = (y.ln(), (-y).ln_1p());
    [
        lgamma(d) - lgamma(a) - lgamma(b) + (a - 1.0) * ly + (b - 1.0) * lz,
        d * (ly - lz - pa.0 + pb.0),
        -d * d * (pa.1 + pb.1),
        -d * d * d * (pa.2 - pb.2),
    ]
}

/// l in the inner variable, and the derivatives of that variable.
pub fn general(family: Family, link: Link, y: f64, eta: f64, d: f64) -> (Inner, [f64; 3]) {
    match family {
        Family::Gaussian => {
            let (mu, _, t) = link.derivatives(eta);
            (gaussian(y, mu, d), t)
        }
        Family::Beta => {
            let (mu, nu, t) = link.derivatives(eta);
            (beta(y, mu, nu, d), t)
        }
        _ => {
            let [tau, t1, t2, t3] = link.log_mean(eta);
            let f = match family {
                Family::Poisson => poisson(y, tau),
                Family::NegativeBinomial2 => nbinom2(y, tau, d),
                Family::NegativeBinomial1 => nbinom1(y, tau, d),
                Family::Gamma => gamma(y, tau, d),
                _ => inverse_gaussian(y, tau, d),
            };
            (f, [t1, t2, t3])
        }
    }
}

/// In the inner variable: expected information i, its derivatives in the variable and in log d, and the derivatives of l, l', l''
/// with respect to log d.
fn general_inner_second(family: Family, y: f64, v: f64, nu: f64, d: f64) -> [f64; 6] {
    // where the log-likelihood is p times a function of y and mu, p = 1 / d^2
    let scaled = |i: f64, i1: f64, f: Inner| [i, i1, -2.0 * i, -2.0 * f[0], -2.0 * f[1], -2.0 * f[2]];
    match family {
        Family::Gaussian => scaled(1.0 / (d * d), 0.0, gaussian(y, v, d)),
        Family::Gamma => scaled(1.0 / (d * d), 0.0, gamma(y, v, d)),
        Family::InverseGaussian => {
            let i = exp(-v) / (d * d);
            scaled(i, -i, inverse_gaussian(y, v, d))
        }
        Family::NegativeBinomial2 => {
            let mu = exp(v);
            let ratio = mu / d;
            let q = 1.0 / (1.0 + ratio);
            let p = ratio * q;
            [
                q * mu,
                q * q * mu,
                d * p * p,
                -d * ratio.ln_1p() + (d + y) * p,
                p * q * (y - mu),
                -p * q * (y * (p - q) + 2.0 * d * p),
            ]
        }
        Family::NegativeBinomial1 => {
            let mu = exp(v);
            let s = (mu / d).clamp(1e-100, 1e100);
            let (_, a, b, c) = polygamma_differences(y, s);
            let a = a - d.ln_1p();
            let (sa, ssb) = (s * a, s * s * b);
            let i = mu / (1.0 + d);
            let l1 = -sa - ssb - i;
            [i, i, -i * d / (1.0 + d), -sa - i, l1, l1 - 2.0 * ssb - s * s * s * c]
        }
        Family::Beta => {
            let (a, b) = ((v * d).max(1e-100), (nu * d).max(1e-100));
            let (pa, pb) = (polygamma(a), polygamma(b));
            let (ly, lz) = (y.ln(), (-y).ln_1p());
            let i = d * d * (pa.1 + pb.1);
            let i_d = 2.0 * i + d * d * (a * pa.2 + b * pb.2);
            let l1 = d * (ly - lz - pa.0 + pb.0);
            [
                i,
                d * d * d * (pa.2 - pb.2),
                i_d,
                d * (polygamma(d).0 - v * pa.0 - nu * pb.0 + v * ly + nu * lz),
                l1 + d * (b * pb.1 - a * pa.1),
                -i_d,
            ]
        }
        Family::Poisson | Family::Binomial => {
            let mu = exp(v);
            [mu, mu, 0.0, 0.0, 0.0, 0.0]
        }
    }
}

/// Expected weights and derivatives with respect to log dispersion, any family but the binomial.
pub fn general_second(family: Family, link: Link, y: f64, w: f64, eta: f64, d: f64) -> Second {
    let (v, nu, t) = match family {
        Family::Gaussian | Family::Beta => link.derivatives(eta),
        _ => {
            let [tau, t1, t2, t3] = link.log_mean(eta);
            (tau, 0.0, [t1, t2, t3])
        }
    };
    let [i, i1, i_d, l_d, l1_d, l2_d] = general_inner_second(family, y, v, nu, d);
    let t11 = t[0] * t[0];
    Second {
        w: w * i * t11,
        dw: w * (i1 * t11 * t[0] + 2.0 * i * t[0] * t[1]),
        w_d: w * i_d * t11,
        l_d: w * l_d,
        r_d: w * l1_d * t[0],
        wo_d: -w * (l2_d * t11 + l1_d * t[1]),
    }
}

/// What is free of eta in the log-likelihood of one row (per unit of weight but for the binomial), and its derivative with respect
/// to log d.
pub fn free(family: Family, y: f64, w: f64, d: f64) -> (f64, f64) {
    let log_2pi = (2.0 * std::f64::consts::PI).ln();
    match family {
        Family::Binomial => {
            let s = w * y;
            let f = w - s;
            if s == 0.0 || f == 0.0 {
                (0.0, 0.0)
            } else {
                (lgamma(w + 1.0) - lgamma(s + 1.0) - lgamma(f + 1.0), 0.0)
            }
        }
        Family::Poisson => (-lgamma(y + 1.0), 0.0),
        Family::NegativeBinomial2 => {
            let (g, a, ..) = polygamma_differences(y, d);
            (g - y * d.ln() - lgamma(y + 1.0), d * a - y)
        }
        Family::NegativeBinomial1 => {
            let share = 1.0 / (1.0 + d);
            ((if y == 0.0 { 0.0 } else { -y * (1.0 / d).ln_1p() }) - lgamma(y + 1.0), y * share)
        }
        Family::Gamma => {
            // p log p - p - lgamma(p) - log y + p (log y + 1), the last against p (tau + t) in the rest
            let p = 1.0 / (d * d);
            (gamma_normaliser(p) - y.ln() + p * (y.ln() + 1.0), -2.0 * p * (log_minus_digamma(p) + y.ln() + 1.0))
        }
        Family::InverseGaussian => {
            let p = 1.0 / (d * d);
            (-0.5 * (log_2pi + 3.0 * y.ln()) - d.ln() - 0.5 * p / y, -1.0 + p / y)
        }
        Family::Gaussian => (-0.5 * log_2pi - d.ln(), -1.0),
        Family::Beta => (0.0, 0.0),
    }
}
