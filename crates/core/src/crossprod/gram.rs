//! Z'WZ: a block for each level, and one for each pair of levels of two factors that occur
//! together.

use super::Cells;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Gram {
    /// Number of effects of each factor.
    pub k: Vec<usize>,
    /// For each factor the blocks of its levels: k x k each, row-major, symmetric.
    pub levels: Vec<Vec<f64>>,
    /// Cells of each pair of factors f < g, in the order (0,1), (0,2), …, (1,2), …, then those of
    /// each factor whose rows have several levels with itself.
    pub cells: Vec<Cells>,
}

impl Gram {
    /// Zeros for factors with `k` effects and `n_levels` levels, with these cells.
    pub fn zeros(sizes: impl Iterator<Item = (usize, usize)>, cells: Vec<Cells>) -> Self {
        let (k, levels) = sizes.map(|(k, n_levels)| (k, vec![0.0; n_levels * k * k])).unzip();
        Gram { k, levels, cells }
    }

    /// Whether levels of a factor occur together, so that its own part is not block diagonal.
    pub fn is_coupled(&self, factor: usize) -> bool {
        self.cells.iter().any(|c| c.f == factor && c.g == factor)
    }

    /// Sums of both parts.
    pub fn merge(mut self, other: Gram) -> Self {
        for (a, b) in self.levels.iter_mut().zip(&other.levels) {
            a.iter_mut().zip(b).for_each(|(x, y)| *x += y);
        }
        self.cells = self.cells.into_iter().zip(other.cells).map(|(a, b)| a.merge(b)).collect();
        self
    }

    /// Fills the upper halves of the blocks of levels.
    pub fn fill_upper(&mut self) {
        for (&k, blocks) in self.k.iter().zip(&mut self.levels).filter(|(&k, _)| k > 1) {
            for b in blocks.chunks_exact_mut(k * k) {
                for i in 0..k {
                    for j in 0..i {
                        b[j * k + i] = b[i * k + j];
                    }
                }
            }
        }
    }
}
