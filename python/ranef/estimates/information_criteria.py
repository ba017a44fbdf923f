"""Information criteria as other programs count parameters and observations."""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

from ranef.data.table import Table
from ranef.design.values import as_factor, from_column
from ranef.errors import DataError, OptionError
from ranef.estimates.criteria import criteria
from ranef.fit.record import MixedFit
from ranef.fit.sums.absent_data import AbsentData

Convention = Literal["ranef", "sas", "mmrm"]
"""Whose rules: those of ``aic`` and ``bic``, of SAS PROC MIXED, or of R's mmrm."""


def information_criteria(
    fit: MixedFit, convention: object, subjects: Callable[[], int], penalized: bool = False
) -> dict[str, float]:
    """-2 log-likelihood, AIC, AICc and BIC of a linear model.

    SAS counts covariance parameters under REML, and fixed effects too under ML; its AICc has the
    rows less the fixed effects under REML, and its BIC the subjects that were read. mmrm counts
    covariance parameters alone, and the subjects that were used.

    Parameters
    ----------
    fit : MixedFit
    convention : {"ranef", "sas", "mmrm"}
    subjects : callable
        The number of subjects of the data, also those without a row that was used.
    """
    if convention not in get_args(Convention):
        raise OptionError(
            f"convention must be one of {', '.join(map(repr, get_args(Convention)))}, not {convention!r}."
        )
    why = fit.why_no_likelihood
    if why is not None and not (penalized and fit.design.sampling is None):
        hint = "" if fit.design.sampling is not None else "; penalized=True gives them all the same"
        raise OptionError(f"information criteria are not given: {why}{hint}.")
    if convention == "ranef":
        c = criteria(fit, True)
        return {"objective": fit.objective, "aic": c.aic, "aicc": c.aicc, "bic": c.bic}
    fixed, n = len(fit.beta), fit.nobs
    covariance = fit.npar - fixed
    k = covariance + (fixed if convention == "sas" and not fit.reml else 0)
    rows = n - fixed if fit.reml else n
    count = subjects() if convention == "sas" else _used(fit)
    left = rows - k - 1
    return {
        "objective": fit.objective,
        "aic": fit.objective + 2 * k,
        "aicc": fit.objective + 2 * k * rows / left if left > 0 else math.inf,
        "bic": fit.objective + k * math.log(count),
    }


def subjects_read(fit: MixedFit, data: Any) -> int:
    """Subjects of the data: of correlated rows, else the levels of the largest factor."""
    residual = fit.design.residual
    if residual is None or residual.expr.correlation is None:
        return _used(fit)
    if isinstance(data, AbsentData):
        raise DataError(f"SAS counts all subjects of the data, and {data.reason}; give them by update(data=...).")
    table = Table.from_data(data)
    codes = [as_factor(from_column(table.column(v.name)), v.name).codes for v in residual.expr.correlation.subject]
    present = {row for row in zip(*(c.tolist() for c in codes), strict=True) if min(row) >= 0}
    return len(present)


def _used(fit: MixedFit) -> int:
    """Subjects with a row that was used; without them the levels of the largest factor."""
    residual = fit.design.residual
    if residual is not None:
        return len(set(residual.subject.tolist()))
    return max((len(t.levels) for t in fit.terms), default=fit.nobs)
