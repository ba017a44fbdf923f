"""Likelihood-ratio tables, ranova and drop1 against lme4 and lmerTest."""

import hashlib
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lme4_case import arguments, fitted

import ranef
from ranef.formula import parse_formula
from reference.store import load_case, load_data

FILE = Path(__file__).parents[1] / "reference" / "model_tests.json"
STORED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
TOLERANCE = 1e-5


def with_block(name: str) -> list[str]:
    return [i for i, blocks in STORED.items() if name in blocks]


def numbers(values: list[float | None]) -> np.ndarray:
    return np.array([math.nan if v is None else v for v in values], dtype=float)


def assert_close(ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> None:
    np.testing.assert_allclose(np.asarray(ours, dtype=float), theirs, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_the_file_is_the_one_its_script_wrote() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()
    assert {n: len(with_block(n)) for n in ("lrt", "ranova", "drop1_chisq", "drop1_satterthwaite")} == {
        "lrt": 12,
        "ranova": 67,
        "drop1_chisq": 68,
        "drop1_satterthwaite": 68,
    }


LRT = [(i, other) for i in with_block("lrt") for other, t in STORED[i]["lrt"].items()]


@pytest.mark.parametrize(("identifier", "other"), LRT)
def test_likelihood_ratio_table(identifier: str, other: str) -> None:
    stored = STORED[identifier]["lrt"][other]
    theirs = stored["anova"]["columns"]
    case = load_case(identifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        model = ranef.lmer(stored["other"], load_data(case["data"]), **arguments(case))
    table = ranef.anova(fitted(identifier), model, names=["m", "m0"])
    assert list(table.index) == stored["anova"]["rows"]
    for ours, r in (
        ("npar", "npar"),
        ("aic", "AIC"),
        ("bic", "BIC"),
        ("llf", "logLik"),
        ("deviance", "deviance"),
        ("chisq", "Chisq"),
        ("df", "Df"),
        ("p_value", "Pr(>Chisq)"),
    ):
        assert_close(table[ours], numbers(theirs[r]))
    assert ("refitted by ML" in str(table)) == case["reml"]


# lmerTest turns (0 + x | g) with a numeric x into (1 | g), which is not a special case of it: no
# degrees of freedom and no test. Here it is left out.
NOT_NESTED = ["sleep_slope_only"]


@pytest.mark.parametrize("identifier", [i for i in with_block("ranova") if i not in NOT_NESTED])
def test_ranova(identifier: str) -> None:
    stored = STORED[identifier]["ranova"]
    table = fitted(identifier).ranova()
    assert list(table.index) == stored["rows"]
    for ours, r in (
        ("npar", "npar"),
        ("aic", "AIC"),
        ("llf", "logLik"),
        ("chisq", "LRT"),
        ("df", "Df"),
        ("p_value", "Pr(>Chisq)"),
    ):
        assert_close(table[ours], numbers(stored["columns"][r]))


@pytest.mark.parametrize("identifier", NOT_NESTED)
def test_ranova_leaves_out_a_slope_without_intercept(identifier: str) -> None:
    stored = STORED[identifier]["ranova"]
    assert stored["columns"]["Df"][1] == 0
    table = fitted(identifier).ranova()
    assert list(table.index) == stored["rows"]
    assert_close(table["aic"].iloc[0], stored["columns"]["AIC"][0])
    assert table["df"].iloc[1] == 1


# R's refits without these terms stop short of the optimum (the second after lme4's limit on
# evaluations): by this much in AIC.
STOPPED_SHORT = {("carrots_big", "Age"): 1.9055, ("wafer_poly", "voltage"): 17.50977}


@pytest.mark.parametrize("identifier", with_block("drop1_chisq"))
def test_drop1_chisq(identifier: str) -> None:
    stored = STORED[identifier]["drop1_chisq"]
    columns = {name: numbers(values) for name, values in stored["columns"].items()}
    table = fitted(identifier).drop1(test="chisq")
    rows = stored["rows"] if stored["rows"] != ["1"] else ["<none>"]  # R's label where there is nothing to drop
    assert list(table.index) == rows
    short = [(identifier, row) in STOPPED_SHORT for row in rows]
    assert not any("converge" in note for note in table.attrs["notes"])
    for ours, r in (("df", "npar"), ("aic", "AIC"), ("chisq", "LRT"), ("p_value", "Pr(Chi)")):
        theirs = columns[r]
        if r in ("AIC", "LRT"):
            theirs = theirs - [STOPPED_SHORT.get((identifier, row), 0.0) for row in rows]
        keep = [j for j in range(len(rows)) if not (short[j] and r == "Pr(Chi)")]
        tolerance = 1e-4 if any(short) else TOLERANCE
        assert_close(table[ours].to_numpy()[keep], theirs[keep], tolerance)


# The F tests feel the estimates of the variances; of this fit, lme4 stops a little short.
LOOSE_F = {"wafer_poly": 3e-5}


@pytest.mark.parametrize("identifier", with_block("drop1_satterthwaite"))
def test_drop1_f(identifier: str) -> None:
    stored = STORED[identifier]["drop1_satterthwaite"]
    table = fitted(identifier).drop1("f")
    assert list(table.index) == stored["rows"]
    tolerance = LOOSE_F.get(identifier, TOLERANCE)
    tested = table["num_df"].to_numpy() > 0
    for ours, r in (
        ("sum_sq", "Sum Sq"),
        ("mean_sq", "Mean Sq"),
        ("num_df", "NumDF"),
        ("den_df", "DenDF"),
        ("f_value", "F value"),
        ("p_value", "Pr(>F)"),
    ):
        theirs = numbers(stored["columns"][r])
        assert np.isnan(theirs[~tested]).all()
        assert_close(
            table[ours].to_numpy()[tested], theirs[tested], max(tolerance, 1e-4) if r == "DenDF" else tolerance
        )


STEPS_FILE = FILE.with_name("model_steps.json")
STEPS: dict[str, Any] = json.loads(STEPS_FILE.read_text(encoding="utf-8"))


def fit(case: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        return ranef.lmer(case["formula"], load_data(case["data"]), REML=case.get("reml", True))


def test_the_file_of_steps_is_the_one_its_script_wrote() -> None:
    assert hashlib.md5(STEPS_FILE.read_bytes()).hexdigest() == STEPS_FILE.with_suffix(".md5").read_text().strip()


@pytest.mark.parametrize("case", STEPS["steps"], ids=lambda c: c["data"])
def test_step(case: dict[str, Any]) -> None:
    found = fit(case).step()
    random, fixed = case["random"], case["fixed"]
    # What stays is in the order of the formula here, and in that of R's rewritten formula there;
    # our table has no row for the model itself.
    at = [random["rows"].index(label) for label in found.random.index]
    assert sorted(at) == list(range(1, len(random["rows"])))
    assert list(found.fixed.index) == fixed["rows"]
    tolerance = (
        2e-4 if case["data"] == "carrots" else TOLERANCE
    )  # lmerTest refits with lme4's default optimiser, which warns there
    for ours, r in (
        ("eliminated", "Eliminated"),
        ("npar", "npar"),
        ("aic", "AIC"),
        ("llf", "logLik"),
        ("chisq", "LRT"),
        ("df", "Df"),
        ("p_value", "Pr(>Chisq)"),
    ):
        assert_close(found.random[ours], numbers(random["columns"][r])[at], tolerance)
    for ours, r in (
        ("eliminated", "Eliminated"),
        ("sum_sq", "Sum Sq"),
        ("num_df", "NumDF"),
        ("den_df", "DenDF"),
        ("f_value", "F value"),
        ("p_value", "Pr(>F)"),
    ):
        assert_close(
            found.fixed[ours], numbers(fixed["columns"][r]), tolerance if r != "DenDF" else max(tolerance, 1e-4)
        )
    final, theirs = (
        parse_formula(found.model.formula),
        parse_formula(case["final"].replace("((", "(").replace("))", ")")),
    )
    assert [t.label for t in final.fixed] == [t.label for t in theirs.fixed]
    assert {t.text for t in final.random} == {t.text for t in theirs.random}


@pytest.mark.parametrize("case", STEPS["drops"], ids=lambda c: c["formula"])
def test_drop1_without_intercept(case: dict[str, Any]) -> None:
    """When the factor that holds the constant goes, the next one takes it over."""
    stored = case["drop1_chisq"]
    table = fit(case).drop1()
    assert list(table.index) == stored["rows"]
    for ours, r in (("df", "npar"), ("aic", "AIC"), ("chisq", "LRT"), ("p_value", "Pr(Chi)")):
        assert_close(table[ours], numbers(stored["columns"][r]))


def test_reml_criteria_of_equal_fixed_parts() -> None:
    data = load_data("sleepstudy")
    a, b = ranef.lmer("Reaction ~ Days + (1 | Subject)", data), ranef.lmer("Reaction ~ Days + (Days | Subject)", data)
    table, theirs = ranef.anova(a, b, refit=False), STEPS["reml_anova"]["columns"]
    for ours, r in (
        ("npar", "npar"),
        ("aic", "AIC"),
        ("bic", "BIC"),
        ("deviance", "deviance"),
        ("chisq", "Chisq"),
        ("p_value", "Pr(>Chisq)"),
    ):
        assert_close(table[ours], numbers(theirs[r]))
    assert "refitted" not in str(table)
