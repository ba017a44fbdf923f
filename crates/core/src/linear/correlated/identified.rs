//! Whether the data can tell all covariance parameters apart, before the first step.
//!
//! At a generic point the matrices dV of all parameters and V itself, in the metric of V, are
//! linearly independent, or some parameters are not identified: the Gram matrix tr(V^-1 dV V^-1 dV)
//! has an eigenvalue of zero there, and its vector names them.

use super::clusters::Correlated;
use super::criterion::State;
use super::derivatives::Want;
use super::directions::Direction;
use crate::layout::Frame;
use crate::linear::chart::Chart;
use crate::optimize::trust_region::Eigen;

/// Points that are looked at; an accident at one of them counts for nothing.
const POINTS: usize = 3;
/// Size of the offsets from the start.
const OFFSET: f64 = 0.3;
/// Smallest eigenvalue, of the Gram matrix with unit diagonal, of parameters that are identified:
/// rounding gives 1e-15, what is identified 1e-6 and more.
const LEAST: f64 = 1e-10;
/// Weight in the null vector from which on a parameter is named, as a share of the largest.
const NAMED: f64 = 0.1;

/// Numbers between -1 and 1 that follow no pattern: multiples of the golden section.
fn offset(i: usize, point: usize) -> f64 {
    let v = (i as f64 + 1.0) * 0.618_033_988_749_895 + (point as f64 + 1.0) * 0.414_213_562_373_095;
    2.0 * v.fract() - 1.0
}

impl Correlated {
    /// The parameters that the data do not identify: those of the random effects, of R, then
    /// sigma^2; none where all are.
    pub fn not_identified(&self, z: &[f64]) -> Vec<usize> {
        let chart = Chart::new(&self.sys);
        let n = chart.n();
        let start: Vec<Frame> =
            self.sys.blocks.iter().map(|b| Frame::independent(&self.sys, *b, vec![1.0; b.k])).collect();
        let mut state = State::new(self);
        let mut best: Option<(f64, Vec<usize>)> = None;
        for point in 0..POINTS {
            let step: Vec<f64> = (0..n).map(|i| OFFSET * offset(i, point)).collect();
            let frames = chart.moved(&start, &step);
            let moved: Vec<f64> = z.iter().enumerate().map(|(i, z)| z + OFFSET * offset(n + i, point)).collect();
            state.lambda = self.sys.lambda_of(&frames);
            if !state.criterion(self, &moved, false).is_finite() {
                continue;
            }
            let directions = Direction::of_chart(&self.sys, &chart, &frames);
            let d = state.derivatives(self, false, &directions, Want::Exact);
            let m = d.gradient.len() + 1;
            let ratio = self.sys.nu(false) / state.r2;
            let mut gram = vec![0.0; m * m];
            for i in 0..m - 1 {
                for j in 0..m - 1 {
                    gram[i * m + j] = d.traces[i * (m - 1) + j];
                }
                let v = d.gradient[i] - ratio * d.rdot[i];
                gram[i * m + m - 1] = v;
                gram[(m - 1) * m + i] = v;
            }
            gram[m * m - 1] = self.sys.cp.n as f64;
            let found = null_vector(&gram, m);
            if found.0 > LEAST {
                return Vec::new();
            }
            if best.as_ref().is_none_or(|b| found.0 > b.0) {
                best = Some(found);
            }
        }
        best.map_or_else(Vec::new, |b| b.1)
    }
}

/// Smallest eigenvalue of a Gram matrix scaled to a unit diagonal, and what its vector involves.
fn null_vector(gram: &[f64], m: usize) -> (f64, Vec<usize>) {
    let size = (0..m).map(|i| gram[i * m + i]).fold(0.0, f64::max);
    // what has no effect at all
    let silent: Vec<usize> = (0..m).filter(|&i| gram[i * m + i] <= 1e-14 * size).collect();
    if !silent.is_empty() {
        return (0.0, silent[..1].to_vec());
    }
    let scale: Vec<f64> = (0..m).map(|i| gram[i * m + i].sqrt()).collect();
    let scaled: Vec<f64> = (0..m * m).map(|t| gram[t] / (scale[t / m] * scale[t % m])).collect();
    let Some(e) = Eigen::of(&scaled, m) else { return (f64::INFINITY, Vec::new()) };
    let weight = |i: usize| e.vectors[i * m].abs();
    let largest = (0..m).map(weight).fold(0.0, f64::max);
    (e.values[0], (0..m).filter(|&i| weight(i) >= NAMED * largest).collect())
}
