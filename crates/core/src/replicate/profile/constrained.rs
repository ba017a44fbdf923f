//! -2 log-likelihood of a linear model while one parameter is held, with everything else estimated.
//!
//! sigma^2 is either profiled out, given, or follows from Lambda (a standard deviation is sigma
//! times the length of a row of Lambda), so the search is over the free coordinates of Lambda alone
//! and has no constraint.

use super::chart::Chart;
use super::parameter::{parameters, Kind, Origin, Target};
use super::subject::{Begun, Held, Profiled, State, Subject};
use crate::error::CoreError;
use crate::layout::Layout;
use crate::linear::{frames_of, search, Begin, Evaluator, FitOptions, Frame, Plane, Score, Status, System};
use crate::watch::Watch;

/// What is held.
pub enum What {
    /// ln sigma.
    LogSigma(f64),
    /// A standard deviation, by the length of a row that the chart ties to sigma.
    Row,
    /// A correlation by its angle, or a standard deviation of zero: the chart holds it.
    Chart,
    /// A fixed effect.
    Fixed(Plane),
}

/// See the module.
pub struct Constrained<'a> {
    /// The model.
    pub sys: &'a System,
    /// Coordinates of Lambda.
    pub chart: Chart,
    /// What is held.
    pub held: What,
    /// Residual variance at the last evaluation.
    pub sigma2: f64,
    /// Residual sum of squares, with what the plane adds.
    r2: f64,
}

impl<'a> Constrained<'a> {
    /// Not yet evaluated.
    pub fn new(sys: &'a System, chart: Chart, held: What) -> Self {
        Constrained { sys, chart, held, sigma2: f64::NAN, r2: f64::NAN }
    }
}

/// Work space of a linear model.
pub struct Work {
    /// Factorisation.
    pub e: Evaluator,
    /// Score.
    pub score: Score,
}

impl Held for Constrained<'_> {
    type Work = Work;

    fn set(&mut self, value: f64) {
        match &mut self.held {
            What::LogSigma(v) => *v = value,
            What::Row => self.chart.tie(value),
            What::Chart => self.chart.turn(self.sys, value),
            What::Fixed(plane) => plane.value = value,
        }
    }

    fn deviance(&mut self, work: &mut Work, phi: &[f64], watch: &dyn Watch) -> Result<f64, CoreError> {
        watch.check()?;
        let (sys, e) = (self.sys, &mut work.e);
        self.chart.write(phi, &mut e.lambda);
        if e.criterion(sys, false).is_err() {
            return Ok(f64::INFINITY);
        }
        let n = sys.nu(false);
        self.r2 = e.r2;
        self.sigma2 = match &self.held {
            What::LogSigma(v) => (2.0 * v).exp(),
            What::Row => (2.0 * self.chart.log_sigma(phi).unwrap_or(f64::NAN)).exp(),
            What::Chart => self.r2 / n,
            What::Fixed(plane) => {
                let (variance, gap) = e.off_plane(sys, plane);
                self.r2 += gap * gap / variance;
                self.r2 / n
            }
        };
        let d = e.factor.log_det() + n * (2.0 * std::f64::consts::PI * self.sigma2).ln() + self.r2 / self.sigma2;
        let d = d + self.chart.penalty(phi);
        Ok(if d.is_finite() { d } else { f64::INFINITY })
    }

    fn gradient(&self, work: &mut Work, phi: &[f64], out: &mut Vec<f64>) -> f64 {
        let sys = self.sys;
        let (e, score) = (&mut work.e, &mut work.score);
        let plane = if let What::Fixed(plane) = &self.held { Some(plane) } else { None };
        e.held_score(sys, 1.0 / self.sigma2, plane, score);
        let by_log_sigma = 2.0 * (sys.nu(false) - self.r2 / self.sigma2);
        let by_sd = self.chart.gradient(phi, &score.gamma, by_log_sigma, out);
        match &self.held {
            What::Row => by_sd,
            What::LogSigma(_) => by_log_sigma,
            What::Fixed(plane) => {
                let (variance, gap) = e.off_plane(sys, plane);
                2.0 * gap / (variance * self.sigma2)
            }
            What::Chart => self.chart.angle_derivative(phi, &score.gamma),
        }
    }

    fn coordinates(&self, state: &State) -> Vec<f64> {
        self.chart.read(self.sys, &state.lambda, state.sigma)
    }

    fn nudged(&self, phi: &[f64]) -> Option<Vec<f64>> {
        self.chart.nudged(phi)
    }

    fn noise(&self, deviance: f64) -> f64 {
        2e-14 * (deviance.abs() + self.sys.nu(false))
    }

    fn state(&self, work: &Work) -> State {
        let (lambda, beta) = (work.e.lambda.clone(), work.score.beta.clone());
        State { lambda, sigma: self.sigma2.sqrt(), beta, u: Vec::new(), x: Vec::new() }
    }

    fn parameters(&self, work: &Work) -> Vec<f64> {
        parameters(self.sys, &work.e.lambda, self.sigma2, &work.score.beta)
    }
}

/// A linear model.
pub struct Linear<'s>(pub &'s System);

impl<'s> Subject for Linear<'s> {
    type Work = Work;
    type Held<'a>
        = Constrained<'a>
    where
        Self: 'a;

    fn layout(&self) -> &Layout {
        self.0
    }

    fn work(&self) -> Work {
        Work { e: Evaluator::new(self.0, 1), score: Score::new(self.0) }
    }

    fn begin(&self, _: &mut Work, _: &Origin) {}

    fn problem(&self, target: &Target, w: f64) -> Constrained<'_> {
        let sys = self.0;
        let (chart, held) = match &target.kind {
            Kind::Sd { block, row, .. } => (Chart::tied(sys, *block, *row, true), What::Row),
            Kind::Cor { block, first, second } => (Chart::turned(sys, *block, *first, *second), What::Chart),
            Kind::Sigma => (Chart::free(sys), What::LogSigma(w)),
            Kind::Fixed { row, .. } => (Chart::free(sys), What::Fixed(Plane { row: row.clone(), value: w })),
            Kind::Natural(_) => unreachable!("structures have walks of their own"),
        };
        let mut problem = Constrained::new(sys, chart, held);
        problem.set(w);
        problem
    }

    fn absent(&self, target: &Target) -> Option<Constrained<'_>> {
        match &target.kind {
            Kind::Sd { block, row, .. } => {
                Some(Constrained::new(self.0, Chart::without(self.0, *block, *row), What::Chart))
            }
            _ => None,
        }
    }

    fn scale(&self, origin: &Origin) -> f64 {
        origin.state.sigma
    }

    fn width(&self, work: &Work, problem: &Constrained<'_>, target: &Target, w0: f64) -> f64 {
        match &target.kind {
            Kind::Sd { .. } => w0,
            Kind::Cor { .. } | Kind::Sigma | Kind::Natural(_) => 1.0,
            Kind::Fixed { row, .. } => {
                let plane = Plane { row: row.clone(), value: w0 };
                (work.e.off_plane(self.0, &plane).0 * problem.sigma2).sqrt()
            }
        }
    }
}

/// The ML fit of a linear model.
pub struct LinearFit<'s> {
    /// The model.
    pub sys: &'s System,
    /// How it is fitted.
    pub options: FitOptions,
}

impl<'s> Profiled for LinearFit<'s> {
    type Start = Vec<Frame>;
    type Subject<'a>
        = Linear<'s>
    where
        Self: 'a;

    fn begin(&self, start: &Vec<Frame>, watch: &dyn Watch) -> Result<Begun<Linear<'s>>, CoreError> {
        let sys = self.sys;
        let subject = Linear(sys);
        let mut work = subject.work();
        let begin = Begin::At(start.clone());
        let mut go_on = |_: usize, _: f64| watch.go_on();
        let f = search(sys, &mut work.e, &mut work.score, begin, self.options, &mut go_on)?.fit;
        if f.status == Status::NonFinite {
            return Err(CoreError::Degenerate("the likelihood is not finite".into()));
        }
        let sigma2 = work.e.r2 / sys.nu(false);
        let beta = work.score.beta.clone();
        let origin = Origin {
            deviance: f.criterion,
            parameters: parameters(sys, &work.e.lambda, sigma2, &beta),
            state: State { lambda: work.e.lambda.clone(), sigma: sigma2.sqrt(), beta, u: Vec::new(), x: Vec::new() },
        };
        let deviance = origin.deviance + sys.constant(false);
        Ok(Begun { subject, work, origin, deviance, status: f.status.name() })
    }

    fn start_at(&self, _: &Linear<'s>, _: Vec<Frame>, state: &State) -> Vec<Frame> {
        frames_of(self.sys, &state.lambda)
    }
}
