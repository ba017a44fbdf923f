"""Records as bytes that can be sent: with a version and a checksum, and without code."""

import hashlib
import io
from typing import Any

from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.archive import read_archive, write_archive

DIGEST = hashlib.sha256().digest_size


def sealed(kind: str, version: int, content: dict[str, Any]) -> bytes:
    """Named values of plain kinds, compressed; ``kind`` is what they are."""
    out = io.BytesIO()
    write_archive(out, kind, content)
    body = _head(kind, version) + out.getvalue()
    return _head(kind, version) + hashlib.sha256(body).digest() + out.getvalue()


def opened(kind: str, version: int, content: Any) -> dict[str, Any]:
    """What `sealed` was given.

    Raises
    ------
    DataError
        If the bytes are something else, damaged, cut, or of another version.
    """
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ArgumentTypeError(f"a {kind.lower()} is read from bytes, not from a {type(content).__name__}.")
    content = bytes(content)
    head = _head(kind, version)
    if content[: len(head) - 1] != head[:-1]:
        other = content[:6] == head[:6]
        what = "are damaged, or something else than" if other else "are not"
        raise DataError(f"these bytes {what} what {kind}.to_bytes wrote.")
    if content[: len(head)] != head:
        found = content[len(head) - 1 : len(head)]
        raise DataError(
            f"these bytes have version {found[0] if found else 'none'}; this ranef reads version {version} of a {kind}."
        )
    digest, rest = content[len(head) : len(head) + DIGEST], content[len(head) + DIGEST :]
    if hashlib.sha256(head + rest).digest() != digest:
        raise DataError(f"the bytes of this {kind.lower()} are damaged or cut: their checksum is another one.")
    found_kind, held = read_archive(io.BytesIO(rest))
    if found_kind != kind:
        raise DataError(f"these bytes are not what {kind}.to_bytes wrote.")
    return held


def _head(kind: str, version: int) -> bytes:
    return b"ranef " + kind.lower().encode() + bytes([version])
