//! Covariance matrices of the rows of one subject.

use numpy::ndarray::{Array2, Array3, Array4};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyArray4, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use ranef_core::correlation::{self, Metric, Options, Positions, StartData};
use ranef_core::jet::Jet;
use ranef_core::residual::{self, Covariate, Part, Subject, VarianceTerm};
use ranef_core::variance;

/// Values, and their derivatives.
type Values<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray2<f64>>);

/// A structure of R: a correlation, standard deviations by level and by group of subjects, and
/// variance functions.
#[pyclass(module = "ranef._core", frozen)]
pub(crate) struct RowCovariance {
    pub(crate) inner: residual::RowCovariance,
}

/// Reads ``levels``, ``most``, ``p``, ``q``, ``nugget`` and ``metric``; what is not there has its
/// default.
fn read_options(given: &Bound<'_, PyDict>) -> PyResult<Options> {
    let mut out = Options::default();
    for (name, value) in given {
        match name.extract::<String>()?.as_str() {
            "levels" => out.levels = value.extract()?,
            "most" => out.most = value.extract()?,
            "p" => out.orders.0 = value.extract()?,
            "q" => out.orders.1 = value.extract()?,
            "nugget" => out.nugget = value.extract()?,
            "metric" => {
                let name: String = value.extract()?;
                let unknown = || PyValueError::new_err(format!("unknown metric {name:?}"));
                out.metric = Metric::named(&name).ok_or_else(unknown)?;
            }
            other => return Err(PyValueError::new_err(format!("unknown option {other:?}"))),
        }
    }
    Ok(out)
}

/// Covariate and strata of a variance function.
type CovariateArgument<'py> = (PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>);
/// Part, its number among variance functions, name, indices, stratum.
type ParameterRow = (&'static str, Option<usize>, &'static str, Vec<usize>, usize);
/// Numbers of the parameters, R, first and second derivatives.
type Derivatives<'py> = (Vec<usize>, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray3<f64>>, Bound<'py, PyArray4<f64>>);

impl RowCovariance {
    fn point<'a>(&self, z: &'a PyReadonlyArray1<'_, f64>) -> PyResult<&'a [f64]> {
        let (z, n) = (z.as_slice()?, self.inner.n());
        if z.len() == n {
            Ok(z)
        } else {
            Err(PyValueError::new_err(format!("there are {n} parameters")))
        }
    }

    /// R of one subject with derivatives.
    fn evaluate(
        &self,
        z: &PyReadonlyArray1<'_, f64>,
        at: &PyReadonlyArray2<'_, f64>,
        group: usize,
        covariates: &[CovariateArgument<'_>],
        order: usize,
    ) -> PyResult<(usize, Vec<usize>, Jet)> {
        let (m, d) = at.as_array().dim();
        let mut all = Vec::new();
        for (x, stratum) in covariates {
            let (x, stratum) = (x.as_slice()?, stratum.as_slice()?);
            if x.len() != m || stratum.len() != m {
                return Err(PyValueError::new_err("covariates must have a value for each row"));
            }
            all.push(Covariate { x, stratum });
        }
        if all.len() != self.inner.variances.len() || group >= self.inner.groups {
            return Err(PyValueError::new_err("covariates or group do not fit the structure"));
        }
        let subject = Subject { at: Positions { values: at.as_slice()?, d: d.max(1) }, group, covariates: &all };
        let mut out = Jet::default();
        let active = self.inner.matrix(self.point(z)?, &subject, order, &mut out);
        Ok((m, active, out))
    }
}

#[pymethods]
impl RowCovariance {
    #[new]
    #[pyo3(signature = (correlation, options, own_levels=None, groups=1, variances=Vec::new()))]
    fn new(
        correlation: &str,
        options: &Bound<'_, PyDict>,
        own_levels: Option<usize>,
        groups: usize,
        variances: Vec<(String, usize)>,
    ) -> PyResult<Self> {
        let unknown = |name: &str| PyValueError::new_err(format!("unknown structure {name:?}"));
        let correlation =
            correlation::named(correlation, &read_options(options)?).ok_or_else(|| unknown(correlation))?;
        let variances = variances
            .into_iter()
            .map(|(name, strata)| {
                let function = variance::named(&name).ok_or_else(|| unknown(&name))?;
                Ok(VarianceTerm { function, strata })
            })
            .collect::<PyResult<_>>()?;
        Ok(RowCovariance { inner: residual::RowCovariance { correlation, levels: own_levels, groups, variances } })
    }

    /// Number of parameters.
    #[getter]
    fn n(&self) -> usize {
        self.inner.n()
    }

    /// The natural parameters: part, its number among variance functions, name, indices, stratum.
    #[getter]
    fn parameters(&self) -> Vec<ParameterRow> {
        let row = |p: residual::RowParameter| {
            let (part, number) = match p.part {
                Part::Group => ("group", None),
                Part::Correlation => ("correlation", None),
                Part::Level => ("level", None),
                Part::Variance(v) => ("variance", Some(v)),
            };
            (part, number, p.parameter.name, p.parameter.at, p.stratum)
        };
        self.inner.parameters().into_iter().map(row).collect()
    }

    /// Whether positions are levels, must be whole, distinct, and may have several coordinates.
    #[getter]
    fn positions(&self) -> (bool, bool, bool, bool) {
        let rule = self.inner.correlation.positions();
        (rule.levels, rule.whole, rule.distinct, rule.several)
    }

    /// Points where a search may begin.
    #[pyo3(signature = (gap, smallest, largest, covariates, covariance=None))]
    fn starts(
        &self,
        gap: f64,
        smallest: f64,
        largest: f64,
        covariates: Vec<PyReadonlyArray1<'_, f64>>,
        covariance: Option<PyReadonlyArray2<'_, f64>>,
    ) -> PyResult<Vec<Vec<f64>>> {
        let x = covariates.iter().map(|x| Ok(x.as_slice()?)).collect::<PyResult<Vec<_>>>()?;
        let covariance = covariance.as_ref().map(|c| c.as_slice()).transpose()?;
        Ok(self.inner.starts(&StartData { gap, distances: (smallest, largest), covariance }, &x))
    }

    /// Natural parameters at z, and their derivatives (natural x z).
    fn natural<'py>(&self, py: Python<'py>, z: PyReadonlyArray1<'py, f64>) -> PyResult<Values<'py>> {
        let n = self.inner.n();
        let jet = self.inner.natural(self.point(&z)?, 1);
        let slopes = Array2::from_shape_vec((n, n), jet.first).expect("n derivatives of n").reversed_axes();
        Ok((jet.value.into_pyarray(py), slopes.into_pyarray(py)))
    }

    /// z of natural parameters; none where there is no such matrix.
    #[pyo3(name = "from_natural")]
    fn z_of_natural<'py>(
        &self,
        py: Python<'py>,
        natural: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Option<Bound<'py, PyArray1<f64>>>> {
        Ok(self.inner.z_of_natural(self.point(&natural)?).map(|z| z.into_pyarray(py)))
    }

    /// R (m, m) of one subject at positions (m, d).
    fn matrix<'py>(
        &self,
        py: Python<'py>,
        z: PyReadonlyArray1<'py, f64>,
        at: PyReadonlyArray2<'py, f64>,
        group: usize,
        covariates: Vec<CovariateArgument<'py>>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (m, _, jet) = self.evaluate(&z, &at, group, &covariates, 0)?;
        Ok(Array2::from_shape_vec((m, m), jet.value).expect("m x m").into_pyarray(py))
    }

    /// R of one subject with first and second derivatives with respect to the parameters whose
    /// numbers come first.
    fn derivatives<'py>(
        &self,
        py: Python<'py>,
        z: PyReadonlyArray1<'py, f64>,
        at: PyReadonlyArray2<'py, f64>,
        group: usize,
        covariates: Vec<CovariateArgument<'py>>,
    ) -> PyResult<Derivatives<'py>> {
        let (m, active, jet) = self.evaluate(&z, &at, group, &covariates, 2)?;
        let n = active.len();
        let second =
            (0..n).flat_map(|k| (0..n).map(move |l| (k, l))).flat_map(|(k, l)| jet.d2(k, l).to_vec()).collect();
        Ok((
            active,
            Array2::from_shape_vec((m, m), jet.value).expect("m x m").into_pyarray(py),
            Array3::from_shape_vec((n, m, m), jet.first).expect("n of them").into_pyarray(py),
            Array4::from_shape_vec((n, n, m, m), second).expect("n x n of them").into_pyarray(py),
        ))
    }
}

/// First value that a variance function cannot have: its place, and what is wrong with it.
#[pyfunction]
pub(crate) fn variance_refuses(name: &str, x: PyReadonlyArray1<'_, f64>) -> PyResult<Option<(usize, &'static str)>> {
    let f =
        variance::named(name).ok_or_else(|| PyValueError::new_err(format!("unknown variance function {name:?}")))?;
    Ok(x.as_slice()?.iter().enumerate().find_map(|(i, x)| Some((i, f.refuses(*x)?))))
}
