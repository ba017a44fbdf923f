"""The model of a fit, fitted to some of its rows."""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import RanefError
from ranef.fit.components.fit import fit_components_of_rows
from ranef.fit.components.record import ComponentsFit
from ranef.fit.control import FitControl
from ranef.fit.generalized import GlmmFit, fit_glmm
from ranef.fit.ordinal.fit import fit_ordinal_of_rows
from ranef.fit.ordinal.record import OrdinalFit
from ranef.fit.record import MixedFit
from ranef.fit.refits.again import fit_again
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.start import Start
from ranef.fit.system import build_generalized_system
from ranef.status import FitStatus


def fit_of_rows(fit: MixedFit, rows: NDArray[np.intp], control: FitControl) -> MixedFit | None:
    """Fit to some rows, starting at the estimates of the whole.

    Parameters
    ----------
    fit : MixedFit
    rows : (m,) int array
        Numbers among the rows used.
    control : FitControl

    Returns
    -------
    MixedFit or None
        None where some fixed effect has no estimate in these rows, or there is no fit at all.
    """
    design = design_of_rows(fit.design, rows)
    try:
        if isinstance(fit, ComponentsFit):
            found: MixedFit = fit_components_of_rows(fit, rows, control)
        elif isinstance(fit, OrdinalFit):
            made = fit_ordinal_of_rows(fit, rows, control)
            if made is None:
                return None
            found = made
        elif isinstance(fit, GlmmFit):
            kept = tuple(build_generalized_system(design, fit.order, fit.family, 1).kept)
            if len(rows) < len(fit.beta) or kept != fit.kept:
                return None
            # From the boundary a fit would not find back.
            start = Start(None if fit.singular else fit.theta, fit.beta, fit.core_dispersion)
            found = fit_glmm(design, fit.likelihood, start, control, None, fit.n_threads, fit.order)
        else:
            found = fit_again(fit, design, warm=True, control=control, order=fit.order)
    except RanefError:
        return None
    lost = any(a.kept != b.kept for a, b in zip(found.predictors, fit.predictors, strict=True))
    lost = lost or found.convergence.status is FitStatus.SEPARATION
    return None if lost else found
