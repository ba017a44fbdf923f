"""A model in which the covariates of variance functions are centred, with the way back.

Sigma is the standard deviation where a covariate is one, or zero. Where that is far from the data,
sigma and the exponent follow each other along a narrow curved valley, which a walk along any
parameter has to go; with the covariate centred there is none.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CentredChart:
    """The centred model at the estimates.

    Attributes
    ----------
    system : CorrelatedSystem
    theta, z : arrays
        Parameters in the core's order.
    exponents : tuple of (int, float)
        Place of each exponent in z, and by how much a unit of it raises the logarithm of all
        standard deviations in the user's covariates.
    constants : tuple of (int, int, float)
        Place of a constant, of its exponent, and the same number.
    """

    system: "_core.CorrelatedSystem"
    theta: Floats
    z: Floats
    exponents: tuple[tuple[int, float], ...]
    constants: tuple[tuple[int, int, float], ...]

    def moved(self, sigma: int, first: int) -> list[int]:
        """Which of all parameters differ in the user's covariates, sigma being at one place and the
        parameters of the rows from another one on.
        """
        return [sigma, *(first + constant for constant, _, _ in self.constants)]

    def outwards(self, parameters: Floats, sigma: int, first: int) -> Floats:
        """All parameters (…, m) as the user's covariates have them."""
        out = parameters.copy()
        shift = sum(height * out[..., first + i] for i, height in self.exponents)
        out[..., sigma] *= np.exp(-shift)
        for constant, exponent, height in self.constants:
            out[..., first + constant] *= np.exp(height * out[..., first + exponent])
        return out

    def spread(self, lower: Floats, upper: Floats, first: int) -> float:
        """By how much the logarithm of sigma moves while the exponents move by so much (m,)."""
        return float(sum(abs(height) * (upper - lower)[first + i] for i, height in self.exponents))
