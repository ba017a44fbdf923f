//! Independent rows with the variance sigma^2 / w.

use super::Residual;
use std::ops::Range;

/// See the module.
pub struct Independent<'a> {
    /// Number of rows.
    pub n: usize,
    /// Prior weights w; none are ones.
    pub weights: Option<&'a [f64]>,
}

impl Residual for Independent<'_> {
    fn is_diagonal(&self) -> bool {
        true
    }

    #[inline(always)]
    fn end(&self, start: usize, most: usize) -> usize {
        (start + most).min(self.n)
    }

    #[inline(always)]
    fn whiten(&self, _rho: &[f64], range: Range<usize>, width: usize, rows: &mut [f64]) {
        if let Some(w) = self.weights {
            for (r, &v) in w[range].iter().enumerate() {
                let s = v.sqrt();
                rows[r * width..(r + 1) * width].iter_mut().for_each(|t| *t *= s);
            }
        }
    }

    #[inline(always)]
    fn colour(&self, _rho: &[f64], range: Range<usize>, width: usize, rows: &mut [f64]) {
        if let Some(w) = self.weights {
            for (r, &v) in w[range].iter().enumerate() {
                let s = v.sqrt();
                rows[r * width..(r + 1) * width].iter_mut().for_each(|t| *t /= s);
            }
        }
    }

    #[inline(always)]
    fn log_det(&self, _rho: &[f64], range: Range<usize>) -> f64 {
        self.weights.map_or(0.0, |w| -w[range].iter().map(|v| v.ln()).sum::<f64>())
    }
}
