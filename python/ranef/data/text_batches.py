"""Text files of columns, read in batches after all of them were looked at for their types."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from ranef.data.file_batches import DataFile
from ranef.data.text_layout import MISSING_TEXT, TextLayout, text_layout, usual_layout

#: Bytes that are parsed at once.
_BLOCK = 1 << 23


class TextFile(DataFile):
    """A text file of columns."""

    @cached_property
    def layout(self) -> TextLayout:
        """Encoding, separator and decimal mark."""
        import pyarrow as pa

        def look() -> TextLayout:
            with pa.input_stream(str(self.path)) as stream:
                return text_layout(stream, usual_layout(self.path.suffixes))

        found: TextLayout = self.guarded(look)
        return found

    @property
    def differences(self) -> str:
        """What differs from the layout that the name suggests, in words."""
        return self.layout.differences(usual_layout(self.path.suffixes))

    def opened(self, names: Sequence[str] | None, types: dict[str, Any]) -> Any:
        """A reader of batches. Columns without a type are typed by the first block."""
        from pyarrow import csv

        layout = self.layout
        return csv.open_csv(
            self.path,
            read_options=csv.ReadOptions(encoding=layout.encoding, skip_rows=layout.skip, block_size=_BLOCK),
            parse_options=csv.ParseOptions(delimiter=layout.separator, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                include_columns=None if names is None else list(names),
                column_types=types,
                null_values=MISSING_TEXT,
                strings_can_be_null=True,
                decimal_point=layout.decimal,
            ),
        )

    def _read_schema(self) -> Any:
        with self.opened(None, {}) as reader:
            return reader.schema

    def _batches(self, names: Sequence[str], types: dict[str, Any], size: int) -> Iterator[Any]:
        chosen = list(names) or self.schema.names[:1]
        with self.opened(chosen, {n: types[n] for n in names}) as reader:
            yield from reader

    def _count(self) -> int:
        import pyarrow as pa

        first = self.schema.names[:1]
        with self.opened(first, {n: pa.string() for n in first}) as reader:
            return sum(batch.num_rows for batch in reader)


def text_types(files: Sequence[TextFile], names: Sequence[str]) -> dict[str, Any]:
    """The type of each column in all files together, as if they were one.

    The reader types a column by its first block, and fails where a later one does not go with it:
    an identifier that has a letter in the fortieth block, a number with decimals there.
    """
    import pyarrow as pa

    first = {n: files[0].schema.field(n).type for n in names}
    if not names:
        return first
    try:
        if not any(pa.types.is_null(t) for t in first.values()):
            for file in files:
                with file.opened(names, first) as reader:
                    for _ in reader:
                        pass
            return first
    except (pa.ArrowException, OSError, UnicodeError):
        pass  # some value is of another type, or cannot be read, which is found below
    candidates = {n: _candidates() for n in names}
    some = dict.fromkeys(names, False)
    for file in files:
        for batch in file.batches(names, dict.fromkeys(names, pa.string()), _BLOCK):
            for name in names:
                values = batch.column(name).drop_null()
                if len(values):
                    some[name] = True
                    candidates[name] = [t for t in candidates[name] if _is(values, t, file.layout.decimal)]
    return {n: (candidates[n] or [pa.string()])[0] if some[n] else pa.null() for n in names}


def _candidates() -> list[Any]:
    """Types in the order in which they are tried, which is that of pyarrow's whole reader."""
    import pyarrow as pa

    return [pa.int64(), pa.bool_(), pa.date32(), pa.timestamp("s"), pa.timestamp("ns"), pa.float64()]


def _is(values: Any, kind: Any, decimal: str) -> bool:
    """Whether all these texts are values of a type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(values)
    if pa.types.is_floating(kind) and decimal != ".":
        texts = pc.replace_substring(texts, decimal, ".")
    if pa.types.is_boolean(kind):
        allowed = pa.array(["0", "1", "true", "false", "True", "False", "TRUE", "FALSE"])
        return bool(pc.all(pc.is_in(texts, value_set=allowed)).as_py())
    try:
        texts.cast(kind)
    except pa.ArrowException:
        return False
    return True
