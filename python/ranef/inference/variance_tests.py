"""Likelihood-ratio tests of variances: a hypothesis on the edge of the parameter space, where the
statistic is a mixture of chi-squares.

A variance cannot be negative, so half of the chance that a chi-square test counts on is not there.
What is left is a chi-bar-square: chi-squares of several degrees of freedom, mixed by weights that
depend on the shape of the space near the hypothesis (Self and Liang 1987; Stram and Lee 1994).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import RandomTerm
from ranef.fit.order import theta_count

Floats = NDArray[np.float64]

#: Squared share of a column that its combination of other columns may leave, and the least that it
#: is a share of.
LEFT, TINY = 1e-16, 1e-300

#: Where one more effect leaves a covariance matrix: the half of all directions in which its
#: variance would be negative.
_ONE = (0.5, 0.5)
#: The cone of 2 × 2 covariance matrices is a circular cone of half-angle 45 degrees; these are its
#: intrinsic volumes.
_TWO = ((2 - math.sqrt(2)) / 4, math.sqrt(2) / 4, math.sqrt(2) / 4, (2 - math.sqrt(2)) / 4)


#: A difference of two criteria below this is one of rounding and of where the fits stopped.
_ZERO = 1e-6


@dataclass(frozen=True, slots=True)
class ChiBarSquare:
    """The distribution of a likelihood-ratio statistic of variances.

    Attributes
    ----------
    weights : tuple of float
        Weight of the chi-square with 0, 1, 2 … degrees of freedom.
    kind : {"exact", "balanced", "independent", "bound"}
        What the weights are: right for any data; right where the groups have the same design; right
        where the estimates of the variances are independent; or those that give the largest p-value
        any data could have.
    """

    weights: tuple[float, ...]
    kind: str

    @property
    def at_boundary(self) -> bool:
        """Whether more than one chi-square is mixed."""
        return sum(w > 0 for w in self.weights) > 1

    def p_value(self, statistic: float) -> float:
        """The chance of a larger statistic.

        Parameters
        ----------
        statistic : float

        Returns
        -------
        float
            1 for a statistic of zero, up to what two fits can tell apart.
        """
        if math.isnan(statistic):
            return math.nan
        from scipy.special import gammaincc

        tails = [
            1.0 if statistic <= _ZERO else 0.0,
            *(float(gammaincc(df / 2, max(statistic, 0.0) / 2)) for df in range(1, len(self.weights))),
        ]
        return float(sum(w * tail for w, tail in zip(self.weights, tails, strict=True)))

    def words(self) -> str:
        """The mixture in words, as ``0.5 chi2(0) + 0.5 chi2(1)``."""
        return " + ".join(f"{w:.4g} chi2({df})" for df, w in enumerate(self.weights) if w)


_KINDS = ("exact", "balanced", "independent", "bound")

KIND_NOTES: Mapping[str, str] = {
    "balanced": "its weights are exact where all groups have the same design and approximate otherwise",
    "independent": "its weights take the estimates of the variances to be independent",
    "bound": "its weights give an upper bound of the p-value, because three or more correlated effects are dropped",
}
"""What is said of the weights of each kind that is not exact."""


def variance_mixture(larger: Sequence[RandomTerm], smaller: Sequence[RandomTerm]) -> ChiBarSquare | None:
    """The distribution for two sets of random terms of which the smaller is a special case of the
    larger.

    Parameters
    ----------
    larger, smaller : sequence of RandomTerm
        The random terms of two models of the same rows.

    Returns
    -------
    ChiBarSquare or None
        None when the smaller one is not seen to be a special case: every term of it must lie in a
        term of the larger one on the same groups.
    """
    homes: list[list[RandomTerm]] = [[] for _ in larger]
    for term in smaller:
        home = _home(term, larger, homes)
        if home is None:
            return None
        homes[home].append(term)
    parts = [_part(term, inside) for term, inside in zip(larger, homes, strict=True)]
    return product_of(parts)


def product_of(parts: Sequence[ChiBarSquare | None]) -> ChiBarSquare | None:
    """The distribution of the sum of independent statistics; None where one has none."""
    weights: Floats = np.ones(1)
    kinds = []
    cones = 0
    for part in parts:
        if part is None:
            return None
        weights = np.convolve(weights, part.weights)
        kinds.append(part.kind)
        cones += part.at_boundary
    kind = max(kinds, key=_KINDS.index, default="exact")
    if cones > 1 and kind != "bound":
        kind = "independent"
    return ChiBarSquare(tuple(float(w) for w in weights), kind)


def _home(term: RandomTerm, larger: Sequence[RandomTerm], homes: Sequence[Sequence[RandomTerm]]) -> int | None:
    """The term of the larger model that has the effects of a term: the one that is the same, else
    the first that has room.
    """
    fitting = []
    for i, other in enumerate(larger):
        room = len(other.names) - sum(len(t.names) for t in homes[i])
        if len(term.names) > room or not _same_groups(term, other):
            continue
        if term.rows is None or other.rows is None:  # only the names are left
            if term.names == other.names:
                return i
            if set(term.names) <= set(other.names):
                fitting.append(i)
            continue
        if term.names == other.names and np.array_equal(term.z, other.z):
            return i
        if columns_within(term.z, other.z):
            fitting.append(i)
    return fitting[0] if fitting else None


def _part(term: RandomTerm, inside: Sequence[RandomTerm]) -> ChiBarSquare | None:
    """The mixture for one term of the larger model and what the smaller one keeps of it."""
    k, kept = len(term.names), sum(len(t.names) for t in inside)
    dropped = k - kept
    own = sum(theta_count(len(t.names), t.structure) for t in inside)
    if any(t.structure not in ("unstructured", "diagonal") for t in (term, *inside)):
        return None  # the covariance matrices form no cone that is known
    if term.structure == "diagonal":
        if own != kept:
            return None  # correlations that the larger model does not have
        return ChiBarSquare(
            tuple(math.comb(dropped, j) / 2**dropped for j in range(dropped + 1)),
            "independent" if dropped > 1 else "exact",
        )
    # Covariances among what is kept, and of it with what is dropped, are free in the larger model.
    free = kept * (kept + 1) // 2 - own + dropped * kept
    cone: tuple[float, ...]
    if dropped == 0:
        cone, kind = (1.0,), "exact"
    elif dropped == 1:
        cone, kind = _ONE, "exact"
    elif dropped == 2:
        cone, kind = _TWO, "balanced"
    else:
        # Even and odd dimensions of a cone weigh one half each, so the p-value is largest with all
        # of it on the two largest.
        cone, kind = (0.0,) * (dropped * (dropped + 1) // 2 - 1) + _ONE, "bound"
    return ChiBarSquare((0.0,) * free + cone, kind)


def _same_groups(a: RandomTerm, b: RandomTerm) -> bool:
    if len(a.levels) != len(b.levels):
        return False
    if a.has_members or b.has_members:
        return a.has_members and b.has_members and a.factor_key == b.factor_key
    if a.rows is None or b.rows is None:
        return a.group == b.group and np.array_equal(a.levels, b.levels)
    if a.codes is b.codes or np.array_equal(a.codes, b.codes):
        return True
    pairs = a.codes.astype(np.int64) * len(b.levels) + b.codes  # the same partition under other numbers
    return len(np.unique(pairs)) == len(a.levels)


def columns_within(z: Floats, basis: Floats) -> bool:
    """Whether every column of ``z`` is a combination of those of ``basis``."""
    scale = np.sqrt((basis * basis).sum(axis=0))
    scaled = basis / np.where(scale > 0, scale, 1.0)
    solution = np.linalg.lstsq(scaled, z, rcond=None)[0]
    left = z - scaled @ solution
    return bool(np.all((left * left).sum(axis=0) <= LEFT * np.maximum((z * z).sum(axis=0), TINY) * len(z)))
