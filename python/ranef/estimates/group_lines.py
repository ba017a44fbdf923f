"""Fitted lines of groups along a variable."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.predict import predict
from ranef.estimates.rates import exposure_of
from ranef.estimates.typical_rows import ModelVariables, Variable
from ranef.fit.record import MixedFit
from ranef.formula.syntax import names_in

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Lines of more groups than this only make a blot.
MOST_LINES = 500

_POINTS = 40


@dataclass(frozen=True, slots=True, eq=False)
class GroupLines:
    """Lines over data.

    Attributes
    ----------
    frame : DataFrame
        Columns ``part`` ("data", "group", "population"), ``level, x, y``.
    x, group : str
    shown, levels : int
        Levels with a line, and all.
    per : str or None
        The unit of exposure for which lines and observations are rates; None where they are the
        response itself.
    """

    frame: "pd.DataFrame"
    x: str
    group: str
    shown: int
    levels: int
    per: str | None


def group_lines(
    fit: MixedFit,
    data: Any,
    x: str | None,
    group: str | None,
    levels: "Sequence[str] | None",
    most: int = MOST_LINES,
    *,
    own_population: bool = False,
) -> GroupLines:
    """Predict along a variable for the levels of a grouping factor.

    The line of a level runs over the values that the variable has in it, with other variables at
    their mean (the most frequent level) in it. Random effects that enter are those of the factor
    and of factors that are constant in each of its levels.

    Parameters
    ----------
    fit : MixedFit
    data : frame or AbsentData
        The data of the fit.
    x : str, optional
        A numeric variable; by default the first that varies randomly over the factor, or else the
        first of the fixed effects.
    group : str, optional
        By default the factor with most levels.
    levels : sequence of str, optional
        By default all, or ``most`` of them evenly spaced in their order.
    most : int
    own_population : bool
        Whether the line of the population is drawn for every level, with the level's values of the
        other variables, and not once for the values of all rows.
    """
    import pandas as pd

    variables = ModelVariables(fit.design, data)
    terms = fit.terms
    names = list(dict.fromkeys(t.group for t in terms))
    if not names:
        raise OptionError(
            "the model has no groups, whose lines this draws; plot.predictions() draws the fixed effects."
        )
    chosen = max(names, key=lambda g: len(next(t.levels for t in terms if t.group == g))) if group is None else group
    if chosen not in names:
        raise OptionError(
            f"group must be one of the model's grouping factors, {', '.join(map(repr, names))}, not {group!r}."
        )
    at = next(i for i, t in enumerate(terms) if t.group == chosen)
    codes, all_levels = terms[at].codes, [str(v) for v in terms[at].levels]
    along = _along(fit, variables, x, chosen)
    shown = _shown(levels, all_levels, most, chosen)
    re = "~ " + " + ".join(f"({t.text})" for t in terms if _constant(codes, t.codes))
    grouping = _grouping_columns(fit, variables)
    exposure = exposure_of(fit)

    def mean(rows: dict[str, list[Any]], re: str, offset: Floats | None) -> Floats:
        found = predict(fit, rows, re=re, offset=offset).fit
        return found if exposure is None else found / exposure.of(fit, rows, offset)

    parts = [
        pd.DataFrame(
            {
                "part": "data",
                "level": np.array([*all_levels, ""], dtype=object)[codes],
                "x": along.values,
                "y": fit.design.y if exposure is None else fit.design.y / exposure.values,
            }
        )
    ]
    if levels is not None or own_population:
        parts[0] = parts[0][np.isin(codes, shown)]
    points = _POINTS if len(shown) <= 50 else 12
    blocks: list[dict[str, list[Any]]] = []
    offsets: list[Floats] = []
    labels: list[str] = []
    ordered = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[ordered], np.arange(len(all_levels) + 1))
    for code in shown:
        rows = ordered[ends[code] : ends[code + 1]]
        grid = along.grid(rows, points)
        block = variables.rows({along.name: grid}, among=rows)
        first = int(rows[0])
        for name, values in grouping.items():
            block.setdefault(name, [values[first]] * len(grid))
        blocks.append(block)
        own = variables.offset(len(grid), rows)
        offsets += [] if own is None else [own]
        labels += [all_levels[code]] * len(grid)
    newdata = {name: [v for block in blocks for v in block[name]] for name in blocks[0]}
    offset = np.concatenate(offsets) if offsets else None
    fitted = mean(newdata, re, offset)
    parts.append(pd.DataFrame({"part": "group", "level": labels, "x": newdata[along.name], "y": fitted}))
    if own_population:
        population = mean(newdata, "population", offset)
        parts.append(parts[-1].assign(part="population", y=population))
    else:
        rows_all = variables.rows({along.name: along.grid(None, _POINTS)})
        n = len(rows_all[along.name])
        population = mean(rows_all, "population", variables.offset(n))
        parts.append(pd.DataFrame({"part": "population", "level": "", "x": rows_all[along.name], "y": population}))
    per = None if exposure is None else exposure.unit
    return GroupLines(pd.concat(parts, ignore_index=True), along.name, chosen, len(shown), len(all_levels), per)


def _along(fit: MixedFit, variables: ModelVariables, x: str | None, group: str) -> Variable:
    """The variable of the x axis."""
    if x is not None:
        found = variables.variable(x, "x")
        if not found.numeric:
            raise OptionError(f"x must be a numeric variable, and {x!r} is a factor; plot.predictions({x!r}) draws it.")
        return found
    random = [
        n
        for bar in fit.design.formula.random
        if bar.group_label == group
        for t in bar.effects
        for v in t.variables
        for n in names_in(v.expr)
    ]
    for name in [*random, *variables.fixed]:
        if name in variables.covariates:
            found = variables.variable(name, "x")
            if found.numeric:
                return found
    raise OptionError(
        "the model has no numeric variable along which lines could be drawn; plot.caterpillar() draws its random "
        "effects."
    )


def _shown(levels: "Sequence[str] | None", there: list[str], most: int, group: str) -> list[int]:
    if levels is None:
        if len(there) <= most:
            return list(range(len(there)))
        return [int(i) for i in np.linspace(0, len(there) - 1, most).round()]
    if not isinstance(levels, Iterable):
        raise ArgumentTypeError(f"levels must be a list of levels of {group!r}, not {levels!r}.")
    wanted = [levels] if isinstance(levels, str) else [str(v) for v in levels]
    unknown = [v for v in wanted if v not in there]
    if unknown or not wanted:
        raise OptionError(
            f"levels must name levels of {group!r}; {', '.join(map(repr, unknown[:5])) or 'none'} is not among them."
        )
    if len(wanted) > most:
        raise OptionError(f"the picture shows at most {most} levels, and {len(wanted)} are asked for.")
    return [there.index(v) for v in wanted]


def _constant(codes: NDArray[np.int32], other: NDArray[np.int32]) -> bool:
    """Whether a factor has one level in each level of another."""
    known = codes >= 0
    pairs = np.unique(np.column_stack([codes[known], other[known]]), axis=0)
    return len(pairs) == len(np.unique(codes[known]))


def _grouping_columns(fit: MixedFit, variables: ModelVariables) -> dict[str, list[Any]]:
    """Values, on the rows of the fit, of the columns that group."""
    expressions = [v.expr for bar in fit.design.formula.random for v in bar.grouping]
    return variables.labels(n for e in expressions for n in names_in(e))
