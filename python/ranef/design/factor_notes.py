"""What a user should know of how factors are coded."""

from ranef.design.checks import BESIDE_INTERCEPT
from ranef.design.coding import Coder
from ranef.formula.formula import Formula
from ranef.formula.syntax import Name


def polynomial_notes(formula: Formula, coder: Coder) -> list[str]:
    """Say that columns of ordered categories have polynomials, as those of R have."""
    notes = []
    for variable in dict.fromkeys(v for t in formula.fixed for v in t.variables):
        if isinstance(variable.expr, Name) and coder.codes_polynomials(variable.label):
            name = variable.name
            notes.append(
                f"{name} is an ordered factor, so that its effects are polynomials: {name}[.L] is the linear trend "
                f"over its levels; for differences from the first level give contrasts={{{variable.label!r}: "
                "'treatment'}"
            )
    return notes


def split_factor_notes(formula: Formula, coder: Coder) -> list[str]:
    """Say what a double bar does to a factor, which is seldom what was meant."""
    names = [v.name for b in formula.random if b.split for t in b.effects for v in t.variables if coder.is_factor(v)]
    if not names:
        return []
    different = list(dict.fromkeys(names))
    what = ", ".join(different)
    stand = f"the factor {what} stands" if len(different) == 1 else f"the factors {what} stand"
    bars = {(b.span, b.group_label) for b in formula.random if b.split and b.intercept}
    beside = any((b.span, b.group_label) in bars for b in formula.random if b.split and b.effects)
    return [
        f"{stand} to the left of a double bar: as in lme4, '||' separates terms but not the "
        f"levels of a factor, whose effects stay correlated{BESIDE_INTERCEPT if beside else ''}. diag(... | "
        "group) makes all effects uncorrelated"
    ]
