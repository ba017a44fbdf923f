//! The order of approximate minimum degree, found no further than it is of use.
//!
//! The graph of what is left is kept as cliques, one for each pivot, and the edges that are in
//! none of them (P. Amestoy, T. Davis and I. Duff, SIAM J. Matrix Anal. Appl. 17, 1996, 886-905):
//! degrees are bounded by the sizes of the cliques, cliques that are part of a new one leave, and
//! nodes with the same neighbours are one from then on. The search ends where the rest is as good
//! as a dense matrix, where the caller has seen enough, or where it has taken what it may: what is
//! left comes last, by degree.

use crate::error::CoreError;
use crate::watch::is_stopped;

/// Times the root of the number of nodes that the neighbours of a node number at least which comes
/// last in any case: its list would be read over and over.
const MANY: f64 = 10.0;
const AT_LEAST: f64 = 16.0;
/// List entries that are read before it is asked again whether to go on.
const ENTRIES: f64 = 1e6;
const NONE: u32 = u32::MAX;

/// Neighbours of each node, each once, in both directions.
pub(super) struct Neighbours {
    pub start: Vec<usize>,
    pub node: Vec<u32>,
}

/// What the caller is shown of a node that is eliminated.
pub(super) struct Pivot {
    /// Rows of the node.
    pub rows: usize,
    /// Rows of the nodes it is joined with, those that always come last left out.
    pub height: usize,
    /// Number of these nodes, where those that are equal count once.
    pub nodes: usize,
    /// Rows that are left after it.
    pub left: usize,
}

/// Nodes by their degree.
struct ByDegree {
    first: Vec<u32>,
    next: Vec<u32>,
    previous: Vec<u32>,
    place: Vec<u32>,
    least: usize,
}

impl ByDegree {
    fn new(n: usize, most: usize) -> Self {
        ByDegree {
            first: vec![NONE; most + 1],
            next: vec![NONE; n],
            previous: vec![NONE; n],
            place: vec![NONE; n],
            least: most + 1,
        }
    }

    fn insert(&mut self, i: u32, degree: usize) {
        let at = degree.min(self.first.len() - 1);
        let after = self.first[at];
        if after != NONE {
            self.previous[after as usize] = i;
        }
        self.next[i as usize] = after;
        self.previous[i as usize] = NONE;
        self.place[i as usize] = at as u32;
        self.first[at] = i;
        self.least = self.least.min(at);
    }

    fn remove(&mut self, i: u32) {
        let at = std::mem::replace(&mut self.place[i as usize], NONE);
        if at == NONE {
            return;
        }
        let (before, after) = (self.previous[i as usize], self.next[i as usize]);
        if before == NONE {
            self.first[at as usize] = after;
        } else {
            self.next[before as usize] = after;
        }
        if after != NONE {
            self.previous[after as usize] = before;
        }
    }

    /// A node of least degree.
    fn take(&mut self) -> Option<u32> {
        while self.least < self.first.len() && self.first[self.least] == NONE {
            self.least += 1;
        }
        let i = *self.first.get(self.least)?;
        self.remove(i);
        Some(i)
    }
}

/// The graph of what is left.
struct Quotient {
    /// Rows of each node; none once it has left or is one with another.
    rows: Vec<u32>,
    /// Cliques of each node, then neighbours that are in none of them.
    list: Vec<u32>,
    start: Vec<usize>,
    cliques: Vec<u32>,
    entries: Vec<u32>,
    /// Nodes of each clique, under the number of its pivot, and their rows.
    members: Vec<Vec<u32>>,
    size: Vec<u32>,
    /// Nodes that are one: the next one, and the last.
    next: Vec<u32>,
    last: Vec<u32>,
    degree: Vec<u32>,
    by_degree: ByDegree,
    /// When a node, or a clique, was seen last.
    seen: Vec<u32>,
    met: Vec<u32>,
    /// Rows of a clique that are outside that of the pivot.
    outside: Vec<u32>,
    now: u32,
    work: f64,
}

/// Nodes in the order of elimination.
///
/// `rows` are those of each node, `work` is how many list entries may be read, and `go_on` is asked
/// after each pivot.
///
/// # Errors
/// An interruption.
pub(super) fn order(
    graph: Neighbours,
    rows: &[u32],
    work: f64,
    mut go_on: impl FnMut(&Pivot) -> bool,
) -> Result<Vec<u32>, CoreError> {
    let n = rows.len();
    let mut left: usize = rows.iter().map(|&r| r as usize).sum();
    let mut g = Quotient::new(graph, rows);
    let mut out = Vec::with_capacity(n);
    let mut asked = 0.0;
    while let Some(p) = g.by_degree.take() {
        if g.work > asked {
            asked = g.work + ENTRIES;
            if is_stopped() {
                return Err(CoreError::Interrupted);
            }
        }
        let own = g.rows[p as usize] as usize;
        let mut members = g.clique(p);
        g.push(p, &mut out);
        left -= own;
        let height = members.iter().map(|&i| g.rows[i as usize] as usize).sum();
        let pivot = Pivot { rows: own, height, nodes: members.len(), left };
        if !go_on(&pivot) || g.work > work {
            break;
        }
        left -= g.update(p, &mut members, height, left, &mut out);
    }
    let mut rest: Vec<u32> = (0..n as u32).filter(|&i| g.rows[i as usize] > 0).collect();
    rest.sort_by_key(|&i| g.degree[i as usize]);
    rest.into_iter().for_each(|i| g.push(i, &mut out));
    Ok(out)
}

impl Quotient {
    fn new(graph: Neighbours, rows: &[u32]) -> Self {
        let n = rows.len();
        let Neighbours { start, node } = graph;
        let many = (MANY * (n as f64).sqrt()).max(AT_LEAST);
        let entries: Vec<u32> = start.windows(2).map(|w| (w[1] - w[0]) as u32).collect();
        let last: Vec<bool> = entries.iter().map(|&e| f64::from(e) > many).collect();
        let most = rows.iter().map(|&r| r as usize).sum::<usize>();
        let mut by_degree = ByDegree::new(n, most.min(n));
        let mut degree = vec![0u32; n];
        // lists of few entries are taken first where degrees are equal, as they stand
        for i in (0..n).rev() {
            let near = &node[start[i]..start[i + 1]];
            degree[i] = near.iter().filter(|&&j| !last[j as usize]).map(|&j| rows[j as usize]).sum();
            if last[i] {
                degree[i] = degree[i].max(most as u32);
            } else {
                by_degree.insert(i as u32, degree[i] as usize);
            }
        }
        let mut g = Quotient {
            rows: rows.to_vec(),
            list: node,
            start,
            cliques: vec![0; n],
            entries,
            members: vec![Vec::new(); n],
            size: vec![0; n],
            next: vec![NONE; n],
            last: (0..n as u32).collect(),
            degree,
            by_degree,
            seen: vec![0; n],
            met: vec![0; n],
            outside: vec![0; n],
            now: 0,
            work: 0.0,
        };
        // nodes that come last are in no list
        for i in 0..n {
            let (from, to) = (g.start[i], g.start[i] + g.entries[i] as usize);
            let mut kept = from;
            for at in from..to {
                if !last[g.list[at] as usize] {
                    g.list[kept] = g.list[at];
                    kept += 1;
                }
            }
            g.entries[i] = (kept - from) as u32;
        }
        g
    }

    /// A node and those that are one with it.
    fn push(&self, i: u32, out: &mut Vec<u32>) {
        let mut at = i;
        while at != NONE {
            out.push(at);
            at = self.next[at as usize];
        }
    }

    /// The nodes that a pivot joins; the cliques it was in are part of this one.
    fn clique(&mut self, p: u32) -> Vec<u32> {
        self.now += 1;
        let p = p as usize;
        self.rows[p] = 0;
        let mut found = Vec::new();
        let from = self.start[p];
        for at in from..from + self.cliques[p] as usize {
            let e = self.list[at] as usize;
            let old = std::mem::take(&mut self.members[e]);
            self.work += old.len() as f64;
            old.into_iter().for_each(|i| self.join(i, &mut found));
        }
        for at in from + self.cliques[p] as usize..from + self.entries[p] as usize {
            self.join(self.list[at], &mut found);
        }
        self.work += f64::from(self.entries[p]);
        found
    }

    fn join(&mut self, i: u32, found: &mut Vec<u32>) {
        let at = i as usize;
        if self.rows[at] > 0 && self.seen[at] != self.now {
            self.seen[at] = self.now;
            self.by_degree.remove(i);
            found.push(i);
        }
    }

    /// Makes the members of a clique, of so many rows, know it; returns the rows of those that left
    /// with the pivot, as they are joined with nothing else.
    fn update(&mut self, p: u32, members: &mut Vec<u32>, height: usize, left: usize, out: &mut Vec<u32>) -> usize {
        for &i in members.iter() {
            let i = i as usize;
            self.work += f64::from(self.cliques[i]);
            for at in self.start[i]..self.start[i] + self.cliques[i] as usize {
                let e = self.list[at] as usize;
                if self.met[e] != self.now {
                    self.met[e] = self.now;
                    self.outside[e] = self.size[e];
                }
                self.outside[e] = self.outside[e].saturating_sub(self.rows[i]);
            }
        }
        let mut gone = 0;
        let mut keys = Vec::with_capacity(members.len());
        for &i in members.iter() {
            let key = self.shorten(i, p);
            match key {
                Some(key) => keys.push((key, i)),
                None => {
                    gone += self.rows[i as usize] as usize;
                    self.rows[i as usize] = 0;
                    self.push(i, out);
                }
            }
        }
        self.unite(keys);
        let (height, left) = (height - gone, left - gone);
        members.retain(|&i| self.rows[i as usize] > 0);
        for &i in members.iter() {
            let at = i as usize;
            let rows = self.rows[at] as usize;
            let degree = (self.degree[at] as usize + height - rows).min(left - rows);
            self.degree[at] = degree as u32;
            self.by_degree.insert(i, degree);
        }
        self.size[p as usize] = height as u32;
        self.members[p as usize] = std::mem::take(members);
        gone
    }

    /// Takes from the list of a member what its new clique has, and puts that there; its degree is
    /// then that outside. Returns a number that is the same for equal lists, and none where the new
    /// clique is all there is.
    fn shorten(&mut self, i: u32, p: u32) -> Option<u64> {
        let i = i as usize;
        let (from, middle) = (self.start[i], self.start[i] + self.cliques[i] as usize);
        let to = from + self.entries[i] as usize;
        self.work += f64::from(self.entries[i]);
        let (mut kept, mut degree, mut key) = (from, 0u64, 0u64);
        for at in from..middle {
            let e = self.list[at];
            // cliques that are part of the new one are left out
            if !self.members[e as usize].is_empty() {
                if self.outside[e as usize] == 0 {
                    self.members[e as usize] = Vec::new();
                } else {
                    degree += u64::from(self.outside[e as usize]);
                    key += u64::from(e);
                    self.list[kept] = e;
                    kept += 1;
                }
            }
        }
        let cliques = kept - from;
        for at in middle..to {
            let j = self.list[at];
            if self.rows[j as usize] > 0 && self.seen[j as usize] != self.now {
                degree += u64::from(self.rows[j as usize]);
                key += u64::from(j);
                self.list[kept] = j;
                kept += 1;
            }
        }
        if kept == from {
            return None;
        }
        // the new clique is the last one; there is room, as something led here
        debug_assert!(kept < to);
        if kept > from + cliques {
            self.list[kept] = self.list[from + cliques];
        }
        self.list[from + cliques] = p;
        self.cliques[i] = cliques as u32 + 1;
        self.entries[i] = (kept - from) as u32 + 1;
        self.degree[i] = self.degree[i].min(degree.min(u64::from(u32::MAX)) as u32);
        Some(key)
    }

    /// Makes nodes with equal lists one.
    fn unite(&mut self, mut keys: Vec<(u64, u32)>) {
        keys.sort_unstable();
        for same in keys.chunk_by(|a, b| a.0 == b.0) {
            for (a, &(_, i)) in same.iter().enumerate() {
                if self.rows[i as usize] == 0 || a + 1 == same.len() {
                    continue;
                }
                self.now += 1;
                let of = |g: &Self, i: u32| g.start[i as usize]..g.start[i as usize] + g.entries[i as usize] as usize;
                for at in of(self, i) {
                    self.met[self.list[at] as usize] = self.now;
                }
                for &(_, j) in &same[a + 1..] {
                    let alike = self.rows[j as usize] > 0
                        && self.cliques[i as usize] == self.cliques[j as usize]
                        && self.entries[i as usize] == self.entries[j as usize];
                    self.work += f64::from(self.entries[j as usize]);
                    if alike && of(self, j).all(|at| self.met[self.list[at] as usize] == self.now) {
                        self.rows[i as usize] += std::mem::take(&mut self.rows[j as usize]);
                        self.degree[i as usize] = self.degree[i as usize].min(self.degree[j as usize]);
                        let end = self.last[i as usize] as usize;
                        self.next[end] = j;
                        self.last[i as usize] = self.last[j as usize];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::watch::set_stop_flag;
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicBool;
    use std::sync::Arc;

    type Sets = Vec<BTreeSet<u32>>;

    fn neighbours(of: &Sets) -> Neighbours {
        let mut start = vec![0];
        let mut node = Vec::new();
        for s in of {
            node.extend(s.iter().copied());
            start.push(node.len());
        }
        Neighbours { start, node }
    }

    fn joined(n: usize, edges: impl Iterator<Item = (usize, usize)>) -> Sets {
        let mut out = vec![BTreeSet::new(); n];
        for (a, b) in edges.filter(|(a, b)| a != b) {
            out[a].insert(b as u32);
            out[b].insert(a as u32);
        }
        out
    }

    /// Two factors whose levels meet at random, most of them within clusters.
    fn crossed(rng: &mut Rng, n: usize, edges: usize, clusters: usize) -> Sets {
        let half = n / 2;
        let pairs: Vec<_> = (0..edges)
            .map(|_| {
                let (a, b) = (rng.below(half), rng.below(half));
                (a, half + if rng.below(4) == 0 { b } else { (b / clusters * clusters + a % clusters) % half })
            })
            .collect();
        joined(n, pairs.into_iter())
    }

    /// Sum of squared heights of an elimination in some order; without an order always of a node of
    /// least degree.
    fn operations(mut of: Sets, order: Option<&[u32]>) -> usize {
        let mut left: BTreeSet<u32> = (0..of.len() as u32).collect();
        let mut sum = 0;
        for step in 0..of.len() {
            let p = order.map_or_else(|| *left.iter().min_by_key(|&&i| of[i as usize].len()).unwrap(), |o| o[step]);
            left.remove(&p);
            let near = std::mem::take(&mut of[p as usize]);
            sum += near.len() * near.len();
            for &i in &near {
                of[i as usize].remove(&p);
                of[i as usize].extend(near.iter().copied().filter(|&j| j != i));
            }
        }
        sum
    }

    #[test]
    fn operations_are_about_those_of_exact_degrees() {
        let mut rng = Rng::of(3, 1);
        let (mut ours, mut exact) = (0.0, 0.0);
        for case in 0..60 {
            let n = 20 + 4 * case;
            let (edges, clusters) = (n * (1 + case % 5), 1 + rng.below(9));
            let graph = crossed(&mut rng, n, edges, clusters);
            let found = order(neighbours(&graph), &vec![1; n], f64::INFINITY, |_| true).unwrap();
            let mut sorted = found.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..n as u32).collect::<Vec<_>>());
            let (a, b) = (operations(graph.clone(), Some(&found)) as f64, operations(graph, None) as f64);
            assert!(a < 1.5 * b + 200.0, "{n} nodes, {edges} edges: {a} for {b}");
            ours += a;
            exact += b;
        }
        assert!(ours < 1.05 * exact, "{ours} for {exact}");
    }

    #[test]
    fn trees_do_not_fill_in() {
        let mut rng = Rng::of(4, 1);
        let n = 3000;
        let parents: Vec<_> = (1..n).map(|i| (i, rng.below(i))).collect();
        let graph = joined(n, parents.into_iter());
        let mut heights = Vec::new();
        let see = |p: &Pivot| {
            heights.push(p.height);
            true
        };
        let found = order(neighbours(&graph), &vec![1; n], f64::INFINITY, see).unwrap();
        assert!(heights.iter().all(|&h| h <= 1));
        assert_eq!(operations(graph, Some(&found)), n - 1);
    }

    #[test]
    fn heights_are_those_of_the_pattern() {
        let mut rng = Rng::of(5, 1);
        let graph = crossed(&mut rng, 120, 400, 4);
        let mut seen = 0;
        let see = |p: &Pivot| {
            // equal nodes leave together
            let heights = (0..p.rows).map(|i| p.height + i);
            seen += heights.map(|h| h * h).sum::<usize>();
            true
        };
        let found = order(neighbours(&graph), &vec![1; 120], f64::INFINITY, see).unwrap();
        let true_operations = operations(graph, Some(&found));
        // a node that leaves with a pivot counts as one above all the others
        assert!(seen <= true_operations && seen > true_operations * 9 / 10, "{seen} for {true_operations}");
    }

    #[test]
    fn search_ends_where_it_is_told_to() {
        let mut rng = Rng::of(6, 1);
        let graph = crossed(&mut rng, 2000, 20_000, 3);
        let whole = order(neighbours(&graph), &vec![1; 2000], f64::INFINITY, |_| true).unwrap();
        let mut pivots = 0;
        let some = |_: &Pivot| {
            pivots += 1;
            pivots < 100
        };
        let part = order(neighbours(&graph), &vec![1; 2000], f64::INFINITY, some).unwrap();
        assert_eq!(part[..100], whole[..100]);
        let little = order(neighbours(&graph), &vec![1; 2000], 1e4, |_| true).unwrap();
        for found in [part, little] {
            assert!(found != whole);
            assert_eq!(found.iter().copied().collect::<BTreeSet<_>>().len(), 2000);
        }
        let before = set_stop_flag(Some(Arc::new(AtomicBool::new(true))));
        let stopped = order(neighbours(&graph), &vec![1; 2000], f64::INFINITY, |_| true);
        set_stop_flag(before);
        assert!(matches!(stopped, Err(CoreError::Interrupted)));
    }
}
