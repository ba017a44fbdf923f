"""Groups of rows: their values in columns of the data, and the number of every row's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.data.table import Table
from ranef.errors import DataError

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class GroupLabels:
    """Groups in the order of their values.

    Attributes
    ----------
    names : tuple of str
        Columns that make the groups.
    values : tuple of arrays (m,)
        Their values, for each column.
    of_rows : (n,) int array
        The group of every row that is used.
    """

    names: tuple[str, ...]
    values: tuple[NDArray[Any], ...]
    of_rows: Ints

    def __len__(self) -> int:
        return len(self.values[0])

    def columns(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Names and values."""
        return zip(self.names, self.values, strict=True)


def group_labels(
    table: Table, by: Sequence[str], na_action: str, kept: Ints | None, missing: Ints | None
) -> GroupLabels:
    """Find the groups of a table.

    Parameters
    ----------
    table : Table
    by : sequence of str
        Columns.
    na_action : {"omit", "error"}
        What is done where one of these has a missing value.
    kept : (n,) int array or None
        Rows that are used; None if all are.
    missing : int array or None
        Rows that are left out because another value is missing: groups that have no other rows are
        groups all the same.
    """
    import pandas as pd

    code: Ints | None = None
    found: list[NDArray[Any]] = []
    for name in by:
        codes, values = _coded(table.column(name))
        absent = codes < 0
        if absent.any() and na_action == "error":
            raise DataError(
                f"values are missing: {name!r} ({np.count_nonzero(absent)}). na_action='omit' drops such rows."
            )
        found.append(values)
        code = codes if code is None else np.where((code < 0) | absent, -1, code * len(values) + codes)
    assert code is not None
    rows = np.arange(len(code)) if kept is None else kept
    present = rows if missing is None else np.union1d(rows, missing)
    every = code[present]
    numbers = np.sort(pd.unique(every[every >= 0]))
    of_rows = np.where(code[rows] < 0, -1, np.searchsorted(numbers, code[rows]))
    columns = []
    rest = numbers
    for values in reversed(found):
        columns.append(values[rest % len(values)])
        rest = rest // len(values)
    return GroupLabels(tuple(by), tuple(reversed(columns)), of_rows.astype(np.int64))


def _coded(column: Column) -> tuple[Ints, NDArray[Any]]:
    """Codes (-1 where missing) and distinct values in order."""
    import pandas as pd

    if column.codes is not None:
        assert column.levels is not None
        return column.codes.astype(np.int64), column.levels
    assert column.values is not None
    values = column.values if column.exact is None else column.exact
    codes, found = pd.factorize(values, sort=True)
    missing = column.missing
    codes = codes.astype(np.int64)
    if missing is not None:
        codes[missing] = -1
    return codes, np.asarray(found)
