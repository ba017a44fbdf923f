//! The rows, sorted by the level of the factor that is eliminated: for each the levels of the other
//! factors, the effects that are not constant, and its weight.

use std::ops::Range;

/// Numbers of rows, held in half the room where that is exact.
pub enum Numbers {
    /// All of them are exact in single precision.
    Single(Vec<f32>),
    /// Others.
    Double(Vec<f64>),
}

impl Numbers {
    /// One of them.
    #[inline(always)]
    pub fn at(&self, i: usize) -> f64 {
        match self {
            Numbers::Single(v) => f64::from(v[i]),
            Numbers::Double(v) => v[i],
        }
    }
}

/// One effect of a factor: a column of the rows, less `shift` and times `by`, or the number `by`.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// Column, if it is not constant.
    pub column: Option<usize>,
    /// See above.
    pub shift: f64,
    /// See above.
    pub by: f64,
}

/// A factor: its place among all of the model, its effects, and where they are.
pub struct Part {
    /// Number of the factor in the model.
    pub factor: usize,
    /// Number of levels.
    pub n_levels: usize,
    /// Effects of each level.
    pub effects: Vec<Effect>,
    /// First effect of its half.
    pub first: usize,
    /// First entry among the squares of its half.
    pub square: usize,
}

impl Part {
    /// Effects of a level.
    pub fn k(&self) -> usize {
        self.effects.len()
    }

    /// Where its effects are.
    pub fn range(&self) -> Range<usize> {
        self.first..self.first + self.n_levels * self.k()
    }

    /// For each level its first effect and the first entry of its squares.
    pub fn levels(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let k = self.k();
        (0..self.n_levels).map(move |l| (self.first + l * k, self.square + l * k * k))
    }
}

/// See the module. Effects are in two halves: those of the factor that is eliminated, and those of
/// all others, one factor after another.
pub struct Graph {
    /// Factor that is eliminated.
    pub eliminated: Part,
    /// The others.
    pub others: Vec<Part>,
    /// First row of each level of the eliminated factor.
    pub start: Vec<usize>,
    /// For each row the first effect of its level of each other factor.
    pub places: Vec<u32>,
    /// Columns of the rows that are not constant, row by row.
    pub z: Numbers,
    /// Their number.
    pub columns: usize,
    /// Weight of each row; none where all are one.
    pub weights: Option<Numbers>,
    /// What rows were divided by, so that constants are one: weights are times its square.
    pub unit: f64,
    /// Z'WZ of each level, k x k, of both halves.
    pub squares: [Vec<f64>; 2],
    /// Levels of each part that rows are divided into, whatever the number of threads.
    pub parts: Vec<Range<usize>>,
}

impl Graph {
    /// Number of effects that are not eliminated.
    pub fn n_places(&self) -> usize {
        self.others.last().map_or(0, |p| p.range().end)
    }

    /// Number of levels that are.
    pub fn n_levels(&self) -> usize {
        self.eliminated.n_levels
    }

    /// Half and description of a factor of the model.
    pub fn part(&self, factor: usize) -> (usize, &Part) {
        self.others.iter().find(|p| p.factor == factor).map_or((0, &self.eliminated), |p| (1, p))
    }

    /// Descriptions in the order of the model's factors.
    pub fn in_order(&self) -> impl Iterator<Item = (usize, &Part)> {
        (0..=self.others.len()).map(|f| self.part(f))
    }

    /// Whether every factor has a constant alone, which is one.
    pub fn is_ones(&self) -> bool {
        let one = |p: &Part| p.k() == 1 && p.effects[0].column.is_none() && p.effects[0].by == 1.0;
        one(&self.eliminated) && self.others.iter().all(one)
    }

    /// Whether there are two factors, and every effect is one.
    pub fn is_pair(&self) -> bool {
        self.others.len() == 1 && self.is_ones()
    }

    /// Places of a row.
    #[inline(always)]
    pub fn places(&self, row: usize) -> &[u32] {
        let n = self.others.len();
        &self.places[row * n..(row + 1) * n]
    }

    /// Weight of a row.
    #[inline(always)]
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w.at(row))
    }

    /// Effects of all factors, that of the eliminated one first.
    pub fn n_effects(&self) -> usize {
        self.eliminated.k() + self.others.iter().map(Part::k).sum::<usize>()
    }

    /// The effects in a row: of the eliminated factor, then of the others.
    #[inline(always)]
    pub fn values(&self, row: usize, out: &mut [f64]) {
        let all = self.eliminated.effects.iter().chain(self.others.iter().flat_map(|p| &p.effects));
        out.iter_mut().zip(all).for_each(|(t, e)| *t = self.value(e, row));
    }

    /// An effect in a row.
    #[inline(always)]
    pub fn value(&self, e: &Effect, row: usize) -> f64 {
        match e.column {
            None => e.by,
            Some(c) => (self.z.at(row * self.columns + c) - e.shift) * e.by,
        }
    }
}
