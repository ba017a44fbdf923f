//! The rows of a nonlinear model, and the linear model near some parameters.

use crate::families::curve::{Mean, MeanRows};
use crate::rows::{Column, FactorRows, Rows, TermRows};

/// See the module.
pub struct CurveRows<'a> {
    /// The curve.
    pub mean: &'a dyn Mean,
    /// Columns as they enter its parameters.
    pub rows: Rows<'a>,
    /// The parameter of each column of X.
    pub parts: &'a [usize],
    /// Of each factor, the parameter of each of its effects.
    pub of: &'a [Vec<usize>],
}

/// A nonlinear model near some parameters.
pub struct Linearised {
    /// The curve.
    pub values: Vec<f64>,
    /// Columns of X.
    x: Vec<Vec<f64>>,
    /// Of each factor and effect the column.
    z: Vec<Vec<Vec<f64>>>,
    /// The response.
    y: Vec<f64>,
}

/// Fixed effects, and random effects of each factor (levels x effects) in some scale.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Of the columns of X.
    pub beta: Vec<f64>,
    /// By factor.
    pub random: Vec<Vec<f64>>,
}

impl Effects {
    /// The place a share of the way to others.
    pub(super) fn towards(&self, to: &Effects, share: f64) -> Effects {
        let along = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + share * (b - a)).collect();
        Effects {
            beta: along(&self.beta, &to.beta),
            random: self.random.iter().zip(&to.random).map(|(a, b)| along(a, b)).collect(),
        }
    }
}

impl<'a> CurveRows<'a> {
    /// Number of rows.
    pub fn n(&self) -> usize {
        self.rows.n()
    }

    /// Random effects that are all zero.
    pub(super) fn zeros(&self) -> Vec<Vec<f64>> {
        self.rows.factors.iter().map(|f| vec![0.0; f.n_levels * f.k()]).collect()
    }

    /// Columns of the effects of a factor.
    fn columns<'s>(&'s self, f: &'s FactorRows<'a>) -> impl Iterator<Item = &'a [f64]> + 's {
        f.terms.iter().flat_map(|t| t.z.iter().copied())
    }

    /// Parameters of the curve: those of all rows for the first, then for the next.
    fn parameters(&self, beta: &[f64], b: &[Vec<f64>]) -> Vec<f64> {
        let n = self.n();
        let mut out = vec![0.0; self.mean.parameters() * n];
        for ((x, &part), beta) in self.rows.x.iter().zip(self.parts).zip(beta) {
            let to = &mut out[part * n..(part + 1) * n];
            x.each(0..n, |i, x| to[i] += x * beta);
        }
        for ((f, b), of) in self.rows.factors.iter().zip(b).zip(self.of) {
            let k = f.k();
            for (e, (z, &part)) in self.columns(f).zip(of).enumerate() {
                let to = &mut out[part * n..(part + 1) * n];
                for (i, (to, z)) in to.iter_mut().zip(z).enumerate() {
                    f.each(i, |l, weight| *to += weight * z * b[l * k + e]);
                }
            }
        }
        out
    }

    /// Values of the curve, with the slopes in its parameters where `order` is one.
    fn curve(&self, beta: &[f64], b: &[Vec<f64>], order: usize) -> Vec<f64> {
        let n = self.n();
        let numbers: Vec<u32> = (0..n as u32).collect();
        let mut out = vec![0.0; (1 + order * self.mean.parameters()) * n];
        let eta = self.parameters(beta, b);
        self.mean.derivatives(MeanRows { eta: &eta, order: &numbers }, order, &mut out);
        out
    }

    /// Values of the curve.
    pub fn values(&self, beta: &[f64], b: &[Vec<f64>]) -> Vec<f64> {
        self.curve(beta, b, 0)
    }

    /// The linear model near fixed and random effects.
    pub fn linearised(&self, beta: &[f64], b: &[Vec<f64>]) -> Linearised {
        let n = self.n();
        let mut values = self.curve(beta, b, 1);
        let slopes = values.split_off(n);
        let slope = |part: usize| &slopes[part * n..(part + 1) * n];
        let mut y: Vec<f64> = self.rows.y.iter().zip(&values).map(|(y, f)| y - f).collect();
        let mut x = Vec::with_capacity(self.parts.len());
        for ((column, &part), beta) in self.rows.x.iter().zip(self.parts).zip(beta) {
            let mut own = slope(part).to_vec();
            column.each(0..n, |i, v| own[i] *= v);
            y.iter_mut().zip(&own).for_each(|(y, x)| *y += x * beta);
            x.push(own);
        }
        let mut z = Vec::with_capacity(self.of.len());
        for ((f, b), of) in self.rows.factors.iter().zip(b).zip(self.of) {
            let k = f.k();
            let mut of_factor = Vec::with_capacity(k);
            for (e, (column, &part)) in self.columns(f).zip(of).enumerate() {
                let own: Vec<f64> = column.iter().zip(slope(part)).map(|(z, s)| z * s).collect();
                for (i, (y, z)) in y.iter_mut().zip(&own).enumerate() {
                    f.each(i, |l, weight| *y += weight * z * b[l * k + e]);
                }
                of_factor.push(own);
            }
            z.push(of_factor);
        }
        Linearised { values, x, z, y }
    }

    /// Weighted sum of squares of what values leave of the response; infinite where it is no
    /// number.
    pub(super) fn residual_squares(&self, values: &[f64]) -> f64 {
        let rest = self.rows.y.iter().zip(values).map(|(y, f)| (y - f) * (y - f));
        let total: f64 = match self.rows.weights {
            None => rest.sum(),
            Some(w) => rest.zip(w).map(|(r, w)| r * w).sum(),
        };
        if total.is_finite() {
            total
        } else {
            f64::INFINITY
        }
    }

    /// Random effects from spherical ones, at the relative covariance parameters.
    pub(super) fn effects_of(&self, theta: &[f64], u: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut at = 0;
        let of_factor = |(f, u): (&FactorRows<'_>, &Vec<f64>)| {
            let kf = f.k();
            let mut out = vec![0.0; u.len()];
            let mut first = 0;
            for t in &f.terms {
                let k = t.z.len();
                let own = t.structure.n_theta(k);
                let mut lambda = vec![0.0; k * k];
                t.structure.lambda(&theta[at..at + own], k, &mut lambda);
                for (out, u) in out.chunks_exact_mut(kf).zip(u.chunks_exact(kf)) {
                    for i in 0..k {
                        out[first + i] = (0..k).map(|j| lambda[i * k + j] * u[first + j]).sum();
                    }
                }
                at += own;
                first += k;
            }
            out
        };
        self.rows.factors.iter().zip(u).map(of_factor).collect()
    }
}

impl Linearised {
    /// Whether the curve and its slopes are numbers.
    pub fn is_finite(&self) -> bool {
        self.y.iter().chain(self.x.iter().flatten()).all(|v| v.is_finite())
            && self.z.iter().flatten().flatten().all(|v| v.is_finite())
    }

    /// Columns of X: the slopes in the fixed effects.
    pub(super) fn x(&self) -> &[Vec<f64>] {
        &self.x
    }

    /// Its rows.
    pub(super) fn rows<'s>(&'s self, of: &CurveRows<'s>) -> Rows<'s> {
        let factor = |(f, z): (&FactorRows<'s>, &'s Vec<Vec<f64>>)| {
            let mut columns = z.iter();
            let term = |t: &TermRows<'s>| TermRows {
                z: columns.by_ref().take(t.z.len()).map(Vec::as_slice).collect(),
                structure: t.structure.clone(),
            };
            FactorRows { terms: f.terms.iter().map(term).collect(), ..f.clone() }
        };
        Rows {
            x: self.x.iter().map(Column::from).collect(),
            y: &self.y,
            weights: of.rows.weights,
            factors: of.rows.factors.iter().zip(&self.z).map(factor).collect(),
        }
    }
}
