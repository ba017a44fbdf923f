//! Effects at positions in time or space, with one standard deviation and a correlation that falls
//! with distance: theta holds the standard deviation, then the parameters of the correlation (the
//! logarithm of the range, of a Matern correlation that of the smoothness too, and with a nugget
//! the logit of its share).
//!
//! A range of nothing is independent effects, an endless one a single effect of all positions; the
//! bounds are far outside the distances there are.

use super::{row_lengths, Coordinates, Covariance, Kind, Natural, Structure};
use crate::correlation::{self, Correlation, Metric, Options, Positions, StartData};
use crate::dense::by_size::{multiply, solve_lower, transposed};
use crate::dense::kernels;
use crate::jet::Jet;
use std::sync::Arc;

/// Added to the diagonal of the correlation matrix, which rounding may otherwise make singular
/// where the range is long.
const JITTER: f64 = 1e-10;
/// How far, in logarithms, the range may leave the distances there are, below and above.
const BEYOND: (f64, f64) = (5.0, 9.0);
/// Bounds of the logarithm of a smoothness.
const SMOOTHNESS: (f64, f64) = (-3.0, 3.0);
/// Bounds of the logit of a nugget.
const NUGGET: (f64, f64) = (-16.0, 16.0);
/// Sum of squared differences of correlations from which steps are taken unseen.
const NEAR: f64 = 1e-14;
/// Steps of the search for the parameters of a matrix.
const STEPS: usize = 200;

/// See the module.
#[derive(Debug)]
pub struct Positioned {
    correlation: Arc<dyn Correlation>,
    positions: Vec<f64>,
    d: usize,
    nugget: bool,
    /// Smallest and largest distance.
    distances: (f64, f64),
}

impl Positioned {
    /// Of a name (`exp`, `gau`, `mat`) with a number of coordinates and the coordinates of each
    /// effect, as in `exp:2:0,0,0,1.5`; `nugget` and the name of a metric may follow, as in
    /// `exp:2:0,0,0,1.5:manhattan:nugget`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let name = parts.next().filter(|n| ["exp", "gau", "mat"].contains(n))?;
        let d: usize = parts.next()?.parse().ok().filter(|d| *d > 0)?;
        let positions: Vec<f64> = parts.next()?.split(',').map(|v| v.parse().ok()).collect::<Option<_>>()?;
        let mut options = Options::default();
        for part in parts {
            match part {
                "nugget" => options.nugget = true,
                metric => options.metric = Metric::named(metric)?,
            }
        }
        let correlation = correlation::named(name, &options)?;
        let at = Positions { values: &positions, d };
        let (mut low, mut high) = (f64::INFINITY, 0.0f64);
        for i in 0..at.m() {
            for j in 0..i {
                let v = options.metric.distance(at, i, j);
                low = low.min(v);
                high = high.max(v);
            }
        }
        let distances = if high > 0.0 { (low, high) } else { (1.0, 1.0) };
        Some(Positioned { correlation, positions, d, nugget: options.nugget, distances })
    }

    fn at(&self) -> Positions<'_> {
        Positions { values: &self.positions, d: self.d }
    }

    /// The correlation matrix with derivatives.
    fn matrix(&self, z: &[f64], order: usize) -> Jet {
        let mut out = Jet::default();
        self.correlation.matrix(z, self.at(), order, &mut out);
        let m = self.at().m();
        (0..m).for_each(|i| out.value[i * m + i] += JITTER);
        out
    }

    /// The lower root of the correlation matrix and its derivatives.
    fn root(&self, z: &[f64], k: usize, order: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
        let c = self.matrix(z, order);
        let Some((root, _)) = correlation::factor(&c.value, k) else {
            return (vec![f64::NAN; k * k], vec![vec![f64::NAN; k * k]; self.correlation.n()]);
        };
        let slope = |a: usize| {
            // dL = L half(L^-1 dC L^-T), half the lower triangle with half its diagonal
            let mut inner = c.d(a).to_vec();
            solve_lower(&root, k, &mut inner, k);
            let mut turned = transposed(&inner, k, k);
            solve_lower(&root, k, &mut turned, k);
            for i in 0..k {
                turned[i * k + i] *= 0.5;
                turned[i * k + i + 1..(i + 1) * k].fill(0.0);
            }
            multiply(&root, &turned, k, k, k)
        };
        let slopes = (0..if order > 0 { self.correlation.n() } else { 0 }).map(slope).collect();
        (root, slopes)
    }

    /// Sum of squared differences to correlations, with its gradient and half its Gauss-Newton
    /// matrix.
    fn misfit(&self, z: &[f64], wanted: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
        let c = self.matrix(z, 1);
        let n = z.len();
        let e: Vec<f64> = c.value.iter().zip(wanted).map(|(a, b)| a - b).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let gradient = (0..n).map(|k| dot(c.d(k), &e)).collect();
        let square = (0..n * n).map(|t| dot(c.d(t / n), c.d(t % n))).collect();
        (dot(&e, &e), gradient, square)
    }

    /// Parameters whose correlations are as near as can be.
    fn fit(&self, wanted: &[f64]) -> Vec<f64> {
        let starts = self.correlation.starts(&StartData { distances: self.distances, ..StartData::default() });
        let mut best: Option<(f64, Vec<f64>)> = None;
        for z in starts {
            let (v, ..) = self.misfit(&z, wanted);
            if best.as_ref().is_none_or(|(b, _)| v < *b) {
                best = Some((v, z));
            }
        }
        let (mut value, mut z) = best.expect("there are starts");
        let n = z.len();
        let mut damp = 1e-6;
        for _ in 0..STEPS {
            let (_, gradient, square) = self.misfit(&z, wanted);
            let mut a = square.clone();
            (0..n).for_each(|k| a[k * n + k] *= 1.0 + damp);
            let mut step = gradient;
            if !kernels::cholesky::<0>(&mut a, n) {
                break;
            }
            kernels::forward::<0>(&a, n, &mut step, 1);
            kernels::backward::<0>(&a, n, &mut step, 1);
            let next: Vec<f64> = z.iter().zip(&step).map(|(z, s)| z - s.clamp(-1.0, 1.0)).collect();
            let (v, ..) = self.misfit(&next, wanted);
            let small = step.iter().all(|s| s.abs() < 1e-14);
            // near the end the sum of squares is rounding
            if v <= value || v < NEAR {
                (value, z, damp) = (v, next, damp * 0.1);
            } else {
                damp *= 10.0;
            }
            if small || damp > 1e10 {
                break;
            }
        }
        z
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let range = (self.distances.0.ln() - BEYOND.0, self.distances.1.ln() + BEYOND.1);
        let mut all = vec![(0.0, f64::INFINITY), range];
        all.extend((1..self.correlation.n() - usize::from(self.nugget)).map(|_| SMOOTHNESS));
        all.extend(self.nugget.then_some(NUGGET));
        all.into_iter().unzip()
    }
}

impl Structure for Positioned {
    fn n_theta(&self, _k: usize) -> usize {
        1 + self.correlation.n()
    }

    fn lambda(&self, theta: &[f64], k: usize, out: &mut [f64]) {
        let (root, _) = self.root(&theta[1..], k, 0);
        out.iter_mut().zip(&root).for_each(|(v, r)| *v = theta[0] * r);
    }

    fn push(&self, theta: &[f64], along: &[f64], k: usize, out: &mut [f64]) {
        let (root, slopes) = self.root(&theta[1..], k, 1);
        for (t, v) in out.iter_mut().enumerate() {
            let turn: f64 = slopes.iter().zip(&along[1..]).map(|(s, a)| s[t] * a).sum();
            *v = along[0] * root[t] + theta[0] * turn;
        }
    }

    fn pull_back(&self, theta: &[f64], gamma: &[f64], k: usize, out: &mut [f64]) {
        let (root, slopes) = self.root(&theta[1..], k, 1);
        let dot = |a: &[f64]| a.iter().zip(gamma).map(|(a, b)| a * b).sum::<f64>();
        out[0] = dot(&root);
        slopes.iter().zip(&mut out[1..]).for_each(|(s, v)| *v = theta[0] * dot(s));
    }

    fn coordinates(&self, _k: usize) -> Coordinates {
        let (lower, upper) = self.bounds();
        let unit_of = std::iter::once(Some(0)).chain((1..lower.len()).map(|_| None)).collect();
        Coordinates::Bounded { lower, upper, unit_of }
    }

    fn covariance(&self, theta: &[f64], _k: usize) -> Option<Covariance> {
        let mut c = self.matrix(&theta[1..], 2);
        let mut natural = Jet::default();
        self.correlation.natural(&theta[1..], 2, &mut natural);
        // each z as a function of its own natural parameter
        let back = |a: usize| {
            let (d, d2) = (natural.d(a)[a], natural.d2(a, a)[a]);
            (1.0 / d, -d2 / (d * d * d))
        };
        c.chain(&(0..natural.n).map(back).collect::<Vec<_>>());
        Some(Covariance::homogeneous(theta[0] * theta[0], &c))
    }

    fn natural(&self, theta: &[f64], _k: usize) -> Vec<Natural> {
        let sd = Natural { kind: Kind::Common("sd"), value: theta[0].abs() };
        let mut values = Jet::default();
        self.correlation.natural(&theta[1..], 0, &mut values);
        let names = self.correlation.parameters().into_iter().map(|p| p.name);
        let rest = names.zip(values.value).map(|(name, value)| Natural { kind: Kind::Common(name), value });
        std::iter::once(sd).chain(rest).collect()
    }

    fn read(&self, lambda: &[f64], k: usize, theta: &mut [f64]) -> bool {
        let sds: Vec<f64> = row_lengths(lambda, k).collect();
        let common = (sds.iter().map(|s| s * s).sum::<f64>() / k as f64).sqrt();
        theta[0] = common / (1.0 + JITTER).sqrt();
        let dot = |i: usize, j: usize| (0..k).map(|c| lambda[i * k + c] * lambda[j * k + c]).sum::<f64>();
        let varies = sds.iter().all(|s| *s > 0.0);
        let correlations: Vec<f64> =
            (0..k * k)
                .map(|t| {
                    if t / k == t % k || !varies {
                        1.0 + JITTER
                    } else {
                        dot(t / k, t % k) / (sds[t / k] * sds[t % k])
                    }
                })
                .collect();
        let apart = |c: &[f64]| (0..k * k).filter(|t| t / k != t % k).map(|t| c[t].abs()).fold(0.0, f64::max);
        if !varies || apart(&correlations) < 1e-8 {
            // independent effects say nothing of a range; they are no place to search from
            let usual = self.correlation.starts(&StartData { distances: self.distances, ..StartData::default() });
            theta[1..].copy_from_slice(&usual[0]);
            return !varies && common == 0.0;
        }
        let z = self.fit(&correlations);
        let (lower, upper) = self.bounds();
        for (i, v) in z.iter().enumerate() {
            theta[1 + i] = v.clamp(lower[1 + i], upper[1 + i]);
        }
        let fitted = self.matrix(&theta[1..], 0).value;
        sds.iter().all(|s| (s - common).abs() <= 1e-8 * common)
            && fitted.iter().zip(&correlations).all(|(a, b)| (a - b).abs() < 1e-7)
    }
}
