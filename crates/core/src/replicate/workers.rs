//! Replicates shared out among workers, each with a private work space; they can be stopped, and what is finished is kept.

use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What the caller of a long computation sees of it and can do to it.
#[derive(Default)]
pub struct Watched {
    /// Set by the caller to end the computation at the next evaluation.
    pub stop: AtomicBool,
    /// Number of replicates finished.
    pub finished: AtomicUsize,
}

impl Watched {
    /// Whether the caller wants an end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Runs `one` for each of the replicates `0..n`, each worker with the work space that `make` gives it. Returns the finished ones, in
/// order; `one` gives none when it was stopped.
pub(super) fn replicate<W, R: Send>(
    n: usize,
    n_threads: usize,
    watched: &Watched,
    make: impl Fn() -> W + Sync,
    one: impl Fn(&mut W, usize) -> Option<R> + Sync,
) -> Vec<(usize, R)> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut work = None;
        let mut out = Vec::new();
        while !watched.stopped() {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                break;
            }
            if let Some(r) = one(work.get_or_insert_with(&make), i) {
                out.push((i, r));
                watched.finished.fetch_add(1, Ordering::Relaxed);
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
