"""Marginal means: forms of specifications, frames, back-transformations, and what is refused."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef.formula import parse_formula
from ranef.inference.marginal_means.scale import response_scale


@pytest.fixture(scope="module")
def cake() -> Any:
    return ranef.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", ranef.load_dataset("cake"))


def test_forms_of_specs(cake: Any) -> None:
    whole = cake.emmeans(["recipe", "temp"], at={"temp": [180, 200]}).to_frame()
    for specs in ("~ recipe * temp", "~ recipe + temp", "~ recipe:temp"):
        pd.testing.assert_frame_equal(cake.emmeans(specs, at={"temp": [180, 200]}).to_frame(), whole)
    grouped = cake.emmeans("~ recipe | temp", at={"temp": [180, 200]})
    assert grouped.estimands.by == ("temp",)
    pd.testing.assert_frame_equal(
        cake.emmeans("recipe", by="temp", at={"temp": [180, 200]}).to_frame(), grouped.to_frame()
    )
    asked = cake.emmeans("pairwise ~ recipe", adjust="holm")
    assert asked.adjust == "none"
    assert asked.contrasts.adjust == "holm"
    pd.testing.assert_frame_equal(asked.contrasts.to_frame(), cake.emmeans("recipe").contrast(adjust="holm").to_frame())


def test_means_are_population_predictions(cake: Any) -> None:
    data = ranef.load_dataset("cake")
    new = {"recipe": ["A", "B", "C"], "temp": [data["temp"].mean()] * 3}
    means = cake.emmeans("recipe").to_frame()
    p = cake.predict(new, re="population", se=True)
    np.testing.assert_allclose(means["estimate"], p["fit"])
    np.testing.assert_allclose(means["std_error"], p["se"])


def test_frame(cake: Any) -> None:
    frame = cake.emmeans("~ recipe | temp", at={"temp": [180, 200]}).to_frame()
    numbers = ["estimate", "std_error", "df", "statistic", "p_value", "lower", "upper"]
    assert list(frame.columns) == ["recipe", "temp", *numbers]
    assert frame["temp"].dtype == float  # to be plotted as a number
    assert frame.attrs["quantity"] == "mean"
    assert list(cake.emmeans("recipe").conf_int().columns) == [
        "recipe",
        "estimate",
        "std_error",
        "df",
        "lower",
        "upper",
    ]
    wide, narrow = (cake.emmeans("recipe").conf_int(level) for level in (0.99, 0.5))
    assert (wide["upper"] > narrow["upper"]).all()
    html = cake.emmeans("pairwise ~ recipe")._repr_html_()
    assert html.count("<table>") == 2


def test_covariates_are_reduced_as_asked(cake: Any) -> None:
    temp = ranef.load_dataset("cake")["temp"].to_numpy()
    for rule, expected in (
        ("mean", [temp.mean()]),
        ("median", [np.median(temp)]),
        ("range", [temp.min(), temp.max()]),
        (False, np.unique(temp)),
        (np.max, [temp.max()]),
        ({"temp": np.min}, [temp.min()]),
    ):
        assert sorted(set(cake.reference_grid(cov_reduce=rule)["temp"])) == pytest.approx(sorted(expected))


def test_missing_rows_do_not_count() -> None:
    data = ranef.load_dataset("cake")
    holes = data.copy()
    holes.loc[holes.index[::7], "angle"] = np.nan
    formula = "angle ~ recipe + temp + (1 | recipe:replicate)"
    for na_action in ("omit", "exclude"):
        a = ranef.lmer(formula, holes, na_action=na_action).emmeans("recipe", weights="proportional").to_frame()
        b = ranef.lmer(formula, holes.dropna()).emmeans("recipe", weights="proportional").to_frame()
        pd.testing.assert_frame_equal(a, b)


def test_kinds_of_columns() -> None:
    """Text, truth values and numbers made factors all have levels.

    Which frame they come in does not matter.
    """
    rng = np.random.default_rng(3)
    n = 120
    columns = {
        "text": rng.choice(["b", "a"], n),
        "truth": rng.random(n) < 0.4,
        "number": rng.integers(1, 4, n),
        "g": rng.integers(0, 8, n).astype(str),
    }
    columns["y"] = (
        rng.normal(size=n) + rng.normal(size=8)[columns["g"].astype(int)] + (columns["text"] == "a") + columns["number"]
    )
    formula = "y ~ text + truth + factor(number) + (1 | g)"
    import polars as pl

    frames = [
        ranef.lmer(formula, make(columns)).emmeans(["text", "truth", "number"]).to_frame()
        for make in (dict, pd.DataFrame, pl.DataFrame)
    ]
    assert frames[0]["text"].tolist()[:2] == ["a", "b"]
    assert frames[0]["truth"].tolist()[:4] == ["False", "False", "True", "True"]
    assert sorted(set(frames[0]["number"])) == [1.0, 2.0, 3.0]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])
    labels = ranef.lmer(formula, columns).emmeans("truth").pairs().to_frame()["contrast"].tolist()
    assert labels == ["truthFalse - truthTrue"]
    at = ranef.lmer(formula, columns).emmeans("number", at={"truth": True, "number": [1, 3]}).to_frame()
    assert at["number"].tolist() == [1.0, 3.0]


def test_offset_given_as_an_array_is_at_its_mean() -> None:
    data = ranef.load_dataset("cake")
    shift = np.linspace(0, 4, len(data))
    with_offset = ranef.lmer("angle ~ recipe + (1 | recipe:replicate)", data, offset=shift).emmeans("recipe").to_frame()
    named = (
        ranef.lmer("angle ~ recipe + (1 | recipe:replicate)", data.assign(s=shift), offset="s")
        .emmeans("recipe")
        .to_frame()
    )
    pd.testing.assert_frame_equal(with_offset, named)


@pytest.mark.parametrize(
    "text",
    [
        "log(y)",
        "log2(y)",
        "log1p(y)",
        "sqrt(y + 1)",
        "exp(y / 3)",
        "I(y^2)",
        "1 / y",
        "2 - y * 3",
        "qlogis(y / 10)",
        "log(y, 3)",
        "log(y, base = 10)",
        "log(y / (5 - y))",
        "asin(sqrt(y / 5))",
        "acos(y / 5)",
        "atan(y)",
        "sinh(y)",
        "tanh(y / 5)",
        "expm1(y)",
        "(y^(1/3) - 1) / (1/3)",
        "-(1 / (y + 1))",
    ],
)
def test_transformations_are_undone(text: str) -> None:
    import pandas as pd

    from ranef.data.table import Table
    from ranef.design.evaluate import Evaluator

    response = parse_formula(f"{text} ~ 1 + (1 | g)").response
    assert response is not None
    scale = response_scale(response.expr)
    assert scale is not None
    y = np.array([0.5, 1.5, 4.0])

    def transformed(values: np.ndarray) -> np.ndarray:
        return Evaluator(Table.from_data(pd.DataFrame({"y": values})), text).numbers(response.expr).values

    np.testing.assert_allclose(scale.inverse(transformed(y)), y)
    step = 1e-6
    slope = (transformed(y + step) - transformed(y - step)) / (2 * step)
    np.testing.assert_allclose(scale.slope(transformed(y)), 1 / slope, rtol=1e-6)


@pytest.mark.parametrize("text", ["y", "I(y)", "scale(y)", "y + x", "y * log(y)", "y / (1 - x)"])
def test_other_responses_stay_as_they_are(text: str) -> None:
    response = parse_formula(f"{text} ~ 1 + (1 | g)").response
    assert response is not None
    assert response_scale(response.expr) is None


def test_a_transformation_without_a_rule_is_refused_with_its_name() -> None:
    m = ranef.lmer("angle * log(angle) ~ recipe + (1 | recipe:replicate)", ranef.load_dataset("cake"))
    with pytest.raises(ranef.OptionError, match=r"scale of angle \* log\(angle\), and there is no rule"):
        m.emmeans("recipe", type="response")


def test_limits_below_zero_of_a_square_root_are_those_of_zero() -> None:
    d = pd.DataFrame({"y": [0, 4, 0, 1, 0, 0, 9, 0] * 4, "g": list("aabbccdd") * 4, "f": list("uv") * 16})
    for text in ("sqrt(y)", "asin(sqrt(y / 9))"):
        m = ranef.lmer(f"{text} ~ f + (1 | g)", d)
        assert (m.emmeans("f").to_frame()["lower"] < 0).any()
        frame = m.emmeans("f", type="response").to_frame()
        assert ((frame["lower"] <= frame["estimate"]) & (frame["estimate"] <= frame["upper"])).all()


def test_an_offset_is_said() -> None:
    d = ranef.load_dataset("cake").assign(area=3.0)
    m = ranef.lmer("angle ~ recipe + offset(log(area)) + (1 | recipe:replicate)", d)
    assert "Means include an offset of 1.099" in m.emmeans("recipe").notes
    assert not any("offset" in n for n in m.emmeans("recipe").pairs().notes)


def test_intervals_contain_their_estimates_after_a_falling_transformation() -> None:
    m = ranef.lmer("1 / angle ~ recipe + (1 | recipe:replicate)", ranef.load_dataset("cake"))
    frame = m.emmeans("recipe", type="response").to_frame()
    assert ((frame["lower"] < frame["estimate"]) & (frame["estimate"] < frame["upper"])).all()
    assert (frame["std_error"] > 0).all()


def test_what_is_not_estimable_is_said() -> None:
    data = ranef.load_dataset("cake")
    part = data[~((data["recipe"] == "C") & (data["temp"] == 225))]
    with pytest.warns(ranef.RanefWarning):
        m = ranef.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", part)
    means = m.emmeans("recipe")
    assert np.isnan(means.to_frame()["estimate"]).tolist() == [False, False, True]
    assert any("1 of 3 is not estimable" in note for note in means.notes)
    assert "nonEst" in str(means)
    assert m.reference_grid()["estimate"].isna().sum() == 1
    assert np.isfinite(m.emmeans("recipe", weights="cells").to_frame()["estimate"]).all()


def test_a_model_without_its_data() -> None:
    data = ranef.load_dataset("cake")
    m = ranef.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", data)
    copy = pickle.loads(pickle.dumps(m))
    with pytest.raises(ranef.RanefError, match="data are not kept"):
        copy.emmeans("recipe")
    pd.testing.assert_frame_equal(copy.emmeans("recipe", data=data).to_frame(), m.emmeans("recipe").to_frame())
    with pytest.raises(ranef.RanefError, match="the data have 100 rows and had 270"):
        copy.emmeans("recipe", data=data.head(100))


def test_a_model_without_predictors() -> None:
    m = ranef.lmer("angle ~ 1 + (1 | recipe:replicate)", ranef.load_dataset("cake"))
    frame = m.emmeans("~ 1").to_frame()
    assert frame["estimate"].tolist() == pytest.approx([m.fixef["(Intercept)"]])
    assert len(m.joint_tests()) == 0
    with pytest.raises(ranef.RanefError, match="They have none"):
        m.emmeans("recipe2")


def test_many_values_are_no_burden(cake: Any) -> None:
    frame = cake.emmeans("temp", at={"temp": np.linspace(170, 230, 20_000)}).to_frame()
    assert len(frame) == 20_000
    assert np.isfinite(frame["lower"]).all()


def test_dunnett_is_the_multivariate_t(cake: Any) -> None:
    means = cake.emmeans("recipe")
    a, b = (means.contrast("trt.vs.ctrl", adjust=name).to_frame() for name in (None, "dunnett"))
    pd.testing.assert_frame_equal(a, b)
    single = means.contrast("trt.vs.ctrl", adjust="none").to_frame()["p_value"]
    bonferroni = means.contrast("trt.vs.ctrl", adjust="bonferroni").to_frame()["p_value"]
    assert ((single < a["p_value"]) & (a["p_value"] < bonferroni)).all()


def test_tukey_is_for_all_differences_only(cake: Any) -> None:
    means = cake.emmeans("recipe")
    asked = means.contrast("consec", adjust="tukey")
    pd.testing.assert_series_equal(
        asked.to_frame()["p_value"], means.contrast("consec", adjust="sidak").to_frame()["p_value"]
    )
    assert any("sidak is used instead" in note for note in asked.notes)


def test_intervals_and_tests_agree(cake: Any) -> None:
    """An interval leaves out zero exactly where the test rejects."""
    for adjust in ("tukey", "mvt", "bonferroni", "sidak", "scheffe", "none"):
        p = cake.emmeans("recipe").pairs(adjust=adjust).to_frame()["p_value"].to_numpy()
        for value in p[p < 0.999]:
            for level, outside in ((1 - value * 1.01, True), (1 - value * 0.99, False)):
                ci = cake.emmeans("recipe").pairs(adjust=adjust).conf_int(level)
                row = ci.iloc[int(np.flatnonzero(p == value)[0])]
                assert (row["lower"] > 0 or row["upper"] < 0) == outside


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.emmeans("recpe"), "no variable 'recpe'. Did you mean 'recipe'"),
        (lambda m: m.emmeans("replicate"), "'replicate' is a grouping factor of the random effects"),
        (lambda m: m.emmeans("recipe:replicate"), "is a grouping factor of the random effects"),
        (lambda m: m.emmeans([]), "specs must name at least one variable"),
        (lambda m: m.emmeans(3), "specs must be the name"),
        (lambda m: m.emmeans("~ recipe | temp | temp"), "specs must be like"),
        (lambda m: m.emmeans("recipe", by="rep"), "no variable 'rep'"),
        (
            lambda m: m.emmeans("recipe", at={"recipe": ["D"]}),
            "the level 'D', which it does not have. Its levels are 'A', 'B', 'C'",
        ),
        (lambda m: m.emmeans("recipe", at={"temp": ["hot"]}), "must be finite numbers, not 'hot'"),
        (lambda m: m.emmeans("recipe", at={"temp": []}), "at gives a variable no values"),
        (lambda m: m.emmeans("recipe", at={"tmp": 3}), "there is no column 'tmp'"),
        (lambda m: m.emmeans("recipe", at=["temp"]), "at must be a dict"),
        (lambda m: m.emmeans("recipe", weights="data"), "weights must be one of"),
        (lambda m: m.emmeans("recipe", level=95), "level"),
        (lambda m: m.emmeans("recipe", ddf="barr"), "ddf must be one of"),
        (lambda m: m.emmeans("recipe", type="response", bias_correct=True), "no transformation that could be undone"),
        (lambda m: m.emmeans("recipe", type="prob"), "type must be 'link' or 'response'"),
        (lambda m: m.emmeans("recipe", cov_reduce="mode"), "cov_reduce must be"),
        (lambda m: m.emmeans("recipe", cov_keep=-1), "cov_keep must be"),
        (lambda m: m.emmeans("temp", at={"temp": range(200_000)}), "the limit is 100,000"),
        (lambda m: m.emmeans("temp", at={"temp": range(500)}).pairs(), "contrasts of more than 300 are not made"),
        (lambda m: m.emmeans("recipe").contrast("tukey"), "method must be one of 'pairwise'"),
        (lambda m: m.emmeans("recipe").contrast([[1, -1]]), "one coefficient for each of the 3 means"),
        (lambda m: m.emmeans("recipe").contrast({"a": [1, -1, 0], "b": [1, 0]}), "all of one length"),
        (lambda m: m.emmeans("recipe").contrast([[0, 0, 0]]), "not all zero"),
        (lambda m: m.emmeans("recipe").contrast("trt.vs.ctrl", ref="D"), "ref must be the label of a mean"),
        (lambda m: m.emmeans("recipe").contrast("eff", ref=1), "ref is for the method"),
        (
            lambda m: m.emmeans("recipe").contrast(by="temp"),
            "by names 'temp', which is not among the variables of these means",
        ),
        (lambda m: m.emmeans("recipe").pairs(adjust="dunnettx"), "adjust='mvt' is exact"),
        (lambda m: m.emmeans("recipe").pairs(adjust="lsd"), "adjust must be one of"),
        (lambda m: m.emmeans("recipe").pairs(reverse="yes"), "reverse must be True or False"),
        (lambda m: m.emmeans("~ 1").pairs(), "one mean only in each group"),
        (lambda m: m.emmeans("recipe").test(joint="yes"), "joint must be True or False"),
        (lambda m: m.emmeans("recipe").test(null=[1, 2]), "one number for each of the 3 rows"),
        (lambda m: m.emmeans("recipe").test(null=float("nan")), "null must be finite"),
        (lambda m: m.emtrends("recipe", "recipe"), "var must be a numeric variable"),
        (lambda m: m.emtrends("recipe", 3), "var must be the name of a covariate"),
        (lambda m: m.joint_tests("oven"), "no variable 'oven'"),
    ],
)
def test_bad_input(cake: Any, call: Any, message: str) -> None:
    with pytest.raises(ranef.RanefError, match=message):
        call(cake)


def test_specs_without_a_tilde(cake: Any) -> None:
    asked = cake.emmeans("~ recipe * temp", at={"temp": [175, 225]}).to_frame()
    pd.testing.assert_frame_equal(cake.emmeans("recipe * temp", at={"temp": [175, 225]}).to_frame(), asked)
    grouped = cake.emmeans("recipe | temp", at={"temp": [175, 225]})
    assert grouped.estimands.by == ("temp",)
    with pytest.raises(ranef.OptionError, match="Did you mean 'recipe'"):
        cake.emmeans("recipee * temp")


def test_scale_of_the_response_where_nothing_is_to_be_undone(cake: Any) -> None:
    plain = cake.emmeans("recipe")
    pd.testing.assert_frame_equal(cake.emmeans("recipe", type="response").to_frame(), plain.to_frame())
    pd.testing.assert_frame_equal(plain.response().pairs().to_frame(), plain.pairs().to_frame())


def test_an_adjustment_without_a_family_says_so(cake: Any) -> None:
    e = cake.emmeans("recipe", by="temp", at={"temp": [175, 225]})
    single = e.contrast({"A - B": [1, -1, 0]}, adjust="holm")
    assert "each group has a single test" in str(single)
    assert "each group has a single test" not in str(e.contrast({"A - B": [1, -1, 0]}))
    together = single.update(by=None, adjust="holm")
    assert "P value adjustment: holm method for 2 tests" in str(together)


def test_methods_of_degrees_of_freedom_as_others_spell_them(cake: Any) -> None:
    found = cake.emmeans("recipe", ddf="kenward-roger").to_frame()
    for name in ("Kenward-Roger", "KR", "kr", "kroger", "kenward_roger"):
        pd.testing.assert_frame_equal(cake.emmeans("recipe", ddf=name).to_frame(), found)
        assert ranef.lmer("angle ~ recipe + (1 | recipe:replicate)", ranef.load_dataset("cake"), ddf=name).ddf == (
            "kenward-roger"
        )
