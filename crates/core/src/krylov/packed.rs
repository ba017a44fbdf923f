//! Rows kept in few bytes each, until all are there: in runs, each sorted by the level of the
//! eliminated factor, of which then one byte a row is enough.

use super::graph::Numbers;
use crate::rows::Rows;
use std::ops::Range;

/// Rows of a run.
pub(super) const RUN: usize = 1 << 17;
/// Times as many levels as rows up to which rows are sorted by counting.
const DENSE: usize = 4;
/// Differences from here on have five bytes.
const FAR: usize = 255;

/// A column of a run.
pub(super) enum Column {
    /// Ones.
    Ones,
    /// Others.
    Numbers(Numbers),
}

impl Column {
    fn of(v: &[f64], order: &[u32]) -> Self {
        let values = order.iter().map(|&i| v[i as usize]);
        if v.iter().all(|&v| v == 1.0) {
            Column::Ones
        } else if v.iter().all(|&v| f64::from(v as f32) == v) {
            Column::Numbers(Numbers::Single(values.map(|v| v as f32).collect()))
        } else {
            Column::Numbers(Numbers::Double(values.collect()))
        }
    }

    pub(super) fn at(&self, i: usize) -> f64 {
        match self {
            Column::Ones => 1.0,
            Column::Numbers(v) => v.at(i),
        }
    }

    pub(super) fn is_single(&self) -> bool {
        !matches!(self, Column::Numbers(Numbers::Double(_)))
    }
}

/// A run: levels of the eliminated factor as differences of each from the one before, codes of the
/// others, columns of all effects, and weights.
pub(super) struct Run {
    n: usize,
    differences: Vec<u8>,
    codes: Vec<Vec<u32>>,
    pub(super) columns: Vec<Column>,
    pub(super) weights: Option<Column>,
}

impl Run {
    /// Of some rows.
    pub(super) fn of(rows: &Rows<'_>, range: Range<usize>, eliminated: usize) -> Self {
        let own = &rows.factors[eliminated];
        let levels = &own.codes[range.clone()];
        let order = order_of(levels, own.n_levels);
        let mut differences = Vec::with_capacity(levels.len());
        let mut last = 0usize;
        for &i in &order {
            let level = levels[i as usize] as usize;
            let by = level - last;
            last = level;
            if by < FAR {
                differences.push(by as u8);
            } else {
                differences.push(FAR as u8);
                differences.extend((by as u32).to_le_bytes());
            }
        }
        differences.shrink_to_fit();
        let others = rows.factors.iter().enumerate().filter(|(f, _)| *f != eliminated).map(|(_, f)| {
            let codes = &f.codes[range.clone()];
            order.iter().map(|&i| codes[i as usize] as u32).collect()
        });
        let columns = rows.factors.iter().flat_map(|f| f.terms.iter().flat_map(|t| t.z.iter()));
        Run {
            n: levels.len(),
            differences,
            codes: others.collect(),
            columns: columns.map(|z| Column::of(&z[range.clone()], &order)).collect(),
            weights: rows.weights.map(|w| Column::of(&w[range.clone()], &order)),
        }
    }

    /// Visits the rows in order: number, and level of the eliminated factor.
    pub(super) fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let mut bytes = self.differences.iter();
        let mut level = 0;
        for row in 0..self.n {
            let mut next = || usize::from(*bytes.next().expect("there is a difference for each row"));
            let mut by = next();
            if by == FAR {
                by = (0..4).map(|i| next() << (8 * i)).sum();
            }
            level += by;
            visit(row, level);
        }
    }

    /// Code of a row in one of the other factors, by its number among them.
    pub(super) fn code(&self, other: usize, row: usize) -> usize {
        self.codes[other][row] as usize
    }
}

/// Rows by level, those of a level as they came.
fn order_of(levels: &[i32], n_levels: usize) -> Vec<u32> {
    let n = levels.len();
    if levels.windows(2).all(|w| w[0] <= w[1]) {
        return (0..n as u32).collect();
    }
    let mut order: Vec<u32>;
    if n_levels <= DENSE * n {
        let mut next = vec![0u32; n_levels + 1];
        levels.iter().for_each(|&c| next[c as usize + 1] += 1);
        (0..n_levels).for_each(|c| next[c + 1] += next[c]);
        order = vec![0; n];
        for (i, &c) in levels.iter().enumerate() {
            order[next[c as usize] as usize] = i as u32;
            next[c as usize] += 1;
        }
    } else {
        order = (0..n as u32).collect();
        order.sort_by_key(|&i| levels[i as usize]);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::rows::{FactorRows, TermRows};
    use crate::structure;

    #[test]
    fn rows_come_back_sorted() {
        let mut rng = Rng::of(1, 1);
        for (n, m) in [(1000, 7), (1000, 3000), (50, 900_000), (400, 1_200)] {
            let own: Vec<i32> = (0..n).map(|_| rng.below(m) as i32).collect();
            let other: Vec<i32> = (0..n).map(|_| rng.below(20) as i32).collect();
            let (y, ones) = ((0..n).map(|i| i as f64).collect::<Vec<_>>(), vec![1.0; n]);
            let factor = |codes, n_levels| FactorRows {
                codes,
                members: None,
                n_levels,
                terms: vec![TermRows { z: vec![&ones], structure: structure::named("unstructured").unwrap() }],
            };
            let factors = vec![factor(&own[..], m), factor(&other[..], 20)];
            let rows = Rows { x: vec![(&ones).into()], y: &y, weights: Some(&y), factors };
            let run = Run::of(&rows, 10..n, 0);
            let mut expected: Vec<usize> = (10..n).collect();
            expected.sort_by_key(|&i| own[i]);
            let mut seen = 0;
            run.each(|row, level| {
                let i = expected[row];
                assert_eq!((level, run.code(0, row)), (own[i] as usize, other[i] as usize));
                assert_eq!(run.weights.as_ref().unwrap().at(row), y[i]);
                assert_eq!(run.columns[0].at(row), 1.0);
                seen += 1;
            });
            assert_eq!(seen, n - 10);
        }
    }
}
