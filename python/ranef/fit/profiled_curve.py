"""The profile of one parameter, as the core gives it."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ProfiledCurve:
    """n points by increasing value; none where the parameter has no value at the estimate.

    Attributes
    ----------
    index : int
        Place of the parameter in the core's list.
    value, zeta : (n,) arrays
    rate : (n,) array
        Derivative of zeta with respect to the parameter, the logarithm of sigma and of other
        positive parameters, or the arcsine of a correlation.
    parameters : (n, m) array
        All parameters along the curve.
    lower, upper : (t,) arrays
        Where zeta is minus and plus each target.
    endings : pair of str
        Why the sides end: ``reached``, ``bound``, ``unreached``, ``undefined``, or ``far`` (of a
        sigma that is far outside the data, which has no curve).
    monotone, converged : bool
    """

    index: int
    value: Floats
    zeta: Floats
    rate: Floats
    parameters: Floats
    lower: Floats
    upper: Floats
    endings: tuple[str, str]
    monotone: bool
    converged: bool

    @property
    def lost(self) -> tuple[bool, bool]:
        """Whether a limit was not found though the side goes beyond it."""
        sides = zip((self.lower, self.upper), self.endings, strict=True)
        lower, upper = (end == "reached" and bool(np.isnan(limits).any()) for limits, end in sides)
        return lower, upper

    @classmethod
    def of(cls, found: "_core.Curve | ProfiledCurve", **own: Any) -> Self:
        """A curve of another kind, with some fields of its own."""
        return cls(**{f.name: getattr(found, f.name) for f in fields(ProfiledCurve)} | own)
