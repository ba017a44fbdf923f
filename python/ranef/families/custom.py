"""A family of the user's own, from Python functions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.family import Family, Support
from ranef.families.link import LINKS, Floats, checked_link

Density = Callable[[Floats, Floats], Floats]

#: Distance between the points of the differences, in units of the linear predictor: with nine
#: points the truncation error of a smooth density and the amplified rounding error of its values
#: are both near 1e-10 in the third derivative.
STEP = 0.06

#: Weights of the log-density at -4 … 4 steps: for the first three derivatives, of order 8, 8 and 6.
_FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0.0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
_SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
_THIRD = np.array([-7 / 240, 3 / 10, -169 / 120, 61 / 30, 0.0, -61 / 30, 169 / 120, -3 / 10, 7 / 240])


@dataclass(frozen=True, slots=True)
class CustomFamily(Family):
    """A distribution given by its log-density as a Python function.

    Fits take longer than with the families of the package, as every step calls the function. The
    density must be smooth in the mean; it has no extra parameter.

    Parameters
    ----------
    log_density : callable
        ``log_density(y, mu)``, arrays in and out, with all its constants if likelihoods are to be
        compared with those of other families.
    link : str
        ``"identity"``, ``"log"``, ``"sqrt"``, ``"inverse"``, ``"inverse_squared"``, ``"logit"``,
        ``"probit"``, ``"cloglog"``, ``"loglog"`` or ``"cauchit"``.
    title : str
        Name of the family in summaries.
    derivatives : callable, optional
        ``derivatives(y, eta)`` gives the log-density and its first three derivatives in the linear
        predictor, four arrays; by default they are found by differences of nine values of
        ``log_density``, with an error of about 1e-9.
    variance_of_mean : callable, optional
        Variance of a response of a given mean, for Pearson residuals; without it there are none.
    sampler : callable, optional
        ``sampler(rng, mu)`` draws responses, for ``simulate``.

    Examples
    --------
    A geometric distribution of counts:

    >>> import numpy as np
    >>> from ranef import CustomFamily
    >>> def density(y, mu):
    ...     return y * np.log(mu) - (y + 1) * np.log1p(mu)
    >>> geometric = CustomFamily(density, link="log", title="geometric")
    >>> geometric.link
    'log'
    """

    log_density: Density
    link: str = "identity"
    title: str = "custom"
    derivatives: Callable[[Floats, Floats], tuple[Floats, Floats, Floats, Floats]] | None = None
    variance_of_mean: Callable[[Floats], Floats] | None = None
    sampler: Callable[[np.random.Generator, Floats], Floats] | None = None
    name: ClassVar[str] = "custom"
    links: ClassVar[tuple[str, ...]] = tuple(LINKS)
    support: ClassVar[Support] = "any"

    def __post_init__(self) -> None:
        if not callable(self.log_density):
            raise ArgumentTypeError(f"log_density must be a function of (y, mu), not {self.log_density!r}.")
        for what in ("derivatives", "variance_of_mean", "sampler"):
            value = getattr(self, what)
            if value is not None and not callable(value):
                raise ArgumentTypeError(f"{what} must be a function or None, not {value!r}.")
        object.__setattr__(self, "link", checked_link(self.link, self.links, self.title))

    def core_kernel(self, y: Floats, eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Log-density and its first three derivatives in the linear predictor."""
        if self.derivatives is not None:
            found: Any = self.derivatives(y, eta)
        else:
            # Far steps of the search may lead where the density is not defined; the core then takes
            # a shorter one.
            with np.errstate(all="ignore"):
                points = [self.log_density(y, self.mean(eta + k * STEP)) for k in range(-4, 5)]
            values = np.stack([np.broadcast_to(np.asarray(p, dtype=np.float64), eta.shape) for p in points])
            centre = values[4]
            # Differences from the centre lose fewer digits than the values themselves.
            values = values - centre
            found = (
                centre,
                _FIRST @ values / STEP,
                _SECOND @ values / STEP**2,
                _THIRD @ values / STEP**3,
            )
        arrays = tuple(np.ascontiguousarray(np.broadcast_to(np.asarray(a, dtype=np.float64), eta.shape)) for a in found)
        if len(arrays) != 4:
            raise OptionError(
                f"derivatives must give four arrays (log-density, first, second, third), not {len(arrays)}."
            )
        return arrays[0], arrays[1], arrays[2], arrays[3]

    def variance(self, mu: Floats, dispersion: float) -> Floats:
        """Variance of a response of weight 1, without a scale."""
        if self.variance_of_mean is None:
            raise OptionError(
                f"the family {self.title!r} has no variance function: give variance_of_mean= to CustomFamily."
            )
        return np.asarray(self.variance_of_mean(mu), dtype=np.float64)

    def unit_deviance(self, y: Floats, mu: Floats, dispersion: float) -> Floats:
        """Twice the log-likelihood lost by the mean ``mu`` instead of ``y``."""
        raise OptionError(f"the family {self.title!r} has no deviance residuals; there are those of type 'response'.")

    def draw(self, rng: np.random.Generator, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Draw responses with these means."""
        if self.sampler is None:
            raise OptionError(f"the family {self.title!r} cannot be simulated: give sampler= to CustomFamily.")
        return np.asarray(self.sampler(rng, mu), dtype=np.float64)

    def cumulative(self, y: Floats, mu: Floats, weights: Floats, dispersion: float) -> Floats:
        """Probability of a response up to ``y``."""
        raise OptionError(f"the family {self.title!r} has no distribution function, which prediction intervals need.")

    def label(self, dispersion: float) -> str:
        """Name as R prints it."""
        return self.title
