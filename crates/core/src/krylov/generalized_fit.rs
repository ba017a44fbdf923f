//! The fit of a generalized model: trust-region steps by the average information in the coordinates
//! of a chart and the fixed effects together, with probes held fixed; the Hessian by differences of
//! the gradient at the end.

use super::fit::{moved, Local, AGAIN, DECREMENT, ERROR, MORE, MORE_AT_END, SHIFT, SMALLEST};
use super::generalized::{Ask, CrossedGlmm, Estimates, Found, GROUPS};
use super::linear::{covariance_of_mean, error_of_mean};
use super::logdet::Probed;
use super::probes::Signs;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::{Frame, Lambda};
use crate::linear::{Chart, Status};
use crate::optimize::differences::{self, Width};
use crate::optimize::trust_region::{self, Eigen};
use crate::watch::Watch;

/// Displacements by which the gradient is differentiated: of theta by its size, of fixed effects
/// in standard errors. The gradient is smooth, as its probes are the same.
const OF_THETA: f64 = 2e-3;
const OF_BETA: f64 = 0.05;
/// Share of the largest theta that the size of any is at least.
const LEAST: f64 = 0.3;
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
    /// Largest shift of an estimate by sampling, in standard errors.
    pub sampling: f64,
    /// Standard error of the objective.
    pub error: f64,
    /// What each probe says of it.
    pub probes: Vec<f64>,
}

struct Place {
    s: Estimates,
    found: Found,
}

struct Fitting<'m> {
    model: &'m mut CrossedGlmm,
    options: CrossedGlmmOptions,
    watch: &'m dyn Watch,
    probes: usize,
    evaluations: usize,
}

impl Fitting<'_> {
    fn ask(&self) -> Ask<'_> {
        let groups = if self.probes >= GROUPS { GROUPS } else { 1 };
        Ask { probes: self.probes, signs: self.options.signs, groups, information: true, watch: self.watch }
    }

    /// None where the objective is not defined.
    fn evaluate(&mut self, mut s: Estimates) -> Result<Option<Place>, CoreError> {
        self.evaluations += 1;
        let found = match self.model.find_modes(&mut s, self.watch) {
            Ok(()) => self.model.examine(&s, self.ask()),
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

    fn may_go_on(&self) -> bool {
        self.evaluations < self.options.max_evaluations
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

fn error_of(probed: &[Probed]) -> f64 {
    let values: Vec<f64> = probed.iter().map(|p| p.value).collect();
    let cut = probed.iter().map(|p| p.truncation).sum::<f64>() / probed.len().max(1) as f64;
    error_of_mean(&values).hypot(cut)
}

impl CrossedGlmm {
    /// Fits the model.
    ///
    /// # Errors
    /// An interruption, no convergence of the solver, or a likelihood that is not defined.
    pub fn fit(&mut self, options: CrossedGlmmOptions, watch: &dyn Watch) -> Result<CrossedGlmmFit, CoreError> {
        let mut begin = self.start(options.extras.clone())?;
        if let Some(beta) = &options.beta {
            begin.beta.clone_from(beta);
        }
        let frames = options.theta.as_ref().map_or_else(|| begin.frames.clone(), |t| self.layout().frames_at(t));
        let begin = self.moved(&begin, frames, begin.beta.clone());
        let probes = options.probes;
        let mut fitting = Fitting { model: self, options, watch, probes, evaluations: 0 };
        let Some(mut here) = fitting.evaluate(begin)? else {
            return Err(CoreError::Degenerate("the likelihood is not defined where the fit begins".into()));
        };
        let n_blocks = fitting.model.layout().blocks.len();
        let (mut radius, mut kept) = (1.0f64, vec![false; n_blocks]);
        let (mut decrement, mut sampling, mut status);
        loop {
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
                    let there = fitting.evaluate(trial)?;
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
                if let Some(there) = fitting.evaluate(trial)? {
                    let (by, error) = change(&here.found, &there.found);
                    if by < -error {
                        (here, radius) = (there, 1.0);
                        continue;
                    }
                }
            }
            let groups = here.found.groups.iter();
            let own: Vec<Vec<f64>> = groups.map(|g| fitting.coordinates(&here, &local.free, g)).collect();
            sampling = shift(&eigen, &covariance_of_mean(&own), m);
            if status == Status::Converged && sampling > SHIFT && 2 * fitting.probes <= MORE * probes {
                fitting.probes *= 2;
                if let Some(more) = fitting.evaluate(here.s.clone())? {
                    here = more;
                    continue;
                }
            }
            break;
        }
        let most = MORE_AT_END * probes;
        let mut probed = std::mem::take(&mut here.found.probed);
        if error_of(&probed) > ERROR && probed.len() < most {
            // the weights of the rows may be those of a step that was not taken
            fitting.model.find_modes(&mut here.s, watch)?;
        }
        while error_of(&probed) > ERROR && probed.len() < most {
            let now = probed.len();
            let needed = (now as f64 * (error_of(&probed) / ERROR).powi(2)).ceil().min(2.0 * now as f64) as usize;
            let to = needed.max(now + 1).min(most);
            probed.extend(fitting.model.more_probes(&here.s, now..to, fitting.ask())?);
        }
        let mean = |p: &[Probed]| p.iter().map(|p| p.value).sum::<f64>() / p.len().max(1) as f64;
        let moved_by = mean(&probed) - mean(&probed[..fitting.probes.min(probed.len())]);
        let (error, values) = (error_of(&probed), probed.iter().map(|p| p.value).collect());
        let (objective, log_det) = (here.found.objective + moved_by, here.found.log_det + moved_by);
        let second = fitting.second_derivatives(&here)?;
        let Fitting { model, evaluations, .. } = fitting;
        // the modes of the estimates again
        let Place { mut s, found } = here;
        model.find_modes(&mut s, watch)?;
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

/// By theta and the fixed effects as given.
struct Second {
    gradient: Vec<f64>,
    hessian: Option<Vec<f64>>,
    covariance: Option<Vec<f64>>,
}

impl Fitting<'_> {
    /// Gradient by theta and the fixed effects of the changed basis.
    fn gradient(&self, frames: &[Frame], (gamma, beta): &(Lambda, Vec<f64>)) -> Vec<f64> {
        let layout = self.model.layout();
        layout.gradient(&layout.lambda_of(frames), gamma).into_iter().chain(beta.iter().copied()).collect()
    }

    fn second_derivatives(&mut self, here: &Place) -> Result<Second, CoreError> {
        let theta = self.model.layout().theta_of(&here.s.frames);
        let (nt, p) = (theta.len(), here.s.beta.len());
        let n = nt + p;
        let center = self.gradient(&here.s.frames, &here.found.gradient);
        // parameters of terms with directions without variance have no second derivatives
        let null = self.model.layout().null_dimensions(&here.s.frames);
        let mut moves = vec![true; n];
        for (tl, &null) in self.model.layout().terms.iter().flatten().zip(&null) {
            moves[tl.own()].fill(null == 0);
        }
        let free: Vec<usize> = (0..n).filter(|&i| moves[i]).collect();
        let largest = theta.iter().fold(0.0f64, |m, t| m.max(t.abs()));
        let width = |&i: &usize| {
            let by = if i < nt {
                OF_THETA * theta[i].abs().max(LEAST * largest)
            } else {
                OF_BETA / here.found.information.1[(i - nt) * (p + 1)].max(1e-300).sqrt()
            };
            Width { before: 0.0, after: if i < nt && theta[i] < 0.0 { -by } else { by } }
        };
        let widths: Vec<Width> = free.iter().map(width).collect();
        let own: Vec<f64> = free.iter().map(|&i| center[i]).collect();
        let found = differences::hessian(&widths, &own, &mut |c, by| {
            let mut at = theta.clone();
            let mut beta = here.s.beta.clone();
            match free[c].checked_sub(nt) {
                None => at[free[c]] += by,
                Some(j) => beta[j] += by,
            }
            let frames: Vec<Frame> = self.model.layout().frames_at(&at);
            let mut s = self.model.moved(&here.s, frames.clone(), beta);
            self.evaluations += 1;
            if let Err(e) = self.model.find_modes(&mut s, self.watch) {
                return if matches!(e, CoreError::Degenerate(_)) { Ok(None) } else { Err(e) };
            }
            let ask = Ask { information: false, groups: 1, ..self.ask() };
            let g = self.model.examine(&s, ask)?.gradient;
            let g = self.gradient(&frames, &g);
            Ok(Some(free.iter().map(|&i| g[i]).collect()))
        })?;
        let basis = &self.model.layout().basis;
        // d(as given) = J d(here), which is the identity for theta
        let g = basis.g();
        let m = free.len();
        let mut covariance = None;
        let mut hessian = None;
        let jacobian = |r: usize, c: usize| -> f64 {
            let (i, j) = (free[r], free[c]);
            if i >= nt && j >= nt {
                g[(i - nt) * p + j - nt]
            } else {
                f64::from(u8::from(i == j))
            }
        };
        if let Some(h) = found {
            let mut root = h;
            if m == 0 || kernels::cholesky::<0>(&mut root, m) {
                let mut inverse = vec![0.0; m * m];
                kernels::inverse_of_product::<0>(&root, m, &mut inverse);
                let j: Vec<f64> = (0..m * m).map(|t| jacobian(t / m, t % m)).collect();
                let (mut half, mut whole) = (vec![0.0; m * m], vec![0.0; m * m]);
                kernels::multiply(&j, &inverse, m, m, m, &mut half);
                for a in 0..m {
                    for b in 0..m {
                        whole[a * m + b] = 2.0 * (0..m).map(|c| half[a * m + c] * j[b * m + c]).sum::<f64>();
                    }
                }
                let wide = |v: &[f64]| {
                    let mut out = vec![f64::NAN; n * n];
                    (0..m * m).for_each(|t| out[free[t / m] * n + free[t % m]] = v[t]);
                    out
                };
                covariance = Some(wide(&whole));
                let mut back: Vec<f64> = whole.iter().map(|v| 0.5 * v).collect();
                if m == 0 || kernels::cholesky::<0>(&mut back, m) {
                    let mut h = vec![0.0; m * m];
                    kernels::inverse_of_product::<0>(&back, m, &mut h);
                    hessian = Some(wide(&h));
                }
            }
        }
        // J'^-1 of the gradient by the fixed effects
        let mut gradient = center;
        let given = basis.g();
        let mut lu: Vec<f64> =
            (0..p * p).map(|t| (0..p).map(|c| given[t / p * p + c] * given[t % p * p + c]).sum()).collect();
        if p > 0 && kernels::cholesky::<0>(&mut lu, p) {
            // G'^-1 v = (G G')^-1 G v
            let v: Vec<f64> = (0..p).map(|i| (0..p).map(|j| given[i * p + j] * gradient[nt + j]).sum()).collect();
            let mut v = v;
            kernels::forward::<0>(&lu, p, &mut v, 1);
            kernels::backward::<0>(&lu, p, &mut v, 1);
            gradient[nt..].copy_from_slice(&v);
        }
        Ok(Second { gradient, hessian, covariance })
    }
}
