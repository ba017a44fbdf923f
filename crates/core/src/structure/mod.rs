//! Covariance structures of a random term: how theta makes the k x k relative factor lambda of its
//! effects.
//!
//! One file each, one line in [`named`]. A structure writes lambda, carries directions of theta to
//! lambda ([`Structure::push`]) and derivatives with respect to lambda back to theta
//! ([`Structure::pull_back`]). It may own data, such as times or a matrix.

mod autoregression;
mod compound_symmetry;
mod covariance;
mod diagonal;
mod homogeneous_diagonal;
mod positioned;
mod rotation;
mod unstructured;

pub use autoregression::Autoregression;
pub use compound_symmetry::CompoundSymmetry;
pub use covariance::Covariance;
pub use diagonal::Diagonal;
pub use homogeneous_diagonal::HomogeneousDiagonal;
pub use positioned::Positioned;
pub use rotation::{lower_form, rotation};
use std::fmt::Debug;
use std::sync::Arc;
pub use unstructured::Unstructured;

/// How theta makes the relative factor of a term with k effects. Matrices are k x k, row-major.
pub trait Structure: Debug + Send + Sync {
    /// Number of parameters.
    fn n_theta(&self, k: usize) -> usize;
    /// The relative factor.
    fn lambda(&self, theta: &[f64], k: usize, out: &mut [f64]);
    /// Derivative of lambda along a direction of theta.
    fn push(&self, theta: &[f64], along: &[f64], k: usize, out: &mut [f64]);
    /// Derivative with respect to theta of what has the derivative `gamma` with respect to the
    /// entries of lambda.
    fn pull_back(&self, theta: &[f64], gamma: &[f64], k: usize, out: &mut [f64]);
    /// Where an optimiser moves.
    fn coordinates(&self, k: usize) -> Coordinates;
    /// Standard deviations (relative to sigma) and correlations, or what else theta stands for.
    fn natural(&self, theta: &[f64], k: usize) -> Vec<Natural>;
    /// Sigma (relative to sigma^2) in the parameters in which Kenward and Roger's adjustment is
    /// made; none where it has no derivatives in them, and for blocks that may be any.
    fn covariance(&self, _theta: &[f64], _k: usize) -> Option<Covariance> {
        None
    }
    /// The parameters of a lambda, whatever orthogonal matrix it is multiplied by from the right;
    /// false, with the parameters of something near, where Sigma = lambda lambda' has another
    /// structure.
    fn read(&self, lambda: &[f64], k: usize, theta: &mut [f64]) -> bool;
    /// Whether columns may be replaced by linear combinations of each other without leaving the
    /// model.
    fn is_invariant_to_recoding(&self) -> bool {
        false
    }
}

/// Where an optimiser moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Coordinates {
    /// Offsets and sizes of blocks of effects whose covariance matrices may be any: their lambdas
    /// move as they are.
    Free(Vec<(usize, usize)>),
    /// The parameters themselves, between bounds (infinite where there is none). Where lambda turns
    /// back at a bound, as at a variance of zero, the gradient is silent there and the curvature
    /// tells whether to leave it.
    Bounded {
        /// Lower bounds.
        lower: Vec<f64>,
        /// Upper bounds.
        upper: Vec<f64>,
        /// The effect in whose unit a parameter is measured; none for a pure number.
        unit_of: Vec<Option<usize>>,
    },
}

/// What a natural parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Standard deviation of an effect, relative to sigma.
    Sd(usize),
    /// Correlation of two effects, the later one first.
    Correlation(usize, usize),
    /// A parameter of all effects.
    Common(&'static str),
    /// Correlation of effects at that distance.
    Lag(usize),
}

/// A parameter as users know it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Natural {
    /// What it is.
    pub kind: Kind,
    /// Its value; NaN for a correlation with an effect that has no variance.
    pub value: f64,
}

/// The structure of that name.
pub fn named(name: &str) -> Option<Arc<dyn Structure>> {
    Some(match name {
        "unstructured" => Arc::new(Unstructured),
        "diagonal" => Arc::new(Diagonal),
        "compound_symmetry" => Arc::new(CompoundSymmetry { homogeneous: false }),
        "homogeneous_compound_symmetry" => Arc::new(CompoundSymmetry { homogeneous: true }),
        "homogeneous_diagonal" => Arc::new(HomogeneousDiagonal),
        "ar1" => Arc::new(Autoregression { homogeneous: true, order: Some(1) }),
        "heterogeneous_ar1" => Arc::new(Autoregression { homogeneous: false, order: Some(1) }),
        "toeplitz" => Arc::new(Autoregression { homogeneous: false, order: None }),
        "homogeneous_toeplitz" => Arc::new(Autoregression { homogeneous: true, order: None }),
        _ => return Positioned::parse(name).map(|s| Arc::new(s) as Arc<dyn Structure>),
    })
}

/// Root of the sum of squares of each row: the standard deviations of the effects.
fn row_lengths(lambda: &[f64], k: usize) -> impl Iterator<Item = f64> + '_ {
    lambda.chunks_exact(k).map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt())
}

#[cfg(test)]
mod tests {
    use super::{named, Structure};
    use crate::dense::kernels;

    /// Push against differences of lambda, pull-back as its transpose, and reading back.
    fn check(s: &dyn Structure, theta: &[f64], k: usize) {
        let n = s.n_theta(k);
        assert_eq!(n, theta.len());
        let gamma: Vec<f64> = (0..k * k).map(|t| (t as f64 * 1.3).sin()).collect();
        let mut pulled = vec![0.0; n];
        s.pull_back(theta, &gamma, k, &mut pulled);
        for a in 0..n {
            let mut along = vec![0.0; n];
            along[a] = 1.0;
            let mut pushed = vec![0.0; k * k];
            s.push(theta, &along, k, &mut pushed);
            let h = 1e-6;
            let [up, down] = [h, -h].map(|h| {
                let mut t = theta.to_vec();
                t[a] += h;
                let mut l = vec![0.0; k * k];
                s.lambda(&t, k, &mut l);
                l
            });
            for i in 0..k * k {
                assert!(((up[i] - down[i]) / (2.0 * h) - pushed[i]).abs() < 1e-8, "{s:?} {a} {i}");
            }
            let along_gamma: f64 = pushed.iter().zip(&gamma).map(|(p, g)| p * g).sum();
            assert!((along_gamma - pulled[a]).abs() < 1e-12, "{s:?} {a}");
        }
        // lambda times an orthogonal matrix is read as the same parameters
        let mut lambda = vec![0.0; k * k];
        s.lambda(theta, k, &mut lambda);
        let v: Vec<f64> = (0..k).map(|i| 1.0 + i as f64).collect();
        let vv: f64 = v.iter().map(|x| x * x).sum();
        let turn: Vec<f64> = (0..k * k).map(|t| f64::from(t / k == t % k) - 2.0 * v[t / k] * v[t % k] / vv).collect();
        let mut turned = vec![0.0; k * k];
        kernels::multiply(&lambda, &turn, k, k, k, &mut turned);
        let mut read = vec![0.0; n];
        assert!(s.read(&turned, k, &mut read), "{s:?}");
        for (a, b) in read.iter().zip(theta) {
            assert!((a - b).abs() < 1e-8, "{s:?} {read:?} {theta:?}");
        }
    }

    #[test]
    fn compound_symmetry_has_one_correlation() {
        let s = named("compound_symmetry").unwrap();
        let theta = [0.7, 0.3, 0.9, 0.8];
        let mut l = [0.0; 9];
        s.lambda(&theta, 3, &mut l);
        let sigma = |i: usize, j: usize| (0..3).map(|c| l[i * 3 + c] * l[j * 3 + c]).sum::<f64>();
        let natural = s.natural(&theta, 3);
        let rho = natural[3].value;
        for i in 0..3 {
            for j in 0..3 {
                let want = theta[i] * theta[j] * if i == j { 1.0 } else { rho };
                assert!((sigma(i, j) - want).abs() < 1e-14);
            }
        }
    }

    /// The root gives the correlations of the structure of rows with the same parameters.
    #[test]
    fn autoregressions_are_those_of_rows() {
        use crate::correlation::{named as correlation, Options, Positions};
        let at = Positions { values: &[0.0, 1.0, 2.0, 3.0], d: 1 };
        let angles = [0.7f64, -0.4, 0.9];
        for (g, r, p) in [("ar1", "ar1", 1), ("homogeneous_toeplitz", "toep", 3)] {
            let theta = [&[2.0], &angles[..p]].concat();
            let mut l = [0.0; 16];
            named(g).unwrap().lambda(&theta, 4, &mut l);
            let z: Vec<f64> = angles[..p].iter().map(|a| a.sin().atanh()).collect();
            let mut c = crate::jet::Jet::default();
            let options = Options { levels: 4, ..Options::default() };
            correlation(r, &options).unwrap().matrix(&z, at, 0, &mut c);
            for t in 0..16 {
                let sigma: f64 = (0..4).map(|e| l[t / 4 * 4 + e] * l[t % 4 * 4 + e]).sum();
                assert!((sigma - 4.0 * c.value[t]).abs() < 1e-14, "{g} {t}");
            }
            let natural = named(g).unwrap().natural(&theta, 4);
            assert!((natural[1].value - c.value[1]).abs() < 1e-14);
        }
        // at the ends the effects are equal, or alternate
        let mut l = [0.0; 9];
        named("ar1").unwrap().lambda(&[1.0, -std::f64::consts::FRAC_PI_2], 3, &mut l);
        for (got, want) in l.iter().zip([1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 0.0]) {
            assert!((got - want).abs() < 1e-15, "{l:?}");
        }
    }

    /// Sigma in the parameters of Kenward and Roger's adjustment: its value is that of lambda,
    /// shares of first derivatives make it up, and derivatives along a line of theta follow by the
    /// chain rule.
    #[test]
    fn covariances_have_their_derivatives() {
        let positions = "0,0,0,1,1.5,0.5,3,3";
        for (name, theta) in [
            ("homogeneous_diagonal".to_string(), vec![0.7]),
            ("compound_symmetry".to_string(), vec![0.7, 1.3, 0.4, 0.9, 0.8]),
            ("homogeneous_compound_symmetry".to_string(), vec![0.7, 0.4]),
            ("ar1".to_string(), vec![0.7, 0.6]),
            ("heterogeneous_ar1".to_string(), vec![0.7, 0.3, 0.4, 0.9, -0.6]),
            ("toeplitz".to_string(), vec![0.7, 0.3, 0.4, 0.9, -0.6, 0.4, 0.2]),
            ("homogeneous_toeplitz".to_string(), vec![0.7, 0.8, -0.4, 0.3]),
            (format!("exp:2:{positions}"), vec![0.7, 0.4]),
            (format!("gau:2:{positions}"), vec![0.7, 0.4]),
            (format!("mat:2:{positions}"), vec![0.7, 0.4, -0.3]),
        ] {
            let k = 4;
            let s = named(&name).unwrap();
            let sigma_of = |theta: &[f64]| -> Vec<f64> {
                let mut l = vec![0.0; k * k];
                s.lambda(theta, k, &mut l);
                (0..k * k).map(|t| (0..k).map(|c| l[t / k * k + c] * l[t % k * k + c]).sum()).collect()
            };
            let c = s.covariance(&theta, k).unwrap();
            assert_eq!(c.jet.n, theta.len());
            let sigma = sigma_of(&theta);
            for t in 0..k * k {
                let made: f64 = (0..c.jet.n).map(|a| c.share[a] * c.jet.d(a)[t]).sum();
                assert!((c.jet.value[t] - sigma[t]).abs() < 1e-9, "{name} {t}");
                assert!((made - sigma[t]).abs() < 1e-9, "{name} {t} {made} {}", sigma[t]);
            }
            // along a line of theta d2 Sigma = S_x x'' + S_xx x' x' with the parameters x
            let value = |theta: &[f64]| -> Vec<f64> {
                let natural: Vec<f64> = s.natural(theta, k).iter().map(|p| p.value).collect();
                let sds = c.share.iter().filter(|v| **v != 0.0).count();
                let linear = c.jet.second.iter().all(|v| *v == 0.0);
                let of = |i: usize| match (i < sds, linear && sds == theta.len() && i > 0) {
                    (_, true) => natural[0] * natural[0] * natural[i],
                    (true, _) => natural[i] * natural[i],
                    _ => natural[i],
                };
                (0..theta.len()).map(of).collect()
            };
            let along: Vec<f64> = (0..theta.len()).map(|i| 0.3 + 0.2 * (i as f64 * 1.7).sin()).collect();
            let h = 1e-3;
            let at = |m: f64| -> Vec<f64> { theta.iter().zip(&along).map(|(t, a)| t + m * h * a).collect() };
            let differences = |f: &dyn Fn(&[f64]) -> Vec<f64>| -> (Vec<f64>, Vec<f64>) {
                let v: Vec<Vec<f64>> = [-2.0, -1.0, 0.0, 1.0, 2.0].iter().map(|m| f(&at(*m))).collect();
                let n = v[0].len();
                let first = |t: usize| (8.0 * (v[3][t] - v[1][t]) - (v[4][t] - v[0][t])) / (12.0 * h);
                let second =
                    |t: usize| (16.0 * (v[3][t] + v[1][t]) - (v[4][t] + v[0][t]) - 30.0 * v[2][t]) / (12.0 * h * h);
                ((0..n).map(first).collect(), (0..n).map(second).collect())
            };
            let (x1, x2) = differences(&value);
            let (s1, s2) = differences(&sigma_of);
            for t in 0..k * k {
                let first: f64 = (0..c.jet.n).map(|a| c.jet.d(a)[t] * x1[a]).sum();
                let mut second: f64 = (0..c.jet.n).map(|a| c.jet.d(a)[t] * x2[a]).sum();
                for a in 0..c.jet.n {
                    second += (0..c.jet.n).map(|b| c.jet.d2(a, b)[t] * x1[a] * x1[b]).sum::<f64>();
                }
                assert!((first - s1[t]).abs() < 1e-7, "{name} {t} {first} {}", s1[t]);
                assert!((second - s2[t]).abs() < 1e-5, "{name} {t} {second} {}", s2[t]);
            }
        }
    }

    #[test]
    fn derivatives_and_reading_agree_with_lambda() {
        check(&*named("unstructured").unwrap(), &[0.7, -0.3, 0.2, 0.5, 0.1, 0.9], 3);
        check(&*named("diagonal").unwrap(), &[0.7, 0.3, 0.2], 3);
        for (k, theta) in [(3, &[0.7, 0.3, 0.9, 0.8][..]), (2, &[0.7, 1.3, 1.2]), (1, &[0.4])] {
            check(&*named("compound_symmetry").unwrap(), theta, k);
        }
        check(&*named("homogeneous_compound_symmetry").unwrap(), &[0.7, 0.4], 4);
        check(&*named("homogeneous_diagonal").unwrap(), &[0.7], 3);
        for (name, theta) in [
            ("ar1", &[0.7, 0.6][..]),
            ("heterogeneous_ar1", &[0.7, 0.3, 0.4, 0.9, -0.6]),
            ("toeplitz", &[0.7, 0.3, 0.4, 0.9, -0.6, 0.4, 0.2]),
            ("homogeneous_toeplitz", &[0.7, 0.8, -0.4, 0.3]),
        ] {
            check(&*named(name).unwrap(), theta, 4);
        }
        for name in ["ar1", "heterogeneous_ar1", "toeplitz", "homogeneous_toeplitz"] {
            check(&*named(name).unwrap(), &[0.7], 1);
        }
        let positions = "0,0,0,1,1.5,0.5,3,3";
        for (name, theta) in [("exp", &[0.7, 0.4][..]), ("gau", &[0.7, 0.4]), ("mat", &[0.7, 0.4, -0.3])] {
            check(&*named(&format!("{name}:2:{positions}")).unwrap(), theta, 4);
        }
        let with_nugget = [("exp", &[0.7, 0.4, -1.0][..]), ("gau", &[0.7, 0.4, 0.5]), ("mat", &[0.7, 0.4, -0.3, -1.0])];
        for (name, theta) in with_nugget {
            check(&*named(&format!("{name}:2:{positions}:manhattan:nugget")).unwrap(), theta, 4);
        }
        assert!(named(&format!("exp:2:{positions}:crow")).is_none());
        assert!(named("nothing").is_none());
    }
}
