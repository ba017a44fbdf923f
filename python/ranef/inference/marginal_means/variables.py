"""The variables of the fixed effects, as a reference grid needs them:
levels of factors, and the values of covariates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.encoder import ARRAY
from ranef.design.rows import argument_names
from ranef.design.values import Factor, Logical, from_column
from ranef.errors import DataError, OptionError
from ranef.fit.absent_data import AbsentData
from ranef.fit.record import MixedFit
from ranef.formula.syntax import Call, Expr, Name, names_in, walk

Floats = NDArray[np.float64]

#: Functions that make a factor of a column of numbers.
_CODING = ("factor", "as.factor", "ordered", "as.ordered", "C", "interaction", "as.character")


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
    """

    name: str
    kind: str
    levels: tuple[Any, ...] | None
    codes: NDArray[np.intp] | None
    values: Floats | None

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


def grid_variables(fit: MixedFit, data: Any) -> list[GridVariable]:
    """Find the columns that the fixed effects and offsets use, in the order of the formula.

    Parameters
    ----------
    fit : MixedFit
    data : frame or AbsentData
        The data of the fit.
    """
    table, rows = used_rows(fit, data)
    design = fit.design
    expressions: list[Expr] = [v.expr for t in design.formula.fixed for v in t.variables]
    coded = {name for e in expressions for name in _made_factors(e)}
    names = [n for e in expressions for n in names_in(e)]
    names += [n for v in design.formula.offsets for n in names_in(v.expr)]
    if design.encoder.offset not in (None, ARRAY):
        names += argument_names(table, str(design.encoder.offset))
    wanted = [n for n in dict.fromkeys(names) if n in table]
    table.load(wanted)
    return [_variable(table, name, rows, name in coded) for name in wanted]


def _made_factors(expr: Expr) -> list[str]:
    """Columns of which an expression makes factors."""
    found = []
    for node in walk(expr):
        if isinstance(node, Call) and node.function in _CODING:
            found += [a.value.name for a in node.arguments if isinstance(a.value, Name)]
    return found


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
    assert variable.values is not None
    if given is not None:
        return tuple(_number(variable.name, v) for v in _listed(given)), False
    known = variable.values[np.isfinite(variable.values)]
    unique = np.unique(known)
    if len(unique) <= cov_keep:
        return tuple(unique.tolist()), True
    rule = cov_reduce.get(variable.name, "mean") if isinstance(cov_reduce, Mapping) else cov_reduce
    if rule is False:
        return tuple(unique.tolist()), True
    if rule == "mean" or rule is True:
        return (float(known.mean()),), False
    if rule == "median":
        return (float(np.median(known)),), False
    if rule == "range":
        return (float(unique[0]), float(unique[-1])), False
    if callable(rule):
        found = np.atleast_1d(np.asarray(rule(known), dtype=np.float64))
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
