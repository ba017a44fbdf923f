"""Marginal means of generalized models against emmeans on fits by glmmTMB,
whose standard errors are exact.
"""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from glmm_means_case import FILE, RESULTS, first_factor, fitted

MODELS = sorted(RESULTS)

#: glmmTMB's second derivatives are differences of its gradient: some digits are lost.
TOLERANCE = 5e-5

COLUMNS = {
    "estimate": ("emmean", "response", "prob", "rate", "estimate", "ratio", "odds.ratio", "x.trend"),
    "std_error": ("SE",),
    "lower": ("asymp.LCL",),
    "upper": ("asymp.UCL",),
    "statistic": ("z.ratio",),
    "p_value": ("p.value",),
}


def compare(frame: pd.DataFrame, r: dict[str, Any]) -> None:
    """Compare tables whose rows are in the same order, in units of the standard errors."""
    for name, candidates in COLUMNS.items():
        theirs = np.atleast_1d(np.array(r[next(c for c in candidates if c in r)], dtype=float))
        unit = {"statistic": 1.0 + np.abs(theirs), "p_value": theirs + 1e-6}.get(name, np.atleast_1d(r["SE"]))
        np.testing.assert_array_less(np.abs(frame[name].to_numpy() - theirs) / unit, TOLERANCE, err_msg=name)
    assert np.isinf(frame["df"]).all()


def test_the_file_is_the_one_its_script_wrote() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@pytest.mark.parametrize("model", MODELS)
def test_both_programs_have_the_same_fit(model: str) -> None:
    m, r = fitted(model), RESULTS[model]["fit"]
    assert m.objective <= r["deviance"] + 1e-8
    np.testing.assert_allclose(m.fixef, r["fixef"], atol=1e-6 * max(r["se"]))
    np.testing.assert_allclose(m.bse, r["se"], rtol=TOLERANCE)


@pytest.mark.parametrize("model", MODELS)
def test_means_and_differences(model: str) -> None:
    r, means = RESULTS[model], fitted(model).emmeans(first_factor(model))
    compare(means.to_frame(), r["link"])
    compare(means.response().to_frame(), r["response"])
    compare(means.pairs().to_frame(), r["pairs link"])
    compare(means.response().pairs().to_frame(), r["pairs response"])


@pytest.mark.parametrize("model", MODELS)
def test_means_corrected_for_bias(model: str) -> None:
    means = fitted(model).emmeans(first_factor(model), type="response", bias_correct=True, sigma=0.7)
    compare(means.to_frame(), RESULTS[model]["bias"])


@pytest.mark.parametrize("model", ["poisson", "cbpp"])
def test_ratios_are_not_corrected_where_emmeans_corrects_them(model: str) -> None:
    """On a log link the correction multiplies all means by the same number,
    so that their ratio stays what it was; emmeans multiplies the ratio too.
    """
    name = "ratio" if model == "poisson" else "odds.ratio"
    plain, r = np.array(RESULTS[model]["pairs response"][name]), np.array(RESULTS[model]["pairs bias"][name])
    np.testing.assert_allclose(r / plain, 1 + 0.7**2 / 2, rtol=1e-6)  # emmeans adjusts ratios
    means = fitted(model).emmeans(first_factor(model), type="response", bias_correct=True, sigma=0.7)
    pairs = means.pairs().to_frame()["estimate"]
    np.testing.assert_allclose(pairs, plain, rtol=1e-6)
    if model == "poisson":
        corrected = means.to_frame()["estimate"].to_numpy()
        np.testing.assert_allclose(pairs[0], corrected[0] / corrected[1])


def test_groups_values_and_families_of_contrasts() -> None:
    m, r = fitted("poisson"), RESULTS["poisson"]
    within = m.emmeans("~ a | b", type="response")
    compare(within.to_frame(), r["~ a | b"])
    compare(within.pairs().to_frame(), r["pairs ~ a | b"])
    compare(m.emmeans("x", at={"x": [0, 1], "e": 2}, type="response").to_frame(), r["at x e"])
    means = m.emmeans("a", type="response")
    compare(means.contrast("trt.vs.ctrl", adjust="none").to_frame(), r["dunnett"])
    compare(means.contrast("eff").to_frame(), r["eff"])


@pytest.mark.parametrize("weights", ["proportional", "outer", "cells"])
def test_weights(weights: str) -> None:
    compare(fitted("poisson").emmeans("a", weights=weights).to_frame(), RESULTS["poisson"][f"weights {weights}"])


def test_trends() -> None:
    compare(fitted("poisson").emtrends("a", "x").to_frame(), RESULTS["poisson"]["trend"])
    trends = fitted("logit").emtrends("a", "x")
    compare(trends.to_frame(), RESULTS["logit"]["trend"])
    compare(trends.pairs().to_frame(), RESULTS["logit"]["trend pairs"])


@pytest.mark.parametrize("model", ["poisson", "logit", "nbinom", "cbpp"])
def test_joint_tests(model: str) -> None:
    """emmeans reports F with its denominator; a chi-square is F times its degrees of freedom."""
    table, r = fitted(model).joint_tests(), RESULTS[model]["joint"]
    df = np.atleast_1d(r["df"])
    assert list(table.index) == list(np.atleast_1d(r["term"]))
    np.testing.assert_array_equal(table["df"], df)
    np.testing.assert_allclose(table["chisq"] / df, np.atleast_1d(r["f"]), atol=6e-4)  # emmeans rounds F
