//! Rows without correlation.

use super::{Correlation, Parameter, PositionRule, Positions, StartData};
use crate::jet::Jet;

/// See the module.
#[derive(Debug)]
pub struct Independent;

impl Correlation for Independent {
    fn n(&self) -> usize {
        0
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn natural(&self, _z: &[f64], order: usize, out: &mut Jet) {
        out.reset(0, 0, order);
    }

    fn z_of_natural(&self, _natural: &[f64]) -> Option<Vec<f64>> {
        Some(Vec::new())
    }

    fn starts(&self, _data: &StartData<'_>) -> Vec<Vec<f64>> {
        vec![Vec::new()]
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: false, whole: false, distinct: false, several: true }
    }

    fn matrix(&self, _z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        let m = at.m();
        out.reset(0, m * m, order);
        (0..m).for_each(|i| out.value[i * m + i] = 1.0);
    }

    fn neighbours(&self, _z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) -> bool {
        out.reset(0, at.m(), order);
        true
    }
}
