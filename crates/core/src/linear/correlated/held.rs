//! The likelihood while a combination of the fixed effects, sigma or both are held.

use super::clusters::Correlated;
use super::criterion::{dot, multiply, State};
use super::derivatives::Want;
use crate::layout::Lambda;
use crate::linear::score::Plane;

impl State {
    /// N^-1 r of the border, r the combination of the plane.
    fn towards(&self, model: &Correlated, plane: &Plane) -> Vec<f64> {
        let (b, q) = (model.b(), model.q);
        let inverse = self.border_inverse(model, true);
        (0..b).map(|i| dot(&inverse[i * b + q..(i + 1) * b], &plane.row)).collect()
    }

    /// Variance of the combination relative to sigma^2, and its value less what it is held at.
    pub fn off_plane(&self, model: &Correlated, plane: &Plane) -> (f64, f64) {
        let q = model.q;
        let beta = self.border_effects(model);
        (dot(&self.towards(model, plane)[q..], &plane.row), dot(&beta[q..], &plane.row) - plane.value)
    }

    /// Effects of the border with the combination held.
    fn held_border(&self, model: &Correlated, plane: Option<&Plane>) -> Vec<f64> {
        let mut out = self.border_effects(model);
        if let Some(plane) = plane {
            let towards = self.towards(model, plane);
            let variance = dot(&towards[model.q..], &plane.row);
            let gap = dot(&out[model.q..], &plane.row) - plane.value;
            out.iter_mut().zip(&towards).for_each(|(o, t)| *o -= t * gap / variance);
        }
        out
    }

    /// Fixed effects with the combination held.
    pub fn held_effects(&self, model: &Correlated, plane: Option<&Plane>) -> Vec<f64> {
        self.held_border(model, plane)[model.q..].to_vec()
    }

    /// Derivatives of -2 log-likelihood for a given 1 / sigma^2: half of those by Lambda of each
    /// factor, and those by the parameters of R.
    pub fn held_slopes(&self, model: &Correlated, precision: f64, plane: Option<&Plane>) -> (Lambda, Vec<f64>) {
        let effects = self.held_border(model, plane);
        let d = self.derivatives_with(model, false, &[], Want::Gradient, &effects, precision);
        let gamma = d
            .psi
            .iter()
            .zip(&self.lambda)
            .map(|(psi, lambda)| {
                let k = psi.len().isqrt();
                multiply(psi, lambda, k, k, k)
            })
            .collect();
        (gamma, d.gradient)
    }
}
