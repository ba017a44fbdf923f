"""Columns of pandas and polars frames."""

from typing import Any

import numpy as np

from ranef.data.arrays import column_from_numpy
from ranef.data.arrow import column_from_arrow
from ranef.data.column import Column, unusable
from ranef.data.labels import category_labels
from ranef.data.text import text_from_arrow, text_from_objects


def column_from_pandas(name: str, series: Any) -> Column:
    """Turn a pandas Series, Index or array into a column.

    A float64 array is taken without a copy.
    """
    if isinstance(series.dtype, np.dtype):
        return column_from_numpy(name, getattr(series, "values", series))
    import pandas as pd

    values = getattr(series, "array", series)

    if isinstance(values, pd.Categorical):
        codes = values.codes.astype(np.int32)
        return Column(
            name,
            "factor",
            levels=category_labels(values.categories.to_numpy(dtype=object).tolist()),
            codes=codes,
            ordered=bool(values.ordered),
        )
    if isinstance(values, pd.arrays.SparseArray):
        return column_from_numpy(name, np.asarray(values))
    if isinstance(values.dtype, pd.StringDtype) and len(values) < 2000:
        return text_from_objects(name, values.to_numpy(dtype=object))
    if isinstance(values, pd.arrays.DatetimeArray):  # with a time zone; the instants are compared, so as UTC
        return column_from_numpy(name, values.to_numpy(dtype=np.dtype(f"datetime64[{values.unit}]")))
    if isinstance(values, pd.arrays.PeriodArray):
        raise unusable(
            name, "periods", f"Use dates, data[{name!r}].dt.to_timestamp(), or text, data[{name!r}].astype(str)."
        )
    if isinstance(values, pd.arrays.IntervalArray):
        raise unusable(
            name,
            "intervals",
            f"Use text, data[{name!r}].astype(str), or a categorical, data[{name!r}].astype('category').",
        )
    if hasattr(values, "__arrow_array__"):
        import pyarrow as pa

        return column_from_arrow(name, pa.array(values))
    return column_from_numpy(name, np.asarray(values, dtype=object))


def _known_to_arrow(dtype: Any) -> bool:
    """Whether Arrow has the type: it has no integers of 128 bits."""
    return str(dtype) not in ("Int128", "UInt128")


def column_from_polars(name: str, series: Any) -> Column:
    """Turn a polars Series into a column.

    An Enum keeps the order of its categories (polars cannot tell an ordered from an unordered one;
    it is taken as unordered). A Categorical has no order of its own, because its codes depend on
    what else the process has read: its levels are sorted.
    """
    import polars as pl

    dtype = series.dtype
    if dtype in (pl.Float64, pl.Float32):
        return Column(name, "numeric", series.to_numpy().astype(np.float64, copy=False))
    if dtype == pl.Enum:
        codes = series.to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
        return Column(name, "factor", levels=category_labels(dtype.categories.to_list()), codes=codes)
    if dtype == pl.Categorical:
        coded = text_from_arrow(name, series.cast(pl.String).to_arrow())
        return Column(name, "factor", levels=coded.levels, codes=coded.codes)
    if dtype == pl.Object or not _known_to_arrow(dtype):
        return column_from_numpy(name, np.array(series.to_list(), dtype=object))
    return column_from_arrow(name, series.to_arrow())
