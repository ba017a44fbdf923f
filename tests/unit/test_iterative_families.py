"""Generalized models by the iterative solver, against the exact one."""

import pickle

import numpy as np
import pytest

import ranef
from ranef import errors, glmer

FORMULA = "y ~ x + (1 | g) + (1 | h)"
ITERATIVE = {"solver": "iterative"}


def table(n, levels, seed, family, slopes=0.0, sd=(0.8, 0.6, 0.4)):
    rng = np.random.default_rng(seed)
    out = {"x": rng.normal(size=n) + 1, "e": rng.uniform(0.5, 2, n)}
    eta = -0.4 + 0.5 * out["x"]
    for name, m, s in zip("ghk", levels, sd, strict=False):
        codes = np.r_[np.arange(m), rng.integers(0, m, n - m)]
        rng.shuffle(codes)
        eta = eta + rng.normal(0, s, m)[codes]
        if slopes:
            eta = eta + rng.normal(0, slopes, m)[codes] * (out["x"] - 1)
        out[name] = codes
    if family == "poisson":
        out["y"] = rng.poisson(np.exp(eta - 0.5) * out["e"]).astype(float)
    else:
        out["t"] = rng.integers(1, 6, n)
        out["b"] = rng.binomial(out["t"], 1 / (1 + np.exp(-eta)))
        out["y"] = rng.binomial(1, 1 / (1 + np.exp(-eta))).astype(float)
    return out


def both(formula, data, probes=16, **options):
    return glmer(formula, data, **options), glmer(formula, data, control={**ITERATIVE, "probes": probes}, **options)


def agrees(exact, iterative, share=0.03):
    """The criterion within four of its standard errors, estimates within a share of theirs."""
    error = iterative._fit.criterion_se
    assert abs(exact.objective - iterative.objective) < 4 * error + 1e-3
    assert iterative.convergence.ok, str(iterative.convergence)
    assert iterative.convergence.solver == "iterative"
    assert iterative.convergence.sampling <= 0.02
    se = np.sqrt(np.diag(exact._fit.joint_vcov))
    own = np.sqrt(np.diag(iterative._fit.joint_vcov))
    moved = np.r_[exact.theta - iterative.theta, exact.fixef - iterative.fixef]
    assert np.abs(moved / se).max() < share
    np.testing.assert_allclose(own, se, rtol=0.02)
    np.testing.assert_allclose(iterative.bse, exact.bse, rtol=0.01)
    for name, frame in exact.ranef().items():
        np.testing.assert_allclose(iterative.ranef()[name], frame, atol=5e-3)
    np.testing.assert_allclose(iterative.fittedvalues, exact.fittedvalues, rtol=0.01, atol=2e-3)


def test_logit():
    exact, iterative = both(FORMULA, table(12_000, (480, 240), 1, "binomial"), family="binomial")
    agrees(exact, iterative)
    text = " ".join(str(iterative.summary()).split())
    assert "log-likelihood by 16 probes, standard error" in text
    again = pickle.loads(pickle.dumps(iterative))
    for name, (_, covariance) in exact.ranef(condvar=True).items():
        frame, own = iterative.ranef(condvar=True)[name]
        error = frame.attrs["condvar_error"]
        assert np.sqrt(np.mean((own / covariance - 1) ** 2)) < 1.4 * error + 4e-3
        np.testing.assert_allclose(again.ranef(condvar=True)[name][1], own, rtol=1e-4)
    with pytest.raises(errors.RanefError, match="iterative solver"):
        iterative.profile()
    new = {"x": [0.5], "g": [3], "h": [4]}
    np.testing.assert_allclose(iterative.predict(new), exact.predict(new), atol=2e-3)
    with pytest.raises(errors.RanefError, match="iterative solver"):
        iterative.predict(new, se=True)


def test_counts_with_an_offset_and_three_factors():
    data = table(10_000, (400, 200, 20), 2, "poisson")
    data["o"] = np.log(data["e"])
    formula = "y ~ x + offset(o) + (1 | g) + (1 | h) + (1 | k)"
    agrees(*both(formula, data, family="poisson"))


def test_trials_slopes_and_another_link():
    data = table(8_000, (300, 150), 3, "binomial", slopes=0.3)
    exact, iterative = both("cbind(b, t - b) ~ x + (x | g) + (1 | h)", data, family="binomial")
    agrees(exact, iterative, 0.05)
    probit = ranef.Binomial("probit")
    agrees(*both("cbind(b, t - b) ~ x + (1 | g) + (1 | h)", data, family=probit))


@pytest.mark.parametrize(
    ("n", "levels", "family", "formula", "slopes"),
    [
        (40_000, (900, 400), "binomial", "y ~ x + (1 | g) + (1 | h)", 0.0),
        (50_000, (1_000, 400), "poisson", "y ~ x + (1 | g) + (1 | h)", 0.0),
        (15_000, (300, 120, 60), "binomial", "y ~ x + (1 | g) + (1 | h) + (1 | k)", 0.0),
        (20_000, (500, 200), "poisson", "y ~ x + (x | g) + (1 | h)", 0.2),
    ],
)
def test_within_the_errors_that_are_stated(n, levels, family, formula, slopes):
    exact, iterative = both(formula, table(n, levels, n, family, slopes), probes=8, family=family)
    assert iterative.convergence.ok
    assert abs(exact.objective - iterative.objective) < 4 * iterative._fit.criterion_se
    sampling = iterative.convergence.sampling
    assert 0 < sampling <= 0.02
    se = np.sqrt(np.diag(exact._fit.joint_vcov))
    moved = np.r_[exact.theta - iterative.theta, exact.fixef - iterative.fixef]
    # both searches end within a thousandth of a standard error or so
    assert np.abs(moved / se).max() < 4 * sampling + 3e-3
    np.testing.assert_allclose(np.sqrt(np.diag(iterative._fit.joint_vcov)), se, rtol=0.02)


def test_same_bits_for_any_threads_and_files(tmp_path):
    data = table(6000, (300, 150), 4, "binomial")
    fits = [glmer(FORMULA, data, family="binomial", control=ITERATIVE, n_threads=k) for k in (1, 2, 1)]
    assert all(np.array_equal(f.theta, fits[0].theta) and f.objective == fits[0].objective for f in fits)
    fits[0].save(tmp_path / "m.ranef")
    loaded = ranef.load(tmp_path / "m.ranef")
    assert loaded.objective == fits[0].objective
    assert "probes" in str(loaded.summary())
    smaller = glmer("y ~ 1 + (1 | g) + (1 | h)", data, family="binomial", control=ITERATIVE)
    compared = ranef.anova(smaller, fits[0])
    exact = ranef.anova(*(glmer(m.formula, data, family="binomial") for m in (smaller, fits[0])))
    np.testing.assert_allclose(compared["chisq"].iloc[1], exact["chisq"].iloc[1], atol=0.3)


@pytest.mark.filterwarnings("ignore:singular fit")
def test_a_variance_of_zero():
    data = table(6000, (300, 150), 5, "binomial", sd=(0.7, 0.0))
    rng = np.random.default_rng(1)
    # proportions of the levels of h differ less than by chance
    order = np.argsort(data["y"] + 1e-3 * rng.normal(size=6000))
    data["h"] = np.empty(6000, dtype=int)
    data["h"][order] = np.arange(6000) % 150
    exact, iterative = both(FORMULA, data, family="binomial")
    assert exact.theta.iloc[1] == iterative.theta.iloc[1] == 0
    assert iterative.theta.iloc[0] == pytest.approx(exact.theta.iloc[0], rel=2e-3)
    np.testing.assert_allclose(iterative.bse, exact.bse, rtol=0.01)


@pytest.mark.parametrize(
    ("formula", "options", "match"),
    [
        ("y ~ x + (1 | g)", {}, "one grouping factor"),
        (FORMULA, {"family": "negativebinomial"}, "is estimated"),
        (FORMULA, {"family": "poisson", "n_quad": 0}, "Laplace"),
    ],
)
def test_what_is_not_for_it(formula, options, match):
    data = table(600, (30, 20), 6, "poisson")
    with pytest.raises(errors.RanefError, match=match):
        glmer(formula, data, control=ITERATIVE, **({"family": "poisson"} | options))
