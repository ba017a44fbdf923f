"""Counts drawn from their probabilities."""

from collections.abc import Callable

import numpy as np

from ranef.families.link import Floats

#: Largest count whose probability is looked at.
MOST = 100_000


def counted_draws(
    rng: np.random.Generator, log_probability: Callable[[Floats], Floats], mean: Floats, sd: Floats
) -> Floats:
    """Draw counts (n,) by inversion from zero on.

    Parameters
    ----------
    rng : Generator
    log_probability : callable
        Takes one count for all rows (n,).
    mean, sd : (n,) arrays
    """
    left = rng.random(len(mean))
    out = np.zeros(len(mean))
    open_rows = np.ones(len(mean), bool)
    last = float(np.max(mean + 40 * sd + 50, initial=0.0))
    y = 0.0
    while open_rows.any() and y <= min(last, MOST):
        left = left - np.exp(log_probability(np.full(len(mean), y)))
        done = open_rows & (left <= 0)
        out[done] = y
        open_rows &= ~done
        y += 1.0
    out[open_rows] = y
    return out
