//! Replicates shared out among workers, each with a private work space; they can be stopped, and
//! what is finished is kept.

use crate::watch::Watch;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `one` for each of the replicates `0..n`, each worker with the work space that `make` gives
/// it. Returns the finished ones, in order; `one` gives none when it was stopped.
pub(super) fn replicate<W, R: Send>(
    n: usize,
    n_threads: usize,
    watch: &dyn Watch,
    make: impl Fn() -> W + Sync,
    one: impl Fn(&mut W, usize) -> Option<R> + Sync,
) -> Vec<(usize, R)> {
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = || {
        let mut work = None;
        let mut out = Vec::new();
        while watch.go_on() {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                break;
            }
            if let Some(r) = one(work.get_or_insert_with(&make), i) {
                out.push((i, r));
                if !watch.finished(finished.fetch_add(1, Ordering::Relaxed) + 1, n) {
                    break;
                }
            }
        }
        out
    };
    let m = n_threads.min(n);
    if m <= 1 {
        return worker();
    }
    let parts: Vec<Vec<(usize, R)>> = (0..m).into_par_iter().with_max_len(1).map(|_| worker()).collect();
    let mut out: Vec<(usize, R)> = parts.into_iter().flatten().collect();
    out.sort_unstable_by_key(|r| r.0);
    out
}
