//! The order in which levels are eliminated.
//!
//! Factors whose levels meet at most one level of every factor left (the children of a nested
//! design, and any single factor) go first as they stand: that creates no fill. For what remains
//! there are three rules, of which the cheapest one is used: the largest factor first, by its
//! levels or by its effects, which makes the rest one dense block, or approximate minimum degree,
//! where levels seen once or twice leave early.

use super::minimum_degree::Neighbours;
use crate::crossprod::Cells;

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
/// choice; not by minimum degree.
pub(super) fn order(n_levels: &[usize], ks: &[usize], cells: &[Cells], rule: Rule) -> (Vec<u32>, usize) {
    let first = first_nodes(n_levels);
    let (mut out, left) = settled(n_levels, ks, cells, rule);
    let settled = out.len();
    let Some((&f, others)) = left.split_first() else { return (out, settled) };
    out.extend((first[f]..first[f + 1]).map(|v| v as u32));
    let mut degree = vec![0u32; first[n_levels.len()]];
    for c in cells {
        for l in 0..n_levels[c.f] {
            for &m in &c.level[c.start[l]..c.start[l + 1]] {
                degree[first[c.f] + l] += 1;
                degree[first[c.g] + m as usize] += 1;
            }
        }
    }
    let mut rest: Vec<u32> = others.iter().flat_map(|&g| (first[g]..first[g + 1]).map(|v| v as u32)).collect();
    rest.sort_by_key(|&v| degree[v as usize]);
    out.extend(rest);
    (out, settled)
}

/// The first node of each factor, and the number of all.
fn first_nodes(n_levels: &[usize]) -> Vec<usize> {
    let mut first = vec![0];
    n_levels.iter().for_each(|n| first.push(first[first.len() - 1] + n));
    first
}

/// The nodes that go first without a choice, and the factors that are left, the largest first.
pub(super) fn settled(n_levels: &[usize], ks: &[usize], cells: &[Cells], rule: Rule) -> (Vec<u32>, Vec<usize>) {
    let first = first_nodes(n_levels);
    let mut left: Vec<usize> = (0..n_levels.len()).collect();
    let size = |f: usize| n_levels[f] * if rule == Rule::MostEffectsFirst { ks[f] } else { 1 };
    left.sort_by_key(|&f| std::cmp::Reverse(size(f)));
    let mut out: Vec<u32> = Vec::with_capacity(first[n_levels.len()]);
    while let Some(&f) = left.iter().find(|&&f| {
        let others: Vec<usize> = left.iter().copied().filter(|&g| g != f).collect();
        meets_at_most_one(cells, f, &others)
    }) {
        out.extend((first[f]..first[f + 1]).map(|v| v as u32));
        left.retain(|&g| g != f);
    }
    (out, left)
}

/// The graph of some factors' levels, and the node of each of its own.
pub(super) fn neighbours(n_levels: &[usize], cells: &[Cells], left: &[usize]) -> (Neighbours, Vec<u32>) {
    let first = first_nodes(n_levels);
    let mut local = vec![u32::MAX; first[n_levels.len()]];
    let mut global = Vec::new();
    for &f in left {
        for v in first[f]..first[f + 1] {
            local[v] = global.len() as u32;
            global.push(v as u32);
        }
    }
    let each_edge = |visit: &mut dyn FnMut(u32, u32)| {
        for c in cells.iter().filter(|c| left.contains(&c.f) && left.contains(&c.g)) {
            for l in 0..n_levels[c.f] {
                for &m in &c.level[c.start[l]..c.start[l + 1]] {
                    let (a, b) = (local[first[c.f] + l], local[first[c.g] + m as usize]);
                    if a != b {
                        visit(a, b);
                    }
                }
            }
        }
    };
    let mut start = vec![0usize; global.len() + 1];
    each_edge(&mut |a, b| {
        start[a as usize + 1] += 1;
        start[b as usize + 1] += 1;
    });
    for i in 0..global.len() {
        start[i + 1] += start[i];
    }
    let mut node = vec![0u32; start[global.len()]];
    let mut next = start.clone();
    each_edge(&mut |a, b| {
        for (a, b) in [(a, b), (b, a)] {
            node[next[a as usize]] = b;
            next[a as usize] += 1;
        }
    });
    (Neighbours { start, node }, global)
}
