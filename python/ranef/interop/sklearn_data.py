"""What scikit-learn hands to an estimator, as a formula and columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranef.errors import ArgumentTypeError, FormulaError, OptionError
from ranef.formula import parse_formula
from ranef.formula.deparse import quoted_name
from ranef.formula.formula import Formula
from ranef.formula.syntax import Name, names_in

GROUPS = "groups"

NO_GROUPS = (
    "groups must be given: fit(X, y, groups=...), with one label for each row. In cross_validate, GridSearchCV and "
    "pipelines, enable scikit-learn's metadata routing and call set_fit_request(groups=True) on the estimator. Or "
    "name a column of X that holds the groups: formula='~ x + (1 | school)'."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The model to fit.

    Attributes
    ----------
    formula : str
    response : str
        Column of the response.
    groups : str or None
        Column that ``groups`` of ``fit`` and ``predict`` fills; None if the formula does not need
        it.
    terms : tuple of str
        Names of the coefficients of the features, in the order of X; empty if the formula was the
        user's.
    """

    formula: str
    response: str
    groups: str | None
    terms: tuple[str, ...] = ()


def plan_of_features(features: Sequence[str], random: object, intercept: bool) -> Plan:
    """Model with every feature as a fixed effect and one random term on ``groups``."""
    taken = set(features)
    response, groups = _free("y", taken), _free(GROUPS, taken)
    names = [quoted_name(f) for f in features]
    left = _random_effects(random, features)
    fixed = " + ".join([*(() if intercept else ("0",)), *names])
    return Plan(f"{response} ~ {fixed} + ({left} | {groups})", response, groups, tuple(features))


def plan_of_formula(text: object, features: Sequence[str]) -> Plan:
    """Model that the user wrote; its response, if it names one, is where ``y`` goes."""
    if not isinstance(text, str):
        raise ArgumentTypeError(f"formula must be text such as '~ x + (x | groups)', not {type(text).__name__}.")
    formula = parse_formula(text)
    needed = {n for bar in formula.random for v in bar.grouping for n in names_in(v.expr)}
    groups = GROUPS if GROUPS in needed and GROUPS not in features else None
    if formula.response is None:
        response = _free("y", {*features, *formula.names})
        return Plan(f"{response} {text.strip()}", response, groups)
    if not isinstance(formula.response.expr, Name):
        raise FormulaError(
            f"the formula transforms its response, {formula.response.label}, and predictions would not be on the scale "
            "of y. Write the name of the response, or nothing, and use sklearn.compose.TransformedTargetRegressor.",
            text,
        )
    return Plan(text, formula.response.expr.name, groups)


def columns_of(X: Any, features: Sequence[str], wanted: Iterable[str] | None = None) -> dict[str, Any]:
    """The columns of a matrix or frame by the names that the formula has for them."""
    chosen = features if wanted is None else [f for f in features if f in set(wanted)]
    if isinstance(X, np.ndarray):
        place = {f: i for i, f in enumerate(features)}
        return {f: X[:, place[f]] for f in chosen}
    return {f: X[f] for f in chosen}


def known_groups(formula: Formula, data: Mapping[str, Any]) -> str:
    """Which random effects can be predicted for rows that may lack grouping columns,
    as the ``re`` of ``predict``.
    """
    bars = [bar.text for bar in formula.random if all(n in data for v in bar.grouping for n in names_in(v.expr))]
    if len(bars) == len(formula.random):
        return "conditional"
    return "~ " + " + ".join(f"({text})" for text in bars) if bars else "population"


def with_unknown_groups(formula: Formula, data: Mapping[str, Any]) -> dict[str, Any]:
    """The columns with those of grouping factors that are not there,
    every level of which is unknown.
    """
    names = {n for bar in formula.random for v in bar.grouping for n in names_in(v.expr)}
    fixed = {n for t in formula.fixed for v in t.variables for n in names_in(v.expr)}
    rows = len(next(iter(data.values())))
    absent = sorted(names - fixed - set(data))
    return {**data, **{n: np.full(rows, None, dtype=object) for n in absent}}


def _random_effects(random: object, features: Sequence[str]) -> str:
    if isinstance(random, str):
        return random
    if not isinstance(random, Sequence) or not all(isinstance(r, str) for r in random):
        raise ArgumentTypeError(
            f"random must be text such as '1' or '1 + x1', or a list of features with random slopes, not {random!r}."
        )
    unknown = [r for r in random if r not in features]
    if unknown:
        raise OptionError(
            f"random names {', '.join(map(repr, unknown))}, which X does not have. Its features are "
            f"{', '.join(features)}."
        )
    return " + ".join(["1", *map(quoted_name, random)])


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
