"""Any data frame as named columns:
numbers, truth values, factors, text and dates, with their missing rows and level order.

Only the columns that are asked for are read. See :class:`~ranef.data.table.Table` for what is
accepted and :class:`~ranef.data.column.Column` for what comes out.
"""

from ranef.data.column import Column, Kind
from ranef.data.table import Table

__all__ = ["Column", "Kind", "Table"]
