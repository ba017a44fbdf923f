//! Random responses of the families.

use super::family::Family;
use super::special::lgamma;
use crate::rng::Rng;

/// Means from which rejection replaces the search through the probabilities.
const MANY: f64 = 10.0;
/// Largest number below 1.
const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

/// A response of mean `mu` and prior weight `w` (numbers of trials of the binomial family, else without effect); none where there is no
/// response of that mean.
pub fn response(family: Family, s: &mut Rng, mu: f64, w: f64, d: f64) -> Option<f64> {
    let possible = match family {
        Family::Binomial => (0.0..=1.0).contains(&mu),
        Family::Beta => (0.0..=1.0).contains(&mu),
        Family::Gaussian => mu.is_finite(),
        Family::Poisson | Family::NegativeBinomial1 | Family::NegativeBinomial2 => (0.0..1e15).contains(&mu),
        Family::Gamma | Family::InverseGaussian => mu > 0.0 && mu.is_finite(),
    };
    if !possible {
        return None;
    }
    Some(match family {
        Family::Binomial => {
            let trials = w.round();
            if trials < 1.0 {
                0.0
            } else {
                binomial(s, trials, mu) / trials
            }
        }
        Family::Poisson => poisson(s, mu),
        Family::NegativeBinomial2 => {
            let rate = gamma(s, d).exp() * (mu / d);
            poisson(s, rate)
        }
        Family::NegativeBinomial1 if mu > 0.0 => {
            let rate = gamma(s, mu / d).exp() * d;
            poisson(s, rate)
        }
        Family::NegativeBinomial1 => 0.0,
        Family::Gamma => {
            let shape = 1.0 / (d * d);
            (gamma(s, shape) - shape.ln() + mu.ln()).exp().max(f64::MIN_POSITIVE)
        }
        Family::InverseGaussian => inverse_gaussian(s, mu, 1.0 / (d * d)).max(f64::MIN_POSITIVE),
        Family::Gaussian => mu + d * s.normal(),
        Family::Beta => {
            let (a, b) = (gamma(s, (mu * d).max(1e-300)), gamma(s, ((1.0 - mu) * d).max(1e-300)));
            (1.0 / (1.0 + (b - a).exp())).clamp(f64::MIN_POSITIVE, BELOW_ONE)
        }
    })
}

/// Logarithm of a gamma variable of scale 1: of small shapes the variable itself would often be zero.
fn gamma(s: &mut Rng, shape: f64) -> f64 {
    if shape >= 1.0 {
        s.gamma(shape).ln()
    } else {
        s.gamma(shape + 1.0).ln() + s.uniform().ln() / shape
    }
}

/// By the transformation of Michael, Schucany and Haas (1976).
fn inverse_gaussian(s: &mut Rng, mu: f64, lambda: f64) -> f64 {
    let v = mu * s.normal().powi(2) / (2.0 * lambda);
    // mu (1 + v - sqrt(v (v + 2))), without cancellation
    let x = mu / (1.0 + v + (v * (v + 2.0)).sqrt());
    if s.uniform() * (mu + x) <= mu {
        x
    } else {
        mu / x * mu
    }
}

/// By search from zero, or by the transformed rejection (PTRS) of Hörmann (1993).
fn poisson(s: &mut Rng, mu: f64) -> f64 {
    if mu < MANY {
        let mut p = (-mu).exp();
        let mut u = s.uniform();
        let mut k = 0.0;
        while u > p && k < 1000.0 {
            u -= p;
            k += 1.0;
            p *= mu / k;
        }
        return k;
    }
    let log_mu = mu.ln();
    let b = 0.931 + 2.53 * mu.sqrt();
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let quick = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = s.uniform() - 0.5;
        let v = s.uniform();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + mu + 0.43).floor();
        if us >= 0.07 && v <= quick {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        if v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln() <= k * log_mu - mu - lgamma(k + 1.0) {
            return k;
        }
    }
}

/// By search from zero, or by the transformed rejection (BTRS) of Hörmann (1993).
fn binomial(s: &mut Rng, n: f64, p: f64) -> f64 {
    if p > 0.5 {
        return n - binomial(s, n, 1.0 - p);
    }
    if n == 1.0 {
        return f64::from(s.uniform() < p);
    }
    let odds = p / (1.0 - p);
    if n * p < MANY {
        let mut f = (n * (-p).ln_1p()).exp();
        let mut u = s.uniform();
        let mut k = 0.0;
        while u > f && k < n {
            u -= f;
            k += 1.0;
            f *= odds * (n - k + 1.0) / k;
        }
        return k;
    }
    let sd = (n * p * (1.0 - p)).sqrt();
    let b = 1.15 + 2.53 * sd;
    let a = -0.0873 + 0.0248 * b + 0.01 * p;
    let c = n * p + 0.5;
    let quick = 0.92 - 4.2 / b;
    let alpha = (2.83 + 5.1 / b) * sd;
    let mode = ((n + 1.0) * p).floor();
    let at_mode = lgamma(mode + 1.0) + lgamma(n - mode + 1.0);
    loop {
        let u = s.uniform() - 0.5;
        let v = s.uniform();
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + c).floor();
        if us >= 0.07 && v <= quick {
            return k;
        }
        if k < 0.0 || k > n {
            continue;
        }
        let share = at_mode - lgamma(k + 1.0) - lgamma(n - k + 1.0) + (k - mode) * odds.ln();
        if (v * alpha / (a / (us * us) + b)).ln() <= share {
            return k;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of a family, and the fourth central moment of the draws for the error of the latter.
    #[track_caller]
    fn check(family: Family, mu: f64, w: f64, d: f64, variance: f64) {
        let mut s = Rng::of(11, 3);
        let n = 200_000;
        let draws: Vec<f64> = (0..n).map(|_| response(family, &mut s, mu, w, d).unwrap()).collect();
        let m = draws.iter().sum::<f64>() / n as f64;
        let v = draws.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n as f64;
        let fourth = draws.iter().map(|x| (x - m).powi(4)).sum::<f64>() / n as f64;
        assert!((m - mu).abs() < 5.0 * (v / n as f64).sqrt(), "{family:?} {mu}: mean {m}");
        let error = ((fourth - v * v) / n as f64).sqrt();
        assert!((v - variance).abs() < 5.0 * error, "{family:?} {mu}: variance {v}, not {variance}");
    }

    #[test]
    fn moments_are_those_of_the_families() {
        for mu in [0.3, 4.0, 9.9, 10.0, 60.0, 3000.0] {
            check(Family::Poisson, mu, 1.0, 1.0, mu);
            check(Family::NegativeBinomial2, mu, 1.0, 0.7, mu + mu * mu / 0.7);
            check(Family::NegativeBinomial1, mu, 1.0, 1.5, 2.5 * mu);
            check(Family::Gamma, mu, 1.0, 0.4, 0.16 * mu * mu);
            check(Family::InverseGaussian, mu, 1.0, 0.3, 0.09 * mu.powi(3));
            check(Family::Gaussian, mu, 1.0, 2.0, 4.0);
        }
        for mu in [0.02, 0.5, 0.8] {
            for w in [1.0, 7.0, 19.0, 60.0, 2000.0] {
                check(Family::Binomial, mu, w, 1.0, mu * (1.0 - mu) / w);
            }
            check(Family::Beta, mu, 1.0, 3.0, mu * (1.0 - mu) / 4.0);
        }
    }

    /// Frequencies of the counts by rejection against their probabilities.
    #[test]
    fn frequencies_by_rejection() {
        let n = 400_000;
        let chi_square = |draw: &mut dyn FnMut() -> f64, p: &dyn Fn(f64) -> f64, most: usize| {
            let mut count = vec![0.0; most];
            (0..n).for_each(|_| count[(draw() as usize).min(most - 1)] += 1.0);
            let (mut chi, mut df) = (0.0, 0);
            for (k, c) in count.iter().enumerate() {
                let e = n as f64 * p(k as f64);
                if e > 20.0 {
                    chi += (c - e) * (c - e) / e;
                    df += 1;
                }
            }
            (chi - df as f64) / (2.0 * df as f64).sqrt()
        };
        let mut s = Rng::of(5, 0);
        let mu = 14.0f64;
        let p = |k: f64| (k * mu.ln() - mu - lgamma(k + 1.0)).exp();
        assert!(chi_square(&mut || poisson(&mut s, mu), &p, 60).abs() < 4.0);
        let (m, q) = (50.0f64, 0.35f64);
        let p = |k: f64| {
            (lgamma(m + 1.0) - lgamma(k + 1.0) - lgamma(m - k + 1.0) + k * q.ln() + (m - k) * (1.0 - q).ln()).exp()
        };
        assert!(chi_square(&mut || binomial(&mut s, m, q), &p, 51).abs() < 4.0);
    }

    #[test]
    fn impossible_means_have_no_response() {
        let mut s = Rng::of(1, 1);
        assert!(response(Family::Gamma, &mut s, -1.0, 1.0, 1.0).is_none());
        assert!(response(Family::Poisson, &mut s, f64::NAN, 1.0, 1.0).is_none());
        assert!(response(Family::Binomial, &mut s, 1.2, 3.0, 1.0).is_none());
    }
}
