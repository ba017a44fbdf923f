"""What other packages get wrong without a word, each as a test of ours;
the expected numbers are R's.

The packages tried (newest releases of November 2026) were glmm 0.6.2, mixedlm 1.3.0, lme-python
0.2.7, mixedlm-rs 0.2.0, interlace-lme 0.3.2, bossanova 0.1.0.dev27, kamino-lme 0.0.1, statsmodels
0.15.0 and gpboost 1.8.0; docs/findings.md has the table. What concerns tests of terms, degrees of
freedom, marginal means and generalized models is tested where those are implemented.
"""

import hashlib
import json
import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import RanefError, RanefWarning, lmer, load_dataset

REFERENCE = Path(__file__).parents[1] / "reference"
INTERCEPT = "Reaction ~ Days + (1 | Subject)"
SLOPE = "Reaction ~ Days + (Days | Subject)"


@cache
def reference() -> dict[str, Any]:
    content = (REFERENCE / "hard_inputs.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / "hard_inputs.md5").read_text().strip()
    values: dict[str, Any] = json.loads(content)
    return values


def sleep(**columns: Any) -> pd.DataFrame:
    return load_dataset("sleepstudy").assign(**columns)


def agrees(m: Any, r: dict[str, Any]) -> None:
    """Criterion, fixed effects, standard errors and variances are R's."""
    assert m.objective <= r["criterion"] + 1e-6
    assert m.objective == pytest.approx(r["criterion"], abs=2e-6)
    assert m.nobs == r["nobs"]
    se = np.array(r["se"])
    np.testing.assert_allclose(m.fixef, r["fixef"], atol=1e-4 * se.min(), rtol=0)
    np.testing.assert_allclose(m.bse, se, rtol=1e-4)
    assert m.sigma == pytest.approx(r["sigma"], rel=1e-4)


# ---- wrong numbers


def test_weighted_criterion_has_the_sum_of_log_weights() -> None:
    """1794.145; lme-python and interlace give 2552.39, which lacks it."""
    for name, reml in (("weights", True), ("weights_ml", False)):
        m = lmer(INTERCEPT, sleep(w=np.arange(1.0, 181.0)), weights="w", REML=reml)
        agrees(m, reference()[name])
    m = lmer(INTERCEPT, sleep(), weights=np.arange(1.0, 181.0))
    assert round(m.objective, 3) == 1794.145


def test_weights_ten_times_larger_change_sigma_only() -> None:
    d = sleep()
    m, ten = (lmer(SLOPE, d, weights=np.full(180, w)) for w in (1.0, 10.0))
    assert ten.llf == pytest.approx(m.llf, abs=1e-7)
    assert ten.sigma**2 == pytest.approx(10 * m.sigma**2, rel=1e-6)
    np.testing.assert_allclose(ten.varcorr["Subject"].sd, m.varcorr["Subject"].sd, rtol=1e-5)


def test_three_level_variance_is_not_lost() -> None:
    """Chem97: the variance between authorities is small,
    not zero (lme-python and interlace lose it).
    """
    m = lmer("score ~ gcsecnt + (1 | school) + (1 | lea)", load_dataset("chem97"))
    r = reference()["chem97"]
    agrees(m, r)
    assert not m.is_singular
    for group in ("school", "lea"):
        assert m.varcorr[group].sd[0] ** 2 == pytest.approx(r["variances"][f"{group} (Intercept) "], rel=1e-4)


def test_dependent_columns() -> None:
    """The LATER of two dependent columns goes, and a message names it.

    Mixedlm drops the first without a word, lme-python returns junk.
    """
    d = sleep(d2=2 * sleep()["Days"])
    for formula, name, gone in (("Days + d2", "dependent", "d2"), ("d2 + Days", "dependent_reversed", "Days")):
        with pytest.warns(RanefWarning, match=rf"\b{gone}\b"):
            m = lmer(f"Reaction ~ {formula} + (1 | Subject)", d)
        assert list(m.fixef.index) == reference()[name]["names"]
        agrees(m, reference()[name])


@pytest.mark.parametrize("formula", ["Reaction ~ x + (1 | Subject)", "Reaction ~ x + (x | Subject)"])
def test_far_away_predictor(formula: str) -> None:
    """x + 1e8: lme4 drops x with a message; others drop the intercept, return NaN or 2e-31."""
    d = sleep(x=sleep()["Days"] + 1e8)
    m = lmer(formula, d)
    r = reference()["intercept" if "(1" in formula else "slope"]
    assert list(m.fixef.index) == ["(Intercept)", "x"]
    assert m.fixef["x"] == pytest.approx(r["fixef"][1], rel=1e-6)
    assert m.bse["x"] == pytest.approx(r["se"][1], rel=1e-5)
    assert m.objective == pytest.approx(r["criterion"], abs=1e-5)


def test_logarithm_of_the_likelihood_has_its_constants() -> None:
    for name, reml in (("slope", True), ("slope_ml", False)):
        m = lmer(SLOPE, sleep(), REML=reml)
        agrees(m, reference()[name])
        assert m.llf == pytest.approx(reference()[name]["llf"], abs=1e-6)
        assert m.aic == pytest.approx(reference()[name]["aic"], abs=1e-6)


def test_information_criterion_of_a_reml_fit_is_a_number() -> None:
    """statsmodels gives nan."""
    m = lmer(SLOPE, sleep())
    assert m.aic == pytest.approx(reference()["slope"]["aic"], abs=1e-6)
    assert np.isfinite([m.aic, m.bic, m.aicc]).all()


def test_slopes_are_correlated_with_intercepts() -> None:
    """A single bar means a free covariance; gpboost has none."""
    m = lmer(SLOPE, sleep())
    r = reference()["slope"]["variances"]
    cov = m.varcorr["Subject"].cov
    assert cov[0, 0] == pytest.approx(r["Subject (Intercept) "], rel=1e-4)
    assert cov[1, 1] == pytest.approx(r["Subject Days "], rel=1e-4)
    assert cov[0, 1] == pytest.approx(r["Subject (Intercept) Days"], abs=1e-3)


def test_variances_are_on_one_scale() -> None:
    """statsmodels shows variances divided by sigma^2 beside others that are not."""
    frame = lmer(SLOPE, sleep()).varcorr.to_frame()
    assert list(frame.columns) == ["group", "name1", "name2", "variance", "sd"]
    r = reference()["slope"]["variances"]
    subject = frame[(frame["group"] == "Subject") & (frame["name1"] == "(Intercept)") & frame["name2"].isna()]
    residual = frame[frame["group"] == "Residual"]
    assert subject["variance"].item() == pytest.approx(r["Subject (Intercept) "], rel=1e-4)
    assert residual["variance"].item() == pytest.approx(r["Residual"], rel=1e-5)


def test_summary_prints_the_criterion_as_such() -> None:
    """interlace prints the log-likelihood, -871.8, under that name."""
    assert re.search(
        r"^REML criterion at convergence: 1743\.6$", str(lmer(SLOPE, sleep()).summary()), flags=re.MULTILINE
    )


def test_minus_takes_a_term_away() -> None:
    """bossanova ignores `- a:b`."""
    d = load_dataset("cake")
    minus = lmer("angle ~ recipe * temperature - recipe:temperature + (1 | recipe:replicate)", d)
    plain = lmer("angle ~ recipe + temperature + (1 | recipe:replicate)", d)
    assert list(minus.fixef.index) == list(plain.fixef.index)
    agrees(minus, reference()["cake_minus"])
    agrees(plain, reference()["cake_additive"])


def test_simulations_draw_new_random_effects() -> None:
    """The standard deviations of a parametric bootstrap are the standard errors.

    Lme-python, which keeps the random effects fixed, gives 3.54 and 0.66.
    """
    m = lmer(SLOPE, sleep())
    fixef = np.asarray(m.refit(m.simulate(2000, rng=7)).fixef)
    spread = fixef.std(axis=0, ddof=1)
    # Standard error of a standard deviation over 2000 draws: 1.6 %. lme4 gives 6.79 and 1.54 over
    # 1000.
    np.testing.assert_allclose(spread, reference()["slope"]["se"], rtol=0.065)
    kept = np.asarray(m.refit(m.simulate(500, re="conditional", rng=7)).fixef).std(axis=0, ddof=1)
    assert (kept < 0.75 * spread).all()


def test_deterministic() -> None:
    """Two fits of the same data are the same to the last bit."""
    one, two = (lmer(SLOPE, sleep()) for _ in range(2))
    assert one.objective == two.objective
    np.testing.assert_array_equal(one.theta, two.theta)


# ---- inputs that were tried on all of them, with the outcome of ours

ERROR, WARNING, QUIET = "error", "warning", "quiet"


def changed(column: str, row: int, value: Any) -> pd.DataFrame:
    d = sleep()
    d[column] = d[column].astype(object) if value is None else d[column]
    d.loc[row, column] = value
    return d


OUTCOMES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "missing column": (lambda: lmer("Reaction ~ Dayz + (1 | Subject)", sleep()), ERROR, "Dayz.*Days"),
    "constant response": (lambda: lmer(INTERCEPT, sleep(Reaction=1.0)), ERROR, "same value|constant"),
    "one-level group": (lambda: lmer("Reaction ~ Days + (1 | g)", sleep(g="a")), ERROR, "level"),
    "all-missing column": (lambda: lmer(INTERCEPT, sleep(Days=np.nan)), ERROR, "Days"),
    "rank-deficient X": (
        lambda: lmer("Reaction ~ Days + d2 + (1 | Subject)", sleep(d2=3 * sleep()["Days"])),
        WARNING,
        "d2",
    ),
    "singular fit": (lambda: lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2")), WARNING, "singular"),
    "no rows": (lambda: lmer(INTERCEPT, sleep().iloc[:0]), ERROR, "rows"),
    "infinite predictor": (lambda: lmer(INTERCEPT, changed("Days", 4, np.inf)), ERROR, "Days"),
    "infinite response": (lambda: lmer(INTERCEPT, changed("Reaction", 4, np.inf)), ERROR, "Reaction"),
    "predictor times 1e8": (
        lambda: lmer("Reaction ~ x + (1 | Subject)", sleep(x=1e8 * sleep()["Days"])),
        QUIET,
        "intercept",
    ),
    "response times 1e-8": (lambda: lmer(INTERCEPT, sleep(Reaction=1e-8 * sleep()["Reaction"])), QUIET, "intercept"),
    "predictor plus 1e8": (
        lambda: lmer("Reaction ~ x + (1 | Subject)", sleep(x=1e8 + sleep()["Days"])),
        QUIET,
        "intercept",
    ),
    "one missing response": (lambda: lmer(INTERCEPT, changed("Reaction", 6, np.nan)), QUIET, "missing_response"),
    "missing group": (lambda: lmer(INTERCEPT, changed("Subject", 2, None)), QUIET, "missing_group"),
    "group is the row": (lambda: lmer("Reaction ~ Days + (1 | row)", sleep(row=range(180))), ERROR, "row"),
    "text response": (lambda: lmer(INTERCEPT, sleep(Reaction=list("ab") * 90)), ERROR, "Reaction"),
    "trailing plus": (lambda: lmer("Reaction ~ Days + (1 | Subject) +", sleep()), ERROR, r"\^"),
    "more effects than rows": (lambda: lmer(SLOPE, sleep().iloc[[0, 1, 10, 11, 20, 21]]), ERROR, "Subject"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome(name: str) -> None:
    call, outcome, detail = OUTCOMES[name]
    if outcome is ERROR:
        with pytest.raises(RanefError) as raised:
            call()
        assert re.search(detail, str(raised.value), flags=re.DOTALL), str(raised.value)
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        m = call()
    if outcome is WARNING:
        assert [w.category for w in caught] == [RanefWarning]
        assert re.search(detail, str(caught[0].message))
        return
    assert not caught
    r = reference()[detail]
    assert m.convergence.ok
    assert m.nobs == r["nobs"]
    # Scaling or shifting a variable changes the estimate but not its ratio to its standard error.
    assert m.tvalues.iloc[1] == pytest.approx(r["fixef"][1] / r["se"][1], rel=1e-5)


def test_missing_group_is_not_a_level_of_its_own() -> None:
    """gpboost makes it one."""
    m = lmer(INTERCEPT, changed("Subject", 2, None))
    assert m.ngroups == {"Subject": 18}
    agrees(m, reference()["missing_group"])
