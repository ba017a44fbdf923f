//! Random signs that depend on the seed, the level and the number of the probe alone.

use super::block::Block;
use super::graph::Graph;
use crate::rng::mixed;

/// Signs of all probes.
#[derive(Clone, Copy, Debug)]
pub struct Signs {
    /// Seed.
    pub seed: u64,
}

impl Signs {
    /// The signs of some probes at every place.
    pub fn block(&self, g: &Graph, from: usize, used: usize) -> Block {
        let mut out = Block::zeros(g.n_places(), used);
        let k = out.k;
        for (i, &f) in g.others.iter().enumerate() {
            for place in g.first[i]..g.first[i + 1] {
                let level = (place - g.first[i]) as u64;
                let row = &mut out.data[place * k..place * k + used];
                for (c, t) in row.iter_mut().enumerate() {
                    *t = self.sign(f as u64, level, (from + c) as u64);
                }
            }
        }
        out
    }

    fn sign(&self, factor: u64, level: u64, probe: u64) -> f64 {
        let bits = mixed(mixed(mixed(self.seed ^ (factor << 48)) ^ level) ^ (probe / 64));
        if (bits >> (probe % 64)) & 1 == 0 {
            1.0
        } else {
            -1.0
        }
    }
}
