"""Make wheels of one commit the same bytes: ``python scripts/same_bytes.py dist/*.whl``.

The compiled module is the same in every build; the list of what is in it (``sboms/``) has a random
number and the time. They become a number that follows from the list, and the time of the commit.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import uuid
import zipfile
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
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as out:
        for info, content in members:
            written = lists.get(info.filename, content)
            if info.filename == record:
                written = "".join(_line(line, lists) for line in content.decode().splitlines(keepends=True)).encode()
            out.writestr(info, written, compress_type=info.compress_type, compresslevel=9)
    partial.replace(wheel)


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
