"""What R printed, from formatting.json (made by generate/formatting.R)."""

import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@cache
def reference() -> dict[str, list[dict[str, Any]]]:
    content = (FOLDER / "formatting.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "formatting.md5").read_text().strip()
    return json.loads(content)


def numbers(texts: list[str]) -> list[float]:
    return [math.nan if t in ("NA", "NaN") else float(t) for t in texts]


def same_numbers(a: list[float], b: list[float]) -> bool:
    return len(a) == len(b) and all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True))
