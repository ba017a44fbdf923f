//! Any covariance matrix: theta is the lower triangle of lambda, column by column.

use super::{lower_form, row_lengths, Coordinates, Kind, Natural, Structure};

/// See the module.
#[derive(Debug)]
pub struct Unstructured;

/// Places of the lower triangle, column by column.
fn places(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).flat_map(move |j| (j..k).map(move |i| (i, j)))
}

impl Structure for Unstructured {
    fn n_theta(&self, k: usize) -> usize {
        k * (k + 1) / 2
    }

    fn lambda(&self, theta: &[f64], k: usize, out: &mut [f64]) {
        out.fill(0.0);
        for ((i, j), t) in places(k).zip(theta) {
            out[i * k + j] = *t;
        }
    }

    fn push(&self, _theta: &[f64], along: &[f64], k: usize, out: &mut [f64]) {
        self.lambda(along, k, out);
    }

    fn pull_back(&self, _theta: &[f64], gamma: &[f64], k: usize, out: &mut [f64]) {
        for ((i, j), t) in places(k).zip(out) {
            *t = gamma[i * k + j];
        }
    }

    fn coordinates(&self, k: usize) -> Coordinates {
        Coordinates::Free(vec![(0, k)])
    }

    fn natural(&self, theta: &[f64], k: usize) -> Vec<Natural> {
        let mut lambda = vec![0.0; k * k];
        self.lambda(theta, k, &mut lambda);
        let sds: Vec<f64> = row_lengths(&lambda, k).collect();
        places(k)
            .map(|(i, j)| {
                let dot: f64 = (0..k).map(|c| lambda[i * k + c] * lambda[j * k + c]).sum();
                if i == j {
                    Natural { kind: Kind::Sd(i), value: sds[i] }
                } else {
                    let value = (dot / (sds[i] * sds[j])).clamp(-1.0, 1.0);
                    Natural { kind: Kind::Correlation(i, j), value }
                }
            })
            .collect()
    }

    fn read(&self, lambda: &[f64], k: usize, theta: &mut [f64]) -> bool {
        let (l, _) = lower_form(lambda, k);
        self.pull_back(&[], &l, k, theta);
        true
    }

    fn is_invariant_to_recoding(&self) -> bool {
        true
    }
}
