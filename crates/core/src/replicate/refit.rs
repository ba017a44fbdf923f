//! The same design fitted to many responses that are given.

use super::replicates::Replicates;
use super::workers::replicate;
use crate::model::Replicable;
use crate::watch::Watch;

/// Fits every one of the responses `y`, of `n_rows` values each; each worker has a private copy of
/// the model.
pub fn refit<M: Replicable>(
    model: &M,
    columns: &M::Columns<'_>,
    y: &[f64],
    n_rows: usize,
    how: &M::How,
    n_threads: usize,
    watch: &dyn Watch,
) -> Replicates {
    let make = || {
        let own = model.clone_for_refit();
        let work = own.work();
        (own, work)
    };
    let n = y.len() / n_rows.max(1);
    let all = replicate(n, n_threads, watch, make, |(own, work), i| {
        own.set_response(columns, &y[i * n_rows..(i + 1) * n_rows]);
        own.outcome(work, how, watch)
    });
    Replicates::gather(all, model.n_beta(), model.n_theta())
}
