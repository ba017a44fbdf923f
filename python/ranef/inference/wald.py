"""Wald intervals of the fixed effects."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import checked_level, normal_multiplier
from ranef.inference.distributions import t_multiplier
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.parameters import parameters_of
from ranef.options import Ddf

Floats = NDArray[np.float64]


def wald_intervals(
    tests: FixedEffectTests, level: object, parm: object = None, ddf: Ddf = "none"
) -> tuple[tuple[str, ...], Floats]:
    """Estimates plus and minus a multiple of their standard errors.

    Parameters
    ----------
    tests : FixedEffectTests
    level : float
    parm : str or sequence of str, optional
        Fixed effects to show; all by default.
    ddf : {"none", "satterthwaite", "kenward-roger", "residual"}
        The multiple is a quantile of the normal distribution, or of t with these degrees of
        freedom.

    Returns
    -------
    names : tuple of str
    limits : (p, 2) array
    """
    fit = tests.fit
    multiplier = normal_multiplier(level)
    chosen = _chosen(parm, tests)
    if not fit.x_names:
        return (), np.empty((0, 2))
    coefficients = tests.coefficients(ddf)
    half = coefficients.std_error * (
        multiplier if ddf == "none" else t_multiplier(checked_level(level), coefficients.df)
    )
    limits = np.column_stack([fit.beta - half, fit.beta + half])
    return tuple(fit.x_names[j] for j in chosen), limits[chosen]


def _chosen(parm: object, tests: FixedEffectTests) -> list[int]:
    names = tests.fit.x_names
    if parm is None or parm == "beta_":
        return list(range(len(names)))
    wanted = [parm] if isinstance(parm, str) else parm
    if not isinstance(wanted, Sequence) or not all(isinstance(w, str) for w in wanted):
        raise ArgumentTypeError(f"parm must be the name of a fixed effect or a list of names, not {parm!r}.")
    unknown = [w for w in wanted if w not in names]
    if unknown:
        random = {p.name for p in parameters_of(tests.fit) if p.kind != "beta"} | {"theta_"}
        if random.intersection(unknown):
            raise OptionError(
                f"there are no Wald intervals of {', '.join(map(repr, unknown))}: the likelihood is far from quadratic "
                "in standard deviations and correlations; use method='profile'."
            )
        raise OptionError(f"parm names no fixed effect: {', '.join(map(repr, unknown))}. They are {', '.join(names)}.")
    return [names.index(w) for w in wanted]
