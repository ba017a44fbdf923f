"""Expected values are not edited by hand: each file is the one its script wrote."""

import hashlib
import re
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[1] / "reference"
LISTED = dict(
    reversed(re.fullmatch(r"([0-9a-f]{64})  (\S+)", line).groups())
    for line in (REFERENCE / "checksums.sha256").read_text(encoding="utf-8").splitlines()
)


@pytest.mark.parametrize("name", LISTED)
def test_checksum(name: str) -> None:
    assert hashlib.sha256((REFERENCE / name).read_bytes()).hexdigest() == LISTED[name]


def test_every_case_and_data_file_is_listed() -> None:
    found = {f"{folder}/{p.name}" for folder in ("cases", "data") for p in (REFERENCE / folder).iterdir()}
    assert found == {name for name in LISTED if "/" in name}


def test_the_reference_stays_small() -> None:
    assert sum((REFERENCE / name).stat().st_size for name in LISTED) < 3_000_000
