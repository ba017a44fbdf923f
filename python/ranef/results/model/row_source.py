"""The rows of a model that was made of sums over them, read again: in memory, or in batches where
they are many.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ranef.data import batches
from ranef.data.batches import Batches, sources_of
from ranef.data.streams import Stream
from ranef.data.table import Table
from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.estimates.rows import padded, row_series
from ranef.fit.record import MixedFit
from ranef.fit.sums.absent_data import AbsentData
from ranef.fit.sums.given_rows import of_batch, see_same_rows, with_rows
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import names_in
from ranef.results.model.fitted import FittedModel

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class RowSourceChapter(FittedModel):
    """What a model says of rows that are read when they are needed."""

    #: What the rows are read from in batches, where that is how they are read.
    _sources: list[Batches] | None = None

    def with_data(self, data: Any) -> Self:
        """The same model with its data: for a model that was made of sums over rows, or read from a
        file.

        With up to a million rows, and with a frame, the model has its rows in memory and can do
        what any model can. A larger source is read in batches for every answer that is one number a
        row: ``fittedvalues``, ``resid``, ``residuals``, ``linear_predictor``, ``hatvalues``,
        ``rstudent``, ``cooks_distance``, ``predict()`` and ``augment_to``, and for ``influence`` of
        groups of a linear model.

        Parameters
        ----------
        data : frame, path, dataset, stream or list of these
            The data of the fit, as `lmer` or `scale.fit` takes them.

        Returns
        -------
        LinearMixedModel or GeneralizedLinearMixedModel
            Nothing is fitted again.

        Examples
        --------
        >>> from ranef import load_dataset, scale
        >>> data = load_dataset("sleepstudy")
        >>> m = scale.fit("Reaction ~ Days + (Days | Subject)", [data[:90], data[90:]])
        >>> m.with_data(data).resid.head(2).round(2).tolist()
        [-4.1, -14.63]
        """
        fit, request = self._fit, self._request
        if isinstance(data, AbsentData):
            raise ArgumentTypeError("these are the data of a model that has none.")
        if fit.design.sums is None:
            n = Table.from_data(data).n_rows
            if n != fit.design.n_input:
                raise OptionError(f"the data have {n:,} rows and had {fit.design.n_input:,} when the model was fitted.")
            return self.__class__(fit, replace(request, data=data))
        sources = [s.again(self._columns(s)) for s in sources_of(data)]
        held = len(sources) == 1 and sources[0].held is not None
        if held or sum(s.n_rows() for s in sources) <= batches.MANY_ROWS:
            frame = sources[0].held if held else _read(sources, self._columns(sources[0]))
            table = Table.from_data(frame)
            return self.__class__(with_rows(fit, table, request.subset), replace(request, data=frame))
        out = self.__class__(fit, replace(request, data=data))
        out._sources = sources
        return out

    def _columns(self, source: Batches) -> list[str]:
        texts = [t for t in (self._request.weights, self._request.offset, self._request.subset) if isinstance(t, str)]
        wanted = set(self._fit.design.formula.names)
        for text in texts:
            wanted |= {text} if text in source.names else set(names_in(parse_expression(text)))
        return [n for n in source.names if n in wanted]

    def _batches(self) -> Iterator[tuple[Table, MixedFit]]:
        """The rows in batches, each with a fit that stands for them."""
        assert self._sources is not None
        used = 0
        for source in self._sources:
            for table in source.tables(self._columns(source)):
                if table.n_rows:
                    fit = of_batch(self._fit, table, self._request.subset)
                    used += fit.design.n_used
                    yield table, fit
        see_same_rows(self._fit, used)

    def _row_series(self, values: Callable[[MixedFit], Floats], name: str) -> "pd.Series[float]":
        """One number for each row used, labelled; read in batches where the model has no rows."""
        if self._sources is None:
            return row_series(self._fit, values(self._fit), name)
        import pandas as pd

        parts, index = [], self._batch_index()
        for _, fit in self._batches():
            parts.append(padded(fit, values(fit)))
            index.add(fit)
        return pd.Series(np.concatenate(parts), index=index.made(), name=name)

    def _batch_index(self) -> "_Index":
        return _Index(self._fit.design.na_action == "exclude")

    def augment_to(self, path: str | os.PathLike[str]) -> None:
        """Write what ``augment`` returns to a Parquet file, in batches where the rows are read so.

        Parameters
        ----------
        path : path
            Of the file, which is replaced.

        Examples
        --------
        >>> import tempfile
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m.augment_to(f"{folder}/rows.parquet")
        """
        if not isinstance(path, str | os.PathLike):
            raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
        import pyarrow as pa
        import pyarrow.parquet as pq

        from ranef.presentation.tidy import augment_frame

        path = os.path.expanduser(os.fspath(path))
        pieces: Any = [(self._request.data, self._fit)] if self._sources is None else self._batches()
        fresh, writer = f"{path}.part", None
        try:
            for data, fit in pieces:
                table = pa.Table.from_pandas(augment_frame(fit, data), preserve_index=False).replace_schema_metadata()
                if writer is None:
                    writer = pq.ParquetWriter(fresh, table.schema)
                writer.write_table(table.cast(writer.schema))
        except (OSError, pa.ArrowException) as problem:
            raise DataError(f"the file {path!r} cannot be written: {problem}") from problem
        finally:
            if writer is not None:
                writer.close()
        os.replace(fresh, path)


class _Index:
    """Numbers of the rows used, from batches."""

    def __init__(self, all_rows: bool):
        self._all, self._start, self._parts = all_rows, 0, list[NDArray[np.int64]]()

    def add(self, fit: MixedFit) -> None:
        d = fit.design
        own = np.arange(d.n_input) if self._all or d.kept is None else d.kept
        self._parts.append(self._start + own)
        self._start += d.n_input

    def made(self) -> "pd.Index":
        import pandas as pd

        numbers = np.concatenate(self._parts)
        return pd.RangeIndex(self._start) if len(numbers) == self._start else pd.Index(numbers)


def _read(sources: list[Batches], names: list[str]) -> Any:
    """All rows of some columns in memory."""

    def opened(chosen: Any) -> Iterator[Any]:
        for source in sources:
            yield source.read(chosen)

    return Stream(tuple(names), opened, "the data").read(names)
