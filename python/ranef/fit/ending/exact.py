"""Responses that a model reproduces exactly, so that nothing is left for the residual."""

import numpy as np
from numpy.typing import NDArray

from ranef.design.level_columns import kept_product
from ranef.design.record import Design
from ranef.fit.random_part import random_part

Floats = NDArray[np.float64]

#: Residuals, as a share of the spread of the response, below which they are rounding.
NOTHING_LEFT = 1e-10

#: Units in the last place of the largest response that residuals have by rounding alone.
ROUNDING = 16

#: Residual standard deviation, as a share of the spread, above which nobody looks at residuals.
SMALL = 1e-4

BY_FIXED_EFFECTS = (
    "the fixed effects reproduce the response exactly, so that nothing is left for random effects and residual. Toy "
    "data need some noise; elsewhere leave out predictors from which the response was computed."
)


def is_small(design: Design, sigma: float) -> bool:
    """Whether residuals may be nothing but rounding: a quick look, which takes rows."""
    return design.sums is None and sigma <= SMALL * float(np.ptp(design.y))


def reproduces(design: Design, fitted: Floats) -> bool:
    """Whether fitted values are the response but for rounding.

    Parameters
    ----------
    design : Design
    fitted : (n,) array
    """
    y = design.y
    rounding = ROUNDING * float(np.finfo(float).eps) * float(np.abs(y).max())
    return bool(np.abs(y - fitted).max() <= NOTHING_LEFT * float(np.ptp(y)) + rounding)


def fixed_effects_reproduce(design: Design) -> bool:
    """Whether the fixed effects alone do so."""
    offset = 0.0 if design.offset is None else design.offset
    x = design.x
    if not (np.isfinite(x).all() and np.isfinite(design.y).all()):
        return False
    beta = np.linalg.lstsq(x, design.y - offset, rcond=None)[0]
    return reproduces(design, np.asarray(x @ beta + offset))


def fitted_by(design: Design, kept: tuple[int, ...], beta: Floats, b: tuple[Floats, ...], order: list[int]) -> Floats:
    """Fitted values (n,) of a linear model.

    Parameters
    ----------
    kept : tuple of int
        Columns of X in use.
    beta : (p,) array
    b : tuple of (levels, k) arrays
        Random effects of every term.
    order : list of int
        The position of each of these terms in the formula.
    """
    fitted = kept_product(design.columns, kept, beta)
    for effects, place in zip(b, order, strict=True):
        term = design.random[place]
        fitted = fitted + random_part(term.places, term.z, effects)
    return fitted if design.offset is None else fitted + design.offset
