"""Take the marginal means and trends of linear models out of the cases that run.R wrote,
into ``emmeans_cases.json``.

    python tests/reference/generate/emmeans_cases.py OUT     # OUT as in README.md: OUT/cases/*.json

The tables are emmeans' for each specification and method of degrees of freedom, with its pairwise
differences. Beside them: the versions of the software, and the checksum of each case file they come
from.
"""

import hashlib
import json
import sys
from pathlib import Path

BLOCKS = ("emmeans", "emtrends")
TARGET = Path(__file__).resolve().parents[1]


def main(out: str) -> None:
    cases, sources, software = {}, {}, {}
    for path in sorted((Path(out) / "cases").glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        blocks = {
            name: case["derived"][name] for name in BLOCKS if case["class"] == "lmer" and case["derived"].get(name)
        }
        if blocks:
            cases[case["id"]] = blocks
            sources[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            software = case["software"]
    content = json.dumps(
        {"software": software, "sources": sources, "cases": cases}, ensure_ascii=False, separators=(",", ":")
    ).encode()
    (TARGET / "emmeans_cases.json").write_bytes(content + b"\n")
    (TARGET / "emmeans_cases.md5").write_text(hashlib.md5(content + b"\n").hexdigest() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
