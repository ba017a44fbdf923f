"""What the core found of a model of ordered categories, with the coefficients of the location apart
from all others, which the record keeps as extra parameters.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Which coefficients the core has.

    Attributes
    ----------
    location : tuple of int
        Columns of the location in use.
    others : tuple of int
        Thresholds, nominal and scale effects in use, by their number among all of them.
    n_others : int
        How many there are, those included that the rows do not determine.
    """

    location: tuple[int, ...]
    others: tuple[int, ...]
    n_others: int

    @classmethod
    def of(cls, kept: list[int], n_location: int, n_others: int) -> "Coefficients":
        """From the numbers of the coefficients in use, the location's first."""
        location = tuple(j for j in kept if j < n_location)
        return cls(location, tuple(j - n_location for j in kept if j >= n_location), n_others)

    def joined(self, beta: Floats, others: Floats) -> Floats:
        """All coefficients as the core takes them."""
        return np.concatenate([beta, np.asarray(others)[list(self.others)]])

    def apart(self, beta: Floats) -> tuple[Floats, Floats]:
        """Those of the location and all others, 0 where there is none."""
        p = len(self.location)
        others = np.zeros(self.n_others)
        others[list(self.others)] = beta[p:]
        return np.ascontiguousarray(beta[:p]), others

    def places(self, m: int) -> NDArray[np.intp]:
        """Where m covariance parameters and the coefficients in use are among all parameters."""
        first = m + len(self.location)
        return np.concatenate([np.arange(first), first + np.asarray(self.others, dtype=np.intp)]).astype(np.intp)

    def widened(self, values: Floats | None, m: int, absent: float) -> Floats | None:
        """A vector or matrix of the parameters in use as one of all."""
        if values is None:
            return None
        at, n = self.places(m), m + len(self.location) + self.n_others
        out = np.full((n,) * values.ndim, absent)
        out[np.ix_(*([at] * values.ndim))] = values
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Ending:
    whole: "_core.Ending"
    gradient: Floats | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


@dataclass(frozen=True, slots=True, eq=False)
class _Solution:
    """Estimates as of one linear predictor."""

    theta: Floats
    beta: Floats
    extras: Floats
    eta: Floats
    mu: Floats
    vcov_profiled: Floats
    u: list[Floats]
    b: list[Floats]
    dispersion: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Valley:
    objective: float
    theta: Floats
    beta: Floats | None
    extras: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    whole: "_core.Search"
    valleys: list[_Valley]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """A fit of the core as one of models with one linear predictor and extra parameters."""

    solution: _Solution | None
    ending: Any
    search: Any
    separated: list[int]
    hessian: Floats | None
    vcov: Floats | None
    covariance: Floats | None


def coefficients_of(valley: Any) -> tuple[Any, Any]:
    """Fixed effects and extra parameters of another optimum as the core takes them."""
    if isinstance(valley, _Valley):
        return (None if valley.beta is None else np.concatenate([valley.beta, valley.extras])), None
    return valley.beta, valley.extras


def located(found: "_core.GeneralizedFit", c: Coefficients, n: int) -> Any:
    """Take the coefficients apart.

    Parameters
    ----------
    found : GeneralizedFit
    c : Coefficients
    n : int
        Number of rows.
    """
    p, s = len(c.location), found.solution
    m = 0 if s is None else len(s.theta)
    solution = None
    if s is not None:
        beta, extras = c.apart(s.beta)
        eta = np.ascontiguousarray(s.eta[:n])
        profiled = np.ascontiguousarray(s.vcov_profiled[:p, :p])
        solution = _Solution(s.theta, beta, extras, eta, eta, profiled, s.u, s.b)
    valleys = [
        _Valley(
            v.objective, v.theta, None if v.beta is None else v.beta[:p], np.empty(0) if v.beta is None else v.beta[p:]
        )
        for v in found.search.valleys
    ]
    return Located(
        solution,
        _Ending(found.ending, c.widened(found.ending.gradient, m, 0.0)),
        _Search(found.search, valleys),
        [j for j in found.separated if j < p],
        c.widened(found.hessian, m, np.nan),
        None if found.vcov is None else np.ascontiguousarray(found.vcov[:p, :p]),
        c.widened(found.covariance, m, np.nan),
    )
