//! Where searches for the parameters of R begin.

use super::clusters::Correlated;
use super::criterion::{cholesky, dot};
use crate::correlation::StartData;

impl Correlated {
    /// Residuals of least squares, in the order of clusters.
    fn least_squares(&self) -> Vec<f64> {
        let (p, pw) = (self.p(), self.p() + 1);
        let mut r = self.sys.cp.wtw.clone();
        let mut out = Vec::with_capacity(self.order.len());
        let mut beta = vec![0.0; p];
        if cholesky(&mut r, pw) {
            for i in (0..p).rev() {
                let s: f64 = (i + 1..p).map(|j| r[j * pw + i] * beta[j]).sum();
                beta[i] = (r[p * pw + i] - s) / r[i * pw + i];
            }
        }
        for c in &self.clusters {
            let width = c.width();
            for row in self.data[c.start..c.start + c.n() * width].chunks_exact(width) {
                out.push(row[width - 1] - dot(&row[width - pw..width - 1], &beta));
            }
        }
        out
    }

    /// Starts of the parameters of R, the usual one first; `levels` is the number of levels of the
    /// positions, where they are levels.
    pub fn starts(&self, levels: usize) -> Vec<Vec<f64>> {
        let d = self.distances();
        let (gap, distances) = (d.gap, (d.least, d.most));
        let covariance = (levels > 0).then(|| self.moments_of_levels(levels));
        let data = StartData { gap, distances, covariance: covariance.as_deref() };
        let mut x: Vec<Vec<f64>> = vec![Vec::new(); self.r.variances.len()];
        for p in &self.patterns {
            p.with(|s| x.iter_mut().zip(s.covariates).for_each(|(x, c)| x.extend_from_slice(c.x)));
        }
        let x: Vec<&[f64]> = x.iter().map(Vec::as_slice).collect();
        self.r.starts(&data, &x)
    }

    /// Moments of residuals of each pair of levels.
    fn moments_of_levels(&self, levels: usize) -> Vec<f64> {
        let e = self.least_squares();
        let (mut sum, mut count) = (vec![0.0; levels * levels], vec![0.0; levels * levels]);
        for b in &self.blocks {
            let at = self.patterns[b.pattern].positions();
            for (i, r) in b.rows.clone().enumerate() {
                for (j, s) in b.rows.clone().enumerate() {
                    let cell = at.first(i) as usize * levels + at.first(j) as usize;
                    sum[cell] += e[r] * e[s];
                    count[cell] += 1.0;
                }
            }
        }
        sum.iter().zip(&count).map(|(s, n)| if *n > 0.0 { s / n } else { 0.0 }).collect()
    }
}
