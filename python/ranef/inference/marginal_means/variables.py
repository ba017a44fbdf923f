"""The variables of the fixed effects, as a reference grid needs them:
levels of factors, and the values of covariates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.encoder import ARRAY
from ranef.design.model_sums import no_rows
from ranef.design.rows import argument_names
from ranef.design.summarised import ColumnSummary, RowSummary, made_factors
from ranef.design.values import Factor, Logical, from_column
from ranef.errors import DataError, OptionError
from ranef.fit.record import MixedFit
from ranef.fit.sums.absent_data import AbsentData
from ranef.formula.syntax import Expr, names_in

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GridVariable:
    """A column of the data that the fixed effects use.

    Attributes
    ----------
    name : str
    kind : {"factor", "logical", "numeric"}
        What its values are in the data.
    levels : tuple
        Of a factor all levels that occur (as text, truth values, or numbers if the formula makes a
        factor of numbers); of a covariate None.
    codes : (n,) array or None
        Level of each row used, for a factor.
    values : (n,) array or None
        Values in the rows used, for a covariate.
    counts : (n,) array or None
        How many rows each stands for, where the rows were summed up.
    summary : ColumnSummary or None
        Mean and range of a covariate that was summed up; it has no values if these are many.
    """

    name: str
    kind: str
    levels: tuple[Any, ...] | None
    codes: NDArray[np.intp] | None
    values: Floats | None
    counts: Floats | None = None
    summary: ColumnSummary | None = None

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value of a covariate."""
        if self.summary is not None:
            return self.summary.low, self.summary.high
        assert self.values is not None
        return float(self.values.min()), float(self.values.max())

    @property
    def is_factor(self) -> bool:
        """Whether it has levels."""
        return self.levels is not None


def used_rows(fit: MixedFit, data: Any) -> "tuple[Table, slice | NDArray[np.int64]]":
    """The data of a fit, and which of their rows it used."""
    if isinstance(data, AbsentData):
        raise DataError(f"{data.reason}, and they are needed here. Give them: data=, the same rows as in the fit.")
    table = Table.from_data(data)
    d = fit.design
    if table.n_rows != d.n_input:
        raise OptionError(f"the data have {table.n_rows} rows and had {d.n_input} when the model was fitted.")
    return table, slice(None) if d.kept is None else d.kept


def grid_variables(predictors: Sequence[MixedFit], data: Any) -> list[GridVariable]:
    """Find the columns that the fixed effects and offsets use, in the order of the formulas.

    Parameters
    ----------
    predictors : sequence of MixedFit
        The fit, or all its linear predictors, it being the first.
    data : frame or AbsentData
        The data of the fit.
    """
    fit = predictors[0]
    design = fit.design
    if design.sums is not None and design.sums.summary is not None:
        return _summed(fit, design.sums.summary)
    table, rows = used_rows(fit, data)
    formulas = [f for p in predictors for f in (p.design.formula, *(own.formula for own in p.design.encoder.parts))]
    terms = [t for f in formulas for t in f.fixed]
    expressions: list[Expr] = [v.expr for t in terms for v in t.variables]
    coded = {name for e in expressions for name in made_factors(e)}
    names = [n for e in expressions for n in names_in(e)]
    names += [n for p in predictors for v in p.design.formula.offsets for n in names_in(v.expr)]
    if design.encoder.offset not in (None, ARRAY):
        names += argument_names(table, str(design.encoder.offset))
    wanted = [n for n in dict.fromkeys(names) if n in table]
    table.load(wanted)
    return [_variable(table, name, rows, name in coded) for name in wanted]


def _summed(fit: MixedFit, summary: RowSummary) -> list[GridVariable]:
    """The same of rows that were summed up."""
    if not summary.counts:
        raise no_rows()
    coded = {n for t in fit.design.formula.fixed for v in t.variables for n in made_factors(v.expr)}
    counts = np.array(summary.counts, dtype=np.float64)
    inside = [c.name for c in summary.columns if c.counted]
    out = []
    for c in summary.columns:
        own = [cell[inside.index(c.name)] for cell in summary.cells] if c.counted else None
        if own is None or (c.kind == "numeric" and c.name not in coded):
            values = None if own is None else np.array(own, dtype=np.float64)
            out.append(GridVariable(c.name, "numeric", None, None, values, counts, c))
            continue
        occurring = {v for v in own if v is not None}
        levels = [v for v in c.levels if v in occurring] if c.levels else sorted(occurring)
        place = {v: i for i, v in enumerate(levels)}
        codes = np.array([place.get(v, -1) for v in own], dtype=np.intp)
        out.append(GridVariable(c.name, c.kind, tuple(levels), codes, None, counts))
    return out


def _variable(table: Table, name: str, rows: Any, coded: bool) -> GridVariable:
    value = from_column(table.column(name))
    if isinstance(value, Factor):
        return _leveled(name, "factor", value.codes[rows], list(value.levels))
    if isinstance(value, Logical):
        return _leveled(name, "logical", value.values[rows].astype(np.intp), [False, True])
    numbers = np.array(value.values[rows], dtype=np.float64)
    if coded:
        unique, codes = np.unique(numbers, return_inverse=True)
        return _leveled(name, "numeric", codes, unique.tolist())
    return GridVariable(name, "numeric", None, None, numbers)


def _leveled(name: str, kind: str, codes: NDArray[Any], levels: list[Any]) -> GridVariable:
    """A factor with the levels that occur."""
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(levels)))
    place = np.full(len(levels) + 1, -1, dtype=np.intp)
    place[used] = np.arange(len(used))
    return GridVariable(name, kind, tuple(levels[i] for i in used), place[codes], None)


def column_of(variable: GridVariable, values: Any) -> Any:
    """Values of a variable as a column of new data."""
    if variable.kind == "logical":
        return np.array(values, dtype=bool)
    return np.array(values, dtype=np.float64 if variable.kind == "numeric" else object)


def mean_and_beside(values: Floats) -> Floats:
    """The mean of a covariate with one below and one above, between which its slope is tested."""
    centre = float(values.mean())
    return np.array([centre - 1.0, centre + 1.0])


def choose_values(
    variable: GridVariable, at: Mapping[str, Any], cov_reduce: Any, cov_keep: int
) -> tuple[tuple[Any, ...], bool]:
    """The values of a variable in the grid,
    and whether these are levels (whose frequencies in the data are known).
    """
    given = at.get(variable.name)
    if variable.levels is not None:
        if given is None:
            return variable.levels, True
        return tuple(_level(variable, v) for v in _listed(given)), True
    if given is not None:
        return tuple(_number(variable.name, v) for v in _listed(given)), False
    values, summary = variable.values, variable.summary
    known = np.empty(0) if values is None else values[np.isfinite(values)]
    unique = np.unique(known)
    if len(unique) <= cov_keep and values is not None:
        return tuple(unique.tolist()), True
    rule = cov_reduce.get(variable.name, "mean") if isinstance(cov_reduce, Mapping) else cov_reduce
    if rule == "mean" or rule is True:
        return (float(known.mean()) if summary is None else summary.mean,), False
    if rule == "range":
        return variable.range, False
    if summary is not None and rule is not mean_and_beside:
        raise no_rows()
    if rule is False:
        return tuple(unique.tolist()), True
    if rule == "median":
        return (float(np.median(known)),), False
    if callable(rule):
        seen = known if summary is None else np.array([summary.mean])
        found = np.atleast_1d(np.asarray(rule(seen), dtype=np.float64))
        return tuple(_number(variable.name, v) for v in found.tolist()), False
    raise OptionError(
        "cov_reduce must be 'mean', 'median', 'range', False (all values), a function of a column, or a dict of these "
        f"by name, not {rule!r}."
    )


def _listed(given: Any) -> list[Any]:
    if isinstance(given, str | bool | float | int) or not hasattr(given, "__iter__"):
        return [given]
    values = list(given)
    if not values:
        raise OptionError("at gives a variable no values.")
    return values


def _level(variable: GridVariable, value: Any) -> Any:
    assert variable.levels is not None
    for level in variable.levels:
        if value == level or str(value) == level_text(level) or str(value) == str(level):
            return level
    known = ", ".join(repr(level) for level in variable.levels[:20])
    raise OptionError(
        f"at gives {variable.name!r} the level {value!r}, which it does not have. Its levels are {known}."
    )


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise OptionError(f"the values of {name!r} in the grid must be finite numbers, not {value!r}.")
    return number


def level_text(level: Any) -> str:
    """A level as it is shown."""
    if isinstance(level, float):
        return f"{level:.15g}" if abs(level) < 1e15 else repr(level)
    return str(level)
