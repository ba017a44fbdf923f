"""Strings to levels and codes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.data.labels import as_objects

# Below this many rows a dictionary beats the fixed cost of Arrow's kernels.
_FEW_ROWS = 2000


def text_from_objects(name: str, values: NDArray[np.object_]) -> Column:
    """Code an object array whose elements are strings
    or missing (None, NaN, NaT, ``pandas.NA``).
    """
    if len(values) > _FEW_ROWS:
        import pyarrow as pa

        try:
            return text_from_arrow(name, pa.array(values, type=pa.large_string(), from_pandas=True))
        except (UnicodeError, pa.ArrowException):
            pass  # strings that UTF-8 cannot hold (lone surrogates), or subclasses of str that Arrow does not know
    return _text_from_list(name, values.tolist())


def _text_from_list(name: str, rows: list[Any]) -> Column:
    distinct = set(rows)
    found = sorted(str(v) for v in distinct if isinstance(v, str))
    position = {label: i for i, label in enumerate(found)}
    if len(found) == len(distinct):
        codes = np.fromiter(map(position.__getitem__, rows), dtype=np.int32, count=len(rows))
    else:
        codes = np.fromiter((position.get(v, -1) for v in rows), dtype=np.int32, count=len(rows))
    return Column(name, "text", levels=as_objects(found), codes=codes)


def text_from_arrow(name: str, values: Any) -> Column:
    """Code an Arrow array, or chunked array, of strings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = values.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        chunks = encoded.unify_dictionaries().chunks
        dictionary = chunks[0].dictionary if chunks else pa.array([], type=pa.string())
        indices = [c.indices for c in chunks]
    else:
        dictionary, indices = encoded.dictionary, [encoded.indices]
    # Arrow compares the bytes of UTF-8, which is the order of code points.
    order = pc.sort_indices(dictionary)
    rank = np.empty(len(dictionary) + 1, dtype=np.int32)
    rank[order.to_numpy()] = np.arange(len(dictionary), dtype=np.int32)
    rank[-1] = -1
    parts = [rank[c.fill_null(-1).to_numpy()] for c in indices]
    codes = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)
    levels: NDArray[np.object_] = dictionary.take(order).to_numpy(zero_copy_only=False)
    return Column(name, "text", levels=levels, codes=codes)
