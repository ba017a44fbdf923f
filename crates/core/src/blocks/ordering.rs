//! The order in which levels are eliminated.
//!
//! Factors whose levels meet at most one level of every factor left (the children of a nested
//! design, and any single factor) go first as they stand: that creates no fill. For what remains
//! there are three rules, of which the cheapest one is used: the largest factor first, by its
//! levels or by its effects, which makes the rest one dense block, or approximate minimum degree,
//! where levels seen once or twice leave early.

use crate::crossprod::Cells;
use crate::error::CoreError;
use crate::watch::{not_stopped, stop_flag};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::linalg::amd;
use faer::sparse::SymbolicSparseColMatRef;
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

/// Cells from which on the search for an order of minimum degree takes longer than somebody waits
/// who has pressed Ctrl-C.
const MANY: usize = 20_000;
/// How often it is asked meanwhile whether to go on.
const INTERVAL: Duration = Duration::from_millis(50);

/// Largest number of cells of one level, seen from `factor`, over the pairs with each factor in
/// `left`.
fn meets_at_most_one(cells: &[Cells], factor: usize, left: &[usize]) -> bool {
    cells.iter().all(|c| {
        if c.f == c.g {
            c.f != factor || c.level.is_empty()
        } else if c.f == factor && left.contains(&c.g) {
            c.start.windows(2).all(|w| w[1] - w[0] <= 1)
        } else if c.g == factor && left.contains(&c.f) {
            let n = c.level.iter().copied().max().map_or(0, |m| m as usize + 1);
            let mut seen = vec![false; n];
            c.level.iter().all(|&l| !std::mem::replace(&mut seen[l as usize], true))
        } else {
            true
        }
    })
}

/// How the levels may be ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The largest factor left as it stands, then the other levels by the number of levels they
    /// meet.
    LargestFirst,
    /// The same with the largest factor by its effects, which leaves the smallest dense block.
    MostEffectsFirst,
    /// Approximate minimum degree.
    MinimumDegree,
}

/// Nodes (numbered factor by factor) in the order of elimination, and how many of them leave no
/// choice.
///
/// # Errors
/// An interruption.
pub(super) fn order(
    n_levels: &[usize],
    ks: &[usize],
    cells: &[Cells],
    rule: Rule,
) -> Result<(Vec<u32>, usize), CoreError> {
    let nf = n_levels.len();
    let mut first = vec![0usize; nf + 1];
    for f in 0..nf {
        first[f + 1] = first[f] + n_levels[f];
    }
    let mut by_size: Vec<usize> = (0..nf).collect();
    let size = |f: usize| n_levels[f] * if rule == Rule::MostEffectsFirst { ks[f] } else { 1 };
    by_size.sort_by_key(|&f| std::cmp::Reverse(size(f)));
    let mut out: Vec<u32> = Vec::with_capacity(first[nf]);
    let mut left = by_size.clone();
    while let Some(&f) = left.iter().find(|&&f| {
        let others: Vec<usize> = left.iter().copied().filter(|&g| g != f).collect();
        meets_at_most_one(cells, f, &others)
    }) {
        out.extend((first[f]..first[f + 1]).map(|v| v as u32));
        left.retain(|&g| g != f);
    }
    let settled = out.len();
    if left.is_empty() {
        return Ok((out, settled));
    }
    if rule != Rule::MinimumDegree {
        let f = left[0];
        out.extend((first[f]..first[f + 1]).map(|v| v as u32));
        let mut degree = vec![0u32; first[nf]];
        for c in cells {
            for l in 0..n_levels[c.f] {
                for &m in &c.level[c.start[l]..c.start[l + 1]] {
                    degree[first[c.f] + l] += 1;
                    degree[first[c.g] + m as usize] += 1;
                }
            }
        }
        let mut rest: Vec<u32> = left[1..].iter().flat_map(|&g| (first[g]..first[g + 1]).map(|v| v as u32)).collect();
        rest.sort_by_key(|&v| degree[v as usize]);
        out.extend(rest);
        return Ok((out, settled));
    }
    // the remaining graph, upper triangle by columns
    let mut local = vec![u32::MAX; first[nf]];
    let mut global = Vec::new();
    for &f in &left {
        for v in first[f]..first[f + 1] {
            local[v] = global.len() as u32;
            global.push(v as u32);
        }
    }
    let n = global.len();
    let mut edges: Vec<(u32, u32)> = Vec::new();
    for c in cells {
        if left.contains(&c.f) && left.contains(&c.g) {
            for l in 0..n_levels[c.f] {
                for &m in &c.level[c.start[l]..c.start[l + 1]] {
                    let (a, b) = (local[first[c.f] + l], local[first[c.g] + m as usize]);
                    edges.push((a.max(b), a.min(b)));
                }
            }
        }
    }
    let mut col_ptr = vec![0usize; n + 1];
    for e in &edges {
        col_ptr[e.0 as usize + 1] += 1;
    }
    for i in 0..n {
        col_ptr[i + 1] += col_ptr[i];
    }
    let mut row_idx = vec![0usize; edges.len()];
    let mut next = col_ptr.clone();
    for e in &edges {
        row_idx[next[e.0 as usize]] = e.1 as usize;
        next[e.0 as usize] += 1;
    }
    for j in 0..n {
        row_idx[col_ptr[j]..col_ptr[j + 1]].sort_unstable();
    }
    match stoppable_minimum_degree(Pattern { col_ptr, row_idx })? {
        Some(order) => out.extend(order.iter().map(|&i| global[i])),
        None => out.extend_from_slice(&global),
    }
    Ok((out, settled))
}

/// The upper triangle of a symmetric matrix by columns.
struct Pattern {
    col_ptr: Vec<usize>,
    row_idx: Vec<usize>,
}

/// An order of approximate minimum degree, if there is one. The search is a library's and cannot be
/// stopped: a long one runs in a thread of its own, which is left to itself when the work ends.
fn stoppable_minimum_degree(pattern: Pattern) -> Result<Option<Vec<usize>>, CoreError> {
    if stop_flag().is_none() || pattern.row_idx.len() < MANY {
        return Ok(minimum_degree(&pattern));
    }
    let pattern = Arc::new(pattern);
    let (found, waiting) = mpsc::channel();
    let shared = pattern.clone();
    // the one who waits may be gone
    let search = move || drop(found.send(minimum_degree(&shared)));
    if thread::Builder::new().spawn(search).is_err() {
        return Ok(minimum_degree(&pattern));
    }
    loop {
        match waiting.recv_timeout(INTERVAL) {
            Ok(order) => return Ok(order),
            Err(mpsc::RecvTimeoutError::Timeout) => not_stopped()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}

fn minimum_degree(pattern: &Pattern) -> Option<Vec<usize>> {
    let Pattern { col_ptr, row_idx } = pattern;
    let n = col_ptr.len() - 1;
    let matrix = SymbolicSparseColMatRef::new_checked(n, n, col_ptr, None, row_idx);
    let mut order = vec![0usize; n];
    let mut inverse = vec![0usize; n];
    let mut memory = MemBuffer::new(amd::order_scratch::<usize>(n, row_idx.len()));
    amd::order(&mut order, &mut inverse, matrix, amd::Control::default(), MemStack::new(&mut memory)).ok()?;
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::set_stop_flag;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Two factors whose levels meet at random.
    fn pattern(n: usize, per_level: usize) -> Pattern {
        let (mut col_ptr, mut row_idx) = (vec![0; n + 1], Vec::new());
        let mut state = 1u64;
        for j in 0..n {
            let mut rows: Vec<usize> = (0..per_level * usize::from(j >= n / 2))
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state >> 33) as usize % (n / 2)
                })
                .collect();
            rows.sort_unstable();
            rows.dedup();
            row_idx.extend(rows);
            col_ptr[j + 1] = row_idx.len();
        }
        Pattern { col_ptr, row_idx }
    }

    #[test]
    fn a_search_in_a_thread_finds_the_same_order_and_can_be_left() {
        let alone = stoppable_minimum_degree(pattern(3000, 20)).unwrap();
        let flag = Arc::new(AtomicBool::new(false));
        let before = set_stop_flag(Some(flag.clone()));
        assert!(pattern(3000, 20).row_idx.len() >= MANY);
        assert_eq!(stoppable_minimum_degree(pattern(3000, 20)).unwrap(), alone);
        flag.store(true, Ordering::Relaxed);
        let left = stoppable_minimum_degree(pattern(12_000, 40));
        set_stop_flag(before);
        assert!(matches!(left, Err(CoreError::Interrupted)));
    }
}
