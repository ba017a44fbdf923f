"""Wald intervals of the fixed effects."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.fixed_effects import standard_errors
from ranef.estimates.intervals import normal_multiplier
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


def wald_intervals(fit: MixedFit, level: object, parm: object = None) -> tuple[tuple[str, ...], Floats]:
    """Estimates plus and minus a normal multiple of their standard errors.

    Parameters
    ----------
    fit : MixedFit
    level : float
    parm : str or sequence of str, optional
        Fixed effects to show; all by default.

    Returns
    -------
    names : tuple of str
    limits : (p, 2) array
    """
    half = normal_multiplier(level) * standard_errors(fit)
    limits = np.column_stack([fit.beta - half, fit.beta + half])
    chosen = _chosen(parm, fit.x_names)
    return tuple(fit.x_names[j] for j in chosen), limits[chosen]


def _chosen(parm: object, names: tuple[str, ...]) -> list[int]:
    if parm is None:
        return list(range(len(names)))
    wanted = [parm] if isinstance(parm, str) else parm
    if not isinstance(wanted, Sequence) or not all(isinstance(w, str) for w in wanted):
        raise ArgumentTypeError(f"parm must be the name of a fixed effect or a list of names, not {parm!r}.")
    unknown = [w for w in wanted if w not in names]
    if unknown:
        raise OptionError(f"parm names no fixed effect: {', '.join(map(repr, unknown))}. They are {', '.join(names)}.")
    return [names.index(w) for w in wanted]
