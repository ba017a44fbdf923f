//! How free coordinates fill Lambda while one parameter of it is held.
//!
//! Lambda is a sum of fixed matrices, each times one coordinate (or its exponential), so that the
//! constraint of a profile is gone: a correlation is held by the angle between two rows, a standard
//! deviation of zero by a row that is not there, any other standard deviation by a row whose
//! direction is free and whose length follows from sigma.

use crate::layout::{Block, Lambda, Layout};
use crate::structure::lower_form;

/// Log coordinates are not taken below this: a relative standard deviation of 1e-13.
const LOWEST_LOG: f64 = -30.0;

/// Weight of the deviation of a direction's squared length from one, which nothing else determines.
const PENALTY: f64 = 1.0;

/// A diagonal coordinate (relative standard deviation) below the first value counts as collapsed;
/// it is retried at the second.
const LOST: (f64, f64) = (1e-3, 0.03);
/// The same for the component of a direction that the other rows do not have.
const LOST_DIRECTION: (f64, f64) = (1e-2, 0.3);

/// What a coordinate is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A multiple of its matrix.
    Linear,
    /// The logarithm of such a multiple.
    Log,
    /// A component of the direction of the held row.
    Direction,
    /// ln sigma.
    Sigma,
}

/// One coordinate and the matrix it multiplies.
struct Coordinate {
    block: usize,
    matrix: Vec<f64>,
    kind: Kind,
    /// On the diagonal of a lower triangular form, so that at zero a direction may be lost.
    is_diagonal: bool,
}

/// How the rows of one block are ordered, and in which basis they are lower triangular.
struct Form {
    order: Vec<usize>,
    given: bool,
    /// The last row is held at zero.
    absent: bool,
    /// The angle between the first two rows is held.
    turned: bool,
    /// The length of the last row is held, times sigma.
    tied: bool,
}

/// A row whose length is held.
struct Tie {
    block: usize,
    /// Its entries' matrices.
    matrices: Vec<Vec<f64>>,
    /// First coordinate of its direction; none for a single effect.
    direction: Option<usize>,
    /// Coordinate of ln sigma; none where Lambda is not relative to a sigma.
    sigma: Option<usize>,
    /// From the standard deviation to the length in the units of the matrices.
    scale: f64,
    /// The standard deviation.
    sd: f64,
}

/// See the module.
pub struct Chart {
    blocks: Vec<Block>,
    forms: Vec<Form>,
    coordinates: Vec<Coordinate>,
    /// The coordinate whose matrix depends on the angle, and the derivative of that matrix.
    turning: Option<(usize, Vec<f64>)>,
    tie: Option<Tie>,
}

/// Whether rows of a block are those of the changed basis but for their scale: all but that of the
/// intercept.
fn is_mixed(sys: &Layout, block: usize, rows: &[usize]) -> bool {
    let b = sys.blocks[block];
    let basis = &sys.basis.terms[b.factor][b.term];
    b.k > 1 && basis.intercept.is_some_and(|i| rows.contains(&i))
}

impl Chart {
    /// Every Lambda.
    pub fn free(sys: &Layout) -> Self {
        let plain =
            |b: &Block| Form { order: (0..b.k).collect(), given: false, absent: false, turned: false, tied: false };
        Self::of(sys, sys.blocks.iter().map(plain).collect(), true)
    }

    /// Row `row` of a block (columns as given) is zero.
    pub fn without(sys: &Layout, block: usize, row: usize) -> Self {
        let mut chart_forms = Self::free(sys).forms;
        let k = sys.blocks[block].k;
        let order = (0..k).filter(|&r| r != row).chain([row]).collect();
        chart_forms[block] =
            Form { order, given: is_mixed(sys, block, &[row]), absent: true, turned: false, tied: false };
        Self::of(sys, chart_forms, true)
    }

    /// Rows `first` and `second` of a block (columns as given) meet at an angle, whose complement
    /// is set by [`Chart::turn`].
    pub fn turned(sys: &Layout, block: usize, first: usize, second: usize) -> Self {
        let mut chart_forms = Self::free(sys).forms;
        let k = sys.blocks[block].k;
        let order = [first, second].into_iter().chain((0..k).filter(|&r| r != first && r != second)).collect();
        chart_forms[block] =
            Form { order, given: is_mixed(sys, block, &[first, second]), absent: false, turned: true, tied: false };
        Self::of(sys, chart_forms, true)
    }

    /// Row `row` of a block (columns as given) has the length that makes its standard deviation
    /// what [`Chart::tie`] sets.
    pub fn tied(sys: &Layout, block: usize, row: usize, with_sigma: bool) -> Self {
        let mut chart_forms = Self::free(sys).forms;
        let b = sys.blocks[block];
        let order = (0..b.k).filter(|&r| r != row).chain([row]).collect();
        chart_forms[block] =
            Form { order, given: is_mixed(sys, block, &[row]), absent: false, turned: false, tied: true };
        Self::of(sys, chart_forms, with_sigma)
    }

    fn of(sys: &Layout, forms: Vec<Form>, with_sigma: bool) -> Self {
        let mut coordinates = Vec::new();
        let mut turning = None;
        let mut tie = None;
        for (index, (b, form)) in sys.blocks.iter().zip(&forms).enumerate() {
            let k = b.k;
            let last = if form.absent || form.tied { k - 1 } else { k };
            for i in 0..last {
                for j in 0..=i {
                    if form.turned && i == 1 && j == 0 {
                        continue;
                    }
                    let kind = if form.turned && i < 2 { Kind::Log } else { Kind::Linear };
                    if form.turned && i == 1 {
                        turning = Some((coordinates.len(), Vec::new()));
                    }
                    coordinates.push(Coordinate {
                        block: index,
                        matrix: unit(sys, b, form, i, j),
                        kind,
                        is_diagonal: i == j && kind == Kind::Linear,
                    });
                }
            }
            if form.tied {
                let plain =
                    |kind, is_diagonal| Coordinate { block: index, matrix: vec![0.0; k * k], kind, is_diagonal };
                let direction = (k > 1).then_some(coordinates.len());
                if k > 1 {
                    coordinates.extend((0..k).map(|c| plain(Kind::Direction, c == k - 1)));
                }
                let row = b.offset - sys.terms[b.factor][b.term].offset + form.order[k - 1];
                tie = Some(Tie {
                    block: index,
                    matrices: (0..k).map(|c| unit(sys, b, form, k - 1, c)).collect(),
                    direction,
                    sigma: with_sigma.then_some(coordinates.len()),
                    scale: sys.basis.terms[b.factor][b.term].scale[row],
                    sd: f64::NAN,
                });
                if with_sigma {
                    coordinates.push(plain(Kind::Sigma, false));
                }
            }
        }
        Chart { blocks: sys.blocks.clone(), forms, coordinates, turning, tie }
    }

    /// Sets the standard deviation of the tied row.
    pub fn tie(&mut self, sd: f64) {
        if let Some(tie) = &mut self.tie {
            tie.sd = sd;
        }
    }

    /// ln sigma where it is a coordinate.
    pub fn log_sigma(&self, phi: &[f64]) -> Option<f64> {
        self.tie.as_ref().and_then(|t| t.sigma).map(|s| phi[s])
    }

    /// Entries of the direction of the tied row, before it is brought to length one, and that
    /// length.
    fn direction<'p>(tie: &Tie, phi: &'p [f64]) -> (&'p [f64], f64) {
        match tie.direction {
            Some(at) => {
                let z = &phi[at..at + tie.matrices.len()];
                (z, z.iter().map(|v| v * v).sum::<f64>().sqrt())
            }
            None => (&[1.0], 1.0),
        }
    }

    /// What keeps the direction's length near one; zero at one.
    pub fn penalty(&self, phi: &[f64]) -> f64 {
        self.tie.as_ref().map_or(0.0, |t| PENALTY * (Self::direction(t, phi).1.powi(2) - 1.0).powi(2))
    }

    /// Sets the sine of the angle: the correlation of the two rows.
    pub fn turn(&mut self, sys: &Layout, angle: f64) {
        let Some((at, _)) = self.turning else {
            return;
        };
        let c = &self.coordinates[at];
        let (b, form) = (&self.blocks[c.block], &self.forms[c.block]);
        let (along, across) = (unit(sys, b, form, 1, 0), unit(sys, b, form, 1, 1));
        let mix = |x: f64, y: f64| along.iter().zip(&across).map(|(a, c)| x * a + y * c).collect::<Vec<f64>>();
        let (sin, cos) = angle.sin_cos();
        self.coordinates[at].matrix = mix(sin, cos);
        self.turning = Some((at, mix(cos, -sin)));
    }

    /// Number of coordinates.
    pub fn len(&self) -> usize {
        self.coordinates.len()
    }

    /// Fills Lambda.
    pub fn write(&self, phi: &[f64], lambda: &mut Lambda) {
        for b in &self.blocks {
            let kf = lambda[b.factor].len().isqrt();
            for i in 0..b.k {
                lambda[b.factor][(b.offset + i) * kf + b.offset..(b.offset + i) * kf + b.offset + b.k].fill(0.0);
            }
        }
        for (c, &v) in self.coordinates.iter().zip(phi) {
            match c.kind {
                Kind::Linear => self.add(c.block, &c.matrix, v, lambda),
                Kind::Log => self.add(c.block, &c.matrix, v.max(LOWEST_LOG).exp(), lambda),
                Kind::Direction | Kind::Sigma => {}
            }
        }
        if let Some(t) = &self.tie {
            let (z, norm) = Self::direction(t, phi);
            let length = t.scale * t.sd / t.sigma.map_or(1.0, |s| phi[s].exp());
            for (m, v) in t.matrices.iter().zip(z) {
                self.add(t.block, m, length * v / norm, lambda);
            }
        }
    }

    fn add(&self, block: usize, matrix: &[f64], v: f64, lambda: &mut Lambda) {
        let b = &self.blocks[block];
        let kf = lambda[b.factor].len().isqrt();
        for i in 0..b.k {
            for j in 0..b.k {
                lambda[b.factor][(b.offset + i) * kf + b.offset + j] += v * matrix[i * b.k + j];
            }
        }
    }

    /// The coordinates nearest to a Lambda and sigma: exact where they meet the constraint.
    pub fn read(&self, sys: &Layout, lambda: &Lambda, sigma: f64) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.coordinates.len());
        for (b, form) in self.blocks.iter().zip(&self.forms) {
            let k = b.k;
            let kf = lambda[b.factor].len().isqrt();
            let mut m: Vec<f64> =
                (0..k * k).map(|t| lambda[b.factor][(b.offset + t / k) * kf + b.offset + t % k]).collect();
            if form.given && k > 1 {
                let basis = &sys.basis.terms[b.factor][b.term];
                m = basis.to_given(&m, k);
                for i in 0..k {
                    m[i * k..(i + 1) * k].iter_mut().for_each(|v| *v *= basis.scale[i]);
                }
            }
            let mut sorted: Vec<f64> = form.order.iter().flat_map(|&r| m[r * k..(r + 1) * k].to_vec()).collect();
            if form.absent {
                sorted[(k - 1) * k..].fill(0.0);
            }
            let (l, _) = lower_form(&sorted, k);
            let last = if form.absent || form.tied { k - 1 } else { k };
            for i in 0..last {
                for j in 0..=i {
                    if form.turned && i < 2 {
                        if i == j {
                            let norm = l[i * k..i * k + i + 1].iter().map(|v| v * v).sum::<f64>().sqrt();
                            out.push(norm.ln().max(LOWEST_LOG));
                        }
                    } else {
                        out.push(l[i * k + j]);
                    }
                }
            }
            if form.tied {
                if k > 1 {
                    let row = &l[(k - 1) * k..];
                    let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                    // an effect that is not there comes in by itself, independent of the others
                    out.extend((0..k).map(|c| if norm > 0.0 { row[c] / norm } else { f64::from(c == k - 1) }));
                }
                if self.tie.as_ref().is_some_and(|t| t.sigma.is_some()) {
                    out.push(sigma.ln());
                }
            }
        }
        out
    }

    /// Gradient with respect to the coordinates, given half the derivatives with respect to Lambda
    /// and that with respect to ln sigma with Lambda as it is; returns the derivative with respect
    /// to the standard deviation of a tied row.
    pub fn gradient(&self, phi: &[f64], gamma: &[Vec<f64>], by_log_sigma: f64, out: &mut Vec<f64>) -> f64 {
        out.clear();
        for (c, &v) in self.coordinates.iter().zip(phi) {
            out.push(match c.kind {
                Kind::Linear => self.along(c.block, &c.matrix, gamma),
                Kind::Log if v > LOWEST_LOG => self.along(c.block, &c.matrix, gamma) * v.exp(),
                _ => 0.0,
            });
        }
        let Some(t) = &self.tie else {
            return 0.0;
        };
        let (z, norm) = Self::direction(t, phi);
        let per_sd = t.scale / t.sigma.map_or(1.0, |s| phi[s].exp());
        let h: Vec<f64> = t.matrices.iter().map(|m| self.along(t.block, m, gamma)).collect();
        let outward = h.iter().zip(z).map(|(h, z)| h * z).sum::<f64>() / norm;
        if let Some(at) = t.direction {
            for (i, (h, z)) in h.iter().zip(z).enumerate() {
                out[at + i] = per_sd * t.sd * (h - outward * z / norm) / norm + 4.0 * PENALTY * (norm * norm - 1.0) * z;
            }
        }
        if let Some(s) = t.sigma {
            out[s] = by_log_sigma - per_sd * t.sd * outward;
        }
        per_sd * outward
    }

    /// Derivative with respect to the angle.
    pub fn angle_derivative(&self, phi: &[f64], gamma: &[Vec<f64>]) -> f64 {
        match &self.turning {
            Some((at, matrix)) => {
                phi[*at].max(LOWEST_LOG).exp() * self.along(self.coordinates[*at].block, matrix, gamma)
            }
            None => 0.0,
        }
    }

    /// Derivative with respect to a multiple of a matrix of a block.
    fn along(&self, block: usize, matrix: &[f64], gamma: &[Vec<f64>]) -> f64 {
        let b = &self.blocks[block];
        let (k, kf) = (b.k, gamma[b.factor].len().isqrt());
        let gamma = &gamma[b.factor];
        let mut g = 0.0;
        for i in 0..k {
            for j in 0..k {
                g += 2.0 * gamma[(b.offset + i) * kf + b.offset + j] * matrix[i * k + j];
            }
        }
        g
    }

    /// The coordinates moved off zeros of the diagonal, where a direction is lost and the gradient
    /// is silent; none if there are no such zeros.
    pub fn nudged(&self, phi: &[f64]) -> Option<Vec<f64>> {
        let mut out = phi.to_vec();
        let mut moved = false;
        for (c, v) in self.coordinates.iter().zip(&mut out) {
            let (zero, amount) = if c.kind == Kind::Direction { LOST_DIRECTION } else { LOST };
            if c.is_diagonal && v.abs() < zero {
                *v = amount;
                moved = true;
            }
        }
        moved.then_some(out)
    }
}

/// The matrix (changed basis) that has one entry at place (i, j) of a form.
fn unit(sys: &Layout, b: &Block, form: &Form, i: usize, j: usize) -> Vec<f64> {
    let k = b.k;
    let mut m = vec![0.0; k * k];
    let r = form.order[i];
    if form.given && k > 1 {
        let basis = &sys.basis.terms[b.factor][b.term];
        m[r * k + j] = 1.0 / basis.scale[r];
        basis.from_given(&m, k)
    } else {
        m[r * k + j] = 1.0;
        m
    }
}
