"""From a stored lme4 model to the call of ``ranef.lmer`` that fits it,
and from our names of coefficients to R's.
"""

import functools
import re
import warnings
from typing import Any

import pandas as pd

import ranef
from reference.store import load_case, load_data


def arguments(case: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments that mean what R's call says.

    Expressions in columns are passed as the text R was given.
    """
    found: dict[str, Any] = {"REML": case["reml"]}
    for ours in ("weights", "offset", "subset"):
        if case[f"{ours}_arg"] is not None:
            found[ours] = case[f"{ours}_arg"]
    if case["na_action"] == "na.exclude":
        found["na_action"] = "exclude"
    if case["contrasts_arg"] is not None:
        pairs = re.findall(r'(\w+) = "contr\.(\w+)"', case["contrasts_arg"])
        assert len(pairs) == case["contrasts_arg"].count("=")
        found["contrasts"] = dict(pairs)
    assert case["start_arg"] is None
    return found


@functools.cache
def fitted(identifier: str) -> Any:
    """Our fit of a case; warnings are looked at by :func:`warnings_of`."""
    return _fit(identifier)[0]


def warnings_of(identifier: str) -> list[str]:
    """What our fit of a case warned of."""
    return _fit(identifier)[1]


@functools.cache
def _fit(identifier: str) -> tuple[Any, list[str]]:
    case = load_case(identifier)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ranef.options(random_contrasts="lme4"):
            model = ranef.lmer(case["formula"], load_data(case["data"]), **arguments(case))
    return model, [str(w.message) for w in caught]


def r_name(name: str, levels: dict[str, list[str]]) -> str:
    """R's name of a coefficient that we call ``name``.

    R puts a level behind its factor without a mark (``sexM`` for ``sex[T.M]``) and numbers the
    columns of sum and Helmert contrasts (``sex1`` for ``sex[S.F]``, ``phase1`` for
    ``phase[H.early]``).
    """

    def number(match: re.Match[str]) -> str:
        position = levels[match["factor"]].index(match["level"])
        return f"{match['factor']}{position + 1 if match['kind'] == 'S' else position}"

    name = re.sub(r"(?P<factor>[\w.]+)\[(?P<kind>[SH])\.(?P<level>[^\]]*)\]", number, name)
    return re.sub(r"\[(?:T\.)?([^\]]*)\]", r"\1", name)


def factor_levels(case: dict[str, Any]) -> dict[str, list[str]]:
    """Levels of the factors of a case's data."""
    data = load_data(case["data"])
    return {c: list(data[c].cat.categories) for c in data if isinstance(data[c].dtype, pd.CategoricalDtype)}


def new_rows(case: dict[str, Any]) -> dict[str, list[Any]]:
    """The rows that R predicted. lme4 leaves an offset given
    as argument out of predictions for new rows, so it is zero here.
    """
    rows = dict(case["derived"]["predict"]["newdata"]["columns"])
    if case["offset_arg"] is not None:
        rows[case["offset_arg"]] = [0.0] * len(next(iter(rows.values())))
    return rows
