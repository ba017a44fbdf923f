//! What the score of a linear model is in a block's frame.

use super::criterion::Evaluator;
use super::score::Score;
use super::system::System;
use crate::dense::kernels;
use crate::layout::{part_of, Block, Frame, Lambda};

impl Frame {
    /// U' Gamma of the block.
    pub fn turned_gamma(&self, b: Block, gamma: &Lambda) -> Vec<f64> {
        let k = self.k;
        let part = part_of(&gamma[b.factor], b);
        let mut out = vec![0.0; k * k];
        kernels::transposed_multiply(&self.u, &part, k, k, k, &mut out);
        out
    }

    /// U' Psi U on the last k - rank directions, by solves: exact where Gamma = Psi lambda is
    /// silent.
    pub fn null_psi(&self, sys: &System, e: &Evaluator, score: &Score, reml: bool, b: Block, null: f64) -> Vec<f64> {
        let (k, rank) = (self.k, self.rank(null));
        let m = k - rank;
        if m == 0 {
            return Vec::new();
        }
        let directions: Vec<f64> = (0..k * m).map(|t| self.u[(t / m) * k + rank + t % m]).collect();
        e.psi_along(sys, reml, score, b, &directions)
    }

    /// U' Psi U, given its null part: the rest follows from Gamma = Psi lambda.
    pub fn psi(&self, gamma: &Lambda, b: Block, null: f64, null_psi: &[f64]) -> Vec<f64> {
        let k = self.k;
        let ug = self.turned_gamma(b, gamma);
        let rank = self.rank(null);
        let mut psi = vec![0.0; k * k];
        for i in 0..rank {
            for j in 0..rank {
                psi[i * k + j] = 0.5 * (ug[i * k + j] / self.s[j] + ug[j * k + i] / self.s[i]);
            }
        }
        for i in rank..k {
            for j in 0..rank {
                let v = ug[i * k + j] / self.s[j];
                psi[i * k + j] = v;
                psi[j * k + i] = v;
            }
        }
        let m = k - rank;
        for i in 0..m {
            for j in 0..m {
                psi[(rank + i) * k + rank + j] = null_psi[i * m + j];
            }
        }
        psi
    }
}
