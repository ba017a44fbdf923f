"""The names in a model that a report shows, which the user may give labels."""

from collections.abc import Iterator

from ranef.design.encoder import ARRAY
from ranef.fit.record import MixedFit
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import names_in
from ranef.presentation.term_labels import checked_labels


def checked_report_labels(labels: object, fit: MixedFit) -> dict[str, str]:
    """Check the user's labels for the names of a model.

    Parameters
    ----------
    labels : mapping or None
    fit : MixedFit

    Raises
    ------
    OptionError
        For a label of a name that does not occur.
    """
    return checked_labels(labels, _names(fit))


def _names(fit: MixedFit) -> Iterator[str]:
    """Names of response, coefficients and random effects, variables and grouping factors."""
    formula = fit.design.formula
    if formula.response is not None:
        yield formula.response.name
        yield from names_in(formula.response.expr)
    yield from fit.x_names
    yield from predictor_names(fit)
    for offset in formula.offsets:
        yield from names_in(offset.expr)
    given = fit.design.encoder.offset
    if given is not None and given != ARRAY:
        yield from names_in(parse_expression(given))
    for term in fit.terms:
        yield from term.names
        yield term.group


def predictor_names(fit: MixedFit) -> list[str]:
    """Columns of the data that fixed and random effects are made of."""
    formula = fit.design.formula
    fixed = [v.expr for term in formula.fixed for v in term.variables]
    random = [v.expr for bar in formula.random for term in bar.effects for v in term.variables]
    return list(dict.fromkeys(name for expr in (*fixed, *random) for name in names_in(expr)))
