//! Rows of a mixed model from random bytes: most of them small, some with numbers, codes and
//! lengths that no model has.

use arbitrary::{Result, Unstructured};
use ranef_core::rows::{Column, FactorRows, Members, Rows, TermRows};
use ranef_core::structure::{named, Structure};
use std::ops::Range;
use std::sync::Arc;

/// Sizes of what is made, so that a fit takes milliseconds.
const MOST_ROWS: usize = 40;
const MOST_LEVELS: usize = 12;

const STRUCTURES: [&str; 9] = [
    "unstructured",
    "diagonal",
    "compound_symmetry",
    "homogeneous_compound_symmetry",
    "homogeneous_diagonal",
    "ar1",
    "heterogeneous_ar1",
    "toeplitz",
    "homogeneous_toeplitz",
];

/// What numbers and shapes are made.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Finite numbers of moderate size, in columns of one length.
    Sound,
    /// Anything.
    Any,
}

/// The columns that [`Rows`] borrow.
pub struct Data {
    x: Vec<Vec<f64>>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    factors: Vec<Factor>,
}

/// Columns of effects, and the structure of their covariance.
type Term = (Vec<Vec<f64>>, Arc<dyn Structure>);

struct Factor {
    codes: Vec<i32>,
    members: Option<(Vec<i64>, Vec<f64>)>,
    n_levels: usize,
    terms: Vec<Term>,
}

fn number(u: &mut Unstructured, kind: Kind) -> Result<f64> {
    Ok(match (u.int_in_range(0..=7)?, kind) {
        (0, Kind::Any) => f64::from_bits(u.arbitrary()?),
        (0, Kind::Sound) => f64::from(u.arbitrary::<i32>()?) * 1e-4,
        (1..=2, _) => f64::from(u.arbitrary::<i16>()?) / 256.0,
        _ => f64::from(u.int_in_range(-3i8..=3)?),
    })
}

/// Numbers for each row; of another length once in many times.
fn column(u: &mut Unstructured, n: usize, kind: Kind) -> Result<Vec<f64>> {
    let n = if kind == Kind::Any && u.ratio(1, 64)? { u.int_in_range(0..=n + 2)? } else { n };
    if u.ratio(1, 3)? {
        return Ok(vec![number(u, kind)?; n]);
    }
    (0..n).map(|_| number(u, kind)).collect()
}

fn codes(u: &mut Unstructured, n: usize, n_levels: usize, kind: Kind) -> Result<Vec<i32>> {
    let wrong = kind == Kind::Any && u.ratio(1, 64)?;
    let n = if kind == Kind::Any && u.ratio(1, 64)? { u.int_in_range(0..=n + 2)? } else { n };
    (0..n)
        .map(|_| if wrong && u.ratio(1, 8)? { u.arbitrary() } else { u.int_in_range(0..=n_levels as i32 - 1) })
        .collect()
}

/// Members of the rows: where each begins, and weights.
fn members(u: &mut Unstructured, n: usize, kind: Kind) -> Result<(Vec<i64>, Vec<f64>)> {
    let mut start = vec![0];
    for i in 0..n {
        start.push(start[i] + u.int_in_range(0..=2)?);
    }
    let count = start[n] as usize;
    if kind == Kind::Any && u.ratio(1, 16)? {
        let i = u.choose_index(n + 1)?;
        start[i] = u.arbitrary()?;
    }
    Ok((start, column(u, count, kind)?))
}

impl Data {
    /// Made from bytes, with several levels a row where `shared` allows it.
    pub fn of(u: &mut Unstructured, kind: Kind, shared: bool) -> Result<Self> {
        let n = u.int_in_range(usize::from(kind == Kind::Sound)..=MOST_ROWS)?;
        let x = (0..u.int_in_range(0..=4)?).map(|_| column(u, n, kind)).collect::<Result<Vec<_>>>()?;
        let y = (0..n).map(|_| number(u, kind)).collect::<Result<Vec<_>>>()?;
        let weights = match (u.ratio(1, 4)?, kind) {
            (false, _) => None,
            (true, Kind::Any) => Some(column(u, n, kind)?),
            (true, Kind::Sound) => {
                Some((0..n).map(|_| Ok(0.25 * f64::from(u.int_in_range(1u8..=40)?))).collect::<Result<_>>()?)
            }
        };
        let factors =
            (0..u.int_in_range(0..=3)?).map(|_| Factor::of(u, n, kind, shared)).collect::<Result<Vec<_>>>()?;
        Ok(Data { x, y, weights, factors })
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.y.len()
    }

    /// Some of the rows, of data whose columns are of one length.
    pub fn part(&self, range: Range<usize>) -> Data {
        let cut = |v: &Vec<f64>| v[range.clone()].to_vec();
        let factor = |f: &Factor| Factor {
            codes: f.codes[range.clone()].to_vec(),
            members: None,
            n_levels: f.n_levels,
            terms: f.terms.iter().map(|(z, s)| (z.iter().map(cut).collect(), s.clone())).collect(),
        };
        Data {
            x: self.x.iter().map(cut).collect(),
            y: cut(&self.y),
            weights: self.weights.as_ref().map(cut),
            factors: self.factors.iter().map(factor).collect(),
        }
    }

    /// As the core takes them.
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            x: self.x.iter().map(Column::from).collect(),
            y: &self.y,
            weights: self.weights.as_deref(),
            factors: self.factors.iter().map(Factor::rows).collect(),
        }
    }
}

impl Factor {
    fn of(u: &mut Unstructured, n: usize, kind: Kind, shared: bool) -> Result<Self> {
        let n_levels = u.int_in_range(1..=MOST_LEVELS)?;
        let members = if shared && u.ratio(1, 6)? { Some(members(u, n, kind)?) } else { None };
        let count = members.as_ref().map_or(n, |(_, weights)| weights.len());
        let mut codes = codes(u, count, n_levels, kind)?;
        if let (Some((start, _)), Kind::Sound) = (&members, kind) {
            // a row has each level once at most
            start.windows(2).filter(|s| s[1] - s[0] == 2).for_each(|s| codes[s[0] as usize] = 0);
            start.windows(2).filter(|s| s[1] - s[0] == 2 && n_levels > 1).for_each(|s| {
                codes[s[1] as usize - 1] = codes[s[1] as usize - 1].max(1);
            });
        }
        let n_terms = u.int_in_range(usize::from(kind == Kind::Sound)..=2)?;
        let terms = (0..n_terms)
            .map(|_| {
                let structure = named(STRUCTURES[u.choose_index(STRUCTURES.len())?]).expect("a name of the core");
                let k = u.int_in_range(usize::from(kind == Kind::Sound)..=3)?;
                Ok(((0..k).map(|_| column(u, n, kind)).collect::<Result<Vec<_>>>()?, structure))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Factor { codes, members, n_levels, terms })
    }

    fn rows(&self) -> FactorRows<'_> {
        FactorRows {
            codes: &self.codes,
            members: self.members.as_ref().map(|(start, weight)| Members { start, weight }),
            n_levels: self.n_levels,
            terms: self
                .terms
                .iter()
                .map(|(z, structure)| TermRows {
                    z: z.iter().map(Vec::as_slice).collect(),
                    structure: structure.clone(),
                })
                .collect(),
        }
    }
}
