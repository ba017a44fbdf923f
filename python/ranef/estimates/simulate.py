"""New responses drawn from a fitted model."""

import numbers

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.fitted import fitted_values, population_values, random_part
from ranef.fit.record import LmmFit

Floats = NDArray[np.float64]

RE_KINDS = ("new", "conditional")


def random_generator(rng: object) -> np.random.Generator:
    """Take a seed, a ``numpy.random.Generator`` or None (a fresh seed from the operating system)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or isinstance(rng, np.random.SeedSequence | np.random.BitGenerator):
        return np.random.default_rng(rng)
    if isinstance(rng, bool) or not isinstance(rng, numbers.Integral):
        raise ArgumentTypeError(
            f"rng must be a whole number, a numpy.random.Generator or None, not {type(rng).__name__}."
        )
    if rng < 0:
        raise OptionError(f"rng must not be negative when it is a seed, not {rng}.")
    return np.random.default_rng(int(rng))


def check_draws(n: object, re: object) -> None:
    """Check the number of draws and what is done with the random effects."""
    if isinstance(n, bool) or not isinstance(n, numbers.Integral):
        raise ArgumentTypeError(f"n must be a whole number, not {n!r}.")
    if n < 1:
        raise OptionError(f"n must be at least 1, not {n}.")
    if not isinstance(re, str):
        raise ArgumentTypeError(f"re must be 'new' or 'conditional', not {re!r}.")
    if re not in RE_KINDS:
        raise OptionError(f"re must be 'new' or 'conditional', not {re!r}.")


def simulated_responses(fit: LmmFit, n: int, re: str, rng: object) -> Floats:
    """Draw responses from the model at its estimates.

    Parameters
    ----------
    fit : LmmFit
    n : int
        Number of draws.
    re : {"new", "conditional"}
        Draw random effects anew for every response, or keep their conditional modes.
    rng : int, Generator or None

    Returns
    -------
    (rows, n) array
        Residual variances are sigma² divided by the prior weights.
    """
    check_draws(n, re)
    generator = random_generator(rng)
    rows, d = fit.nobs, fit.design
    sd = fit.sigma if d.weights is None else fit.sigma / np.sqrt(d.weights)
    mean = population_values(fit) if re == "new" else fitted_values(fit)
    terms = list(zip(fit.terms, fit.relative_factors, strict=True)) if re == "new" else []
    out = np.empty((rows, int(n)), order="F")
    # One draw after the other: draw number i is the same whatever n is.
    for i in range(int(n)):
        y = mean
        for term, factor in terms:
            u = generator.standard_normal((len(term.levels), factor.shape[0]))
            y = y + random_part(term.codes, term.z, u @ (factor.T * fit.sigma))
        out[:, i] = y + sd * generator.standard_normal(rows)
    return out
