"""The numbers behind pictures and the diagnostic panel of generalized models,
against second derivations.
"""

from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from drawn_text import outside, overlaps
from matplotlib import pyplot as plt
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit

import ranef
from ranef import OptionError
from ranef.diagnostics.check import check
from ranef.diagnostics.check_accuracy import NODES
from ranef.diagnostics.rank_residuals import rank_residuals
from ranef.fit.quadrature_step import quadrature_step

FORMULA = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def cbpp() -> Any:
    return ranef.glmer(FORMULA, ranef.load_dataset("cbpp"), family="binomial")


@pytest.fixture(scope="module")
def counts() -> dict[str, np.ndarray]:
    """Counts with random intercepts and slopes, from a model that is right."""
    rng = np.random.default_rng(21)
    g = np.repeat(np.arange(30), 8)
    x = rng.uniform(-1, 1, 240)
    b = rng.normal(size=(30, 2)) * [0.6, 0.4]
    y = rng.poisson(np.exp(1 + 0.5 * x + b[g, 0] + b[g, 1] * x))
    return {"y": y, "x": x, "g": g.astype(str), "curved": rng.poisson(np.exp(1 + 3 * x**2 + b[g, 0]))}


@pytest.fixture(scope="module")
def slopes(counts: Any) -> Any:
    return ranef.glmer("y ~ x + (x | g)", counts, family="poisson")


# ---- pictures


def test_caterpillar_and_ellipses_are_on_the_link(slopes: Any) -> None:
    data = slopes.plot.caterpillar(effect="x").data.set_index("level")
    modes, covariance = slopes.ranef(condvar=True)["g"]
    np.testing.assert_allclose(data.loc[modes.index, "estimate"], modes["x"])
    np.testing.assert_allclose(data.loc[modes.index, "std_error"], np.sqrt(covariance[:, 1, 1]))
    ellipse = slopes.plot.correlation().data
    points = ellipse[ellipse["part"] == "mode"]
    np.testing.assert_allclose(points["x"], modes["(Intercept)"])


def test_shrinkage_has_maximum_likelihood_estimates_of_each_level(cbpp: Any) -> None:
    """In a level the estimate makes the expected number of cases the observed one;
    without cases there is none.
    """
    data = ranef.load_dataset("cbpp")
    drawn = cbpp.plot.shrinkage().data.set_index("level")
    effect = cbpp.fixef.to_numpy()
    period = data["period"].astype(int).to_numpy()
    fixed = effect[0] + np.where(period > 1, np.concatenate([[0.0], effect[1:]])[period - 1], 0.0)
    for herd, rows in data.groupby(data["herd"].astype(str)).indices.items():
        cases, size = data["incidence"].to_numpy()[rows], data["size"].to_numpy()[rows]

        def excess(b: float, rows: Any = rows, size: Any = size, cases: Any = cases) -> float:
            return float((size * expit(fixed[rows] + b)).sum() - cases.sum())

        if not cases.sum():
            assert np.isnan(drawn.loc[herd, "separate"])
            continue
        assert drawn.loc[herd, "separate"] == pytest.approx(effect[0] + brentq(excess, -20, 20), abs=1e-6)
    modes = cbpp.ranef()["herd"]["(Intercept)"]
    np.testing.assert_allclose(drawn.loc[modes.index, "pooled"], effect[0] + modes)


def test_shrinkage_in_the_plane(slopes: Any, counts: Any) -> None:
    drawn = slopes.plot.shrinkage().data
    level = drawn[drawn["level"] == "3"].set_index("effect")
    rows = counts["g"] == "3"
    eta = level.loc["(Intercept)", "separate"] + level.loc["x", "separate"] * counts["x"][rows]
    score = counts["y"][rows] - np.exp(eta)
    np.testing.assert_allclose([score.sum(), score @ counts["x"][rows]], 0, atol=1e-4)


def test_fitted_lines_and_predictions_are_means(slopes: Any, counts: Any) -> None:
    data = slopes.plot.fitted("x").data
    line = data[(data["part"] == "group") & (data["level"] == "5")]
    expected = slopes.predict({"x": line["x"].to_numpy(), "g": ["5"] * len(line)})
    np.testing.assert_allclose(line["y"], expected)
    population = data[data["part"] == "population"]
    np.testing.assert_allclose(
        population["y"], np.exp(slopes.fixef["(Intercept)"] + slopes.fixef["x"] * population["x"])
    )
    drawn = slopes.plot.predictions("x")
    p = slopes.predict({"x": drawn.data["x"].to_numpy()}, re="population", interval="confidence")
    np.testing.assert_allclose(drawn.data[["fit", "lower", "upper"]], p[["fit", "lower", "upper"]])
    assert drawn.get_ylabel() == "y"


def test_axes_of_proportions_are_called_so(cbpp: Any) -> None:
    assert cbpp.plot.predictions("period").get_ylabel() == "proportion of successes"
    use = ranef.glmer("use ~ age + (1 | district)", ranef.load_dataset("Contraception"), family="binomial")
    assert use.plot.fitted("age").get_ylabel() == "probability of use"


def test_residuals(cbpp: Any) -> None:
    drawn = cbpp.plot.residuals("pearson").data
    np.testing.assert_allclose(drawn["residual"], cbpp.residuals("pearson"))
    np.testing.assert_allclose(drawn["fitted"], cbpp.fittedvalues)
    simulated = cbpp.plot.residuals(rng=5).data.sort_values("residual")["residual"]
    own = cbpp.simulated_residuals(rng=5).residuals
    np.testing.assert_allclose(simulated, np.sort(own))
    np.testing.assert_allclose(cbpp.plot.qq(rng=5).data["residual"], np.sort(own))
    left, right = cbpp.plot.simulated_residuals(rng=5)
    np.testing.assert_allclose(left.data["residual"], np.sort(own))
    assert right.get_xlabel().startswith("linear predictor")
    root = cbpp.plot.scale_location().data["root_residual"]
    np.testing.assert_allclose(root**2, np.abs(cbpp.residuals("scaled")))
    with pytest.raises(OptionError, match="'simulated', 'deviance'"):
        cbpp.plot.residuals("working")


def test_influence_and_coefficients(cbpp: Any) -> None:
    found = cbpp.influence("herd")
    drawn = cbpp.plot.influence().data.set_index("level")
    largest = found.dfbetas.abs().max(axis=1)
    np.testing.assert_allclose(drawn.loc[largest.index, "change"].abs(), largest)
    data = cbpp.plot.coefficients(cbpp.update(n_quad=9), names=["one", "nine"]).data
    np.testing.assert_allclose(data.loc[data["model"] == "one", "estimate"], cbpp.fixef[1:])
    with pytest.raises(OptionError, match="grouping factors"):
        cbpp.plot.influence("period")


# ---- the panel


def test_panel_of_trials(cbpp: Any) -> None:
    axes = cbpp.check(rng=3)
    zeros = axes[3].data
    assert zeros["value"][0] == (ranef.load_dataset("cbpp")["incidence"] == 0).sum()
    assert axes[3].sentence.startswith("The number of zeros is no surprise: 22 responses are zero")
    laplace = axes[5].data
    assert laplace["nodes"].tolist() == list(NODES)
    assert laplace["change"][0] == 0.0
    assert laplace.loc[laplace["nodes"] == 7, "change"].item() == pytest.approx(cbpp.laplace_error(7))
    said = "Laplace's approximation is close: 21 quadrature nodes would move estimates by 0.029 standard "
    assert axes[5].sentence.startswith(said)
    # lme4 (glmer with nAGQ=1 and 21): the standard deviation, standard error 0.1774, and the fixed
    # effects, standard errors 0.2312, 0.3032, 0.3228, 0.4221
    step = quadrature_step(cbpp._fit, 21)[1] - quadrature_step(cbpp._fit, 1)[1]
    moved = np.array([0.64751991 - 0.64206993, -0.00088087, 0.00051604, 0.00040657, 0.00026446])
    np.testing.assert_allclose(step, moved / [0.17740, 0.23121, 0.30315, 0.32283, 0.42205], atol=0.002)
    spread = axes[2].data
    pearson = (cbpp.residuals("pearson") ** 2).sum() * 56 / 52
    assert spread["value"][0] == pytest.approx(pearson)
    fine = cbpp.update(n_quad=11).check(rng=3)[5]
    assert fine.sentence.startswith("11 quadrature nodes are sufficient: ")


def test_panel_of_zeros_and_ones() -> None:
    data = ranef.load_dataset("Contraception")
    use = ranef.glmer("use ~ age + urban + (1 | district)", data, family="binomial")
    axes = use.check(rng=1)
    table = axes[2].data
    assert table["n"].sum() == len(data)
    assert (table["observed"] * table["n"]).sum() == pytest.approx((data["use"] == "Y").sum())
    kinds = data.groupby("district", observed=True)["use"].agg(["nunique", "size"])
    assert axes[3].data["value"][0] == ((kinds["nunique"] == 1) & (kinds["size"] > 1)).sum()


def test_panel_of_positive_responses_and_crossed_groups() -> None:
    data = ranef.load_dataset("sleepstudy")
    m = ranef.glmer("Reaction ~ Days + (1 | Subject)", data, family="Gamma(log)")
    parts = check(m._fit, 1)
    assert [p.kind for p in parts] == [
        "uniform_quantiles",
        "residuals",
        "simulated_statistic",
        "distribution",
        "effect_quantiles",
        "laplace",
    ]
    crossed = ranef.glmer(
        "cbind(incidence, size - incidence) ~ 1 + (1 | herd) + (1 | period)",
        ranef.load_dataset("cbpp"),
        family="binomial",
    )
    last = check(crossed._fit, 1)[5]
    assert not len(last.frame)
    assert last.sentence.startswith("With 2 grouping factors there is no quadrature")


def test_a_wrong_model_is_noticed_and_a_right_one_is_not(counts: Any, slopes: Any) -> None:
    wrong = ranef.glmer("curved ~ x + (1 | g)", counts, family="poisson")
    said = [p.sentence for p in check(wrong._fit, 2)]
    assert said[1].startswith("A bend: a curve along x multiplies or divides predictions by at most")
    assert said[2].startswith("Overdispersion")
    right = [p.sentence for p in check(slopes._fit, 2)]
    assert right[0].startswith("No clear departure")
    assert right[1].startswith("No clear bend")
    assert right[2].startswith("No clear over- or underdispersion")
    assert right[3].startswith("The number of zeros is no surprise")


def test_a_random_effect_for_each_row_is_not_underdispersion() -> None:
    """Its modes take up most of the variation of the Pearson residuals,
    also of responses from the model itself.
    """
    data = ranef.load_dataset("grouseticks")
    m = ranef.glmer("TICKS ~ YEAR + cHEIGHT + (1 | INDEX)", data, family="poisson")
    again = m.refit(m.simulate(1, rng=12).iloc[:, 0])
    found = again.overdispersion(100, rng=1)
    assert found.ratio < 0.6
    assert found.p_value > 0.05


def test_ranks_of_simulated_responses_are_uniform() -> None:
    rng = np.random.default_rng(6)
    draws = rng.poisson(1.5, (400, 60)).astype(float)
    found = rank_residuals(draws[:, 0], draws[:, 1:], rng)
    assert found.simulated.shape == (400, 59)
    for row in found.simulated[:20]:
        np.testing.assert_array_equal(np.sort(np.floor(row * 59)), np.arange(59))
    own, simulated = found.uniformity()
    assert own == pytest.approx(stats.kstest(found.values, "uniform").statistic)
    assert simulated[7] == pytest.approx(stats.kstest(found.simulated[:, 7], "uniform").statistic)
    assert own < simulated.max()


@pytest.mark.parametrize("size", [(13.0, 9.4), (8.0, 13.0)])
def test_no_text_covers_another(cbpp: Any, slopes: Any, size: tuple[float, float]) -> None:
    for model in (cbpp, slopes):
        axes = model.check(rng=1, figsize=size)
        figure = axes[0].get_figure()
        assert not overlaps(figure)
        assert not outside(figure)
        plt.close("all")


def test_sentences_name_faults_in_both_directions() -> None:
    from ranef.diagnostics import check_sentences as s

    found = [
        (s.dispersion_sentence(0.5, 0.001), True),
        (s.dispersion_sentence(0.97, 0.001), False),
        (s.zeros_sentence(2, 10.0, 100, 0.001), True),
        (s.zeros_sentence(20, 10.0, 100, 0.001), True),
        (s.zeros_sentence(1020, 1000.0, 10_000, 0.001), False),
        (s.equal_levels_sentence(9, 2.0, 20, 0.001, "g"), True),
        (s.equal_levels_sentence(0, 6.0, 20, 0.001, "g"), True),
        (s.calibration_sentence(0.3, 0.2, 10, 0.001), True),
        (s.calibration_sentence(0.21, 0.2, 10, 0.001), False),
        (s.quadrature_sentence(-1.2, 0.6, "(Intercept)|g", 1, 21, 7), True),
        (s.quadrature_sentence(0.9, 0.4, "x", 3, 21, 9), True),
        (s.quadrature_sentence(0.9, float("nan"), "", 3, 21, 9), True),
        (s.uniformity_sentence(0.2, 0.001), True),
        (s.uniformity_sentence(0.01, 0.001), False),
        (s.calibration_sentence(0.3, 0.2, 10, 0.05), False),
        (s.equal_levels_sentence(3, 2.0, 20, 0.5, "g"), False),
        (s.quadrature_sentence(1.5, 0.02, "x", 9, 21, 9), False),
        (s.no_quadrature_sentence(1, 3.0), False),
    ]
    assert [(f.sentence, f.concern) for f, _ in found] == [(f.sentence, expected) for f, expected in found]
