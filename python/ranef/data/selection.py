"""Some columns of data, in the form that the data have."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def selected_columns(data: Any, wanted: Callable[[str], bool]) -> Any:
    """The columns of a frame in memory whose names are wanted; None for other data.

    Parameters
    ----------
    data : DataFrame, Table, mapping or structured array
    wanted : callable
        Of a name.

    Returns
    -------
    object
        Of the type of the data, with index and attributes; None for what is read when it is needed,
        such as a query.
    """
    if isinstance(data, Mapping):
        return {name: values for name, values in data.items() if wanted(str(name))}
    if isinstance(data, np.ndarray):
        return {name: data[name] for name in data.dtype.names or () if wanted(name)}
    library = type(data).__module__.partition(".")[0]
    if library == "pandas":
        return data.loc[:, [wanted(str(name)) for name in data.columns]]
    if library == "polars":
        chosen = data.select([n for n in data.lazy().collect_schema().names() if wanted(n)])
        return chosen.collect() if hasattr(chosen, "collect") else chosen
    if library == "pyarrow" and hasattr(data, "column_names"):
        return data.select([n for n in data.column_names if wanted(n)])
    if library == "pyarrow" and hasattr(data, "num_rows"):  # a record batch
        return data.select([n for n in data.schema.names if wanted(n)])
    return None
