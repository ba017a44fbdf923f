"""Predictions for the population along a variable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import ArgumentTypeError, ColumnNotFoundError, OptionError
from ranef.estimates.predict import predict
from ranef.estimates.rates import exposure_of
from ranef.estimates.typical_rows import ModelVariables, Variable
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class PredictionLines:
    """Predictions along a variable, and the observations.

    Attributes
    ----------
    frame : DataFrame
        Columns ``x``, ``by`` (if asked for), ``fit, se, lower, upper``.
    points : DataFrame
        Columns ``x, y``: the rows of the fit.
    held : dict
        The values at which other variables are held.
    note : str
        What must be said of it, or an empty text.
    per : str or None
        The unit of exposure for which predictions and observations are rates; None where they are
        the response itself.
    """

    frame: "pd.DataFrame"
    points: "pd.DataFrame"
    held: dict[str, Any]
    note: str
    per: str | None


def prediction_lines(
    fit: MixedFit,
    data: Any,
    x: str,
    by: str | None,
    at: "Mapping[str, Any] | None",
    interval: object,
    level: object,
    most: int,
) -> PredictionLines:
    """Predict for the population, with random effects zero.

    Parameters
    ----------
    fit : MixedFit
    data : frame or AbsentData
        The data of the fit.
    x : str
        A variable of the model.
    by : str, optional
        Another: a line for each level of a factor, or for the mean of a number and one standard
        deviation below and above (its values where there are no more than 5).
    at : mapping, optional
        Values of other variables, which else have their mean or their most frequent level.
    interval : {"confidence", "prediction"}
    level : float
    most : int
        The largest number of lines; of more levels the most frequent are taken.
    """
    import pandas as pd

    if interval not in ("confidence", "prediction"):
        raise OptionError(f"interval must be 'confidence' or 'prediction', not {interval!r}.")
    if at is not None and not isinstance(at, Mapping):
        raise ArgumentTypeError(f"at must be a dict of variables and values, not {type(at).__name__}.")
    variables = ModelVariables(fit.design, data)
    for name in at or {}:
        if name not in variables.covariates:
            raise ColumnNotFoundError(str(name), variables.covariates, "the model's effects")
        if name in (x, by):
            raise OptionError(f"at holds a value for {name!r}, which varies in the picture.")
    along = variables.variable(x, "x")
    grid = along.grid()
    lines: list[tuple[str, Any]] = [("", None)]
    note = ""
    if by is not None:
        if by == x:
            raise OptionError(f"by must be another variable than x, which is {x!r} too.")
        lines, note = _lines(variables.variable(by, "by"), most)
    vary: dict[str, list[Any]] = {x: grid * len(lines)}
    if by is not None:
        vary[by] = [value for _, value in lines for _ in grid]
    rows = variables.rows(vary, at)
    n = len(vary[x])
    offset = variables.offset(n)
    found = predict(fit, rows, re="population", interval=interval, level=level, offset=offset)
    # Counts of rows with unlike exposures do not lie around one line; their rates do.
    exposure = exposure_of(fit)
    own_exposure = np.ones(n) if exposure is None else exposure.of(fit, rows, offset)
    places: Any = [float(v) for v in vary[x]] if along.numeric else [str(v) for v in vary[x]]
    columns: dict[str, Any] = {"x": places}
    if by is not None:
        columns["by"] = [label for label, _ in lines for _ in grid]
    drawn = {"fit": found.fit, "se": found.se, "lower": found.lower, "upper": found.upper}
    columns |= {name: np.asarray(values) / own_exposure for name, values in drawn.items()}
    y = fit.design.y if exposure is None else fit.design.y / exposure.values
    own = along.values if along.numeric else [str(v) for v in along.labels()]
    points = pd.DataFrame({"x": own, "y": y}) if y.ndim == 1 else pd.DataFrame({"x": [], "y": []})
    held = {name: values[0] for name, values in rows.items() if name not in vary}
    return PredictionLines(pd.DataFrame(columns), points, held, note, None if exposure is None else exposure.unit)


def _lines(variable: Variable, most: int) -> tuple[list[tuple[str, Any]], str]:
    """Label and value of each line."""
    if not variable.numeric:
        if len(variable.levels) <= most:
            return [(str(v), v) for v in variable.levels], ""
        counts = np.bincount(variable.values[variable.values >= 0], minlength=len(variable.levels))
        taken = np.sort(np.argsort(-counts, kind="stable")[:most])
        note = f"the {most} most frequent of {len(variable.levels)} levels of {variable.name}"
        return [(str(variable.levels[i]), variable.levels[i]) for i in taken.tolist()], note
    known = variable.values[~np.isnan(variable.values)]
    distinct = np.unique(known)
    if len(distinct) <= 5:
        return [(f"{v:g}", float(v)) for v in distinct.tolist()], ""
    mean, sd = float(known.mean()), float(known.std(ddof=1))
    named = (("mean - sd", mean - sd), ("mean", mean), ("mean + sd", mean + sd))
    return [(f"{label}: {value:.3g}", value) for label, value in named], ""
