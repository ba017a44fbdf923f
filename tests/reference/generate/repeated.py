"""Collect what tests of models for repeated measures compare with.

usage: python tests/reference/generate/repeated.py OUT

OUT/cases holds fits of R's mmrm 0.3.18 in R 4.2.2 (`repeated.R` has their calls; the optimum of
several optimisers with tight tolerances, then each method of degrees of freedom at it), and
OUT/sas_mmrm_facts.json numbers that SAS PROC MIXED printed, as kept in the design folder of
openpharma/mmrm 0.3.18. OUT/data holds fev_data and bcva_data of R's mmrm (Apache-2.0; Sabanes Bove
et al., https://doi.org/10.32614/CRAN.package.mmrm) and sim_visit, simulated by `repeated.R`.
Writes repeated.json, repeated.md5 and the folder repeated.
"""

import hashlib
import json
import pathlib
import shutil
import sys

REFERENCE = pathlib.Path(__file__).resolve().parents[1]
DATA = ("fev_data", "bcva_data", "sim_visit")
BEST = ("nobs", "n_subjects", "objective", "beta", "se", "df", "residual_cov", "AIC", "BIC")


def table(t: dict) -> dict:
    return {"rows": t["rownames"], "columns": t["colnames"], "values": t["values"]}


def first(v: dict) -> dict:
    return {"first": v["first"], "sumsq": v["sumsq"]}


def select(case: dict, large: bool) -> dict:
    best = case["best"]
    out = {k: case[k] for k in ("id", "formula", "data", "reml", "ranef_call", "r_call", "software")}
    out["best"] = {k: best[k] for k in BEST if best.get(k) is not None}
    out["fitted"] = first(best["fitted"])
    out["residuals"] = {k: first(v) for k, v in best["residuals"].items()}
    out["methods"] = {}
    for name, found in case["derived"].items():
        if not isinstance(found, dict):
            continue
        kept = {"coefficients": table(found["coefficients"])}
        if not large and name in ("satterthwaite", "kenward_roger_linear", "between_within", "cr2"):
            kept |= {k: found[k] for k in ("terms", "emmeans") if k in found}
        out["methods"][name] = kept
    if "predict_conditional_first" in case["derived"]:
        out["predict_conditional_first"] = case["derived"]["predict_conditional_first"]
    if case["id"] == "mmrm_fev_us_reml":
        out["summary_print"] = case["results"]["summary_print"]
    return out


def rounded(x: object) -> object:
    if isinstance(x, float):
        return float(f"{x:.13g}")
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, list) else x


def main() -> None:
    source = pathlib.Path(sys.argv[1])
    cases = [json.loads(p.read_text(encoding="utf-8")) for p in sorted((source / "cases").glob("mmrm_*.json"))]
    content = {
        "cases": {c["id"]: rounded(select(c, "large" in c["tags"])) for c in cases},
        "sas": json.loads((source / "sas_mmrm_facts.json").read_text(encoding="utf-8")),
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace('},"mmrm_', '},\n"mmrm_') + "\n"
    (REFERENCE / "repeated.json").write_text(text, encoding="utf-8")
    digest = hashlib.md5(text.encode()).hexdigest()
    (REFERENCE / "repeated.md5").write_text(f"{digest}\n", encoding="utf-8")
    (REFERENCE / "repeated").mkdir(exist_ok=True)
    for name in DATA:
        shutil.copyfile(source / "data" / f"{name}.parquet", REFERENCE / "repeated" / f"{name}.parquet")


if __name__ == "__main__":
    main()
