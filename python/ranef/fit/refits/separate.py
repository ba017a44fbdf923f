"""Coefficients of every level of a grouping factor by maximum likelihood in its rows alone."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranef.errors import RanefError
from ranef.fit.control import FitControl
from ranef.fit.generalized import GlmmFit
from ranef.fit.order import order_terms
from ranef.fit.record import MixedFit
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.system import build_generalized_system
from ranef.status import FitStatus

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: A standard error beyond which a level has no finite estimate.
RUNAWAY = 50.0


def separate_coefficients(fit: MixedFit, z: Floats, rest: Floats, codes: Ints, n_levels: int) -> Floats:
    """Coefficients of every level: a model without random terms for the rows of each.

    Parameters
    ----------
    fit : MixedFit
        A generalized one. Its family, and the estimate of its extra parameter, are those of the
        levels.
    z : (n, k) array
        Columns whose coefficients are estimated.
    rest : (n,) array
        The rest of the linear predictor, held.
    codes : (n,) array
    n_levels : int

    Returns
    -------
    (levels, k) array
        NaN where a level has no finite estimate, as with successes only.
    """
    assert isinstance(fit, GlmmFit)
    k, control = z.shape[1], FitControl()
    out = np.full((n_levels, k), np.nan)
    sorted_rows = np.argsort(codes, kind="stable")
    parts = np.split(sorted_rows, np.cumsum(np.bincount(codes, minlength=n_levels))[:-1])
    names = tuple(map(str, range(k)))
    none = order_terms(())
    for level, rows in enumerate(parts):
        design = replace(design_of_rows(fit.design, rows), random=(), x_names=names, x_assign=(0,) * k)
        design = design.with_rows(x=np.asfortranarray(z[rows]), offset=rest[rows])
        try:
            system = build_generalized_system(design, none, fit.family, 1)
            if len(system.kept) < k:
                continue
            found = system.fit(
                1,
                fit.curvature,
                None,
                None,
                fit.core_dispersion,
                fit.core_dispersion,
                control.max_evaluations,
                control.tolerance,
                1,
                None,
            )
        except RanefError:
            continue
        if found.solution is None or found.vcov is None or not FitStatus(found.ending.status).ok:
            continue
        if np.all(np.diagonal(found.vcov) < RUNAWAY**2):
            out[level] = found.solution.beta
    return out
