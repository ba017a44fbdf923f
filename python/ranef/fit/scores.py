"""Derivatives of the log-likelihood of some rows of a fit."""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.components.several import SeveralPredictorsFit
from ranef.fit.generalized import GlmmFit
from ranef.fit.pseudo_likelihood import score_of_rows
from ranef.fit.record import MixedFit
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.system import build_generalized_system

Floats = NDArray[np.float64]


def row_score(fit: MixedFit, rows: NDArray[np.intp]) -> Floats:
    """Gradient of the log-likelihood of some rows at the estimates.

    Parameters
    ----------
    fit : MixedFit
        A generalized one.
    rows : (m,) int array
        Numbers among the rows used; no random effect of theirs is shared with other rows.

    Returns
    -------
    (k,) array
        In theta (lme4's order), the fixed effects and the logarithm of an estimated dispersion; of
        several linear predictors in theta of all random terms and all coefficients.
    """
    assert isinstance(fit, GlmmFit)
    if isinstance(fit, SeveralPredictorsFit):
        at = fit.whole_theta, fit.whole_beta, fit.core_columns, fit.n_quad, fit.curvature
        score, m = score_of_rows(fit.whole, rows, at), len(fit.whole_theta)
        return score[[*fit.whole.order.theta_of_core, *range(m, len(score))]]
    design = design_of_rows(fit.design, rows)
    system = build_generalized_system(design, fit.order, fit.family, 1)
    # Within a cluster columns of X may be combinations of others, and the core keeps a part of
    # them: what the linear predictor is stays the same, and the derivative in a column left out is
    # that combination of the derivatives in those kept.
    x, own = fit.x[rows], design.x[:, list(system.kept)]
    combine = np.eye(x.shape[1]) if tuple(system.kept) == fit.kept else np.linalg.lstsq(own, x, rcond=None)[0]
    found = system.evaluate(fit.core_theta, combine @ fit.beta, fit.core_dispersion, fit.n_quad, fit.curvature, 1)
    gradient, m, q = found.gradient, len(fit.theta), own.shape[1]
    parts = [gradient[:m][fit.order.theta_of_core], combine.T @ gradient[m : m + q]]
    if fit.dispersion_estimated:
        parts.append(gradient[m + q :])
    return -0.5 * np.concatenate(parts)
