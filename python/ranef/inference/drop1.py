"""Tests of fixed terms: each that no interaction contains is left out in turn."""

import math
from collections.abc import Sequence

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.control import FitControl
from ranef.fit.record import MixedFit
from ranef.fit.sums.fewer_terms import fixed_scope, not_smaller, without_fixed_term
from ranef.formula import parse_formula
from ranef.inference.likelihood_ratio import Comparison, chi_square_p, not_sure
from ranef.inference.maximised import need_maximised
from ranef.inference.ranova import FULL
from ranef.inference.reduced import criterion_of, fit_reduced, refit_by


def parse_scope(fit: MixedFit, scope: object) -> tuple[str, ...]:
    """The terms to drop.

    Parameters
    ----------
    fit : MixedFit
    scope : None, str or sequence of str
        Labels of terms, or a one-sided formula of them; None for all that can be dropped.

    Returns
    -------
    tuple of str

    Raises
    ------
    OptionError
        For a term that is not in the model, or is part of an interaction in it.
    """
    allowed = fixed_scope(fit.design)
    if scope is None:
        return allowed
    if isinstance(scope, str) and "~" in scope:
        wanted: Sequence[object] = [t.label for t in parse_formula(scope).fixed]
    else:
        wanted = [scope] if isinstance(scope, str) else list(scope) if isinstance(scope, Sequence) else []
        if not all(isinstance(w, str) for w in wanted) or not isinstance(scope, Sequence):
            raise ArgumentTypeError(
                f"scope must be the label of a term, a list of labels, or a formula such as '~ a + b', not {scope!r}."
            )
    if not wanted:
        raise OptionError(
            f"scope names no term; the fixed terms that can be left out are {', '.join(allowed) or 'none'}."
        )
    labels = fit.design.fixed_terms
    sets = {frozenset(v.label for v in t.variables): t.label for t in fit.design.formula.fixed}
    plain = {":".join(v.name for v in t.variables): t.label for t in fit.design.formula.fixed}
    found = []
    for label in wanted:
        own = (
            label
            if label in labels
            else plain.get(str(label)) or sets.get(frozenset(str(label).replace(" ", "").split(":")))
        )
        if own is None:
            raise OptionError(
                f"scope names {label!r}, which is no fixed term of the model. They are {', '.join(labels) or 'none'}."
            )
        if own not in allowed:
            inside = frozenset(next(k for k, v in sets.items() if v == own))
            holder = next(v for k, v in sets.items() if inside < k)
            raise OptionError(
                f"{own} cannot be dropped while the model has {holder}, which contains it; those that can are "
                f"{', '.join(allowed)}."
            )
        found.append(own)
    return tuple(dict.fromkeys(found))


def compare_deletions(fit: MixedFit, scope: object, control: FitControl) -> Comparison:
    """Compare a fit by maximum likelihood with every model that has one fixed term less.

    Parameters
    ----------
    fit : MixedFit
        A REML fit is refitted by ML.
    scope : None, str or sequence of str
        The terms to drop, see `parse_scope`.
    control : FitControl

    Returns
    -------
    Comparison
        The fit itself first; the rows after it are compared with it.
    """
    need_maximised(fit, "drop1")
    labels = parse_scope(fit, scope)
    notes = ["the model was refitted by ML for the tests, instead of REML"] if fit.reml else []
    ml = refit_by(fit, False, control)
    full = criterion_of(ml)
    names, models = [FULL], [full]
    statistic, df, p = [math.nan], [math.nan], [math.nan]
    if full.trouble:
        notes.append(f"the model {full.trouble}: the tests cannot be relied on")
    for label in labels:
        if odd := not_smaller(fit.design, label):
            notes.append(odd)
        model = fit_reduced(fit, without_fixed_term(fit.design, label), False, control)
        names.append(label)
        models.append(model)
        if model.trouble:
            notes.append(f"the model without {label} {model.trouble}: its test cannot be relied on")
        df.append(full.npar - model.npar)
        change = model.objective - full.objective
        unsure = not_sure(f"{FULL} against the model without {label}", change, full, model) if df[-1] else ""
        if unsure:
            notes.append(unsure)
            statistic.append(math.nan)
            p.append(math.nan)
            continue
        # Without degrees of freedom it is the same column space: what is left is the rounding of
        # two optimisations.
        statistic.append(max(0.0, change) if df[-1] else 0.0)
        p.append(chi_square_p(statistic[-1], df[-1]))
    if not labels:
        notes.append("the model has no fixed term but the intercept")
    return Comparison(
        tuple(names),
        tuple(models),
        tuple(statistic),
        tuple(df),
        tuple(p),
        (math.nan,) * len(p),
        False,
        fit.nobs,
        tuple(notes),
    )
