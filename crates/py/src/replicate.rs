//! Many fits of one design, of models of every kind: one call each.

use crate::arguments::{matrix, to_python, Arrays, Borrowed, FactorArgument, OptionsArgument, PointArgument};
use crate::glmm::{approximation, GlmmSystem};
use crate::information::{tested_records, TestedRecord};
use crate::lmm::LmmSystem;
use crate::records;
use crate::watch::{partial, whole, whole_of};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ranef_core::generalized;
use ranef_core::linear::{Columns, FitOptions, How, Law, Method, Passage, Truth, Within};
use ranef_core::model::Replicable;
use ranef_core::replicate::{self, Data, Groups, Member, Replicates};
use ranef_core::watch::Watch;

/// A model of one of the kinds.
#[derive(FromPyObject)]
pub(crate) enum Model<'py> {
    Linear(PyRef<'py, LmmSystem>),
    Generalized(PyRef<'py, GlmmSystem>),
}

impl OptionsArgument {
    /// Of a linear model.
    pub(crate) fn linear(&self, reml: bool) -> FitOptions {
        FitOptions { reml, max_evaluations: self.max_evaluations, tolerance: self.tolerance }
    }

    /// Of a generalized model, without the Hessian.
    pub(crate) fn generalized(
        &self,
        model: &GlmmSystem,
        start: Option<&PointArgument<'_>>,
    ) -> PyResult<generalized::FitOptions> {
        model.check_n_quad(self.n_quad)?;
        model.room_for_worker()?;
        let start = start.map(|s| model.point(&s.theta, &s.beta, s.spread.as_ref())).transpose()?;
        Ok(generalized::FitOptions {
            how: approximation(self.n_quad, &self.curvature)?,
            theta: start.as_ref().map(|s| s.theta.clone()),
            beta: start.as_ref().map(|s| s.beta.clone()),
            extras: start.as_ref().map(|s| s.extras.clone()),
            held: self.fixed_dispersion.map(Some).into_iter().collect(),
            max_evaluations: self.max_evaluations,
            tolerance: self.tolerance,
            hessian: false,
        })
    }
}

/// How replicates of a linear model are fitted.
fn how(
    py: Python<'_>,
    model: &LmmSystem,
    options: &OptionsArgument,
    start: Option<&PointArgument<'_>>,
) -> PyResult<How> {
    let theta = start.map(|s| s.theta.as_slice()).transpose()?;
    theta.map_or(Ok(()), |t| model.check_theta(t))?;
    model.room_for_worker(py)?;
    Ok(How::new(model.sys(py)?, options.linear(options.reml), theta))
}

/// The linear model that responses are drawn from.
fn truth<'a>(py: Python<'_>, model: &LmmSystem, at: &'a PointArgument<'_>) -> PyResult<Truth<'a>> {
    let (theta, beta, sigma) =
        (at.theta.as_slice()?, at.beta.as_slice()?, at.spread.as_ref().map_or(f64::NAN, |s| s.values()[0]));
    model.check_theta(theta)?;
    if beta.len() != model.sys(py)?.p() || !sigma.is_finite() || sigma <= 0.0 {
        return Err(PyValueError::new_err("the model to draw from does not have the parameters of the system"));
    }
    Ok(Truth { theta, beta, sigma })
}

/// Random effects of each factor, levels x effects, in C order.
fn effects<'a>(py: Python<'_>, model: &LmmSystem, given: &'a [PyReadonlyArray2<'_, f64>]) -> PyResult<Vec<&'a [f64]>> {
    let factors = &model.sys(py)?.factors;
    let fits = given.len() == factors.len()
        && given.iter().zip(factors).all(|(b, f)| b.shape() == [f.n_levels, f.k] && b.is_c_contiguous());
    if !fits {
        return Err(PyValueError::new_err("random effects must be levels x effects of each factor, in C order"));
    }
    Ok(given.iter().map(|b| b.as_slice()).collect::<Result<_, _>>()?)
}

fn drawable(model: &GlmmSystem) -> PyResult<()> {
    if !model.g.family.can_draw() {
        return Err(PyValueError::new_err("the family has no random numbers in the core"));
    }
    Ok(())
}

/// What is finished of some replicates.
fn record<M: Replicable>(py: Python<'_>, model: &M, r: Replicates, interrupted: bool) -> PyResult<records::Replicates> {
    let m = r.number.len();
    Ok(records::Replicates {
        number: r.number.into_pyarray(py).unbind(),
        objective: r.objective.into_pyarray(py).unbind(),
        beta: matrix(py, r.beta, m, model.n_beta())?,
        se: matrix(py, r.se, m, model.n_beta())?,
        theta: matrix(py, r.theta, m, model.n_theta())?,
        spread: r.spread.into_pyarray(py).unbind(),
        status: r.status.into_iter().map(str::to_owned).collect(),
        second_starts: r.moved_on.iter().filter(|&&m| m).count(),
        singular: r.singular.into_pyarray(py).unbind(),
        interrupted,
    })
}

/// Random effects that all responses have: those of a linear model, of each factor, or linear
/// predictors.
#[derive(FromPyObject)]
pub(crate) enum KeptArgument<'py> {
    Predictor(PyReadonlyArray1<'py, f64>),
    Effects(Vec<PyReadonlyArray2<'py, f64>>),
}

#[pyfunction]
#[pyo3(signature = (model, at, kept, start, options, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_parametric(
    py: Python<'_>,
    model: Model<'_>,
    at: PointArgument<'_>,
    kept: Option<KeptArgument<'_>>,
    start: Option<PointArgument<'_>>,
    options: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let other = || PyValueError::new_err("random effects are kept in another form by this kind of model");
    match &model {
        Model::Linear(m) => {
            let kept = match &kept {
                Some(KeptArgument::Effects(b)) => Some(effects(py, m, b)?),
                Some(_) => return Err(other()),
                None => None,
            };
            let law = Law::normal(m.sys(py)?, &truth(py, m, &at)?, kept.as_deref());
            let how = how(py, m, &options, start.as_ref())?;
            let (sys, law, how) = (m.sys(py)?, &law, &how);
            let (r, stopped) =
                partial(py, progress, n_threads, |w| replicate::drawn(sys, law, how, n, seed, n_threads, w))?;
            record(py, sys, r, stopped)
        }
        Model::Generalized(m) => {
            drawable(m)?;
            let eta = match &kept {
                Some(KeptArgument::Predictor(eta)) => Some(eta.as_slice()?),
                Some(_) => return Err(other()),
                None => None,
            };
            eta.map_or(Ok(()), |e| m.check("the linear predictor", e, m.g.n))?;
            let law = generalized::Law::new(&m.g, &m.point(&at.theta, &at.beta, at.spread.as_ref())?, eta);
            let how = options.generalized(m, start.as_ref())?;
            let (g, law, how) = (&m.g, &law, &how);
            let out = partial(py, progress, n_threads, |w| replicate::drawn(g, law, how, n, seed, n_threads, w));
            m.raised()?;
            let (r, stopped) = out?;
            record(py, g, r, stopped)
        }
    }
}

/// Draws and fits some of the replicates, with what tests of the fixed effects need of each fit.
#[pyfunction]
#[pyo3(signature = (model, at, start, options, method, memory, numbers, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_tested(
    py: Python<'_>,
    model: PyRef<'_, LmmSystem>,
    at: PointArgument<'_>,
    start: Option<PointArgument<'_>>,
    options: OptionsArgument,
    method: &str,
    memory: f64,
    numbers: (usize, usize),
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(records::Replicates, Vec<Option<TestedRecord>>)> {
    let method = match method {
        "satterthwaite" => Method::Satterthwaite,
        "kenward-roger" => Method::KenwardRoger(memory / n_threads.max(1) as f64),
        "residual" | "none" => Method::Known,
        _ => return Err(PyValueError::new_err("there is no such method")),
    };
    let law = Law::normal(model.sys(py)?, &truth(py, &model, &at)?, None);
    let how = how(py, &model, &options, start.as_ref())?;
    let (sys, law, how, reml) = (model.sys(py)?, &law, &how, options.reml);
    let ((r, tested), stopped) = partial(py, progress, n_threads, |w| {
        replicate::drawn_with(sys, law, how, numbers.0..numbers.1, seed, n_threads, w, |own, work, outcome| {
            method.of_fit(own, work, outcome, reml, w)
        })
    })?;
    Ok((record(py, sys, r, stopped)?, tested_records(py, tested, sys.p())?))
}

#[pyfunction]
#[pyo3(signature = (model, beta, effects_, residuals, start, options, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_residual(
    py: Python<'_>,
    model: PyRef<'_, LmmSystem>,
    beta: PyReadonlyArray1<'_, f64>,
    effects_: Vec<PyReadonlyArray2<'_, f64>>,
    residuals: PyReadonlyArray1<'_, f64>,
    start: Option<PointArgument<'_>>,
    options: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let borrowed = model.arrays()?.borrow(py);
    let rows = borrowed.rows()?;
    let (beta, residuals) = (beta.as_slice()?, residuals.as_slice()?);
    if residuals.len() != rows.n() || beta.len() != model.sys(py)?.p() {
        return Err(PyValueError::new_err("there must be a residual for each row, and all fixed effects"));
    }
    let sys = model.sys(py)?;
    let law = Law::of_pools(&rows, sys, effects(py, &model, &effects_)?, residuals, beta);
    let how = how(py, &model, &options, start.as_ref())?;
    let (law, how) = (&law, &how);
    let (r, stopped) = partial(py, progress, n_threads, |w| replicate::drawn(sys, law, how, n, seed, n_threads, w))?;
    record(py, sys, r, stopped)
}

/// Runs `f` on the rows that a model was made of.
#[allow(clippy::too_many_arguments)]
fn with_groups<M: Replicable>(
    py: Python<'_>,
    borrowed: &Borrowed<'_>,
    model: &M,
    kept: &[usize],
    by: usize,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
    f: impl FnOnce(&Data<'_>, &dyn Watch) -> Replicates + Send,
) -> PyResult<records::Replicates> {
    let mut rows = borrowed.rows()?;
    if by >= rows.factors.len() {
        return Err(PyValueError::new_err("there is no such factor"));
    }
    rows.x = kept.iter().map(|&j| rows.x[j]).collect();
    let data = Data { rows, offset: borrowed.offset()?, by };
    let (r, stopped) = partial(py, progress, n_threads, |w| f(&data, w))?;
    record(py, model, r, stopped)
}

#[pyfunction]
#[pyo3(signature = (model, by, start, options, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_cases(
    py: Python<'_>,
    model: Model<'_>,
    by: usize,
    start: Option<PointArgument<'_>>,
    options: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    match &model {
        Model::Linear(m) => {
            let (sys, how) = (m.sys(py)?, &how(py, m, &options, start.as_ref())?);
            with_groups(py, &m.arrays()?.borrow(py), sys, &sys.basis.kept, by, n_threads, progress, |data, w| {
                replicate::cases(data, sys, how, n, seed, n_threads, w)
            })
        }
        Model::Generalized(m) => {
            let (g, how) = (&m.g, &options.generalized(m, start.as_ref())?);
            let kept = &g.layout.basis.kept;
            let out = with_groups(py, &m.arrays.borrow(py), g, kept, by, n_threads, progress, |data, w| {
                replicate::cases(data, g, how, n, seed, n_threads, w)
            });
            m.raised()?;
            out
        }
    }
}

#[pyfunction]
#[pyo3(signature = (model, by, start, options, n, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn jackknife_groups(
    py: Python<'_>,
    model: Model<'_>,
    by: usize,
    start: Option<PointArgument<'_>>,
    options: OptionsArgument,
    n: usize,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    match &model {
        Model::Linear(m) => {
            let (sys, how) = (m.sys(py)?, &how(py, m, &options, start.as_ref())?);
            with_groups(py, &m.arrays()?.borrow(py), sys, &sys.basis.kept, by, n_threads, progress, |data, w| {
                replicate::jackknife(data, sys, how, n, n_threads, w)
            })
        }
        Model::Generalized(m) => {
            let (g, how) = (&m.g, &options.generalized(m, start.as_ref())?);
            let kept = &g.layout.basis.kept;
            let out = with_groups(py, &m.arrays.borrow(py), g, kept, by, n_threads, progress, |data, w| {
                replicate::jackknife(data, g, how, n, n_threads, w)
            });
            m.raised()?;
            out
        }
    }
}

/// The linear models to fit: each with, for each factor, the union's factor and the union's
/// effects, and its start.
type LinearMember<'py> = (PyRef<'py, LmmSystem>, Vec<(usize, Vec<usize>)>, Option<PointArgument<'py>>);
/// The generalized models to fit, and where fits start.
type GeneralizedMember<'py> = (PyRef<'py, GlmmSystem>, Option<PointArgument<'py>>);

/// Draws responses of a union of linear models and fits every member to each.
#[pyfunction]
#[pyo3(signature = (union, at, members, options, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_within_union(
    py: Python<'_>,
    union: PyRef<'_, LmmSystem>,
    at: PointArgument<'_>,
    members: Vec<LinearMember<'_>>,
    options: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<records::Replicates>> {
    let borrowed = union.arrays()?.borrow(py);
    let rows = borrowed.rows()?;
    let union_sys = union.sys(py)?;
    let mut list = Vec::new();
    for (model, places, start) in &members {
        let borrowed = model.arrays()?.borrow(py);
        let member_rows = borrowed.rows()?;
        let sys = model.sys(py)?;
        let fits = places.len() == sys.factors.len()
            && places.iter().zip(&sys.factors).all(|((g, e), f)| {
                let of_union = union_sys.factors.get(*g);
                of_union.is_some_and(|u| u.n_levels == f.n_levels && e.len() == f.k && e.iter().all(|&i| i < u.k))
            });
        if !fits {
            return Err(PyValueError::new_err("a model does not lie within the union"));
        }
        let factor = places.iter().map(|p| p.0).collect();
        let effect = places.iter().map(|p| p.1.clone()).collect();
        let within = Within { sys, rows: &member_rows, factor, effect };
        let passage = Passage::new(union_sys, &rows, &within).map_err(to_python)?;
        list.push(Member { model: sys, passage, how: how(py, model, &options, start.as_ref())? });
    }
    let law = Law::of_union(union_sys, &truth(py, &union, &at)?);
    let (law, list) = (&law, &list);
    let (out, stopped) =
        partial(py, progress, n_threads, |w| replicate::nested(union_sys, law, list, n, seed, n_threads, w))?;
    out.into_iter().zip(list).map(|(r, m)| record(py, m.model, r, stopped)).collect()
}

/// Draws responses of a generalized model and fits every member to each.
#[pyfunction]
#[pyo3(signature = (model, at, members, options, n, seed, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn bootstrap_members(
    py: Python<'_>,
    model: PyRef<'_, GlmmSystem>,
    at: PointArgument<'_>,
    members: Vec<GeneralizedMember<'_>>,
    options: OptionsArgument,
    n: usize,
    seed: u64,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<records::Replicates>> {
    drawable(&model)?;
    let g = &model.g;
    let member = |(m, start): &GeneralizedMember<'_>| {
        m.check("a model to fit", &m.g.y, g.n)?;
        options.generalized(m, start.as_ref())
    };
    let hows = members.iter().map(member).collect::<PyResult<Vec<_>>>()?;
    let list: Vec<_> = members.iter().zip(hows).map(|((m, _), how)| Member { model: &m.g, passage: (), how }).collect();
    let law = generalized::Law::new(g, &model.point(&at.theta, &at.beta, at.spread.as_ref())?, None);
    let (law, list) = (&law, &list);
    let (out, stopped) = partial(py, progress, n_threads, |w| replicate::nested(g, law, list, n, seed, n_threads, w))?;
    out.into_iter().zip(list).map(|(r, m)| record(py, m.model, r, stopped)).collect()
}

/// Fits every column of `y`.
#[pyfunction]
#[pyo3(signature = (model, y, start, options, n_threads, progress))]
pub fn refit(
    py: Python<'_>,
    model: Model<'_>,
    y: PyReadonlyArray2<'_, f64>,
    start: Option<PointArgument<'_>>,
    options: OptionsArgument,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::Replicates> {
    let (n, m) = (y.shape()[0], y.shape()[1]);
    let n_rows = match &model {
        Model::Linear(m) => m.n_rows(),
        Model::Generalized(m) => m.g.n,
    };
    if n != n_rows || (n > 0 && m > 0 && !y.is_fortran_contiguous()) {
        return Err(PyValueError::new_err("y must be a matrix in Fortran order with a row for each row of the model"));
    }
    let y = y.as_slice()?;
    match &model {
        Model::Linear(m) => {
            let borrowed = m.arrays()?.borrow(py);
            let rows = borrowed.rows()?;
            let (sys, how) = (m.sys(py)?, &how(py, m, &options, start.as_ref())?);
            let columns = &Columns::of(&rows, sys);
            let r =
                whole_of(py, progress, n_threads, true, |w| replicate::refit(sys, columns, y, n, how, n_threads, w))?;
            record(py, sys, r, false)
        }
        Model::Generalized(m) => {
            let (g, how) = (&m.g, &options.generalized(m, start.as_ref())?);
            let r = whole_of(py, progress, n_threads, true, |w| replicate::refit(g, &(), y, n, how, n_threads, w));
            m.raised()?;
            record(py, g, r?, false)
        }
    }
}

/// Fits the model to the rows of every group: from each start to the next.
#[pyfunction]
#[pyo3(signature = (x, y, weights, factors, start, options, df, n_threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn fit_each(
    py: Python<'_>,
    x: Bound<'_, PyArray2<f64>>,
    y: Bound<'_, PyArray1<f64>>,
    weights: Option<Bound<'_, PyArray1<f64>>>,
    factors: Vec<FactorArgument<'_>>,
    start: PyReadonlyArray1<'_, i64>,
    options: OptionsArgument,
    df: bool,
    n_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<records::EachFit> {
    let arrays = Arrays::new(x, None, y, weights, None, factors)?;
    let borrowed = arrays.borrow(py);
    let rows = borrowed.rows()?;
    rows.check().map_err(to_python)?;
    let start: Vec<usize> = start.as_array().iter().map(|&i| i as usize).collect();
    if start.first() != Some(&0) || start.last() != Some(&rows.n()) || !start.is_sorted() {
        return Err(PyValueError::new_err("groups must be all rows, one after another"));
    }
    let (p, n_factors) = (rows.x.len(), rows.factors.len());
    let n_theta = rows.factors.iter().flat_map(|f| &f.terms).map(|t| t.structure.n_theta(t.z.len())).sum();
    let groups = &Groups { rows, start: &start };
    let how = options.linear(options.reml);
    let found = whole(py, progress, n_threads, |w| replicate::each(groups, how, df, n_threads, w))?;
    let (r, m) = (found.fits, start.len() - 1);
    Ok(records::EachFit {
        objective: r.objective.into_pyarray(py).unbind(),
        beta: matrix(py, r.beta, m, p)?,
        se: matrix(py, r.se, m, p)?,
        df: matrix(py, found.df, m, p)?,
        theta: matrix(py, r.theta, m, n_theta)?,
        sigma: r.spread.into_pyarray(py).unbind(),
        singular: r.singular.into_pyarray(py).unbind(),
        n_levels: found.n_levels.into_pyarray(py).reshape([m, n_factors])?.unbind(),
        status: r.status,
    })
}
