//! Replicates of a linear model.

use super::columns::Columns;
use super::criterion::Evaluator;
use super::fit::{frames_of, FitOptions};
use super::law::{DraftOf, Law};
use super::score::Score;
use super::search::{search, Begin};
use super::system::System;
use super::union::Passage;
use crate::layout::Frame;
use crate::model::{Outcome, Replicable, Status};
use crate::rng::Rng;
use crate::rows::Rows;
use crate::watch::Watch;

/// Relative standard deviations below this are on the boundary.
const ON_BOUNDARY: f64 = 1e-6;

/// How replicates are fitted.
pub struct How {
    options: FitOptions,
    theta: Option<Vec<f64>>,
    /// Start; none is the default one.
    frames: Option<Vec<Frame>>,
}

impl How {
    /// From covariance parameters on. If they lie on the boundary, which a fit would first have to
    /// leave, the start is the default one.
    pub fn new(sys: &System, options: FitOptions, theta: Option<&[f64]>) -> Self {
        let inside = |frames: &Vec<Frame>| !frames.iter().any(|f| f.s.iter().any(|&s| s < ON_BOUNDARY));
        let frames = theta.map(|t| frames_of(sys, &sys.lambda_from_theta(t))).filter(inside);
        How { options, theta: theta.map(<[f64]>::to_vec), frames }
    }
}

impl Replicable for System {
    type How = How;
    type Law<'a> = Law<'a>;
    type Draft = DraftOf;
    type Work = (Evaluator, Score);
    type Columns<'a> = Columns<'a>;
    type Passage = Passage;

    fn n_beta(&self) -> usize {
        self.p()
    }

    fn n_theta(&self) -> usize {
        self.n_theta
    }

    fn clone_for_refit(&self) -> Self {
        System::clone_for_refit(self)
    }

    fn work(&self) -> Self::Work {
        (Evaluator::new(self, 1), Score::new(self))
    }

    fn draft(&self, law: &Law<'_>) -> DraftOf {
        law.draft(self)
    }

    fn draw(&mut self, law: &Law<'_>, draft: &mut DraftOf, rng: &mut Rng) -> bool {
        law.draw(self, draft, rng);
        true
    }

    fn left_out<'a>(law: &'a Law<'_>) -> &'a [f64] {
        law.left_out()
    }

    fn set_response(&mut self, columns: &Columns<'_>, y: &[f64]) {
        columns.set_response(self, y);
    }

    fn receive(&mut self, larger: &Self, passage: &Passage) {
        passage.carry(larger, self);
    }

    fn outcome(&self, (e, score): &mut Self::Work, how: &How, watch: &dyn Watch) -> Option<Outcome> {
        let begin = how.frames.as_ref().map_or(Begin::Anywhere, |f| Begin::Truth(f.clone()));
        let found = search(self, e, score, begin, how.options, &mut |_, _| watch.go_on()).ok()?;
        let f = found.fit;
        let estimates = (f.status != Status::NonFinite).then(|| e.estimates(self, how.options.reml, score));
        let null = self.null_dimensions(&f.frames);
        Some(Outcome { status: f.status.name(), null, moved_on: found.moved_on, estimates })
    }

    fn of_rows(&self, rows: &Rows<'_>, _: Option<&[f64]>, how: &How) -> Option<(Self, How)> {
        let new = System::new(rows, 1).ok().filter(|new| new.p() == self.p() && new.cp.n > new.p())?;
        let how = How::new(&new, how.options, how.theta.as_deref());
        Some((new, how))
    }
}
