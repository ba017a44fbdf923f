"""Interaction contrasts, one-sided tests and intervals by t quantiles, against emmeans,
mvtnorm, lmerTest and pbkrtest (tests/reference/contrast_options.json).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranef import OptionError, anova, glmer, lmer, load_dataset

FILE = Path(__file__).parents[1] / "reference" / "contrast_options.json"
REFERENCE = json.loads(FILE.read_text())
COLUMNS = {"estimate": "estimate", "std_error": "SE", "df": "df", "statistic": "t.ratio", "p_value": "p.value"}
LIMITS = {"lower": "lower.CL", "upper": "upper.CL"}


@pytest.fixture(scope="module")
def cake():
    return lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"), ddf="kenward-roger")


@pytest.fixture(scope="module")
def sleep():
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


def assert_frame(found: Any, expected: dict[str, list[Any]], columns: dict[str, str], rtol: float = 1e-6) -> None:
    for ours, theirs in columns.items():
        values = np.array([float(str(v).replace("Inf", "inf")) for v in expected[theirs]])
        # The smallest p-values are differences from 1 in R.
        np.testing.assert_allclose(found[ours], values, rtol=rtol, atol=1e-9, err_msg=ours)


def test_the_reference_is_what_was_made() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@pytest.mark.parametrize(
    ("name", "interaction", "columns"),
    [
        ("pairwise", "pairwise", ["recipe_pairwise", "temperature_pairwise"]),
        ("list", ["pairwise", "poly"], ["recipe_pairwise", "temperature_poly"]),
        (
            "named",
            {"temperature": "consec", "recipe": "trt.vs.ctrl"},
            ["recipe_trt.vs.ctrl", "temperature_consec"],
        ),
        ("eff", ["eff", "del.eff"], ["recipe_eff", "temperature_del.eff"]),
    ],
)
def test_interaction_contrasts(cake, name, interaction, columns) -> None:
    found = cake.emmeans(["recipe", "temperature"]).contrast(interaction=interaction).to_frame()
    expected = REFERENCE["interaction"][name]
    assert list(found.columns[:2]) == columns
    for column in columns:
        assert found[column].tolist() == expected[column]
    assert_frame(found, expected, COLUMNS | LIMITS)


def test_interaction_contrasts_in_groups_and_adjusted(cake) -> None:
    means = cake.emmeans(["recipe", "temperature"])
    expected = REFERENCE["interaction"]["by"]
    found = means.contrast(interaction="consec", by="recipe").to_frame()
    assert found["temperature_consec"].tolist() == expected["temperature_consec"]
    assert found["recipe"].astype(str).tolist() == expected["recipe"]
    assert_frame(found, expected, COLUMNS | LIMITS)
    found = means.contrast(interaction="pairwise", adjust="holm").to_frame()
    assert_frame(found, REFERENCE["interaction"]["holm"], COLUMNS)


def test_interaction_contrasts_on_the_scale_of_the_response() -> None:
    m = lmer("log(angle) ~ recipe * temp + (1 | recipe:replicate)", load_dataset("cake"))
    means = m.emmeans(["recipe", "temp"], at={"temp": [175, 225]})
    link = means.contrast(interaction="pairwise").to_frame()
    ratios = means.response().contrast(interaction="pairwise").to_frame()
    np.testing.assert_allclose(ratios["estimate"], np.exp(link["estimate"]))
    assert ratios["recipe_pairwise"].tolist() == ["A / B", "A / C", "B / C"]
    assert ratios["temp_pairwise"].tolist() == ["175 / 225"] * 3


@pytest.mark.parametrize("side", ["greater", "less"])
@pytest.mark.parametrize("adjust", ["none", "tukey", "scheffe", "sidak", "bonferroni", "holm", "fdr"])
def test_one_sided_tests_of_contrasts(cake, side, adjust) -> None:
    expected = REFERENCE["sides"][side][adjust]
    means = cake.emmeans("temperature")
    found = means.contrast("pairwise", adjust=adjust, alternative=side)
    assert_frame(found.to_frame(), expected, COLUMNS | LIMITS)
    assert_frame(means.pairs(adjust=adjust).test(alternative=side), expected, COLUMNS)
    assert_frame(found.conf_int(), expected, LIMITS)
    assert f"P values are {'right' if side == 'greater' else 'left'}-tailed" in str(found)
    if adjust in ("tukey", "scheffe"):
        assert f"Note: {adjust} is for two-sided tests" in str(found)


@pytest.mark.parametrize("side", ["greater", "less"])
def test_the_largest_of_one_sided_statistics(cake, side) -> None:
    found = cake.emmeans("temperature").contrast("trt.vs.ctrl", alternative=side).to_frame()
    assert found["p_value"].to_list() == pytest.approx(REFERENCE["sides"][side]["mvt"]["p.value"], abs=1e-5)
    # The test and the interval say the same.
    end = found["lower"] if side == "greater" else -found["upper"]
    assert ((end > 0) == (found["p_value"] < 0.05)).all()


@pytest.mark.parametrize("side", ["greater", "less"])
def test_one_sided_tests_of_means(cake, side) -> None:
    expected = REFERENCE["sides"][side]["null"]
    found = cake.emmeans("temperature").test(null=30, alternative=side)
    assert_frame(found, expected, {**COLUMNS, **LIMITS, "estimate": "emmean", "null": "null"})


@pytest.mark.parametrize("side", ["greater", "less"])
def test_one_sided_tests_of_the_model(sleep, side) -> None:
    expected = REFERENCE["one"]
    found = sleep.test("Days = 10", alternative=side).iloc[0]
    assert found["p_value"] == pytest.approx(expected[side], rel=1e-5)
    assert found["lower"] == pytest.approx(expected["lower"] if side == "greater" else -np.inf, rel=1e-6)
    assert found["upper"] == pytest.approx(expected["upper"] if side == "less" else np.inf, rel=1e-6)
    both = sleep.test(["Days = 10", "(Intercept) = 250"], alternative=side)
    assert len(both) == 2
    assert both["p_value"].iloc[0] == found["p_value"]


def test_one_sided_tests_of_a_generalized_model() -> None:
    m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
    less, greater = (m.test("period[T.2] = -0.5", alternative=a)["p_value"].iloc[0] for a in ("less", "greater"))
    two = m.test("period[T.2] = -0.5")["p_value"].iloc[0]
    assert less + greater == pytest.approx(1)
    assert min(less, greater) == pytest.approx(two / 2)
    assert less < greater


@pytest.mark.parametrize(("ddf", "title"), [("satterthwaite", "Satterthwaite"), ("kenward-roger", "Kenward-Roger")])
def test_intervals_of_tidy_have_the_quantiles_of_their_tests(sleep, ddf, title) -> None:
    expected = REFERENCE["tidy"][title]
    found = sleep.tidy(["fixed", "ran_pars", "ran_vals"], conf_int=True, level=0.9, ddf=ddf)
    fixed = found[found["effect"] == "fixed"]
    np.testing.assert_allclose(fixed["conf_low"], expected["lower"], rtol=1e-6)
    np.testing.assert_allclose(fixed["conf_high"], expected["upper"], rtol=1e-6)
    modes = found[found["effect"] == "ran_vals"]
    np.testing.assert_allclose(modes["conf_high"] - modes["estimate"], 1.6448536269514722 * modes["std_error"])
    assert found.loc[found["effect"] == "ran_pars", "conf_low"].isna().all()
    plain = sleep.tidy("fixed", conf_int=True, ddf="none")
    np.testing.assert_allclose(plain[["conf_low", "conf_high"]], sleep.conf_int())


def test_comparison_by_bootstrap(sleep) -> None:
    smaller = sleep.update(". ~ . - Days")
    table = anova(sleep, smaller, test="pb", n=400, rng=3)
    assert table["chisq"].iloc[1] == pytest.approx(REFERENCE["pb"]["statistic"], rel=1e-6)
    assert table["df"].iloc[1] == REFERENCE["pb"]["df"]
    assert table["p_value"].iloc[1] == sleep.pb_lrt(smaller, 400, rng=3).p_value == 1 / 401
    assert "p_value_boundary" not in table
    assert table.attrs["notes"][-1] == "p-values are by parametric bootstrap, 400 replicates, seed 3"
    # A variance of zero: half of the chi-square's p-value.
    without = sleep.update("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)")
    p = anova(without, sleep, test="pb", n=400, rng=3)["p_value"].iloc[1]
    assert p == pytest.approx(anova(without, sleep)["p_value"].iloc[1], abs=0.08)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.test("Days", alternative="more"), "'two-sided', 'greater' or 'less'"),
        (lambda m: m.test(["Days", "(Intercept)"], joint=True, alternative="less"), "no sides"),
        (lambda m: m.emmeans("Days").test(joint=True, alternative="less"), "no sides"),
        (lambda m: m.emmeans("Days", at={"Days": [0, 9]}).contrast(alternative=1), "'two-sided', 'greater' or 'less'"),
        (lambda m: m.emmeans("Days").contrast("eff", interaction="pairwise"), "takes the place of method"),
        (lambda m: m.emmeans("Days").contrast(interaction=["pairwise", "eff"]), "has 2 families.*1 variables"),
        (lambda m: m.emmeans("Days").contrast(interaction={"days": "eff"}), "for each of 'Days'"),
        (lambda m: m.emmeans("Days").contrast(interaction="pairwise"), "one level only"),
        (lambda m: anova(m, m.update(". ~ 1 + (1 | Subject)"), test="lrt"), "test must be 'chisq' or 'pb'"),
        (lambda m: anova(m, m, test="pb", refit=False), "leave out refit=False"),
    ],
)
def test_mistakes_are_named(sleep, call, message) -> None:
    with pytest.raises(OptionError, match=message):
        call(sleep)
