"""Tests of whether effects differ by threshold, or act on the scale: each term in turn.

The first is the test of proportional odds: a term of the location against the same term with an
effect on every threshold.
"""

import math
from typing import Any

from ranef.errors import OptionError
from ranef.fit.control import FitControl
from ranef.fit.ordinal.fit import with_effects
from ranef.inference.likelihood_ratio import Comparison, chi_square_p
from ranef.inference.maximised import need_maximised
from ranef.inference.ranova import FULL
from ranef.inference.reduced import criterion_of, fit_reduced


def part_tests(fit: Any, name: str, scope: str | None, control: FitControl) -> Comparison:
    """Compare a fit with every model in which one term of its location is in a part too.

    Parameters
    ----------
    fit : MixedFit
        Of ordered categories.
    name : {"nominal", "scale"}
    scope : str, optional
        One term; all of the location by default.
    control : FitControl

    Returns
    -------
    Comparison
        The fit itself first; the rows after it are compared with it.
    """
    need_maximised(fit, f"{name}_test")
    design = fit.design
    labels = design.fixed_terms if scope is None else (scope,)
    for label in labels:
        if label not in design.fixed_terms:
            known = ", ".join(design.fixed_terms) or "none"
            raise OptionError(f"scope names {label!r}, which is no term of the location. They are {known}.")
    already = fit.terms_of_part(name)
    full, notes = criterion_of(fit), []
    names, models, statistic, df, p = [FULL], [full], [math.nan], [math.nan], [math.nan]
    for label in labels:
        if label in already:
            continue
        first, *others = with_effects(fit, name, label)
        model = fit_reduced(fit, first, False, control, tuple(others))
        names.append(label)
        models.append(model)
        if model.trouble:
            notes.append(f"the model with {name} effects of {label} {model.trouble}: its test cannot be relied on")
        df.append(float(model.npar - full.npar))
        statistic.append(max(0.0, full.objective - model.objective) if df[-1] else 0.0)
        p.append(chi_square_p(statistic[-1], df[-1]) if df[-1] else math.nan)
    return Comparison(
        tuple(names), tuple(models), tuple(statistic), tuple(df), tuple(p), (math.nan,) * len(p), False, fit.nobs,
        tuple(notes),
    )  # fmt: skip
