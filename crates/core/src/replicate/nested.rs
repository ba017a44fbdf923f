//! The same drawn responses fitted by several models.

use super::replicates::Replicates;
use super::workers::replicate;
use crate::model::{Outcome, Replicable};
use crate::rng::Rng;
use crate::watch::Watch;

/// One of the models that are fitted to the same responses.
pub struct Member<'a, M: Replicable> {
    /// The model.
    pub model: &'a M,
    /// How the responses become its own.
    pub passage: M::Passage,
    /// How it is fitted.
    pub how: M::How,
}

/// Draws `n` responses of the model `from` and fits every member to each.
pub fn nested<M: Replicable>(
    from: &M,
    law: &M::Law<'_>,
    members: &[Member<'_, M>],
    n: usize,
    seed: u64,
    n_threads: usize,
    watch: &dyn Watch,
) -> Vec<Replicates> {
    let make = || {
        let own = |m: &Member<'_, M>| {
            let own = m.model.clone_for_refit();
            let work = own.work();
            (own, work)
        };
        let from = from.clone_for_refit();
        let draft = from.draft(law);
        (from, draft, members.iter().map(own).collect::<Vec<_>>())
    };
    let all = replicate(n, n_threads, watch, make, |(from, draft, own), i| {
        if !from.draw(law, draft, &mut Rng::of(seed, i as u64)) {
            return Some(members.iter().map(|_| Outcome::failed(Outcome::NO_RESPONSE)).collect::<Vec<_>>());
        }
        let mut out = Vec::with_capacity(members.len());
        for ((model, work), m) in own.iter_mut().zip(members) {
            model.receive(from, &m.passage);
            out.push(model.outcome(work, &m.how, watch)?);
        }
        Some(out)
    });
    let mut by_member: Vec<Vec<(usize, Outcome)>> = members.iter().map(|_| Vec::with_capacity(all.len())).collect();
    for (i, outcomes) in all {
        outcomes.into_iter().zip(&mut by_member).for_each(|(o, list)| list.push((i, o)));
    }
    members.iter().zip(by_member).map(|(m, l)| Replicates::gather(l, m.model.n_beta(), m.model.n_theta())).collect()
}
