"""Fixed effects of several models as rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ranef.errors import OptionError
from ranef.fit.record import MixedFit
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.wald import wald_intervals

if TYPE_CHECKING:
    import pandas as pd


def model_names(names: object, count: int) -> list[str]:
    """Check names of models; ``m1, m2, …`` when there are none."""
    if names is None:
        return [f"m{i + 1}" for i in range(count)]
    out = [] if isinstance(names, str) or not isinstance(names, Sequence) else list(names)
    if len(out) != count or not all(isinstance(n, str) for n in out) or len(set(out)) < count:
        raise OptionError(f"names must be {count} different texts, one for each model, not {names!r}.")
    return out


def coefficient_rows(
    fits: Sequence[MixedFit], names: object = None, level: object = 0.95, intercept: bool = False
) -> "pd.DataFrame":
    """List estimates with Wald intervals.

    Parameters
    ----------
    fits : sequence of MixedFit
    names : sequence of str, optional
        Names of the models.
    level : float
    intercept : bool
        Whether to list intercepts.

    Returns
    -------
    DataFrame
        Columns ``model, term, estimate, lower, upper``; terms in the order in which they first
        occur.
    """
    import pandas as pd

    rows = []
    for fit, name in zip(fits, model_names(names, len(fits)), strict=True):
        terms, limits = wald_intervals(FixedEffectTests(fit), level)
        rows += [
            (name, term, float(estimate), float(lower), float(upper))
            for term, estimate, (lower, upper) in zip(terms, fit.beta, limits, strict=True)
            if intercept or term != "(Intercept)"
        ]
    if not rows:
        raise OptionError("the models have no fixed effects but the intercept; intercept=True draws that.")
    return pd.DataFrame(rows, columns=["model", "term", "estimate", "lower", "upper"])
