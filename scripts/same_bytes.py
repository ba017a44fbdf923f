"""Make wheels of one commit the same bytes: ``python scripts/same_bytes.py dist/*.whl``.

The compiled module is the same in every build; the list of what is in it (``sboms/``) has a random
number and the time. They become a number that follows from the list, and the time of the commit.
All members are packed by libdeflate (``pip install deflate``), which makes them three per cent
smaller than zlib can.
"""

import base64
import hashlib
import json
import os
import struct
import subprocess
import sys
import uuid
import zipfile
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]


def time_of_commit() -> int:
    """Seconds since 1970: of SOURCE_DATE_EPOCH, of the last commit, or of 1980 where there is
    none.
    """
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(shown.stdout) if shown.returncode == 0 and shown.stdout.strip() else 315_532_800


def settled(sbom: bytes, seconds: int) -> bytes:
    """A list of components with a number and a time that are the same in every build."""
    content = json.loads(sbom)
    content["metadata"]["timestamp"] = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content.pop("serialNumber", None)
    text = json.dumps(content, indent=2, sort_keys=True)
    content["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, text)}"
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def settle(wheel: Path, seconds: int) -> None:
    """Rewrite a wheel in place."""
    with zipfile.ZipFile(wheel) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    lists = {
        i.filename: settled(c, seconds) for i, c in members if "/sboms/" in i.filename and i.filename[-5:] == ".json"
    }
    record = next(i.filename for i, _ in members if i.filename.endswith(".dist-info/RECORD"))
    partial = wheel.with_suffix(".partial")
    written = []
    for info, content in members:
        made = lists.get(info.filename, content)
        if info.filename == record:
            made = "".join(_line(line, lists) for line in content.decode().splitlines(keepends=True)).encode()
        written.append((info, made))
    partial.write_bytes(packed(written))
    partial.replace(wheel)


def packed(members: Sequence[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    """A ZIP archive of members, which is small; ``zipfile`` takes no other compressor than zlib.

    Source: APPNOTE.TXT of PKWARE, version 6.3.10, sections 4.3.7 (local header), 4.3.12 (central
    directory) and 4.3.16 (its end).
    """
    import deflate

    body, directory = bytearray(), bytearray()
    for info, content in members:
        name = info.filename.encode()
        small = bytes(deflate.deflate_compress(content, 12))
        method = zipfile.ZIP_DEFLATED if len(small) < len(content) else zipfile.ZIP_STORED
        small = small if method == zipfile.ZIP_DEFLATED else content
        year, month, day, hour, minute, second = info.date_time
        when = (hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day)
        # version 2.0, names in UTF-8
        common = struct.pack(
            "<5H3L2H", 20, 0x800, method, *when, zlib.crc32(content), len(small), len(content), len(name), 0
        )
        start = len(body)
        body += b"PK\3\4" + common + name + small
        made_by = 20 | info.create_system << 8
        directory += struct.pack("<4sH", b"PK\1\2", made_by) + common
        directory += struct.pack("<3H2L", 0, 0, 0, info.external_attr, start) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return bytes(body + directory + end)


def _line(line: str, lists: dict[str, bytes]) -> str:
    """A line of RECORD: name, checksum, size."""
    name = line.split(",")[0]
    if name not in lists:
        return line
    digest = base64.urlsafe_b64encode(hashlib.sha256(lists[name]).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(lists[name])}\n"


def main() -> None:
    for name in sys.argv[1:]:
        settle(Path(name), time_of_commit())
        print(f"{hashlib.sha256(Path(name).read_bytes()).hexdigest()}  {Path(name).name}")


if __name__ == "__main__":
    main()
