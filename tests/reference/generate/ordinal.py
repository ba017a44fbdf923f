"""Models of R's ordinal 2022.11-16, which tests/agreement/test_ordinal_cases.py compares with.

usage: python tests/reference/generate/ordinal.py OUT

OUT is the folder that run.R filled (see README.md there): ``OUT/cases/ord_*.json``. A case has R's
call, its best optimum, objectives at parameters away from it (``at_fixed``), the minimum of the
same objective by independent code with an exact gradient (``crosscheck``, where R's is not exact),
and marginal means by emmeans. Writes tests/reference/ordinal.json and its checksum.
"""

import hashlib
import json
import pathlib
import sys

REFERENCE = pathlib.Path(__file__).resolve().parents[1]
BEST = ("objective", "npar", "thresholds", "threshold_parameters", "beta", "se", "zeta", "sd", "varcorr", "par_note")


def of(path: pathlib.Path) -> dict:
    """One case, with what the tests need."""
    case = json.loads(path.read_text(encoding="utf-8"))
    derived = case.get("derived") or {}
    return {
        "data": case["data"],
        "r_call": case["r_call"],
        "software": case["software"],
        "default_objective": case["results"]["objective"],
        "best": {k: case["best"][k] for k in BEST if k in case["best"]},
        "crosscheck": case.get("crosscheck_laplace"),
        "at_fixed": derived.get("at_fixed") or [],
        "emmeans": derived.get("emmeans"),
    }


if __name__ == "__main__":
    cases = pathlib.Path(sys.argv[1]) / "cases"
    found = {p.stem: of(p) for p in sorted(cases.glob("ord_*.json")) if "_sim_" not in p.stem}
    text = json.dumps(found, indent=1) + "\n"
    (REFERENCE / "ordinal.json").write_text(text, encoding="utf-8")
    (REFERENCE / "ordinal.md5").write_text(hashlib.md5(text.encode()).hexdigest() + "\n", encoding="utf-8")
