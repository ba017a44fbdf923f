//! Priors and sampling weights as Python gives them.

use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::prior::{
    inverted, EffectsPrior, NumberPrior, OfCovariance, OfEffects, OfNumber, Prior, Scale, TermPrior,
};

/// A density of one number: its name, its numbers in the order of the core, and the function of the
/// number that it is of.
#[derive(FromPyObject)]
pub(crate) struct NumberArgument {
    name: String,
    numbers: Vec<f64>,
    of: String,
}

/// A prior of the covariance matrix of a term; a matrix is given for the Wishart densities.
#[derive(FromPyObject)]
struct TermArgument {
    factor: usize,
    term: usize,
    law: NumberArgument,
    matrix: Option<Vec<f64>>,
    relative: bool,
}

/// A prior of fixed effects, by their numbers among the columns of X: one law for each, or a matrix
/// for all (with degrees of freedom where they are finite).
#[derive(FromPyObject)]
struct EffectsArgument {
    columns: Vec<usize>,
    mean: Vec<f64>,
    each: Vec<NumberArgument>,
    matrix: Option<Vec<f64>>,
    df: Option<f64>,
    relative: bool,
}

/// All priors of a model.
#[derive(FromPyObject)]
pub(crate) struct PriorArgument {
    terms: Vec<TermArgument>,
    effects: Vec<EffectsArgument>,
    numbers: Vec<(usize, NumberArgument)>,
}

/// Sampling weights of the levels of every factor, each with those of the levels it lies in.
pub(crate) type SamplingArgument<'py> = Vec<PyReadonlyArray1<'py, f64>>;

pub(crate) fn by_level(weights: &SamplingArgument<'_>) -> Vec<Vec<f64>> {
    weights.iter().map(|w| w.as_array().to_vec()).collect()
}

fn wrong(what: &str) -> PyErr {
    PyValueError::new_err(format!("a prior cannot be used: {what}"))
}

impl NumberArgument {
    fn law(&self) -> PyResult<OfNumber> {
        Ok(match (self.name.as_str(), &self.numbers[..]) {
            ("gamma", &[shape, rate]) => OfNumber::Gamma { shape, rate },
            ("inverse_gamma", &[shape, scale]) => OfNumber::InverseGamma { shape, scale },
            ("half_t", &[df, scale]) => OfNumber::HalfT { df, scale },
            ("normal", &[mean, sd]) => OfNumber::Normal { mean, sd },
            ("t", &[df, mean, scale]) => OfNumber::StudentT { df, mean, scale },
            _ => return Err(wrong(&format!("there is no density {:?}", self.name))),
        })
    }

    fn prior(&self) -> PyResult<NumberPrior> {
        let of = match self.of.as_str() {
            "itself" => Scale::Itself,
            "square" => Scale::Square,
            "log" => Scale::Log,
            "exp" => Scale::Exponential(1.0),
            "exp_square" => Scale::Exponential(2.0),
            other => return Err(wrong(&format!("there is no scale {other:?}"))),
        };
        Ok(NumberPrior { law: self.law()?, of })
    }
}

impl TermArgument {
    fn law(&self) -> PyResult<OfCovariance> {
        let k = self.matrix.as_ref().map_or(0, |m| m.len().isqrt());
        let invert = |m: &Vec<f64>| inverted(m, k).ok_or_else(|| wrong("its matrix is not positive definite"));
        Ok(match (self.law.name.as_str(), &self.law.numbers[..]) {
            ("wishart", &[df]) => OfCovariance::Wishart { df, scale: self.matrix.as_ref().map(invert).transpose()? },
            ("inverse_wishart", &[df]) => {
                let scale = self.matrix.clone().ok_or_else(|| wrong("it has no scale"))?;
                OfCovariance::InverseWishart { df, log_det: invert(&scale)?.1, scale }
            }
            ("lkj", &[eta]) => OfCovariance::Lkj { eta },
            _ => OfCovariance::Each { law: self.law.law()?, variance: self.law.of == "square" },
        })
    }
}

impl EffectsArgument {
    /// None where no column is in use.
    fn prior(&self, kept: &[usize]) -> PyResult<Option<EffectsPrior>> {
        let m = self.columns.len();
        let places: Vec<Option<usize>> = self.columns.iter().map(|c| kept.iter().position(|k| k == c)).collect();
        let used: Vec<usize> = (0..m).filter(|&i| places[i].is_some()).collect();
        if used.is_empty() {
            return Ok(None);
        }
        let at = places.iter().flatten().copied().collect();
        let mean = used.iter().map(|&i| self.mean[i]).collect();
        let law = match &self.matrix {
            None => OfEffects::Each(used.iter().map(|&i| self.each[i].prior()).collect::<PyResult<_>>()?),
            Some(all) => {
                let part: Vec<f64> = used.iter().flat_map(|&i| used.iter().map(move |&j| all[i * m + j])).collect();
                let found = inverted(&part, used.len()).ok_or_else(|| wrong("its matrix is not positive definite"))?;
                let (precision, log_det) = found;
                match self.df {
                    None => OfEffects::Normal { precision, log_det, relative: self.relative },
                    Some(df) => OfEffects::Joint { df, precision, log_det },
                }
            }
        };
        Ok(Some(EffectsPrior { at, mean, law }))
    }
}

impl PriorArgument {
    /// For a model whose columns of X in use are `kept`.
    pub(crate) fn prior(&self, kept: &[usize]) -> PyResult<Prior> {
        let term =
            |t: &TermArgument| Ok(TermPrior { factor: t.factor, term: t.term, law: t.law()?, relative: t.relative });
        let effects = self.effects.iter().map(|e| e.prior(kept)).collect::<PyResult<Vec<_>>>()?;
        Ok(Prior {
            terms: self.terms.iter().map(term).collect::<PyResult<_>>()?,
            effects: effects.into_iter().flatten().collect(),
            numbers: self.numbers.iter().map(|(i, n)| Ok((*i, n.prior()?))).collect::<PyResult<_>>()?,
        })
    }
}
