//! The order in which levels are eliminated.
//!
//! Factors whose levels meet at most one level of every factor left (the children of a nested
//! design, and any single factor) go first as they stand: that creates no fill. For what remains
//! there are two rules, of which the cheaper one is used: the largest factor first, which makes the
//! rest one dense block, or approximate minimum degree, where levels seen once or twice leave
//! early.

use crate::crossprod::Cells;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::linalg::amd;
use faer::sparse::SymbolicSparseColMatRef;

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
    /// Approximate minimum degree.
    MinimumDegree,
}

/// Nodes (numbered factor by factor) in the order of elimination, and how many of them leave no
/// choice.
pub(super) fn order(n_levels: &[usize], cells: &[Cells], rule: Rule) -> (Vec<u32>, usize) {
    let nf = n_levels.len();
    let mut first = vec![0usize; nf + 1];
    for f in 0..nf {
        first[f + 1] = first[f] + n_levels[f];
    }
    let mut by_size: Vec<usize> = (0..nf).collect();
    by_size.sort_by_key(|&f| std::cmp::Reverse(n_levels[f]));
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
        return (out, settled);
    }
    if rule == Rule::LargestFirst {
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
        return (out, settled);
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
    let pattern = SymbolicSparseColMatRef::new_checked(n, n, &col_ptr, None, &row_idx);
    let mut perm = vec![0usize; n];
    let mut inverse = vec![0usize; n];
    let mut memory = MemBuffer::new(amd::order_scratch::<usize>(n, edges.len()));
    match amd::order(&mut perm, &mut inverse, pattern, amd::Control::default(), MemStack::new(&mut memory)) {
        Ok(_) => out.extend(perm.iter().map(|&i| global[i])),
        Err(_) => out.extend_from_slice(&global),
    }
    (out, settled)
}
