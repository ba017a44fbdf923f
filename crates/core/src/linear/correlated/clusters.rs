//! Rows by cluster, and which columns each cluster has.

use super::reach::Distances;
use crate::correlation::Positions;
use crate::crossprod::{transformed_w, transformed_z};
use crate::error::CoreError;
use crate::linear::System;
use crate::memory::room_for;
use crate::residual::{Covariate, RowCovariance, Subject};
use crate::rows::Rows;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

/// Most local effects of a cluster: beyond, a factor belongs to the border.
const MOST_LOCAL: usize = 64;

/// What R knows of the rows, in the order of the data.
#[derive(Clone, Debug)]
pub struct BlockRows {
    /// Subject of each row.
    pub subject: Vec<i32>,
    /// Position of each row: n x d, row-major.
    pub position: Vec<f64>,
    /// Number of coordinates.
    pub d: usize,
    /// Group of the subject of each row.
    pub group: Vec<i32>,
    /// Covariate and stratum of each row, for each variance function.
    pub covariates: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Rows whose matrices R are the same: those of one or of many subjects.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    position: Vec<f64>,
    d: usize,
    group: usize,
    covariates: Vec<(Vec<f64>, Vec<f64>)>,
    /// Number of rows.
    pub(super) m: usize,
}

impl Pattern {
    /// Calls `f` with the rows as R takes them.
    pub(super) fn with<T>(&self, f: impl FnOnce(&Subject<'_>) -> T) -> T {
        let covariates: Vec<Covariate<'_>> = self.covariates.iter().map(|(x, s)| Covariate { x, stratum: s }).collect();
        let at = Positions { values: &self.position, d: self.d };
        f(&Subject { at, group: self.group, covariates: &covariates })
    }

    /// The positions.
    pub(super) fn positions(&self) -> Positions<'_> {
        Positions { values: &self.position, d: self.d }
    }
}

/// A block of R.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Rows in the order of clusters.
    pub(super) rows: Range<usize>,
    /// Which pattern.
    pub(super) pattern: usize,
}

/// Levels and subjects that share rows.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) rows: Range<usize>,
    pub(super) blocks: Range<usize>,
    /// Local levels: factor, level, and the first of their columns.
    pub(super) levels: Vec<(usize, usize, usize)>,
    /// Number of local columns.
    pub(super) m: usize,
    /// Columns of the border in use, in ascending order; y is the last.
    pub(super) active: Vec<usize>,
    /// Where its rows of the data begin.
    pub(super) start: usize,
}

impl Cluster {
    /// Columns of the cluster, y among them.
    pub(super) fn width(&self) -> usize {
        self.m + self.active.len()
    }

    /// Number of rows.
    pub(super) fn n(&self) -> usize {
        self.rows.len()
    }

    /// Columns of the border in use, without y.
    pub(super) fn border(&self) -> &[usize] {
        &self.active[..self.active.len() - 1]
    }
}

/// A linear mixed model with a covariance of its rows.
pub struct Correlated {
    /// The same model with independent rows: its layout, columns and basis.
    pub sys: System,
    /// The structure of R.
    pub r: RowCovariance,
    /// Numbers of the rows in the order of clusters.
    pub order: Vec<usize>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) blocks: Vec<Block>,
    pub(super) clusters: Vec<Cluster>,
    /// Of each factor, where its columns of the border begin; none for a local one.
    pub(super) border_at: Vec<Option<usize>>,
    /// Random effects of the border.
    pub(super) q: usize,
    /// Rows of all clusters: \[Z B y\], row-major.
    pub(super) data: Vec<f64>,
    /// Made when first asked for.
    pub(super) distances: OnceLock<Distances>,
}

impl Correlated {
    /// Lays out the rows of a model.
    ///
    /// # Errors
    /// As [`System::new`]; a border that does not fit into memory.
    pub fn new(rows: &Rows<'_>, r: RowCovariance, of: &BlockRows, n_threads: usize) -> Result<Self, CoreError> {
        let sys = System::new(rows, n_threads)?;
        let n = rows.n();
        let (component, is_local) = components(rows, &sys, &of.subject);
        let mut border_at = Vec::new();
        let mut q = 0;
        for (f, size) in sys.factors.iter().enumerate() {
            border_at.push((!is_local[f]).then_some(q));
            q += if is_local[f] { 0 } else { size.k * size.n_levels };
        }
        let mut order: Vec<usize> = (0..n).collect();
        let at = |i: usize| &of.position[i * of.d..(i + 1) * of.d];
        let by_position = |a: usize, b: usize| at(a).iter().zip(at(b)).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne());
        order.sort_by(|&a, &b| {
            (component[a], of.subject[a])
                .cmp(&(component[b], of.subject[b]))
                .then(by_position(a, b).unwrap_or(std::cmp::Ordering::Equal))
        });
        let mut out = Correlated {
            sys,
            r,
            order,
            patterns: Vec::new(),
            blocks: Vec::new(),
            clusters: Vec::new(),
            border_at,
            q,
            data: Vec::new(),
            distances: OnceLock::new(),
        };
        out.find_blocks(of);
        out.find_clusters(rows, &component);
        out.fill(rows)?;
        Ok(out)
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.sys.p()
    }

    /// Columns of the border, without y.
    pub(super) fn b(&self) -> usize {
        self.q + self.p()
    }

    /// Number of subjects, and of different ones.
    pub fn n_blocks(&self) -> (usize, usize) {
        (self.blocks.len(), self.patterns.len())
    }

    fn find_blocks(&mut self, of: &BlockRows) {
        let n = self.order.len();
        let mut known: HashMap<Vec<u64>, usize> = HashMap::new();
        let mut start = 0;
        while start < n {
            let s = of.subject[self.order[start]];
            let stop = (start..n).find(|&i| of.subject[self.order[i]] != s).unwrap_or(n);
            let own = &self.order[start..stop];
            let position: Vec<f64> = own.iter().flat_map(|&i| of.position[i * of.d..(i + 1) * of.d].to_vec()).collect();
            let group = of.group[own[0]] as usize;
            let pick = |v: &[f64]| -> Vec<f64> { own.iter().map(|&i| v[i]).collect() };
            let covariates: Vec<(Vec<f64>, Vec<f64>)> = of.covariates.iter().map(|(x, s)| (pick(x), pick(s))).collect();
            let mut key = vec![group as u64];
            key.extend(position.iter().map(|v| v.to_bits()));
            key.extend(covariates.iter().flat_map(|(x, s)| x.iter().chain(s).map(|v| v.to_bits())));
            let count = self.patterns.len();
            let pattern = *known.entry(key).or_insert(count);
            if pattern == count {
                self.patterns.push(Pattern { position, d: of.d, group, covariates, m: stop - start });
            }
            self.blocks.push(Block { rows: start..stop, pattern });
            start = stop;
        }
    }

    fn find_clusters(&mut self, rows: &Rows<'_>, component: &[usize]) {
        let mut block = 0;
        let mut at = 0;
        while block < self.blocks.len() {
            let first = self.blocks[block].rows.start;
            let c = component[self.order[first]];
            let mut end = block;
            while end < self.blocks.len() && component[self.order[self.blocks[end].rows.start]] == c {
                end += 1;
            }
            let range = first..self.blocks[end - 1].rows.end;
            let mut levels = Vec::new();
            let mut active: Vec<usize> = Vec::new();
            let mut m = 0;
            for (f, of) in rows.factors.iter().enumerate() {
                let mut own: Vec<i32> = self.order[range.clone()].iter().map(|&i| of.codes[i]).collect();
                own.sort_unstable();
                own.dedup();
                let k = of.k();
                for l in own {
                    match self.border_at[f] {
                        Some(start) => active.extend((0..k).map(|j| start + l as usize * k + j)),
                        None => {
                            levels.push((f, l as usize, m));
                            m += k;
                        }
                    }
                }
            }
            active.sort_unstable();
            active.extend(self.q..=self.b());
            let cluster = Cluster { rows: range.clone(), blocks: block..end, levels, m, active, start: at };
            at += range.len() * cluster.width();
            self.clusters.push(cluster);
            block = end;
        }
    }

    fn fill(&mut self, rows: &Rows<'_>) -> Result<(), CoreError> {
        let size: usize = self.clusters.iter().map(|c| c.n() * c.width()).sum();
        let b = self.b() as f64 + 1.0;
        let squares = 8.0 * b * b * (6.0 + (self.sys.n_theta + self.r.n()) as f64);
        room_for(3.0 * 8.0 * size as f64 + squares, || {
            format!("the products of {} effects that are crossed with the blocks of correlated rows", self.q)
        })?;
        let (n, pw) = (rows.n(), self.p() + 1);
        let mut w = vec![0.0; n * pw];
        transformed_w(rows, &self.sys.basis, 0..n, &mut w);
        let z: Vec<Vec<f64>> = (0..rows.factors.len())
            .map(|f| {
                let mut z = vec![0.0; n * rows.factors[f].k()];
                transformed_z(rows, &self.sys.basis, f, 0..n, &mut z);
                z
            })
            .collect();
        self.data = vec![0.0; size];
        for c in &self.clusters {
            let width = c.width();
            let local: HashMap<(usize, usize), usize> = c.levels.iter().map(|&(f, l, at)| ((f, l), at)).collect();
            for (r, &i) in self.order[c.rows.clone()].iter().enumerate() {
                let row = &mut self.data[c.start + r * width..c.start + (r + 1) * width];
                for (f, of) in rows.factors.iter().enumerate() {
                    let (k, l) = (of.k(), of.codes[i] as usize);
                    let at = match self.border_at[f] {
                        None => local[&(f, l)],
                        Some(start) => {
                            let first = start + l * k;
                            c.m + c.active.binary_search(&first).expect("the column is in use")
                        }
                    };
                    row[at..at + k].copy_from_slice(&z[f][i * k..(i + 1) * k]);
                }
                row[width - pw..].copy_from_slice(&w[i * pw..(i + 1) * pw]);
            }
        }
        Ok(())
    }
}

/// The component of each row, and which factors are local: as many as leave components small, those
/// with most effects first.
fn components(rows: &Rows<'_>, sys: &System, subject: &[i32]) -> (Vec<usize>, Vec<bool>) {
    let n_subjects = subject.iter().max().map_or(0, |&s| s as usize + 1);
    let nf = rows.factors.len();
    let mut local = vec![false; nf];
    let mut by_size: Vec<usize> = (0..nf).collect();
    by_size.sort_by_key(|&f| std::cmp::Reverse(sys.factors[f].n_levels * sys.factors[f].k));
    // subjects, then levels of all factors
    let first: Vec<usize> = sys
        .factors
        .iter()
        .scan(n_subjects, |at, f| {
            let here = *at;
            *at += f.n_levels;
            Some(here)
        })
        .collect();
    let total = n_subjects + sys.factors.iter().map(|f| f.n_levels).sum::<usize>();
    let mut parent: Vec<usize> = (0..total).collect();
    for f in by_size {
        let mut trial = parent.clone();
        for (i, &s) in subject.iter().enumerate() {
            let (a, b) = (root(&mut trial, s as usize), root(&mut trial, first[f] + rows.factors[f].codes[i] as usize));
            trial[a.max(b)] = a.min(b);
        }
        let mut effects: HashMap<usize, usize> = HashMap::new();
        for g in (0..nf).filter(|&g| local[g] || g == f) {
            for l in 0..sys.factors[g].n_levels {
                *effects.entry(root(&mut trial, first[g] + l)).or_insert(0) += sys.factors[g].k;
            }
        }
        if effects.values().all(|&m| m <= MOST_LOCAL) {
            local[f] = true;
            parent = trial;
        }
    }
    (subject.iter().map(|&s| root(&mut parent, s as usize)).collect(), local)
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}
