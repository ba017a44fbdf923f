"""The iterative solver of linear models with crossed factors, against the exact one."""

import _thread
import copy
import pickle
import threading
import time

import numpy as np
import pytest

import ranef
from ranef import errors, glmer, lmer, scale
from ranef.fit.iterative.sampled import change_se

FORMULA = "y ~ x + (1 | g) + (1 | h)"
ITERATIVE = {"solver": "iterative"}


def table(n=6000, levels=(500, 250), sd=(0.6, 0.4), seed=1):
    rng = np.random.default_rng(seed)
    out = {"x": rng.normal(size=n) + 20, "w": rng.uniform(0.5, 2, n)}
    y = 1 + 0.5 * out["x"] + rng.normal(size=n) / np.sqrt(out["w"])
    for name, m, s in zip("ghk", levels, sd, strict=False):
        codes = np.r_[np.arange(m), rng.integers(0, m, n - m)]
        rng.shuffle(codes)
        y = y + rng.normal(0, s, m)[codes]
        out[name] = codes
    return out | {"y": y}


@pytest.fixture(scope="module")
def data():
    return table()


@pytest.fixture(scope="module")
def pair(data):
    return lmer(FORMULA, data), lmer(FORMULA, data, control=ITERATIVE)


def agrees(exact, iterative, theta=0.05):
    """Estimates within a share of a standard error, the criterion within four of its own."""
    error = iterative._fit.sampled.llf_se
    assert abs(exact.llf - iterative.llf) < 4 * error + 1e-6
    se = np.sqrt(np.diag(exact.cov_params()))
    np.testing.assert_array_less(np.abs(exact.fixef - iterative.fixef), 0.02 * se)
    np.testing.assert_allclose(np.sqrt(np.diag(iterative.cov_params())), se, rtol=2e-3)
    assert iterative.sigma == pytest.approx(exact.sigma, rel=1e-4)
    # the standard error of log theta is more than that of a variance of as many levels, known
    for t, i, m in zip(exact.theta, iterative.theta, map(len, exact.ranef().values()), strict=True):
        assert abs(t - i) < theta * t / np.sqrt(2 * m)
    assert iterative.convergence.ok
    assert iterative.convergence.sampling <= 0.02


def test_estimates_are_those_of_the_exact_solver(pair):
    exact, iterative = pair
    agrees(exact, iterative)
    for name, frame in exact.ranef().items():
        np.testing.assert_allclose(iterative.ranef()[name], frame, atol=2e-4)
    np.testing.assert_allclose(iterative.fittedvalues, exact.fittedvalues, atol=5e-4)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_weights_offset_three_factors(method):
    data = table(n=5000, levels=(400, 200, 20), sd=(0.6, 0.4, 0.5), seed=3)
    formula = "y ~ x + offset(x) + (1 | g) + (1 | h) + (1 | k)"
    exact = lmer(formula, data, weights="w", method=method)
    agrees(exact, lmer(formula, data, weights="w", method=method, control={**ITERATIVE, "probes": 16}), 0.1)


@pytest.mark.parametrize("formula", ["y ~ x + (x | g) + (1 | h)", "y ~ x + (1 | g) + (0 + x | g) + (x || h)"])
def test_slopes_and_several_terms_of_one_factor(formula):
    rng = np.random.default_rng(8)
    data = table(n=20_000, levels=(500, 250), seed=8)
    data["x"] = rng.integers(0, 20, 20_000).astype(float)
    slopes = rng.normal(0, 0.1, (2, 500))
    data["y"] = data["y"] + (slopes[0][data["g"]] + slopes[1][data["h"]]) * data["x"]
    exact, iterative = lmer(formula, data), lmer(formula, data, control={**ITERATIVE, "probes": 16})
    error = iterative._fit.sampled.llf_se
    assert abs(exact.llf - iterative.llf) < 4 * error + 1e-6
    assert iterative.convergence.sampling <= 0.02
    np.testing.assert_allclose(iterative.theta, exact.theta, rtol=0.02, atol=2e-3)
    np.testing.assert_allclose(iterative.bse, exact.bse, rtol=3e-3)
    for name, frame in exact.ranef().items():
        np.testing.assert_allclose(iterative.ranef()[name], frame, atol=3e-3)


def test_batches_give_what_memory_gives(data, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = lmer("y ~ x + (x | g) + (1 | h)", data, control=ITERATIVE)
    halves = [pa.table({k: v[i::2] for k, v in data.items()}) for i in range(2)]
    for i, half in enumerate(halves):
        pq.write_table(half, tmp_path / f"{i}.parquet")
    m = scale.fit("y ~ x + (x | g) + (1 | h)", str(tmp_path), control=ITERATIVE)
    assert m._fit.sampled is not None
    error = np.hypot(whole._fit.criterion_se, m._fit.criterion_se)
    assert abs(m.objective - whole.objective) < 3 * error + 1e-3
    np.testing.assert_allclose(m.theta, whole.theta, rtol=0.02, atol=2e-3)
    np.testing.assert_allclose(m.fixef, whole.fixef, atol=1e-3)
    assert m.nobs == 6000
    np.testing.assert_allclose(*(k.anova()["f_value"] for k in (m, whole)), rtol=0.01)
    new = {"x": [19.0, 21.0], "g": [1, 2], "h": [2, 3]}
    np.testing.assert_allclose(*(k.predict(new, se=True)["se"] for k in (m, whole)), rtol=0.01)
    with pytest.raises(errors.RanefError, match="read in batches"):
        pickle.loads(pickle.dumps(m)).ranef(condvar=True)


@pytest.mark.filterwarnings("ignore:singular fit")
def test_a_variance_of_zero():
    rng = np.random.default_rng(5)
    data = table(n=4000, levels=(300, 200), sd=(0.5, 0.0))
    # means of the levels of h are alike
    y = data["y"] - 0.5 * data["x"]
    means = np.bincount(data["h"], y) / np.bincount(data["h"])
    data["y"] = y - 0.95 * means[data["h"]] + rng.normal(size=4000) * 0.01
    exact, iterative = (lmer("y ~ 1 + (1 | g) + (1 | h)", data, control={"solver": s}) for s in ("exact", "iterative"))
    assert exact.theta.iloc[1] == iterative.theta.iloc[1] == 0
    assert iterative.convergence.boundary == exact.convergence.boundary == {"h": 1}
    assert iterative.theta.iloc[0] == pytest.approx(exact.theta.iloc[0], rel=1e-3)


def test_the_same_for_threads_runs_and_seeds(data):
    fits = [lmer(FORMULA, data, control=ITERATIVE, n_threads=k) for k in (1, 2, 3, 1)]
    assert all(np.array_equal(f.theta, fits[0].theta) and f.llf == fits[0].llf for f in fits)
    other = lmer(FORMULA, data, control={**ITERATIVE, "seed": 9})
    assert other.llf != fits[0].llf
    assert other.llf == pytest.approx(fits[0].llf, abs=0.3)


@pytest.mark.parametrize(("levels", "n"), [((300, 150), 2500), ((250, 200), 700)])
def test_the_error_of_the_likelihood_is_the_one_stated(levels, n):
    # two standard errors hold 95 of 100, and none is off by more than four
    data = table(n, levels, seed=2)
    exact = lmer(FORMULA, data, control={"solver": "exact"})
    fits = [lmer(FORMULA, data, control={**ITERATIVE, "seed": seed}) for seed in range(60)]
    z = np.array([(m.llf - exact.llf) / m._fit.sampled.llf_se for m in fits])
    assert abs(np.mean(z)) < 4 * np.std(z) / np.sqrt(len(z))
    assert 0.7 < np.std(z) < 1.2
    assert np.mean(np.abs(z) <= 2) >= 0.9
    assert np.abs(z).max() < 4


def test_summary_says_what_the_likelihood_rests_on(pair):
    text = " ".join(str(pair[1].summary()).split())
    assert "log-likelihood by 8 probes, standard error" in text
    assert "the exact solver would need up to" in text
    assert "Satterthwaite" in text
    assert "probes" not in str(pair[0].summary())
    assert "probes shift the standard deviations" in pair[1].convergence.explanation
    assert "probes" not in pair[0].convergence.explanation
    assert pair[1]._fit.ddf_choices == ("satterthwaite", "between-within", "residual", "none")


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.influence("g"),
        lambda m: m.anova(ddf="kenward-roger"),
    ],
)
def test_what_needs_a_factor_is_refused(pair, ask):
    with pytest.raises(errors.RanefError, match=r"iterative solver|is not for"):
        ask(pair[1])


def test_no_test_within_the_error_of_the_likelihood(pair, data):
    smaller = lmer("y ~ 1 + (1 | g) + (1 | h)", data, control=ITERATIVE)
    whole = ranef.anova(pair[1], smaller)
    assert whole["p_value"].iloc[1] < 1e-6
    rng = np.random.default_rng(2)
    wide = data | {"z": rng.normal(size=6000)}
    control = {**ITERATIVE, "probes": 2}
    other = lmer(FORMULA.replace("x", "x + z"), wide, control=control, REML=False)
    alone = lmer(FORMULA, wide, control=control, REML=False)
    change = 2 * (other.llf - alone.llf)
    error = np.hypot(other._fit.criterion_se, alone._fit.criterion_se)
    # both have the same probes, which say the same of either
    assert change_se(other._fit, alone._fit) < 0.5 * error
    exact = ranef.anova(*(lmer(m.formula, wide, REML=False) for m in (alone, other)))
    compared = ranef.anova(alone, other)
    assert compared["chisq"].iloc[1] == pytest.approx(exact["chisq"].iloc[1], abs=0.02)
    assert compared["p_value"].iloc[1] == pytest.approx(exact["p_value"].iloc[1], abs=0.02)
    apart = lmer(FORMULA.replace("x", "x + z"), wide, control={**control, "seed": 2}, REML=False)
    change = 2 * (apart.llf - alone.llf)
    whole_error = np.hypot(apart._fit.criterion_se, alone._fit.criterion_se)
    assert change_se(apart._fit, alone._fit) == pytest.approx(whole_error)
    compared = ranef.anova(alone, apart)
    assert np.isnan(compared["p_value"].iloc[1]) == (abs(change) < 3 * change_se(apart._fit, alone._fit))


def test_predictions_and_files(pair, tmp_path):
    exact, iterative = pair
    new = {"x": [19.0, 21.0], "g": [3, 4], "h": [7, 8]}
    np.testing.assert_allclose(iterative.predict(new), exact.predict(new), atol=5e-4)
    iterative.save(tmp_path / "m.ranef")
    for again in (
        ranef.load(tmp_path / "m.ranef"),
        pickle.loads(pickle.dumps(iterative)),
        copy.deepcopy(iterative),
    ):
        assert again.llf == iterative.llf
        assert "8 probes" in str(again.summary())
        assert np.array_equal(again.ranef(condvar=True)["g"][1], iterative.ranef(condvar=True)["g"][1])
        assert again.anova()["den_df"].tolist() == iterative.anova()["den_df"].tolist()


@pytest.mark.parametrize(
    ("formula", "control", "match"),
    [
        ("y ~ x + (1 | g)", ITERATIVE, "one grouping factor"),
        ("y ~ x + (1 | g) + (0 + x | g)", ITERATIVE, "one grouping factor"),
        (FORMULA, {"solver": "fast"}, "'auto', 'exact' or 'iterative'"),
        (FORMULA, {"probes": 1}, "between 2 and"),
        (FORMULA, {"probes": 2.5}, "whole number"),
        (FORMULA, {"seed": -1}, "between 0 and"),
    ],
)
def test_what_is_not_for_it(data, formula, control, match):
    with pytest.raises(errors.RanefError, match=match):
        lmer(formula, data, control=control)


def test_not_for_generalized_models_of_one_factor(data):
    with pytest.raises(errors.RanefError, match="one grouping factor"):
        glmer("z ~ x + (1 | g)", data | {"z": data["y"] > 11}, family="binomial", control=ITERATIVE)


def test_auto_is_exact_where_that_fits(data, pair, monkeypatch):
    assert pair[0]._fit.sampled is None

    def refuse(*_):
        raise errors.MemoryLimitError("no room.")

    monkeypatch.setattr("ranef.fit.linear.build_linear_system", refuse)
    fitted = lmer(FORMULA, data)
    assert fitted._fit.sampled is not None
    assert np.array_equal(fitted.theta, pair[1].theta)
    with pytest.raises(errors.MemoryLimitError):
        lmer(FORMULA, data, control={"solver": "exact"})
    with pytest.raises(errors.MemoryLimitError):
        lmer("y ~ x + (x | g)", data)


def test_interrupted_within_a_second():
    data = table(n=400_000, levels=(60_000, 40_000), sd=(1.0, 1.0))
    began = []

    def interrupt():
        began.append(time.perf_counter())
        _thread.interrupt_main()

    timer = threading.Timer(1.5, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lmer(FORMULA, data, control={**ITERATIVE, "probes": 4096})
    assert time.perf_counter() - began[0] < 1


def test_smaller_models_of_an_iterative_fit(data):
    rng = np.random.default_rng(4)
    wide = data | {"z": rng.normal(size=6000)}
    formula = "y ~ x + z + (1 | g) + (1 | h)"
    exact, iterative = (lmer(formula, wide, control={"solver": s}) for s in ("exact", "iterative"))
    # without one of the factors the other is left, for which the exact solver is
    one, two = exact.ranova(), iterative.ranova()
    np.testing.assert_allclose(two["chisq"][1:], one["chisq"][1:], atol=8 * iterative._fit.sampled.llf_se)
    assert (two["p_value"][1:] < 1e-9).all()
    # without a fixed effect both have the same probes
    one, two = exact.drop1(), iterative.drop1()
    np.testing.assert_allclose(two["chisq"][1:], one["chisq"][1:], atol=0.01)
    assert list(iterative.step().model.fixef.index) == list(exact.step().model.fixef.index)


@pytest.mark.filterwarnings("ignore:singular fit")
def test_nothing_is_tested_within_the_error_of_sampling():
    data = table(n=4000, levels=(300, 200, 100), sd=(0.6, 0.5, 0.0), seed=6)
    formula = "y ~ x + (1 | g) + (1 | h) + (1 | k)"
    m = lmer(formula, data, control={**ITERATIVE, "probes": 2})
    found = m.ranova()
    unsure = np.isnan(found["chisq"][1:])
    assert "within three standard errors" in str(found) or not unsure.any()
    assert (np.isnan(found["p_value"][1:]) == unsure).all()


@pytest.mark.filterwarnings("ignore:singular fit")
def test_nested_factors_beside_crossed_ones():
    rng = np.random.default_rng(9)
    data = table(n=6000, levels=(300, 150), seed=9)
    data["class"] = data["g"] // 10
    data["y"] = data["y"] + 0.4 * rng.normal(size=30)[data["class"]]
    for formula in ("y ~ x + (1 | class / g) + (1 | h)", "y ~ x + (1 | class) + (1 | g) + (x || h)"):
        exact, iterative = (lmer(formula, data, control={"solver": s, "probes": 16}) for s in ("exact", "iterative"))
        assert abs(exact.llf - iterative.llf) < 4 * iterative._fit.sampled.llf_se + 1e-6
        np.testing.assert_allclose(iterative.theta, exact.theta, rtol=0.02, atol=2e-3)
        np.testing.assert_allclose(iterative.bse, exact.bse, rtol=3e-3)
