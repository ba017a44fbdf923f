//! A covariance matrix in the parameters that SAS gives a structure: covariances where it is
//! linear in them, else variances, then correlations and their like.

use crate::jet::{pair, Jet};

/// Sigma (k x k, row-major) of one term with two derivatives.
#[derive(Clone, Debug)]
pub struct Covariance {
    /// See the module.
    pub jet: Jet,
    /// Sigma is the sum of its first derivatives, each times its share: the parameter, or zero for
    /// a correlation beside variances.
    pub share: Vec<f64>,
}

impl Covariance {
    /// A sum of fixed matrices.
    pub fn linear(share: Vec<f64>, matrices: &[Vec<f64>]) -> Self {
        let mut jet = Jet::default();
        jet.reset(share.len(), matrices.first().map_or(0, Vec::len), 2);
        jet.first = matrices.concat();
        for (s, m) in share.iter().zip(matrices) {
            jet.value.iter_mut().zip(m).for_each(|(t, v)| *t += s * v);
        }
        Covariance { jet, share }
    }

    /// One variance times a matrix of correlations.
    pub fn homogeneous(variance: f64, c: &Jet) -> Self {
        let mut jet = Jet::default();
        jet.reset(1 + c.n, c.len, 2);
        let times = |v: &[f64]| v.iter().map(|v| variance * v).collect::<Vec<f64>>();
        jet.value = times(&c.value);
        jet.first = [c.value.clone(), times(&c.first)].concat();
        for a in 0..c.n {
            put(&mut jet, 0, 1 + a, c.d(a).iter().copied());
            for b in 0..=a {
                put(&mut jet, 1 + a, 1 + b, times(c.d2(a, b)).into_iter());
            }
        }
        let share = std::iter::once(variance).chain(vec![0.0; c.n]).collect();
        Covariance { jet, share }
    }

    /// A variance for each effect and a matrix of correlations; none where a variance is zero, at
    /// which covariances have no derivatives in it.
    pub fn heterogeneous(sds: &[f64], c: &Jet) -> Option<Self> {
        let k = sds.len();
        if sds.contains(&0.0) {
            return None;
        }
        let mut jet = Jet::default();
        jet.reset(k + c.n, k * k, 2);
        let size = |t: usize| sds[t / k] * sds[t % k];
        // by how much in logarithms an entry moves with the logarithm of a variance
        let power = |t: usize, i: usize| 0.5 * (f64::from(t / k == i) + f64::from(t % k == i));
        let variance = |i: usize| sds[i] * sds[i];
        jet.value = (0..k * k).map(|t| size(t) * c.value[t]).collect();
        let by_variance: Vec<f64> = (0..k * k * k)
            .map(|s| power(s % (k * k), s / (k * k)) * jet.value[s % (k * k)] / variance(s / (k * k)))
            .collect();
        jet.first = [by_variance, (0..c.n * k * k).map(|s| size(s % (k * k)) * c.first[s]).collect()].concat();
        for i in 0..k {
            for j in 0..=i {
                let of = |t: usize| {
                    let p = power(t, i) * (power(t, j) - f64::from(i == j));
                    p * size(t) * c.value[t] / (variance(i) * variance(j))
                };
                put(&mut jet, i, j, (0..k * k).map(of));
            }
            for a in 0..c.n {
                put(&mut jet, i, k + a, (0..k * k).map(|t| power(t, i) * size(t) * c.d(a)[t] / variance(i)));
            }
        }
        for a in 0..c.n {
            for b in 0..=a {
                put(&mut jet, k + a, k + b, (0..k * k).map(|t| size(t) * c.d2(a, b)[t]));
            }
        }
        let share = (0..k).map(variance).chain(vec![0.0; c.n]).collect();
        Some(Covariance { jet, share })
    }
}

/// Puts second derivatives at the place of their pair.
fn put(jet: &mut Jet, k: usize, l: usize, values: impl Iterator<Item = f64>) {
    let len = jet.len;
    let at = pair(k, l) * len;
    jet.second[at..at + len].iter_mut().zip(values).for_each(|(t, v)| *t = v);
}

/// The matrix with ones where two effects are `lag` steps apart.
pub fn band(lag: usize, k: usize) -> Vec<f64> {
    (0..k * k).map(|t| f64::from((t / k).abs_diff(t % k) == lag)).collect()
}
