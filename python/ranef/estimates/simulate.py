"""New responses drawn from a fitted model."""

import numbers

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

RE_KINDS = ("new", "conditional")

#: How far numbers of trials may be from whole ones.
WHOLE = 1e-6


def random_generator(rng: object) -> np.random.Generator:
    """Take a seed, a ``numpy.random.Generator``
    or None (a fresh seed from the operating system).
    """
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


def simulated_responses(fit: MixedFit, n: int, re: str, rng: object) -> Floats:
    """Draw responses from the model at its estimates, in the form that the fit keeps:
    of a binomial model proportions.

    Parameters
    ----------
    fit : MixedFit
    n : int
        Number of draws.
    re : {"new", "conditional"}
        Draw random effects anew for every response, or keep their conditional modes.
    rng : int, Generator or None

    Returns
    -------
    (rows, n) array
        Residual variances of a linear model are sigma² divided by the prior weights.
    """
    check_draws(n, re)
    if fit.family.support == "proportion" and np.any(np.abs(fit.weights - np.rint(fit.weights)) > WHOLE):
        raise OptionError("the numbers of trials (the weights) are not whole, so that no responses can be drawn.")
    generator = random_generator(rng)
    new = re == "new"
    base = fit.fixed_part() if new else fit.means()
    terms = list(zip(fit.terms, fit.relative_factors, strict=True)) if new else []
    out = np.empty((fit.nobs, int(n)), order="F")
    # One draw after the other: draw number i is the same whatever n is.
    for i in range(int(n)):
        eta = base
        for term, factor in terms:
            u = generator.standard_normal((len(term.levels), factor.shape[0]))
            eta = eta + random_part(term.codes, term.z, u @ (factor.T * fit.random_scale))
        out[:, i] = fit.draw(generator, fit.family.mean(eta) if new else base)
    return out


def response_as_given(fit: MixedFit, values: Floats) -> Floats:
    """Responses (n,) or (n, m) as a user gave them:
    numbers of successes where the formula has successes and failures.
    """
    if fit.response_kind != "counts":
        return values
    weights = fit.weights if values.ndim == 1 else fit.weights[:, None]
    return np.rint(values * weights)
