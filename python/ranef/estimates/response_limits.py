"""Limits for a new response of a family:
quantiles of its distribution, averaged over an uncertain linear predictor.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.normal_average import average_of_step
from ranef.families.family import Support
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Most halvings of the interval that holds a quantile, and most doublings until one does.
HALVINGS, DOUBLINGS = 200, 1000

#: Width at which a quantile is found: in steps of a discrete response, and relative to the value of
#: a continuous one.
DISCRETE_WIDTH, RELATIVE_WIDTH, TINY = 0.25, 1e-10, 1e-300

#: A value below every response that is not negative.
BELOW_ZERO = -1e-3

#: A value this close to the next step of a discrete response is on it.
ROUNDING = 1e-9


def response_limits(fit: MixedFit, eta: Floats, sd: Floats, weights: Floats, level: float) -> tuple[Floats, Floats]:
    """Quantiles of a new response whose linear predictor is normal around ``eta``."""
    family = fit.family
    monotone = family.link not in ("sqrt", "inverse", "inverse_squared")

    def below(y: Floats) -> Floats:
        return average_of_step(
            lambda b: family.cumulative(y, family.mean(eta + sd * b), weights, fit.spread),
            len(eta),
            monotone=monotone,
        )

    step = 1.0 / weights if family.support == "proportion" else np.ones(len(eta))
    return quantile_limits(below, np.abs(family.mean(eta)), family.support, step, level)


def quantile_limits(
    below: Callable[[Floats], Floats], size: Floats, support: Support, step: Floats, level: float
) -> tuple[Floats, Floats]:
    """Quantiles (m,) of distributions on either side of what has the probability ``level``.

    Parameters
    ----------
    below : callable
        Probabilities (m,) of a response up to values (m,).
    size : (m,) array
        How large responses are.
    support : str
        That of the family.
    step : (m,) array
        Distance of the values of a discrete response.
    level : float
    """
    discrete = support in ("proportion", "count")
    out = []
    for probability in ((1 - level) / 2, (1 + level) / 2):
        low, high = _bracket(below, probability, np.maximum(size, 1.0), support)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = below(middle) >= probability
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
            width = DISCRETE_WIDTH * step if discrete else RELATIVE_WIDTH * np.maximum(np.abs(high), TINY)
            if np.all(high - low <= width):
                break
        if discrete:  # the smallest possible response whose probability is reached
            high = np.floor(high / step + ROUNDING) * step
        elif support != "real":  # which has an atom at zero perhaps
            high = np.where(below(np.zeros_like(high)) >= probability, 0.0, high)
        out.append(high)
    return out[0], out[1]


def _bracket(
    below: Callable[[Floats], Floats], probability: float, size: Floats, support: Support
) -> tuple[Floats, Floats]:
    """Values between which the quantile lies."""
    if support in ("proportion", "open_unit", "unit"):
        return np.full_like(size, BELOW_ZERO), np.ones_like(size)
    low = np.full_like(size, BELOW_ZERO) if support != "real" else -size
    high = size.copy()
    for _ in range(DOUBLINGS):
        short = below(high) < probability
        if not short.any():
            break
        high = np.where(short, 2 * high, high)
    if support == "real":
        for _ in range(DOUBLINGS):
            long = below(low) >= probability
            if not long.any():
                break
            low = np.where(long, 2 * low, low)
    return low, high
