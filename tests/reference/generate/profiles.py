"""Take lme4's profile intervals out of the cases that run.R wrote into ``profiles.json``.

    python tests/reference/generate/profiles.py OUT      # OUT as in README.md

For each model that was profiled, ``confint(profile(m), level = 0.95)`` of lme4 on the scale of
standard deviations and correlations (rows in lme4's order: random effects by theta, sigma, fixed
effects; null where R gave nothing), and R's warnings. Beside them: the versions of the software,
and the checksum of each case file.
"""

import hashlib
import json
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1]


def main(out: str) -> None:
    cases, sources, software = {}, {}, {}
    for path in sorted((Path(out) / "cases").glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        found = (case.get("derived") or {}).get("confint_profile_sdcor")
        if case["class"] == "lmer" and found:
            warnings = case["derived"].get("profile_warnings") or []
            cases[case["id"]] = {"rows": found["rownames"], "limits": found["values"], "warnings": warnings}
            sources[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            software |= case["software"]
    record = {"software": software, "sources": sources, "cases": cases}
    content = json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"').encode() + b"\n"
    (TARGET / "profiles.json").write_bytes(content)
    (TARGET / "profiles.md5").write_text(hashlib.md5(content).hexdigest() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
