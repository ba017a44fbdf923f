"""Power by simulation."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ranef import ArgumentTypeError, DesignError, OptionError, lmer, load_dataset, power, power_curve
from ranef.estimates.simulate import simulated_responses
from ranef.fit.stated.parameters import Stated
from ranef.inference.power import exact_limits, extended, model_to_draw
from ranef.results.linear import LinearMixedModel


@pytest.fixture(scope="module")
def sleep() -> LinearMixedModel:
    return lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"), n_threads=1)


def exact_power(model: LinearMixedModel, effect: float, alpha: float = 0.05) -> float:
    """Of the F test of Days in a balanced design with random intercepts,
    which is the F test within subjects: noncentral F on (1, n - 1 - subjects).
    """
    from scipy.stats import f, ncf

    days = np.arange(10.0)
    within = 18 * np.sum((days - days.mean()) ** 2)
    df = 180 - 18 - 1
    return float(ncf.sf(f.isf(alpha, 1, df), 1, df, effect**2 * within / model.sigma**2))


@pytest.mark.parametrize("test", ["satterthwaite", "kenward-roger"])
def test_power_of_a_balanced_design_is_the_exact_one(sleep: LinearMixedModel, test: Any) -> None:
    effect = 2.0
    want = exact_power(sleep, effect)
    assert 0.5 < want < 0.9
    made = power(sleep, "Days", 400, test=test, fixef={"Days": effect}, rng=1)
    assert abs(made.power - want) < 3 * np.sqrt(want * (1 - want) / 400)
    assert made.lower < want < made.upper


def test_power_of_the_likelihood_ratio(sleep: LinearMixedModel) -> None:
    want = exact_power(sleep, 2.0)
    made = power(sleep, "Days", 4000, test="lrt", fixef={"Days": 2.0}, rng=1)
    # the chi-square of this many rows rejects a little more often than F: by less than two
    # hundredths
    assert want - 0.03 < made.power < want + 0.05
    null = power(sleep, "Days", 4000, test="lrt", fixef={"Days": 0.0}, rng=1)
    assert 0.04 < null.power < 0.065


def test_core_and_python_simulate_the_same_likelihood_ratios() -> None:
    """P-values from the core's drawn cross-products, and from whole responses fitted one by one,
    of a term with several columns in an unbalanced design.
    """
    from scipy.stats import chi2, ks_2samp

    data = load_dataset("egsingle").iloc[:700]
    larger: Any = lmer("math ~ year * size + (year | childid)", data, REML=False)
    made = power(larger, "size", 300, test="lrt", rng=3)
    drawn = simulated_responses(larger._fit, 300, "new", 4)
    smaller: Any = larger.update(". ~ . - size")
    assert smaller.fixef.index.tolist() == ["(Intercept)", "year", "year:size"]
    p = chi2.sf(np.maximum(0, smaller.refit(drawn).objective - larger.refit(drawn).objective), 1)
    assert ks_2samp(made.p_values, p).pvalue > 0.005


def test_seed_and_threads(sleep: LinearMixedModel) -> None:
    one, two = (power(sleep, "Days", 60, test="lrt", rng=2, n_threads=t) for t in (1, 2))
    assert np.array_equal(one.p_values, two.p_values)
    assert np.array_equal(power(sleep, "Days", 20, test="lrt", rng=2).p_values, one.p_values[:20])
    few, many = (power(sleep, "Days", n, rng=2) for n in (4, 8))
    assert np.array_equal(few.p_values, many.p_values[:4])


def test_extended_designs() -> None:
    m = lmer("strength ~ 1 + (1 | batch/cask)", load_dataset("Pastes"))
    made = extended(m._fit.design, {"batch": 25}, None)
    levels = {t.group: len(t.levels) for t in made.random}
    assert levels == {"cask:batch": 75, "batch": 25}
    assert len(made.y) == 150
    np.testing.assert_array_equal(made.y[:6], made.y[60:66])
    few = extended(m._fit.design, {"batch": 4}, {"cask:batch": 5})
    assert {t.group: len(t.levels) for t in few.random} == {"cask:batch": 12, "batch": 4}
    assert len(few.y) == 60
    record = power(
        m.update("strength ~ batch_number + (1 | batch/cask)", data=with_number()),
        "batch_number",
        10,
        test="lrt",
        extend={"batch": 25},
        rng=1,
    )
    assert record.n_groups == {"cask:batch": 75, "batch": 25}
    assert record.nobs == 150


def with_number() -> Any:
    data = load_dataset("Pastes")
    return data.assign(batch_number=data["batch"].cat.codes.astype(float))


def test_sigma_leaves_the_random_effects(sleep: LinearMixedModel) -> None:
    made = model_to_draw(sleep._fit, Stated(sigma=10.0), {"Subject": 9}, None)
    assert made.sigma == 10.0
    assert made.theta[0] * made.sigma == pytest.approx(sleep.varcorr["Subject"].sd[0])


def test_terms_with_several_columns() -> None:
    m = lmer("angle ~ recipe + temp + (1 | recipe:replicate)", load_dataset("cake"))
    made = power(m, "recipe", 30, rng=1)
    assert made.effect == "recipe"
    assert np.isfinite(made.p_values).all()
    frame = made.to_frame()
    assert list(frame.columns) == [
        "effect", "test", "alpha", "nobs", "recipe:replicate", "power", "lower", "upper", "n", "n_failed"
    ]  # fmt: skip
    assert "Power for 'recipe'" in repr(made)


def test_power_curve(sleep: LinearMixedModel) -> None:
    curve = power_curve(sleep, "Days", 300, extend={"Subject": [4, 18, 60]}, fixef={"Days": 1.5}, test="lrt", rng=1)
    assert curve["Subject"].tolist() == [4, 18, 60]
    assert curve["power"].is_monotonic_increasing
    rows = power_curve(sleep, "Days", 100, within={"Subject": [5, 20]}, fixef={"Days": 1.5}, test="lrt", rng=1)
    assert rows["nobs"].tolist() == [90, 360]


def test_exact_limits() -> None:
    """R: binom.test(8, 10)$conf.int, and the rule of three's exact form."""
    assert exact_limits(8, 10) == pytest.approx((0.4439045376923585, 0.9747892736731666), rel=1e-12)
    assert exact_limits(0, 100) == pytest.approx((0.0, 1 - 0.025 ** (1 / 100)))
    assert exact_limits(100, 100)[1] == 1.0


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"effect": "days"}, OptionError, "no fixed effect or term 'days'"),
        ({"effect": 1}, ArgumentTypeError, "effect must be the name"),
        ({"n": 0}, OptionError, "at least 1"),
        ({"test": "wald"}, OptionError, "'lrt', not 'wald'"),
        ({"alpha": 0}, OptionError, "between 0 and 1"),
        ({"alpha": "a"}, ArgumentTypeError, "alpha must be a number"),
        ({"fixef": {"x": 1}}, OptionError, "no fixed effect 'x'"),
        ({"fixef": {"Days": float("nan")}}, OptionError, "must be finite"),
        ({"fixef": 3}, ArgumentTypeError, "must be a dict"),
        ({"sigma": -1}, OptionError, "sigma must be positive"),
        ({"extend": {"school": 3}}, OptionError, "no grouping factor 'school'"),
        ({"extend": {"Subject": 1}}, OptionError, "at least 2"),
        ({"extend": {"Subject": 2.5}}, ArgumentTypeError, "whole number"),
        ({"within": {"Subject": 0}}, OptionError, "at least 1"),
        ({"within": {"Subject": 1}}, OptionError, "does not determine all fixed effects"),
        ({"extend": 5}, ArgumentTypeError, "must be a dict"),
    ],
)
def test_bad_arguments(sleep: LinearMixedModel, arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        power(sleep, **{"effect": "Days", "n": 5, **arguments})


def test_bad_curves(sleep: LinearMixedModel) -> None:
    with pytest.raises(OptionError, match="list of numbers in extend= or within="):
        power_curve(sleep, "Days", 5)
    with pytest.raises(OptionError, match="list of numbers in extend= or within="):
        power_curve(sleep, "Days", 5, extend={"Subject": 5})
    with pytest.raises(ArgumentTypeError, match="list of whole numbers"):
        power_curve(sleep, "Days", 5, extend={"Subject": "5"})  # type: ignore[dict-item]
    with pytest.raises(OptionError, match="no option 'tests'"):
        power_curve(sleep, "Days", 5, extend={"Subject": [5]}, tests=1)
    with pytest.raises(ArgumentTypeError, match="fitted by lmer"):
        power(3, "Days")  # type: ignore[arg-type]


def test_a_generalized_model() -> None:
    """Power of z tests and of likelihood ratios,
    the rate of false positives, and what such models do not have.
    """
    from ranef import glmer

    m = glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), family="poisson")
    null = power(m, "cHEIGHT", 200, fixef={"cHEIGHT": 0.0}, rng=1, test="lrt")
    assert null.upper > 0.05 > null.lower * 0.5
    assert null.power < 0.12
    small = power(m, "cHEIGHT", 40, fixef={"cHEIGHT": -0.008}, rng=1)
    assert small.test == "none"
    both = power(m, "cHEIGHT", 150, fixef={"cHEIGHT": -0.008}, rng=1, test="lrt")
    assert null.power < both.power < 1
    assert small.lower < both.power < small.upper
    more = power(m, "cHEIGHT", 60, fixef={"cHEIGHT": -0.008}, rng=1, test="lrt", extend={"BROOD": 236})
    assert more.n_groups == {"BROOD": 236}
    assert more.power > both.power
    term = power(m, "YEAR", 30, rng=1, test="lrt")
    assert term.power > 0.9
    with pytest.raises(OptionError, match="denominator"):
        power(m, "cHEIGHT", 10, test="kenward-roger")
    with pytest.raises(OptionError, match="poisson"):
        power(m, "cHEIGHT", 10, sigma=2.0)


def test_another_dispersion() -> None:
    """P-values with the size of the negative binomial changed,
    against counts drawn by NumPy and fitted as any other.
    """
    from scipy.stats import chi2, ks_2samp

    from ranef import glmer

    data = load_dataset("grouseticks")
    data = data[data["BROOD"].cat.codes % 2 == 0]
    data = data.assign(half=np.resize([0.0, 1.0], len(data)))
    m: Any = glmer("TICKS ~ half + (1 | BROOD)", data, family="nbinom2")
    size, effect = 0.4, 0.5
    made = power(m, "half", 120, dispersion=size, fixef={"half": effect}, rng=1, test="lrt")
    rng = np.random.default_rng(2)
    brood = data["BROOD"].cat.codes.to_numpy()
    sd = m.varcorr["BROOD"].sd[0]
    eta = (
        m.fixef["(Intercept)"]
        + effect * data["half"].to_numpy()
        + sd * rng.normal(size=(120, brood.max() + 1))[:, brood]
    )
    drawn = rng.poisson(rng.gamma(size, np.exp(eta) / size)).T.astype(float)
    smaller = m.update(". ~ . - half")
    p = chi2.sf(np.maximum(0, smaller.refit(drawn).objective - m.refit(drawn).objective), 1)
    assert ks_2samp(made.p_values, p).pvalue > 0.005
    # With the dispersion of the model the power is another.
    assert power(m, "half", 80, fixef={"half": effect}, rng=1, test="lrt").lower > made.upper


@pytest.mark.parametrize(
    ("family", "arguments", "says"),
    [
        ("poisson", {"dispersion": 2.0}, "the poisson family of this model has none"),
        ("poisson", {"sigma": 2.0}, "the poisson family has none.$"),
        ("nbinom2", {"sigma": 2.0}, "Give dispersion="),
        ("nbinom2", {"dispersion": 0.0}, "dispersion must be positive"),
        ("nbinom2", {"dispersion": 1.0, "sigma": 1.0}, "give one of them"),
    ],
)
def test_a_dispersion_that_cannot_be(family: str, arguments: dict[str, float], says: str) -> None:
    from ranef import glmer

    m = glmer("TICKS ~ cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), family=family)
    with pytest.raises(OptionError, match=says):
        power(m, "cHEIGHT", 10, **arguments)  # type: ignore[arg-type]


def test_the_dispersion_of_a_linear_model_is_sigma(sleep: LinearMixedModel) -> None:
    stated: tuple[dict[str, Any], ...] = ({"sigma": 40.0}, {"dispersion": 40.0})
    one, two = (power(sleep, "Days", 20, test="lrt", rng=2, **given) for given in stated)
    assert np.array_equal(one.p_values, two.p_values)


def between_groups(groups: int, size: int, effect: float, sd: float, sigma: float, alpha: float = 0.05) -> float:
    """Exact power of a comparison of two halves of the groups in a balanced design: the t test of
    the means of the groups, noncentral t on groups - 2 degrees of freedom.
    """
    from scipy.stats import nct, t

    shift = effect / np.sqrt(4 / groups * (sd**2 + sigma**2 / size))
    cut = t.isf(alpha / 2, groups - 2)
    return float(nct.sf(cut, groups - 2, shift) + nct.cdf(-cut, groups - 2, shift))


def test_power_of_a_mean_slope_with_another_variance() -> None:
    """In a balanced design with random slopes it is the t test of the subjects' slopes, noncentral
    t on 17 degrees of freedom.
    """
    from scipy.stats import nct, t

    m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), n_threads=1)
    cut = t.isf(0.025, 17)
    for sd, test in ((4.0, "satterthwaite"), (9.0, "kenward-roger")):
        shift = 5.0 / np.sqrt((sd**2 + m.sigma**2 / 82.5) / 18)
        want = float(nct.sf(cut, 17, shift) + nct.cdf(-cut, 17, shift))
        stated: Any = {"fixef": {"Days": 5.0}, "varcorr": {"Subject": {"Days": sd}}, "test": test}
        made = power(m, "Days", 1500, rng=1, **stated)
        assert abs(made.power - want) < 3 * np.sqrt(want * (1 - want) / 1500)


def planned_rows(groups: int, size: int) -> Any:
    import pandas as pd

    g = np.repeat(np.arange(groups), size)
    return pd.DataFrame({"arm": g % 2, "x": np.resize([0.0, 1.0], len(g)), "g": g})


STATED: dict[str, Any] = {"fixef": {"(Intercept)": 3.0, "arm": 1.0}, "varcorr": {"g": 1.0}, "sigma": 1.0}


def test_power_without_a_fit_is_the_exact_one() -> None:
    want = between_groups(24, 4, 1.0, 1.0, 1.0)
    assert 0.4 < want < 0.8
    for test in ("satterthwaite", "kenward-roger"):
        stated: Any = {**STATED, "test": test}
        made = power("~ arm + (1 | g)", "arm", 2000, data=planned_rows(24, 4), rng=1, **stated)
        assert abs(made.power - want) < 3 * np.sqrt(want * (1 - want) / 2000)
    assert (made.nobs, made.n_groups) == (96, {"g": 24})


def test_another_variance_of_the_random_effects_changes_the_power() -> None:
    """In the place of that of a fit, by varcorr and by theta."""
    from ranef import simulate

    rows = planned_rows(20, 5)
    rows["y"] = simulate("~ arm + (1 | g)", rows, rng=1, **STATED).sim_1
    m = lmer("y ~ arm + (1 | g)", rows, n_threads=1)
    for sd in (0.8, 1.6):
        want = between_groups(20, 5, 1.5, sd, 1.0)
        truth: dict[str, Any] = {"fixef": {"arm": 1.5}, "sigma": 1.0}
        made = power(m, "arm", 1500, varcorr={"g": sd}, rng=2, **truth)
        assert abs(made.power - want) < 3 * np.sqrt(want * (1 - want) / 1500)
        np.testing.assert_allclose(power(m, "arm", 5, theta=[sd], rng=2, **truth).p_values, made.p_values[:5])


def test_a_grid_of_numbers_of_groups_and_rows() -> None:
    curve = power_curve(
        "~ arm + (1 | g)", "arm", 600, data=planned_rows(8, 2), extend={"g": [8, 16, 32]}, within={"g": [2, 8]}, rng=3,
        **STATED,
    )  # fmt: skip
    assert list(curve.columns[3:9]) == ["nobs", "g", "rows_per_g", "power", "lower", "upper"]
    assert list(zip(curve["g"], curve["rows_per_g"], curve["nobs"], strict=True)) == [
        (g, m, g * m) for g in (8, 16, 32) for m in (2, 8)
    ]
    for row in curve.itertuples():
        want = between_groups(row.g, row.rows_per_g, 1.0, 1.0, 1.0)
        assert abs(row.power - want) < 3.5 * np.sqrt(want * (1 - want) / 600) + 0.01  # the boundary, with 8 groups of 2


def test_a_grid_of_subjects_and_items() -> None:
    import pandas as pd

    rows = pd.MultiIndex.from_product([range(6), range(4)], names=["subject", "item"]).to_frame(index=False)
    rows["x"] = (rows["subject"] + rows["item"]) % 2
    curve = power_curve(
        "~ x + (1 | subject) + (1 | item)", "x", 50, data=rows, extend={"item": [4, 8], "subject": [6, 12, 24]},
        fixef=[0, 0.4], varcorr={"subject": 0.5, "item": 0.5}, sigma=1.0, test="lrt", rng=1,
    )  # fmt: skip
    assert curve["nobs"].tolist() == [i * s for i in (4, 8) for s in (6, 12, 24)]
    assert curve["power"].iloc[-1] > curve["power"].iloc[0]
    axes = curve.plot()
    assert axes.get_xlabel() == "levels of item"
    legend: Any = axes.get_legend()
    assert legend.get_title().get_text() == "levels of subject"
    assert [t.get_text() for t in legend.get_texts()] == ["6", "12", "24"]
    fixed = power_curve(
        "~ x + (1 | subject) + (1 | item)", "x", 5, data=rows, extend={"item": [4, 8], "subject": 12},
        fixef=[0, 0.4], varcorr={"subject": 0.5, "item": 0.5}, sigma=1.0, test="lrt", rng=1,
    )  # fmt: skip
    assert fixed["subject"].tolist() == [12, 12]
    assert fixed.plot().get_legend() is None


def test_power_of_a_planned_generalized_model() -> None:
    rows = planned_rows(60, 4)
    made = power(
        "~ x + (1 | g)",
        "x",
        300,
        data=rows,
        family="binomial",
        fixef=[0.0, 0.9],
        varcorr={"g": 1e-9},
        test="lrt",
        rng=1,
    )
    # two proportions of 120 rows each, by the normal approximation
    from scipy.stats import norm

    p = 1 / (1 + np.exp(-0.9))
    want = norm.sf(1.96 - (p - 0.5) / np.sqrt((0.25 + p * (1 - p)) / 120))
    assert abs(made.power - want) < 3 * np.sqrt(want * (1 - want) / 300)


def test_formulas_that_cannot_be_simulated(sleep: LinearMixedModel) -> None:
    with pytest.raises(ArgumentTypeError, match="data must be given"):
        power("~ x + (1 | g)", "x", 5)
    with pytest.raises(OptionError, match="data goes with a formula"):
        power(sleep, "Days", 5, data=planned_rows(4, 4))
    with pytest.raises(OptionError, match="sigma must be given"):
        power("~ arm + (1 | g)", "arm", 5, data=planned_rows(4, 4), fixef=[0, 1], varcorr={"g": 1.0})
    with pytest.raises(DesignError, match="one observation in each level"):
        power("~ arm + (1 | g)", "arm", 5, data=planned_rows(8, 1), **STATED)
    with pytest.raises(OptionError, match="at most two factors"):
        power_curve(sleep, "Days", 5, extend={"Subject": [5, 6], "a": [1, 2]}, within={"Subject": [5, 6]})


@pytest.fixture(scope="module")
def balanced() -> LinearMixedModel:
    """A comparison of two halves of 12 groups of 5 rows."""
    from ranef import simulate

    rows = planned_rows(12, 5)
    rows["y"] = simulate("~ arm + (1 | g)", rows, rng=1, **STATED).sim_1
    return lmer("y ~ arm + (1 | g)", rows, n_threads=1)


@pytest.mark.parametrize("test", ["satterthwaite", "kenward-roger", "residual", "none"])
def test_p_values_of_replicates_follow_from_their_estimates(balanced: LinearMixedModel, test: Any) -> None:
    """Estimates of the bootstrap of the same seed, and the degrees of freedom of a balanced design:
    groups less two, wherever groups vary.
    """
    from scipy.stats import norm, t

    n = 200
    made = power(balanced, "arm", n, test=test, rng=5)
    fits = balanced.bootstrap(n, rng=5)
    column = fits.names.index("arm")
    ratio = np.abs(fits.values[:, column] / fits.std_errors[:, column])
    want = {"residual": 2 * t.sf(ratio, 58), "none": 2 * norm.sf(ratio)}.get(test, 2 * t.sf(ratio, 10))
    interior = ~fits.singular
    assert 150 < interior.sum() < n
    np.testing.assert_allclose(made.p_values[interior], want[interior], rtol=1e-6)


@pytest.mark.parametrize("test", ["satterthwaite", "kenward-roger"])
def test_replicates_of_the_core_are_tested_as_fits_are(test: Any) -> None:
    """F tests of a term in an unbalanced design, by the core and of responses fitted one by one."""
    from scipy.stats import ks_2samp

    data = load_dataset("cake").iloc[:-25]
    m: Any = lmer("angle ~ recipe * temp + (1 | recipe:replicate)", data)
    made = power(m, "recipe:temp", 600, test=test, rng=3)
    drawn = m.simulate(150, rng=4)
    p = [m.refit(drawn[c]).anova(ddf=test).loc["recipe:temp", "p_value"] for c in drawn]
    assert ks_2samp(made.p_values, p).pvalue > 0.005


def test_blocks_and_threads_do_not_change_p_values(balanced: LinearMixedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from ranef.inference import tested_replicates

    whole = power(balanced, "arm", 50, rng=5).p_values
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(tested_replicates, "MOST_REPLICATES", 7)
    parts = power(balanced, "arm", 50, rng=5, n_threads=2, progress=lambda *c: seen.append(c)).p_values
    assert np.array_equal(whole, parts)
    assert seen[-1] == (50, 50)
    assert all(a <= b for (a, _), (b, _) in pairwise(seen))
