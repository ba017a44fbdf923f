"""Arrow arrays to columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column, unusable
from ranef.data.labels import category_labels
from ranef.data.text import text_from_arrow


def column_from_arrow(name: str, values: Any) -> Column:
    """Turn an Arrow array or chunked array into a column.

    A dictionary column keeps the order of its dictionary and its ``ordered`` flag.
    """
    import pyarrow as pa

    kind = values.type
    types = pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        if types.is_string_view(kind):
            values = values.cast(pa.large_string())
        return text_from_arrow(name, values)
    if types.is_dictionary(kind):
        return _factor(name, values)
    if types.is_run_end_encoded(kind):
        import pyarrow.compute as pc

        return column_from_arrow(name, pc.run_end_decode(values))
    array = _one_chunk(values)
    if types.is_floating(kind):
        return Column(name, "numeric", _numpy(array).astype(np.float64, copy=False))
    if types.is_integer(kind):
        return _integers(name, array)
    if types.is_boolean(kind):
        absent = _nulls(array)
        return Column(name, "boolean", _numpy(array if absent is None else array.fill_null(False)), absent=absent)
    if types.is_decimal(kind):
        return Column(name, "numeric", _numpy(array.cast(pa.float64())).astype(np.float64, copy=False))
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_duration(kind):
        return Column(name, "datetime", _numpy(array))
    if types.is_null(kind):
        return Column(name, "numeric", np.full(len(array), np.nan))
    if types.is_binary(kind) or types.is_large_binary(kind):
        raise unusable(name, "bytes", "Decode them to text.")
    raise unusable(name, f"values of type {kind}", "Convert it to numbers or text.")


def _one_chunk(values: Any) -> Any:
    import pyarrow as pa

    if not isinstance(values, pa.ChunkedArray):
        return values
    if values.num_chunks == 1:
        return values.chunk(0)
    if values.num_chunks == 0:
        return pa.array([], type=values.type)
    return pa.concat_arrays(values.chunks)


def _numpy(array: Any) -> NDArray[Any]:
    out: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return out


def _nulls(array: Any) -> NDArray[np.bool_] | None:
    return _numpy(array.is_null()) if array.null_count else None


def _integers(name: str, array: Any) -> Column:
    absent = _nulls(array)
    exact = _numpy(array if absent is None else array.fill_null(0))
    values = exact.astype(np.float64)
    if absent is not None:
        values[absent] = np.nan
    return Column(name, "numeric", values, exact=exact)


def _factor(name: str, values: Any) -> Column:
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        # Chunks may have dictionaries of their own; the union keeps the order of first occurrence
        # in them.
        values = values.unify_dictionaries()
    array = _one_chunk(values)
    categories = array.dictionary.to_pylist()
    codes = _numpy(array.indices.cast(pa.int32()).fill_null(-1)) if len(array) else np.empty(0, dtype=np.int32)
    if None in categories or len(set(categories)) < len(categories):
        kept = [c for c in dict.fromkeys(categories) if c is not None]
        place = {c: i for i, c in enumerate(kept)}
        position = np.array([*(place.get(c, -1) for c in categories), -1], dtype=np.int32)
        codes, categories = position[codes], kept
    return Column(name, "factor", levels=category_labels(categories), codes=codes, ordered=bool(array.type.ordered))
