//! Ordered categories: the interval of a latent variable that a row fell into.
//!
//! P(Y = k) = F((theta_k - eta) e^-zeta) - F((theta_{k-1} - eta) e^-zeta). The linear predictors of
//! a row are the location eta, the thresholds above and below its category (which share their
//! coefficients, [`ThresholdBlock`](crate::generalized::ThresholdBlock)) and, where the scale is
//! modelled, its logarithm zeta.

mod interval;

pub use interval::Interval;

use super::kernel::{pair, triple, Kernel, KernelOut, KernelRows};
use super::Link;

/// Places of the linear predictors.
pub const LOCATION: usize = 0;
/// The threshold above.
pub const ABOVE: usize = 1;
/// The threshold below.
pub const BELOW: usize = 2;
/// The logarithm of the scale.
pub const SCALE: usize = 3;

/// The cumulative model of ordered categories 0, 1, ..
#[derive(Clone, Debug)]
pub struct Ordinal {
    link: Link,
    n_thresholds: usize,
    has_scale: bool,
}

impl Ordinal {
    /// With thresholds between so many categories, less one, and a predictor of the scale or none.
    pub fn new(link: Link, n_thresholds: usize, has_scale: bool) -> Self {
        Ordinal { link, n_thresholds, has_scale }
    }

    /// Predictors of rows at thresholds, without effects.
    fn at_cuts(&self, y: &[f64], cuts: &[f64], eta: &mut [f64]) {
        let n = y.len();
        eta.fill(0.0);
        for (i, &y) in y.iter().enumerate() {
            let k = y as usize;
            if k < self.n_thresholds {
                eta[ABOVE * n + i] = cuts[k];
            }
            if k > 0 {
                eta[BELOW * n + i] = cuts[k - 1];
            }
        }
    }
}

impl Kernel for Ordinal {
    fn predictors(&self) -> usize {
        if self.has_scale {
            4
        } else {
            3
        }
    }

    fn derivatives(&self, rows: KernelRows<'_>, out: KernelOut<'_>) {
        let n = rows.y.len();
        let third = !out.t.is_empty();
        // with a scale that has random effects all third derivatives are wanted
        let all = third && self.has_scale && rows.random.get(SCALE).copied().unwrap_or(true);
        for i in 0..n {
            let at = |c: usize| rows.eta[c * n + i];
            let (k, weight) = (rows.y[i] as usize, rows.w[i]);
            let (eta, s) = (at(LOCATION), if self.has_scale { (-at(SCALE)).exp() } else { 1.0 });
            let upper = if k < self.n_thresholds { (at(ABOVE) - eta) * s } else { f64::INFINITY };
            let lower = if k > 0 { (at(BELOW) - eta) * s } else { f64::NEG_INFINITY };
            let interval = Interval::of(self.link, upper, lower);
            let ([d1, d2, d3], ends, second) = (interval.shift(), interval.ends(), interval.second());
            let (f, g) = (interval.upper[0], interval.lower[0]);
            let mut put = |c: usize, l: f64| out.r[c * n + i] = weight * l;
            out.l[i] = weight * interval.l;
            put(LOCATION, -s * d1);
            put(ABOVE, s * f);
            put(BELOW, -s * g);
            let s2 = s * s;
            let mut put2 = |a: usize, b: usize, l: f64| out.w[pair(a, b) * n + i] = -weight * l;
            put2(LOCATION, LOCATION, s2 * d2);
            put2(LOCATION, ABOVE, -s2 * ends[1][0]);
            put2(LOCATION, BELOW, -s2 * ends[1][1]);
            put2(ABOVE, ABOVE, s2 * second[0]);
            put2(ABOVE, BELOW, s2 * second[1]);
            put2(BELOW, BELOW, s2 * second[2]);
            let mut put3 = |a: usize, b: usize, c: usize, l: f64| out.t[triple(a, b, c) * n + i] = -weight * l;
            if third {
                let s3 = s2 * s;
                put3(LOCATION, LOCATION, LOCATION, -s3 * d3);
                put3(LOCATION, LOCATION, ABOVE, s3 * ends[2][0]);
                put3(LOCATION, LOCATION, BELOW, s3 * ends[2][1]);
            }
            if !self.has_scale {
                continue;
            }
            // a derivative in zeta is -(U d/dU + V d/dV), where it does not meet the factor s of
            // one in the others
            let u = if upper.is_finite() { upper } else { 0.0 };
            let v = if lower.is_finite() { lower } else { 0.0 };
            let along = |e: [f64; 2]| u * e[0] + v * e[1];
            let bent = |e: [f64; 3]| u * u * e[0] + 2.0 * u * v * e[1] + v * v * e[2];
            let [uu, uv, vv] = second;
            out.r[SCALE * n + i] = -weight * along([f, -g]);
            put2(LOCATION, SCALE, s * (d1 + along(ends[1])));
            put2(ABOVE, SCALE, -s * (f + along([uu, uv])));
            put2(BELOW, SCALE, s * (g - along([uv, vv])));
            put2(SCALE, SCALE, bent(second) + along([f, -g]));
            if third {
                put3(LOCATION, LOCATION, SCALE, -s2 * (2.0 * d2 + along(ends[2])));
            }
            if !all {
                continue;
            }
            let [uuu, uuv, uvv, vvv] = interval.third();
            let shifted = [uuu + uuv, uuv + uvv, uvv + vvv];
            put3(LOCATION, ABOVE, SCALE, s2 * (2.0 * ends[1][0] + along([shifted[0], shifted[1]])));
            put3(LOCATION, BELOW, SCALE, s2 * (2.0 * ends[1][1] + along([shifted[1], shifted[2]])));
            put3(LOCATION, SCALE, SCALE, -s * (d1 + 3.0 * along(ends[1]) + bent(shifted)));
            put3(ABOVE, SCALE, SCALE, s * (f + 3.0 * along([uu, uv]) + bent([uuu, uuv, uvv])));
            put3(BELOW, SCALE, SCALE, s * (-g + 3.0 * along([uv, vv]) + bent([uuv, uvv, vvv])));
            let cubes = u * u * u * uuu + 3.0 * u * u * v * uuv + 3.0 * u * v * v * uvv + v * v * v * vvv;
            put3(SCALE, SCALE, SCALE, -(cubes + 3.0 * bent(second) + along([f, -g])));
        }
    }

    /// Thresholds of the cumulated proportions.
    fn start(&self, _which: usize, rows: KernelRows<'_>, eta: &mut [f64]) {
        let mut counts = vec![0.5; self.n_thresholds + 1];
        rows.y.iter().zip(rows.w).for_each(|(&y, &w)| counts[y as usize] += w);
        let total: f64 = counts.iter().sum();
        let mut below = 0.0;
        let cuts: Vec<f64> = counts[..self.n_thresholds]
            .iter()
            .map(|c| {
                below += c;
                self.link.of_mean(below / total)
            })
            .collect();
        self.at_cuts(rows.y, &cuts, eta);
    }

    /// Thresholds at equal distances about zero, which every structure of them contains: those near
    /// the data may not be in order where they are symmetric and the data are not.
    fn start_anywhere(&self, rows: KernelRows<'_>, eta: &mut [f64]) -> bool {
        let middle = 0.5 * (self.n_thresholds as f64 - 1.0);
        let cuts: Vec<f64> = (0..self.n_thresholds).map(|k| k as f64 - middle).collect();
        self.at_cuts(rows.y, &cuts, eta);
        true
    }

    fn spread(&self, predictor: usize, _: &[f64]) -> f64 {
        if predictor == SCALE {
            0.25
        } else {
            0.5
        }
    }

    fn has_several_modes(&self) -> bool {
        self.link == Link::Cauchit
    }

    fn looks_along_rays(&self) -> bool {
        true
    }

    fn latent_quantile(&self, p: f64) -> Option<f64> {
        Some(self.link.of_mean(p))
    }
}
