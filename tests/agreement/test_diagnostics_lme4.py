"""Hat values, Cook's distances, studentised residuals, principal components,
intraclass correlation and R² against lme4 and performance.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lme4_case import fitted

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def reference() -> dict[str, Any]:
    content = (REFERENCE / "diagnostics.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / "diagnostics.md5").read_text().strip()
    values: dict[str, Any] = json.loads(content)
    return values


def given(block: str) -> list[str]:
    """Cases for which R gives numbers."""

    def numbers(value: Any) -> bool:
        return bool(value) and None not in (value.values() if isinstance(value, dict) else value)

    return [i for i, c in reference()["cases"].items() if numbers(c[block])]


# Random effects of `(f || g)`: the variance of the intercept and those of the levels of f are not
# identified, only their sum is.
REDUNDANT = {"machines_dblbar_f", "sleep_half_doublebar"}
# performance 0.10.2 takes terms of a double bar for one term with covariances, and leaves out
# slopes whose columns are not among those of the fixed effects by name (dummy variables of all
# levels, a variable that is fixed as ns() or poly()): test_variance_parts has these cases by the
# definition.
PERFORMANCE_DIFFERS = {
    "dialyzer_poly4", "egsingle_quad_int", "exam_poly3", "machines_0f", "machines_dblbar_f", "machines_dummy",
    "sleep_half_doublebar", "sleep_ns", "sleep_uncorr_explicit", "sleep_uncorr_reml", "tvbo_cutting_sum",
}  # fmt: skip


def assert_long(ours: Any, theirs: dict[str, Any], tolerance: float) -> None:
    """The first values, the sum and the sum of squares agree, in units of the root mean square."""
    assert len(ours) == theirs["n"]
    assert int(ours.isna().sum()) == theirs["n_na"]
    first = np.array([np.nan if v is None else v for v in theirs["first"]])
    scale = np.sqrt(theirs["sumsq"] / theirs["n"])
    np.testing.assert_allclose(ours[: len(first)], first, atol=tolerance * scale, rtol=tolerance)
    assert ours.sum() == pytest.approx(theirs["sum"], abs=tolerance * scale * theirs["n"])
    assert (ours**2).sum() == pytest.approx(theirs["sumsq"], rel=2 * tolerance)


def test_the_store_has_its_cases() -> None:
    counts = {
        block: len(given(block)) for block in ("hatvalues", "cooks_distance", "rstudent", "icc", "r2_nakagawa", "rePCA")
    }
    assert counts == {"hatvalues": 56, "cooks_distance": 56, "rstudent": 56, "icc": 74, "r2_nakagawa": 74, "rePCA": 91}
    assert len(reference()["variance_parts"]) == 88


@pytest.mark.parametrize("identifier", given("hatvalues"))
def test_hat_values(identifier: str) -> None:
    assert_long(fitted(identifier).hatvalues(), reference()["cases"][identifier]["hatvalues"], 1e-5)


@pytest.mark.parametrize("identifier", given("cooks_distance"))
def test_cooks_distance(identifier: str) -> None:
    assert_long(fitted(identifier).cooks_distance(), reference()["cases"][identifier]["cooks_distance"], 2e-5)


@pytest.mark.parametrize("identifier", given("rstudent"))
def test_studentized_residuals(identifier: str) -> None:
    assert_long(fitted(identifier).rstudent(), reference()["cases"][identifier]["rstudent"], 1e-5)


@pytest.mark.parametrize("identifier", [i for i in given("icc") if i not in PERFORMANCE_DIFFERS])
def test_icc(identifier: str) -> None:
    expected, ours = reference()["cases"][identifier]["icc"], fitted(identifier).icc()
    assert ours.adjusted == pytest.approx(expected["ICC_adjusted"], abs=5e-6)
    assert ours.unadjusted == pytest.approx(expected["ICC_unadjusted"], abs=5e-6)


@pytest.mark.parametrize("identifier", [i for i in given("r2_nakagawa") if i not in PERFORMANCE_DIFFERS])
def test_r_squared(identifier: str) -> None:
    conditional, marginal = reference()["cases"][identifier]["r2_nakagawa"].values()
    ours = fitted(identifier).r2()
    assert ours.conditional == pytest.approx(conditional, abs=5e-6)
    assert ours.marginal == pytest.approx(marginal, abs=5e-6)


@pytest.mark.parametrize("identifier", reference()["variance_parts"])
def test_variance_parts(identifier: str) -> None:
    """By the definition, from lme4's Z, Lambda and X:
    also where performance gives nothing (singular fits) or something else.
    """
    expected, model = reference()["variance_parts"][identifier], fitted(identifier)
    random: dict[str, float] = {}
    for group, value in zip(expected["groups"], expected["random"], strict=True):
        random[group] = random.get(group, 0.0) + value
    total = sum(random.values()) + expected["residual"]
    assert model.icc().adjusted == pytest.approx(1 - expected["residual"] / total, abs=5e-6)
    assert model.r2().marginal == pytest.approx(expected["fixed"] / (total + expected["fixed"]), abs=5e-6)
    assert model.r2().conditional == pytest.approx(1 - expected["residual"] / (total + expected["fixed"]), abs=5e-6)
    by_group = model.icc(by_group=True)
    for group, value in random.items():
        assert by_group.loc[group, "adjusted"] == pytest.approx(value / total, abs=5e-6)
        assert by_group.loc[group, "unadjusted"] == pytest.approx(value / (total + expected["fixed"]), abs=5e-6)


def test_where_performance_differs_it_is_not_the_definition() -> None:
    """It misses the mean of diag(Z S Z') by 1e-3 or more in each of these,
    the definition's numbers being lme4's own.
    """
    for identifier in PERFORMANCE_DIFFERS:
        parts, case = reference()["variance_parts"][identifier], reference()["cases"][identifier]
        by_definition = sum(parts["random"]) / (sum(parts["random"]) + parts["residual"])
        assert abs(case["icc"]["ICC_adjusted"] - by_definition) > 1e-3


def test_shares_on_the_boundary_are_zero_where_performance_gives_nothing() -> None:
    for identifier in ("dyestuff2_reml", "dyestuff2_ml"):
        assert None in reference()["cases"][identifier]["icc"]
        icc, r2 = fitted(identifier).icc(), fitted(identifier).r2()
        assert (icc.adjusted, icc.unadjusted) == (0.0, 0.0)
        assert (r2.marginal, r2.conditional) == (0.0, 0.0)


@pytest.mark.parametrize("identifier", [i for i in given("rePCA") if i not in REDUNDANT])
def test_principal_components(identifier: str) -> None:
    ours = fitted(identifier).repca()
    expected = reference()["cases"][identifier]["rePCA"]
    assert list(ours.groups) == list(expected)
    for group, block in expected.items():
        sd = np.array(block["sdev"])
        np.testing.assert_allclose(ours[group].sd, sd, atol=5e-5 * max(1e-2, sd.max()))
        assert ours[group].proportion.sum() == pytest.approx(1.0 if sd.max() > 1e-6 else 0.0, abs=1e-12)


@pytest.mark.parametrize("identifier", reference()["vif"])
def test_variance_inflation(identifier: str) -> None:
    expected, ours = reference()["vif"][identifier], fitted(identifier).vif()
    assert list(ours.index) == expected["terms"]
    np.testing.assert_allclose(ours["gvif"], expected["vif"], rtol=1e-4)
    np.testing.assert_allclose(ours["gvif_root"], np.array(expected["vif"]) ** (0.5 / ours["df"]), rtol=1e-4)
