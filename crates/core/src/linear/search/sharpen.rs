//! The last fit with cross-products that lose nothing to cancellation.

use super::{Search, Searcher};
use crate::error::CoreError;
use crate::linear::criterion::Evaluator;
use crate::linear::fit::{Fit, FitOptions};
use crate::linear::rebase::Rebase;
use crate::linear::score::Score;
use crate::linear::system::System;
use crate::model::Progress;
use crate::rows::Rows;

/// Rounding error of the criterion from which other cross-products are used, share of it that must
/// be left, and how often that is tried.
const BLURRED: f64 = 1e-8;
const SHARPER: f64 = 0.1;
const SHARPENINGS: usize = 4;

/// The fit made again with cross-products that lose nothing to cancellation, where rounding hides
/// more of the criterion than is wanted: the system with them, and the lowest optimum there.
/// Evaluator and score must stand at the estimates of `found`.
///
/// # Errors
/// As [`search`].
pub fn sharpened(
    rows: &Rows<'_>,
    sys: &System,
    e: &mut Evaluator,
    score: &mut Score,
    found: &Search,
    options: FitOptions,
    progress: Progress<'_>,
) -> Result<Option<(System, Search)>, CoreError> {
    let f = &found.fit;
    let is_sharp = e.noise(sys, options.reml, f.criterion) < BLURRED || !Rebase::is_useful(sys, &e.lambda);
    if !f.criterion.is_finite() || is_sharp {
        return Ok(None);
    }
    let mut sharp = sys.clone_for_refit();
    let (mut frames, mut evaluations) = (f.frames.clone(), f.evaluations);
    let mut progress = progress;
    // the effects that can be taken out are others where a direction has come to zero on the way
    for _ in 0..SHARPENINGS {
        sharp.rebase = Some(Rebase::of(rows, sys, e, score));
        let mut s = Searcher::new(&sharp, e, options, &mut progress);
        s.evaluations = evaluations;
        let fit = s.run(score, frames, options)?;
        evaluations = s.evaluations;
        if !fit.criterion.is_finite() {
            break;
        }
        if fit.noise < BLURRED || fit.noise < SHARPER * f.noise {
            let own = std::mem::take(&mut s.valleys);
            let first = usize::from(!own.is_empty());
            let valleys = own.into_iter().chain(found.valleys.iter().skip(first).cloned()).collect();
            let runs = found.runs + 1;
            let fit = Fit { evaluations, ..fit };
            return Ok(Some((
                sharp,
                Search {
                    fit,
                    valleys,
                    runs,
                    looks: found.looks,
                    complete: found.complete,
                    moved_on: found.moved_on,
                    beyond: 0.0,
                },
            )));
        }
        frames = fit.frames;
    }
    let mut s = Searcher::new(sys, e, options, progress);
    s.moved = true;
    s.stand(score, f)?;
    Ok(None)
}
