//! Profiles of generalized models: the approximate -2 log-likelihood while one parameter is held,
//! minimised over all others together.
//!
//! Free coordinates are those of Lambda, then the fixed effects (of which a held one takes one
//! direction away), then the logarithm of the dispersion. Lengths are in units of a moderate change
//! of the linear predictor, which takes the place of the scale of y.

use super::chart::Chart;
use super::parameter::{parameters, Kind, Origin, Target};
use super::subject::{Begun, Held, Profiled, State, Subject};
use crate::error::CoreError;
use crate::generalized::{search, Approximation, FitOptions, GlmmSystem, Modes, Point, Value};
use crate::layout::{Lambda, Layout};
use crate::watch::Watch;

/// A generalized model.
pub struct Generalized<'g> {
    g: &'g GlmmSystem,
    how: Approximation,
    /// Layout and basis, with the unit in the place of the scale of y.
    sys: Layout,
    unit: f64,
    /// Whether the dispersion is a coordinate.
    with_dispersion: bool,
    /// The dispersion where it is none: the extra parameter of the family, 1 without one.
    dispersion: f64,
}

/// What is held.
enum What {
    /// A standard deviation or a correlation: the chart holds it.
    Tied,
    Turned,
    /// A standard deviation of zero.
    Absent,
    /// ln dispersion, in units.
    LogDispersion(f64),
    /// A combination of the fixed effects.
    Fixed {
        value: f64,
        /// The combination divided by its squared length.
        along: Vec<f64>,
        /// Orthonormal directions that leave it as it is, p x (p - 1).
        across: Vec<f64>,
    },
}

/// The likelihood with one parameter held.
pub struct HeldGeneralized<'a> {
    of: &'a Generalized<'a>,
    chart: Chart,
    held: What,
    /// Lambda in units at the last evaluation.
    lambda: Lambda,
    dispersion: f64,
    value: Value,
    /// Half the derivatives with respect to `lambda`.
    half_gamma: Vec<Vec<f64>>,
}

/// The fit of a generalized model.
pub struct GeneralizedFit<'g> {
    /// The model.
    pub g: &'g GlmmSystem,
}

impl<'g> Profiled for GeneralizedFit<'g> {
    type Start = FitOptions;
    type Subject<'a>
        = Generalized<'g>
    where
        Self: 'a;

    fn begin(&self, start: &FitOptions, watch: &dyn Watch) -> Result<Begun<Generalized<'g>>, CoreError> {
        let g = self.g;
        if g.n_extras() > 1 {
            return Err(CoreError::Shape("profiles take families with at most one extra parameter".into()));
        }
        let mut work = Modes::new(g, 1);
        let f = search(g, &mut work, start, &mut |_, _| watch.go_on())?.fit;
        let dispersion = f.point.extras.first().copied().unwrap_or(1.0);
        if !f.objective.is_finite() {
            return Err(CoreError::Degenerate("the likelihood is not finite".into()));
        }
        let total: f64 = work.wo.iter().map(|w| w.abs()).sum();
        let unit = if g.family.is_scale_free() { 1.0 } else { (g.n as f64 / total).sqrt() };
        let unit = if unit.is_finite() && unit > 0.0 { unit } else { 1.0 };
        let mut sys = g.layout.clone();
        sys.basis.y_scale = unit;
        sys.basis.y_shift = 0.0;
        let subject =
            Generalized { g, how: start.how, sys, unit, with_dispersion: f.coordinates.n_extras() > 0, dispersion };
        let lambda = scaled(&g.layout.lambda_from_theta(&f.point.theta), 1.0 / unit);
        let beta: Vec<f64> = f.point.beta.iter().map(|b| b / unit).collect();
        let origin = Origin {
            deviance: f.objective,
            parameters: subject.parameters(&lambda, dispersion, &beta),
            state: State { lambda, sigma: dispersion / unit, beta, u: work.u.clone(), x: Vec::new() },
        };
        Ok(Begun { subject, work, deviance: origin.deviance, origin, status: f.status.name() })
    }

    fn start_at(&self, subject: &Generalized<'g>, start: FitOptions, state: &State) -> FitOptions {
        let unit = subject.unit;
        FitOptions {
            theta: Some(self.g.layout.theta_from_lambda(&scaled(&state.lambda, unit)).0),
            beta: Some(state.beta.iter().map(|b| b * unit).collect()),
            extras: Some(vec![state.sigma * unit; self.g.n_extras()]),
            ..start
        }
    }
}

fn scaled(lambda: &Lambda, by: f64) -> Lambda {
    lambda.iter().map(|f| f.iter().map(|v| v * by).collect()).collect()
}

impl Generalized<'_> {
    fn parameters(&self, lambda: &Lambda, dispersion: f64, beta: &[f64]) -> Vec<f64> {
        let mut out = parameters(&self.sys, lambda, 1.0, beta);
        out[self.sys.n_theta] = dispersion;
        out
    }

    fn held(&self, chart: Chart, held: What) -> HeldGeneralized<'_> {
        let lambda = self.sys.zero_lambda();
        HeldGeneralized {
            of: self,
            chart,
            held,
            half_gamma: lambda.clone(),
            lambda,
            dispersion: self.dispersion,
            value: Value::default(),
        }
    }
}

impl Subject for Generalized<'_> {
    type Work = Modes;
    type Held<'a>
        = HeldGeneralized<'a>
    where
        Self: 'a;

    fn layout(&self) -> &Layout {
        &self.sys
    }

    fn work(&self) -> Modes {
        Modes::new(self.g, 1)
    }

    fn begin(&self, work: &mut Modes, origin: &Origin) {
        work.forget();
        work.free = None;
        work.u.copy_from_slice(&origin.state.u);
    }

    fn problem(&self, target: &Target, w: f64) -> HeldGeneralized<'_> {
        let sys = &self.sys;
        let (chart, held) = match &target.kind {
            Kind::Sd { block, row, .. } => (Chart::tied(sys, *block, *row, false), What::Tied),
            Kind::Cor { block, first, second } => (Chart::turned(sys, *block, *first, *second), What::Turned),
            Kind::Sigma => (Chart::free(sys), What::LogDispersion(w)),
            Kind::Fixed { row, .. } => {
                let length2: f64 = row.iter().map(|v| v * v).sum();
                let along = row.iter().map(|v| v / length2).collect();
                (Chart::free(sys), What::Fixed { value: w, along, across: complement(row) })
            }
            Kind::Natural(_) => unreachable!("structures have walks of their own"),
        };
        let mut problem = self.held(chart, held);
        problem.set(w);
        problem
    }

    fn absent(&self, target: &Target) -> Option<HeldGeneralized<'_>> {
        match &target.kind {
            Kind::Sd { block, row, .. } => Some(self.held(Chart::without(&self.sys, *block, *row), What::Absent)),
            _ => None,
        }
    }

    fn scale(&self, _: &Origin) -> f64 {
        1.0
    }

    fn width(&self, work: &Modes, _: &HeldGeneralized<'_>, target: &Target, w0: f64) -> f64 {
        match &target.kind {
            Kind::Sd { .. } => w0,
            Kind::Cor { .. } | Kind::Sigma | Kind::Natural(_) => 1.0,
            Kind::Fixed { row, .. } => {
                let information: f64 = work.wo.iter().map(|w| w.abs()).sum();
                row.iter().map(|v| v * v).sum::<f64>().sqrt() / (self.unit * information.sqrt())
            }
        }
    }
}

/// Orthonormal columns (p x (p - 1), row-major) perpendicular to a vector: a Householder reflection
/// without its first column.
fn complement(v: &[f64]) -> Vec<f64> {
    let p = v.len();
    let pivot = (0..p).max_by(|&a, &b| v[a].abs().total_cmp(&v[b].abs())).unwrap_or(0);
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut h = v.to_vec();
    h[pivot] += length.copysign(v[pivot]);
    let h2: f64 = h.iter().map(|x| x * x).sum();
    let mut out = Vec::with_capacity(p * (p - 1));
    for i in 0..p {
        for j in (0..p).filter(|&j| j != pivot) {
            out.push(f64::from(i == j) - 2.0 * h[i] * h[j] / h2);
        }
    }
    out
}

impl HeldGeneralized<'_> {
    /// Fixed effects, in units, at coordinates.
    fn beta(&self, free: &[f64]) -> Vec<f64> {
        match &self.held {
            What::Fixed { value, along, across } => {
                let m = along.len() - 1;
                along
                    .iter()
                    .enumerate()
                    .map(|(i, a)| value * a + (0..m).map(|j| across[i * m + j] * free[j]).sum::<f64>())
                    .collect()
            }
            _ => free.to_vec(),
        }
    }

    /// Number of free directions of the fixed effects.
    fn n_beta(&self) -> usize {
        let p = self.of.g.p();
        if matches!(self.held, What::Fixed { .. }) {
            p - 1
        } else {
            p
        }
    }

    /// Moves the derivatives from the triangular form of Lambda, where they were computed, to
    /// Lambda itself: `turns` takes this to that.
    fn turn_back(&mut self, theta: &[f64], turns: &[Vec<Vec<f64>>]) {
        let (sys, unit) = (&self.of.sys, self.of.unit);
        let quadrature = self.of.how.n_quad > 1;
        for (f, layouts) in sys.terms.iter().enumerate() {
            let kf = sys.factors[f].k;
            for (t, tl) in layouts.iter().enumerate() {
                let k = tl.k;
                let at = |i: usize, j: usize| (tl.offset + i) * kf + tl.offset + j;
                let mut own: Vec<f64> = (0..k * k).map(|c| self.value.gamma[f][at(c / k, c % k)]).collect();
                if quadrature && k > 1 {
                    let mut l = vec![0.0; k * k];
                    tl.structure.lambda(&theta[tl.theta..tl.theta + tl.n_theta], k, &mut l);
                    off_triangle(&sys.basis.terms[f][t], &l, &mut own);
                }
                let q = &turns[f][t];
                for i in 0..k {
                    for j in 0..k {
                        let v: f64 = (0..k).map(|c| own[i * k + c] * q[c * k + j]).sum();
                        self.half_gamma[f][at(i, j)] = 0.5 * unit * v;
                    }
                }
            }
        }
    }
}

/// Quadrature by a product rule depends on how the axes of the random effects are turned, so that a
/// change of Lambda that leaves the triangle also turns them back: adds that to the derivatives
/// `gamma` at the triangular `l` (columns as given).
fn off_triangle(basis: &crate::basis::TermBasis, l: &[f64], gamma: &mut [f64]) {
    let k = l.len().isqrt();
    let changed = basis.from_given(l, k);
    // the part of the derivative along rotations
    let b = |i: usize, j: usize| (0..k).map(|r| changed[r * k + i] * gamma[r * k + j]).sum::<f64>();
    let largest = l.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    let mut off = vec![0.0; k * k];
    for j in 1..k {
        for i in (0..j).rev() {
            let rest: f64 = (i + 1..j).map(|m| l[m * k + i] * off[m * k + j]).sum();
            let pivot = l[i * k + i];
            off[i * k + j] = if pivot.abs() > 1e-8 * largest { (b(j, i) - b(i, j) - rest) / pivot } else { 0.0 };
        }
    }
    let unit: Vec<f64> = (0..k * k).map(|c| f64::from(c / k == c % k)).collect();
    let a = basis.to_given(&unit, k);
    for i in 0..k {
        for j in 0..k {
            gamma[i * k + j] += (0..k).map(|r| a[r * k + i] * off[r * k + j]).sum::<f64>();
        }
    }
}

impl Held for HeldGeneralized<'_> {
    type Work = Modes;

    fn set(&mut self, w: f64) {
        match &mut self.held {
            What::Tied => self.chart.tie(w),
            What::Turned => self.chart.turn(&self.of.sys, w),
            What::Absent => {}
            What::LogDispersion(value) | What::Fixed { value, .. } => *value = w,
        }
    }

    fn coordinates(&self, state: &State) -> Vec<f64> {
        let mut out = self.chart.read(&self.of.sys, &state.lambda, 1.0);
        match &self.held {
            What::Fixed { across, .. } => {
                let m = state.beta.len() - 1;
                out.extend(
                    (0..m).map(|j| state.beta.iter().enumerate().map(|(i, b)| across[i * m + j] * b).sum::<f64>()),
                );
            }
            _ => out.extend_from_slice(&state.beta),
        }
        if self.of.with_dispersion && !matches!(self.held, What::LogDispersion(_)) {
            out.push(state.sigma.ln());
        }
        out
    }

    fn deviance(&mut self, work: &mut Modes, phi: &[f64], watch: &dyn Watch) -> Result<f64, CoreError> {
        watch.check()?;
        let (g, unit) = (self.of.g, self.of.unit);
        let (first, m) = (self.chart.len(), self.n_beta());
        self.chart.write(phi, &mut self.lambda);
        let (theta, turns) = g.layout.theta_from_lambda(&scaled(&self.lambda, unit));
        let beta = self.beta(&phi[first..first + m]).iter().map(|b| b * unit).collect();
        self.dispersion = match self.held {
            What::LogDispersion(v) => unit * v.exp(),
            _ if self.of.with_dispersion => unit * phi[first + m].exp(),
            _ => self.of.dispersion,
        };
        if !(self.dispersion > 1e-150 && self.dispersion < 1e150) {
            return Ok(f64::INFINITY);
        }
        let point = Point { theta, beta, extras: vec![self.dispersion; g.n_extras()] };
        let value = work.value(g, &point, self.of.how, false);
        if let Some(message) = g.family.failure() {
            return Err(CoreError::Degenerate(message));
        }
        let Ok(value) = value else {
            return Ok(f64::INFINITY);
        };
        let d = value.objective + self.chart.penalty(phi);
        let sound = value.beta.iter().chain(value.gamma.iter().flatten()).all(|v| v.is_finite());
        if !d.is_finite() || !sound {
            return Ok(f64::INFINITY);
        }
        self.value = value;
        self.turn_back(&point.theta, &turns);
        Ok(d)
    }

    fn gradient(&self, _: &mut Modes, phi: &[f64], out: &mut Vec<f64>) -> f64 {
        let unit = self.of.unit;
        let by_sd = self.chart.gradient(phi, &self.half_gamma, 0.0, out);
        let by_beta = &self.value.beta;
        let slope = match &self.held {
            What::Tied => by_sd,
            What::Turned => self.chart.angle_derivative(phi, &self.half_gamma),
            What::Absent => f64::NAN,
            What::LogDispersion(_) => self.value.extras[0],
            What::Fixed { along, .. } => unit * along.iter().zip(by_beta).map(|(a, g)| a * g).sum::<f64>(),
        };
        match &self.held {
            What::Fixed { across, .. } => {
                let m = by_beta.len() - 1;
                out.extend(
                    (0..m).map(|j| unit * by_beta.iter().enumerate().map(|(i, g)| across[i * m + j] * g).sum::<f64>()),
                );
            }
            _ => out.extend(by_beta.iter().map(|g| unit * g)),
        }
        if self.of.with_dispersion && !matches!(self.held, What::LogDispersion(_)) {
            out.push(self.value.extras[0]);
        }
        slope
    }

    fn nudged(&self, phi: &[f64]) -> Option<Vec<f64>> {
        self.chart.nudged(phi)
    }

    fn noise(&self, deviance: f64) -> f64 {
        1e-13 * (1.0 + deviance.abs())
    }

    fn state(&self, work: &Modes) -> State {
        let unit = self.of.unit;
        State {
            lambda: self.lambda.clone(),
            sigma: self.dispersion / unit,
            beta: work.beta.iter().map(|b| b / unit).collect(),
            u: work.u.clone(),
            x: Vec::new(),
        }
    }

    fn parameters(&self, work: &Modes) -> Vec<f64> {
        let beta: Vec<f64> = work.beta.iter().map(|b| b / self.of.unit).collect();
        self.of.parameters(&self.lambda, self.dispersion, &beta)
    }
}
