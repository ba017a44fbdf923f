//! Rows as they are and whitened, one number each, in the order of the data.

use super::clusters::Correlated;
use super::criterion::State;
use super::root::Root;

impl State {
    /// Values of the rows multiplied by L^-1 of their blocks.
    pub fn whitened(&self, model: &Correlated, values: &[f64]) -> Vec<f64> {
        self.by_block(model, values, |l, m, own| l.solve(m, own, 1))
    }

    /// Values of the rows multiplied by L, which gives independent errors the covariance R.
    pub fn coloured(&self, model: &Correlated, values: &[f64]) -> Vec<f64> {
        self.by_block(model, values, |l, m, own| l.times(m, own))
    }

    fn by_block(&self, model: &Correlated, values: &[f64], f: impl Fn(&Root, usize, &mut [f64])) -> Vec<f64> {
        let mut out = vec![0.0; values.len()];
        for b in &model.blocks {
            let rows = &model.order[b.rows.clone()];
            let mut own: Vec<f64> = rows.iter().map(|&i| values[i]).collect();
            f(&self.roots[b.pattern], rows.len(), &mut own);
            rows.iter().zip(&own).for_each(|(&i, v)| out[i] = *v);
        }
        out
    }
}

impl Correlated {
    /// Standard deviations of the rows in units of sigma, in the order of the data; prior weights
    /// are left out.
    pub fn relative_sds(&self, z: &[f64]) -> Vec<f64> {
        let own: Vec<Vec<f64>> = self
            .patterns
            .iter()
            .map(|p| {
                let mut r = crate::jet::Jet::default();
                p.with(|s| self.r.matrix(z, s, 0, &mut r));
                (0..p.m).map(|i| r.value[i * p.m + i].sqrt()).collect()
            })
            .collect();
        let mut out = vec![0.0; self.order.len()];
        for b in &self.blocks {
            self.order[b.rows.clone()].iter().zip(&own[b.pattern]).for_each(|(&i, s)| out[i] = *s);
        }
        out
    }
}
