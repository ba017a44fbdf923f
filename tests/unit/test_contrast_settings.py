"""Which coding a model has: by the argument, by the setting of the session, or as once fitted."""

import html
import json
import pickle

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import ArgumentTypeError, OptionError, lmer, load
from ranef.cli.documents import model_document

SUM = {"a": "sum", "b": "sum"}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    subject = np.repeat(np.arange(30), 12)
    d = pd.DataFrame({"subject": subject, "a": np.tile(list("pqr"), 120), "b": np.tile(np.repeat(list("uv"), 3), 60)})
    u = rng.normal(size=(30, 4))
    d["y"] = (
        u[subject, 0] + u[subject, 1] * (d.a == "q") + u[subject, 2] * (d.a == "r") + 0.7 * u[subject, 3] * (d.b == "v")
    )
    d["y"] += (d.a == "r") + rng.normal(size=360)
    d["o"] = pd.Categorical(d.a.map({"p": "low", "q": "mid", "r": "top"}), ["low", "mid", "top"], ordered=True)
    return d


def test_settings_are_set_back():
    assert ranef.options()["contrasts"] == ("treatment", "poly")
    with ranef.options(contrasts="contr.sum", random_contrasts="lme4") as settings:
        assert settings["contrasts"] == ("sum", "poly") == ranef.options()["contrasts"]
        with ranef.options(contrasts=["Helmert", "contr.treatment"]):
            assert ranef.options()["contrasts"] == ("helmert", "treatment")
        assert ranef.options()["contrasts"] == ("sum", "poly")
    assert ranef.options() == {"keep_data": False, "contrasts": ("treatment", "poly"), "random_contrasts": "given"}


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"contrasts": "som"}, OptionError, "'som'; available are 'treatment', 'sum'"),
        ({"contrasts": ("sum",)}, ArgumentTypeError, "a pair"),
        ({"contrasts": {"a": "sum"}}, ArgumentTypeError, "an argument of a fit"),
        ({"contrasts": ("sum", 1)}, ArgumentTypeError, "a pair"),
        ({"random_contrasts": "no"}, OptionError, "'given'.*'lme4'"),
    ],
)
def test_unusable_settings(changed, error, words):
    with pytest.raises(error, match=words):
        ranef.options(**changed)
    assert ranef.options()["contrasts"] == ("treatment", "poly")


def test_the_default_codes_both_parts_and_is_said(data):
    with ranef.options(contrasts="sum"):
        m = lmer("y ~ a * b + diag(a * b | subject)", data)
    given = lmer("y ~ a * b + diag(a * b | subject)", data, contrasts=SUM)
    assert m.objective == given.objective
    assert m.fixef.equals(given.fixef)
    assert list(m.varcorr["subject"].names) == list(m.fixef.index)
    line = " Coding: a, b = sum (random effects too)"
    for model in (m, given):
        assert line in str(model.summary()).splitlines()
        assert line in repr(model).splitlines()
        assert "a, b = sum (random effects too)" in model.summary().to_html()
        assert json.loads(json.dumps(model_document(model)))["coding"] == "a, b = sum (random effects too)"


@pytest.mark.parametrize(
    ("formula", "contrasts", "settings", "text"),
    [
        ("y ~ a + (a | subject)", None, {}, None),
        ("y ~ a + (a | subject)", {"a": "treatment"}, {}, None),
        ("y ~ C(a, contr.sum) + (1 | subject)", None, {}, None),
        ("y ~ o + (1 | subject)", {"o": "poly"}, {}, None),
        ("y ~ o + (1 | subject)", {"o": "treatment"}, {}, "o = treatment"),
        ("y ~ o + b + (1 | subject)", None, {"contrasts": ("sum", "treatment")}, "o = treatment; b = sum"),
        ("y ~ 1 + (a | subject)", {"a": "sum"}, {}, "a = sum in (a | subject)"),
        ("y ~ a + (0 + a | subject)", {"a": "sum"}, {}, "a = sum"),
        ("y ~ a + (1 | subject)", {"a": "Treatment('q')"}, {}, "a = treatment, reference q"),
        ("y ~ a + (1 | subject)", {"a": [[1, 0], [0, 1], [-1, -1]]}, {}, "a = matrix"),
        (
            "y ~ a + diag(a | subject)",
            {"a": "sum"},
            {"random_contrasts": "lme4"},
            "a = sum (treatment in diag(a | subject))",
        ),
        (
            "y ~ a + diag(a | subject)",
            {"a": "sum"},
            {"random_contrasts": "lme4", "contrasts": "helmert"},
            "a = sum (helmert in diag(a | subject))",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_what_the_summary_says(data, formula, contrasts, settings, text):
    with ranef.options(**settings):
        m = lmer(formula, data, contrasts=contrasts)
    assert m.summary().call.coding == text


@pytest.mark.parametrize("settings", [{"contrasts": "sum"}, {"random_contrasts": "lme4"}])
def test_a_model_keeps_its_coding(data, settings, tmp_path):
    """In files, pickles and updates, whatever the settings are by then."""
    contrasts = {"a": "helmert"} if "random_contrasts" in settings else None
    with ranef.options(**settings):
        m = lmer("y ~ a + b + diag(a | subject)", data, contrasts=contrasts)
    m.save(tmp_path / "m")
    for other in (m, load(tmp_path / "m"), pickle.loads(pickle.dumps(m))):
        assert str(other.summary()) == str(m.summary())
        again = other.update(data=data)
        assert again.objective == m.objective
        assert list(again.varcorr["subject"].names) == list(m.varcorr["subject"].names)
        larger = other.update(". ~ . + a:b", data=data)
        assert list(larger.fixef.index[:4]) == list(m.fixef.index)
        assert list(larger.varcorr["subject"].names) == list(m.varcorr["subject"].names)
        pd.testing.assert_series_equal(other.predict(data.iloc[:9]), m.predict(data.iloc[:9]))
    pd.testing.assert_series_equal(m.predict(data), m.fittedvalues, check_names=False)


@pytest.mark.parametrize("structure", ["({})", "diag({})"])
def test_tests_of_terms_and_means_do_not_depend_on_the_coding(data, structure):
    """Where the model is the same: correlated random effects, or independent ones of one coding."""
    bar = structure.format("a | subject")
    plain = lmer(f"y ~ a * b + {bar}", data, REML=False)
    with ranef.options(random_contrasts="lme4"):
        coded = lmer(f"y ~ a * b + {bar}", data, contrasts=SUM, REML=False)
    assert coded.objective == pytest.approx(plain.objective, abs=1e-6)
    np.testing.assert_allclose(
        coded.anova(type=3).to_numpy(float), plain.anova(type=3).to_numpy(float), rtol=1e-4, atol=1e-8
    )
    means = [m.emmeans("a").to_frame()[["estimate", "std_error"]].to_numpy() for m in (plain, coded)]
    np.testing.assert_allclose(means[1], means[0], rtol=1e-4)


def test_comparisons_under_sum_coding(data):
    """Type 3 tests are those of the columns; reduced models keep the coding."""
    with ranef.options(contrasts="sum"):
        m = lmer("y ~ a * b + diag(a + b | subject)", data, REML=False)
        without = lmer("y ~ a + b + diag(a + b | subject)", data, REML=False)
        smaller = lmer("y ~ a * b + diag(a | subject)", data, REML=False)
    statistic = m.drop1().loc["a:b", "chisq"]
    assert statistic == pytest.approx(without.objective - m.objective, abs=1e-5)
    ranova = m.ranova()
    row = next(i for i in ranova.index if str(i).startswith("b in"))
    assert ranova.loc[row, "chisq"] == pytest.approx(smaller.objective - m.objective, abs=1e-5)
    own = m.test(np.eye(6)[[3]], ddf="none", joint=True)
    assert m.anova(type=3, ddf="none").loc["b", "f_value"] == pytest.approx(float(own["f_value"].iloc[0]), rel=1e-8)
    assert m.step().model.fixef.index[1] == "a[S.p]"


def test_short_names(data):
    mixed = data.assign(o=np.random.default_rng(1).permutation(data.o))
    terms = "C(a, contr.sum) * relevel(b, ref = 'v') + factor(o, levels = c('top', 'low', 'mid'))"
    m = lmer(f"y ~ {terms} + (1 | subject)", mixed)
    assert list(m.fixef.index) == [
        "(Intercept)", "a[S.p]", "a[S.q]", "b[T.u]", "factor(o)[T.low]", "factor(o)[T.mid]", "a[S.p]:b[T.u]",
        "a[S.q]:b[T.u]",
    ]  # fmt: skip
    assert m.test("a[S.p] = a[S.q]").shape[0] == 1
    twice = lmer("y ~ C(a, Sum) + (1 + C(a, Sum) | subject)", data)
    assert list(twice.varcorr["subject"].names) == ["(Intercept)", "a[S.p]", "a[S.q]"]
    # two codings of one column keep their own names
    both = lmer("y ~ C(a, Sum) + (a | subject)", data)
    assert list(both.fixef.index[1:]) == ["C(a, contr.sum)[S.p]", "C(a, contr.sum)[S.q]"]


def test_a_matrix_with_labels_is_kept_in_files(data, tmp_path):
    matrix = pd.DataFrame({"first": [-1, 1, 0], "rest": [0, 0, 1]}, index=["r", "p", "q"])
    m = lmer("y ~ a + (1 | subject)", data, contrasts={"a": matrix})
    matrix.loc["r"] = 7
    m.save(tmp_path / "m")
    for other in (m, load(tmp_path / "m"), pickle.loads(pickle.dumps(m))):
        again = other.update(data=data)
        assert list(again.fixef.index) == ["(Intercept)", "a[first]", "a[rest]"]
        pd.testing.assert_series_equal(again.fixef, m.fixef)


def test_a_call_with_one_coding_for_all_is_answered(data):
    with pytest.raises(ArgumentTypeError, match=r"One coding for all factors is a setting: ranef.options"):
        lmer("y ~ a + (1 | subject)", data, contrasts="sum")


def test_responses_drawn_without_a_fit_have_the_coding_of_the_session(data):
    rows = data.drop(columns="y").head(60)
    with ranef.options(contrasts="sum"):
        y = ranef.simulate(
            "y ~ a + (1 | subject)",
            rows,
            fixef={"(Intercept)": 0, "a[S.p]": 1, "a[S.q]": 2},
            varcorr={"subject": 0.0},
            sigma=1e-9,
            rng=1,
        )
    np.testing.assert_allclose(y.iloc[:, 0], rows.a.map({"p": 1, "q": 2, "r": -3}), atol=1e-6)


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_the_settings_of_the_fit(data, tmp_path):
    pytest.importorskip("matplotlib")
    with ranef.options(contrasts="sum", random_contrasts="lme4"):
        lmer("y ~ a * b + (1 | subject)", data, contrasts={"a": "helmert"}).report(tmp_path / "m.html")
    text = html.unescape((tmp_path / "m.html").read_text(encoding="utf-8"))
    assert "with ranef.options(contrasts=('sum', 'poly'), random_contrasts='lme4'):\n    m = ranef.lmer(" in text
    assert "a = helmert; b = sum" in text
