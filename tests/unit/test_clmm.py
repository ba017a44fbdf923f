"""What a fitted model of ordered categories answers, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import ranef
from ranef import DataError, FormulaError, OptionError, RanefError, clmm, glmer, load_dataset
from ranef.errors import ArgumentTypeError

WINE = load_dataset("wine")
pytestmark = pytest.mark.filterwarnings("ignore:singular fit", "ignore:the level '3'", "ignore:the response")

FORMULA = "rating ~ temp + contact + (1 | judge)"
MEANS = json.loads((Path(__file__).parents[1] / "reference" / "ordinal.json").read_text())["ord_wine_logit"]["emmeans"]


@pytest.fixture(scope="module")
def m() -> Any:
    return clmm(FORMULA, WINE)


@pytest.fixture(scope="module")
def both() -> Any:
    return clmm("rating ~ temp + (1 | judge)", WINE, nominal="~ contact", scale="~ temp", link="probit")


def test_two_categories_are_the_binomial_model() -> None:
    data = WINE.assign(high=(WINE["rating"].cat.codes > 1).astype(int))
    for link in ("logit", "probit", "cloglog"):
        ordinal = clmm("high ~ temp + contact + (1 | judge)", data, link=link)
        # P(high) = 1 - F(threshold - eta): the mirrored link of the binary model
        mirrored = {"cloglog": "loglog"}.get(link, link)
        binary = glmer("high ~ temp + contact + (1 | judge)", data, family=f"binomial({mirrored})")
        assert ordinal.objective == pytest.approx(binary.objective, abs=1e-8)
        assert np.allclose(ordinal.fixef, binary.fixef[1:], atol=1e-5)
        assert ordinal.thresholds.iloc[0] == pytest.approx(-binary.fixef.iloc[0], abs=1e-5)


def test_weights_are_repeated_rows(m: Any) -> None:
    twice = clmm(FORMULA, pd.concat([WINE, WINE], ignore_index=True))
    weighted = clmm(FORMULA, WINE.assign(w=2.0), weights="w")
    assert weighted.objective == pytest.approx(twice.objective, abs=1e-9)
    assert np.allclose(weighted.thresholds, twice.thresholds, atol=1e-6)


def test_order_of_rows_and_offsets_do_not_matter(both: Any) -> None:
    shuffled = WINE.sample(frac=1.0, random_state=1)
    again = clmm("rating ~ temp + (1 | judge)", shuffled, nominal="~ contact", scale="~ temp", link="probit")
    assert again.objective == pytest.approx(both.objective, abs=1e-9)
    moved = clmm(FORMULA, WINE.assign(o=3.0), offset="o")
    assert np.allclose(moved.thresholds - 3.0, clmm(FORMULA, WINE).thresholds, atol=1e-5)


def test_quadrature_of_nominal_effects_is_laplace_at_one_node(both: Any) -> None:
    fit = both._fit
    system = fit.system.get(1)
    at = (fit.core_theta, fit.core_beta, None)
    assert system.evaluate(*at, 1, "observed").objective == pytest.approx(both.objective, abs=1e-9)
    assert both.laplace_error(15) == pytest.approx(both.laplace_error(25), abs=1e-4)


# ---- predictions


def test_probabilities_are_differences_of_the_distribution(both: Any) -> None:
    from scipy.stats import norm

    t, zeta = both.component("thresholds").linear_predictor, both.component("scale").linear_predictor
    below = norm.cdf((t - both.linear_predictor.to_numpy()[:, None]) * np.exp(-zeta)[:, None])
    p = np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1)
    found = both.predict(type="prob")
    assert np.allclose(found, p, atol=1e-12)
    assert list(found.columns) == ["1", "2", "3", "4", "5"]
    assert np.allclose(both.predict(type="cum_prob"), below, atol=1e-12)
    assert np.allclose(both.predict(type="exc_prob"), 1 - below, atol=1e-12)
    assert np.allclose(both.predict(), p @ np.arange(1, 6), atol=1e-12)
    assert both.predict(type="class").cat.codes.tolist() == p.argmax(axis=1).tolist()
    rows = np.arange(72), WINE["rating"].cat.codes.to_numpy()
    conditional = np.log(p[rows]).sum()
    assert -2 * conditional < both.objective


def test_standard_errors_are_those_of_emmeans(m: Any) -> None:
    """Marginal means of one cell are predictions for it; emmeans takes R's rounder covariance."""
    expected = MEANS["~ rating | temp @ prob"]["emmeans"]["columns"]
    frame = m.emmeans("~ rating | temp", mode="prob").to_frame()
    assert np.allclose(frame["estimate"], expected["prob"], atol=1e-5)
    assert np.allclose(frame["std_error"], expected["SE"], rtol=6e-3)
    latent = MEANS["~ temp"]
    found = m.emmeans("pairwise ~ temp")
    assert np.allclose(found.to_frame()["estimate"], latent["emmeans"]["columns"]["emmean"], atol=1e-4)
    assert np.allclose(found.to_frame()["std_error"], latent["emmeans"]["columns"]["SE"], rtol=6e-3)
    assert found.contrasts.to_frame()["estimate"].iloc[0] == pytest.approx(
        latent["pairs"]["columns"]["estimate"][0], abs=1e-4
    )
    mean = MEANS["~ temp @ mean.class"]["emmeans"]["columns"]
    assert np.allclose(m.emmeans("temp", mode="mean.class").to_frame()["estimate"], mean["mean.class"], atol=1e-5)
    new = {"temp": ["cold"], "contact": ["yes"]}
    one = m.predict(new, re="population", type="prob", se=True)
    cell = m.emmeans("~ rating | temp * contact", mode="prob").to_frame().query("temp == 'cold' and contact == 'yes'")
    assert np.allclose(one["fit"].iloc[0], cell["estimate"], atol=1e-9)
    assert np.allclose(one["se"].iloc[0], cell["std_error"], rtol=1e-5)


def test_prob_has_a_row_for_every_category(both: Any) -> None:
    frame = both.emmeans("contact", mode="prob").to_frame()
    assert len(frame) == 10
    assert np.allclose(frame.groupby("contact")["estimate"].sum(), 1.0)
    scale = both.emmeans("temp", mode="scale").to_frame()
    # emmeans has 0.000 for both limits of the level that the scale is that of
    assert scale[["estimate", "std_error", "lower", "upper"]].iloc[0].tolist() == [0, 0, 0, 0]
    assert scale["estimate"].iloc[1] == pytest.approx(both.component("scale").fixef.iloc[0])
    cuts = both.emmeans("temp", mode="cum_prob").to_frame()
    assert list(cuts["cut"].unique()) == ["1|2", "2|3", "3|4", "4|5"]


def test_marginal_probabilities_are_averages(m: Any) -> None:
    z = np.random.default_rng(1).standard_normal(400_000) * m.varcorr["judge"].sd[0]
    eta = float(m.predict({"temp": ["warm"], "contact": ["yes"]}, re="population", type="latent").iloc[0])
    below = 1 / (1 + np.exp(-(m.thresholds.to_numpy()[:, None] - eta - z)))
    p = np.diff(np.concatenate([[0.0], below.mean(axis=1), [1.0]]))
    found = m.predict({"temp": ["warm"], "contact": ["yes"]}, re="marginal", type="prob")
    assert np.allclose(found.iloc[0], p, atol=2e-3)


def test_standard_errors_with_random_effects(m: Any) -> None:
    found = m.predict(type="prob", se=True, interval="confidence")
    assert ((found["lower"] < found["fit"]) & (found["fit"] < found["upper"])).all(axis=None)
    row = {"temp": ["cold"], "contact": ["no"]}
    new = m.predict({**row, "judge": ["x"]}, new_levels="population", type="latent", se=True)
    known = m.predict({**row, "judge": ["1"]}, type="latent", se=True)
    assert new["se"].iloc[0] > known["se"].iloc[0]


def test_thresholds_that_cross_are_named(both: Any) -> None:
    gamma = both.component("nominal").fixef.to_numpy()
    assert (np.diff(gamma) < 0).any()
    fit = both._fit
    with pytest.raises(DataError, match="the thresholds cross in row 0"):
        fit.probabilities_at(np.array([-60.0]), np.zeros(1), fit.extras, np.full((1, 1), 50.0))


@pytest.mark.parametrize("numeric", [False, True])
def test_crossing_at_the_optimum_is_said(numeric: bool) -> None:
    """Where a category does not occur, its thresholds are free to change places."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": rng.integers(0, 20, 400), "x": rng.normal(size=400)})
    data["b"] = np.where(rng.random(400) < 0.4, "yes", "no")
    data["v"] = np.where(data.b == "yes", 3.0 + rng.random(400), rng.random(400))
    y = np.digitize(rng.normal(size=20)[data.g] + rng.logistic(size=400), [-1.0, 0.0, 1.0])
    data["y"] = np.where((data.b == "yes") & (y == 1), np.where(rng.random(400) < 0.5, 0, 2), y)
    where = "where v is 3.* or more" if numeric else "where b = yes"
    with pytest.warns(ranef.RanefWarning, match=rf"thresholds 0\|1 and 1\|2 cross {where} \(1\d\d of 400 rows\)"):
        m = clmm("y ~ x + (1 | g)", data, nominal="~ v" if numeric else "~ b")
    assert "The thresholds 0|1 and 1|2 cross" in str(m.summary())
    assert "negative probability" in m.convergence.explanation
    with pytest.raises(DataError, match="the thresholds cross in row"):
        m.predict(type="prob")


# ---- residuals and simulation


def test_residuals_have_one_distribution(m: Any) -> None:
    latent = m.simulate(40, rng=1, re="conditional")
    for kind, sd in (("surrogate", np.pi / np.sqrt(3)), ("quantile", 1.0)):
        values = np.concatenate([m.refit(latent[c]).residuals(kind, rng=2).to_numpy() for c in latent.columns[:3]])
        assert abs(values.mean()) < 0.3 * sd
        assert 0.75 * sd < values.std() < 1.25 * sd
    assert np.allclose(m.residuals(), WINE["rating"].cat.codes + 1 - m.predict())
    with pytest.raises(OptionError, match="type must be one of 'response', 'pearson'"):
        m.residuals("deviance")


def test_simulated_categories_have_the_probabilities(both: Any) -> None:
    draws = both.simulate(4000, re="conditional", rng=3).to_numpy()
    shares = np.stack([(draws == k).mean(axis=1) for k in range(1, 6)], axis=1)
    assert np.abs(shares - both.predict(type="prob").to_numpy()).max() < 0.035


@pytest.mark.filterwarnings("ignore:1 of 60 replicates failed")  # all warm wines above all cold ones
def test_bootstrap_of_effects(m: Any) -> None:
    made = m.bootstrap(60, rng=1)
    drawn = made.to_frame().query("term == 'temp[T.warm]'")["value"]
    assert drawn.median() == pytest.approx(m.fixef.iloc[0], abs=0.6)


# ---- tests


def test_nominal_test_is_the_likelihood_ratio(m: Any) -> None:
    larger = clmm("rating ~ temp + (1 | judge)", WINE, nominal="~ contact")
    row = m.nominal_test().loc["contact"]
    assert row["chisq"] == pytest.approx(m.objective - larger.objective, abs=1e-6)
    assert row["df"] == 3
    # clmm2 of R's ordinal has -2 log-likelihood 162.62944619
    assert larger.objective == pytest.approx(162.62944619, abs=1e-6)
    scaled = clmm(FORMULA, WINE, scale="~ contact")
    assert m.scale_test("contact").loc["contact", "chisq"] == pytest.approx(m.objective - scaled.objective, abs=1e-6)
    with pytest.raises(OptionError, match="no term of the location"):
        m.nominal_test("judge")


def test_profiles_end_where_the_likelihood_ratio_says(m: Any) -> None:
    """Fits with the effect held, by an offset, at the limits."""
    limits = m.conf_int(method="profile").loc["contact[T.yes]"]
    for limit in limits:
        held = WINE.assign(o=limit * (WINE["contact"] == "yes"))
        found = clmm("rating ~ temp + (1 | judge)", held, offset="o").objective
        assert found - m.objective == pytest.approx(3.8414588207, abs=2e-5)


@pytest.mark.parametrize("scale", ["~ temp", "~ temp + (1 | judge)"])
def test_profiles_of_thresholds_nominal_and_scale_effects(scale: str) -> None:
    """At a limit the deviance, everything else estimated by another optimiser, has risen by the
    quantile.
    """
    m = clmm("rating ~ temp + (1 | judge)", WINE, nominal="~ contact", scale=scale, link="probit")
    found = m.conf_int(method="profile", component="all")
    fit, t = m._fit, len(m._fit.whole_theta)
    names = [(component, label) for component, label, _ in fit.coefficient_names]
    assert found.index.tolist()[: len(names)] == names
    system = fit.system.get(1)
    x0 = np.concatenate([fit.whole_theta, fit.whole_beta])
    for key in (("thresholds", "2|3"), ("nominal", "2|3.contact[T.yes]"), ("scale", "temp[T.warm]")):
        j = t + fit.coefficient_names[names.index(key)][2]
        free = np.delete(np.arange(len(x0)), j)
        for limit in found.loc[key]:

            def at(x: Any, j: int = j, free: Any = free, limit: float = limit) -> Any:
                whole = np.empty(len(x0))
                whole[free], whole[j] = x, limit
                got = system.evaluate(whole[:t], whole[t:], None, 1, "observed")
                return got.objective, got.gradient[free]

            best = minimize(at, x0[free], jac=True, method="BFGS", options={"gtol": 1e-6})
            assert best.fun - m.objective == pytest.approx(3.8414588207, abs=2e-4)


def test_profile_of_a_standard_deviation(m: Any) -> None:
    """Profile and confint of clmm2 of R's ordinal 2022.11-16, which interpolates by splines."""
    found = m.conf_int(method="profile", parm="theta_").to_numpy()[0]
    assert np.allclose(found, [0.501461968, 2.266780012], atol=5e-4)
    curve = m.profile("3|4")
    limits = m.conf_int(method="profile", component="thresholds", parm="3|4").to_numpy()[0]
    assert np.allclose(curve.zeta("3|4", limits), [-1.959964, 1.959964], atol=1e-3)


def test_intervals_by_component(both: Any) -> None:
    part = both.component("nominal")
    found = both.conf_int(component="nominal")
    assert np.allclose(found.mean(axis=1), part.fixef)
    assert np.allclose(found["upper"] - found["lower"], 2 * 1.959963984540054 * part.bse)
    every = both.conf_int(component="all")
    assert list(every.loc["scale"].index) == ["temp[T.warm]"]
    assert np.allclose(every.loc["cond"], both.conf_int(method="wald"))
    with pytest.raises(OptionError, match="method='wald' or 'profile'"):
        both.conf_int(component="scale", method="boot")


def test_dropping_a_factor_leaves_the_coding_of_the_others(m: Any) -> None:
    smaller = clmm("rating ~ contact + (1 | judge)", WINE)
    row = m.drop1().loc["temp"]
    assert row["df"] == 1
    assert row["chisq"] == pytest.approx(smaller.objective - m.objective, abs=1e-6)
    assert ranef.anova(smaller, m)["chisq"].iloc[1] == pytest.approx(row["chisq"], abs=1e-9)


def test_shares_of_variance(m: Any, both: Any) -> None:
    var = m.varcorr["judge"].sd[0] ** 2
    assert m.icc().adjusted == pytest.approx(var / (var + np.pi**2 / 3))
    with pytest.raises(OptionError, match="no variance"):
        clmm(FORMULA, WINE, link="cauchit").icc()


# ---- what is kept


def test_saved_and_updated(both: Any, tmp_path: Path) -> None:
    both.save(tmp_path / "m.ranef")
    again = ranef.load(tmp_path / "m.ranef")
    assert again.thresholds.equals(both.thresholds)
    assert np.allclose(again.predict(type="prob"), both.predict(type="prob"))
    assert type(again) is type(both)
    assert both.update(nominal=None, scale=None).npar == both.npar - 5
    assert both.update(". ~ . + (1 | bottle)", threshold="flexible").formula.endswith("(1 | bottle)")


def test_summary_has_the_thresholds(both: Any) -> None:
    text = str(both.summary())
    for part in ("Threshold coefficients:", "Nominal effects:", "Scale effects (log):", "Nominal: ~ contact"):
        assert part in text
    assert "Scale effects" in both.summary().to_html()
    frames = both.summary().tables
    assert frames["threshold_coefficients"].loc["1|2", "estimate"] == pytest.approx(both.thresholds.iloc[0])
    assert both.tidy().query("effect == 'thresholds'")["term"].tolist() == ["1|2", "2|3", "3|4", "4|5"]


def test_structured_thresholds() -> None:
    even = clmm(FORMULA, WINE, threshold="symmetric").thresholds.to_numpy()
    assert even[3] - even[2] == pytest.approx(even[1] - even[0])
    steps = np.diff(clmm(FORMULA, WINE, threshold="equidistant").thresholds)
    assert np.allclose(steps, steps[0])
    zero = clmm(FORMULA, WINE, threshold="symmetric2").thresholds.to_numpy()
    assert np.allclose(zero, -zero[::-1])


# ---- other programs


def test_other_programs(m: Any, both: Any) -> None:
    assert m.to_syntax("lme4", notes=False) == f"clmm({FORMULA}, data = wine)"
    stata = m.to_syntax("stata", notes=False)
    assert stata == "meologit rating i.temp i.contact || judge:, intmethod(laplace)"
    sas = m.to_syntax("sas")
    assert "dist=multinomial link=cumlogit" in sas
    assert "other sign" in sas
    assert "event=" not in sas
    with pytest.raises(RanefError, match="nominal effects"):
        both.to_syntax("stata")
    assert both.to_syntax("lme4", notes=False).startswith("clmm2(location = rating ~ temp, nominal = ~ contact")


def test_equations(m: Any, both: Any) -> None:
    assert m.equations().to_text().splitlines() == [
        "Level 1 (rows)",
        "  logit(P(rating_ij ≤ k)) = τ_k − η_ij",
        "  k = 1, …, 4",
        "  η_ij = β_0j + β_1 temp[warm]_ij + β_2 contact[yes]_ij",
        "Level 2 (judge)",
        "  β_0j = u_0j",
        "  u_0j ~ N(0, σ²_u0)",
    ]
    text = both.equations().to_text()
    assert "probit(P(rating_ij ≤ k)) = (τ_k,ij − η_ij)/σ_ij" in text
    assert "τ_k,ij = α_k + γ_1k contact[yes]_ij" in text
    assert "log(σ_ij) = δ_1 temp[warm]_ij" in text
    assert r"\tau_{k} - \eta_{ij}" in m.equations()
    shared = clmm("rating ~ temp + (1 |p| judge)", WINE, scale="~ (1 |p| judge) + (1 | bottle)").equations()
    for line in ("log(σ_ij) = s_0j + s_0bottle", "Cov(u_0j, s_0j) = σ_u0,s0", "Level 3 (bottle)"):
        assert line in shared.to_text()


# ---- what is refused


@pytest.mark.parametrize(
    ("formula", "data", "arguments", "error", "says"),
    [
        ("response ~ temp + (1 | judge)", WINE, {}, DataError, "49 different numbers.*pandas.cut"),
        (FORMULA, WINE.assign(rating=WINE["rating"].astype(str)), {}, DataError, "is text.*ordered=True"),
        (FORMULA, WINE[WINE["rating"] == "2"], {}, DataError, "one category only"),
        (FORMULA, WINE, {"threshold": "equal"}, OptionError, "'flexible', 'equidistant'"),
        (FORMULA, WINE, {"threshold": 2}, ArgumentTypeError, "threshold must be one of"),
        (FORMULA, WINE, {"link": "log"}, OptionError, "no link 'log'"),
        ("rating ~ temp + (1 | judge)", WINE, {"nominal": "~ contat"}, RanefError, "Did you mean 'contact'"),
        ("rating ~ temp + (1 | judge)", WINE, {"nominal": "contact"}, FormulaError, "without a response"),
        (FORMULA, WINE, {"nominal": "~ contact"}, OptionError, "in the formula and in nominal"),
        (FORMULA, WINE, {"scale": 1}, ArgumentTypeError, "scale must be text"),
        ("rating ~ temp", WINE, {}, FormulaError, "no random-effects term"),
        (FORMULA, WINE, {"n_quad": 0}, OptionError, "Laplace's approximation, n_quad=1"),
        ("rating ~ temp + (1 | judge) + (1 | bottle)", WINE, {"n_quad": 5}, OptionError, "crossed"),
    ],
)
def test_bad_input(formula: str, data: Any, arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        clmm(formula, data, **arguments)


def test_categories_need_three_for_symmetry() -> None:
    data = WINE.assign(high=(WINE["rating"].cat.codes > 1).astype(int))
    with pytest.raises(OptionError, match="three categories or more"):
        clmm("high ~ temp + (1 | judge)", data, threshold="symmetric")


def test_notes_on_the_response() -> None:
    notes = clmm(FORMULA, WINE[WINE["rating"] != "3"]).summary().notes
    assert any("level '3'" in n and "does not occur" in n for n in notes)
    notes = clmm(FORMULA, WINE.assign(rating=WINE["rating"].cat.as_unordered())).summary().notes
    assert any("taken in this order: 1 < 2 < 3 < 4 < 5" in n for n in notes)
    notes = clmm(FORMULA, WINE.assign(rating=WINE["rating"].astype(int))).summary().notes
    assert any("order of the numbers" in n for n in notes)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: m.overdispersion(), "thresholds are estimated"),
        (lambda m: m.plot.fitted(), "probabilities\\(\\) draws them"),
        (lambda m: m.predict(type="odds"), "type must be one of 'response'"),
        (lambda m: m.predict(type="class", se=True), "no standard error"),
        (lambda m: m.predict(type="prob", interval="prediction"), "distribution of a new response"),
        (lambda m: m.emmeans("temp", mode="probs"), "mode must be one of 'latent'"),
        (lambda m: m.emmeans("temp", type="response"), "choose mode='prob'"),
        (lambda m: m.component("zi"), "its components are 'thresholds'"),
        (lambda m: m.to_syntax("spss"), "writes them for R"),
        (lambda m: m.hatvalues(), "probabilities"),
    ],
)
def test_refusals(m: Any, call: Any, says: str) -> None:
    with pytest.raises(RanefError, match=says):
        call(m)


def test_other_models_have_no_categories() -> None:
    other = ranef.lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"))
    with pytest.raises(OptionError, match="one linear predictor"):
        other.component("scale")
    with pytest.raises(OptionError, match="mode is for ordered categories"):
        other.emmeans("~ 1", mode="prob")
    with pytest.raises(OptionError, match="clmm"):
        glmer(FORMULA, WINE, family="ordinal")
    with pytest.raises(OptionError, match="ordered categories"):
        other.plot.probabilities("Days")


def test_picture_of_probabilities(m: Any) -> None:
    ax = m.plot.probabilities("temp", by="contact")
    assert np.allclose(ax.data.groupby("bar")["estimate"].sum(), 1.0)
    assert ax.data["bottom"].min() == 0.0
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["5", "4", "3", "2", "1"]


def test_robust_marginal_means() -> None:
    """The delta method with the sandwich of all coefficients: that of a difference is the robust
    standard error of the coefficient, and that of a probability follows from thresholds too.
    """
    m = clmm("rating ~ temp + contact + (1 | judge)", load_dataset("wine"))
    robust: dict[str, Any] = {"cov": "CR1", "cluster": "judge"}
    se = np.sqrt(np.diagonal(m.cov_params(**robust)))
    pair = m.emmeans("temp", **robust).contrast("pairwise").to_frame().iloc[0]
    assert pair["std_error"] == pytest.approx(se[0], rel=1e-6)
    assert pair["df"] == 8
    # the probability of the first category where temp and contact are at their references
    from ranef.inference.cluster_robust.tests import robust_tests

    joint = robust_tests(m._fit, m._request.data, "CR1", "judge").robust.joint[1:, 1:]
    first = m.component("thresholds").fixef.iloc[0]
    density = np.exp(-first) / (1 + np.exp(-first)) ** 2
    at = {"contact": ["no"], "temp": ["cold"]}
    found = m.emmeans("temp", mode="prob", at=at, **robust).to_frame().iloc[0]
    assert found["estimate"] == pytest.approx(1 / (1 + np.exp(-first)), rel=1e-9)
    assert found["std_error"] == pytest.approx(density * np.sqrt(joint[2, 2]), rel=1e-6)
    notes = m.test("temp[T.warm]", **robust).attrs["notes"]
    assert "standard errors of other parts (threshold coefficients) are those of the model." in notes
