"""Which random effects a prediction is conditional on:
all, none, or those a formula such as ``~ (1 | school)`` names.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import RandomTerm
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit
from ranef.formula import parse_formula
from ranef.formula.random import RandomExpr

Mask = NDArray[np.bool_]


_ALLOWED = "re must be 'conditional', 'population' or a formula such as '~ (1 | g)'"
_OF_R = " What R calls re.form=NULL is 'conditional', re.form=NA is 'population'."


def conditioned_effects(fit: MixedFit, re: object) -> tuple[Mask, ...]:
    """Choose the effects of every random term (in lme4's order)
    whose conditional modes enter a prediction.

    Parameters
    ----------
    fit : MixedFit
    re : str
        ``"conditional"``, ``"population"``, or a one-sided formula of random terms. A term of the
        formula stands for the effects of the model with the same grouping factor and the same
        label: ``~ (1 | g)`` takes the intercepts out of ``(x | g)``.
    """
    if not isinstance(re, str):
        raise ArgumentTypeError(f"{_ALLOWED}, not {re!r}.{_OF_R}")
    if re == "conditional":
        return tuple(np.ones(len(t.names), bool) for t in fit.terms)
    masks = tuple(np.zeros(len(t.names), bool) for t in fit.terms)
    if re == "population":
        return masks
    if not re.lstrip().startswith("~"):
        raise OptionError(f"{_ALLOWED}, not {re!r}.{_OF_R}")
    formula = parse_formula(re)
    if formula.fixed or formula.offsets:
        raise OptionError(f"the formula of re may hold random terms only, such as '~ (1 | g)'; {re!r} has other terms.")
    for bar in formula.random:
        # effects of a nonlinear model are parameters of its curve, and no intercepts
        plain = bar.intercept and not fit.columns_are_slopes
        wanted = ["(Intercept)"] * plain + [t.label for t in bar.effects]
        found: set[str] = set()
        for term, mask in zip(fit.terms, masks, strict=True):
            if set(term.factors) == set(bar.group) and _is_of(bar, term):
                chosen = [label in wanted for label in term.labels]
                mask[chosen] = True
                found.update(label for label in term.labels if label in wanted)
        if len(found) < len(wanted):
            absent = ", ".join(w for w in wanted if w not in found)
            available = ", ".join(f"({t.text})" for t in fit.terms)
            raise OptionError(
                f"the model has no random effect {absent} for {bar.group_label}, as ({bar.text}) asks; its random "
                f"terms are {available}."
            )
    return masks


def _is_of(bar: RandomExpr, term: RandomTerm) -> bool:
    """Whether a term of a formula has the matrix of a term, and its kind of members."""
    matrix = None if bar.known is None else f"{bar.known.name}^-1" if bar.known.inverse else bar.known.name
    own = None if term.relation is None else term.relation.name
    return matrix == own and (bar.members is None) == term.has_one_level
