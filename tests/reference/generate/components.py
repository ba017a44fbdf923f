"""Models of glmmTMB and GLMMadaptive with several linear predictors, which
tests/agreement/test_component_cases.py compares with.

usage: python tests/reference/generate/components.py OUT

OUT is the folder that run.R filled (see README.md there): ``OUT/cases/fam_*.json`` and
``OUT/cases/mix_*.json``, and the data. A case has R's call, its best optimum, objective and
gradient at parameters away from it (``at_fixed``) and predictions of some rows. Writes
tests/reference/components/cases.json and the data.
"""

import json
import pathlib
import shutil
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "components"
BEST = ("objective", "npar", "nobs", "beta_cond", "se_cond", "beta_zi", "se_zi", "beta_disp", "se_disp", "rows",
        "predict_rows", "family_params", "beta", "gammas", "D")  # fmt: skip
PREDICTED = ("rows", "changed", "link", "link_se", "zprob", "response")
#: Cases that are about priors or other approximations.
OTHERS = ("fam_culcita_prior", "mix_toenail_slope")


def of(path: pathlib.Path) -> dict:
    """One case, with what the tests need."""
    case = json.loads(path.read_text(encoding="utf-8"))
    derived = case.get("derived") or {}
    predicted = derived.get("predict") or {}
    return {
        "data": case["data"],
        "r_call": case["r_call"],
        "software": case["software"],
        "best": {k: case["best"][k] for k in BEST if k in case["best"]},
        "at_fixed": derived.get("at_fixed"),
        "predict": {
            k: predicted[k] for k in ("rows", "changed", "link", "link_se", "zprob", "response") if k in predicted
        },
    }


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    found = {
        p.stem: of(p)
        for pattern in ("fam_*.json", "mix_*.json")
        for p in sorted((out / "cases").glob(pattern))
        if p.stem not in OTHERS
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "cases.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name in {c["data"] for c in found.values()}:
        shutil.copy(out / "data" / f"{name}.parquet", FOLDER / f"{name}.parquet")
