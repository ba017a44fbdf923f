"""Proportions from 0 to 1, both ends included, as one ordered scale."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.families.family import Family, Support
from ranef.families.link import Floats

#: Distance of a cut beyond which there is no proportion at that end: probabilities are below 1e-13.
_FAR = 30.0


def _sigmoid(x: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(x))


@dataclass(frozen=True, slots=True)
class OrderedBeta(Family):
    """Proportions with zeros and ones: the ends are the outer categories of an ordered scale, what
    is between is beta distributed (Kubinec 2022).

    Parameters
    ----------
    link : {"logit"}

    Examples
    --------
    >>> from ranef import OrderedBeta
    >>> OrderedBeta().name
    'ordbeta'
    """

    link: str = "logit"
    name: ClassVar[str] = "ordbeta"
    links: ClassVar[tuple[str, ...]] = ("logit",)
    support: ClassVar[Support] = "unit"
    dispersion_name: ClassVar[str | None] = "precision"
    predictors: ClassVar[tuple[str, ...]] = ("disp", "cut1", "log_gap")
    by_predictors: ClassVar[bool] = True

    def held_by(self, y: Floats) -> tuple[dict[str, float], str | None]:
        """Cuts beyond which no proportion lies."""
        zeros, ones = bool((y <= 0).any()), bool((y >= 1).any())
        held = {} if zeros else {"cut1": -_FAR}
        if not ones:
            held["log_gap"] = float(np.log(2 * _FAR))
        if not zeros and not ones:
            return held, "the response has neither zeros nor ones: the fit is that of family='beta'."
        if not zeros:
            return held, "the response has no zeros: cut1 is infinite, and the model gives them probability zero."
        if not ones:
            return held, "the response has no ones: cut2 is infinite, and the model gives them probability zero."
        return held, None

    def natural(self, shapes: Mapping[str, float]) -> dict[str, float]:
        """Both cuts."""
        gap = float(np.exp(shapes["log_gap"]))
        first = shapes["cut1"] if shapes["cut1"] > -_FAR else -np.inf
        return {"cut1": first, "cut2": shapes["cut1"] + gap if gap < 2 * _FAR * (1 - 1e-9) else np.inf}

    def _parts(self, mu: Floats, at: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Probabilities of zero and of one."""
        eta = np.log(mu / (1 - mu))
        return _sigmoid(at["cut1"] - eta), _sigmoid(eta - at["cut1"] - np.exp(at["log_gap"]))

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response."""
        zero, one = self._parts(mu, at)
        middle = 1 - zero - one
        mean = one + middle * mu
        square = one + middle * (mu * (1 - mu) / (1 + np.exp(at["disp"])) + mu**2)
        return mean, square - mean**2

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of zero."""
        return self._parts(mu, at)[0]

    def one_probability(self, mu: Floats, at: Mapping[str, Floats]) -> Floats:
        """Probability of one."""
        return self._parts(mu, at)[1]

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a proportion up to ``y``."""
        from scipy.special import betainc

        zero, one = self._parts(mu, at)
        phi = np.exp(at["disp"])
        inner = betainc(mu * phi, (1 - mu) * phi, np.clip(y, 0.0, 1.0))
        return np.where(y >= 1, 1.0, zero + (1 - zero - one) * inner)

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw the part, then a proportion where it is the middle one."""
        zero, one = self._parts(mu, at)
        phi = np.exp(at["disp"])
        u, y = rng.random(len(mu)), rng.beta(mu * phi, (1 - mu) * phi)
        return np.where(u < zero, 0.0, np.where(u > 1 - one, 1.0, np.clip(y, 1e-12, 1 - 1e-12)))
