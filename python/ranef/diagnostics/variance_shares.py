"""Shares of variance: intraclass correlation and Nakagawa's R².

The variance of the random effects of a term is the mean over the rows of ``z' S z`` with S their covariance, so that random slopes count with the values that
their variables have in the data. That of the fixed effects is the variance over the rows of the fixed part, without the offset.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ranef.errors import ArgumentTypeError
from ranef.fit.record import LmmFit

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class VarianceParts:
    """Mean variances of an observation.

    Attributes
    ----------
    fixed : float
    random : dict
        By grouping factor, terms on the same one added.
    residual : float
        sigma².
    """

    fixed: float
    random: dict[str, float]
    residual: float


@dataclass(frozen=True, slots=True)
class Icc:
    """Intraclass correlation.

    Attributes
    ----------
    adjusted : float
        Share of the random effects in the variance that the fixed effects leave.
    unadjusted : float
        Share of the random effects in the whole variance, that of the fixed effects among it.
    """

    adjusted: float
    unadjusted: float


@dataclass(frozen=True, slots=True)
class RSquared:
    """Nakagawa's R².

    Attributes
    ----------
    marginal : float
        Share of the fixed effects in the variance.
    conditional : float
        Share of the fixed and random effects together.
    """

    marginal: float
    conditional: float


def variance_parts(fit: LmmFit) -> VarianceParts:
    """Compute the mean variances; an effect on the boundary has variance zero."""
    random: dict[str, float] = {}
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        # The mean of z' S z is the trace of S times the mean of z z'.
        scaled = (term.z @ factor) * fit.sigma
        random[term.group] = random.get(term.group, 0.0) + float(np.einsum("ij,ij->", scaled, scaled)) / fit.nobs
    fixed = fit.x @ fit.beta
    # From the first value, so that a constant has variance zero exactly.
    return VarianceParts(float(np.var(fixed - fixed[0], ddof=1)), random, fit.sigma**2)


def icc(fit: LmmFit) -> Icc:
    """Intraclass correlation of all grouping factors together."""
    parts = variance_parts(fit)
    total = sum(parts.random.values())
    return Icc(total / (total + parts.residual), total / (total + parts.residual + parts.fixed))


def icc_by_group(fit: LmmFit, by_group: object) -> "Icc | pd.DataFrame":
    """Intraclass correlation together, or a frame of the share of every grouping factor."""
    if not isinstance(by_group, bool | np.bool_):
        raise ArgumentTypeError(f"by_group must be True or False, not {by_group!r}.")
    if not by_group:
        return icc(fit)
    import pandas as pd

    parts = variance_parts(fit)
    total = sum(parts.random.values()) + parts.residual
    rows = [(v / total, v / (total + parts.fixed)) for v in parts.random.values()]
    return pd.DataFrame(rows, index=pd.Index(list(parts.random), name="group"), columns=["adjusted", "unadjusted"])


def r_squared(fit: LmmFit) -> RSquared:
    """Nakagawa's marginal and conditional R²."""
    parts = variance_parts(fit)
    random = sum(parts.random.values())
    total = parts.fixed + random + parts.residual
    return RSquared(parts.fixed / total, (parts.fixed + random) / total)
