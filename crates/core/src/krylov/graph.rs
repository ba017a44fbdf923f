//! The rows, sorted by the level of the factor that is eliminated: for each the levels of the other
//! factors, and its weight.

use crate::error::CoreError;
use crate::memory::room_for;
use crate::rows::Rows;
use std::ops::Range;

/// Parts that rows are divided into, whatever the number of threads.
const PARTS: usize = 16;

/// See the module. A place is a level of one of the other factors, all of them numbered one factor
/// after another.
pub struct Graph {
    /// Factor that is eliminated.
    pub eliminated: usize,
    /// The others, in order.
    pub others: Vec<usize>,
    /// First row of each level of the eliminated factor.
    pub start: Vec<usize>,
    /// Places of each row, one of each other factor.
    pub places: Vec<u32>,
    /// Weight of each row; none where all are one.
    pub weights: Option<Vec<f64>>,
    /// First place of each other factor, and their number.
    pub first: Vec<usize>,
    /// Sum of the weights of each level of the eliminated factor, and of each place.
    pub total: [Vec<f64>; 2],
    /// Levels of each part.
    pub parts: Vec<Range<usize>>,
}

impl Graph {
    /// Sorts the rows.
    ///
    /// # Errors
    /// [`CoreError::NoRoom`].
    pub fn new(rows: &Rows<'_>) -> Result<Self, CoreError> {
        let (n, count) = (rows.n(), rows.factors.len());
        let per_row = 0.5 * (count - 1) as f64 + if rows.weights.is_some() { 1.0 } else { 0.0 };
        room_for(per_row * n as f64, || format!("the levels of {n} rows"))?;
        let sizes: Vec<usize> = rows.factors.iter().map(|f| f.n_levels).collect();
        let eliminated = (0..count).rev().max_by_key(|&f| sizes[f]).expect("there are factors");
        let others: Vec<usize> = (0..count).filter(|&f| f != eliminated).collect();
        let mut first = vec![0];
        others.iter().for_each(|&f| first.push(first[first.len() - 1] + sizes[f]));
        let q2 = first[others.len()];
        if u32::try_from(q2).is_err() {
            return Err(CoreError::Shape("there are more than 4 billion levels".into()));
        }
        let codes = rows.factors[eliminated].codes;
        let mut start = vec![0; sizes[eliminated] + 1];
        codes.iter().for_each(|&c| start[c as usize + 1] += 1);
        (1..start.len()).for_each(|j| start[j] += start[j - 1]);
        let m = others.len();
        let mut next = start.clone();
        let mut places = vec![0u32; n * m];
        let mut weights = rows.weights.map(|w| vec![0.0; w.len()]);
        let mut total = [vec![0.0; sizes[eliminated]], vec![0.0; q2]];
        for (i, &c) in codes.iter().enumerate() {
            let at = next[c as usize];
            next[c as usize] += 1;
            let w = rows.weights.map_or(1.0, |w| w[i]);
            total[0][c as usize] += w;
            for (k, &f) in others.iter().enumerate() {
                let place = first[k] + rows.factors[f].codes[i] as usize;
                places[at * m + k] = place as u32;
                total[1][place] += w;
            }
            if let Some(to) = &mut weights {
                to[at] = w;
            }
        }
        // no more parts than are worth their sums
        let worth = (n * m / (4 * q2).max(1)).clamp(1, PARTS);
        let mut parts = Vec::with_capacity(worth);
        let mut from = 0;
        for part in 1..=worth {
            let end = if part == worth {
                sizes[eliminated]
            } else {
                start.partition_point(|&s| s < n / worth * part).min(sizes[eliminated])
            };
            if end > from {
                parts.push(from..end);
                from = end;
            }
        }
        Ok(Graph { eliminated, others, start, places, weights, first, total, parts })
    }

    /// Number of levels that are not eliminated.
    pub fn n_places(&self) -> usize {
        self.first[self.others.len()]
    }

    /// Number of levels that are.
    pub fn n_levels(&self) -> usize {
        self.start.len() - 1
    }

    /// Weight of a row.
    #[inline(always)]
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w[row])
    }
}
