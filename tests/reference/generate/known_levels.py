"""Collect what tests of known matrices and multiple membership compare with.

usage: python tests/reference/generate/known_levels.py OUT

OUT/cases holds fits by lme4 1.1-31 in R 4.2.2 whose Z was changed before the optimisation (rows of
the indicator matrix times a root of the known matrix, or weighted sums of indicators; the best of
several optimisers with tight tolerances), OUT/data the simulated data: animals with a pedigree, its
relationship matrix as R's pedigreemm makes it, species on a tree, pupils with several teachers.
Writes known_levels.json, known_levels.md5 and the folder known_levels.
"""

import hashlib
import json
import pathlib
import shutil
import sys

REFERENCE = pathlib.Path(__file__).resolve().parents[1]
CASES = ("known_pedigree", "known_pedigree_ml", "known_pedigree_permanent", "known_tree", "member_teachers")
DATA = ("sim_pedigree", "sim_pedigree_A", "sim_pedigree_ped", "sim_tree", "sim_tree_C", "sim_membership")
BEST = ("nobs", "npar", "objective", "theta", "sigma", "beta", "se", "varcorr", "ranef", "fitted")


def main(out: pathlib.Path) -> None:
    cases = []
    for name in CASES:
        case = json.loads((out / "cases" / f"{name}.json").read_text(encoding="utf-8"))
        kept = {k: case[k] for k in ("id", "data", "reml", "ranef_call", "r_call", "software")}
        found = case.get("best") or case["results"]
        cases.append({**kept, "best": {k: found[k] for k in BEST if k in found}})
    target = REFERENCE / "known_levels.json"
    target.write_text(json.dumps({"cases": cases}, separators=(",", ":")) + "\n", encoding="utf-8")
    digest = hashlib.md5(target.read_bytes()).hexdigest()
    (REFERENCE / "known_levels.md5").write_text(digest + "\n", encoding="utf-8")
    for name in DATA:
        shutil.copy(out / "data" / f"{name}.parquet", REFERENCE / "known_levels")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
