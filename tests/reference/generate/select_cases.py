"""Copy from the output of run.R what the tests compare with, and record checksums.

usage: python tests/reference/generate/select_cases.py OUT

OUT is the folder that ``export_data.R``, ``csv_to_parquet.py`` and ``run.R`` filled (see README.md
here): ``OUT/cases/ID.json`` and ``OUT/data/NAME.parquet``. Each case keeps the numbers of its best
fit, what is needed to reproduce R's printed summary of its default fit, and predictions for new
rows. Data sets that the package bundles are not copied.
"""

import argparse
import hashlib
import json
import pathlib
import shutil

REFERENCE = pathlib.Path(__file__).resolve().parents[1]
BUNDLED = {p.stem for p in (REFERENCE.parents[1] / "python" / "ranef" / "datasets" / "files").glob("*.parquet")}

CLASSES = ("lmer", "glmer", "glmmTMB")
# Of the glmmTMB models those of families and covariance structures that are fitted here.
GLMMTMB = (
    "tmb_cbpp_binomial", "tmb_petrol_beta", "tmb_salam_nb1", "tmb_salam_nb2", "tmb_simcounts_nb1_slope",
    "tmb_soybean_gamma",
)  # fmt: skip
CASE = (
    "id", "class", "title", "tags", "formula", "data", "reml", "weights_arg", "offset_arg", "subset_arg", "na_action",
    "contrasts_arg", "start_arg", "control", "r_call", "software", "fit_warnings", "fit_messages", "objective_best",
    "optimizer_best",
)  # fmt: skip
BEST = (
    "nobs", "npar", "df_residual", "ngrps", "objective", "objective_kind", "logLik", "AIC", "BIC", "MLdeviance",
    "REMLdeviance", "theta", "sigma", "beta", "se", "t", "vcov_beta", "corr_beta", "dropped_columns", "varcorr",
    "ranef", "coef_first", "fitted", "residuals", "isSingular",
)  # fmt: skip
DEFAULT = (
    "nobs", "ngrps", "df_residual", "objective", "objective_excess", "logLik", "AIC", "BIC", "theta", "sigma", "beta",
    "se", "t", "corr_beta", "varcorr", "isSingular", "optimizer", "summary_print",
)  # fmt: skip
DERIVED = (
    "predict", "summary_satterthwaite", "summary_kenward_roger", "vcov_beta_kr", "anova_satterthwaite_1",
    "anova_satterthwaite_2", "anova_satterthwaite_3", "anova_kenward_roger_1", "anova_kenward_roger_2",
    "anova_kenward_roger_3",
)  # fmt: skip


# What generalized models have besides.
GLMM_CASE = ("r_function", "family", "link", "nAGQ", "crosscheck_glmmTMB")
GLMM_BEST = ("p", "nb_theta", "linear_predictor", "beta_cond", "se_cond", "vcov_cond", "beta_disp")
GLMM_DEFAULT = ("p", "nb_theta")
GLMM_DERIVED = ("predict", "drop1_chisq", "car_anova_2", "car_anova_3", "icc", "r2_nakagawa", "confint_profile_sdcor")


def chosen(block: dict, keys: tuple[str, ...]) -> dict:
    return {key: block[key] for key in keys if block.get(key) is not None}


def select(case: dict) -> dict:
    if case["class"] != "lmer":
        return select_generalized(case)
    kept = {key: case.get(key) for key in CASE}
    kept["best"] = chosen(case["best"], BEST)
    for residual_type in ("deviance", "working"):  # the same as the response residuals of a linear model
        kept["best"]["residuals"].pop(residual_type, None)
    kept["results"] = chosen(case["results"], DEFAULT)
    kept["derived"] = chosen(case.get("derived") or {}, DERIVED)
    return kept


def select_generalized(case: dict) -> dict:
    kept = {key: case.get(key) for key in (*CASE, *GLMM_CASE)}
    kept["best"] = chosen(case["best"], (*BEST, *GLMM_BEST))
    kept["results"] = chosen(case["results"], (*DEFAULT, *GLMM_DEFAULT))
    kept["derived"] = chosen(case.get("derived") or {}, GLMM_DERIVED)
    return kept


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    folders = {name: REFERENCE / name for name in ("cases", "data")}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    needed = set()
    for path in sorted((out / "cases").glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        if case["class"] not in CLASSES or (case["class"] == "glmmTMB" and case["id"] not in GLMMTMB):
            continue
        needed.add(case["data"])
        text = json.dumps(select(case), ensure_ascii=False, separators=(",", ":"))
        (folders["cases"] / path.name).write_text(text + "\n", encoding="utf-8")
    for name in sorted(needed - BUNDLED):
        shutil.copyfile(out / "data" / f"{name}.parquet", folders["data"] / f"{name}.parquet")
    files = sorted([*folders["cases"].iterdir(), *folders["data"].iterdir(), REFERENCE / "datasets.json"])
    lines = [f"{sha256(path)}  {path.relative_to(REFERENCE).as_posix()}\n" for path in files]
    (REFERENCE / "checksums.sha256").write_text("".join(lines), encoding="utf-8")
    print(len(files), "files,", sum(path.stat().st_size for path in files), "bytes")


if __name__ == "__main__":
    main()
