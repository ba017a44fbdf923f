"""Families of counts."""

import math
import numbers
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.family import Family, Support, x_log_ratio
from ranef.families.link import Floats, above_zero


@dataclass(frozen=True, slots=True)
class Poisson(Family):
    """Counts whose variance is their mean.

    Parameters
    ----------
    link : {"log", "sqrt", "identity"}

    Examples
    --------
    >>> from ranef import Poisson
    >>> Poisson(link="sqrt")
    Poisson(link='sqrt')
    """

    link: str = "log"
    name: ClassVar[str] = "poisson"
    links: ClassVar[tuple[str, ...]] = ("log", "sqrt", "identity")
    support: ClassVar[Support] = "count"

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return mu

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        return np.asarray(2 * (x_log_ratio(y, above_zero(mu)) - (y - mu)))

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        return rng.poisson(mu).astype(np.float64)

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import pdtr

        return np.where(y < 0, 0.0, pdtr(np.maximum(np.floor(y), 0.0), mu))


@dataclass(frozen=True, slots=True)
class NegativeBinomial(Family):
    """Counts that vary more than Poisson counts.

    Parameters
    ----------
    link : {"log", "sqrt", "identity"}
    type : {2, 1}
        2: the variance is ``mu + mu² / size``, R's ``glmer.nb`` and glmmTMB's ``nbinom2``. 1: it is
        ``mu (1 + size)``, glmmTMB's ``nbinom1``.
    size : float, optional
        The extra parameter, when it is known; by default it is estimated.

    Examples
    --------
    >>> from ranef import NegativeBinomial
    >>> NegativeBinomial(size=2.5)
    NegativeBinomial(link='log', type=2, size=2.5)
    """

    link: str = "log"
    type: int = 2
    size: float | None = None
    name: ClassVar[str] = "Negative Binomial"
    links: ClassVar[tuple[str, ...]] = ("log", "sqrt", "identity")
    support: ClassVar[Support] = "count"
    dispersion_name: ClassVar[str | None] = "size"
    predictors: ClassVar[tuple[str, ...]] = ("disp",)

    def __post_init__(self) -> None:
        Family.__post_init__(self)
        if isinstance(self.type, bool) or self.type not in (1, 2):
            raise OptionError(f"type of the negative binomial family must be 1 or 2, not {self.type!r}.")
        if self.size is not None:
            if isinstance(self.size, bool) or not isinstance(self.size, numbers.Real):
                raise ArgumentTypeError(
                    f"size must be a positive number, or None to have it estimated, not {self.size!r}."
                )
            if not (math.isfinite(self.size) and float(self.size) > 0):
                raise OptionError(f"size must be a positive number, or None to have it estimated, not {self.size!r}.")
            object.__setattr__(self, "size", float(self.size))

    @property
    def kernel(self) -> str:
        """The core's name of the type."""
        return f"nbinom{self.type}"

    @property
    def argument(self) -> str:
        """glmmTMB's name."""
        return f"nbinom{self.type}"

    @property
    def fixed_dispersion(self) -> float | None:
        """The size that was given."""
        return self.size

    @property
    def held(self) -> dict[str, float]:
        """The size that was given, as its predictor."""
        return {} if self.size is None else {"disp": math.log(self.size)}

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        return np.asarray(mu + mu * mu / dispersion if self.type == 2 else mu * (1 + dispersion))

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        m = above_zero(mu)
        if self.type == 2:
            k = dispersion
            return np.asarray(2 * (x_log_ratio(y, m) - (y + k) * np.log((y + k) / (m + k))))
        # Not an exponential family: the mean that fits best is close to y, not equal to it.
        return np.maximum(
            2 * (self._log_density(y, above_zero(y), dispersion) - self._log_density(y, m, dispersion)), 0
        )

    def _log_density(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        from scipy.special import gammaln

        k = mu / dispersion
        out: Floats = gammaln(y + k) - gammaln(k) - k * np.log1p(dispersion) - y * np.log1p(1 / dispersion)
        return out

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        if self.type == 2:
            rate = rng.standard_gamma(dispersion, mu.shape) * (mu / dispersion)
        else:
            rate = rng.standard_gamma(mu / dispersion) * dispersion
        return rng.poisson(rate).astype(np.float64)

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import betainc

        k = np.full_like(mu, dispersion) if self.type == 2 else mu / dispersion
        return np.where(y < 0, 0.0, betainc(k, np.maximum(np.floor(y), 0.0) + 1, k / (k + mu)))

    def label(self, dispersion: float) -> str:
        """Name as R prints it; without a size where that is not one number."""
        if math.isnan(dispersion):
            return f"nbinom{self.type}"
        return f"nbinom1({dispersion:.5g})" if self.type == 1 else f"{self.name}({dispersion:.5g})"
