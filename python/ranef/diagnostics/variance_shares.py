"""Shares of variance: intraclass correlation and Nakagawa's R².

The variance of the random effects of a term is the mean over the rows of ``z' S z`` with S their
covariance, so that random slopes count with the values that their variables have in the data. That
of the fixed effects is the variance over the rows of the fixed part, without the offset. In a
generalized model all are on the scale of the link, and the variance of an observation is that of
its family there (Nakagawa, Johnson and Schielzeth 2017).
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ranef.design.membership import size_of
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit
from ranef.fit.refits.again import fit_again

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
        sigma², or the variance of the family on the scale of the link.
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

    def __str__(self) -> str:
        return (
            f"Random effects make up {_percent(self.adjusted)} of the variance that the fixed effects leave (adjusted "
            f"ICC {self.adjusted:.3f})\nand {_percent(self.unadjusted)} of the whole variance (unadjusted ICC "
            f"{self.unadjusted:.3f})."
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>"


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

    def __str__(self) -> str:
        return (
            f"Fixed effects explain {_percent(self.marginal)} of the variance (marginal R² {self.marginal:.3f}),\n"
            f"fixed and random effects together {_percent(self.conditional)} (conditional R² {self.conditional:.3f})."
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def random_variances(fit: MixedFit) -> dict[str, float]:
    """Mean variance that the random effects of every grouping factor give an observation.

    An effect on the boundary has variance zero.
    """
    random: dict[str, float] = {}
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        # The mean of z' S z is the trace of S times the mean of z z'.
        scaled = (fit.random_root(term) @ factor) * fit.random_scale
        sizes = size_of(term.places)[:, None] if term.has_members else 1.0
        random[term.group] = random.get(term.group, 0.0) + float(np.sum(sizes * scaled * scaled)) / fit.nobs
    return random


def variance_parts(fit: MixedFit) -> VarianceParts:
    """Compute the mean variances."""
    random = random_variances(fit)
    return VarianceParts(fit.fixed_spread() if len(fit.beta) else 0.0, random, observation_variance(fit))


def observation_variance(fit: MixedFit) -> float:
    """Variance of an observation around its linear predictor.

    A binomial response has that of the link's latent variable, as in the references. Other families
    have theirs at the mean of the model without predictors: with the log link ``log(1 + V / mu²)``,
    as of a lognormal variable, and with other links by the delta method. With zeros or
    dispersions of their own it is that of the whole response, averaged over the rows.
    """
    found = fit.variance_around_predictor
    if found is None:
        null = null_fit(fit)
        eta = float(null.beta[0]) + (0.0 if null.design.offset is None else float(null.design.offset.mean()))
        if fit.family.link == "log":
            eta += sum(random_variances(null).values()) / null.random_scale**2 / 2
        found = fit.variance_around(eta)
    if not math.isfinite(found):
        raise OptionError(
            f"responses of the {fit.family.label(fit.spread)} family have no variance at these estimates, and so there "
            "are no shares of it."
        )
    return found


def total_variance(fit: MixedFit) -> float:
    """Variance of an observation around its fixed part; NaN where responses have no variance on the
    scale of the linear predictor but by an approximation.
    """
    residual = fit.variance_around_predictor
    if residual is None:
        return math.nan
    return sum(random_variances(fit).values()) + residual


def null_fit(fit: MixedFit) -> MixedFit:
    """The model of a fit with an intercept for its fixed effects.

    Its offset and random effects stay.
    """
    design = replace(fit.design.with_rows(x=np.ones((fit.nobs, 1), order="F")), x_names=("(Intercept)",), x_assign=(0,))
    return fit_again(fit, design, order=fit.order)


def icc(fit: MixedFit) -> Icc:
    """Intraclass correlation of all grouping factors together."""
    parts = variance_parts(fit)
    total = sum(parts.random.values())
    return Icc(total / (total + parts.residual), total / (total + parts.residual + parts.fixed))


def icc_by_group(fit: MixedFit, by_group: object) -> "Icc | pd.DataFrame":
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


def r_squared(fit: MixedFit) -> RSquared:
    """Nakagawa's marginal and conditional R²."""
    parts = variance_parts(fit)
    random = sum(parts.random.values())
    total = parts.fixed + random + parts.residual
    return RSquared(parts.fixed / total, (parts.fixed + random) / total)
