"""Variances of predicted linear predictors of models with several of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.fit.order import relative_factor
from ranef.fit.random_part import random_part

if TYPE_CHECKING:
    from ranef import _core
    from ranef.fit.components.several import SeveralPredictorsFit
    from ranef.fit.components.system import WholeModel

Floats = NDArray[np.float64]

#: Displacement of a parameter in its standard error, for the change of the modes.
STEP = 1e-3


def predictor_variance(
    fit: "SeveralPredictorsFit", predictor: int, x: Floats, factors: list[tuple[Any, list[Floats]]]
) -> Floats:
    """Variance (rows,) of ``x'(beta^ - beta) + z'(b^ - b)`` of one predictor."""
    effect, own = predictor_effects(fit, predictor, x, factors)
    covariance = np.zeros((effect.shape[1],) * 2) if fit.whole_vcov is None else np.nan_to_num(fit.whole_vcov)
    return np.asarray(np.einsum("ij,jk,ik->i", effect, covariance, effect) + own)


def predictor_effects(
    fit: "SeveralPredictorsFit", predictor: int, x: Floats, factors: list[tuple[Any, list[Floats]]]
) -> tuple[Floats, Floats]:
    """How one predictor changes with all parameters (rows, k), and its variance (rows,) given them.

    The modes move with all parameters; given these they vary by the curvature at them, effects of
    different grouping factors apart.

    Parameters
    ----------
    fit : SeveralPredictorsFit
    predictor : int
    x : (rows, p) array
    factors : list
        Levels of the rows and the Z of every term, by the factors of the predictor; none where the
        random effects do not enter.
    """
    own = fit.predictors[predictor]
    first = len(fit.whole_theta) + fit.coefficient_places[predictor].start
    size = len(fit.whole_theta) + len(fit.whole_beta)
    effect, variance = np.zeros((x.shape[0], size)), np.zeros(x.shape[0])
    effect[:, first : first + x.shape[1]] = x
    if not factors or fit.whole_vcov is None:
        return effect, variance
    covariance = np.nan_to_num(fit.whole_vcov)
    for k in range(size):
        error = float(np.sqrt(covariance[k, k]))
        if error <= 0:
            continue
        change = _change_of_modes(fit, predictor, k, STEP * error)
        place = {s.formula: i for i, s in enumerate(own.order.spans)}
        for (codes, z), members in zip(factors, own.order.factors, strict=True):
            for columns, i in zip(z, members, strict=True):
                effect[:, k] += random_part(codes, columns, change[place[i]])
    for (codes, z), block in zip(factors, fit.conditional_covariances_of(predictor), strict=True):
        columns, known = np.hstack(z), codes >= 0
        at = block[np.where(known, codes, 0)]
        variance += np.where(known, np.einsum("ij,ijk,ik->i", columns, at, columns), 0.0)
    return effect, variance


def _change_of_modes(fit: "SeveralPredictorsFit", predictor: int, k: int, step: float) -> list[Floats]:
    """Derivatives of the random effects of a predictor's terms in one parameter, by differences."""
    up, down = (_modes(fit, predictor, k, h) for h in (step, -step))
    return [(a - b) / (2 * step) for a, b in zip(up, down, strict=True)]


def _modes(fit: "SeveralPredictorsFit", predictor: int, k: int, step: float) -> tuple[Floats, ...]:
    theta, beta = fit.whole_theta.copy(), fit.whole_beta.copy()
    if k < len(theta):
        theta[k] += step
    else:
        beta[k - len(theta)] += step
    return fit.effects_at(theta, beta)[predictor]


def widest_effects(
    model: "WholeModel",
    keys: Sequence[str],
    system: "_core.GlmmSystem",
    solution: "_core.GeneralizedSolution",
    curvature: str,
) -> list[tuple[str, str, float]]:
    """For every random term its predictor, its grouping factor, and the largest variance of one of
    its effects given the data, in that without them: infinite where there is no mode.

    Parameters
    ----------
    model : WholeModel
    keys : sequence of str
        The predictors.
    system : GlmmSystem
    solution : GeneralizedSolution
    curvature : str
    """
    try:
        blocks = system.conditional_covariance(solution.theta, solution.beta, None, curvature, 1)
    except (ValueError, ArithmeticError):
        blocks = None
    theta, out = solution.theta[model.order.theta_of_core], []
    for span in model.order.spans:
        prior = (relative_factor(span, theta) ** 2).sum(axis=1)
        ratio = np.inf
        if blocks is not None:
            at = np.arange(span.start, span.start + span.size)
            given = np.asarray(blocks[span.factor])[:, at, at].max(axis=0)
            ratio = float(np.max(given / np.where(prior > 0, prior, np.inf), initial=0.0))
        first = model.pieces[span.formula][0].predictor
        out.append((keys[first], model.design.random[span.formula].group, ratio))
    return out
