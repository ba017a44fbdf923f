"""Standard errors of a likelihood with sampling weights.

Such a likelihood is that of no sample: its second derivatives H do not say how its estimates vary.
They vary as the scores s_j of the outermost clusters do, which were drawn independently:

    V = H^-1 (J / (J - 1) sum_j (s_j - s)(s_j - s)') H^-1

with the sums, and s, within strata where there are some (without, s is zero at the optimum).
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.fit.order import TermOrder
from ranef.fit.prior import log_prior
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.system import build_generalized_system

if TYPE_CHECKING:
    from ranef._core import GeneralizedFit, LinearSolution
    from ranef.fit.components.system import JoinedModel

Floats = NDArray[np.float64]


def robust_covariance(
    design: Design,
    order: TermOrder,
    family: Family,
    found: "GeneralizedFit",
    n_quad: int,
    curvature: str,
    kept: tuple[int, ...],
) -> Floats | None:
    """The sandwich covariance of theta (lme4's order), the fixed effects and the logarithm of an
    estimated dispersion. None where there are no independent clusters or no second derivatives;
    NaN for parameters at a boundary, which are held there.
    """
    sampling, bread = design.sampling, found.covariance
    if sampling is None or sampling.top is None or bread is None or found.solution is None:
        return None
    solution = found.solution
    top = next(t for t in design.random if t.group == sampling.top)
    at = (solution.theta, solution.beta, solution.dispersion, n_quad, curvature)
    estimated = family.dispersion_name is not None and family.fixed_dispersion is None
    scores, strata = cluster_scores(design, order, family, kept, top.codes, at, estimated)
    place = np.concatenate([order.theta_of_core, np.arange(order.n_theta, len(bread))])
    return sandwich(bread[np.ix_(place, place)], scores, strata)


def robust_joint_covariance(model: "JoinedModel", found: "GeneralizedFit", how: tuple[int, str]) -> Floats | None:
    """The same of a model of several linear predictors, in the core's order."""
    sampling, bread = model.design.sampling, found.covariance
    if sampling is None or sampling.top is None or bread is None or found.solution is None:
        return None
    at = found.solution.theta, found.solution.beta, tuple(model.system().kept), *how
    scores, strata = [], []
    for rows in _rows_of_clusters(next(t.codes for t in model.design.random if t.group == sampling.top)):
        scores.append(score_of_rows(model, rows, at))
        strata.append(0 if sampling.strata is None else int(sampling.strata[rows[0]]))
    return sandwich(bread, np.array(scores), np.array(strata, dtype=np.intp))


def score_of_rows(model: "JoinedModel", rows: NDArray[np.intp], at: tuple[Any, ...]) -> Floats:
    """Gradient (k,) of the log likelihood of some rows, without priors, in theta and the
    coefficients in use, as the core has them.

    Parameters
    ----------
    model : JoinedModel
    rows : (m,) int array
    at : (theta, beta, kept, n_quad, curvature)
        Both as the core has them, and the numbers of the coefficients in use.
    """
    theta, values, kept, n_quad, curvature = at
    beta = np.zeros(model.n_columns)
    beta[list(kept)] = values
    part = model.of_rows(rows)
    system, combine = replace(part, design=replace(part.design, priors=())).system_of_few()
    gradient, m = system.evaluate(theta, combine @ beta, None, n_quad, curvature, 1).gradient, len(theta)
    return np.asarray(-0.5 * np.concatenate([gradient[:m], (combine.T @ gradient[m:])[list(kept)]]))


def joint_log_prior(model: "JoinedModel", found: "GeneralizedFit", how: tuple[int, str]) -> float:
    """Log density of the priors of a model of several linear predictors at the estimates; 0
    without.
    """
    if not model.design.priors or found.solution is None:
        return 0.0
    bare = replace(model, design=replace(model.design, priors=())).system()
    there = bare.evaluate(found.solution.theta, found.solution.beta, None, *how, 1)
    return log_prior(found.ending.objective, there.objective)


def _rows_of_clusters(codes: NDArray[Any]) -> list[NDArray[np.intp]]:
    parts = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    return [rows for rows in parts if len(rows)]


def cluster_scores(
    design: Design,
    order: TermOrder,
    family: Family,
    kept: tuple[int, ...],
    codes: NDArray[Any],
    at: tuple[Any, ...],
    estimated: bool,
) -> tuple[Floats, NDArray[np.intp]]:
    """Gradient (clusters, k) of the weighted log likelihood of every cluster, and their strata."""
    theta, beta, dispersion, n_quad, curvature = at
    whole = design.x[:, list(kept)]
    out, strata = [], []
    for rows in _rows_of_clusters(codes):
        part = design_of_rows(design, rows)
        system = build_generalized_system(part, order, family, 1)
        # as in `fit.scores`: columns of X that others determine within a cluster
        x, own = whole[rows], part.x[:, list(system.kept)]
        same = tuple(system.kept) == kept
        combine = np.eye(x.shape[1]) if same else np.linalg.lstsq(own, x, rcond=None)[0]
        gradient = system.evaluate(theta, combine @ beta, dispersion, n_quad, curvature, 1).gradient
        m, q = order.n_theta, own.shape[1]
        pieces = [gradient[:m][order.theta_of_core], combine.T @ gradient[m : m + q]]
        if estimated:
            pieces.append(gradient[m + q :])
        out.append(-0.5 * np.concatenate(pieces))
        held = None if design.sampling is None else design.sampling.strata
        strata.append(0 if held is None else int(held[rows[0]]))
    return np.array(out), np.array(strata, dtype=np.intp)


def sandwich(bread: Floats, scores: Floats, strata: NDArray[np.intp]) -> Floats:
    """``bread B bread`` of the inverse of half the Hessian and the scores of clusters."""
    free = ~np.isnan(np.diagonal(bread))
    inside, scores = bread[np.ix_(free, free)], scores[:, free]
    middle = np.zeros_like(inside)
    one = len(np.unique(strata)) == 1
    for h in np.unique(strata):
        s = scores[strata == h]
        centred = s if one else s - s.mean(axis=0)
        middle += len(s) / (len(s) - 1) * centred.T @ centred
    found = inside @ middle @ inside
    out = np.full_like(bread, np.nan)
    out[np.ix_(free, free)] = 0.5 * (found + found.T)
    return out


def linear_robust_covariance(
    design: Design, order: TermOrder, kept: tuple[int, ...], core_theta: Floats, beta: Floats, sigma: float
) -> Floats | None:
    """The sandwich covariance (p, p) of the fixed effects of a linear model, from the scores and
    second derivatives in all parameters: standard deviations on the scale of the response, fixed
    effects and log sigma.
    """
    if design.sampling is None or design.sampling.top is None:
        return None
    family = Gaussian()
    system = build_generalized_system(design, order, family, 1)
    theta = np.ascontiguousarray(core_theta * sigma)
    found = system.solution(theta, beta, sigma, 1, "observed", 1)
    joint = robust_covariance(design, order, family, found, 1, "observed", kept)
    if joint is None:
        return None
    m = order.n_theta
    return np.ascontiguousarray(joint[m : m + len(beta), m : m + len(beta)])


def beside_linear(
    design: Design, order: TermOrder, kept: tuple[int, ...], solution: "LinearSolution", reml: bool
) -> dict[str, Any]:
    """Fields of the record of a linear fit with priors or sampling weights; none of another."""
    if design.sampling is not None:
        at = solution.theta, solution.beta, solution.sigma
        return {"robust_vcov": linear_robust_covariance(design, order, kept, *at)}
    if not design.priors:
        return {}
    return {"log_prior": log_prior(solution.objective, solution.reml_criterion if reml else solution.ml_deviance)}


def beside_generalized(
    design: Design,
    order: TermOrder,
    family: Family,
    found: "GeneralizedFit",
    how: tuple[int, str],
    kept: tuple[int, ...],
) -> tuple[float, Floats | None]:
    """Log density of the priors and the robust covariance of a generalized fit with priors or
    sampling weights.
    """
    solution = found.solution
    assert solution is not None
    of_priors, robust = 0.0, None
    if design.priors:
        bare = build_generalized_system(replace(design, priors=()), order, family, 1)
        there = bare.evaluate(solution.theta, solution.beta, solution.dispersion, *how, 1)
        of_priors = log_prior(found.ending.objective, there.objective)
    if design.sampling is not None:
        robust = robust_covariance(design, order, family, found, *how, kept)
    return of_priors, robust
