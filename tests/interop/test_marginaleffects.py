"""Fitted models in the marginaleffects package,
against emmeans and model matrices in R (tests/reference/marginal_effects.json).
"""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ranef import ArgumentTypeError, DataError, OptionError, glmer, lmer, load_dataset

pytest.importorskip("marginaleffects")

from marginaleffects import (
    avg_comparisons,
    avg_predictions,
    avg_slopes,
    comparisons,
    datagrid,
    hypotheses,
    predictions,
    slopes,
)

from ranef.interop.marginaleffects import adapt

FILE = Path(__file__).parents[1] / "reference" / "marginal_effects.json"
# Standard errors of slopes are difference quotients of difference quotients, whose default step is
# too small (docs/findings.md).
STEP = 1.0


@pytest.fixture(scope="module")
def reference():
    content = FILE.read_bytes()
    assert hashlib.md5(content).hexdigest() == FILE.with_suffix(".md5").read_text().strip()
    return json.loads(content)


@pytest.fixture(scope="module")
def cake():
    return lmer("angle ~ recipe * temp + (1 | recipe:replicate)", load_dataset("cake"))


@pytest.fixture(scope="module")
def exam():
    return lmer("normexam ~ standLRT * sex + I(standLRT^2) + (standLRT | school)", load_dataset("exam"))


def assert_same(found, estimate, std_error, rel=1e-6):
    assert found["estimate"].to_list() == pytest.approx(list(estimate), rel=rel, abs=1e-8)
    assert found["std_error"].to_list() == pytest.approx(list(std_error), rel=rel)


def test_predictions_on_a_grid(cake, reference):
    expected = reference["cake"]["means"]
    a = adapt(cake)
    found = predictions(a, newdata=datagrid(model=a, recipe=["A", "B", "C"], temp=200))
    assert_same(found, expected["emmean"], expected["SE"])
    assert found["conf_low"].to_list() == pytest.approx(expected["asymp.LCL"], rel=1e-6)
    assert found["conf_high"].to_list() == pytest.approx(expected["asymp.UCL"], rel=1e-6)
    assert found["statistic"].to_list() == pytest.approx(expected["z.ratio"], rel=1e-6)


def test_comparisons_of_levels(cake, reference):
    expected = reference["cake"]["pairs"]
    a = adapt(cake)
    found = comparisons(a, variables={"recipe": "pairwise"}, newdata=datagrid(model=a, temp=200))
    assert found["contrast"].to_list() == expected["contrast"]
    assert_same(found, expected["estimate"], expected["SE"])
    assert found["p_value"].to_list() == pytest.approx(expected["p.value"], rel=1e-6)


def test_slopes_by_level(cake, reference):
    expected = reference["cake"]["slopes"]
    found = avg_slopes(adapt(cake), variables="temp", by="recipe", eps_vcov=STEP)
    assert_same(found, expected["temp.trend"], expected["SE"])
    assert found["p_value"].to_list() == pytest.approx(expected["p.value"], rel=1e-5)


def test_averages_over_the_data(exam, reference):
    expected = reference["exam"]["averages"]
    a = adapt(exam)
    pick = lambda *names: [[expected[n][k] for n in names] for k in ("estimate", "std_error")]  # noqa: E731
    assert_same(avg_predictions(a), *pick("overall"))
    assert_same(avg_predictions(a, by="sex"), *pick("sex_F", "sex_M"))
    assert_same(avg_comparisons(a, variables="sex"), *pick("sex_difference"))
    # Slopes are difference quotients in marginaleffects.
    assert_same(avg_slopes(a, variables="standLRT", eps_vcov=STEP), *pick("slope"), rel=1e-5)
    assert_same(avg_slopes(a, variables="standLRT", by="sex", eps_vcov=STEP), *pick("slope_F", "slope_M"), rel=1e-5)


def test_predictions_of_the_rows(exam, reference):
    found = predictions(adapt(exam))
    assert len(found) == 4059
    first = reference["exam"]["first_rows"]
    assert_same(found.head(5), [r["estimate"] for r in first], [r["std_error"] for r in first])
    own = exam.predict(re="population", se=True)
    assert_same(found, own["fit"], own["se"])


def test_hypotheses_about_coefficients(exam):
    a = adapt(exam)
    found = hypotheses(a)
    assert found["term"].to_list() == list(exam.fixef.index)
    assert_same(found, exam.fixef, exam.bse)
    assert found["p_value"].to_list() == pytest.approx(2 * stats.norm.sf(abs(exam.tvalues)), rel=1e-5, abs=1e-15)
    one = hypotheses(a, "standLRT = 0.5")
    assert one["estimate"][0] == pytest.approx(exam.fixef["standLRT"] - 0.5, rel=1e-7)
    assert one["std_error"][0] == pytest.approx(exam.bse["standLRT"], rel=1e-6)


def test_joint_hypotheses_where_every_coefficient_is_a_variable():
    m = lmer("normexam ~ standLRT + schavg + (1 | school)", load_dataset("exam"))
    found = hypotheses(adapt(m), joint=["standLRT", "schavg"])
    expected = m.test(["standLRT", "schavg"], ddf="none")
    assert found["statistic"][0] == pytest.approx(expected["f_value"].iloc[0], rel=1e-6)
    assert found["p_value"][0] == pytest.approx(expected["p_value"].iloc[0], abs=1e-12)


def test_covariances_given_as_a_matrix(cake):
    adjusted = cake.cov_params("kenward-roger").to_numpy()
    found = hypotheses(adapt(cake), vcov=adjusted)
    assert found["std_error"].to_list() == pytest.approx(np.sqrt(np.diag(adjusted)), rel=1e-6)
    assert "std_error" not in predictions(adapt(cake), vcov=False).columns
    with pytest.raises(OptionError, match="kenward-roger"):
        predictions(adapt(cake), vcov="HC3")


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_data_of_any_library(library, cake):
    m = lmer("angle ~ recipe * temp + (1 | recipe:replicate)", load_dataset("cake", frame=library))
    assert_same(
        avg_predictions(adapt(m), by="recipe"), *avg_predictions(adapt(cake), by="recipe")[["estimate", "std_error"]]
    )


def test_missing_rows_offsets_text_and_truth_values():
    d = load_dataset("sleepstudy")
    d["late"] = d["Days"] > 4
    d["half"] = np.where(np.arange(180) % 2, "odd", "even")
    d["known"] = d["Days"] * 10.0
    d.loc[3, "Days"] = np.nan
    d.loc[5, "half"] = None
    m = lmer("Reaction ~ late * half + Days + offset(known) + (1 | Subject)", d)
    own = m.predict(re="population", se=True)
    a = adapt(m)
    found = predictions(a, eps_vcov=STEP)
    assert len(found) == m.nobs == 178
    assert_same(found, own["fit"], own["se"])
    new = pd.DataFrame({"late": [True, False], "half": ["odd", "even"], "Days": [1.0, 2.0], "known": [0.0, 5.0]})
    own = m.predict(new, re="population", se=True)
    assert_same(predictions(a, newdata=new, eps_vcov=STEP), own["fit"], own["se"])
    # The offset moves with its variable, and has no standard error.
    shift = avg_slopes(a, variables="known", eps_vcov=STEP)
    assert shift["estimate"][0] == pytest.approx(1.0, rel=1e-6)
    assert shift["std_error"][0] == pytest.approx(0.0, abs=1e-6)
    difference = avg_comparisons(a, variables="late")
    x = [0, 1, 0, 0, np.mean(d.loc[d["Days"].notna() & d["half"].notna(), "half"] == "odd")]
    assert list(m.fixef.index) == ["(Intercept)", "late[T.True]", "half[T.odd]", "Days", "late[T.True]:half[T.odd]"]
    assert difference["estimate"][0] == pytest.approx(np.dot(x, m.fixef), rel=1e-7)


def test_dropped_columns():
    d = load_dataset("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    with pytest.warns(UserWarning, match="twice"):
        m = lmer("Reaction ~ Days + twice + (1 | Subject)", d)
    assert_same(avg_slopes(adapt(m), variables="Days", eps_vcov=STEP), [m.fixef["Days"]], [m.bse["Days"]], rel=1e-5)


def test_other_members_are_those_of_the_model(cake):
    a = adapt(cake)
    assert a.nobs == cake.nobs
    assert a.sigma == cake.sigma


def test_mistakes_are_named(cake):
    with pytest.raises(ArgumentTypeError, match="mixed model of ranef"):
        adapt("model")
    again = pickle.loads(pickle.dumps(cake))
    with pytest.raises(DataError, match="adapt"):
        adapt(again)
    data = load_dataset("cake")
    assert_same(
        avg_slopes(adapt(again, data), variables="temp"),
        *avg_slopes(adapt(cake), variables="temp")[["estimate", "std_error"]],
    )
    with pytest.raises(DataError, match="had 270"):
        adapt(again, data.head(9))
    study = load_dataset("sleepstudy").rename(columns={"Days": "term"})
    with pytest.raises(OptionError, match="'term'"):
        adapt(lmer("Reaction ~ term + (1 | Subject)", study))


def test_columns_that_marginaleffects_reserves_may_group():
    study = load_dataset("sleepstudy").rename(columns={"Subject": "group"})
    m = lmer("Reaction ~ Days + (1 | group)", study)
    assert slopes(adapt(m), variables="Days")["estimate"][0] == pytest.approx(m.fixef["Days"], rel=1e-5)


def test_without_marginaleffects_the_extra_is_named(without):
    without("marginaleffects", "ranef.interop.marginaleffects", "marginaleffects")


# ---- generalized models


@pytest.fixture(scope="module")
def ticks():
    return glmer("TICKS ~ YEAR * cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), family="poisson")


def test_predictions_of_a_generalized_model(ticks):
    means = ticks.emmeans(["YEAR"], at={"cHEIGHT": 10.0})
    for type in ("link", "response"):
        a = adapt(ticks, type=type)
        found = predictions(a, newdata=datagrid(model=a, YEAR=["95", "96", "97"], cHEIGHT=10.0))
        expected = (means if type == "link" else means.response()).to_frame()
        assert_same(found, expected["estimate"], expected["std_error"], rel=1e-5)


def test_slopes_of_means_are_derivatives(ticks):
    """With the log link the slope of a mean is the mean times the slope of the linear predictor.

    Standard errors by the delta method.
    """
    a = adapt(ticks)
    found = slopes(a, variables="cHEIGHT", newdata=datagrid(model=a, YEAR="96", cHEIGHT=20.0), eps_vcov=1e-5)
    x = np.array([1.0, 1.0, 0.0, 20.0, 20.0, 0.0])
    d = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    assert list(ticks.fixef.index[1:3]) == ["YEAR[T.96]", "YEAR[T.97]"]
    beta, cov = ticks.fixef.to_numpy(), ticks.cov_params().to_numpy()
    mean = np.exp(x @ beta)
    gradient = mean * (d + (d @ beta) * x)
    assert found["estimate"][0] == pytest.approx(mean * (d @ beta), rel=1e-4)
    assert found["std_error"][0] == pytest.approx(np.sqrt(gradient @ cov @ gradient), rel=1e-3)
    link = avg_slopes(adapt(ticks, type="link"), variables="cHEIGHT", by="YEAR", eps_vcov=STEP)
    trend = ticks.emtrends("YEAR", "cHEIGHT").to_frame()
    assert_same(link, trend["estimate"], trend["std_error"], rel=1e-5)


def test_comparisons_of_means(ticks):
    a = adapt(ticks)
    found = comparisons(a, variables={"YEAR": "pairwise"}, newdata=datagrid(model=a, cHEIGHT=0.0))
    beta, cov = ticks.fixef.to_numpy(), ticks.cov_params().to_numpy()
    x = np.zeros((3, 6))
    x[:, 0], x[1, 1], x[2, 2] = 1.0, 1.0, 1.0
    mean = np.exp(x @ beta)
    for row, (high, low) in enumerate([(1, 0), (2, 0), (2, 1)]):
        gradient = mean[high] * x[high] - mean[low] * x[low]
        assert found["estimate"][row] == pytest.approx(mean[high] - mean[low], rel=1e-6)
        assert found["std_error"][row] == pytest.approx(np.sqrt(gradient @ cov @ gradient), rel=1e-4)


def test_offsets_of_generalized_models():
    data = load_dataset("grouseticks")
    data["hours"] = np.linspace(1.0, 4.0, len(data))
    m = glmer("TICKS ~ YEAR + offset(log(hours)) + (1 | BROOD)", data, family="poisson")
    a = adapt(m)
    found = predictions(a, newdata=datagrid(model=a, YEAR="95", hours=2.0))
    assert found["estimate"][0] == pytest.approx(2.0 * np.exp(m.fixef.iloc[0]), rel=1e-8)
    with pytest.raises(OptionError, match="'response' or 'link'"):
        adapt(m, type="mean")


def test_sampling_weights_have_t_tests_by_clusters():
    d = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "x": np.tile([0.0, 1.0, 2.0], 16)})
    rng = np.random.default_rng(2)
    d["y"] = 1 + 0.4 * d["x"] + rng.normal(size=8)[d["g"]] + rng.normal(size=48)
    d["w"] = rng.uniform(1, 3, 48)
    m = lmer("y ~ x + (1 | g)", d, sampling_weights={"rows": "w"})
    found = hypotheses(adapt(m), hypothesis="x = 0")
    t = m.fixef["x"] / m.bse["x"]
    assert found["p_value"].item() == pytest.approx(2 * stats.t.sf(abs(t), 7), rel=1e-7)
    assert found["conf_low"].item() == pytest.approx(m.conf_int().loc["x", "lower"], rel=1e-7)
