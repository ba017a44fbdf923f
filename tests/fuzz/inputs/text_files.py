"""Text files of columns with accidents: bytes changed, cut, doubled, quotes and ends of lines where
none should be, compressed files that are damaged.
"""

import gzip
import random
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from ranef.data.batches import lazy_batches
from ranef.data.table import Table

_FIELDS = (
    b"", b"NA", b"NaN", b"None", b"1", b"-1.5", b"1e400", b"9" * 25, b"0x1f", b"TRUE", b"2020-02-30", b"2020-01-31",
    b"12:61", b"1,5", b"1.234,5", b"\"a\"\"b\"", b"\"", b"'", b"a b", b"\xc3\xa9", b"\xff\xfe", b"\x00", b"=1+1",
    b"\xef\xbb\xbf", b"sep=;", b"#", b"x" * 5000, b"\xe6\x97\xa5", b"inf", b"-", b".", b"1_000", b"\xed\xa0\x80",
)  # fmt: skip
_ENDS = (b"\n", b"\r\n", b"\r", b"\n\n", b"", b"\x0b", b"\x1a", b"\xe2\x80\xa8")
_MARKS = (b",", b";", b"\t", b"|", b'"', b" ", b"\\", b"\x00", b"\n", b"\r\n", b"'")

#: One in so many is also read in batches, from a folder of two files.
STREAMED = 5


def _whole(mark: str, decimal: str, quote: str = "") -> str:
    """A good file, of seven columns."""
    rows = [mark.join(f"{quote}{n}{quote}" for n in ("y", "x", "g", "when", "flag", "été", "note"))]
    for i in range(12):
        number = f"{i * 0.37 - 2:.3f}".replace(".", decimal)
        text = f'"a{mark} ""b""\n{i}"' if i % 5 == 0 else f"{quote}level {i % 3}{quote}"
        day = f"2024-02-{i + 1:02d}"
        rows.append(
            mark.join((number, str(i * i), f"{quote}g{i % 4}{quote}", day, ("TRUE", "FALSE")[i % 2], "ü", text))
        )
    return "\n".join(rows) + "\n"


@lru_cache(maxsize=1)
def _good() -> tuple[bytes, ...]:
    plain = _whole(",", ".")
    return (
        plain.encode(),
        plain.replace("\n", "\r\n").encode(),
        _whole(";", ",", '"').encode(),
        _whole("\t", ".").encode(),
        _whole("|", ".").encode("cp1252"),
        b"\xef\xbb\xbf" + plain.encode(),
        plain.encode("utf-16"),
        b"sep=;\n" + _whole(";", ",").encode(),
        b"y,x,g\n1,2,a\n3,4,b\n",
        b"y\n1\n2\n",
        b"",
    )


def text_case(number: int) -> tuple[str, bytes]:
    """The ending and the bytes of the file of a number."""
    chance = random.Random(number)
    content = bytearray(chance.choice(_good()))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 8))):
        _spoil(content, chance)
    ending = chance.choice((".csv", ".csv", ".csv", ".tsv", ".txt", ".tab", ".csv.gz"))
    if ending.endswith(".gz"):
        packed = bytearray(gzip.compress(bytes(content), mtime=0))
        for _ in range(chance.choice((0, 1, 2))):
            packed[chance.randrange(len(packed))] = chance.randrange(256)
        if chance.random() < 0.2:
            del packed[chance.randrange(len(packed)) :]
        content = packed
    return ending, bytes(content)


def _spoil(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content) + 1)
    to = min(len(content), at + chance.choice((1, 1, 2, 8, 40)))
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: b"",
        lambda: bytes([chance.randrange(256)]),
        lambda: chance.choice(_MARKS),
        lambda: chance.choice(_FIELDS),
        lambda: chance.choice(_ENDS),
        lambda: bytes(content[at:to]) * chance.choice((2, 30)),
    )
    kind = chance.randrange(len(kinds) + 3)
    if kind < len(kinds):
        content[at : to if chance.random() < 0.5 else at] = kinds[kind]()
    elif kind == len(kinds):  # a whole field
        marks = [i for i, c in enumerate(content) if c in b",;\t|\n"]
        if len(marks) > 1:
            i = chance.randrange(len(marks) - 1)
            content[marks[i] + 1 : marks[i + 1]] = chance.choice(_FIELDS)
    elif kind == len(kinds) + 1:  # a whole line again, or gone
        lines = bytes(content).split(b"\n")
        i = chance.randrange(len(lines))
        lines[i : i + 1] = [lines[i]] * chance.choice((0, 2))
        content[:] = b"\n".join(lines)
    else:
        del content[at:]


def use_text(number: int) -> None:
    """Read every column of a file."""
    ending, content = text_case(number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"data{ending}")
        path.write_bytes(content)
        table = Table.from_data(path)
        table.load(table.names)
        assert all(len(table.column(name)) == table.n_rows for name in table.names)
        if number % STREAMED == 0:
            Path(folder, f"more{ending}").write_bytes(text_case(number + 1)[1])
            batches = lazy_batches(Path(folder))
            if batches is not None:
                rows = sum(t.n_rows for t in batches.tables(batches.names))
                assert rows == batches.n_rows(), f"{rows} rows are read and {batches.n_rows()} counted"
