//! The design stays, responses are drawn.

use super::replicates::Replicates;
use super::workers::replicate;
use crate::model::{Outcome, Replicable};
use crate::rng::Rng;
use crate::watch::Watch;
use std::ops::Range;

/// Fits `n` responses drawn from a law. Replicate i depends on the seed and i only.
pub fn drawn<M: Replicable>(
    model: &M,
    law: &M::Law<'_>,
    how: &M::How,
    n: usize,
    seed: u64,
    n_threads: usize,
    watch: &dyn Watch,
) -> Replicates {
    drawn_with(model, law, how, 0..n, seed, n_threads, watch, |_, _, _| Some(())).0
}

/// The same for the replicates of some numbers, with what `of_fit` makes of each that has a fit;
/// that gives none when it was stopped.
#[allow(clippy::too_many_arguments)]
pub fn drawn_with<M: Replicable, T: Send>(
    model: &M,
    law: &M::Law<'_>,
    how: &M::How,
    numbers: Range<usize>,
    seed: u64,
    n_threads: usize,
    watch: &dyn Watch,
    of_fit: impl Fn(&M, &mut M::Work, &Outcome) -> Option<T> + Sync,
) -> (Replicates, Vec<Option<T>>) {
    let make = || {
        let own = model.clone_for_refit();
        let (work, draft) = (own.work(), own.draft(law));
        (own, work, draft)
    };
    let first = numbers.start;
    let all = replicate(numbers.len(), n_threads, watch, make, |(own, work, draft), i| {
        if !own.draw(law, draft, &mut Rng::of(seed, (first + i) as u64)) {
            return Some((Outcome::failed(Outcome::NO_RESPONSE), None));
        }
        let mut r = own.outcome(work, how, watch)?;
        let more = if r.estimates.is_some() { Some(of_fit(own, work, &r)?) } else { None };
        if let Some(e) = &mut r.estimates {
            e.beta.iter_mut().zip(M::left_out(law)).for_each(|(b, t)| *b += t);
        }
        Some((r, more))
    });
    let mut outcomes = Vec::with_capacity(all.len());
    let mut rest = Vec::with_capacity(all.len());
    for (i, (r, more)) in all {
        outcomes.push((first + i, r));
        rest.push(more);
    }
    (Replicates::gather(outcomes, model.n_beta(), model.n_theta()), rest)
}
