"""Take the tests of models (likelihood ratios, deletions of random and fixed terms) out
of the cases that run.R wrote, into ``model_tests.json``.

    python tests/reference/generate/model_tests.py OUT     # OUT as in README.md: OUT/cases/*.json

The tables are those of R: ``lrt`` lme4's anova of two models, ``ranova`` and
``drop1_satterthwaite`` lmerTest's, ``drop1_chisq`` lme4's drop1. Beside them: the versions of the
software, and the checksum of each case file they come from.
"""

import hashlib
import json
import sys
from pathlib import Path

BLOCKS = ("lrt", "ranova", "drop1_chisq", "drop1_satterthwaite")
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
        {"software": software, "sources": sources, "cases": cases}, ensure_ascii=False, indent=0
    ).encode()
    (TARGET / "model_tests.json").write_bytes(content + b"\n")
    (TARGET / "model_tests.md5").write_text(hashlib.md5(content + b"\n").hexdigest() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
