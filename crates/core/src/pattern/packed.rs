//! The rows of \[X y\] by subject, each without the columns that are zero at its position, and the
//! sums of their products.

use super::moments::{Pattern, Universe};
use crate::basis::Basis;
use crate::crossprod::transformed_w;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::rows::Rows;

/// Rows that are brought into the changed basis at a time.
const BLOCK: usize = 256;
/// Subjects whose products are added at a time.
const TOGETHER: usize = 4;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// Universe and pattern of each subject.
    of_subject: Vec<(usize, usize)>,
    /// Rows by subject and position: those of subject i are `order[starts[i]..starts[i + 1]]`.
    order: Vec<usize>,
    /// See `order`.
    starts: Vec<usize>,
    /// The roots of the weights.
    root_weights: Option<Vec<f64>>,
    /// The columns of each row in use, in the changed basis, times the root of its weight.
    values: Vec<f64>,
    /// Where the values of each subject begin, and the number of all.
    begins: Vec<usize>,
}

/// The error of values that cannot be used.
pub(super) fn not_finite() -> CoreError {
    CoreError::Degenerate("a value is not finite".into())
}

impl Packed {
    /// Rows without values.
    pub(super) fn new(
        of_subject: Vec<(usize, usize)>,
        order: Vec<usize>,
        starts: Vec<usize>,
        weights: Option<&[f64]>,
    ) -> Self {
        let root_weights = weights.map(|w| w.iter().map(|v| v.sqrt()).collect());
        Packed { of_subject, order, starts, root_weights, values: Vec::new(), begins: Vec::new() }
    }

    /// Number of subjects with rows.
    pub(super) fn n_subjects(&self) -> usize {
        self.of_subject.len()
    }

    /// Finds the columns in use at each position and sets the sums of products.
    ///
    /// # Errors
    /// Values that are not finite.
    pub(super) fn fill(&mut self, universes: &mut [Universe], rows: &Rows<'_>, basis: &Basis) -> Result<(), CoreError> {
        let pw = basis.p() + 1;
        let n = rows.n();
        // the position of each row among those of all universes
        let first: Vec<usize> = universes
            .iter()
            .scan(0, |at, u| {
                let here = *at;
                *at += u.t;
                Some(here)
            })
            .collect();
        let mut slot = vec![0; n];
        for (s, &(u, p)) in self.of_subject.iter().enumerate() {
            let own = &self.order[self.starts[s]..self.starts[s + 1]];
            own.iter().zip(&universes[u].patterns[p].visits).for_each(|(&r, &v)| slot[r] = first[u] + v);
        }
        let positions: usize = universes.iter().map(|u| u.t).sum();
        let mut used = vec![false; positions * pw];
        let mut block = vec![0.0; BLOCK * pw];
        for start in (0..n).step_by(BLOCK) {
            let stop = (start + BLOCK).min(n);
            let block = &mut block[..(stop - start) * pw];
            transformed_w(rows, basis, start..stop, block);
            for (row, &at) in block.chunks_exact(pw).zip(&slot[start..stop]) {
                used[at * pw..(at + 1) * pw].iter_mut().zip(row).for_each(|(u, &x)| *u |= x != 0.0);
            }
            if block.iter().any(|v| !v.is_finite()) {
                return Err(not_finite());
            }
        }
        for (u, &first) in universes.iter_mut().zip(&first) {
            for v in 0..u.t {
                let of = &mut used[(first + v) * pw..(first + v + 1) * pw];
                of[pw - 1] = true;
                u.columns[v] = (0..pw).filter(|&c| of[c]).collect();
            }
            u.patterns.iter_mut().for_each(|p| make_room(p, &u.columns));
        }
        self.pack(universes, rows, basis);
        self.add_all(universes);
        Ok(())
    }

    /// Writes the values of all rows.
    fn pack(&mut self, universes: &[Universe], rows: &Rows<'_>, basis: &Basis) {
        let (n, pw) = (rows.n(), basis.p() + 1);
        let mut place = vec![(0, 0, 0); n];
        self.begins.clear();
        let mut at = 0;
        for (s, &(u, p)) in self.of_subject.iter().enumerate() {
            self.begins.push(at);
            let own = &self.order[self.starts[s]..self.starts[s + 1]];
            for (&r, &v) in own.iter().zip(&universes[u].patterns[p].visits) {
                place[r] = (at, u, v);
                at += universes[u].columns[v].len();
            }
        }
        self.begins.push(at);
        self.values.clear();
        self.values.resize(at, 0.0);
        let mut block = vec![0.0; BLOCK * pw];
        for start in (0..n).step_by(BLOCK) {
            let stop = (start + BLOCK).min(n);
            transformed_w(rows, basis, start..stop, &mut block[..(stop - start) * pw]);
            for (row, &(at, u, v)) in block.chunks_exact(pw).zip(&place[start..stop]) {
                let columns = &universes[u].columns[v];
                self.values[at..at + columns.len()].iter_mut().zip(columns).for_each(|(t, &c)| *t = row[c]);
            }
        }
    }

    /// Subjects of each pattern, by universe.
    fn by_pattern(&self, universes: &[Universe]) -> Vec<Vec<Vec<usize>>> {
        let mut out: Vec<Vec<Vec<usize>>> =
            universes.iter().map(|u| u.patterns.iter().map(|p| Vec::with_capacity(p.m as usize)).collect()).collect();
        self.of_subject.iter().enumerate().for_each(|(s, &(u, p))| out[u][p].push(s));
        out
    }

    /// Sets the sums of products.
    fn add_all(&self, universes: &mut [Universe]) {
        let subjects = self.by_pattern(universes);
        let mut sums: Vec<f64> = Vec::new();
        for (u, of_universe) in universes.iter_mut().zip(&subjects) {
            for (pattern, own) in u.patterns.iter_mut().zip(of_universe) {
                let widths: Vec<usize> = pattern.visits.iter().map(|&v| u.columns[v].len()).collect();
                let all: usize = widths.iter().sum();
                sums.clear();
                sums.resize(all * all, 0.0);
                for few in own.chunks(TOGETHER) {
                    let rows = few.iter().map(|&s| &self.values[self.begins[s]..self.begins[s + 1]]);
                    kernels::vectorised(
                        #[inline(always)]
                        || add_products(rows, &widths, &mut sums),
                    );
                }
                take_blocks(pattern, &widths, &sums);
            }
        }
    }

    /// Puts another response in the place of y, and sets its products.
    pub(super) fn set_response(&mut self, universes: &mut [Universe], y: &[f64], basis: &Basis) {
        let inv = 1.0 / basis.y_scale;
        for u in universes.iter_mut() {
            for pattern in &mut u.patterns {
                clear_response(pattern, &u.columns);
            }
        }
        let mut responses: Vec<f64> = Vec::new();
        for (s, &(u, p)) in self.of_subject.iter().enumerate() {
            let Universe { columns, patterns, .. } = &mut universes[u];
            let pattern = &mut patterns[p];
            let own = &mut self.values[self.begins[s]..self.begins[s + 1]];
            responses.clear();
            let mut end = 0;
            for (&r, &v) in self.order[self.starts[s]..self.starts[s + 1]].iter().zip(&pattern.visits) {
                let weight = self.root_weights.as_ref().map_or(1.0, |w| w[r]);
                end += columns[v].len();
                own[end - 1] = (y[r] - basis.y_shift) * inv * weight;
                responses.push(own[end - 1]);
            }
            add_response(pattern, columns, own, &responses);
        }
    }
}

/// Room for the products of a pattern.
fn make_room(pattern: &mut Pattern, columns: &[Vec<usize>]) {
    let mut at = 0;
    pattern.starts.clear();
    for k in 0..pattern.visits.len() {
        for j in 0..=k {
            pattern.starts.push(at);
            at += columns[pattern.visits[j]].len() * columns[pattern.visits[k]].len();
        }
    }
    pattern.products = vec![0.0; at];
}

/// Adds the products of a few subjects' values to `sums`: rows of the columns of a position, from
/// its own columns on.
#[inline(always)]
fn add_products<'a>(rows: impl Iterator<Item = &'a [f64]>, widths: &[usize], sums: &mut [f64]) {
    let all: usize = widths.iter().sum();
    let mut of = [&[][..]; TOGETHER];
    let mut count = 0;
    for row in rows {
        of[count] = &row[..all];
        count += 1;
    }
    let mut begin = 0;
    for &width in widths {
        for a in begin..begin + width {
            let to = &mut sums[a * all + begin..(a + 1) * all];
            if let ([x, y, z, w], TOGETHER) = (of, count) {
                let f = [x[a], y[a], z[a], w[a]];
                let (x, y, z, w) = (&x[begin..], &y[begin..], &z[begin..], &w[begin..]);
                for (t, (((x, y), z), w)) in to.iter_mut().zip(x.iter().zip(y).zip(z).zip(w)) {
                    *t += f[0] * x + f[1] * y + (f[2] * z + f[3] * w);
                }
            } else {
                for row in &of[..count] {
                    let f = row[a];
                    to.iter_mut().zip(&row[begin..]).for_each(|(t, v)| *t += f * v);
                }
            }
        }
        begin += width;
    }
}

/// The blocks of `sums` to the products of a pattern.
fn take_blocks(pattern: &mut Pattern, widths: &[usize], sums: &[f64]) {
    let all: usize = widths.iter().sum();
    let mut at = 0;
    let mut column = 0;
    for (k, &right) in widths.iter().enumerate() {
        let mut row = 0;
        for &left in &widths[..=k] {
            for a in row..row + left {
                pattern.products[at..at + right].copy_from_slice(&sums[a * all + column..a * all + column + right]);
                at += right;
            }
            row += left;
        }
        column += right;
    }
}

/// Sets the products with the response to zero.
fn clear_response(pattern: &mut Pattern, columns: &[Vec<usize>]) {
    let mut at = 0;
    for (k, &b) in pattern.visits.iter().enumerate() {
        let right = columns[b].len();
        for &a in &pattern.visits[..=k] {
            let left = columns[a].len();
            let block = &mut pattern.products[at..at + left * right];
            block.chunks_exact_mut(right).for_each(|row| row[right - 1] = 0.0);
            block[(left - 1) * right..].fill(0.0);
            at += left * right;
        }
    }
}

/// Adds the products of a subject's response.
fn add_response(pattern: &mut Pattern, columns: &[Vec<usize>], own: &[f64], y: &[f64]) {
    let mut at = 0;
    let mut column = 0;
    for (k, &b) in pattern.visits.iter().enumerate() {
        let right = columns[b].len();
        let fixed = &own[column..column + right - 1];
        let mut row = 0;
        for (j, &a) in pattern.visits[..=k].iter().enumerate() {
            let left = columns[a].len();
            let block = &mut pattern.products[at..at + left * right];
            for (line, x) in block.chunks_exact_mut(right).zip(&own[row..row + left]) {
                line[right - 1] += x * y[k];
            }
            let last = &mut block[(left - 1) * right..left * right - 1];
            last.iter_mut().zip(fixed).for_each(|(t, x)| *t += y[j] * x);
            at += left * right;
            row += left;
        }
        column += right;
    }
}
