"""What all families have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from ranef.families.link import LINKS, Floats, Link, checked_link

Support = Literal["proportion", "count", "positive", "real", "open_unit", "unit", "nonnegative", "any"]


class Family:
    """A conditional distribution of the response given the random effects.

    Families are compared by their values and never change. ``dispersion`` below is the family's
    extra parameter: the size of the negative binomial distribution, the precision of the beta
    distribution, ``sigma`` of the others that have one; NaN for families without one.

    Attributes
    ----------
    link : str
    name : str
        As in R.
    links : tuple of str
        The links it can have; the first is the default.
    support : str
        What the response may be.
    dispersion_name : str or None
        What its extra parameter is called; None without one.
    scaled : bool
        Whether the extra parameter is a scale, which is reported as ``sigma``.
    predictors : tuple of str
        What may have a linear predictor beside the mean: ``disp``, then parameters of the shape.
    by_predictors : bool
        Whether it is always fitted with all of them as predictors.
    truncated : bool
        Whether its zeros are cut off.
    """

    __slots__ = ()

    link: str
    name: ClassVar[str]
    links: ClassVar[tuple[str, ...]]
    support: ClassVar[Support]
    dispersion_name: ClassVar[str | None] = None
    scaled: ClassVar[bool] = False
    predictors: ClassVar[tuple[str, ...]] = ()
    by_predictors: ClassVar[bool] = False
    truncated: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "link", checked_link(self.link, self.links, self.name))

    @property
    def kernel(self) -> str:
        """The name that the compiled core knows the distribution by."""
        return self.name

    @property
    def call_arguments(self) -> dict[str, str]:
        """Arguments of the verb that choose it and its link."""
        name = self.argument
        return {"family": name if self.has_usual_link else f"{name}({self.link})"}

    @property
    def argument(self) -> str:
        """The name by which the argument ``family`` takes it."""
        return self.name

    @property
    def has_usual_link(self) -> bool:
        """Whether the link is the one where none is given."""
        return not self.links or self.link == self.links[0]

    @property
    def link_function(self) -> Link:
        """The link with its inverse and slope."""
        return LINKS[self.link]

    @property
    def fixed_dispersion(self) -> float | None:
        """The value at which the user holds the extra parameter,
        None where it is estimated or absent.
        """
        return None

    def mean(self, eta: Floats) -> Floats:
        """Mean of the response from the linear predictor."""
        return self.link_function.mean(eta)

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without the scale of a ``scaled`` family."""
        raise NotImplementedError

    def observation_variance(self, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Variance of a response:
        trials divide it, weights of other families, which multiply the likelihood, do not.
        """
        divisor = weights if self.support == "proportion" else 1.0
        return np.asarray(self.variance(mu, dispersion) * self.sigma(dispersion) ** 2 / divisor)

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``,
        for weight 1 and scale 1.
        """
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        raise NotImplementedError

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        raise NotImplementedError

    def sigma(self, dispersion: float) -> float:
        """The scale parameter as a standard deviation; 1 for families without one."""
        return 1.0

    def variance_of_predictor(self, eta: Floats, mean: float, variance: float) -> float:
        """Variance of responses of this mean and variance, on the scale of the linear predictor
        (1,): with a log link that of the logarithm of a lognormal variable, else by the delta
        method.
        """
        if self.link == "log":
            return float(np.log1p(variance / mean**2))
        return float(variance / self.link_function.slope(eta)[0] ** 2)

    # ---- with predictors of dispersion and shape, ``at`` by name (n,)

    @property
    def held(self) -> dict[str, float]:
        """Predictors that are held at a number."""
        return {}

    def held_by(self, y: Floats) -> tuple[dict[str, float], str | None]:
        """Predictors that would go to infinity with a response (n,), as one that has no ones, each
        with a number that is as good; and a sentence on it.
        """
        return {}, None

    def natural(self, shapes: Mapping[str, float]) -> dict[str, float]:
        """Parameters of the shape from their predictors."""
        return {}

    def _dispersion_at(self, at: Mapping[str, Floats]) -> Floats:
        return np.exp(at["disp"]) if "disp" in at else np.asarray(np.nan)

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean (n,) and variance (n,) of responses, of trials as proportions."""
        phi: Any = self._dispersion_at(at)
        variance = self.variance(mu, phi) * (phi**2 if self.scaled else 1.0)
        return mu, np.asarray(variance / weights if self.support == "proportion" else variance)

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability (n,) of zero."""
        if self.support not in ("count", "proportion"):
            return np.zeros_like(mu)
        phi: Any = self._dispersion_at(at)
        return self.cumulative(np.zeros_like(mu), mu, weights, phi)

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability (n,) of a response up to ``y``."""
        phi: Any = self._dispersion_at(at)
        return self.cumulative(y, mu, weights, phi)

    def one_probability(self, mu: Floats, at: Mapping[str, Floats]) -> Floats:
        """Probability (n,) of one, where it is an end of the range that has some."""
        return np.zeros_like(mu)

    def interval_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Probabilities (n,) of a response below ``y``, and of one up to it."""
        upper = self.cumulative_with(y, mu, at, weights)
        if self.support in ("count", "proportion"):
            step = 1.0 / weights if self.support == "proportion" else 1.0
            before = np.maximum(y - step, 0.0)
            return np.where(y > 0, self.cumulative_with(before, mu, at, weights), 0.0), upper
        if self.support in ("nonnegative", "unit"):
            lower = np.where(y <= 0, 0.0, upper)
            if self.support == "unit":
                lower = np.where(y >= 1, 1.0 - self.one_probability(mu, at), lower)
            return lower, upper
        return upper, upper

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw responses (n,)."""
        phi: Any = self._dispersion_at(at)
        return self.draw(rng, mu, weights, phi)

    def label(self, dispersion: float) -> str:
        """Name as R prints it."""
        return self.name


def x_log_ratio(y: Floats, mu: Floats) -> Floats:
    """``y log(y / mu)``, zero where ``y`` is."""
    from scipy.special import xlogy

    return np.asarray(xlogy(y, np.where(y > 0, y, 1.0) / mu), dtype=np.float64)
