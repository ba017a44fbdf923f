//! The coordinates in which the outer problem is solved: xi, a linear change of theta whose unit is
//! one standard deviation of the linear predictor, fixed effects in the changed basis, and the
//! coordinates of the extra parameters. Where the linear predictor has a unit of its own (the
//! response's, say), xi and the fixed effects are in its typical size, so that a fit does not
//! depend on that unit.

use super::laplace::Value;
use super::system::GlmmSystem;
use crate::dense::kernels;
use crate::families::Coordinate;
use crate::optimize::bounds::Bounds;

/// Parameters in the units of the columns as given (fixed effects: in the changed basis).
#[derive(Clone, Debug)]
pub struct Point {
    /// Covariance parameters.
    pub theta: Vec<f64>,
    /// Fixed effects in the changed basis.
    pub beta: Vec<f64>,
    /// Extra parameters of the family.
    pub extras: Vec<f64>,
}

/// Which parameters move, and the change of theta.
pub struct Coordinates {
    /// Start in theta and lower factor C with xi = C'theta, for each term.
    blocks: Vec<(usize, usize, Vec<f64>)>,
    n_theta: usize,
    p: usize,
    /// Bounds of the coordinates.
    pub bounds: Bounds,
    /// Typical size of the linear predictor, a power of two; 1 where predictors of order one are
    /// moderate for every response.
    unit: f64,
    /// Whether the fixed effects are among the coordinates.
    pub with_beta: bool,
    /// Which extra parameters are, and the scale on which each moves.
    extras: Vec<(usize, Coordinate)>,
}

impl Coordinates {
    /// For a model; `held` has the values of extra parameters that do not move.
    pub fn new(g: &GlmmSystem, with_beta: bool, held: &[Option<f64>]) -> Self {
        let sys = &g.layout;
        let unit = predictor_unit(g);
        let mut blocks = Vec::new();
        let (mut lower, mut upper) = (vec![f64::NEG_INFINITY; sys.n_theta], vec![f64::INFINITY; sys.n_theta]);
        for (f, layouts) in sys.terms.iter().enumerate() {
            for (t, tl) in layouts.iter().enumerate() {
                let (k, m) = (tl.k, tl.n_theta);
                if let Some((b, scale)) = sys.term_bounds(f, t) {
                    // the parameters themselves: a pure number is its own coordinate
                    let mut c = vec![0.0; m * m];
                    for (i, s) in scale.iter().enumerate() {
                        c[i * m + i] = s.unwrap_or(unit);
                        let (low, high) = b.of(i);
                        (lower[tl.theta + i], upper[tl.theta + i]) =
                            (low * c[i * m + i] / unit, high * c[i * m + i] / unit);
                    }
                    blocks.push((tl.theta, m, c));
                    continue;
                }
                let filled: Vec<Vec<f64>> = (0..m)
                    .map(|a| {
                        let mut unit = vec![0.0; m];
                        unit[a] = 1.0;
                        let mut dl = vec![0.0; k * k];
                        tl.structure.push(&unit, &unit, k, &mut dl);
                        sys.basis.terms[f][t].from_given(&dl, k)
                    })
                    .collect();
                let mut c = vec![0.0; m * m];
                for a in 0..m {
                    for b in 0..m {
                        c[a * m + b] = filled[a].iter().zip(&filled[b]).map(|(x, y)| x * y).sum();
                    }
                }
                if !kernels::cholesky::<0>(&mut c, m) {
                    // columns of Z so nearly dependent that only their scale can be used
                    let scale: Vec<f64> = filled.iter().map(|v| v.iter().map(|x| x * x).sum::<f64>().sqrt()).collect();
                    c.fill(0.0);
                    (0..m).for_each(|a| c[a * m + a] = scale[a]);
                }
                blocks.push((tl.theta, m, c));
            }
        }
        let free = |e: &usize| held.get(*e).copied().flatten().is_none();
        let extras: Vec<_> = (0..g.n_extras()).filter(free).map(|e| (e, g.family.extras()[e].coordinate)).collect();
        let others = if with_beta { g.p() } else { 0 } + extras.len();
        lower.resize(sys.n_theta + others, f64::NEG_INFINITY);
        upper.resize(sys.n_theta + others, f64::INFINITY);
        let bounds = Bounds::new(lower, upper);
        Coordinates { blocks, n_theta: sys.n_theta, p: g.p(), bounds, unit, with_beta, extras }
    }

    /// Typical size of the linear predictor: what one is in xi and in the fixed effects.
    pub fn unit(&self) -> f64 {
        self.unit
    }

    /// Number of extra parameters among them.
    pub fn n_extras(&self) -> usize {
        self.extras.len()
    }

    /// Number of coordinates.
    pub fn len(&self) -> usize {
        self.n_theta + if self.with_beta { self.p } else { 0 } + self.extras.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of the first fixed effect.
    pub fn first_beta(&self) -> usize {
        self.n_theta
    }

    /// xi of a theta.
    pub fn xi(&self, theta: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.n_theta];
        for (at, m, c) in &self.blocks {
            for j in 0..*m {
                out[at + j] = (j..*m).map(|i| c[i * m + j] * theta[at + i]).sum::<f64>() / self.unit;
            }
        }
        out
    }

    /// theta of a xi.
    pub fn theta(&self, xi: &[f64]) -> Vec<f64> {
        let mut out: Vec<f64> = xi[..self.n_theta].iter().map(|v| v * self.unit).collect();
        for (at, m, c) in &self.blocks {
            kernels::backward::<0>(c, *m, &mut out[*at..at + m], 1);
        }
        out
    }

    /// Derivative with respect to xi from that with respect to theta.
    fn score(&self, theta: &mut [f64]) {
        for (at, m, c) in &self.blocks {
            kernels::forward::<0>(c, *m, &mut theta[*at..at + m], 1);
        }
        theta.iter_mut().for_each(|v| *v *= self.unit);
    }

    /// Coordinates of a point.
    pub fn of(&self, point: &Point) -> Vec<f64> {
        let mut x = self.xi(&point.theta);
        if self.with_beta {
            x.extend(point.beta.iter().map(|b| b / self.unit));
        }
        x.extend(self.extras.iter().map(|&(e, c)| c.of(point.extras[e])));
        x
    }

    /// The point of coordinates; what is not among them is taken from `base`.
    pub fn point(&self, x: &[f64], base: &Point) -> Point {
        let at = self.n_theta + if self.with_beta { self.p } else { 0 };
        let mut extras = base.extras.clone();
        for (&(e, c), &x) in self.extras.iter().zip(&x[at..]) {
            extras[e] = c.value(x);
        }
        Point {
            theta: self.theta(x),
            beta: if self.with_beta {
                x[self.n_theta..at].iter().map(|b| b * self.unit).collect()
            } else {
                base.beta.clone()
            },
            extras,
        }
    }

    /// Gradient with respect to the coordinates.
    pub fn gradient(&self, g: &GlmmSystem, theta: &[f64], v: &Value) -> Vec<f64> {
        let mut out = v.by_theta(g, theta);
        self.score(&mut out);
        if self.with_beta {
            out.extend(v.beta.iter().map(|b| b * self.unit));
        }
        out.extend(self.extras.iter().map(|&(e, _)| v.extras[e]));
        out
    }

    /// The matrix J with d(theta, beta as given, extra coordinates) = J dx, row-major. All
    /// parameters must be among the coordinates, but for extra parameters that are held.
    pub fn jacobian(&self, g: &GlmmSystem) -> Vec<f64> {
        let n = self.len();
        let mut j = vec![0.0; n * n];
        let mut unit = vec![0.0; self.n_theta];
        for c in 0..self.n_theta {
            unit.fill(0.0);
            unit[c] = 1.0;
            for (r, v) in self.theta(&unit).into_iter().enumerate() {
                j[r * n + c] = v;
            }
        }
        let mut at = self.n_theta;
        if self.with_beta {
            let b = g.layout.basis.g();
            for r in 0..self.p {
                for c in 0..self.p {
                    j[(at + r) * n + at + c] = b[r * self.p + c] * self.unit;
                }
            }
            at += self.p;
        }
        (at..n).for_each(|i| j[i * n + i] = 1.0);
        j
    }
}

/// Typical size of linear predictors near the data, as a power of two: scaling by it changes no
/// digit.
fn predictor_unit(g: &GlmmSystem) -> f64 {
    if !g.family.has_unit() || g.n == 0 {
        return 1.0;
    }
    let mut eta = vec![0.0; g.n];
    g.family.start(&g.y, &g.weights, &mut eta);
    let mut sizes: Vec<f64> = eta.iter().map(|v| v.abs()).filter(|v| v.is_finite() && *v > 0.0).collect();
    if sizes.is_empty() {
        return 1.0;
    }
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f64::total_cmp);
    2f64.powi(median.log2().round().clamp(-500.0, 500.0) as i32)
}
