"""Adjustments of p-values and intervals for the number of tests in a family."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.inference.distributions import f_tail, p_values, t_multiplier
from ranef.inference.marginal_means.max_t import LargestT, range_quantile, range_tail

Floats = NDArray[np.float64]

#: p-values so close to 1 are taken as this far from it, where the logarithm is finite.
FROM_ONE = 1e-16

METHODS = ("none", "tukey", "mvt", "holm", "hochberg", "hommel", "bonferroni", "sidak", "fdr", "BY", "scheffe")

#: Other names of methods.
_ALIASES = {"BH": "fdr", "dunnett": "mvt", "šidák": "sidak"}

#: Methods that have intervals; those of the others are Bonferroni's.
_WITH_INTERVALS = ("none", "tukey", "mvt", "bonferroni", "sidak", "scheffe")


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Tests that are adjusted together.

    Attributes
    ----------
    statistic, df : (m,) arrays
        NaN where there is no estimate; such tests do not count.
    correlation : (m, m) array
        Empty where the adjustment does not need it, as is ``rank`` then 0.
    means : int
        How many means are compared.
    rank : int
        How many of the contrasts are independent.
    pairwise : bool
        Whether these are all differences between the means.
    alternative : {"two-sided", "greater", "less"}
    """

    statistic: Floats
    df: Floats
    correlation: Floats
    means: int
    rank: int
    pairwise: bool
    alternative: str = "two-sided"

    @property
    def known(self) -> NDArray[np.bool_]:
        """Tests that have a statistic."""
        return np.isfinite(self.statistic)


def checked_adjust(adjust: object, default: str) -> str:
    """Check the name of an adjustment; None is the default."""
    if adjust is None:
        return default
    if not isinstance(adjust, str):
        raise ArgumentTypeError(f"adjust must be one of {', '.join(map(repr, METHODS))}, not {adjust!r}.")
    name = _ALIASES.get(adjust, adjust)
    if name == "dunnettx":
        raise OptionError("'dunnettx' is an approximation of 'mvt' that is not made here; adjust='mvt' is exact.")
    if name not in METHODS:
        raise OptionError(f"adjust must be one of {', '.join(map(repr, METHODS))}, not {adjust!r}.")
    return name


def settled(adjust: str, family: Family) -> str:
    """The method that is used:
    Tukey's is for all differences between means only, and like Scheffé's for two-sided tests.
    """
    if adjust == "tukey" and not family.pairwise:
        return "sidak"
    return "sidak" if adjust in ("tukey", "scheffe") and family.alternative != "two-sided" else adjust


def interval_method(adjust: str) -> str:
    """The method of intervals that goes with one of p-values."""
    return adjust if adjust in _WITH_INTERVALS else "bonferroni"


def adjusted_p(family: Family, adjust: str) -> Floats:
    """p-values of a family.

    Parameters
    ----------
    family : Family
    adjust : str
        One of ``METHODS``.

    Returns
    -------
    (m,) array
    """
    known = family.known
    out = np.full(len(known), np.nan)
    t, df = family.statistic[known], family.df[known]
    m = len(t)
    if not m:
        return out
    p = p_values(t, df, family.alternative)
    adjust = settled(adjust, family)
    if adjust == "tukey":
        p = np.array([range_tail(abs(a) * np.sqrt(2.0), family.means, d) for a, d in zip(t, df, strict=True)])
    elif adjust == "mvt":
        largest, towards = _largest_t(family), t if family.alternative == "greater" else -t
        towards = np.abs(t) if family.alternative == "two-sided" else towards
        p = np.array([largest.tail(a, d) for a, d in zip(towards, df, strict=True)])
    elif adjust == "scheffe":
        p = np.array([f_tail(a * a / family.rank, family.rank, d) for a, d in zip(t, df, strict=True)])
    elif adjust == "bonferroni":
        p = np.minimum(1.0, m * p)
    elif adjust == "sidak":
        p = -np.expm1(m * np.log1p(-np.minimum(p, 1.0 - FROM_ONE)))
    elif adjust != "none":
        p = _stepwise(p, adjust)
    out[known] = p
    return out


def _largest_t(family: Family) -> LargestT:
    known = family.known
    return LargestT(family.correlation[np.ix_(known, known)], family.alternative != "two-sided")


def _stepwise(p: Floats, adjust: str) -> Floats:
    """Methods that compare the ordered p-values with limits that differ."""
    m = len(p)
    if adjust == "hommel":
        return _hommel(p)
    order = np.argsort(p, kind="stable")
    ranks = np.arange(1, m + 1)
    out = np.empty(m)
    if adjust == "holm":
        out[order] = np.maximum.accumulate((m - ranks + 1) * p[order])
    else:
        factor = {
            "hochberg": (m - ranks + 1).astype(np.float64),
            "fdr": m / ranks,
            "BY": (1.0 / ranks).sum() * m / ranks,
        }[adjust]
        out[order] = np.minimum.accumulate((factor * p[order])[::-1])[::-1]
    return np.minimum(out, 1.0)


def _hommel(p: Floats) -> Floats:
    """The largest Simes p-value of all sets of hypotheses that hold a given one."""
    m = len(p)
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    found = ordered.copy()
    for size in range(2, m + 1):
        # The set with the smallest evidence: the hypothesis and the size - 1 largest p-values of
        # the others.
        tail = ordered[m - size + 1 :]
        shared = float((size * tail / np.arange(2, size + 1)).min())
        own = np.minimum(size * ordered[: m - size + 1], shared)
        found[: m - size + 1] = np.maximum(found[: m - size + 1], own)
        inside = min(shared, size * float(ordered[m - size]))
        found[m - size + 1 :] = np.maximum(found[m - size + 1 :], inside)
    out = np.empty(m)
    out[order] = np.minimum(found, 1.0)
    return out


def multipliers(family: Family, adjust: str, level: float) -> Floats:
    """Half-widths of intervals in standard errors; of one-sided ones the distance of their end.

    Parameters
    ----------
    family : Family
    adjust : str
    level : float
        For all intervals of the family together.

    Returns
    -------
    (m,) array
    """
    from scipy.special import chdtri, fdtri

    known = family.known
    out = np.full(len(known), np.nan)
    df, m, alpha = family.df[known], int(known.sum()), 1.0 - level
    if not m:
        return out
    method = interval_method(settled(adjust, family))
    single = {"bonferroni": alpha / m, "sidak": 1.0 - level ** (1.0 / m), "none": alpha}.get(method)
    if single is not None:
        out[known] = t_multiplier(1.0 - (single if family.alternative == "two-sided" else 2.0 * single), df)
    else:
        largest = _largest_t(family) if method == "mvt" else None
        found: dict[float, float] = {}
        for d in df.tolist():
            key = round(d, 9)
            if key in found:
                continue
            if largest is not None:
                found[key] = largest.quantile(alpha, d)
            elif method == "tukey":
                found[key] = range_quantile(alpha, family.means, d) / float(np.sqrt(2.0))
            else:
                r = family.rank
                found[key] = float(np.sqrt(r * fdtri(r, d, level) if np.isfinite(d) else chdtri(r, alpha)))
        out[known] = [found[round(d, 9)] for d in df.tolist()]
    return out
