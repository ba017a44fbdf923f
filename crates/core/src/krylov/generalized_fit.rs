//! The fit of a generalized model: trust-region steps by the average information in the coordinates
//! of a chart and the fixed effects together, with probes held fixed; the Hessian by differences of
//! the gradient at the end.

use super::fit::{moved, Local, AGAIN, DECREMENT, ERROR, MORE, MORE_AT_END, SHIFT, SMALLEST};
use super::generalized::{Ask, CrossedGlmm, Estimates, Found, GROUPS};
use super::logdet::Probed;
use super::probes::Signs;
use super::sampling_error::{covariance_of_mean, error_of_mean, error_of_value, widened};
use super::standing::Standing;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::{Block, Frame, Lambda};
use crate::linear::{Chart, Status};
use crate::optimize::trust_region::{self, Eigen};
use crate::watch::Watch;

/// Share of what a step promises by which it may fail to lower the criterion.
const HIDDEN: f64 = 0.1;

/// How a fit is made.
#[derive(Clone, Debug)]
pub struct CrossedGlmmOptions {
    /// Most evaluations.
    pub max_evaluations: usize,
    /// Decrement at which a fit ends, if larger than the usual one.
    pub tolerance: f64,
    /// Probes to begin with.
    pub probes: usize,
    /// Their signs.
    pub signs: Signs,
    /// Covariance parameters to start from.
    pub theta: Option<Vec<f64>>,
    /// Fixed effects to start from, in the changed basis.
    pub beta: Option<Vec<f64>>,
    /// Extra parameters of the family, which are held.
    pub extras: Vec<f64>,
    /// Where an earlier search of the same stood.
    pub stood: Option<Vec<f64>>,
}

/// The end of a fit; matrices are by theta and the fixed effects as given.
pub struct CrossedGlmmFit {
    /// Estimates with the modes.
    pub estimates: Estimates,
    /// Theta.
    pub theta: Vec<f64>,
    /// -2 log-likelihood.
    pub objective: f64,
    /// log|M|.
    pub log_det: f64,
    /// How it ended.
    pub status: Status,
    /// Evaluations.
    pub evaluations: usize,
    /// Newton decrement at the end.
    pub decrement: f64,
    /// Directions without variance of each term.
    pub null_dimensions: Vec<usize>,
    /// Gradient.
    pub gradient: Vec<f64>,
    /// Hessian, none where it is not positive definite; NaN for terms with directions without
    /// variance.
    pub hessian: Option<Vec<f64>>,
    /// Covariance of the estimates.
    pub covariance: Option<Vec<f64>>,
    /// (X'V^-1X)^-1 of the linearised model.
    pub vcov_profiled: Vec<f64>,
    /// Standard error of the shift of an estimate by sampling, in standard errors of the estimate:
    /// the largest of all.
    pub sampling: f64,
    /// Standard error of the objective.
    pub error: f64,
    /// What each probe says of it.
    pub probes: Vec<f64>,
}

pub(super) struct Place {
    pub(super) s: Estimates,
    pub(super) found: Found,
}

pub(super) struct Fitting<'m> {
    pub(super) model: &'m mut CrossedGlmm,
    options: CrossedGlmmOptions,
    pub(super) watch: &'m dyn Watch,
    probes: usize,
    pub(super) evaluations: usize,
    /// Where the search stands, or stood when the Hessian was begun.
    pub(super) standing: Standing,
}

impl<'m> Fitting<'m> {
    pub(super) fn ask(&self) -> Ask<'m> {
        let groups = if self.probes >= GROUPS { GROUPS } else { 1 };
        Ask { probes: self.probes, signs: self.options.signs, groups, information: true, watch: self.watch }
    }

    /// From modes near by, with the preconditioner of there; none where the objective is not
    /// defined.
    fn evaluate(&mut self, mut s: Estimates, rest: &[f64]) -> Result<Option<Place>, CoreError> {
        self.evaluations += 1;
        self.model.rest = rest.to_vec();
        let ask = self.ask();
        let found = match self.model.find_modes(&mut s, self.watch) {
            Ok(()) => self.model.examine(&s, ask),
            Err(e) => Err(e),
        };
        let found = match found {
            Err(CoreError::Degenerate(_)) => None,
            found => Some(found?),
        };
        let objective = found.as_ref().map_or(f64::INFINITY, |f| f.objective);
        if !self.watch.evaluated(self.evaluations, objective) {
            return Err(CoreError::Interrupted);
        }
        Ok(found.filter(|f| f.objective.is_finite()).map(|found| Place { s, found }))
    }

    /// The place where a search stood.
    fn again(&mut self, standing: Standing) -> Result<Place, CoreError> {
        let Standing { frames, probes, evaluations, mut vectors, .. } = standing.clone();
        let sizes = |s: &Estimates| [s.beta.len(), s.u[0].len(), s.u[1].len()];
        let beta = if vectors.is_empty() { Vec::new() } else { vectors.remove(0) };
        let mut s = self.model.at(frames, beta, self.options.extras.clone());
        let expected = [self.model.rows.p, s.u[0].len(), s.u[1].len()];
        if vectors.len() >= 2 {
            (s.u[1], s.u[0]) = (vectors.remove(1), vectors.remove(0));
        }
        if sizes(&s) != expected {
            return Err(CoreError::Shape("where the search stood is not that of this model".into()));
        }
        (self.probes, self.evaluations, self.standing) = (probes, evaluations, standing);
        self.model.return_to(&mut s, self.watch)?;
        let found = self.model.examine(&s, self.ask())?;
        Ok(Place { s, found })
    }

    /// Keeps where the search stands.
    fn keep(&mut self, here: &Place, radius: f64, kept: &[bool]) -> Result<(), CoreError> {
        if !self.watch.keeps() {
            return Ok(());
        }
        let [u1, u2] = here.s.u.clone();
        let gradients = self.standing.vectors.drain(..).skip(3);
        let vectors = [here.s.beta.clone(), u1, u2].into_iter().chain(gradients).collect();
        self.standing = Standing {
            frames: here.s.frames.clone(),
            radius,
            kept: kept.to_vec(),
            probes: self.probes,
            evaluations: self.evaluations,
            vectors,
        };
        self.standing.keep(self.watch)
    }

    fn may_go_on(&self) -> bool {
        self.evaluations < self.options.max_evaluations
    }

    /// The first place.
    fn begin(&mut self) -> Result<Place, CoreError> {
        let mut begin = self.model.start(self.options.extras.clone(), self.watch)?;
        if let Some(beta) = &self.options.beta {
            begin.beta.clone_from(beta);
        }
        let given = self.options.theta.as_ref().map(|t| self.model.layout().frames_at(t));
        let frames = given.unwrap_or_else(|| begin.frames.clone());
        let begin = self.model.moved(&begin, frames, begin.beta.clone());
        let undefined = || CoreError::Degenerate("the likelihood is not defined where the fit begins".into());
        self.evaluate(begin, &[])?.ok_or_else(undefined)
    }

    /// Gradient and Hessian by the coordinates with variance, then the fixed effects.
    fn local(&self, here: &Place) -> (Local, Vec<f64>) {
        let chart = Chart::new(self.model.layout());
        let (gamma, beta) = &here.found.gradient;
        let (mut g, mut h) = (chart.gradient(gamma, &here.s.frames), here.found.information.0.clone());
        let (n, p) = (g.len(), beta.len());
        let x = chart.of(&here.s.frames);
        let sent = chart.bounds.promise(&x, &g, &h);
        let held = chart.bounds.hold(&x, &mut g, &mut h);
        let free = super::fit::free_of(self.model.layout(), &here.s.frames, &held);
        let m = free.len();
        let mut all = vec![0.0; (m + p) * (m + p)];
        for (i, a) in free.iter().enumerate() {
            for (j, b) in free.iter().enumerate() {
                all[i * (m + p) + j] = h[a * n + b];
            }
        }
        for i in 0..p {
            for j in 0..p {
                all[(m + i) * (m + p) + m + j] = 2.0 * here.found.information.1[i * p + j];
            }
        }
        let mut own: Vec<f64> = free.iter().map(|&c| g[c]).collect();
        own.extend(beta);
        (Local { free, g: own[..m].to_vec(), h: Vec::new(), sent }, [own, all].concat())
    }

    /// What is linear in the gradient, by the coordinates of `local`.
    fn coordinates(&self, here: &Place, free: &[usize], (gamma, beta): &(Lambda, Vec<f64>)) -> Vec<f64> {
        let g = Chart::new(self.model.layout()).gradient(gamma, &here.s.frames);
        free.iter().map(|&c| g[c]).chain(beta.iter().copied()).collect()
    }
}

/// Change of the value between two places with the same probes, and its error.
fn change(from: &Found, to: &Found) -> (f64, f64) {
    let pairs: Vec<f64> = from.probed.iter().zip(&to.probed).map(|(a, b)| b.value - a.value).collect();
    (to.objective - from.objective, 3.0 * error_of_mean(&pairs) + 1e-9 * from.objective.abs())
}

impl CrossedGlmm {
    /// Fits the model.
    ///
    /// # Errors
    /// An interruption, no convergence of the solver, or a likelihood that is not defined.
    pub fn fit(&mut self, options: CrossedGlmmOptions, watch: &dyn Watch) -> Result<CrossedGlmmFit, CoreError> {
        let (probes, n_blocks) = (options.probes, self.layout().blocks.len());
        let standing = Standing { radius: 1.0, kept: vec![false; n_blocks], ..Standing::default() };
        let mut fitting = Fitting { model: self, options, watch, probes, evaluations: 0, standing };
        let mut here = match fitting.options.stood.take() {
            Some(numbers) => {
                let zero = |b: &Block| Frame::near(fitting.model.layout(), *b, &vec![0.0; b.k * b.k]);
                let frames: Vec<Frame> = fitting.model.layout().blocks.iter().map(zero).collect();
                fitting.again(Standing::of(&numbers, &frames)?)?
            }
            None => fitting.begin()?,
        };
        let (mut radius, mut kept) = (fitting.standing.radius, fitting.standing.kept.clone());
        let (mut decrement, mut sampling, mut status);
        loop {
            fitting.keep(&here, radius, &kept)?;
            let (local, both) = fitting.local(&here);
            let m = local.free.len() + here.s.beta.len();
            let (g, h) = both.split_at(m);
            status = Status::Converged;
            (decrement, sampling) = (0.0, 0.0);
            if m == 0 {
                break;
            }
            let Some(eigen) = Eigen::of(h, m) else {
                return Err(CoreError::Degenerate("the average information is not finite".into()));
            };
            decrement = eigen.decrement(g);
            if decrement > DECREMENT.max(fitting.options.tolerance) {
                let mut taken = None;
                while taken.is_none() && fitting.may_go_on() && radius >= SMALLEST {
                    let (step, predicted, edge) = trust_region::step(g, &eigen, radius);
                    let length = step.iter().map(|s| s * s).sum::<f64>().sqrt();
                    let layout = fitting.model.layout();
                    let chart = Chart::new(layout);
                    let own = &step[..local.free.len()];
                    let (frames, snapped) = moved(layout, &chart, &here.s.frames, &local, own, &kept);
                    let along = here.s.beta.iter().zip(&step[local.free.len()..]);
                    let beta = along.map(|(b, d)| b + d).collect();
                    let trial = fitting.model.moved(&here.s, frames, beta);
                    let there = fitting.evaluate(trial, &here.found.rest)?;
                    let lower = there.as_ref().is_some_and(|t| {
                        let (by, error) = change(&here.found, &t.found);
                        by <= error + HIDDEN * predicted.abs()
                    });
                    if lower {
                        radius = if edge { 2.5 * radius } else { radius };
                        taken = there;
                    } else if snapped.is_empty() {
                        radius = 0.25 * length;
                    } else {
                        snapped.iter().for_each(|&b| kept[b] = true);
                    }
                }
                if let Some(there) = taken {
                    here = there;
                    continue;
                }
                status = if fitting.may_go_on() { Status::NoProgress } else { Status::MaxEvaluations };
            }
            // a variance of zero is left where that lowers the objective
            let index = left_out(&fitting, &here).find(|&b| !kept[b]);
            if let Some(index) = index {
                kept[index] = true;
                let mut frames = here.s.frames.clone();
                frames[index].s.iter_mut().filter(|s| **s == 0.0).for_each(|s| *s = AGAIN);
                let trial = fitting.model.moved(&here.s, frames, here.s.beta.clone());
                if let Some(there) = fitting.evaluate(trial, &here.found.rest)? {
                    let (by, error) = change(&here.found, &there.found);
                    if by < -error {
                        (here, radius) = (there, 1.0);
                        continue;
                    }
                }
            }
            let groups = here.found.groups.iter();
            let own: Vec<Vec<f64>> = groups.map(|g| fitting.coordinates(&here, &local.free, g)).collect();
            sampling = widened(shift(&eigen, &covariance_of_mean(&own), m), own.len());
            if status == Status::Converged && sampling > SHIFT && 2 * fitting.probes <= MORE * probes {
                fitting.probes *= 2;
                if let Some(more) = fitting.evaluate(here.s.clone(), &here.found.rest)? {
                    here = more;
                    continue;
                }
            }
            break;
        }
        let most = MORE_AT_END * probes;
        let mut probed = std::mem::take(&mut here.found.probed);
        if error_of_value(&probed) > ERROR && probed.len() < most {
            // the weights of the rows may be those of a step that was not taken
            fitting.model.return_to(&mut here.s, watch)?;
        }
        while error_of_value(&probed) > ERROR && probed.len() < most {
            let now = probed.len();
            let needed = (now as f64 * (error_of_value(&probed) / ERROR).powi(2)).ceil().min(2.0 * now as f64) as usize;
            let to = needed.max(now + 1).min(most);
            probed.extend(fitting.model.more_probes(&here.s, now..to, fitting.ask())?);
        }
        let mean = |p: &[Probed]| p.iter().map(|p| p.value).sum::<f64>() / p.len().max(1) as f64;
        let moved_by = mean(&probed) - mean(&probed[..fitting.probes.min(probed.len())]);
        let (error, values) = (error_of_value(&probed), probed.iter().map(|p| p.value).collect());
        let (objective, log_det) = (here.found.objective + moved_by, here.found.log_det + moved_by);
        let second = fitting.second_derivatives(&here)?;
        let Fitting { model, evaluations, .. } = fitting;
        let Place { mut s, found } = here;
        model.return_to(&mut s, watch)?;
        let (layout, p) = (model.layout(), s.beta.len());
        let mut inverse = found.information.1.clone();
        let mut profiled = vec![0.0; p * p];
        if p > 0 && kernels::cholesky::<0>(&mut inverse, p) {
            kernels::inverse_of_product::<0>(&inverse, p, &mut profiled);
        }
        Ok(CrossedGlmmFit {
            theta: layout.theta_of(&s.frames),
            objective,
            log_det,
            status,
            evaluations,
            decrement,
            null_dimensions: layout.null_dimensions(&s.frames),
            gradient: second.gradient,
            hessian: second.hessian,
            covariance: second.covariance,
            vcov_profiled: layout.vcov(&profiled),
            sampling,
            error,
            probes: values,
            estimates: s,
        })
    }
}

/// Blocks some of whose directions have no variance.
fn left_out<'a>(fitting: &'a Fitting<'_>, here: &'a Place) -> impl Iterator<Item = usize> + 'a {
    let each = fitting.model.layout().blocks.iter().zip(&here.s.frames).enumerate();
    each.filter(|(_, (b, f))| b.is_free && f.s.contains(&0.0)).map(|(i, _)| i)
}

/// Largest shift by an error of the gradient with this covariance, in standard errors.
fn shift(eigen: &Eigen, covariance: &[f64], m: usize) -> f64 {
    if covariance.len() != m * m {
        return 0.0;
    }
    let inverse = |a: usize, b: usize| -> f64 {
        (0..m).map(|j| eigen.vectors[a * m + j] * eigen.vectors[b * m + j] / eigen.values[j].abs()).sum()
    };
    (0..m)
        .map(|a| {
            let row: Vec<f64> = (0..m).map(|b| inverse(a, b)).collect();
            let moved: f64 = (0..m * m).map(|t| row[t / m] * covariance[t] * row[t % m]).sum();
            (moved / (2.0 * row[a])).max(0.0).sqrt()
        })
        .fold(0.0, f64::max)
}
