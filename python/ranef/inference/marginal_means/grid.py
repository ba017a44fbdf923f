"""The reference grid: all combinations of the levels of the factors and
of chosen values of the covariates, with the rows of X that belong to them.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.encoder import ARRAY
from ranef.errors import ArgumentTypeError, ColumnNotFoundError, OptionError
from ranef.fit.record import MixedFit
from ranef.inference.marginal_means.variables import GridVariable, choose_values, column_of, grid_variables

Floats = NDArray[np.float64]

#: Rows above which a grid is refused.
LIMIT = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceGrid:
    """A reference grid.

    Attributes
    ----------
    variables : tuple of GridVariable
    values : tuple of tuple
        Values in the grid, by variable.
    index : (rows, variables) array
        Number of the value of each variable, by row; the first variable varies fastest.
    x : (rows, columns of the design) array
        All columns of X, those dropped from the fit too.
    offset : (rows,) array
    frequency : (rows,) array
        Rows of the data with these levels of the factors; prior weights do not count.
    nesting : dict
        By factor, the factors in which it is nested.
    occurring : (rows,) array of bool
        Rows in which nested factors have levels that occur in their containers.
    parts : tuple of (rows, k) arrays
        Columns of linear predictors beside the first.
    predictors : tuple of ((rows, columns) array, (rows,) array)
        Columns and offsets of every linear predictor that is asked for, the first being the fit.
    """

    variables: tuple[GridVariable, ...]
    values: tuple[tuple[Any, ...], ...]
    index: NDArray[np.intp]
    x: Floats
    offset: Floats
    frequency: Floats
    nesting: dict[str, tuple[str, ...]]
    occurring: NDArray[np.bool_]
    parts: tuple[Floats, ...] = ()
    predictors: tuple[tuple[Floats, Floats], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(v.name for v in self.variables)

    def column(self, name: str) -> NDArray[np.intp]:
        """Numbers of the values of one variable."""
        return self.index[:, self.names.index(name)]

    def values_of(self, name: str) -> tuple[Any, ...]:
        """The values of one variable."""
        return self.values[self.names.index(name)]


def reference_grid(
    fit: MixedFit,
    data: Any,
    offset: Any = None,
    at: Any = None,
    cov_reduce: Any = "mean",
    cov_keep: Any = 2,
    whole: bool = False,
) -> ReferenceGrid:
    """Make the reference grid of a fit.

    Parameters
    ----------
    fit : MixedFit
    data : frame
        The data of the fit.
    offset : array, optional
        The argument of that name of the fit, if it was an array.
    at : mapping, optional
        Values or levels of variables in the grid.
    cov_reduce : str, callable, bool or mapping
        What stands for a covariate: its mean, or what the function gives.
    cov_keep : int
        Covariates with so many different values, or fewer, keep them all.
    whole : bool
        Whether the grid has the variables of all linear predictors, not only those of the fit's
        first.
    """
    used = fit.predictors if whole else fit.grid_predictors
    variables = grid_variables(used, data)
    given = _checked_at(at, [v.name for v in variables])
    if isinstance(cov_keep, bool) or not isinstance(cov_keep, int | np.integer) or cov_keep < 0:
        raise ArgumentTypeError(f"cov_keep must be a whole number, not {cov_keep!r}.")
    chosen = [choose_values(v, given, cov_reduce, int(cov_keep)) for v in variables]
    values = tuple(c[0] for c in chosen)
    count = int(np.prod([len(v) for v in values], dtype=np.float64)) if values else 1
    if count > LIMIT:
        sizes = ", ".join(f"{v.name} ({len(w)})" for v, w in zip(variables, values, strict=True))
        raise OptionError(
            f"the reference grid would have {count:,} rows; the limit is {LIMIT:,}. Fewer values are chosen by at= : "
            f"{sizes}."
        )
    index = np.array(list(itertools.product(*(range(len(v)) for v in reversed(values)))), dtype=np.intp)
    index = index.reshape(count, len(values))[:, ::-1]
    columns = {
        v.name: column_of(v, [w[i] for i in index[:, j].tolist()])
        for j, (v, w) in enumerate(zip(variables, values, strict=True))
    }
    made = [_rows(own, columns, count, offset) for own in used]
    x, total, parts = made[0]
    levels = [v if c[1] else None for v, c in zip(variables, chosen, strict=True)]
    frequency = _frequencies(fit, levels, values, index)
    nesting = _nesting(variables)
    occurring = _occurring(variables, values, index, nesting)
    predictors = tuple((own, shift) for own, shift, _ in made)
    return ReferenceGrid(tuple(variables), values, index, x, total, frequency, nesting, occurring, parts, predictors)


def _checked_at(at: Any, names: list[str]) -> Mapping[str, Any]:
    if at is None:
        return {}
    if not isinstance(at, Mapping):
        raise ArgumentTypeError(f"at must be a dict such as {{'x': [0, 1]}}, not {at!r}.")
    for name in at:
        if name not in names:
            raise ColumnNotFoundError(str(name), names, "the fixed effects, for at=")
    return at


def _rows(fit: MixedFit, columns: dict[str, Any], count: int, offset: Any) -> tuple[Floats, Floats, tuple[Floats, ...]]:
    encoder = fit.design.encoder
    new = encoder.new_rows(columns or {"": np.zeros(count)}, random="none", need_offset=False)
    total = np.zeros(count) if new.offset is None else np.asarray(new.offset, dtype=np.float64)
    if encoder.offset == ARRAY and offset is not None:
        kept = fit.design.kept
        given = np.asarray(offset, dtype=np.float64)
        total = total + float((given if kept is None else given[kept]).mean())
    return new.x, total, new.parts


def _frequencies(
    fit: MixedFit, levels: list[GridVariable | None], values: tuple[tuple[Any, ...], ...], index: NDArray[np.intp]
) -> Floats:
    """Rows of the data in the cells of the grid.

    Values of covariates that are not levels do not count.
    """
    first = next((v for v in levels if v is not None), None)
    if first is None:
        return np.full(len(index), float(fit.nobs))
    n = fit.nobs if first.counts is None else len(first.counts)
    cell = np.zeros(n, dtype=np.int64)
    place = np.zeros(len(index), dtype=np.int64)
    inside = np.ones(n, dtype=bool)
    stride = 1
    for j, (variable, chosen) in enumerate(zip(levels, values, strict=True)):
        if variable is None:
            continue
        if variable.levels is not None:
            assert variable.codes is not None
            where = np.full(len(variable.levels) + 1, -1, dtype=np.int64)
            for i, level in enumerate(chosen):
                where[variable.levels.index(level)] = i
            codes = where[variable.codes]
        else:
            assert variable.values is not None
            codes = np.searchsorted(np.array(chosen), variable.values)
        inside &= codes >= 0
        cell += stride * codes
        place += stride * index[:, j]
        stride *= len(chosen)
    weights = None if first.counts is None else first.counts[inside]
    out: Floats = np.bincount(cell[inside], weights=weights, minlength=stride)[place].astype(np.float64)
    return out


def _nesting(variables: Sequence[GridVariable]) -> dict[str, tuple[str, ...]]:
    """Factors whose levels each occur with one level only of another factor:
    their levels have no meaning without it.
    """
    found: dict[str, tuple[str, ...]] = {}
    factors = [v for v in variables if v.levels is not None and len(v.levels) > 1]
    inside = set()
    for one, other in itertools.combinations(factors, 2):
        together = _pairs(one, other)
        inside |= {(one.name, other.name)} if together.sum(axis=1).max() == 1 else set()
        inside |= {(other.name, one.name)} if together.sum(axis=0).max() == 1 else set()
    for inner in factors if inside else ():
        containers = tuple(
            outer.name
            for outer in factors
            if (inner.name, outer.name) in inside and inner.name not in found.get(outer.name, ())
        )
        if containers:
            found[inner.name] = containers
    return found


def _pairs(first: GridVariable, second: GridVariable) -> NDArray[np.bool_]:
    """Which levels of two factors occur together, (levels, levels)."""
    assert first.levels is not None
    assert second.levels is not None
    assert first.codes is not None
    assert second.codes is not None
    shape = len(first.levels), len(second.levels)
    cells = first.codes * shape[1] + second.codes
    if min(first.codes.min(initial=0), second.codes.min(initial=0)) < 0:
        cells = cells[(first.codes >= 0) & (second.codes >= 0)]
    counts = np.bincount(cells, minlength=shape[0] * shape[1])
    out: NDArray[np.bool_] = counts.reshape(shape) > 0
    return out


def _occurring(
    variables: Sequence[GridVariable],
    values: tuple[tuple[Any, ...], ...],
    index: NDArray[np.intp],
    nesting: dict[str, tuple[str, ...]],
) -> NDArray[np.bool_]:
    """Rows of the grid in which nested factors have levels that occur in their containers."""
    names = [v.name for v in variables]
    out = np.ones(len(index), dtype=bool)
    for name, containers in nesting.items():
        for container in containers:
            places = names.index(name), names.index(container)
            levels = []
            for j in places:
                known = variables[j].levels
                assert known is not None
                levels.append(np.array([known.index(v) for v in values[j]])[index[:, j]])
            out &= _pairs(variables[places[0]], variables[places[1]])[levels[0], levels[1]]
    return out
