//! The design stays, responses are drawn.

use super::replicates::Replicates;
use super::workers::replicate;
use crate::model::{Outcome, Replicable};
use crate::rng::Rng;
use crate::watch::Watch;

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
    let make = || {
        let own = model.clone_for_refit();
        let (work, draft) = (own.work(), own.draft(law));
        (own, work, draft)
    };
    let all = replicate(n, n_threads, watch, make, |(own, work, draft), i| {
        if !own.draw(law, draft, &mut Rng::of(seed, i as u64)) {
            return Some(Outcome::failed(Outcome::NO_RESPONSE));
        }
        let mut r = own.outcome(work, how, watch)?;
        if let Some(e) = &mut r.estimates {
            e.beta.iter_mut().zip(M::left_out(law)).for_each(|(b, t)| *b += t);
        }
        Some(r)
    });
    Replicates::gather(all, model.n_beta(), model.n_theta())
}
