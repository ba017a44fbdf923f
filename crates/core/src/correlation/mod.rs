//! Correlation structures: how a few parameters make the correlation matrix of rows (or effects) at
//! given positions.
//!
//! One file each, one line in [`named`]. Every parameter z lives on the whole line, so that no step
//! of an optimiser leaves the positive definite matrices; what users know is the natural
//! parameters, one for each z. `Unstructured` is a covariance matrix whose first variance is one.
//! Covariance matrices of rows are put together in `residual::RowCovariance`.

mod antedependence;
mod ar1;
mod arma;
mod compound_symmetry;
mod decay;
mod independent;
mod maps;
mod matern;
mod metric;
pub(crate) mod partial;
mod spatial;
mod toeplitz;
mod unit_correlation;
mod unstructured;

use crate::jet::{pair, Jet, Number};
pub use antedependence::Antedependence;
pub use ar1::Ar1;
pub use arma::Arma;
pub use compound_symmetry::CompoundSymmetry;
pub use decay::Decay;
pub use independent::Independent;
pub use matern::Matern;
pub use metric::Metric;
pub use spatial::Spatial;
use std::fmt::Debug;
use std::sync::Arc;
pub use toeplitz::Toeplitz;
pub use unit_correlation::UnitCorrelation;
pub use unstructured::Unstructured;

/// Positions of the rows of one subject: times, coordinates in space, or codes of levels.
#[derive(Clone, Copy, Debug)]
pub struct Positions<'a> {
    /// m x d, row-major.
    pub values: &'a [f64],
    /// Number of coordinates of each, at least one.
    pub d: usize,
}

impl Positions<'_> {
    /// Number of rows.
    pub fn m(&self) -> usize {
        self.values.len() / self.d
    }

    /// First coordinate of a row.
    pub fn first(&self, i: usize) -> f64 {
        self.values[i * self.d]
    }

    /// Whole-number distance of two rows in the first coordinate.
    pub fn lag(&self, i: usize, j: usize) -> usize {
        (self.first(i) - self.first(j)).abs().round() as usize
    }
}

/// What positions a structure can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionRule {
    /// They are codes of levels, 0 to the number of levels less one.
    pub levels: bool,
    /// They must be whole numbers.
    pub whole: bool,
    /// No two rows of a subject may be at the same one.
    pub distinct: bool,
    /// They may have several coordinates.
    pub several: bool,
}

/// A natural parameter: its name, and the indices (from 0) that tell it from others of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As users know it.
    pub name: &'static str,
    /// Levels, lags or orders that it belongs to.
    pub at: Vec<usize>,
}

/// What starts are made of.
#[derive(Clone, Copy, Debug)]
pub struct StartData<'a> {
    /// Median distance of neighbours among the rows of a subject.
    pub gap: f64,
    /// Smallest and largest distance of two rows of a subject.
    pub distances: (f64, f64),
    /// Moments of least-squares residuals of each pair of levels, where positions are levels.
    pub covariance: Option<&'a [f64]>,
}

impl Default for StartData<'_> {
    fn default() -> Self {
        StartData { gap: 1.0, distances: (1.0, 1.0), covariance: None }
    }
}

/// A correlation structure. Matrices are m x m, row-major, of m positions.
pub trait Correlation: Debug + Send + Sync {
    /// Number of parameters.
    fn n(&self) -> usize;

    /// What the natural parameters are.
    fn parameters(&self) -> Vec<Parameter>;

    /// Values of the natural parameters with derivatives with respect to z.
    fn natural(&self, z: &[f64], order: usize, out: &mut Jet);

    /// The z of natural parameters; none where there is no such matrix.
    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>>;

    /// Where a search begins: the first is the usual one, others are for structures whose criterion
    /// has several minima.
    fn starts(&self, data: &StartData<'_>) -> Vec<Vec<f64>>;

    /// What positions it can have.
    fn positions(&self) -> PositionRule;

    /// The number of the z that is the logarithm of a range, in units of distance.
    fn range(&self) -> Option<usize> {
        None
    }

    /// The matrix, with derivatives with respect to z.
    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet);

    /// Correlations of each row with the one before it (0 for the first), with derivatives, where
    /// rows, which must be sorted by position, are independent of earlier ones given the one
    /// before: the matrix is then whitened by two diagonals. False, and nothing in `out`, for other
    /// structures.
    fn neighbours(&self, _z: &[f64], _at: Positions<'_>, _order: usize, _out: &mut Jet) -> bool {
        false
    }

    /// Sums over the matrix of `weight` (symmetric) times the second derivatives: n x n, added to
    /// `out`.
    fn add_curvature(&self, z: &[f64], at: Positions<'_>, weight: &[f64], out: &mut [f64]) {
        let mut jet = Jet::default();
        self.matrix(z, at, 2, &mut jet);
        let n = self.n();
        for k in 0..n {
            for l in 0..n {
                let p = pair(k, l);
                let d2 = &jet.second[p * jet.len..(p + 1) * jet.len];
                out[k * n + l] += d2.iter().zip(weight).map(|(a, b)| a * b).sum::<f64>();
            }
        }
    }
}

/// What the structures are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Number of levels of the positions; for whole numbers the largest distance plus one.
    pub levels: usize,
    /// Most rows in one subject.
    pub most: usize,
    /// Orders of an autoregressive moving average.
    pub orders: (usize, usize),
    /// Whether rows at one position are not perfectly correlated.
    pub nugget: bool,
    /// How distance is measured.
    pub metric: Metric,
}

impl Default for Options {
    fn default() -> Self {
        Options { levels: 1, most: 1, orders: (1, 0), nugget: false, metric: Metric::Euclidean }
    }
}

/// The structure of that name.
pub fn named(name: &str, options: &Options) -> Option<Arc<dyn Correlation>> {
    let Options { levels, most, orders: (p, q), nugget, metric } = *options;
    let spatial = |decay| Arc::new(Spatial { decay, metric, nugget, continuous_time: false });
    Some(match name {
        "independent" => Arc::new(Independent),
        "ar1" => Arc::new(Ar1),
        "ad" => Arc::new(Antedependence { levels }),
        "cs" => Arc::new(CompoundSymmetry { most }),
        "toep" => Arc::new(Toeplitz { levels }),
        "arma" => Arc::new(Arma { p, q, levels }),
        "us" => Arc::new(Unstructured { levels }),
        "us_hom" => Arc::new(UnitCorrelation { levels }),
        "car1" => Arc::new(Spatial { decay: Decay::Exponential, metric, nugget, continuous_time: true }),
        "exp" => spatial(Decay::Exponential),
        "gau" => spatial(Decay::Gaussian),
        "rational_quadratic" => spatial(Decay::RationalQuadratic),
        "spherical" => spatial(Decay::Spherical),
        "linear" => spatial(Decay::Linear),
        "mat" => Arc::new(Matern { metric, nugget }),
        _ => return None,
    })
}

impl Jet {
    /// A matrix whose entries depend on the whole-number distance of two positions alone.
    fn by_lag(&mut self, of_lag: &[Number], at: Positions<'_>, n: usize, order: usize) {
        let m = at.m();
        self.reset(n, m * m, order);
        for i in 0..m {
            for j in 0..m {
                self.put(i * m + j, &of_lag[at.lag(i, j)]);
            }
        }
    }
}

/// Cholesky factor (upper part zero) and log-determinant of a covariance matrix; none where it is
/// not positive definite.
pub fn factor(matrix: &[f64], m: usize) -> Option<(Vec<f64>, f64)> {
    /// Order from which the blocked algorithm is quicker.
    const LARGE: usize = 64;
    let mut root = matrix.to_vec();
    let done = if m < LARGE {
        crate::dense::kernels::cholesky::<0>(&mut root, m)
    } else {
        crate::dense::large::cholesky(&mut root, m)
    };
    if !done {
        return None;
    }
    (0..m).for_each(|i| root[i * m + i + 1..(i + 1) * m].fill(0.0));
    let log_det = (0..m).map(|i| 2.0 * root[i * m + i].ln()).sum();
    Some((root, log_det))
}
