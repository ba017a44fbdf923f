//! Compound symmetry: one correlation of all pairs of rows, between -1/(m - 1) and 1 where m is the
//! largest number of rows of a subject.

use super::{maps, Correlation, Parameter, PositionRule, Positions, StartData};
use crate::jet::Jet;

/// See the module.
#[derive(Debug)]
pub struct CompoundSymmetry {
    /// Most rows in one subject.
    pub most: usize,
}

impl CompoundSymmetry {
    fn low(&self) -> f64 {
        -1.0 / (self.most.max(2) as f64 - 1.0)
    }

    fn z(&self, rho: f64) -> Option<f64> {
        let low = self.low();
        (rho > low && rho < 1.0).then(|| ((rho - low) / (1.0 - rho)).ln())
    }
}

impl Correlation for CompoundSymmetry {
    fn n(&self) -> usize {
        1
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "rho", at: Vec::new() }]
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        let (rho, d, d2) = maps::logistic(z[0], self.low());
        out.reset(1, 1, order);
        out.value[0] = rho;
        out.first.fill(d);
        out.second.fill(d2);
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        Some(vec![self.z(natural[0])?])
    }

    fn starts(&self, _data: &StartData<'_>) -> Vec<Vec<f64>> {
        vec![vec![self.z(0.2).expect("0.2 is between the bounds")]]
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: false, whole: false, distinct: false, several: true }
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        let m = at.m();
        let (rho, d, d2) = maps::logistic(z[0], self.low());
        out.reset(1, m * m, order);
        out.value.fill(rho);
        out.first.fill(d);
        out.second.fill(d2);
        for i in 0..m {
            let t = i * m + i;
            out.value[t] = 1.0;
            out.first.get_mut(t).map(|v| *v = 0.0).unwrap_or(());
            out.second.get_mut(t).map(|v| *v = 0.0).unwrap_or(());
        }
    }
}
