//! -2 log-likelihood of a linear model whose random effects or rows have covariance structures,
//! while one parameter is held: sigma^2 is profiled out, given or a coordinate.

use super::hold::{Coordinates, Hold, Last, Row, Walked};
use super::likelihood::{Covariance, Likelihood, Parts};
use super::parameter::{Kind, Origin, Target};
use super::subject::{Begun, Held, Profiled, State, Subject};
use crate::error::CoreError;
use crate::layout::Layout;
use crate::linear::{Plane, Status};
use crate::residual::{Part, RowParameter};
use crate::structure::Coordinates as Moves;
use crate::watch::Watch;
use std::collections::BTreeMap;
use std::f64::consts::PI;

/// A relative standard deviation below the first value counts as collapsed; it is retried at the
/// second.
const LOST: (f64, f64) = (1e-3, 0.03);

/// So far below the estimate the logarithm of sigma is followed: further down variances in its
/// units have lost their digits.
const DIGITS: f64 = 8.0;

/// A lower triangle whose entries are parameters.
struct Triangle {
    rows: Vec<Row>,
    /// Number of each natural parameter, and its row and column.
    natural: Vec<(usize, usize, usize)>,
}

/// A model with structures as the walks see it.
pub struct Structured<'a, L: Likelihood> {
    model: &'a L,
    /// What the natural parameters of R are.
    rows: &'a [RowParameter],
    /// How the parameters of structures are walked, by number.
    walked: &'a BTreeMap<usize, Walked>,
    /// Parameters at the estimates.
    x: Vec<f64>,
    /// The logarithm of sigma there.
    log_sigma: f64,
}

impl<L: Likelihood> Structured<'_, L> {
    fn n_theta(&self) -> usize {
        self.model.layout().n_theta
    }

    /// Natural parameters, standard deviations relative to sigma.
    fn natural(&self, x: &[f64]) -> Vec<f64> {
        let sys = self.model.layout();
        let mut out = Vec::with_capacity(x.len());
        for tl in sys.terms.iter().flatten() {
            out.extend(tl.structure.natural(&x[tl.own()], tl.k).iter().map(|n| n.value));
        }
        out.extend(self.model.natural(&x[sys.n_theta..]));
        out
    }

    /// All parameters, columns as given: natural ones of the random effects, sigma, fixed effects,
    /// natural ones of R.
    fn parameters(&self, x: &[f64], sigma2: f64, beta: &[f64]) -> Vec<f64> {
        let sys = self.model.layout();
        let sigma = sigma2.sqrt() * sys.basis.y_scale;
        let mut natural = self.natural(x);
        let of_rows = natural.split_off(sys.n_theta);
        for (i, v) in natural.iter_mut().enumerate() {
            if self.walked.get(&i) == Some(&Walked::Sd) {
                *v *= sigma;
            }
        }
        natural.push(sigma);
        natural.extend(sys.basis.beta_to_given(beta));
        natural.extend(of_rows);
        natural
    }

    /// Number of a parameter among the natural ones.
    fn place(&self, index: usize) -> usize {
        let (m, p) = (self.n_theta(), self.model.layout().p());
        if index < m {
            index
        } else {
            index - 1 - p
        }
    }

    /// The triangles in which any covariance matrix may be.
    fn triangles(&self) -> Vec<Triangle> {
        let sys = self.model.layout();
        let mut out = Vec::new();
        for tl in sys.terms.iter().flatten() {
            let Moves::Free(blocks) = tl.structure.coordinates(tl.k) else { continue };
            // which entry of theta fills which place
            let k = tl.k;
            let mut place = vec![usize::MAX; k * k];
            for a in 0..tl.n_theta {
                let mut entry = vec![0.0; tl.n_theta];
                entry[a] = 1.0;
                let mut l = vec![0.0; k * k];
                tl.structure.lambda(&entry, k, &mut l);
                if let Some(at) = l.iter().position(|v| *v != 0.0) {
                    place[at] = tl.theta + a;
                }
            }
            for (first, size) in blocks {
                let at = |i: usize, j: usize| place[(first + i) * k + first + j];
                let row = |i: usize| Row { below: (0..i).map(|j| at(i, j)).collect(), last: Last::Plain(at(i, i)) };
                let natural = (0..size).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|(i, j)| (at(i, j), i, j));
                out.push(Triangle { natural: natural.collect(), rows: (0..size).map(row).collect() });
            }
        }
        out.extend(self.triangles_of_rows());
        out
    }

    /// Those of unstructured matrices of R, one for each group. Without standard deviations the
    /// parameters are the entries below the diagonal row by row, with them the diagonal is among
    /// these.
    fn triangles_of_rows(&self) -> Vec<Triangle> {
        let m = self.n_theta();
        let mut by_group: BTreeMap<usize, Vec<(usize, usize, usize)>> = BTreeMap::new();
        for (i, p) in self.rows.iter().enumerate().filter(|(_, p)| p.part == Part::Correlation) {
            let (row, column) = match (p.parameter.name, p.parameter.at.as_slice()) {
                ("cor", [earlier, level]) => (*level, *earlier),
                ("sd_ratio", [level]) => (*level, *level),
                _ => continue,
            };
            by_group.entry(p.stratum).or_default().push((m + i, row, column));
        }
        let triangle = |natural: Vec<(usize, usize, usize)>| {
            let first = natural.iter().map(|n| n.0).min().unwrap_or(0);
            let levels = natural.iter().map(|n| n.1).max().unwrap_or(0);
            let with_sds = natural.iter().any(|n| n.1 == n.2);
            let at = |i: usize, j: usize| first + if with_sds { i * (i + 1) / 2 + j - 1 } else { i * (i - 1) / 2 + j };
            let row = |i: usize| Row {
                below: (0..i).map(|j| at(i, j)).collect(),
                last: if with_sds && i > 0 { Last::Log(at(i, i)) } else { Last::One },
            };
            Triangle { rows: (0..=levels).map(row).collect(), natural }
        };
        by_group.into_values().map(triangle).collect()
    }

    /// How a natural parameter is held.
    fn hold(&self, number: usize, walked: Walked) -> Hold {
        for t in self.triangles() {
            let Some(&(_, i, j)) = t.natural.iter().find(|n| n.0 == number) else { continue };
            return if i == j {
                Hold::Length { row: t.rows[i].clone(), sign: 1.0 }
            } else {
                Hold::Angle { first: t.rows[j].clone(), second: t.rows[i].clone() }
            };
        }
        let here = self.x[number];
        if walked == Walked::Sd {
            let row = Row { below: Vec::new(), last: Last::Plain(number) };
            return Hold::Length { row, sign: if here < 0.0 { -1.0 } else { 1.0 } };
        }
        let value = self.natural(&self.x)[number];
        if walked == Walked::Correlation && number < self.n_theta() && (value - here.sin()).abs() < 1e-12 {
            return Hold::Itself(number);
        }
        Hold::Pivot { natural: number, at: number }
    }

    /// How sigma is held: parameters of the random effects in its units are those of triangles and
    /// standard deviations.
    fn sigma(&self) -> Hold {
        let is_sd = |i: usize| self.walked.get(&i) == Some(&Walked::Sd);
        let relative = (0..self.n_theta()).filter(|&i| self.is_free(i) || is_sd(i)).collect();
        Hold::Sigma { estimate: self.log_sigma, relative }
    }

    /// Parameters that are relative standard deviations of random effects, or diagonal entries.
    fn sizes(&self) -> Vec<usize> {
        let of_triangles = self.triangles().into_iter().flat_map(|t| t.rows).filter_map(|r| match r.last {
            Last::Plain(i) => Some(i),
            _ => None,
        });
        let of_structures =
            (0..self.n_theta()).filter(|i| self.walked.get(i) == Some(&Walked::Sd) && !self.is_free(*i));
        of_triangles.chain(of_structures).collect()
    }

    /// Whether a parameter of the random effects is one of a triangle.
    fn is_free(&self, number: usize) -> bool {
        let terms = || self.model.layout().terms.iter().flatten();
        terms().any(|t| t.own().contains(&number) && matches!(t.structure.coordinates(t.k), Moves::Free(_)))
    }
}

/// See the module.
pub struct Problem<'a, L: Likelihood> {
    of: &'a Structured<'a, L>,
    coordinates: Coordinates,
    plane: Option<Plane>,
    w: f64,
    /// Relative standard deviations that may collapse, by number of the coordinate.
    sizes: Vec<usize>,
    x: Vec<f64>,
    parts: Parts,
    sigma2: f64,
}

impl<'a, L: Likelihood> Problem<'a, L> {
    fn new(of: &'a Structured<'a, L>, coordinates: Coordinates, plane: Option<Plane>, w: f64) -> Self {
        let row: &[usize] = if let Hold::Length { row, .. } = &coordinates.hold { &row.below } else { &[] };
        let all = of.sizes();
        let inside = |i: &usize| all.contains(i) && !row.contains(i);
        let sizes = (0..coordinates.free.len()).filter(|&c| inside(&coordinates.free[c])).collect();
        let parts = Parts { log_det: f64::NAN, r2: f64::NAN, off: f64::NAN };
        Problem { of, coordinates, plane, w, sizes, x: Vec::new(), parts, sigma2: f64::NAN }
    }

    fn natural(&self) -> impl Fn(&[f64]) -> Vec<f64> + 'a {
        let of = self.of;
        move |x: &[f64]| of.natural(x)
    }
}

impl<L: Likelihood> Held for Problem<'_, L> {
    type Work = L::Work;

    fn set(&mut self, value: f64) {
        self.w = value;
        if let Some(plane) = &mut self.plane {
            plane.value = value;
        }
    }

    fn coordinates(&self, state: &State) -> Vec<f64> {
        self.coordinates.read(&state.x, state.sigma)
    }

    fn deviance(&mut self, work: &mut L::Work, phi: &[f64], watch: &dyn Watch) -> Result<f64, CoreError> {
        watch.check()?;
        let model = self.of.model;
        if matches!(self.coordinates.hold, Hold::Sigma { estimate, .. } if self.w < estimate - DIGITS) {
            return Ok(f64::INFINITY);
        }
        let Some(x) = self.coordinates.full(phi, self.w, &self.natural()) else { return Ok(f64::INFINITY) };
        let (theta, z) = x.split_at(self.of.n_theta());
        let Some(parts) = model.parts(work, theta, z, self.plane.as_ref()) else {
            return Ok(f64::INFINITY);
        };
        let n = model.n();
        let log_sigma = match self.coordinates.hold {
            Hold::Sigma { .. } => Some(self.w),
            _ => self.coordinates.log_sigma(phi),
        };
        self.sigma2 = log_sigma.map_or(parts.r2 / n, |s| (2.0 * s).exp());
        (self.x, self.parts) = (x, parts);
        let d = parts.log_det + n * (2.0 * PI * self.sigma2).ln() + parts.r2 / self.sigma2;
        Ok(if d.is_finite() { d } else { f64::INFINITY })
    }

    fn gradient(&self, work: &mut L::Work, phi: &[f64], out: &mut Vec<f64>) -> f64 {
        let model = self.of.model;
        let theta = &self.x[..self.of.n_theta()];
        let slopes = model.slopes(work, theta, 1.0 / self.sigma2, self.plane.as_ref());
        let mut by_x = slopes.theta;
        by_x.extend(slopes.z);
        let by_log_sigma = 2.0 * (model.n() - self.parts.r2 / self.sigma2);
        let (by_phi, by_w) = self.coordinates.pull(phi, self.w, &self.natural(), &by_x);
        *out = by_phi;
        if self.coordinates.with_sigma {
            out[self.coordinates.free.len()] += by_log_sigma;
        }
        match (&self.plane, &self.coordinates.hold) {
            (Some(_), _) => -self.parts.off / self.sigma2,
            (None, Hold::Sigma { .. }) => by_log_sigma + by_w,
            _ => by_w,
        }
    }

    fn nudged(&self, phi: &[f64]) -> Option<Vec<f64>> {
        let mut out = phi.to_vec();
        let mut moved = false;
        for &c in &self.sizes {
            if out[c].abs() < LOST.0 {
                out[c] = LOST.1;
                moved = true;
            }
        }
        moved.then_some(out)
    }

    fn noise(&self, deviance: f64) -> f64 {
        4e-14 * (deviance.abs() + self.of.model.n())
    }

    fn state(&self, work: &L::Work) -> State {
        let beta = self.of.model.beta(work, self.plane.as_ref());
        State { lambda: Vec::new(), sigma: self.sigma2.sqrt(), beta, u: Vec::new(), x: self.x.clone() }
    }

    fn parameters(&self, work: &L::Work) -> Vec<f64> {
        self.of.parameters(&self.x, self.sigma2, &self.of.model.beta(work, self.plane.as_ref()))
    }
}

impl<'s, L: Likelihood> Subject for Structured<'s, L> {
    type Work = L::Work;
    type Held<'a>
        = Problem<'a, L>
    where
        Self: 'a;

    fn layout(&self) -> &Layout {
        self.model.layout()
    }

    fn target(&self, index: usize) -> Target {
        let (m, p) = (self.n_theta(), self.model.layout().p());
        if (m..=m + p).contains(&index) {
            return Target::of(self.layout(), index);
        }
        let walked = self.walked.get(&index).copied().unwrap_or(Walked::Number);
        Target { index, kind: Kind::Natural(walked) }
    }

    fn work(&self) -> L::Work {
        self.model.work()
    }

    fn begin(&self, _: &mut L::Work, _: &Origin) {}

    fn problem(&self, target: &Target, w: f64) -> Problem<'_, L> {
        let (hold, walked, with_sigma, plane) = match &target.kind {
            Kind::Sigma => (self.sigma(), Walked::Number, false, None),
            Kind::Fixed { row, .. } => {
                (Hold::Nothing, Walked::Number, false, Some(Plane { row: row.clone(), value: w }))
            }
            Kind::Natural(walked) => {
                (self.hold(self.place(target.index), *walked), *walked, *walked == Walked::Sd, None)
            }
            Kind::Sd { .. } | Kind::Cor { .. } => unreachable!("parameters of structures are natural ones"),
        };
        Problem::new(self, Coordinates::new(hold, walked, self.x.clone(), &[], with_sigma), plane, w)
    }

    fn absent(&self, target: &Target) -> Option<Problem<'_, L>> {
        let Kind::Natural(Walked::Sd) = target.kind else { return None };
        let number = self.place(target.index);
        let Hold::Length { row, .. } = self.hold(number, Walked::Sd) else { return None };
        let mut zero: Vec<usize> = row.below.iter().copied().chain([number]).collect();
        // what other rows have in common with this one alone
        for Triangle { rows, .. } in self.triangles().iter().filter(|t| t.rows.iter().any(|r| r.last == row.last)) {
            let j = row.below.len();
            zero.extend(rows.iter().filter(|r| r.below.len() > j).map(|r| r.below[j]));
        }
        let mut template = self.x.clone();
        zero.iter().for_each(|&i| template[i] = 0.0);
        if !self.is_free(number) {
            // other parameters of effects that are all absent
            let term = self.model.layout().terms.iter().flatten().find(|t| t.own().contains(&number))?;
            let is_sd = |i: &usize| self.walked.get(i) == Some(&Walked::Sd);
            if term.own().filter(is_sd).count() == 1 {
                zero.extend(term.own());
            }
        }
        Some(Problem::new(self, Coordinates::new(Hold::Nothing, Walked::Number, template, &zero, false), None, 0.0))
    }

    fn scale(&self, origin: &Origin) -> f64 {
        origin.state.sigma
    }

    fn width(&self, work: &L::Work, problem: &Problem<'_, L>, target: &Target, w0: f64) -> f64 {
        match &target.kind {
            Kind::Natural(Walked::Sd) => w0,
            Kind::Fixed { row, .. } => {
                (self.model.variance(work, &Plane { row: row.clone(), value: w0 }) * problem.sigma2).sqrt()
            }
            _ => 1.0,
        }
    }
}

/// The ML fit of a model with structures.
pub struct StructuredFit<'s, L: Likelihood> {
    /// The model.
    pub model: &'s L,
    /// What the natural parameters of R are.
    pub rows: &'s [RowParameter],
    /// How parameters of structures are walked, by their places in the list of all.
    pub walked: &'s BTreeMap<usize, Walked>,
}

impl<'s, L: Likelihood> Profiled for StructuredFit<'s, L> {
    type Start = Covariance;
    type Subject<'a>
        = Structured<'s, L>
    where
        Self: 'a;

    fn begin(&self, start: &Covariance, watch: &dyn Watch) -> Result<Begun<Structured<'s, L>>, CoreError> {
        let (end, status) = self.model.fit(start, watch)?;
        let degenerate = || CoreError::Degenerate("the likelihood is not finite".into());
        if status == Status::NonFinite {
            return Err(degenerate());
        }
        let mut subject = Structured {
            model: self.model,
            rows: self.rows,
            walked: self.walked,
            x: [end.theta, end.z].concat(),
            log_sigma: f64::NAN,
        };
        let mut work = subject.work();
        let (theta, z) = subject.x.split_at(subject.n_theta());
        let parts = self.model.parts(&mut work, theta, z, None).ok_or_else(degenerate)?;
        let n = self.model.n();
        let sigma2 = parts.r2 / n;
        subject.log_sigma = 0.5 * sigma2.ln();
        // the fixed effects come with the derivatives
        self.model.slopes(&mut work, theta, 1.0 / sigma2, None);
        let beta = self.model.beta(&work, None);
        let criterion = parts.log_det + n * (1.0 + (2.0 * PI * sigma2).ln());
        let origin = Origin {
            deviance: criterion,
            parameters: subject.parameters(&subject.x, sigma2, &beta),
            state: State { lambda: Vec::new(), sigma: sigma2.sqrt(), beta, u: Vec::new(), x: subject.x.clone() },
        };
        Ok(Begun { subject, work, origin, deviance: criterion + self.model.constant(), status: status.name() })
    }

    fn start_at(&self, _: &Structured<'s, L>, _: Covariance, state: &State) -> Covariance {
        let (theta, z) = state.x.split_at(self.model.layout().n_theta);
        Covariance { theta: theta.to_vec(), z: z.to_vec() }
    }
}
