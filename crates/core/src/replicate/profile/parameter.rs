//! The parameters that can be profiled, and how each is held.

use super::hold::Walked;
use super::subject::State;
use crate::layout::{Lambda, Layout};
use std::f64::consts::FRAC_PI_2;

/// The ML fit: where all curves begin.
pub struct Origin {
    /// The point (changed basis).
    pub state: State,
    /// -2 log-likelihood (changed basis).
    pub deviance: f64,
    /// All parameters, columns as given.
    pub parameters: Vec<f64>,
}

/// Standard deviations and correlations in the places of theta, sigma, fixed effects; columns as
/// given.
pub fn parameters(sys: &Layout, lambda: &Lambda, sigma2: f64, beta: &[f64]) -> Vec<f64> {
    let sigma = sigma2.sqrt() * sys.basis.y_scale;
    let mut out = Vec::with_capacity(sys.n_theta + 1 + beta.len());
    for (f, layouts) in sys.terms.iter().enumerate() {
        let kf = sys.factors[f].k;
        for (t, tl) in layouts.iter().enumerate() {
            let k = tl.k;
            let small: Vec<f64> = (0..k * k).map(|i| lambda[f][(tl.offset + i / k) * kf + tl.offset + i % k]).collect();
            let m = sys.basis.terms[f][t].to_given(&small, k);
            let dot = |i: usize, j: usize| (0..k).map(|c| m[i * k + c] * m[j * k + c]).sum::<f64>();
            let mut of_term = vec![0.0; k * k];
            for i in 0..k {
                for j in 0..=i {
                    of_term[i * k + j] = if i == j {
                        sigma * dot(i, i).sqrt()
                    } else {
                        (dot(i, j) / (dot(i, i) * dot(j, j)).sqrt()).clamp(-1.0, 1.0)
                    };
                }
            }
            let at = out.len();
            out.resize(at + tl.n_theta, 0.0);
            tl.structure.pull_back(&[], &of_term, k, &mut out[at..]);
        }
    }
    out.push(sigma);
    out.extend(sys.basis.beta_to_given(beta));
    out
}

/// Which parameter.
pub enum Kind {
    /// A standard deviation.
    Sd {
        /// Its block.
        block: usize,
        /// Its row in it.
        row: usize,
        /// Its combination of the rows in the changed basis.
        weights: Vec<f64>,
    },
    /// A correlation of two rows of a block.
    Cor {
        /// Its block.
        block: usize,
        /// The earlier row.
        first: usize,
        /// The later row.
        second: usize,
    },
    /// Residual standard deviation, or the dispersion of a family.
    Sigma,
    /// A fixed effect: its combination of those in the changed basis, and what the shift of y adds.
    Fixed {
        /// The combination.
        row: Vec<f64>,
        /// The shift.
        shift: f64,
    },
    /// A natural parameter of a covariance structure.
    Natural(Walked),
}

/// A parameter and the coordinate in which its curve is walked: itself, ln sigma, or the arcsine of
/// a correlation.
pub struct Target {
    /// Position among theta, sigma, fixed effects.
    pub index: usize,
    /// Which parameter.
    pub kind: Kind,
}

impl Target {
    /// The parameter at a position.
    pub fn of(sys: &Layout, index: usize) -> Self {
        Target { index, kind: Self::kind(sys, index) }
    }

    fn kind(sys: &Layout, index: usize) -> Kind {
        if index == sys.n_theta {
            return Kind::Sigma;
        }
        if index > sys.n_theta {
            let (j, p) = (index - sys.n_theta - 1, sys.p());
            let g = sys.basis.g();
            let shift = if sys.basis.intercept == Some(j) { sys.basis.y_shift / sys.basis.constant } else { 0.0 };
            return Kind::Fixed { row: g[j * p..(j + 1) * p].to_vec(), shift };
        }
        let (f, t, tl) = sys
            .terms
            .iter()
            .enumerate()
            .flat_map(|(f, l)| l.iter().enumerate().map(move |(t, tl)| (f, t, tl)))
            .find(|(_, _, tl)| (tl.theta..tl.theta + tl.n_theta).contains(&index))
            .expect("index of a parameter");
        // the place in the lower triangle that this entry of theta fills
        let k = tl.k;
        let mut entry = vec![0.0; tl.n_theta];
        entry[index - tl.theta] = 1.0;
        let mut place = vec![0.0; k * k];
        tl.structure.lambda(&entry, k, &mut place);
        let at = place.iter().position(|&v| v != 0.0).expect("every parameter has a place");
        let (i, j) = (at / k, at % k);
        let block = sys
            .blocks
            .iter()
            .position(|b| b.factor == f && b.offset <= tl.offset + i && tl.offset + i < b.offset + b.k)
            .expect("every effect is in a block");
        let b = sys.blocks[block];
        let first = b.offset - tl.offset;
        if i != j {
            return Kind::Cor { block, first: j - first, second: i - first };
        }
        let weights = (0..b.k)
            .map(|c| {
                let mut unit = vec![0.0; k];
                unit[first + c] = 1.0;
                sys.basis.terms[f][t].to_given(&unit, 1)[i]
            })
            .collect();
        Kind::Sd { block, row: i - first, weights }
    }

    /// Where the curve begins; nothing where the parameter has no value.
    pub fn start(&self, sys: &Layout, origin: &Origin) -> Option<f64> {
        let value = origin.parameters[self.index];
        match &self.kind {
            Kind::Sd { .. } => Some(value / sys.basis.y_scale),
            Kind::Cor { .. } => {
                let angle = value.asin();
                (!value.is_nan()).then_some(if FRAC_PI_2 - angle.abs() < 1e-5 {
                    FRAC_PI_2.copysign(angle)
                } else {
                    angle
                })
            }
            Kind::Sigma => Some(origin.state.sigma.ln()),
            Kind::Fixed { row, .. } => Some(row.iter().zip(&origin.state.beta).map(|(r, b)| r * b).sum()),
            Kind::Natural(Walked::Sd) => Some(value / sys.basis.y_scale),
            Kind::Natural(walked) => (!value.is_nan()).then(|| walked.place(value)),
        }
    }

    /// The parameter at a place of the walk.
    pub fn value(&self, sys: &Layout, w: f64) -> f64 {
        match &self.kind {
            Kind::Sd { .. } => w * sys.basis.y_scale,
            Kind::Cor { .. } => w.sin(),
            Kind::Sigma => w.exp() * sys.basis.y_scale,
            Kind::Fixed { shift, .. } => w * sys.basis.y_scale + shift,
            Kind::Natural(Walked::Sd) => w * sys.basis.y_scale,
            Kind::Natural(walked) => walked.value(w),
        }
    }

    /// Length of the parameter (its logarithm, its arcsine) for a unit of the walk.
    pub fn unit(&self, sys: &Layout) -> f64 {
        match &self.kind {
            Kind::Sd { .. } | Kind::Fixed { .. } | Kind::Natural(Walked::Sd) => sys.basis.y_scale,
            Kind::Cor { .. } | Kind::Sigma | Kind::Natural(_) => 1.0,
        }
    }

    /// Range of the walk.
    pub fn bounds(&self) -> (f64, f64) {
        match &self.kind {
            Kind::Sd { .. } | Kind::Natural(Walked::Sd) => (0.0, f64::INFINITY),
            Kind::Cor { .. } | Kind::Natural(Walked::Correlation) => (-FRAC_PI_2, FRAC_PI_2),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// Whether there are no coordinates at this place: a standard deviation of zero.
    pub fn is_lost(&self, w: f64) -> bool {
        matches!(self.kind, Kind::Sd { .. } | Kind::Natural(Walked::Sd)) && w < 1e-9
    }

    /// A first step where the curvature is not known; `scale` is what relative standard deviations
    /// are multiplied by.
    pub fn guess(&self, scale: f64, step: f64) -> f64 {
        match &self.kind {
            Kind::Sd { weights, .. } => 0.1 * step * scale * weights.iter().map(|v| v * v).sum::<f64>().sqrt(),
            Kind::Natural(Walked::Sd) => 0.1 * step * scale,
            _ => 0.1 * step,
        }
    }
}
