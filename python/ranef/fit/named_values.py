"""Weights, an offset or a subset given as a column of the data."""

from typing import Any

import numpy as np

from ranef.data.sources import column_from_any, source_in_memory


def column_or_values(what: str, value: Any, data: Any) -> Any:
    """The name of the column that a Series is, or the Series.

    ``weights=data["w"]`` is ``weights="w"``, so that new rows, summaries and other programs find
    the column. ``offset=np.log(data["area"])`` has the name ``area`` too, and only its values tell
    that it is another variable. A Series with missing values stays what it is: they are refused.

    Parameters
    ----------
    what : str
        Name of the argument.
    value : Any
        What was given.
    data : Any
        The data; only frames in memory are looked into.

    Returns
    -------
    str or Any
    """
    name = getattr(value, "name", None)
    if isinstance(value, str) or not isinstance(name, str) or getattr(value, "ndim", 1) != 1:
        return value
    source = source_in_memory(data)
    if source is None or name not in source.names:
        return value
    own, given = source.column(name), column_from_any(what, value)
    if own.values is None or given.values is None or own.absent is not None or given.absent is not None:
        return value
    return name if own.kind == given.kind and np.array_equal(own.values, given.values) else value
