"""Nonlinear mixed models: what a fitted one answers, and what is refused."""

import math
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import (
    ArgumentTypeError,
    ColumnNotFoundError,
    DataError,
    DesignError,
    FormulaError,
    OptionError,
    RanefError,
    RanefWarning,
    load_dataset,
    nlmer,
)

ORANGE, THEOPH = load_dataset("Orange"), load_dataset("Theoph")
CURVE = "circumference ~ SSlogis(age, Asym, xmid, scal)"
FORMULA = f"{CURVE} ~ (Asym | Tree)"
TALL = ORANGE.assign(tall=np.where(ORANGE["Tree"].astype(int) > 3, "yes", "no"))


@pytest.fixture(scope="module")
def m() -> Any:
    return nlmer(FORMULA, ORANGE)


@pytest.fixture(scope="module")
def tall() -> Any:
    return nlmer(CURVE, TALL, params={"Asym": "~ tall + (1 | Tree)"})


def logistic(age: Any, asym: Any, xmid: Any, scal: Any) -> Any:
    return asym / (1 + np.exp((xmid - age) / scal))


def test_what_it_predicts(m: Any) -> None:
    b = m.fixef
    age = np.array([100.0, 1000.0, 2000.0])
    new = pd.DataFrame({"age": age, "Tree": ["3", "3", "none"]})
    assert np.allclose(m.predict(new, re="population"), logistic(age, b["Asym"], b["xmid"], b["scal"]))
    own = m.ranef()["Tree"].loc["3", "Asym"]
    found = m.predict(new, new_levels="population")
    shifted = b["Asym"] + np.array([own, own, 0.0])
    assert np.allclose(found, logistic(age, shifted, b["xmid"], b["scal"]))
    with pytest.raises(RanefError, match="'none'"):
        m.predict(new)
    with pytest.raises(ColumnNotFoundError, match="age"):
        m.predict({"Tree": ["3"]})
    missing = m.predict(new.assign(age=[np.nan, 1.0, 2.0], Tree="3"))
    assert math.isnan(missing[0])
    assert np.isfinite(missing[1:]).all()


def test_errors_of_predictions(m: Any) -> None:
    """The delta method for the population: slopes by differences, the covariance of the fit."""
    age = np.array([300.0, 1500.0])
    found = m.predict({"age": age}, re="population", se=True, interval="confidence")
    b, v = m.fixef.to_numpy(), m.cov_params().to_numpy()
    h = 1e-4
    slopes = np.column_stack([
        (logistic(age, *(b + h * e)) - logistic(age, *(b - h * e))) / (2 * h) for e in np.eye(3)
    ])  # fmt: skip
    assert np.allclose(found["se"], np.sqrt(np.einsum("ij,jk,ik->i", slopes, v, slopes)), rtol=1e-6)
    wide = m.predict({"age": age}, re="population", interval="prediction")
    own = m.sigma**2 + (slopes[:, 0] * m.varcorr["Tree"].sd[0]) ** 2
    half = (wide["upper"] - wide["lower"]) / 2 / 1.959963984540054
    assert np.allclose(half**2, found["se"] ** 2 + own, rtol=1e-6)


def test_rows(m: Any) -> None:
    assert np.allclose(m.fittedvalues + m.resid, ORANGE["circumference"])
    assert np.allclose(m.fittedvalues, m.predict(ORANGE))
    tree = m.coef()["Tree"]["Asym"]
    assert np.allclose(tree - m.ranef()["Tree"]["Asym"], m.fixef["Asym"])
    frame = m.augment()
    assert len(frame) == 35


def test_missing_rows() -> None:
    data = ORANGE.astype({"circumference": float, "age": float}).copy()
    data.loc[3, "age"] = np.nan
    data.loc[10, "circumference"] = np.nan
    own = nlmer(FORMULA, data, na_action="exclude")
    assert own.nobs == 33
    assert own.fittedvalues.isna().to_numpy().nonzero()[0].tolist() == [3, 10]
    dropped = nlmer(FORMULA, data.dropna())
    assert own.objective == pytest.approx(dropped.objective, abs=1e-8)
    with pytest.raises(DataError, match=r"age \(1\)|circumference \(1\)"):
        nlmer(FORMULA, data, na_action="error")
    part = nlmer(FORMULA, ORANGE, subset="age < 1500")
    assert part.nobs == int((ORANGE["age"] < 1500).sum())


def test_draws(m: Any) -> None:
    drawn = m.simulate(400, rng=1)
    assert drawn.shape == (35, 400)
    spread = drawn.to_numpy()[6].std()
    slope = 1 / (1 + math.exp((m.fixef["xmid"] - 1582) / m.fixef["scal"]))
    assert spread == pytest.approx(math.hypot(m.sigma, slope * m.varcorr["Tree"].sd[0]), rel=0.12)
    kept = m.simulate(200, re="conditional", rng=2).to_numpy()
    assert np.allclose(kept.mean(axis=1), m.fittedvalues, atol=4 * m.sigma / math.sqrt(200))
    new = m.simulate(3, newdata={"age": [10.0, 2000.0], "Tree": ["x", "1"]}, rng=1)
    assert np.isfinite(new.to_numpy()).all()


def test_weights_are_precisions() -> None:
    """Rows of weight two count as two rows of weight one in all but sigma's constant."""
    once = nlmer(FORMULA, ORANGE, weights=np.full(35, 2.0))
    plain = nlmer(FORMULA, ORANGE)
    assert np.allclose(once.fixef, plain.fixef, rtol=1e-6)
    assert once.sigma == pytest.approx(plain.sigma * math.sqrt(2), rel=1e-6)
    assert once.objective == pytest.approx(plain.objective, abs=1e-6)


def test_tests(tall: Any) -> None:
    z = tall.fixef["Asym.tall[T.yes]"] / tall.bse["Asym.tall[T.yes]"]
    table = tall.anova()
    assert list(table.index) == ["Asym.tall"]
    assert table["chisq"].iloc[0] == pytest.approx(z**2)
    smaller = nlmer(CURVE, TALL, params={"Asym": "~ 1 + (1 | Tree)"})
    compared = ranef.anova(smaller, tall)
    assert compared["chisq"].iloc[1] == pytest.approx(smaller.objective - tall.objective)
    assert not any("do not show" in n for n in compared.attrs.get("notes", ()))
    dropped = tall.drop1()
    assert dropped["chisq"].iloc[1] == pytest.approx(compared["chisq"].iloc[1], abs=1e-5)
    random = tall.ranova()
    assert len(random) == 2
    assert random["chisq"].iloc[1] > 0
    assert tall.conf_int().shape == (4, 2)
    means = tall.emmeans("tall").to_frame()
    assert means["estimate"].iloc[1] - means["estimate"].iloc[0] == pytest.approx(tall.fixef["Asym.tall[T.yes]"])
    with pytest.raises(OptionError, match="Asym, xmid, scal"):
        tall.emmeans("tall", param="b")


def test_model_without_random_effects_is_least_squares(tall: Any) -> None:
    """The last row of ranova: log-likelihood of nonlinear regression, by its sum of squares."""
    from scipy.optimize import least_squares

    tree = ORANGE["Tree"].astype(int).to_numpy() > 3
    age, y = ORANGE["age"].to_numpy(float), ORANGE["circumference"].to_numpy(float)
    found = least_squares(lambda b: logistic(age, b[0] + b[1] * tree, b[2], b[3]) - y, [180.0, 10.0, 700.0, 350.0])
    n = len(y)
    objective = n * (math.log(2 * math.pi * 2 * found.cost / n) + 1)
    assert -2 * tall.ranova()["llf"].iloc[1] == pytest.approx(objective, abs=1e-6)


def test_bootstrap_and_refit(m: Any) -> None:
    again = m.refit(ORANGE["circumference"])
    assert again.objective == pytest.approx(m.objective, abs=1e-8)
    boot = m.bootstrap(5, rng=1)
    assert boot.to_frame()["value"].notna().all()
    several = m.refit(m.simulate(2, rng=1))
    assert several.fixef.shape == (2, 3)
    left = m.influence("Tree").to_frame()
    assert len(left) == 5


def test_files_and_pickles(m: Any, tall: Any, tmp_path: Any) -> None:
    for model in (m, tall, nlmer(FORMULA, ORANGE, method="linearized")):
        model.save(tmp_path / "model")
        read = ranef.load(tmp_path / "model")
        assert type(read) is type(model)
        assert read.objective == model.objective
        assert np.array_equal(read.predict(), model.predict())
        assert np.allclose(read.simulate(1, rng=1), model.simulate(1, rng=1))
        assert str(pickle.loads(pickle.dumps(model)).summary()) == str(model.summary())
        assert read.update(data=TALL).objective == pytest.approx(model.objective, abs=1e-7)


def test_a_file_holds_no_functions(tmp_path: Any) -> None:
    """A model with a curve of Python is saved without it, and says so where it would be needed."""
    start = {"Asym": 200, "xmid": 700, "scal": 350}
    own = nlmer(
        "circumference ~ f(age, Asym, xmid, scal) ~ (Asym | Tree)", ORANGE, start=start, functions={"f": logistic}
    )
    own.save(tmp_path / "model")
    read = ranef.load(tmp_path / "model")
    assert read.fixef.to_dict() == own.fixef.to_dict()
    assert str(read.summary()) == str(own.summary())
    with pytest.raises(DataError, match="fit again with functions="):
        read.predict({"age": [500], "Tree": ["1"]})


def test_a_parameter_without_a_mean() -> None:
    """A shift of mean zero by tree is the random intercept of a linear model."""
    curve = nlmer(
        "circumference ~ a + b * age + shift",
        ORANGE,
        params={"shift": "~ 0 + (1 | Tree)"},
        start={"a": 10, "b": 0.1, "shift": 0},
    )
    linear = ranef.lmer("circumference ~ age + (1 | Tree)", ORANGE, REML=False)
    assert curve.objective == pytest.approx(linear.objective, abs=1e-7)
    assert curve.fixef.to_numpy() == pytest.approx(linear.fixef.to_numpy(), rel=1e-6)


def test_update(m: Any, tall: Any) -> None:
    own = m.update(params={"Asym": "~ tall + (1 | Tree)"}, data=TALL, formula=CURVE)
    assert own.objective == pytest.approx(tall.objective, abs=1e-7)
    assert m.update(method="linearized").objective == pytest.approx(2 * 131.584579106178, abs=1e-5)
    with pytest.raises(OptionError, match="whole formula"):
        m.update(". ~ . + x")


def test_two_parameters_vary_and_the_short_form_says_so() -> None:
    two = nlmer("conc ~ SSfol(Dose, Time, lKe, lKa, lCl) ~ (lKa + lCl | Subject)", THEOPH)
    assert "~ (lKa + lCl | Subject)" in repr(two)
    assert "SSfol(Dose, Time, lKe, lKa, lCl)" in str(ranef.table(two))


def test_text(m: Any, tall: Any) -> None:
    text = str(m.summary())
    assert text.startswith("Nonlinear mixed model fit by maximum likelihood (Laplace Approximation)")
    assert "Formula: circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)" in text
    assert "Asym ~ tall + (1 | Tree)" in " ".join(str(tall.summary()).split())
    assert "Asym.tall[T.yes]" in str(tall.summary())


@pytest.mark.parametrize("how", ["caterpillar", "qq", "residuals", "fitted", "shrinkage"])
def test_pictures(m: Any, how: str) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    ax = getattr(m.plot, how)()
    assert ax is not None


def test_fitted_curves_follow_the_groups(m: Any) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    data = m.plot.fitted().data
    lines = data[data["part"] == "group"]
    first = lines[lines["level"] == "3"]
    assert np.allclose(first["y"], m.predict({"age": first["x"], "Tree": ["3"] * len(first)}))


def test_quadrature(m: Any) -> None:
    """Of the observed curvature, for one factor; it hardly changes a model of one mild effect."""
    nodes = [nlmer(FORMULA, ORANGE, n_quad=k).objective for k in (9, 15)]
    assert nodes[0] == pytest.approx(nodes[1], abs=1e-4)
    assert nodes[1] == pytest.approx(m.objective, abs=0.05)
    with pytest.raises(OptionError, match="n_quad=9"):
        nlmer(FORMULA, ORANGE, n_quad=9, curvature="gauss_newton")


# ---- what is refused

WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"formula": "circumference ~ (1 | Tree)"}, FormulaError, "those of its parameters"),
    ({"formula": CURVE}, FormulaError, "no random effects"),
    ({"formula": f"{CURVE} ~ (Asim | Tree)"}, FormulaError, "Asim is no parameter"),
    ({"formula": f"{CURVE} ~ Asym"}, FormulaError, "holds random terms"),
    ({"formula": "circumference ~ SSlogistic(age, a, b, c) ~ (a | Tree)"}, FormulaError, "no self-starting function"),
    ({"formula": "circumference ~ SSlogis(age, Asym, xmid) ~ (Asym | Tree)"}, FormulaError, "takes 4 arguments"),
    ({"formula": "circumference ~ a * exp(-b * age) ~ (a | Tree)"}, FormulaError, "no starting value"),
    ({"formula": "circumference ~ sinh(a * age) ~ (a | Tree)", "start": {"a": 1}}, FormulaError, "sinh"),
    ({"formula": "circumference ~ age ~ (a | Tree)"}, FormulaError, "no parameters"),
    ({"formula": 3}, ArgumentTypeError, "formula must be text"),
    ({"start": {"Asim": 3}}, OptionError, "'Asim'"),
    ({"start": {"Asym": "many"}}, ArgumentTypeError, "number"),
    ({"start": [1.0, 2.0]}, OptionError, "3 parameters"),
    ({"start": {"Asym": math.nan}}, OptionError, "finite"),
    ({"start": 5}, ArgumentTypeError, "start must be a dict"),
    ({"params": {"Asym": "~ 1"}}, OptionError, "given twice"),
    ({"formula": CURVE, "params": {"asym": "~ 1 + (1 | Tree)"}}, OptionError, "'asym'"),
    ({"formula": CURVE, "params": {"Asym": "y ~ (1 | Tree)"}}, FormulaError, "begins with '~'"),
    ({"formula": CURVE, "params": ["Asym"]}, ArgumentTypeError, "params must be a dict"),
    ({"method": "magic"}, OptionError, "'laplace' or 'linearized'"),
    ({"curvature": "expected"}, OptionError, "'observed' or 'gauss_newton'"),
    ({"functions": {"f": 3}}, ArgumentTypeError, "must be a function"),
    (
        {"formula": "circumference ~ f(age, a) ~ (a | Tree)", "functions": {"f": logistic}, "start": {"a": 1}},
        FormulaError,
        "is given 2 arguments, and the function takes (age",
    ),
    ({"functions": {"SSlogis": logistic}}, OptionError, "known already"),
    ({"variance": "const_power(age)"}, OptionError, "method='linearized'"),
    ({"formula": f"{CURVE} ~ (Asym | Trees)"}, ColumnNotFoundError, "Trees"),
    ({"formula": "girth ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)"}, ColumnNotFoundError, "girth"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), WRONG, ids=[w for _, _, w in WRONG])
def test_refused(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    call = {"formula": FORMULA, "data": ORANGE, **arguments}
    with pytest.raises(error, match=words.replace("(", r"\(").replace("+", r"\+")):
        nlmer(call.pop("formula"), call.pop("data"), **call)


def test_a_function_of_the_wrong_shape() -> None:
    def first(age: Any, a: Any) -> Any:
        return (np.asarray(a) * age)[:3]

    with pytest.raises(DataError, match=r"shape \(3,\) for 35 rows"):
        nlmer("circumference ~ f(age, a) ~ (a | Tree)", ORANGE, start={"a": 0.1}, functions={"f": first})


def test_a_function_that_fails_says_why() -> None:
    def broken(age: Any, a: Any) -> Any:
        raise ZeroDivisionError("no luck")

    with pytest.raises(ZeroDivisionError, match="no luck"):
        nlmer("circumference ~ f(age, a) ~ (a | Tree)", ORANGE, start={"a": 0.1}, functions={"f": broken})


def test_functions_without_derivatives_are_taken_with_a_word() -> None:
    def plain(age: Any, a: Any, x: Any, s: Any) -> Any:
        return np.array([u / (1 + math.exp((v - t) / w)) for t, u, v, w in zip(age, a, x, s, strict=True)])

    start = {"Asym": 190, "xmid": 700, "scal": 350}
    formula = "circumference ~ f(age, Asym, xmid, scal) ~ (Asym | Tree)"
    with pytest.warns(RanefWarning, match="does not pass on derivatives"):
        found = nlmer(formula, ORANGE, start=start, functions={"f": plain})
    assert found.objective == pytest.approx(263.14377020072925, abs=1e-5)


def test_what_the_data_do_not_determine() -> None:
    with pytest.raises(DataError, match="do not determine a combination of a, b"):
        nlmer("circumference ~ (a + b) * age ~ (a | Tree)", ORANGE, start={"a": 0.1, "b": 0.1})
    with pytest.raises(DataError, match="does not depend on b"):
        nlmer("circumference ~ a * age + 0 * b ~ (a | Tree)", ORANGE, start={"a": 0.1, "b": 0.1})
    with pytest.raises(DesignError, match="depend on each other"):
        nlmer(
            CURVE,
            TALL.assign(again=TALL["tall"], other=np.where(TALL["tall"] == "yes", 1.0, 0.0)),
            params={"Asym": "~ other + I(2 * other) + (1 | Tree)"},
        )


def test_starts_where_the_curve_is_no_number() -> None:
    with pytest.raises(DataError, match=r"not finite at the start \(a = -1.*row 0"):
        nlmer("circumference ~ log(a * age) ~ (a | Tree)", ORANGE, start={"a": -1.0})


def test_a_far_start_is_brought_near_the_data() -> None:
    far = nlmer(FORMULA, ORANGE, start={"Asym": 50, "xmid": 200, "scal": 900})
    assert far.objective == pytest.approx(263.14377020072925, abs=1e-6)


def test_no_variance_is_said() -> None:
    flat = ORANGE.assign(
        circumference=logistic(ORANGE["age"], 190.0, 720.0, 350.0) + np.tile([3.0, -2.0, 1.0, -3.0, 2.0, -1.0, 0.5], 5)
    )
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = nlmer(FORMULA, flat)
    assert found.is_singular
    assert len(seen) == 1
    assert "without variance" in str(seen[0].message)


def test_random_effects_in_large_units_are_not_extreme(m: Any) -> None:
    """An asymptote has the unit of the response: no further starts for its standard deviation."""
    assert m.convergence.search.runs == 1
    assert m.convergence.evaluations < 40


def test_names_of_bars_join_parameters() -> None:
    joint = nlmer(CURVE, ORANGE, params={"Asym": "~ 1 + (1 |p| Tree)", "xmid": "~ 1 + (1 |p| Tree)"})
    assert list(joint.varcorr) == ["Tree"]
    assert joint.varcorr["Tree"].corr.shape == (2, 2)
    apart = nlmer(CURVE, ORANGE, params={"Asym": "~ 1 + (1 | Tree)", "xmid": "~ 1 + (1 | Tree)"})
    three = nlmer(f"{CURVE} ~ (Asym + xmid || Tree)", ORANGE)
    assert list(apart.varcorr) == ["Tree", "Tree.1"]
    assert apart.objective == pytest.approx(three.objective, abs=1e-7)
    assert joint.objective <= apart.objective + 1e-9


def test_what_is_said_of_it_elsewhere(m: Any, tmp_path: Any) -> None:
    """No language of linear models is given for a curve."""
    for language in ("spss", "sas", "julia"):
        with pytest.raises(RanefError, match="nonlinear models are written for R's lme4, nlme and brms"):
            m.to_syntax(language)
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib").use("Agg")
    m.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "nonlinear mixed model" in text
    assert "proc mixed" not in text


def test_the_unit_of_the_response_does_not_matter(m: Any) -> None:
    """Down to sizes whose squares are hardly numbers."""
    for unit in (1e-120, 1e-13, 1e9):
        found = nlmer(FORMULA, ORANGE.assign(circumference=ORANGE["circumference"] * unit))
        assert found.convergence.ok
        assert found.objective - 70 * math.log(unit) == pytest.approx(m.objective, abs=1e-6)
        assert found.fixef["Asym"] == pytest.approx(m.fixef["Asym"] * unit, rel=1e-6)


def test_what_the_curve_alone_reproduces() -> None:
    exact = ORANGE.assign(circumference=logistic(ORANGE["age"], 190.0, 720.0, 350.0))
    for method in ("laplace", "linearized"):
        with pytest.raises(DataError, match="reproduces the response exactly"):
            nlmer(FORMULA, exact, method=method)


def test_a_function_that_is_not_defined_everywhere() -> None:
    """math.sqrt raises at steps that are too long; where it is tried is the affair of the fit."""

    def root(age: Any, a: Any, b: Any) -> Any:
        return np.array([x * math.sqrt(y) + z for x, y, z in zip(age, a, b, strict=True)])

    formula = "circumference ~ f(age, a, b) ~ (b | Tree)"
    with pytest.warns(RanefWarning, match="does not pass on derivatives"):
        found = nlmer(formula, ORANGE, start={"a": 1.0, "b": 10.0}, functions={"f": root})
    typed = nlmer("circumference ~ age * sqrt(a) + b ~ (b | Tree)", ORANGE, start={"a": 1.0, "b": 10.0})
    assert found.objective == pytest.approx(typed.objective, abs=1e-5)
