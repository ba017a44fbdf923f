"""Take the diagnostics out of the cases that run.R wrote,
and those of diagnostics.R, into ``diagnostics.json``.

    Rscript tests/reference/generate/diagnostics.R OUT      # OUT as in README.md
    python tests/reference/generate/diagnostics.py OUT

``hatvalues``, ``cooks_distance``, ``rstudent`` and ``rePCA`` are lme4's, ``icc`` and
``r2_nakagawa`` performance's; null where R gave nothing. ``variance_parts`` and ``vif`` are
described in diagnostics.R. Beside them: the versions of the software, and the checksum of each case
file.
"""

import hashlib
import json
import sys
from pathlib import Path

BLOCKS = ("hatvalues", "cooks_distance", "rstudent", "icc", "r2_nakagawa", "rePCA")
TARGET = Path(__file__).resolve().parents[1]


def main(out: str) -> None:
    cases, sources, software = {}, {}, {}
    for path in sorted((Path(out) / "cases").glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        if case["class"] == "lmer":
            cases[case["id"]] = {name: case["derived"].get(name) for name in BLOCKS}
            sources[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            software |= case["software"]
    own = json.loads((Path(out) / "diagnostics_lme4.json").read_text(encoding="utf-8"))
    record = {"software": software | own.pop("software"), "sources": sources, "cases": cases, **own}
    content = json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"').encode() + b"\n"
    (TARGET / "diagnostics.json").write_bytes(content)
    (TARGET / "diagnostics.md5").write_text(hashlib.md5(content).hexdigest() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
