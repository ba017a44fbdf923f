//! Covariances of random effects and of predicted means, divided by sigma^2.

use super::clusters::Correlated;
use super::criterion::{dot, multiply, State};
use crate::rows::NewRows;

impl State {
    /// Conditional covariances of the random effects of each factor given y and the fixed effects:
    /// levels x k x k.
    pub fn conditional_covariance(&self, model: &Correlated) -> Vec<Vec<f64>> {
        let sys = &model.sys;
        let b = model.b();
        let inverse = self.border_inverse(model, false);
        let mut out: Vec<Vec<f64>> = sys.factors.iter().map(|f| vec![0.0; f.n_levels * f.k * f.k]).collect();
        for (f, at) in model.border_at.iter().enumerate().filter_map(|(f, at)| at.map(|at| (f, at))) {
            let k = sys.factors[f].k;
            for l in 0..sys.factors[f].n_levels {
                for t in 0..k * k {
                    out[f][l * k * k + t] = inverse[(at + l * k + t / k) * b + at + l * k + t % k];
                }
            }
        }
        for (i, c) in model.clusters.iter().enumerate().filter(|(_, c)| c.m > 0) {
            let (m, width) = (c.m, c.width());
            let active = c.border();
            let ab = active.len();
            let zb: Vec<f64> = (0..m).flat_map(|r| self.gram[i][r * width + m..r * width + m + ab].to_vec()).collect();
            let k = multiply(&self.d[i], &zb, m, m, ab);
            let own: Vec<f64> =
                active.iter().flat_map(|&x| active.iter().map(move |&y| x * b + y)).map(|t| inverse[t]).collect();
            let through = multiply(&k, &own, m, ab, ab);
            for &(f, l, at) in &c.levels {
                let kf = sys.factors[f].k;
                for t in 0..kf * kf {
                    let (s, t2) = (at + t / kf, at + t % kf);
                    out[f][l * kf * kf + t] =
                        self.d[i][s * m + t2] + dot(&through[s * ab..(s + 1) * ab], &k[t2 * ab..(t2 + 1) * ab]);
                }
            }
        }
        // as given: A C A' for each term
        for (f, all) in out.iter_mut().enumerate() {
            let k = sys.factors[f].k;
            let a = self.to_given(model, f);
            for block in all.chunks_exact_mut(k * k) {
                let half = multiply(&a, block, k, k, k);
                for t in 0..k * k {
                    block[t] = dot(&half[t / k * k..(t / k + 1) * k], &a[t % k * k..(t % k + 1) * k]);
                }
            }
        }
        out
    }

    /// A matrix that leads from effects in the changed basis to those of the columns as given.
    fn to_given(&self, model: &Correlated, f: usize) -> Vec<f64> {
        let sys = &model.sys;
        let k = sys.factors[f].k;
        let mut a = vec![0.0; k * k];
        for (t, tl) in sys.terms[f].iter().enumerate() {
            let mut one = vec![0.0; tl.k * tl.k];
            (0..tl.k).for_each(|i| one[i * tl.k + i] = 1.0);
            let part = sys.basis.terms[f][t].to_given(&one, tl.k);
            for i in 0..tl.k {
                for j in 0..tl.k {
                    a[(tl.offset + i) * k + tl.offset + j] = part[i * tl.k + j];
                }
            }
        }
        a
    }

    /// Variance of x'(b^ - b) + z'(u^ - u) of new rows; columns `x` are the kept ones, as given.
    pub fn prediction_variance(
        &self,
        model: &Correlated,
        x: &[&[f64]],
        factors: &[NewRows<'_>],
        n_rows: usize,
    ) -> Vec<f64> {
        let sys = &model.sys;
        let (b, q, p) = (model.b(), model.q, model.p());
        let inverse = self.border_inverse(model, true);
        let g = sys.basis.g();
        let given: Vec<Vec<f64>> = (0..sys.factors.len()).map(|f| self.to_given(model, f)).collect();
        // where a local level is: cluster and first column
        let mut place: Vec<Vec<(usize, usize)>> = sys.factors.iter().map(|f| vec![(0, 0); f.n_levels]).collect();
        for (i, c) in model.clusters.iter().enumerate() {
            c.levels.iter().for_each(|&(f, l, at)| place[f][l] = (i, at));
        }
        (0..n_rows)
            .map(|r| {
                let mut border = vec![0.0; b];
                for j in 0..p {
                    border[q + j] = (0..p).map(|i| x[i][r] * g[i * p + j]).sum();
                }
                let mut local: Vec<(usize, Vec<f64>)> = Vec::new();
                for (f, new) in factors.iter().enumerate().filter(|(_, new)| new.codes[r] >= 0) {
                    let k = sys.factors[f].k;
                    let z: Vec<f64> = new.z.iter().map(|z| z[r]).collect();
                    let turned = multiply(&z, &given[f], 1, k, k);
                    let l = new.codes[r] as usize;
                    match model.border_at[f] {
                        Some(at) => border[at + l * k..at + (l + 1) * k].copy_from_slice(&turned),
                        None => {
                            let (i, at) = place[f][l];
                            let m = model.clusters[i].m;
                            if !local.iter().any(|v| v.0 == i) {
                                local.push((i, vec![0.0; m]));
                            }
                            let own = local.iter_mut().find(|v| v.0 == i).expect("it is there");
                            own.1[at..at + k].copy_from_slice(&turned);
                        }
                    }
                }
                let mut variance = 0.0;
                for (i, z) in &local {
                    let c = &model.clusters[*i];
                    let (m, width) = (c.m, c.width());
                    let dz = multiply(&self.d[*i], z, m, m, 1);
                    variance += dot(&dz, z);
                    for (s, v) in dz.iter().enumerate() {
                        let row = &self.gram[*i][s * width + m..(s + 1) * width];
                        c.border().iter().zip(row).for_each(|(&j, g)| border[j] -= g * v);
                    }
                }
                let through = multiply(&inverse, &border, b, b, 1);
                variance + dot(&through, &border)
            })
            .collect()
    }
}
