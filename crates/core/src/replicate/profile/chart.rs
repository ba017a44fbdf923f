//! How free coordinates fill Lambda while one parameter of it is held.
//!
//! Lambda is a sum of fixed matrices, each times one coordinate (or its exponential), so that the constraint of a profile is gone:
//! a correlation is held by the angle between two rows, a standard deviation of zero by a row that is not there.

use crate::lmm::{lower_form, Block, Lambda, Score, System};

/// Log coordinates are not taken below this: a relative standard deviation of 1e-13.
const LOWEST_LOG: f64 = -30.0;

/// One coordinate and the matrix it multiplies.
struct Coordinate {
    block: usize,
    matrix: Vec<f64>,
    is_log: bool,
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
}

/// See the module.
pub struct Chart {
    blocks: Vec<Block>,
    forms: Vec<Form>,
    coordinates: Vec<Coordinate>,
    /// The coordinate whose matrix depends on the angle, and the derivative of that matrix.
    turning: Option<(usize, Vec<f64>)>,
}

impl Chart {
    /// Every Lambda.
    pub fn free(sys: &System) -> Self {
        let plain = |b: &Block| Form { order: (0..b.k).collect(), given: false, absent: false, turned: false };
        Self::of(sys, sys.blocks.iter().map(plain).collect())
    }

    /// Row `row` of a block (columns as given) is zero.
    pub fn without(sys: &System, block: usize, row: usize) -> Self {
        let mut chart_forms = Self::free(sys).forms;
        let k = sys.blocks[block].k;
        let order = (0..k).filter(|&r| r != row).chain([row]).collect();
        chart_forms[block] = Form { order, given: true, absent: true, turned: false };
        Self::of(sys, chart_forms)
    }

    /// Rows `first` and `second` of a block (columns as given) meet at an angle, whose complement is set by [`Chart::turn`].
    pub fn turned(sys: &System, block: usize, first: usize, second: usize) -> Self {
        let mut chart_forms = Self::free(sys).forms;
        let k = sys.blocks[block].k;
        let order = [first, second].into_iter().chain((0..k).filter(|&r| r != first && r != second)).collect();
        chart_forms[block] = Form { order, given: true, absent: false, turned: true };
        Self::of(sys, chart_forms)
    }

    fn of(sys: &System, forms: Vec<Form>) -> Self {
        let mut coordinates = Vec::new();
        let mut turning = None;
        for (index, (b, form)) in sys.blocks.iter().zip(&forms).enumerate() {
            let k = b.k;
            let last = if form.absent { k - 1 } else { k };
            for i in 0..last {
                for j in 0..=i {
                    if form.turned && i == 1 && j == 0 {
                        continue;
                    }
                    let is_log = form.turned && i < 2;
                    if form.turned && i == 1 {
                        turning = Some((coordinates.len(), Vec::new()));
                    }
                    coordinates.push(Coordinate {
                        block: index,
                        matrix: unit(sys, b, form, i, j),
                        is_log,
                        is_diagonal: i == j && !is_log,
                    });
                }
            }
        }
        Chart { blocks: sys.blocks.clone(), forms, coordinates, turning }
    }

    /// Number of coordinates.
    pub fn len(&self) -> usize {
        self.coordinates.len()
    }

    /// Sets the sine of the angle: the correlation of the two rows.
    pub fn turn(&mut self, sys: &System, angle: f64) {
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

    /// Fills Lambda.
    pub fn write(&self, phi: &[f64], lambda: &mut Lambda) {
        for b in &self.blocks {
            let kf = lambda[b.factor].len().isqrt();
            for i in 0..b.k {
                lambda[b.factor][(b.offset + i) * kf + b.offset..(b.offset + i) * kf + b.offset + b.k].fill(0.0);
            }
        }
        for (c, &v) in self.coordinates.iter().zip(phi) {
            let b = &self.blocks[c.block];
            let kf = lambda[b.factor].len().isqrt();
            let v = if c.is_log { v.max(LOWEST_LOG).exp() } else { v };
            for i in 0..b.k {
                for j in 0..b.k {
                    lambda[b.factor][(b.offset + i) * kf + b.offset + j] += v * c.matrix[i * b.k + j];
                }
            }
        }
    }

    /// The coordinates nearest to a Lambda: exact where it meets the constraint.
    pub fn read(&self, sys: &System, lambda: &Lambda) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.len());
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
            let last = if form.absent { k - 1 } else { k };
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
        }
        out
    }

    /// Gradient with respect to the coordinates, given `along(factor, i, j)` = d criterion / d Lambda.
    pub fn gradient(&self, phi: &[f64], score: &Score, row: Option<&RowTerm<'_>>, out: &mut Vec<f64>) {
        out.clear();
        for (c, &v) in self.coordinates.iter().zip(phi) {
            let g = self.along(c.block, &c.matrix, score, row);
            out.push(if !c.is_log {
                g
            } else if v > LOWEST_LOG {
                g * v.exp()
            } else {
                0.0
            });
        }
    }

    /// Derivative with respect to the angle.
    pub fn angle_derivative(&self, phi: &[f64], score: &Score) -> f64 {
        match &self.turning {
            Some((at, matrix)) => {
                phi[*at].max(LOWEST_LOG).exp() * self.along(self.coordinates[*at].block, matrix, score, None)
            }
            None => 0.0,
        }
    }

    fn along(&self, block: usize, matrix: &[f64], score: &Score, row: Option<&RowTerm<'_>>) -> f64 {
        let b = &self.blocks[block];
        let (k, kf) = (b.k, score.gamma[b.factor].len().isqrt());
        let gamma = &score.gamma[b.factor];
        let mut g = 0.0;
        for i in 0..k {
            for j in 0..k {
                g += 2.0 * gamma[(b.offset + i) * kf + b.offset + j] * matrix[i * k + j];
            }
        }
        if let Some(r) = row.filter(|r| r.block == block) {
            for i in 0..k {
                for j in 0..k {
                    g += r.factor * r.weights[i] * r.values[j] * matrix[i * k + j];
                }
            }
        }
        g
    }

    /// The coordinates moved off zeros of the diagonal, where the gradient is silent; none if there are no such zeros.
    pub fn nudged(&self, phi: &[f64], zero: f64, amount: f64) -> Option<Vec<f64>> {
        let mut out = phi.to_vec();
        let mut moved = false;
        for (c, v) in self.coordinates.iter().zip(&mut out) {
            if c.is_diagonal && v.abs() < zero {
                *v = amount;
                moved = true;
            }
        }
        moved.then_some(out)
    }
}

/// Derivative of a function of one row of Lambda (columns as given): `factor` times weights values'.
pub struct RowTerm<'a> {
    /// Block of the row.
    pub block: usize,
    /// The row as a combination of those in the changed basis.
    pub weights: &'a [f64],
    /// Its values.
    pub values: &'a [f64],
    /// Multiplier.
    pub factor: f64,
}

/// The matrix (changed basis) that has one entry at place (i, j) of a form.
fn unit(sys: &System, b: &Block, form: &Form, i: usize, j: usize) -> Vec<f64> {
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
