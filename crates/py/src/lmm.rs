//! The linear mixed model.

use crate::arguments::{
    by_factor, matrix, no_rows, to_python, Arrays, FactorArgument, LevelsArgument, NewFactorArgument,
};
use crate::information::{self, PointArgument};
use crate::lmm_effects as effects;
use crate::prior::{by_level, PriorArgument, SamplingArgument};
use crate::records::{
    Ending, KenwardRoger, LinearEvaluation, LinearFit, LinearSolution, Satterthwaite, Search, Valley,
};
use crate::watch::{asking_nobody, whole_of, LONG, MANY_LEVELS, MANY_ROWS};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use ranef_core::linear::{frames_of, search, sharpened, Begin, Coding, Evaluator, FitOptions, Score, Solution, System};
use ranef_core::memory::{self, room_for};
use ranef_core::prior::Prior;
use ranef_core::rows::Rows;
use std::sync::{Mutex, OnceLock};

/// Calls `f` with work space for a system.
pub(crate) fn with_work_on<T>(
    slot: &Mutex<Option<Work>>,
    sys: &System,
    n_threads: usize,
    f: impl FnOnce(&System, &mut Evaluator, &mut Score) -> T,
) -> T {
    let mut kept = slot.lock().unwrap_or_else(|e| e.into_inner());
    let mut work = match kept.take() {
        Some(w) if w.n_threads == n_threads => w,
        _ => Work { evaluator: Evaluator::new(sys, n_threads), score: Score::new(sys), n_threads },
    };
    drop(kept);
    let out = f(sys, &mut work.evaluator, &mut work.score);
    *slot.lock().unwrap_or_else(|e| e.into_inner()) = Some(work);
    out
}

fn is_long(rows: &Rows<'_>) -> bool {
    rows.n() >= MANY_ROWS || rows.factors.iter().map(|f| f.n_levels).sum::<usize>() >= MANY_LEVELS
}

pub(crate) fn singular() -> PyErr {
    PyValueError::new_err("the system is not positive definite at this theta")
}

/// Work space kept between calls.
pub(crate) struct Work {
    evaluator: Evaluator,
    score: Score,
    n_threads: usize,
}

/// A linear mixed model reduced to its cross-products.
#[pyclass(frozen, module = "ranef._core")]
pub struct LmmSystem {
    /// None in a model that was made of sums over rows.
    arrays: Option<Arrays>,
    /// With the columns of X as they are, once it is needed.
    whole: OnceLock<System>,
    /// With the levels that X has columns for as a fixed factor, where that can be.
    split: Option<(System, Coding)>,
    /// The system of fits with cross-products for very large standard deviations, once a fit has
    /// needed them.
    sharp: OnceLock<System>,
    pub(crate) work: Mutex<Option<Work>>,
    work_of_split: Mutex<Option<Work>>,
    /// Terms of the objective beside the likelihood; of a model with sampling weights none, but it
    /// is fitted in the same way.
    pub(crate) prior: Option<Prior>,
    /// Sampling weights of the levels.
    sampling: Option<Vec<Vec<f64>>>,
    n_threads: usize,
    /// Bytes that calls may take, where the fit was given a limit.
    pub(crate) memory: Option<f64>,
}

impl LmmSystem {
    /// Of sums over rows.
    pub(crate) fn of_products(whole: System, n_threads: usize) -> Self {
        LmmSystem {
            arrays: None,
            whole: OnceLock::from(whole),
            split: None,
            sharp: OnceLock::new(),
            work: Mutex::new(None),
            work_of_split: Mutex::new(None),
            prior: None,
            sampling: None,
            n_threads,
            memory: memory::allowance().map(|a| a.bytes()),
        }
    }

    /// The arrays that the model was made of.
    pub(crate) fn arrays(&self) -> PyResult<&Arrays> {
        self.arrays.as_ref().ok_or_else(no_rows)
    }

    /// The system with all columns of X.
    pub(crate) fn sys(&self, py: Python<'_>) -> PyResult<&System> {
        if let Some(s) = self.whole.get() {
            return Ok(s);
        }
        let borrowed = self.arrays()?.borrow(py);
        let rows = borrowed.rows()?;
        let n = self.n_threads;
        let long = is_long(&rows);
        let built = memory::within(self.memory, || whole_of(py, None, n, long, |_| System::new(&rows, n)))?;
        let mut built = built.map_err(to_python)?;
        if let Some(weights) = &self.sampling {
            let ones = vec![1.0; rows.n()];
            built.weigh(weights, rows.weights.unwrap_or(&ones)).map_err(to_python)?;
        }
        Ok(self.whole.get_or_init(|| built))
    }

    /// The system that fits are made with.
    fn fitted(&self) -> &System {
        self.split.as_ref().map_or_else(|| self.whole.get().expect("there is one of both"), |s| &s.0)
    }

    /// Whether one factorisation takes a while.
    pub(crate) fn is_long(&self) -> bool {
        self.fitted().predicted_seconds() > LONG
    }

    /// Number of rows.
    pub(crate) fn n_rows(&self) -> usize {
        self.fitted().cp.n
    }

    /// Number of fixed effects.
    fn p(&self) -> usize {
        self.fitted().n_fixed()
    }

    /// Calls `f` with the system with all columns, which must have been asked for, or a sharper
    /// one.
    pub(crate) fn with_work<T>(&self, n_threads: usize, f: impl FnOnce(&System, &mut Evaluator, &mut Score) -> T) -> T {
        let whole = self.whole.get().expect("it has been asked for");
        let sharp = if self.split.is_none() { self.sharp.get() } else { None };
        memory::within(self.memory, || with_work_on(&self.work, sharp.unwrap_or(whole), n_threads, f))
    }

    /// The same with the system that fits are made with.
    pub(crate) fn with_fitted<T>(
        &self,
        sys: &System,
        n_threads: usize,
        f: impl FnOnce(&System, &mut Evaluator, &mut Score) -> T,
    ) -> T {
        let slot = if self.split.is_none() { &self.work } else { &self.work_of_split };
        memory::within(self.memory, || with_work_on(slot, sys, n_threads, f))
    }

    /// Sees that so many numbers fit into what calls may take.
    pub(crate) fn room_for(&self, numbers: f64, what: impl FnOnce() -> String) -> PyResult<()> {
        memory::within(self.memory, || room_for(numbers, what)).map_err(to_python)
    }

    /// The same for one more factor, which every worker has.
    pub(crate) fn room_for_worker(&self, py: Python<'_>) -> PyResult<()> {
        let sys = self.sys(py)?;
        self.room_for(sys.numbers_of_factor(), || format!("the factor of {} random effects", sys.q()))
    }

    /// The system of the last fit.
    fn sharpest(&self) -> &System {
        self.sharp.get().unwrap_or_else(|| self.fitted())
    }

    /// Results at the Lambda last factored, of all fixed effects.
    fn solution_of(&self, sys: &System, e: &mut Evaluator, reml: bool, score: &Score) -> Option<Solution> {
        match &self.split {
            Some((_, coding)) => e.solution_with_levels(sys, coding, reml, score).ok(),
            None => Some(e.solution(sys, reml, score)),
        }
    }

    pub(crate) fn check_theta(&self, theta: &[f64]) -> PyResult<()> {
        if theta.len() != self.fitted().n_theta {
            return Err(PyValueError::new_err(format!(
                "theta has {} entries where the model has {}",
                theta.len(),
                self.fitted().n_theta
            )));
        }
        Ok(())
    }

    pub(crate) fn solution_record(&self, py: Python<'_>, s: Solution, reml: bool) -> PyResult<LinearSolution> {
        let p = self.p();
        Ok(LinearSolution {
            theta: s.theta.into_pyarray(py).unbind(),
            objective: if reml { s.reml_criterion } else { s.ml_deviance },
            reml_criterion: s.reml_criterion,
            ml_deviance: s.ml_deviance,
            beta: s.beta.into_pyarray(py).unbind(),
            vcov_unscaled: matrix(py, s.vcov, p, p)?,
            sigma: s.sigma2.sqrt(),
            pwrss: s.pwrss,
            ldl2: s.ldl2,
            ldrx2: s.ldrx2,
            u: by_factor(py, s.u, &self.fitted().factors)?,
            b: by_factor(py, s.b, &self.fitted().factors)?,
        })
    }
}

#[pymethods]
impl LmmSystem {
    /// The objective with its priors or sampling weights, and its derivatives by theta and log
    /// sigma.
    #[pyo3(signature = (theta, sigma, reml, n_threads = 1))]
    fn evaluate_penalised<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        sigma: f64,
        reml: bool,
        n_threads: usize,
    ) -> PyResult<LinearEvaluation> {
        self.penalised_at(py, theta.as_array().to_vec(), sigma, reml, n_threads)
    }

    #[new]
    #[pyo3(signature = (x, y, weights, factors, n_threads = 1, levels = None, prior = None, sampling = None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        x: Bound<'_, PyArray2<f64>>,
        y: Bound<'_, PyArray1<f64>>,
        weights: Option<Bound<'_, PyArray1<f64>>>,
        factors: Vec<FactorArgument<'_>>,
        n_threads: usize,
        levels: Option<LevelsArgument>,
        prior: Option<PriorArgument>,
        sampling: Option<SamplingArgument<'_>>,
    ) -> PyResult<Self> {
        let arrays = Arrays::new(x, levels, y, weights, None, factors)?;
        let borrowed = arrays.borrow(py);
        let split = match borrowed.rows_with_levels()? {
            Some((rows, coding)) => {
                whole_of(py, None, n_threads, is_long(&rows), |_| System::beside_levels(&rows, n_threads))?
                    .map_err(to_python)?
                    .map(|sys| (sys, coding.clone()))
            }
            None => None,
        };
        drop(borrowed);
        let mut out = LmmSystem {
            arrays: Some(arrays),
            whole: OnceLock::new(),
            split,
            sharp: OnceLock::new(),
            work: Mutex::new(None),
            work_of_split: Mutex::new(None),
            prior: sampling.as_ref().map(|_| Prior::default()),
            sampling: sampling.as_ref().map(by_level),
            n_threads,
            memory: memory::allowance().map(|a| a.bytes()),
        };
        if out.split.is_none() {
            out.sys(py)?;
        }
        if let Some(p) = prior {
            out.prior = Some(p.prior(&out.kept())?);
        }
        Ok(out)
    }

    /// Columns of x in use.
    #[getter]
    fn kept(&self) -> Vec<usize> {
        match &self.split {
            Some((_, coding)) => (0..coding.p()).collect(),
            None => self.fitted().basis.kept.clone(),
        }
    }

    /// Number of relative covariance parameters.
    #[getter]
    fn n_theta(&self) -> usize {
        self.fitted().n_theta
    }

    #[pyo3(signature = (reml, start, max_evaluations, tolerance, n_threads = 1, progress = None))]
    #[allow(clippy::too_many_arguments)]
    fn fit<'py>(
        &self,
        py: Python<'py>,
        reml: bool,
        start: Option<PyReadonlyArray1<'py, f64>>,
        max_evaluations: usize,
        tolerance: f64,
        n_threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<LinearFit> {
        let start: Option<Vec<f64>> = start.map(|s| s.as_array().to_vec());
        if let Some(s) = &start {
            self.check_theta(s)?;
        }
        let options = FitOptions { reml, max_evaluations, tolerance };
        if let Some(prior) = &self.prior {
            return self.fit_penalised(py, prior, start.as_deref(), options, n_threads, progress);
        }
        let borrowed = self.arrays.as_ref().map(|a| a.borrow(py));
        let rows = match (&borrowed, &self.split) {
            (None, _) => None,
            (Some(b), Some(_)) => b.rows_with_levels()?.map(|(rows, _)| rows),
            (Some(b), None) => Some(b.rows()?),
        };
        let long = self.is_long();
        let result = whole_of(py, progress, n_threads, long, |watch| {
            self.with_fitted(self.fitted(), n_threads, |sys, e, score| {
                let begin = match &start {
                    Some(s) => Begin::At(frames_of(sys, &sys.lambda_from_theta(s))),
                    None => Begin::Anywhere,
                };
                let mut go_on = |n, d| watch.evaluated(n, d + sys.constant(reml));
                let mut s = search(sys, e, score, begin, options, &mut go_on)?;
                let mut sys = sys;
                if let Some(rows) = &rows {
                    if let Some((sharp, again)) = sharpened(rows, sys, e, score, &s, options, &mut go_on)? {
                        s = again;
                        sys = self.sharp.get_or_init(|| sharp);
                    }
                }
                let usable = s.fit.criterion.is_finite();
                let solution = if usable {
                    let gradient = e.gradient(sys, score);
                    self.solution_of(sys, e, reml, score).map(|s| (s, gradient))
                } else {
                    None
                };
                Ok((s, solution))
            })
        })?;
        let (s, solution) = result.map_err(to_python)?;
        let f = &s.fit;
        let fitted = self.fitted();
        let null = fitted.null_dimensions(&f.frames);
        let (solution, gradient) = match solution {
            Some((s, g)) => (Some(self.solution_record(py, s, reml)?), Some(g.into_pyarray(py).unbind())),
            None => (None, None),
        };
        let ending = Ending {
            objective: solution.as_ref().map_or(f64::NAN, |s| s.objective),
            status: f.status.name(),
            evaluations: f.evaluations,
            decrement: f.decrement,
            certificate: f.certificate,
            singular: null.iter().any(|&m| m > 0),
            null_dimensions: null,
            gradient,
        };
        let valley =
            |v: &ranef_core::linear::Valley| Valley::linear(py, v.criterion + fitted.constant(reml), v.theta(fitted));
        let search = Search::of(&s, s.valleys.iter().map(valley).collect::<PyResult<_>>()?);
        Ok(LinearFit {
            solution: solution.map(|s| Py::new(py, s)).transpose()?,
            ending: Py::new(py, ending)?,
            search: Py::new(py, search)?,
        })
    }

    #[pyo3(signature = (theta, reml, n_threads = 1))]
    fn solution<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        reml: bool,
        n_threads: usize,
    ) -> PyResult<LinearSolution> {
        let theta = theta.as_array().to_vec();
        self.check_theta(&theta)?;
        let s = asking_nobody(py, n_threads, self.is_long(), || {
            self.with_fitted(self.sharpest(), n_threads, |sys, e, score| {
                e.lambda = sys.lambda_from_theta(&theta);
                e.criterion(sys, reml).ok()?;
                e.solve_effects(sys, score);
                self.solution_of(sys, e, reml, score)
            })
        })?;
        let s = s.ok_or_else(singular)?;
        self.solution_record(py, s, reml)
    }

    #[pyo3(signature = (theta, reml, n_threads = 1))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        reml: bool,
        n_threads: usize,
    ) -> PyResult<LinearEvaluation> {
        let theta = theta.as_array().to_vec();
        self.check_theta(&theta)?;
        let v = asking_nobody(py, n_threads, self.is_long(), || {
            self.with_fitted(self.sharpest(), n_threads, |sys, e, score| e.evaluation(sys, &theta, reml, score))
        })?;
        let v = v.ok_or_else(singular)?;
        Ok(LinearEvaluation { objective: v.objective, gradient: v.gradient.into_pyarray(py).unbind() })
    }

    #[pyo3(signature = (theta, n_threads = 1))]
    fn conditional_covariance<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        n_threads: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        effects::conditional_covariance(py, self, &theta.as_array().to_vec(), n_threads)
    }

    /// M^-1 L'Z'WX K for every random effect, K the root of the covariance of the fixed effects.
    #[pyo3(signature = (theta, n_threads = 1))]
    fn random_coefficients<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        n_threads: usize,
    ) -> PyResult<Py<PyArray2<f64>>> {
        effects::random_coefficients(py, self, &theta.as_array().to_vec(), n_threads)
    }

    /// Parts of M^-1, one after another: of the effects from each start to the next.
    #[pyo3(signature = (theta, starts, effects, n_threads = 1))]
    fn inverse_parts<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        starts: PyReadonlyArray1<'py, i64>,
        effects: PyReadonlyArray1<'py, i64>,
        n_threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        effects::inverse_parts(py, self, &theta.as_array().to_vec(), (&starts, &effects), n_threads)
    }

    #[pyo3(signature = (theta, x_new, factors, n_threads = 1))]
    fn prediction_variance<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        x_new: PyReadonlyArray2<'py, f64>,
        factors: Vec<NewFactorArgument<'py>>,
        n_threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        effects::prediction_variance(py, self, &theta.as_array().to_vec(), &x_new, &factors, n_threads)
    }

    #[pyo3(signature = (at, n_threads = 1))]
    fn fixed_root<'py>(&self, py: Python<'py>, at: PointArgument, n_threads: usize) -> PyResult<Py<PyArray2<f64>>> {
        information::root(py, self, &at, n_threads)
    }

    #[pyo3(signature = (at, n_threads = 1))]
    fn satterthwaite(&self, py: Python<'_>, at: PointArgument, n_threads: usize) -> PyResult<Satterthwaite> {
        information::satterthwaite(py, self, &at, n_threads)
    }

    #[pyo3(signature = (at, memory, n_threads = 1, linear = false))]
    fn kenward_roger(
        &self,
        py: Python<'_>,
        at: PointArgument,
        memory: f64,
        n_threads: usize,
        linear: bool,
    ) -> PyResult<KenwardRoger> {
        information::kenward_roger(py, self, &at, (memory, linear), n_threads)
    }
}
