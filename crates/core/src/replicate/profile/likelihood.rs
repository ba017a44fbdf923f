//! What profiles need of a linear model whose random effects or rows have covariance structures:
//! the parts of -2 log-likelihood at a covariance, and their derivatives at a given sigma.

use crate::error::CoreError;
use crate::layout::{Lambda, Layout};
use crate::linear::{
    fit_correlated, frames_of, search, Begin, Correlated, CorrelatedState, Evaluator, FitOptions, Plane, Score, Status,
    System,
};
use crate::watch::Watch;

/// Where a fit begins, and where it ends.
pub struct Covariance {
    /// Covariance parameters of the random effects, columns as given.
    pub theta: Vec<f64>,
    /// Parameters of R.
    pub z: Vec<f64>,
}

/// -2 log-likelihood is `log_det` + n ln(2 pi sigma^2) + `r2` / sigma^2.
#[derive(Clone, Copy)]
pub struct Parts {
    /// log|V| relative to sigma^2.
    pub log_det: f64,
    /// Residual sum of squares, with what a plane adds.
    pub r2: f64,
    /// Derivative of `r2` along the value of the plane.
    pub off: f64,
}

/// Derivatives at a given sigma.
pub struct Slopes {
    /// By theta.
    pub theta: Vec<f64>,
    /// By the parameters of R.
    pub z: Vec<f64>,
}

/// A model with structures.
pub trait Likelihood: Sync {
    /// Work space.
    type Work;

    /// Its layout and columns.
    fn layout(&self) -> &Layout;

    /// Number of rows.
    fn n(&self) -> f64;

    /// What the changed basis and the weights add to the deviance.
    fn constant(&self) -> f64;

    /// Number of parameters of R.
    fn n_z(&self) -> usize;

    /// Natural parameters of R, as many.
    fn natural(&self, z: &[f64]) -> Vec<f64>;

    /// A new work space.
    fn work(&self) -> Self::Work;

    /// Evaluates, with a combination of the fixed effects held where there is a plane; none where
    /// the likelihood is not defined.
    fn parts(&self, work: &mut Self::Work, theta: &[f64], z: &[f64], plane: Option<&Plane>) -> Option<Parts>;

    /// Derivatives at the last evaluation, which was at `theta`, for a given 1 / sigma^2.
    fn slopes(&self, work: &mut Self::Work, theta: &[f64], precision: f64, plane: Option<&Plane>) -> Slopes;

    /// Fixed effects at the last evaluation.
    fn beta(&self, work: &Self::Work, plane: Option<&Plane>) -> Vec<f64>;

    /// Variance of the held combination of the fixed effects relative to sigma^2.
    fn variance(&self, work: &Self::Work, plane: &Plane) -> f64;

    /// The ML fit: where it ends, and how.
    ///
    /// # Errors
    /// [`CoreError::Interrupted`] when `watch` says so; a likelihood that is not finite.
    fn fit(&self, start: &Covariance, watch: &dyn Watch) -> Result<(Covariance, Status), CoreError>;
}

/// Derivatives by theta from half of those by Lambda.
pub(super) fn by_theta(layout: &Layout, theta: &[f64], gamma: &Lambda) -> Vec<f64> {
    layout.pull_back(theta, gamma).iter().map(|v| 2.0 * v).collect()
}

/// A model with independent rows.
pub struct Effects<'s> {
    /// The model.
    pub sys: &'s System,
    /// How it is fitted.
    pub options: FitOptions,
}

impl Likelihood for Effects<'_> {
    type Work = (Evaluator, Score);

    fn layout(&self) -> &Layout {
        self.sys
    }

    fn n(&self) -> f64 {
        self.sys.nu(false)
    }

    fn constant(&self) -> f64 {
        self.sys.constant(false)
    }

    fn n_z(&self) -> usize {
        0
    }

    fn natural(&self, _: &[f64]) -> Vec<f64> {
        Vec::new()
    }

    fn work(&self) -> Self::Work {
        (Evaluator::new(self.sys, 1), Score::new(self.sys))
    }

    fn parts(&self, work: &mut Self::Work, theta: &[f64], _: &[f64], plane: Option<&Plane>) -> Option<Parts> {
        let (e, _) = work;
        e.lambda = self.sys.lambda_from_theta(theta);
        e.criterion(self.sys, false).ok()?;
        let (mut r2, mut off) = (e.r2, 0.0);
        if let Some(plane) = plane {
            let (variance, gap) = e.off_plane(self.sys, plane);
            r2 += gap * gap / variance;
            off = 2.0 * gap / variance;
        }
        Some(Parts { log_det: e.factor.log_det(), r2, off })
    }

    fn slopes(&self, work: &mut Self::Work, theta: &[f64], precision: f64, plane: Option<&Plane>) -> Slopes {
        let (e, score) = work;
        e.held_score(self.sys, precision, plane, score);
        Slopes { theta: by_theta(self.sys, theta, &score.gamma), z: Vec::new() }
    }

    fn beta(&self, work: &Self::Work, _: Option<&Plane>) -> Vec<f64> {
        work.1.beta.clone()
    }

    fn variance(&self, work: &Self::Work, plane: &Plane) -> f64 {
        work.0.off_plane(self.sys, plane).0
    }

    fn fit(&self, start: &Covariance, watch: &dyn Watch) -> Result<(Covariance, Status), CoreError> {
        let (mut e, mut score) = self.work();
        let begin = Begin::At(frames_of(self.sys, &self.sys.lambda_from_theta(&start.theta)));
        let mut go_on = |_: usize, _: f64| watch.go_on();
        let f = search(self.sys, &mut e, &mut score, begin, self.options, &mut go_on)?.fit;
        Ok((Covariance { theta: self.sys.theta_of(&f.frames), z: Vec::new() }, f.status))
    }
}

/// A model whose rows have a covariance of their own.
pub struct CorrelatedRows<'s> {
    /// The model.
    pub model: &'s Correlated,
    /// How it is fitted.
    pub options: FitOptions,
}

impl Likelihood for CorrelatedRows<'_> {
    type Work = CorrelatedState;

    fn layout(&self) -> &Layout {
        &self.model.sys
    }

    fn n(&self) -> f64 {
        self.model.sys.nu(false)
    }

    fn constant(&self) -> f64 {
        self.model.sys.constant(false)
    }

    fn n_z(&self) -> usize {
        self.model.r.n()
    }

    fn natural(&self, z: &[f64]) -> Vec<f64> {
        self.model.r.natural(z, 0).value
    }

    fn work(&self) -> Self::Work {
        CorrelatedState::new(self.model)
    }

    fn parts(&self, work: &mut Self::Work, theta: &[f64], z: &[f64], plane: Option<&Plane>) -> Option<Parts> {
        work.lambda = self.model.sys.lambda_from_theta(theta);
        if !work.criterion(self.model, z, false).is_finite() {
            return None;
        }
        let (mut r2, mut off) = (work.r2, 0.0);
        if let Some(plane) = plane {
            let (variance, gap) = work.off_plane(self.model, plane);
            r2 += gap * gap / variance;
            off = 2.0 * gap / variance;
        }
        Some(Parts { log_det: work.log_dets().0, r2, off })
    }

    fn slopes(&self, work: &mut Self::Work, theta: &[f64], precision: f64, plane: Option<&Plane>) -> Slopes {
        let (gamma, z) = work.held_slopes(self.model, precision, plane);
        Slopes { theta: by_theta(&self.model.sys, theta, &gamma), z }
    }

    fn beta(&self, work: &Self::Work, plane: Option<&Plane>) -> Vec<f64> {
        work.held_effects(self.model, plane)
    }

    fn variance(&self, work: &Self::Work, plane: &Plane) -> f64 {
        work.off_plane(self.model, plane).0
    }

    fn fit(&self, start: &Covariance, watch: &dyn Watch) -> Result<(Covariance, Status), CoreError> {
        let sys = &self.model.sys;
        let mut go_on = |_: usize, _: f64| watch.go_on();
        let frames = sys.frames_at(&start.theta);
        let (f, _) =
            fit_correlated(self.model, Some(frames), std::slice::from_ref(&start.z), self.options, &mut go_on)?;
        Ok((Covariance { theta: sys.theta_of(&f.frames), z: f.z }, f.status))
    }
}
