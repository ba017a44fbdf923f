//! Covariance structures of a random term: how theta fills the k x k relative factor lambda.
//!
//! A structure says how many parameters it has, writes lambda from them, reads them back, and lists the free blocks in which the
//! optimiser moves.

mod diagonal;
mod unstructured;

pub use diagonal::Diagonal;
pub use unstructured::Unstructured;

/// How the covariance of a term's k effects is parametrised.
pub trait CovarianceStructure {
    /// Number of parameters for k effects.
    fn n_theta(&self, k: usize) -> usize;
    /// Writes the k x k (row-major) relative factor of `theta` into `lambda`.
    fn fill_lambda(&self, theta: &[f64], k: usize, lambda: &mut [f64]);
    /// Reads the parameters from a lower triangular `lambda` (row-major).
    fn read_theta(&self, lambda: &[f64], k: usize, theta: &mut [f64]);
    /// Offsets and sizes of the blocks whose covariance matrices are free.
    fn free_blocks(&self, k: usize) -> Vec<(usize, usize)>;
    /// Whether columns may be replaced by linear combinations of each other without leaving the model.
    fn is_invariant_to_recoding(&self) -> bool;
}

/// The structures that a term can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Any covariance matrix.
    Unstructured,
    /// Independent effects, each with its own variance.
    Diagonal,
}

impl Structure {
    /// The structure of that name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "unstructured" => Some(Self::Unstructured),
            "diagonal" => Some(Self::Diagonal),
            _ => None,
        }
    }

    /// The behaviour of this structure.
    pub fn rules(self) -> &'static dyn CovarianceStructure {
        match self {
            Self::Unstructured => &Unstructured,
            Self::Diagonal => &Diagonal,
        }
    }
}
