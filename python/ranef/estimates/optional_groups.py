"""New data that may lack the grouping columns whose levels do not matter.

The spread of new observations around the population's mean includes the variance of all random
effects, which depends on the effects' covariates but not on the group: such predictions should not
ask for a grouping column.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ranef.data.column import Column
from ranef.data.table import Table
from ranef.fit.record import MixedFit
from ranef.formula.syntax import names_in


class TableWithoutGroups(Table):
    """A table in which some columns, where they are absent, read as missing in every row."""

    __slots__ = ("_optional",)

    def __init__(self, table: Table, optional: Iterable[str]):
        super().__init__(table._source)
        self._optional = frozenset(optional) - set(table.names)

    def __contains__(self, name: object) -> bool:
        return name in self._optional or super().__contains__(name)

    def column(self, name: str) -> Column:
        """Read a column."""
        if name not in self._optional:
            return super().column(name)
        return Column(name, "text", levels=np.empty(0, dtype=object), codes=np.full(self.n_rows, -1, dtype=np.int32))


def new_table(fit: MixedFit, data: Any, conditioned: Iterable[int]) -> Table:
    """New data as a table that may lack the grouping columns
    of all random terms but the conditioned ones (formula positions).
    """
    table = Table.from_data(data)
    formula = fit.design.formula
    chosen = set(conditioned)
    groups = [v for i, bar in enumerate(formula.random) if i not in chosen for v in bar.grouping]
    needed = [v for t in formula.fixed for v in t.variables] + list(formula.offsets)
    for i, bar in enumerate(formula.random):
        needed += [v for t in bar.effects for v in t.variables]
        needed += bar.grouping if i in chosen else ()
    optional = {n for v in groups for n in names_in(v.expr)} - {n for v in needed for n in names_in(v.expr)}
    return TableWithoutGroups(table, optional) if optional - set(table.names) else table
