//! Independent effects: theta is the diagonal of lambda.

use super::{row_lengths, Coordinates, Kind, Natural, Structure};

/// See the module.
#[derive(Debug)]
pub struct Diagonal;

impl Structure for Diagonal {
    fn n_theta(&self, k: usize) -> usize {
        k
    }

    fn lambda(&self, theta: &[f64], k: usize, out: &mut [f64]) {
        out.fill(0.0);
        for i in 0..k {
            out[i * k + i] = theta[i];
        }
    }

    fn push(&self, _theta: &[f64], along: &[f64], k: usize, out: &mut [f64]) {
        self.lambda(along, k, out);
    }

    fn pull_back(&self, _theta: &[f64], gamma: &[f64], k: usize, out: &mut [f64]) {
        for i in 0..k {
            out[i] = gamma[i * k + i];
        }
    }

    fn coordinates(&self, k: usize) -> Coordinates {
        Coordinates::Free((0..k).map(|i| (i, 1)).collect())
    }

    fn natural(&self, theta: &[f64], k: usize) -> Vec<Natural> {
        (0..k).map(|i| Natural { kind: Kind::Sd(i), value: theta[i].abs() }).collect()
    }

    fn read(&self, lambda: &[f64], k: usize, theta: &mut [f64]) -> bool {
        theta.iter_mut().zip(row_lengths(lambda, k)).for_each(|(t, v)| *t = v);
        (0..k).all(|i| {
            (0..i).all(|j| {
                let dot: f64 = (0..k).map(|c| lambda[i * k + c] * lambda[j * k + c]).sum();
                dot.abs() <= 1e-8 * theta[i] * theta[j]
            })
        })
    }
}
