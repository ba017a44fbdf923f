//! Covariance R of the rows given the random effects, relative to sigma^2: one structure a file.
//!
//! R is block diagonal over runs of rows (subjects). With R = L L', rows multiplied by L^-1 are
//! those of a model whose rows are independent, so that cross-products and all that follows know
//! nothing of R; the criterion gains log|R|. Rows of one block must be of one level of each
//! grouping factor, as the sums are by level.

mod independent;
mod row_covariance;

pub use independent::Independent;
pub use row_covariance::{Covariate, Part, RowCovariance, RowParameter, Subject, VarianceTerm};
use std::ops::Range;

/// A structure of R with its data (weights, times, visits). Rows of one block are together, in the
/// order of the data.
pub trait Residual: Sync {
    /// Number of parameters.
    fn n_rho(&self) -> usize {
        0
    }

    /// Whether R is diagonal.
    fn is_diagonal(&self) -> bool {
        false
    }

    /// Where a range of rows that begins at `start` with a whole block may end: at the end of a
    /// block, after about `most` rows.
    fn end(&self, start: usize, most: usize) -> usize;

    /// Multiplies whole blocks of rows by L^-1; row-major, `width` numbers for each row.
    fn whiten(&self, rho: &[f64], range: Range<usize>, width: usize, rows: &mut [f64]);

    /// Multiplies whole blocks of rows by L, which gives independent errors the covariance R.
    fn colour(&self, rho: &[f64], range: Range<usize>, width: usize, rows: &mut [f64]);

    /// log|R| of whole blocks of rows.
    fn log_det(&self, rho: &[f64], range: Range<usize>) -> f64;
}
