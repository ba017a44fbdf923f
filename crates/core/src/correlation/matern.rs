//! Matern: (u/2)^nu K_nu(u) 2 / Gamma(nu) at u = distance / range; z are the logarithms of the
//! range and of the smoothness nu, and with a nugget g its logit; rows at distance d > 0 have 1 - g
//! times the correlation.

use super::spatial::{grid, NUGGETS};
use super::{maps, Correlation, Metric, Parameter, PositionRule, Positions, StartData};
use crate::families::special::{lgamma, polygamma};
use crate::jet::{pairs, Jet, Number};

/// Largest step of the trapezoidal rule: the integrand of K is analytic in a strip of half-width
/// pi/2 about the line, so that the error is about exp(-2 pi 1.5 / step).
const STEP: f64 = 0.2;
/// Largest step in units of the width of the integrand's peak: of a normal density with standard
/// deviation s the rule's error is exp(-2 pi^2 s^2 / step^2).
const STEP_OF_PEAK: f64 = 0.7;
/// Exponents this far below the largest add nothing.
const NOTHING: f64 = 40.0;

/// See the module.
#[derive(Debug)]
pub struct Matern {
    /// How distance is measured.
    pub metric: Metric,
    /// Whether there is a nugget.
    pub nugget: bool,
}

/// log K_nu(u) and its derivatives: in u and nu, then in u twice, both, and nu twice.
///
/// K_nu(u) is the integral of exp(-u cosh t) cosh(nu t) over t > 0, under which derivatives can be
/// taken.
fn log_bessel(u: f64, nu: f64) -> (f64, [f64; 2], [f64; 3]) {
    let exponent = |t: f64| nu * t - u * t.cosh();
    // the exponent is largest where u sinh t = nu
    let peak = (nu / u).asinh();
    let top = exponent(peak);
    let step = STEP.min(STEP_OF_PEAK / u.hypot(nu).sqrt());
    let mut sums = [0.0; 6];
    // left of the peak too, what adds nothing is left out: a smooth correlation has a far and
    // narrow peak
    let mut width = (2.0 * NOTHING / u.hypot(nu)).sqrt();
    while width < peak && exponent(peak - width) - top > -NOTHING {
        width *= 1.5;
    }
    let mut k = ((peak - width).max(0.0) / step).floor();
    loop {
        let t = step * k;
        let e = exponent(t) - top;
        if t > peak && e < -NOTHING {
            break;
        }
        let w = e.exp() * if k == 0.0 { 0.5 } else { 1.0 };
        let back = (-2.0 * nu * t).exp();
        let (even, odd, c) = (0.5 * w * (1.0 + back), 0.5 * w * (1.0 - back), t.cosh());
        for (s, v) in sums.iter_mut().zip([even, -c * even, t * odd, c * c * even, -c * t * odd, t * t * even]) {
            *s += v;
        }
        k += 1.0;
    }
    let [v, a, b, aa, ab, bb] = sums;
    let (a, b) = (a / v, b / v);
    (top + (v * step).ln(), [a, b], [aa / v - a * a, ab / v - a * b, bb / v - b * b])
}

/// The correlation at a distance, with derivatives in both parameters.
fn correlation(z: &[f64], distance: f64, order: usize) -> Number {
    let (u, nu) = (distance * (-z[0]).exp(), z[1].exp());
    if u == 0.0 {
        return Number::constant(1.0, 2, order);
    }
    let (log_k, d, d2) = log_bessel(u, nu);
    let (digamma, trigamma, _) = polygamma(nu);
    let ln2 = std::f64::consts::LN_2;
    // log of the correlation, with derivatives in u and nu
    let value = log_k + nu * u.ln() + (1.0 - nu) * ln2 - lgamma(nu);
    let d = [d[0] + nu / u, d[1] + u.ln() - ln2 - digamma];
    let d2 = [d2[0] - nu / (u * u), d2[1] + 1.0 / u, d2[2] - trigamma];
    // in the logarithms of range and smoothness
    let mut log = Number::constant(value, 2, order);
    if order > 0 {
        log.first = vec![-u * d[0], nu * d[1]];
    }
    if order > 1 {
        log.second = vec![u * (u * d2[0] + d[0]), -u * nu * d2[1], nu * (nu * d2[2] + d[1])];
    }
    let e = value.exp();
    log.map((e, e, e))
}

impl Matern {
    /// The correlation of two rows at a distance.
    fn of_rows(&self, z: &[f64], distance: f64, order: usize) -> Number {
        let mut out = correlation(z, distance, order);
        if !self.nugget {
            return out;
        }
        // the derivatives in the first two parameters come first
        out.first.resize(if order > 0 { 3 } else { 0 }, 0.0);
        out.second.resize(if order > 1 { pairs(3) } else { 0 }, 0.0);
        let (g, d, d2) = maps::logistic(z[2], 0.0);
        out.times(&Number::of_parameter((1.0 - g, -d, -d2), 2, 3, order))
    }
}

impl Correlation for Matern {
    fn n(&self) -> usize {
        2 + usize::from(self.nugget)
    }

    fn parameters(&self) -> Vec<Parameter> {
        ["range", "smoothness", "nugget"][..self.n()].iter().map(|name| Parameter { name, at: vec![] }).collect()
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        let n = self.n();
        out.reset(n, n, order);
        for k in 0..n {
            let value = if k < 2 { maps::exp(z[k]) } else { maps::logistic(z[k], 0.0) };
            out.put(k, &Number::of_parameter(value, k, n, order));
        }
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        let z = |(k, v): (usize, &f64)| match k {
            2 => (*v > 0.0 && *v < 1.0).then(|| (v / (1.0 - v)).ln()),
            _ => (*v > 0.0 && v.is_finite()).then(|| v.ln()),
        };
        natural.iter().enumerate().map(z).collect()
    }

    fn starts(&self, data: &StartData<'_>) -> Vec<Vec<f64>> {
        let ranges = grid(data);
        if !self.nugget {
            return ranges.into_iter().map(|r| vec![r, 0.0]).collect();
        }
        ranges.iter().flat_map(|r| NUGGETS.map(|g: f64| vec![*r, 0.0, (g / (1.0 - g)).ln()])).collect()
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: false, whole: false, distinct: !self.nugget, several: true }
    }

    fn range(&self) -> Option<usize> {
        Some(0)
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        let m = at.m();
        out.reset(self.n(), m * m, order);
        // positions on a grid have few distances
        let mut known: Vec<(f64, Number)> = Vec::new();
        for i in 0..m {
            for j in 0..i {
                let distance = self.metric.distance(at, i, j);
                let place = known.partition_point(|(d, _)| *d < distance);
                if known.get(place).is_none_or(|(d, _)| *d != distance) {
                    known.insert(place, (distance, self.of_rows(z, distance, order)));
                }
                let number = &known[place].1;
                out.put(i * m + j, number);
                out.put(j * m + i, number);
            }
            out.value[i * m + i] = 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::log_bessel;

    #[test]
    fn bessel_functions_are_those_of_r() {
        // besselK(u, nu) of R 4.2
        for (u, nu, want) in [
            (0.001, 0.3, BESSEL[0]),
            (0.1, 1.0, BESSEL[1]),
            (1.0, 0.5, BESSEL[2]),
            (2.5, 2.7, BESSEL[3]),
            (10.0, 0.1, BESSEL[4]),
            (60.0, 5.0, BESSEL[5]),
        ] {
            let got = log_bessel(u, nu).0.exp();
            assert!((got / want - 1.0).abs() < 1e-12, "{u} {nu} {got} {want}");
        }
    }

    #[test]
    fn large_orders_take_few_terms() {
        // log(besselK(u, nu, TRUE)) - u of R 4.2
        for (u, nu, want) in [
            (2.0, 150.0, 599.309_612_117_534_6),
            (30.0, 80.0, 49.155_432_498_670_04),
            (300.0, 40.0, -299.968_168_709_287_6),
        ] {
            let got = log_bessel(u, nu).0;
            assert!((got - want).abs() < 1e-11 * f64::abs(want), "{u} {nu} {got} {want}");
        }
        // the number of terms does not grow with the order: this takes seconds if it does
        let value: f64 = (0..100).map(|i| log_bessel(1e-4, 1e9 + f64::from(i)).0).sum();
        assert!(value.is_finite());
    }

    const BESSEL: [f64; 6] = [
        1.440_654_752_904_103e1,
        9.853_844_780_870_606,
        4.610_685_044_478_946e-1,
        2.0550458277606545e-01,
        1.7788551507869294e-05,
        1.7382232741886983e-27,
    ];
}
