//! Borrowed views of the data, one entry per row.

use crate::error::CoreError;
use crate::residual::Independent;
use crate::structure::Structure;
use std::ops::Range;
use std::sync::Arc;

/// One random term: its effect columns and the structure of their covariance.
#[derive(Clone)]
pub struct TermRows<'a> {
    /// Columns of Z for this term, each of length n.
    pub z: Vec<&'a [f64]>,
    /// Covariance structure of the term's effects.
    pub structure: Arc<dyn Structure>,
}

/// One column of X.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// Its numbers.
    Numbers(&'a [f64]),
    /// One in the rows of a level, zero elsewhere: codes of the rows, and the level.
    Level(&'a [i32], i32),
}

impl<'a> From<&'a [f64]> for Column<'a> {
    fn from(numbers: &'a [f64]) -> Self {
        Column::Numbers(numbers)
    }
}

impl<'a> From<&'a Vec<f64>> for Column<'a> {
    fn from(numbers: &'a Vec<f64>) -> Self {
        Column::Numbers(numbers)
    }
}

impl<'a> Column<'a> {
    /// The column in a range of rows.
    #[inline(always)]
    pub fn each(self, range: Range<usize>, mut visit: impl FnMut(usize, f64)) {
        match self {
            Column::Numbers(v) => v[range].iter().enumerate().for_each(|(r, &v)| visit(r, v)),
            Column::Level(codes, level) => {
                codes[range].iter().enumerate().for_each(|(r, &c)| visit(r, f64::from(u8::from(c == level))));
            }
        }
    }

    /// One entry.
    #[inline(always)]
    pub fn at(self, row: usize) -> f64 {
        match self {
            Column::Numbers(v) => v[row],
            Column::Level(codes, level) => f64::from(u8::from(codes[row] == level)),
        }
    }

    /// Number of rows.
    pub fn len(self) -> usize {
        match self {
            Column::Numbers(v) => v.len(),
            Column::Level(codes, _) => codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Where a row has any number of levels, each with a weight: which members are a row's, and their
/// weights. A row has each level once at most.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    /// Start of each row's members; one more entry than rows.
    pub start: &'a [i64],
    /// Weight of each member.
    pub weight: &'a [f64],
}

impl Members<'_> {
    /// Places of the members of a row.
    #[inline(always)]
    pub fn of_row(&self, row: usize) -> Range<usize> {
        self.start[row] as usize..self.start[row + 1] as usize
    }

    /// Whether they are those of so many rows and members.
    pub fn fit(&self, n: usize, members: usize) -> bool {
        self.start.len() == n + 1
            && self.start[0] == 0
            && self.start.is_sorted()
            && self.start[n] as usize == members
            && self.weight.len() == members
    }
}

/// One grouping factor with all the random terms that share it. A factor without terms stands for
/// fixed effects of its levels.
#[derive(Clone)]
pub struct FactorRows<'a> {
    /// Level of each row, `0..n_levels`; where rows have several, of each member.
    pub codes: &'a [i32],
    /// Members of the rows, where these do not have one level each.
    pub members: Option<Members<'a>>,
    /// Number of levels.
    pub n_levels: usize,
    /// Terms that share this factor.
    pub terms: Vec<TermRows<'a>>,
}

impl FactorRows<'_> {
    /// Number of effects of all its terms.
    pub fn k(&self) -> usize {
        if self.is_fixed() {
            return 1;
        }
        self.terms.iter().map(|t| t.z.len()).sum()
    }

    /// The levels of a row, and their weights.
    #[inline(always)]
    pub fn each(&self, row: usize, mut visit: impl FnMut(usize, f64)) {
        match self.members {
            None => visit(self.codes[row] as usize, 1.0),
            Some(m) => m.of_row(row).for_each(|i| visit(self.codes[i] as usize, m.weight[i])),
        }
    }

    /// Whether the effects of its levels are fixed.
    pub fn is_fixed(&self) -> bool {
        self.terms.is_empty()
    }
}

/// New rows for one factor: level codes (-1 for none) and the columns of Z of all its terms.
pub struct NewRows<'a> {
    /// Level of each row, or -1; where rows have several, of each member.
    pub codes: &'a [i32],
    /// Members of the rows, where these do not have one level each.
    pub members: Option<Members<'a>>,
    /// Columns in the order of the factor's effects.
    pub z: Vec<&'a [f64]>,
}

/// The data of a mixed model.
#[derive(Clone)]
pub struct Rows<'a> {
    /// Columns of X, each of length n; without those of the levels of a fixed factor.
    pub x: Vec<Column<'a>>,
    /// Response (offset already subtracted).
    pub y: &'a [f64],
    /// Prior weights: the residual variance of row i is s2 / w_i.
    pub weights: Option<&'a [f64]>,
    /// Grouping factors; none where there are no random terms. A fixed one is the last.
    pub factors: Vec<FactorRows<'a>>,
}

impl<'a> Rows<'a> {
    /// Number of rows.
    pub fn n(&self) -> usize {
        self.y.len()
    }

    /// The fixed factor, if there is one.
    pub fn fixed(&self) -> Option<&FactorRows<'a>> {
        self.factors.last().filter(|f| f.is_fixed())
    }

    /// The covariance of rows that are independent given the random effects.
    pub fn independent(&self) -> Independent<'a> {
        Independent { n: self.n(), weights: self.weights }
    }

    /// Checks that all lengths agree, all codes are in range and no factor but the last is fixed.
    pub fn check(&self) -> Result<(), CoreError> {
        let n = self.n();
        let bad = |what: &str, m: usize| Err(CoreError::Shape(format!("{what} has {m} rows where y has {n}")));
        for x in &self.x {
            if x.len() != n {
                return bad("x", x.len());
            }
        }
        if let Some(w) = self.weights {
            if w.len() != n {
                return bad("weights", w.len());
            }
        }
        for (i, f) in self.factors.iter().enumerate() {
            if f.is_fixed() && i + 1 < self.factors.len() {
                return Err(CoreError::Shape("a factor that is not the last has no effects".into()));
            }
            let fit = f.members.map_or(f.codes.len() == n, |m| m.fit(n, f.codes.len()));
            if !fit {
                return bad("codes", f.codes.len());
            }
            let limit = f.n_levels as u32;
            if f.codes.iter().any(|&c| c as u32 >= limit) {
                return Err(CoreError::Shape(format!("a level code lies outside 0..{limit}")));
            }
            for t in &f.terms {
                if t.z.is_empty() {
                    return Err(CoreError::Shape("a random term has no effect".into()));
                }
                for z in &t.z {
                    if z.len() != n {
                        return bad("z", z.len());
                    }
                }
            }
        }
        Ok(())
    }
}
