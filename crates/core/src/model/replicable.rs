//! A model as replicates need it.

use crate::rng::Rng;
use crate::rows::Rows;
use crate::watch::Watch;

/// Estimates of one replicate: no random effects.
pub struct Estimates {
    /// The criterion asked for.
    pub objective: f64,
    /// Fixed effects of the kept columns.
    pub beta: Vec<f64>,
    /// Their standard errors.
    pub se: Vec<f64>,
    /// Covariance parameters, in the order of factors and terms.
    pub theta: Vec<f64>,
    /// Residual standard deviation, or the dispersion of a family.
    pub spread: f64,
}

/// One replicate.
pub struct Outcome {
    /// How its fit ended, or why there is none.
    pub status: &'static str,
    /// For each term, in the order of factors and terms, the number of directions without variance;
    /// empty where there is no fit.
    pub null: Vec<usize>,
    /// Whether the lowest valley was found from another start than the first.
    pub moved_on: bool,
    /// None where there is no fit.
    pub estimates: Option<Estimates>,
}

impl Outcome {
    /// Status of a replicate whose rows do not determine all fixed effects.
    pub const RANK_DEFICIENT: &'static str = "rank_deficient";
    /// Status of a replicate whose random effects led to means that the family does not have.
    pub const NO_RESPONSE: &'static str = "no_response";

    /// A replicate that could not be fitted.
    pub fn failed(status: &'static str) -> Self {
        Outcome { status, null: Vec::new(), moved_on: false, estimates: None }
    }

    /// Whether some direction of the random effects has no variance.
    pub fn is_singular(&self) -> bool {
        self.null.iter().any(|&n| n > 0)
    }
}

/// A model whose design stays while responses change: they are drawn, or given, and fitted.
pub trait Replicable: Sync + Sized {
    /// How it is fitted, and where that starts.
    type How: Sync;
    /// The distribution of the responses that are drawn.
    type Law<'a>: Sync;
    /// Work space of a draw.
    type Draft;
    /// Work space of a fit.
    type Work;
    /// What a response that is given is multiplied by.
    type Columns<'a>: Sync;
    /// How a response of a larger model becomes one of this model.
    type Passage: Sync;

    /// Number of fixed effects in use.
    fn n_beta(&self) -> usize;

    /// Number of covariance parameters.
    fn n_theta(&self) -> usize;

    /// A copy for responses of its own.
    fn clone_for_refit(&self) -> Self;

    /// Work space of fits.
    fn work(&self) -> Self::Work;

    /// Work space of draws from a law.
    fn draft(&self, law: &Self::Law<'_>) -> Self::Draft;

    /// Draws a response in the place of the present one; false where the family has none of such a
    /// mean.
    fn draw(&mut self, law: &Self::Law<'_>, draft: &mut Self::Draft, rng: &mut Rng) -> bool;

    /// Fixed effects that a law leaves out of the responses and that estimates lack; empty if none.
    fn left_out<'a>(law: &'a Self::Law<'_>) -> &'a [f64];

    /// Puts a response in the place of the present one.
    fn set_response(&mut self, columns: &Self::Columns<'_>, y: &[f64]);

    /// Takes the response of a larger model.
    fn receive(&mut self, larger: &Self, passage: &Self::Passage);

    /// Fits the present response; none if stopped.
    fn outcome(&self, work: &mut Self::Work, how: &Self::How, watch: &dyn Watch) -> Option<Outcome>;

    /// The same model of other rows, and how that one is fitted; none if they do not determine all
    /// fixed effects.
    fn of_rows(&self, rows: &Rows<'_>, offset: Option<&[f64]>, how: &Self::How) -> Option<(Self, Self::How)>;
}
