//! A system that is only solved, by conjugate gradients alone.

use super::block::{Block, WIDEST};
use super::blocks::Blocks;
use super::deflate::Deflation;
use super::graph::Graph;
use super::logdet::Decomposition;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::Lambda;
use crate::watch::Watch;

impl<'a> Decomposition<'a> {
    /// For solutions, and the log-determinant of the diagonal blocks, with derivatives if asked
    /// for: V serves as a second level of the preconditioner, and `rest` may be that of the blocks
    /// of an earlier system.
    ///
    /// # Errors
    /// An interruption, or a system that is not positive definite.
    pub(super) fn rough(
        g: &'a Graph,
        lambda: &Lambda,
        with_derivative: bool,
        rest: Option<&[f64]>,
        n_threads: usize,
        watch: &'a dyn Watch,
    ) -> Result<Self, CoreError> {
        let mut blocks = Blocks::new(g, lambda, with_derivative, rest, n_threads)?;
        let deflation = Deflation::new(g, &blocks.root);
        let r = deflation.r;
        let mut out = Decomposition {
            g,
            n_threads,
            watch,
            lambda: lambda.clone(),
            known: blocks.log_det,
            derivative: std::mem::take(&mut blocks.derivative),
            blocks,
            deflation,
            sv: Vec::new(),
            z: Vec::new(),
            inverse: Vec::new(),
            trace: 0.0,
            rough: None,
        };
        let mut gram = vec![0.0; r * r];
        for from in (0..r).step_by(WIDEST) {
            let used = WIDEST.min(r - from);
            let inner = out.deflation.coefficients(&out.apply(&out.deflation.columns(from, used)).0);
            for i in 0..r {
                gram[i * r + from..i * r + from + used].copy_from_slice(&inner[i * used..(i + 1) * used]);
            }
        }
        if !kernels::cholesky::<0>(&mut gram, r) {
            return Err(CoreError::Degenerate("the system is not positive definite".into()));
        }
        out.rough = Some(gram);
        Ok(out)
    }

    /// Q x with Q = I + V(F - I)V', F = R'^-1, or Q'x: then V'Q'Shat Q V = I.
    pub(super) fn coarse(&self, r: &[f64], transposed: bool, x: &Block<f64>) -> Block<f64> {
        let (m, n) = (self.deflation.r, x.used);
        let mut out = x.clone();
        let along = self.deflation.coefficients(x);
        let mut moved = along.clone();
        if transposed {
            kernels::forward::<0>(r, m, &mut moved, n);
        } else {
            kernels::backward::<0>(r, m, &mut moved, n);
        }
        moved.iter_mut().zip(&along).for_each(|(t, a)| *t -= a);
        self.deflation.add(&moved, &mut out);
        out
    }
}
