//! Any correlation matrix over levels, with one variance: rows of a unit lower triangle scaled to
//! length one; z is what stands below the diagonal, row by row.

use super::unstructured::floored;
use super::{factor, Correlation, Parameter, PositionRule, Positions, StartData};
use crate::jet::{Jet, Number};

/// See the module.
#[derive(Debug)]
pub struct UnitCorrelation {
    /// Number of levels.
    pub levels: usize,
}

impl UnitCorrelation {
    /// Rows of the root, only of the levels that are asked for.
    fn rows(&self, z: &[f64], wanted: &[bool], order: usize) -> Vec<Vec<Number>> {
        let n = self.n();
        let one = Number::constant(1.0, n, order);
        let row = |i: usize| {
            if !wanted[i] {
                return Vec::new();
            }
            let at = i * i.saturating_sub(1) / 2;
            let mut row: Vec<Number> =
                (at..at + i).map(|k| Number::of_parameter((z[k], 1.0, 0.0), k, n, order)).collect();
            let length = row.iter().fold(one.clone(), |sum, v| sum.plus(1.0, &v.times(v), 1.0)).sqrt().recip();
            row.push(one.clone());
            row.iter().map(|v| v.times(&length)).collect()
        };
        (0..self.levels).map(row).collect()
    }

    /// The z of a correlation or covariance matrix.
    fn read(&self, matrix: &[f64]) -> Option<Vec<f64>> {
        let t = self.levels;
        let (l, _) = factor(matrix, t)?;
        Some((1..t).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| l[i * t + j] / l[i * t + i]).collect())
    }
}

impl Correlation for UnitCorrelation {
    fn n(&self) -> usize {
        self.levels * self.levels.saturating_sub(1) / 2
    }

    fn parameters(&self) -> Vec<Parameter> {
        let pairs = (1..self.levels).flat_map(|i| (0..i).map(move |j| vec![j, i]));
        pairs.map(|at| Parameter { name: "cor", at }).collect()
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        let t = self.levels;
        let codes: Vec<f64> = (0..t).map(|i| i as f64).collect();
        let mut whole = Jet::default();
        self.matrix(z, Positions { values: &codes, d: 1 }, order, &mut whole);
        out.reset(self.n(), self.n(), order);
        let pairs = (1..t).flat_map(|i| (0..i).map(move |j| i * t + j));
        pairs.enumerate().for_each(|(k, at)| out.put(k, &Number::of(&whole, at)));
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        let t = self.levels;
        let mut c = vec![0.0; t * t];
        let mut values = natural.iter();
        for i in 0..t {
            c[i * t + i] = 1.0;
            for j in 0..i {
                let v = *values.next()?;
                (c[i * t + j], c[j * t + i]) = (v, v);
            }
        }
        self.read(&c)
    }

    fn starts(&self, data: &StartData<'_>) -> Vec<Vec<f64>> {
        let moments = data.covariance.and_then(|c| floored(c, self.levels)).and_then(|c| self.read(&c));
        vec![moments.unwrap_or_else(|| vec![0.0; self.n()])]
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: true, whole: true, distinct: true, several: false }
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        let m = at.m();
        let level: Vec<usize> = (0..m).map(|i| at.first(i) as usize).collect();
        let mut wanted = vec![false; self.levels];
        level.iter().for_each(|l| wanted[*l] = true);
        let rows = self.rows(z, &wanted, order);
        out.reset(self.n(), m * m, order);
        for i in 0..m {
            for j in 0..i {
                let zero = Number::constant(0.0, self.n(), order);
                let (a, b) = (&rows[level[i]], &rows[level[j]]);
                let c = a.iter().zip(b).fold(zero, |sum, (a, b)| sum.plus(1.0, &a.times(b), 1.0));
                out.put(i * m + j, &c);
                out.put(j * m + i, &c);
            }
            out.value[i * m + i] = 1.0;
        }
    }
}
