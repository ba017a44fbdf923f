//! Fits of linear models with priors or sampling weights.

use crate::arguments::to_python;
use crate::lmm::{singular, LmmSystem};
use crate::records::{Ending, LinearEvaluation, LinearFit, Search, Valley};
use crate::threads::with_threads;
use crate::watch::{whole_of, LONG};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use ranef_core::linear::{penalised, FitOptions, Penalised, Status};
use ranef_core::prior::Prior;

impl LmmSystem {
    /// The fit of a model with priors or sampling weights.
    pub(crate) fn fit_penalised(
        &self,
        py: Python<'_>,
        prior: &Prior,
        start: Option<&[f64]>,
        options: FitOptions,
        n_threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<LinearFit> {
        let sys = self.sys(py)?;
        let long = sys.predicted_seconds() > LONG;
        let result = whole_of(py, progress, n_threads, long, |watch| {
            self.with_fitted(sys, n_threads, |sys, e, score| {
                penalised(sys, (e, score), prior, start, options, &mut |n, d| watch.evaluated(n, d))
            })
        })?;
        let found = result.map_err(to_python)?;
        let mut gradient = found.as_ref().map(|f| f.value.gradient.clone());
        let (mut runs, mut valleys) = (0, Vec::new());
        let (mut ending, solution) = match found {
            None => (None, None),
            Some(f) => {
                runs = f.runs;
                let all = std::iter::once((f.value.objective, f.theta)).chain(f.valleys);
                valleys =
                    all.map(|(objective, theta)| Valley::linear(py, objective, theta)).collect::<PyResult<_>>()?;
                let ending = Ending {
                    objective: f.value.objective,
                    status: f.status.name(),
                    evaluations: f.evaluations,
                    decrement: f.decrement,
                    certificate: 0.0,
                    singular: f.null.iter().any(|&m| m > 0),
                    null_dimensions: f.null,
                    gradient: None,
                };
                let mut solution = self.solution_record(py, f.solution, options.reml)?;
                solution.objective = f.value.objective;
                (Some(ending), Some(solution))
            }
        };
        let ending = ending.take().unwrap_or_else(|| Ending {
            objective: f64::NAN,
            status: Status::NonFinite.name(),
            evaluations: 0,
            decrement: f64::NAN,
            certificate: f64::NAN,
            singular: false,
            null_dimensions: vec![0; sys.terms.iter().map(Vec::len).sum()],
            gradient: None,
        });
        // of theta alone, as without priors
        let gradient = gradient.take().map(|g| g[..sys.n_theta].to_vec().into_pyarray(py).unbind());
        let search = Search { runs, valleys, ..Search::default() };
        Ok(LinearFit {
            solution: solution.map(|s| Py::new(py, s)).transpose()?,
            ending: Py::new(py, Ending { gradient, ..ending })?,
            search: Py::new(py, search)?,
        })
    }

    /// The objective and its derivatives by theta and log sigma.
    pub(crate) fn penalised_at(
        &self,
        py: Python<'_>,
        theta: Vec<f64>,
        sigma: f64,
        reml: bool,
        n_threads: usize,
    ) -> PyResult<LinearEvaluation> {
        self.check_theta(&theta)?;
        let sys = self.sys(py)?;
        let none = Prior::default();
        let prior = self.prior.as_ref().unwrap_or(&none);
        let v = py.detach(|| {
            with_threads(n_threads, || {
                self.with_fitted(sys, n_threads, |sys, e, score| {
                    Penalised::new(sys, prior, reml).at(e, score, &theta, sigma.ln())
                })
            })
        });
        let v = v.ok_or_else(singular)?;
        Ok(LinearEvaluation { objective: v.objective, gradient: v.gradient.into_pyarray(py).unbind() })
    }
}
