//! Random signs that depend on the seed, the effect of a level and the number of the probe alone.

use super::block::Block;
use super::graph::Graph;
use super::real::Real;
use crate::rng::mixed;

/// Signs of all probes.
#[derive(Clone, Copy, Debug)]
pub struct Signs {
    /// Seed.
    pub seed: u64,
}

impl Signs {
    /// The signs of some probes for every effect that stays.
    pub fn block<T: Real>(&self, g: &Graph, from: usize, used: usize) -> Block<T> {
        let mut out = Block::zeros(g.n_places(), used);
        let k = out.k;
        for p in &g.others {
            for at in p.range() {
                let effect = (at - p.first) as u64;
                let row = &mut out.data[at * k..at * k + used];
                for (c, t) in row.iter_mut().enumerate() {
                    *t = T::of(self.sign(p.factor as u64, effect, (from + c) as u64));
                }
            }
        }
        out
    }

    fn sign(&self, factor: u64, effect: u64, probe: u64) -> f64 {
        let bits = mixed(mixed(mixed(self.seed ^ (factor << 48)) ^ effect) ^ (probe / 64));
        if (bits >> (probe % 64)) & 1 == 0 {
            1.0
        } else {
            -1.0
        }
    }
}
