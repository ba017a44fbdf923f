"""Bootstraps in Parquet files."""

import dataclasses
import json
import os
from typing import Any

import numpy as np

from ranef.errors import DataError
from ranef.inference.bootstrap.quantities import Quantity
from ranef.inference.bootstrap.result import Bootstrap

KEY = b"ranef_bootstrap"
VERSION = 1


def write_bootstrap(path: str | os.PathLike[str], b: Bootstrap) -> None:
    """Write a bootstrap: its wide frame, and the rest as JSON in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    header = {
        "version": VERSION,
        "type": b.type,
        "n": b.n,
        "seed": b.seed,
        "re": b.re,
        "quantities": [dataclasses.asdict(q) for q in b.quantities],
        # text, because JSON has no NaN
        "observed": [repr(float(v)) for v in b.observed],
        "n_std_errors": b.std_errors.shape[1],
        "theta_names": list(b.theta_names),
    }
    table = pa.Table.from_pandas(b.to_frame("wide"), preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: json.dumps(header).encode()})
    try:
        pq.write_table(table, os.fspath(path))
    except OSError as e:
        raise DataError(f"the bootstrap cannot be written to {os.fspath(path)!r}: {e.strerror or e}.") from None


def read_bootstrap(path: str | os.PathLike[str]) -> Bootstrap:
    """Read what :func:`write_bootstrap` wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = os.fspath(path)
    try:
        table = pq.read_table(target)
        header: dict[str, Any] = json.loads((table.schema.metadata or {})[KEY])
        if header["version"] != VERSION:
            raise DataError(f"{target!r} has file version {header['version']!r}; this ranef reads version {VERSION}.")
        columns = [np.asarray(c.to_numpy()) for c in table.columns]
        k, p, q = len(header["quantities"]), int(header["n_std_errors"]), len(header["theta_names"])
        m = table.num_rows
        number, status, singular, objective = columns[:4]

        def block(first: int, count: int) -> Any:
            return np.column_stack(columns[first : first + count]) if count else np.empty((m, 0))

        return Bootstrap(
            type=header["type"],
            n=header["n"],
            seed=header["seed"],
            re=header["re"],
            quantities=tuple(Quantity(**v) for v in header["quantities"]),
            observed=np.array([float(v) for v in header["observed"]]),
            values=block(4, k),
            number=number.astype(np.int64),
            status=status.astype(np.str_),
            singular=singular.astype(bool),
            objective=objective,
            std_errors=block(4 + k, p),
            thetas=block(4 + k + p, q),
            theta_names=tuple(header["theta_names"]),
        )
    except DataError:
        raise
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError, IndexError):
        raise DataError(f"{target!r} does not hold a bootstrap written by ranef.") from None
    except FileNotFoundError:
        raise DataError(f"there is no file {target!r}.") from None
    except OSError as e:
        raise DataError(f"the file {target!r} cannot be read: {e.strerror or e}.") from None
