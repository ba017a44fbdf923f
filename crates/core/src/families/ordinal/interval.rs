//! The probability of an interval of a latent variable, its logarithm and derivatives, without a
//! difference of distribution functions that would cancel.

use super::super::special::log_normal_cdf;
use super::super::Link;

/// log P of V < latent <= U and what its derivatives are made of: density and its first two
/// derivatives at both ends, divided by P; zero at an infinite end.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// log P; minus infinity where the ends are not in order.
    pub l: f64,
    /// f, f', f'' at U over P.
    pub upper: [f64; 3],
    /// The same at V.
    pub lower: [f64; 3],
}

/// log(1 - e^x) for x <= 0.
fn log1mexp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 {
        (-x.exp_m1()).ln()
    } else {
        (-x.exp()).ln_1p()
    }
}

/// log of the logistic distribution function.
fn log_sigma(x: f64) -> f64 {
    if x > 0.0 {
        -(-x).exp().ln_1p()
    } else {
        x - x.exp().ln_1p()
    }
}

/// log F(U) - F(V) for ends in order.
fn log_probability(link: Link, u: f64, v: f64) -> f64 {
    match link {
        Link::Logit => log_sigma(u) + log_sigma(-v) + log1mexp(v - u),
        Link::Probit => {
            // the tail that is nearer
            let (a, b) = if u + v <= 0.0 { (u, v) } else { (-v, -u) };
            let (upper, lower) = (log_normal(a), log_normal(b));
            if lower == f64::NEG_INFINITY {
                upper
            } else {
                upper + log1mexp(lower - upper)
            }
        }
        Link::Cloglog => {
            if u == f64::INFINITY {
                return -v.exp();
            }
            if v == f64::NEG_INFINITY {
                return log1mexp(-u.exp());
            }
            let e = v.exp();
            -e + log1mexp(-e * (u - v).exp_m1())
        }
        Link::Loglog => {
            if v == f64::NEG_INFINITY {
                return -(-u).exp();
            }
            if u == f64::INFINITY {
                return log1mexp(-(-v).exp());
            }
            let e = (-u).exp();
            -e + log1mexp(-e * (u - v).exp_m1())
        }
        _ => {
            let p = if v == f64::NEG_INFINITY {
                1f64.atan2(-u)
            } else if u == f64::INFINITY {
                1f64.atan2(v)
            } else {
                (u - v).atan2(1.0 + u * v)
            };
            (p * std::f64::consts::FRAC_1_PI).ln()
        }
    }
}

fn log_normal(x: f64) -> f64 {
    if x == f64::INFINITY {
        0.0
    } else if x == f64::NEG_INFINITY {
        x
    } else {
        log_normal_cdf(x).0
    }
}

/// log f, f'/f and f''/f.
fn density(link: Link, t: f64) -> (f64, f64, f64) {
    match link {
        Link::Logit => {
            let a = -(0.5 * t).tanh();
            let l = log_sigma(t) + log_sigma(-t);
            (l, a, a * a - 2.0 * l.exp())
        }
        Link::Probit => (-0.5 * t * t - 0.918_938_533_204_672_7, -t, t * t - 1.0),
        Link::Cloglog => {
            let e = t.exp();
            (t - e, 1.0 - e, (1.0 - e) * (1.0 - e) - e)
        }
        Link::Loglog => {
            let e = (-t).exp();
            (-t - e, e - 1.0, (e - 1.0) * (e - 1.0) - e)
        }
        _ => {
            let s = 1.0 + t * t;
            (-(std::f64::consts::PI * s).ln(), -2.0 * t / s, (6.0 * t * t - 2.0) / (s * s))
        }
    }
}

/// Ends beyond this are left to logarithms: products of their probabilities vanish.
const FAR: f64 = 300.0;

impl Interval {
    /// Between V and U, either of which may be infinite, of a latent variable with the distribution
    /// function of a link.
    pub fn of(link: Link, u: f64, v: f64) -> Self {
        let none = [0.0; 3];
        if u <= v {
            return Interval { l: f64::NEG_INFINITY, upper: none, lower: none };
        }
        if link == Link::Logit && !(u.is_finite() && u.abs() > FAR || v.is_finite() && v.abs() > FAR) {
            return Self::logistic(u, v);
        }
        let l = log_probability(link, u, v);
        let end = |t: f64| {
            if t.is_infinite() {
                return none;
            }
            let (log_f, a, b) = density(link, t);
            let g = (log_f - l).exp();
            // far out the density is zero while its relative slope is not finite
            if g == 0.0 {
                none
            } else {
                [g, g * a, g * b]
            }
        };
        Interval { l, upper: end(u), lower: end(v) }
    }

    /// Of the logistic distribution, with P = s(U) s(-V) (1 - e^(V - U)), s its distribution
    /// function, and f = s(t) s(-t): one exponential for each end serves all.
    fn logistic(u: f64, v: f64) -> Self {
        // s(t) and s(-t)
        let both = |t: f64| {
            let e = (-t.abs()).exp();
            let (small, large) = (e / (1.0 + e), 1.0 / (1.0 + e));
            if t > 0.0 {
                (large, small)
            } else {
                (small, large)
            }
        };
        let width = -(v - u).exp_m1();
        let ((above, beyond), (below, within)) = (both(u), both(v));
        let of = |g: f64, p: f64, q: f64| {
            let a = q - p;
            [g, g * a, g * (a * a - 2.0 * p * q)]
        };
        let none = [0.0; 3];
        Interval {
            l: (above * within * width).ln(),
            upper: if u.is_finite() { of(beyond / (within * width), above, beyond) } else { none },
            lower: if v.is_finite() { of(below / (above * width), below, within) } else { none },
        }
    }

    /// First three derivatives of log P when both ends move alike.
    pub fn shift(&self) -> [f64; 3] {
        let (d, e) = (self.upper[0] - self.lower[0], self.upper[1] - self.lower[1]);
        [d, e - d * d, self.upper[2] - self.lower[2] - 3.0 * d * e + 2.0 * d * d * d]
    }

    /// Derivatives in U and in V of log P and of its first two derivatives in such a shift.
    pub fn ends(&self) -> [[f64; 2]; 3] {
        let ([u0, u1, u2], [v0, v1, v2]) = (self.upper, self.lower);
        let (d, e) = (u0 - v0, u1 - v1);
        [
            [u0, -v0],
            [u1 - u0 * d, -v1 + v0 * d],
            [u2 - 2.0 * u1 * d + u0 * (2.0 * d * d - e), -v2 + 2.0 * v1 * d - v0 * (2.0 * d * d - e)],
        ]
    }

    /// Second derivatives of log P in (U, U), (U, V) and (V, V).
    pub fn second(&self) -> [f64; 3] {
        let (u, v) = (self.upper, self.lower);
        [u[1] - u[0] * u[0], u[0] * v[0], -v[1] - v[0] * v[0]]
    }

    /// Third derivatives of log P in (U, U, U), (U, U, V), (U, V, V) and (V, V, V).
    pub fn third(&self) -> [f64; 4] {
        let ([u0, u1, u2], [v0, v1, v2]) = (self.upper, self.lower);
        [
            u2 - 3.0 * u1 * u0 + 2.0 * u0 * u0 * u0,
            v0 * (u1 - 2.0 * u0 * u0),
            u0 * (v1 + 2.0 * v0 * v0),
            -v2 - 3.0 * v1 * v0 - 2.0 * v0 * v0 * v0,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINKS: [Link; 5] = [Link::Logit, Link::Probit, Link::Cloglog, Link::Loglog, Link::Cauchit];
    const ENDS: [(f64, f64); 8] = [
        (0.7, -0.4),
        (1.5, f64::NEG_INFINITY),
        (f64::INFINITY, 0.3),
        (-1.2, -1.25),
        (3.0, 2.0),
        (-2.0, -3.5),
        (0.0, f64::NEG_INFINITY),
        (f64::INFINITY, -1.0),
    ];

    #[test]
    fn probabilities_of_all_intervals_sum_to_one() {
        for link in LINKS {
            let cuts = [f64::NEG_INFINITY, -2.0, -0.5, -0.4, 1.3, f64::INFINITY];
            let total: f64 = cuts.windows(2).map(|c| Interval::of(link, c[1], c[0]).l.exp()).sum();
            assert!((total - 1.0).abs() < 1e-14, "{link:?} {total}");
        }
    }

    #[test]
    fn logarithms_agree_with_known_values() {
        // log of P in the far tails, from the series of the distribution functions
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-13 * b.abs().max(1.0), "{a} {b}");
        close(Interval::of(Link::Logit, -400.0, f64::NEG_INFINITY).l, -400.0);
        close(Interval::of(Link::Logit, -40.0, f64::NEG_INFINITY).l, -40.0);
        close(Interval::of(Link::Logit, 41.0, 40.0).l, -40.0 + (-(-1f64).exp_m1()).ln());
        close(Interval::of(Link::Probit, f64::INFINITY, 7.0).l, -27.384_307_498_811_076);
        close(Interval::of(Link::Probit, -7.0, f64::NEG_INFINITY).l, -27.384_307_498_811_076);
        close(Interval::of(Link::Cloglog, f64::INFINITY, 2.0).l, -(2f64.exp()));
        close(Interval::of(Link::Cloglog, -30.0, f64::NEG_INFINITY).l, -30.0);
        close(Interval::of(Link::Loglog, -2.0, f64::NEG_INFINITY).l, -(2f64.exp()));
        close(Interval::of(Link::Loglog, f64::INFINITY, 30.0).l, -30.0);
        close(Interval::of(Link::Cauchit, 0.0, f64::NEG_INFINITY).l, -std::f64::consts::LN_2);
        for link in LINKS {
            assert_eq!(Interval::of(link, 0.2, 0.3).l, f64::NEG_INFINITY);
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        let h = 1e-5;
        let near = |a: f64, b: f64| assert!((a - b).abs() <= 3e-8 * b.abs().max(1.0), "{a} {b}");
        for link in LINKS {
            for (u, v) in ENDS {
                let at = |a: f64, b: f64| Interval::of(link, u + a, v + b);
                let here = at(0.0, 0.0);
                // of fourth order: narrow intervals curve much within a step
                let slope = |f: &dyn Fn(&Interval) -> f64, a: f64, b: f64| {
                    let across = |h: f64| f(&at(a * h, b * h)) - f(&at(-a * h, -b * h));
                    (8.0 * across(h) - across(2.0 * h)) / (12.0 * h)
                };
                // third derivatives of narrow intervals are large
                let size = 1.0 / (u - v).min(1.0).powi(3);
                let near = |a: f64, b: f64| near(a / size, b / size);
                for order in 0..3 {
                    let value = |i: &Interval| if order == 0 { i.l } else { i.shift()[order - 1] };
                    near(here.shift()[order], slope(&value, 1.0, 1.0));
                    near(here.ends()[order][0], slope(&value, 1.0, 0.0));
                    near(here.ends()[order][1], slope(&value, 0.0, 1.0));
                }
                near(here.second()[0], slope(&|i| i.ends()[0][0], 1.0, 0.0));
                near(here.second()[1], slope(&|i| i.ends()[0][0], 0.0, 1.0));
                near(here.second()[2], slope(&|i| i.ends()[0][1], 0.0, 1.0));
                for (t, (s, a, b)) in [(0, 1.0, 0.0), (1, 1.0, 0.0), (1, 0.0, 1.0), (2, 0.0, 1.0)].iter().enumerate() {
                    near(here.third()[t], slope(&|i| i.second()[*s], *a, *b));
                }
            }
        }
    }
}
