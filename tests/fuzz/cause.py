"""Why a point below a fit was missed: the cause decides who has to mend what."""

from typing import Any

import numpy as np

from ranef.fit.ordinal.record import OrdinalFit

from . import components_criterion
from .components_criterion import ComponentsCriterion
from .dense import dense_glmm, dense_laplace, factor_of_z, linear_criterion, theta_positions
from .integral import exact_criterion

#: Standard deviations, in units of the linear predictor or residual, from which an optimum lies at
#: infinity.
AWAY = 1e6
#: Curvature of the joint density in units of that of the spherical effects alone; of log-concave
#: densities it is at least 1.
VANISHING = 0.05


def cause_of(criterion: Any, point: np.ndarray, value: float) -> tuple[str, str]:
    """Name the cause.

    Parameters
    ----------
    criterion : LinearCriterion or GeneralizedCriterion
    point : array
        The better point.
    value : float
        The core's criterion there.

    Returns
    -------
    cause : str
        ``criterion``: the core's values are wrong at one of the points, by more than half of what
        separates them. ``other modes``: of a generalized model, the same, most often because the
        random effects have several modes given the data. ``degenerate``: the better point is one
        where Laplace's determinant nearly vanishes, which no fit should go to. ``artefact``: the
        approximation is lower there and the likelihood that it stands for is not, as with 0 and 1
        and large standard deviations. ``at infinity``: the criterion falls on as standard
        deviations grow without end. ``no minimum``: a plain descent from the fit itself goes down.
        ``zero trap``: the fit has a variance of zero, the better point has not. ``other valley``:
        both are minima.
    note : str
    """
    if isinstance(criterion, ComponentsCriterion):
        return components_criterion.cause_of(criterion, point, value)
    own, gap = accurate(criterion, criterion.own), criterion.own_value - value
    there = accurate(criterion, point)
    note = f"core {criterion.own_value:.7f} and {value:.7f}; dense {own:.7f} and {there:.7f}"
    if own - there <= gap / 2:
        return "other modes" if hasattr(criterion, "parts") else "criterion", note
    if _vanishing(criterion, point):
        return "degenerate", note
    if hasattr(criterion, "parts"):
        exact, exact_there = exact_criterion(criterion, criterion.own), exact_criterion(criterion, point)
        note += f"; integrated {exact:.3f} and {exact_there:.3f}"
        if exact_there > exact:
            return "artefact", note
    sizes = np.abs(point[: criterion.n_theta])
    further = point.copy()
    further[: criterion.n_theta] *= np.where(sizes == sizes.max(), 10.0, 1.0)
    if sizes.max() > AWAY or (sizes.max() > 50 and criterion.value(further)[0] < value + 1e-7):
        return "at infinity", note
    from .free_search import descend

    nudged = criterion.own.copy()
    theta = nudged[: criterion.n_theta]
    theta[theta == 0] = 1e-3
    reached = descend(criterion, nudged)[0]
    if reached < criterion.own_value - min(1e-6, gap / 2):
        return "no minimum", f"{note}; descent from the fit {reached:.7f}"
    if criterion.fit.singular:
        return "zero trap", note
    return "other valley", note


def accurate(criterion: Any, v: np.ndarray) -> float:
    """The criterion at a point by dense algebra; NaN where that fails."""
    fit = criterion.fit
    if not hasattr(criterion, "parts"):
        return linear_criterion(fit, criterion.theta(v))
    _, beta, dispersion = criterion.parts(v)
    return dense_laplace(fit, criterion.theta(v), beta, dispersion, criterion.modes(v))


def excuse_of(fit: Any) -> str:
    """Why a fit need not be the best one: its model is saturated, or its thresholds cross in rows
    of the data, so that its likelihood is none; else empty.
    """
    if isinstance(fit, OrdinalFit):
        return "crossing thresholds" if (np.diff(fit.own_thresholds(), axis=1) < 0).any() else ""
    return "saturated" if saturated(fit) else ""


def saturated(fit: Any) -> bool:
    """Whether the columns of X and of Z span all rows of a model with a residual scale:
    the criterion then may fall without end.
    """
    if fit.spread_name is None:
        return False
    z = factor_of_z(fit, np.array([float(i == j) for s in fit.order.spans for i, j in theta_positions(s)]))
    both = np.column_stack([fit.x, z])
    return bool(np.linalg.matrix_rank(both / np.maximum(np.linalg.norm(both, axis=0), 1e-300)) >= len(both))


def _vanishing(criterion: Any, v: np.ndarray) -> bool:
    """Whether the Hessian of Laplace's approximation is far from positive definite,
    as it can be of densities that are not log-concave.
    """
    if not hasattr(criterion, "parts") or np.isnan(accurate(criterion, v)):
        return False
    _, beta, dispersion = criterion.parts(v)
    try:
        with np.errstate(all="ignore"):
            _, hessian = dense_glmm(criterion.fit, criterion.theta(v), beta, dispersion, criterion.modes(v)).mode()
        return bool(np.linalg.eigvalsh(hessian)[0] < VANISHING)
    except np.linalg.LinAlgError:
        return False
