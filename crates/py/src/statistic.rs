//! Cross-products of rows that come in parts.

use crate::arguments::{to_python, Arrays, FactorArgument};
use crate::lmm::LmmSystem;
use crate::watch::{asking_nobody, MANY_LEVELS};
use numpy::{PyArray1, PyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ranef_core::basis::{Basis, TermBasis};
use ranef_core::layout::FactorSpec;
use ranef_core::linear::System;
use ranef_core::statistic::{Crossed, Statistic as Sums};
use ranef_core::structure;

/// Position of the intercept, and centre and scale of every column.
pub(crate) type ColumnsArgument = (Option<usize>, Vec<f64>, Vec<f64>);
/// Number of levels, and columns and structure of every term.
pub(crate) type SpecArgument = (usize, Vec<(ColumnsArgument, String)>);
/// Starts, levels and blocks of the cells of two factors.
type CellsOf = ((usize, usize), Vec<usize>, Vec<u32>, Vec<f64>);
/// See [`Statistic::all_products`].
type Products = (Vec<f64>, Vec<Vec<f64>>, Vec<Vec<f64>>, Vec<CellsOf>);

/// Change of basis and factors of rows that come in parts.
pub(crate) fn coded(
    x: ColumnsArgument,
    y: (f64, f64),
    factors: Vec<SpecArgument>,
) -> PyResult<(Basis, Vec<FactorSpec>)> {
    let (intercept, x_shift, x_scale) = x;
    let p = x_shift.len();
    let mut x_transform = vec![0.0; p * p];
    x_scale.iter().enumerate().for_each(|(j, s)| x_transform[j * p + j] = 1.0 / s);
    let (mut terms, mut specs) = (Vec::new(), Vec::new());
    for (n_levels, columns) in factors {
        let (mut bases, mut sizes) = (Vec::new(), Vec::new());
        for ((intercept, shift, scale), name) in columns {
            let structure = structure::named(&name)
                .ok_or_else(|| PyValueError::new_err(format!("unknown covariance structure {name:?}")))?;
            sizes.push((scale.len(), structure));
            bases.push(TermBasis { intercept, constant: 1.0, shift, scale });
        }
        terms.push(bases);
        specs.push(FactorSpec { n_levels, terms: sizes });
    }
    let basis = Basis {
        kept: (0..p).collect(),
        intercept,
        constant: 1.0,
        x_shift,
        x_transform,
        x_diagonal: true,
        y_shift: y.0,
        y_scale: y.1,
        terms,
    };
    Ok((basis, specs))
}

/// Sums over rows, from which a linear mixed model is fitted.
#[pyclass(module = "ranef._core")]
pub struct Statistic {
    sums: Sums,
}

#[pymethods]
impl Statistic {
    #[new]
    #[pyo3(signature = (x, y, factors, by_level = None))]
    fn new(x: ColumnsArgument, y: (f64, f64), factors: Vec<SpecArgument>, by_level: Option<usize>) -> PyResult<Self> {
        let (basis, specs) = coded(x, y, factors)?;
        Sums::room(&basis, &specs, by_level).map_err(to_python)?;
        Ok(Statistic { sums: Sums::new(basis, specs, by_level) })
    }

    /// Number of rows.
    #[getter]
    fn n(&self) -> usize {
        self.sums.n()
    }

    #[pyo3(signature = (x, y, weights, factors))]
    fn update(
        &mut self,
        py: Python<'_>,
        x: Bound<'_, PyArray2<f64>>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
    ) -> PyResult<()> {
        let arrays = Arrays::new(x, None, y, weights, None, factors)?;
        let borrowed = arrays.borrow(py);
        let rows = borrowed.rows()?;
        let sums = &mut self.sums;
        py.detach(|| sums.update(&rows)).map_err(to_python)
    }

    /// Number of rows of each level of a factor.
    fn counts(&self, factor: usize) -> Vec<i64> {
        self.sums.counts(factor).to_vec()
    }

    fn merge(&mut self, other: &Statistic) {
        self.sums.merge(&other.sums);
    }

    /// Takes the sums of rows away; they are as they were where some are not in them.
    fn remove(&mut self, other: &Statistic) -> PyResult<()> {
        self.sums.remove(&other.sums).map_err(to_python)
    }

    /// Leaves out the rows of a level. A factor that is crossed with it is the answer, and -1 where
    /// levels have no sums of their own.
    fn without(&mut self, level: usize) -> Option<i64> {
        match self.sums.without(level) {
            Ok(()) => None,
            Err(Crossed::NoSums) => Some(-1),
            Err(Crossed::Factor(f)) => Some(f as i64),
        }
    }

    /// The same sums with factors and their terms in another order, and with other levels: old
    /// numbers, -1 for what is new.
    fn renumbered(&self, py: Python<'_>, factors: Vec<(usize, Vec<usize>)>, levels: Vec<Vec<i64>>) -> PyResult<Self> {
        let levels: Vec<Vec<Option<usize>>> =
            levels.into_iter().map(|l| l.into_iter().map(|i| usize::try_from(i).ok()).collect()).collect();
        let sums = py.detach(|| self.sums.renumbered(&factors, &levels)).map_err(to_python)?;
        Ok(Statistic { sums })
    }

    /// Takes the sums of the same rows from those of a larger model: the numbers that columns,
    /// factors and their effects have there.
    fn take_part(&mut self, of: &Statistic, columns: Vec<usize>, factors: Vec<(usize, Vec<usize>)>) -> PyResult<()> {
        self.sums.take_part(&of.sums, &columns, &factors).map_err(to_python)
    }

    #[pyo3(signature = (rounded = false))]
    fn to_bytes<'py>(&self, py: Python<'py>, rounded: bool) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.sums.to_bytes(rounded)))
    }

    fn read(&mut self, bytes: &[u8]) -> PyResult<()> {
        self.sums.read(bytes).map_err(to_python)
    }

    /// The system that is fitted.
    #[pyo3(signature = (n_threads = 1))]
    fn system(&self, py: Python<'_>, n_threads: usize) -> PyResult<LmmSystem> {
        let Some(settled) = self.sums.settled() else { return Err(PyValueError::new_err("there are no rows")) };
        let ((sums, basis), specs) = (settled.map_err(to_python)?, self.sums.specs());
        let long = specs.len() > 1 && specs.iter().map(|s| s.n_levels).sum::<usize>() >= MANY_LEVELS;
        let made = asking_nobody(py, n_threads, long, || System::of_products(sums, basis, specs))?;
        let system = made.map_err(to_python)?;
        Ok(LmmSystem::of_products(system, n_threads))
    }

    /// \[X y\]'\[X y\] in the changed basis, row by row.
    fn products(&self) -> Vec<f64> {
        self.sums.products()
    }

    /// \[X y\]'\[X y\] of every level of the factor whose levels have sums of their own: its
    /// number, and the lower halves, row by row.
    fn level_products<'py>(&self, py: Python<'py>) -> Option<(usize, Bound<'py, PyArray1<f64>>)> {
        let (factor, products) = self.sums.level_products()?;
        Some((factor, PyArray1::from_vec(py, products)))
    }

    /// Sums in the changed basis: \[X y\]'\[X y\]; Z'Z and Z'\[X y\] of each factor; and of
    /// pairs of factors the numbers of these, starts, levels and blocks.
    fn all_products(&self) -> Option<Products> {
        let s = self.sums.finished()?;
        let cells = s.gram.cells.into_iter().map(|c| ((c.f, c.g), c.start, c.level, c.value)).collect();
        Some((s.wtw, s.gram.levels, s.ztw, cells))
    }
}
