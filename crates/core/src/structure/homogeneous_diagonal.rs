//! Independent effects with one standard deviation: theta.

use super::covariance::band;
use super::{row_lengths, Coordinates, Covariance, Kind, Natural, Structure};

/// See the module.
#[derive(Debug)]
pub struct HomogeneousDiagonal;

impl Structure for HomogeneousDiagonal {
    fn n_theta(&self, _k: usize) -> usize {
        1
    }

    fn lambda(&self, theta: &[f64], k: usize, out: &mut [f64]) {
        out.fill(0.0);
        (0..k).for_each(|i| out[i * k + i] = theta[0]);
    }

    fn push(&self, _theta: &[f64], along: &[f64], k: usize, out: &mut [f64]) {
        self.lambda(along, k, out);
    }

    fn pull_back(&self, _theta: &[f64], gamma: &[f64], k: usize, out: &mut [f64]) {
        out[0] = (0..k).map(|i| gamma[i * k + i]).sum();
    }

    fn coordinates(&self, _k: usize) -> Coordinates {
        Coordinates::Bounded { lower: vec![0.0], upper: vec![f64::INFINITY], unit_of: vec![Some(0)] }
    }

    fn natural(&self, theta: &[f64], _k: usize) -> Vec<Natural> {
        vec![Natural { kind: Kind::Common("sd"), value: theta[0].abs() }]
    }

    fn covariance(&self, theta: &[f64], k: usize) -> Option<Covariance> {
        Some(Covariance::linear(vec![theta[0] * theta[0]], &[band(0, k)]))
    }

    fn read(&self, lambda: &[f64], k: usize, theta: &mut [f64]) -> bool {
        let sds: Vec<f64> = row_lengths(lambda, k).collect();
        let common = (sds.iter().map(|s| s * s).sum::<f64>() / k as f64).sqrt();
        theta[0] = common;
        let dot = |i: usize, j: usize| (0..k).map(|c| lambda[i * k + c] * lambda[j * k + c]).sum::<f64>();
        sds.iter().all(|s| (s - common).abs() <= 1e-8 * common)
            && (0..k).all(|i| (0..i).all(|j| dot(i, j).abs() <= 1e-8 * common * common))
    }
}
