//! What the bindings share: arrays in, errors out.

use crate::families::ExtrasArgument;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use ranef_core::error::CoreError;
use ranef_core::layout::{FactorSize, Layout};
use ranef_core::linear::Coding;
use ranef_core::rows::{Column, FactorRows, Members, NewRows, Rows, TermRows};
use ranef_core::structure::{self, Structure};
use std::sync::{Arc, OnceLock};

/// The exception of an error of the core.
pub(crate) fn to_python(e: CoreError) -> PyErr {
    match e {
        CoreError::Interrupted => PyKeyboardInterrupt::new_err(()),
        CoreError::TooLarge { bytes, free, dense } => {
            let advice = if dense > 0 {
                "Crossed random effects can be fitted with control={'solver': 'iterative'}; else use fewer levels"
            } else {
                "Use fewer levels"
            };
            no_room(format!("the model does not fit into memory: {e}. {advice}."), bytes, Some(free))
        }
        CoreError::NoRoom { bytes, free, .. } => {
            let advice = "Use fewer levels, or for groups among the fixed effects a random effect";
            no_room(format!("the model does not fit into memory: {e}. {advice}."), bytes, free)
        }
        CoreError::Refused { bytes, memory, .. } => no_room(e.to_string(), bytes, Some(memory)),
        _ => PyValueError::new_err(e.to_string()),
    }
}

/// A number for each of n rows.
pub(crate) fn each_row(values: &PyReadonlyArray1<'_, f64>, n: usize) -> PyResult<Vec<f64>> {
    let values = values.as_array().to_vec();
    if values.len() == n {
        Ok(values)
    } else {
        Err(PyValueError::new_err(format!("{} numbers for {n} rows", values.len())))
    }
}

/// The package's error for what does not fit into memory, which is a `MemoryError` too.
fn no_room(message: String, needed: f64, available: Option<f64>) -> PyErr {
    Python::attach(|py| {
        let class = py.import("ranef.errors").and_then(|m| m.getattr("MemoryLimitError"));
        let made = class.and_then(|class| class.call1((&message, needed, available)));
        made.map_or_else(|_| PyMemoryError::new_err(message), PyErr::from_value)
    })
}

/// The error for what a model made of sums over rows cannot do.
pub(crate) fn no_rows() -> PyErr {
    Python::attach(|py| {
        let made = py.import("ranef.design.record").and_then(|m| m.getattr("no_rows")).and_then(|f| f.call0());
        made.map_or_else(|e| e, PyErr::from_value)
    })
}

/// Columns of a matrix in Fortran order.
pub(crate) fn columns<'a>(a: &'a PyReadonlyArray2<'_, f64>) -> PyResult<Vec<&'a [f64]>> {
    let shape = a.shape();
    let (n, k) = (shape[0], shape[1]);
    if k == 0 || n == 0 {
        return Ok(vec![&[]; k]);
    }
    if !a.is_fortran_contiguous() {
        return Err(PyValueError::new_err("matrices must be in Fortran order"));
    }
    Ok(a.as_slice()?.chunks_exact(n).collect())
}

/// New rows of all factors of a model.
pub(crate) fn new_rows<'a>(
    factors: &'a [NewFactorArgument<'_>],
    n: usize,
    layout: &Layout,
) -> PyResult<Vec<NewRows<'a>>> {
    if factors.len() != layout.factors.len() {
        return Err(PyValueError::new_err("new rows do not have the factors of the model"));
    }
    let mut out = Vec::new();
    for ((codes, z), f) in factors.iter().zip(&layout.factors) {
        let mut cols = Vec::new();
        for z in z {
            cols.extend(columns(z)?);
        }
        let (codes, members) = codes.all(n)?;
        let fits =
            cols.len() == f.k && cols.iter().all(|c| c.len() == n) && codes.iter().all(|&c| c < f.n_levels as i32);
        if !fits {
            return Err(PyValueError::new_err("new rows do not have the effects and levels of the model"));
        }
        out.push(NewRows { codes, members, z: cols });
    }
    Ok(out)
}

/// A matrix from its rows.
pub(crate) fn matrix(py: Python<'_>, v: Vec<f64>, rows: usize, cols: usize) -> PyResult<Py<PyArray2<f64>>> {
    Ok(v.into_pyarray(py).reshape([rows, cols])?.unbind())
}

/// For each factor a matrix, levels x effects.
pub(crate) fn by_factor(
    py: Python<'_>,
    all: Vec<Vec<f64>>,
    factors: &[FactorSize],
) -> PyResult<Vec<Py<PyArray2<f64>>>> {
    all.into_iter().zip(factors).map(|(v, f)| matrix(py, v, f.n_levels, f.k)).collect()
}

pub(crate) type TermArgument<'py> = (Bound<'py, PyArray2<f64>>, String);
/// Start of each row's members, their levels and weights.
type MembersArgument<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<f64>>);
/// Levels of the rows: one each, or the start of each row's members with their levels and weights.
#[derive(FromPyObject)]
pub(crate) enum PlacesArgument<'py> {
    One(Bound<'py, PyArray1<i32>>),
    Several(MembersArgument<'py>),
}
pub(crate) type FactorArgument<'py> = (PlacesArgument<'py>, usize, Vec<TermArgument<'py>>);
/// Columns of X that are the levels of one factor: codes of the rows, the place of each level's
/// column, the reference level, and the places of the other columns.
#[derive(FromPyObject)]
pub(crate) struct LevelsArgument {
    codes: Py<PyArray1<i32>>,
    places: Vec<usize>,
    reference: Option<usize>,
    others: Vec<usize>,
}
pub(crate) type NewFactorArgument<'py> = (NewPlaces<'py>, Vec<PyReadonlyArray2<'py, f64>>);

/// Levels of new rows, as those of the rows of a fit.
#[derive(FromPyObject)]
pub(crate) enum NewPlaces<'py> {
    One(PyReadonlyArray1<'py, i32>),
    Several((PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i32>, PyReadonlyArray1<'py, f64>)),
}

impl NewPlaces<'_> {
    /// Level of each row.
    pub(crate) fn one(&self) -> PyResult<&[i32]> {
        match self {
            NewPlaces::One(codes) => Ok(codes.as_slice()?),
            NewPlaces::Several(_) => Err(PyValueError::new_err("every row must have one level")),
        }
    }

    /// Levels of `n` rows or of their members, and these.
    pub(crate) fn all(&self, n: usize) -> PyResult<(&[i32], Option<Members<'_>>)> {
        let (codes, members) = match self {
            NewPlaces::One(codes) => (codes.as_slice()?, None),
            NewPlaces::Several((start, codes, weight)) => {
                (codes.as_slice()?, Some(Members { start: start.as_slice()?, weight: weight.as_slice()? }))
            }
        };
        if members.map_or(codes.len() == n, |m| m.fit(n, codes.len())) {
            Ok((codes, members))
        } else {
            Err(PyValueError::new_err("new rows do not have the levels of as many rows"))
        }
    }
}

/// Sets of random effects: their starts and members, of `q` effects in all.
pub(crate) fn effect_sets(
    starts: &PyReadonlyArray1<'_, i64>,
    effects: &PyReadonlyArray1<'_, i64>,
    q: usize,
) -> PyResult<(Vec<usize>, Vec<usize>)> {
    let places = |v: &PyReadonlyArray1<'_, i64>| -> Vec<usize> { v.as_array().iter().map(|&i| i as usize).collect() };
    let (starts, effects) = (places(starts), places(effects));
    let ordered = starts.is_sorted() && starts.last().is_none_or(|&end| end <= effects.len());
    if !ordered || effects.iter().any(|&i| i >= q) {
        return Err(PyValueError::new_err("there is no such set of random effects"));
    }
    Ok((starts, effects))
}

/// Parameters of a model, for the columns as they were given.
#[derive(FromPyObject)]
pub(crate) struct PointArgument<'py> {
    /// Covariance parameters.
    pub(crate) theta: PyReadonlyArray1<'py, f64>,
    /// Fixed effects of the columns in use.
    pub(crate) beta: PyReadonlyArray1<'py, f64>,
    /// Residual standard deviation, or the extra parameters of a family.
    pub(crate) spread: Option<ExtrasArgument>,
}

/// How a model is fitted; linear models read `reml` and generalized ones the approximation.
#[derive(FromPyObject)]
pub(crate) struct OptionsArgument {
    pub(crate) reml: bool,
    pub(crate) n_quad: usize,
    pub(crate) curvature: String,
    pub(crate) fixed_dispersion: Option<f64>,
    pub(crate) max_evaluations: usize,
    pub(crate) tolerance: f64,
}

/// Effects of a term, and their structure.
type TermArrays = (Py<PyArray2<f64>>, Arc<dyn Structure>);

/// Start of each row's members, and their weights.
type MembersArrays = (Py<PyArray1<i64>>, Py<PyArray1<f64>>);

struct FactorArrays {
    codes: Py<PyArray1<i32>>,
    members: Option<MembersArrays>,
    n_levels: usize,
    terms: Vec<TermArrays>,
}

/// The arrays a model was made of, kept alive (not copied).
pub(crate) struct Arrays {
    x: Py<PyArray2<f64>>,
    levels: Option<(Py<PyArray1<i32>>, Coding)>,
    y: Py<PyArray1<f64>>,
    weights: Option<Py<PyArray1<f64>>>,
    offset: Option<Py<PyArray1<f64>>>,
    factors: Vec<FactorArrays>,
}

/// The arrays of one factor.
struct BorrowedFactor<'py> {
    codes: PyReadonlyArray1<'py, i32>,
    members: Option<(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, f64>)>,
    n_levels: usize,
    terms: Vec<(PyReadonlyArray2<'py, f64>, Arc<dyn Structure>)>,
}

pub(crate) struct Borrowed<'py> {
    x: PyReadonlyArray2<'py, f64>,
    levels: Option<(PyReadonlyArray1<'py, i32>, Coding)>,
    ones: OnceLock<Vec<f64>>,
    y: PyReadonlyArray1<'py, f64>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
    offset: Option<PyReadonlyArray1<'py, f64>>,
    factors: Vec<BorrowedFactor<'py>>,
}

impl Arrays {
    /// Keeps the arrays of arguments.
    pub(crate) fn new(
        x: Bound<'_, PyArray2<f64>>,
        levels: Option<LevelsArgument>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Option<Bound<'_, PyArray1<f64>>>,
        offset: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
    ) -> PyResult<Self> {
        let factor = |(places, n_levels, terms): FactorArgument<'_>| {
            let term = |(z, s): TermArgument<'_>| {
                let structure = structure::named(&s)
                    .ok_or_else(|| PyValueError::new_err(format!("unknown covariance structure {s:?}")))?;
                Ok((z.unbind(), structure))
            };
            let terms = terms.into_iter().map(term).collect::<PyResult<_>>()?;
            let (codes, members) = match places {
                PlacesArgument::One(codes) => (codes, None),
                PlacesArgument::Several((start, codes, weight)) => (codes, Some((start.unbind(), weight.unbind()))),
            };
            Ok(FactorArrays { codes: codes.unbind(), members, n_levels, terms })
        };
        Ok(Arrays {
            x: x.unbind(),
            levels: levels.map(|l| (l.codes, Coding { levels: l.places, reference: l.reference, others: l.others })),
            y: y.unbind(),
            weights: weights.map(Bound::unbind),
            offset: offset.map(Bound::unbind),
            factors: factors.into_iter().map(factor).collect::<PyResult<_>>()?,
        })
    }

    pub(crate) fn borrow<'py>(&self, py: Python<'py>) -> Borrowed<'py> {
        Borrowed {
            x: self.x.bind(py).readonly(),
            levels: self.levels.as_ref().map(|(codes, c)| (codes.bind(py).readonly(), c.clone())),
            ones: OnceLock::new(),
            y: self.y.bind(py).readonly(),
            weights: self.weights.as_ref().map(|w| w.bind(py).readonly()),
            offset: self.offset.as_ref().map(|o| o.bind(py).readonly()),
            factors: self
                .factors
                .iter()
                .map(|f| BorrowedFactor {
                    codes: f.codes.bind(py).readonly(),
                    members: f.members.as_ref().map(|(s, w)| (s.bind(py).readonly(), w.bind(py).readonly())),
                    n_levels: f.n_levels,
                    terms: f.terms.iter().map(|(z, s)| (z.bind(py).readonly(), s.clone())).collect(),
                })
                .collect(),
        }
    }
}

impl Borrowed<'_> {
    /// Added to the linear predictor.
    pub(crate) fn offset(&self) -> PyResult<Option<&[f64]>> {
        Ok(self.offset.as_ref().map(|o| o.as_slice()).transpose()?)
    }

    /// The rows, all columns of X one by one.
    pub(crate) fn rows(&self) -> PyResult<Rows<'_>> {
        let mut rows = self.other_columns()?;
        let Some((codes, coding)) = &self.levels else { return Ok(rows) };
        let (n, codes) = (rows.y.len(), codes.as_slice()?);
        let ones = self.ones.get_or_init(|| vec![1.0; n]);
        let mut x = vec![Column::Numbers(ones); coding.p()];
        for (l, &place) in coding.levels.iter().enumerate().filter(|(l, _)| coding.reference != Some(*l)) {
            x[place] = Column::Level(codes, l as i32);
        }
        coding.others.iter().zip(&rows.x).for_each(|(&place, column)| x[place] = *column);
        rows.x = x;
        Ok(rows)
    }

    /// The rows with the levels that X has columns for as a fixed factor, and how these are made of
    /// it.
    pub(crate) fn rows_with_levels(&self) -> PyResult<Option<(Rows<'_>, &Coding)>> {
        let Some((codes, coding)) = &self.levels else { return Ok(None) };
        let mut rows = self.other_columns()?;
        let codes = codes.as_slice()?;
        rows.factors.push(FactorRows { codes, members: None, n_levels: coding.levels.len(), terms: Vec::new() });
        Ok(Some((rows, coding)))
    }

    fn other_columns(&self) -> PyResult<Rows<'_>> {
        let x: Vec<Column<'_>> = columns(&self.x)?.into_iter().map(Column::from).collect();
        if let Some((codes, c)) = &self.levels {
            let mut all: Vec<usize> = c.levels.iter().chain(&c.others).copied().collect();
            all.sort_unstable();
            let fits = x.len() == c.others.len()
                && all.iter().enumerate().all(|(i, &j)| i == j)
                && c.reference.is_none_or(|r| r < c.levels.len())
                && codes.as_slice()?.iter().all(|&l| (l as usize) < c.levels.len());
            if !fits {
                return Err(PyValueError::new_err("the levels and the other columns do not make up X"));
            }
        }
        Ok(Rows {
            x,
            y: self.y.as_slice()?,
            weights: self.weights.as_ref().map(|w| w.as_slice()).transpose()?,
            factors: self
                .factors
                .iter()
                .map(|f| {
                    let members = f
                        .members
                        .as_ref()
                        .map(|(s, w)| PyResult::Ok(Members { start: s.as_slice()?, weight: w.as_slice()? }))
                        .transpose()?;
                    Ok(FactorRows {
                        codes: f.codes.as_slice()?,
                        members,
                        n_levels: f.n_levels,
                        terms: f
                            .terms
                            .iter()
                            .map(|(z, s)| Ok(TermRows { z: columns(z)?, structure: s.clone() }))
                            .collect::<PyResult<_>>()?,
                    })
                })
                .collect::<PyResult<_>>()?,
        })
    }
}
