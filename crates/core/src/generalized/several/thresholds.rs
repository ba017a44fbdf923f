//! Thresholds of ordered categories: the coefficients that the thresholds above and below the
//! category of a row share, and the columns they have in either, which follow the response.

use crate::basis::Basis;
use crate::generalized::system::{FixedPart, GlmmSystem};
use crate::rng::Rng;
use std::ops::Range;

/// Thresholds theta = J alpha, with effects on them: theta + sum over columns of `n_c` J gamma_c.
#[derive(Clone)]
pub struct ThresholdBlock<'a> {
    /// The predictors of the threshold above and of that below.
    pub predictors: [usize; 2],
    /// J, thresholds x parameters, row-major.
    pub map: &'a [f64],
    /// Number of parameters.
    pub n_alpha: usize,
    /// Columns of effects that differ by threshold.
    pub columns: Vec<&'a [f64]>,
}

impl ThresholdBlock<'_> {
    /// The columns of the threshold above, then of that below, at responses.
    pub(super) fn columns_at(&self, y: &[f64]) -> [Vec<Vec<f64>>; 2] {
        [0, 1].map(|below| {
            let mut out = Vec::new();
            for c in 0..=self.columns.len() {
                for a in 0..self.n_alpha {
                    let value = |(i, &y): (usize, &f64)| {
                        let x = if c == 0 { 1.0 } else { self.columns[c - 1][i] };
                        x * of_category(self.map, self.n_alpha, y, below, a)
                    };
                    out.push(y.iter().enumerate().map(value).collect());
                }
            }
            out
        })
    }
}

/// What a parameter adds to the threshold above a category, or below it; zero where there is none.
fn of_category(map: &[f64], n_alpha: usize, y: f64, below: usize, alpha: usize) -> f64 {
    (y as usize).checked_sub(below).and_then(|k| map.get(k * n_alpha + alpha)).copied().unwrap_or(0.0)
}

/// The thresholds of a system: how its columns follow the response.
#[derive(Clone)]
pub struct ThresholdRows {
    pub(super) map: Vec<f64>,
    pub(super) n_alpha: usize,
    /// Columns of effects on them, n x k, row-major.
    pub(super) columns: Vec<f64>,
    /// Change of basis of the block.
    pub(super) basis: Basis,
    /// Their coefficients among all.
    pub(super) coefficients: Range<usize>,
    /// The first of their coefficients among those given, all columns counted.
    pub(super) first_given: usize,
    /// Places of both parts among those of the system.
    pub(super) parts: [usize; 2],
}

impl ThresholdRows {
    /// Number of thresholds.
    pub fn n(&self) -> usize {
        self.map.len() / self.n_alpha.max(1)
    }

    /// Fills the columns of the parts for a response.
    fn fill(&self, y: &[f64], parts: &mut [FixedPart]) {
        let k = self.columns.len() / y.len().max(1);
        let p = self.basis.p();
        let (mut from, mut to) = (vec![0.0; p], vec![0.0; p]);
        for (below, &part) in self.parts.iter().enumerate() {
            for (r, (&y, x)) in y.iter().zip(parts[part].x.chunks_exact_mut(p)).enumerate() {
                for (t, &j) in from.iter_mut().zip(&self.basis.kept) {
                    let (c, a) = (j / self.n_alpha, j % self.n_alpha);
                    let own = if c == 0 { 1.0 } else { self.columns[r * k + c - 1] };
                    *t = own * of_category(&self.map, self.n_alpha, y, below, a);
                }
                self.basis.x_row(&from, &mut to);
                x.copy_from_slice(&to);
            }
        }
    }
}

impl GlmmSystem {
    /// Whether a coefficient is one of thresholds: where a category does not occur, it has no
    /// finite estimate, and nothing else is the worse for it.
    pub fn is_of_thresholds(&self, j: usize) -> bool {
        self.thresholds.as_ref().is_some_and(|t| t.coefficients.contains(&j))
    }

    /// Columns follow the response after it has changed.
    pub fn follow_response(&mut self) {
        if let Some(t) = &self.thresholds {
            t.fill(&self.y, &mut self.parts);
        }
    }

    /// Thresholds (n x thresholds, row-major) at fixed effects in the changed basis.
    fn thresholds_at(&self, t: &ThresholdRows, beta: &[f64]) -> Vec<f64> {
        let (m, k) = (t.n(), t.columns.len() / self.n.max(1));
        // what each column adds to each threshold
        let mut table = vec![0.0; (k + 1) * m];
        let given = self.layout.basis.beta_to_given(beta);
        for (&j, value) in self.layout.basis.kept.iter().zip(given) {
            let Some(own) = j.checked_sub(t.first_given).filter(|own| *own < (k + 1) * t.n_alpha) else { continue };
            let (c, a) = (own / t.n_alpha, own % t.n_alpha);
            for (to, row) in table[c * m..(c + 1) * m].iter_mut().zip(t.map.chunks_exact(t.n_alpha)) {
                *to += row[a] * value;
            }
        }
        let mut out = Vec::with_capacity(self.n * m);
        for r in 0..self.n {
            let own = &t.columns[r * k..(r + 1) * k];
            out.extend(
                (0..m).map(|j| table[j] + own.iter().enumerate().map(|(c, x)| x * table[(c + 1) * m + j]).sum::<f64>()),
            );
        }
        out
    }

    /// Draws categories at predictors (location and, if there is one, log scale) and fixed effects;
    /// false where rows have no thresholds.
    pub(in crate::generalized) fn draw_categories(&mut self, eta: &[f64], beta: &[f64], rng: &mut Rng) -> bool {
        use crate::families::{LOCATION, SCALE};
        let Some(t) = &self.thresholds else { return false };
        let Some(kernel) = self.family.kernel() else { return false };
        let (n, m, thresholds) = (self.n, t.n(), self.thresholds_at(t, beta));
        let mut y = Vec::with_capacity(n);
        for (r, own) in thresholds.chunks_exact(m).enumerate() {
            let Some(e) = kernel.latent_quantile(rng.uniform()) else { return false };
            let scale = if kernel.predictors() > SCALE { eta[SCALE * n + r].exp() } else { 1.0 };
            let latent = eta[LOCATION * n + r] + scale * e;
            y.push(own.iter().filter(|t| latent > **t).count() as f64);
        }
        self.y = y;
        self.follow_response();
        true
    }
}
