//! What pattern moments ask of a covariance structure of the rows.

/// R at all positions of a universe as a function of parameters that live on the whole line; sigma
/// stands outside, so that R is relative to sigma^2.
pub trait Covariance: Sync {
    /// Number of parameters.
    fn n(&self) -> usize;

    /// R (t x t) at the positions of a universe, and where there is room for them its derivatives
    /// (one t x t for each parameter) and second derivatives (one t x t for each pair k >= l, in
    /// the order (0, 0), (1, 0), (1, 1), (2, 0) ...). False where R is not defined.
    fn fill(&self, universe: usize, z: &[f64], into: Filled<'_>) -> bool;

    /// Adds the sums of a symmetric `weight` (t x t) times the second derivatives to `out`, n x n.
    fn add_curvature(&self, universe: usize, z: &[f64], weight: &[f64], out: &mut [f64]);
}

/// Room for R and its derivatives; empty slices are not filled, others are zero.
pub struct Filled<'a> {
    /// R.
    pub r: &'a mut [f64],
    /// First derivatives.
    pub first: &'a mut [f64],
    /// Second derivatives.
    pub second: &'a mut [f64],
}

/// A parameter that users read, as a function of Sigma = sigma^2 R.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Natural {
    /// Sigma at two positions of a universe.
    Entry(usize, usize, usize),
    /// The correlation of two positions of a universe.
    Correlation(usize, usize, usize),
    /// The exponential of a parameter.
    Exponential(usize),
}

/// Place of the pair (a, b) among the entries of a symmetric matrix: a <= b, by columns.
#[inline(always)]
pub fn entry(a: usize, b: usize) -> usize {
    if a <= b {
        b * (b + 1) / 2 + a
    } else {
        a * (a + 1) / 2 + b
    }
}
