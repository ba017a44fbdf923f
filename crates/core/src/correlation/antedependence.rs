//! Ante-dependence of order one over levels: a correlation for each pair of neighbouring levels,
//! products of them between others; z = atanh of each.

use super::{maps, Correlation, Parameter, PositionRule, Positions, StartData};
use crate::jet::{pair, Jet};

/// See the module.
#[derive(Debug)]
pub struct Antedependence {
    /// Number of levels.
    pub levels: usize,
}

/// Product of the correlations between two levels with derivatives in each, put at some places.
fn put(rho: &[f64], a: usize, b: usize, places: &[usize], out: &mut Jet) {
    let (a, b) = (a.min(b), a.max(b));
    let part = |range: std::ops::Range<usize>| rho[range].iter().product::<f64>();
    for &t in places {
        out.value[t] = part(a..b);
    }
    for c in a..if out.order > 0 { b } else { a } {
        let (before, after) = (part(a..c), part(c + 1..b));
        places.iter().for_each(|t| out.first[c * out.len + t] = before * after);
        for e in a..if out.order > 1 { c } else { a } {
            let v = part(a..e) * part(e + 1..c) * after;
            places.iter().for_each(|t| out.second[pair(c, e) * out.len + t] = v);
        }
    }
}

impl Antedependence {
    fn rho(&self, z: &[f64]) -> (Vec<f64>, Vec<(f64, f64)>) {
        z.iter().map(|z| maps::tanh(*z)).map(|(v, d, d2)| (v, (d, d2))).unzip()
    }
}

impl Correlation for Antedependence {
    fn n(&self) -> usize {
        self.levels.saturating_sub(1)
    }

    fn parameters(&self) -> Vec<Parameter> {
        (0..self.n()).map(|k| Parameter { name: "rho", at: vec![k] }).collect()
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        let (rho, map) = self.rho(z);
        out.reset(self.n(), self.n(), order);
        (0..self.n()).for_each(|k| put(&rho, k, k + 1, &[k], out));
        out.chain(&map);
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        natural.iter().map(|r| (r.abs() < 1.0).then(|| r.atanh())).collect()
    }

    fn starts(&self, _data: &StartData<'_>) -> Vec<Vec<f64>> {
        vec![vec![0.1f64.atanh(); self.n()]]
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: true, whole: true, distinct: true, several: false }
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        let m = at.m();
        let (rho, map) = self.rho(z);
        out.reset(self.n(), m * m, order);
        for i in 0..m {
            for j in 0..=i {
                put(&rho, at.first(i) as usize, at.first(j) as usize, &[i * m + j, j * m + i], out);
            }
        }
        out.chain(&map);
    }

    fn neighbours(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) -> bool {
        let (rho, map) = self.rho(z);
        out.reset(self.n(), at.m(), order);
        for i in 1..at.m() {
            put(&rho, at.first(i - 1) as usize, at.first(i) as usize, &[i], out);
        }
        out.chain(&map);
        true
    }
}
