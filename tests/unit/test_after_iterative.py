"""What an iterative fit has beyond its estimates, against the exact solver."""

import numpy as np
import pytest

from ranef import lmer

ITERATIVE = {"solver": "iterative"}


def table(n, levels, seed):
    rng = np.random.default_rng(seed)
    out = {"x": rng.normal(size=n) + 5, "w": rng.uniform(0.5, 2, n)}
    y = 1 + 0.5 * out["x"] + rng.normal(size=n) / np.sqrt(out["w"])
    for name, m, s in zip("ghk", levels, (0.7, 0.5, 0.4), strict=False):
        codes = np.r_[np.arange(m), rng.integers(0, m, n - m)]
        rng.shuffle(codes)
        y = y + (rng.normal(0, s, m)[codes] + rng.normal(0, 0.3 * s, m)[codes] * (out["x"] - 5))
        out[name] = codes
    # a covariate of the levels of g, whose test has few degrees of freedom
    out["z"] = np.random.default_rng(seed + 1).normal(size=levels[0])[out["g"]]
    return out | {"y": y}


def few_and_many(formula, data, many, **options):
    """Both fits; the iterative one at the theta of the exact one would have the same numbers."""
    exact = lmer(formula, data, **options)
    return exact, lmer(formula, data, control={**ITERATIVE, "probes": many}, **options)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize(
    "formula", ["y ~ x + z + (1 | g) + (1 | h)", "y ~ x + (x | g) + (1 | h) + (1 | k)", "y ~ x + (x | g) + (x || h)"]
)
def test_nothing_is_sampled_of_few_levels(formula, weights):
    # h and k have so few levels that all of them are taken out exactly
    data = table(3000, (120, 40, 12), 4)
    exact, iterative = few_and_many(formula, data, 4, weights=weights)
    np.testing.assert_allclose(iterative.theta, exact.theta, rtol=1e-3, atol=1e-4)
    for name, (_, covariance) in exact.ranef(condvar=True).items():
        frame, own = iterative.ranef(condvar=True)[name]
        np.testing.assert_allclose(own, covariance, rtol=2e-3, atol=2e-3 * np.abs(covariance).max())
        assert frame.attrs["condvar_error"] < 1e-6
    first = {k: v[:300] for k, v in data.items()}
    for new in ({k: v[:20] for k, v in first.items()}, first):
        a, b = (m.predict(new, se=True) for m in (exact, iterative))
        np.testing.assert_allclose(b["se"], a["se"], rtol=2e-3)


@pytest.mark.parametrize("levels", [(600, 300), (400, 200, 100)])
def test_the_error_of_conditional_variances_is_the_one_stated(levels):
    data = table(5000, levels, 7)
    terms = " + ".join(f"(1 | {g})" for g in "ghk"[: len(levels)])
    exact, iterative = few_and_many(f"y ~ x + {terms}", data, 16)
    share = iterative.theta.to_numpy() / exact.theta.to_numpy()
    np.testing.assert_allclose(share, 1, rtol=5e-3)
    for name, (_, covariance) in exact.ranef(condvar=True).items():
        frame, own = iterative.ranef(condvar=True)[name]
        error = frame.attrs["condvar_error"]
        assert error <= 0.02
        off = np.sqrt(np.mean((own / covariance - 1) ** 2))
        assert off < 1.4 * error + 2e-3
    new = {k: v[:1000] for k, v in data.items()}
    new["g"] = np.r_[new["g"][:-1], 10**6]
    a, b = (m.predict(new, se=True, new_levels="population") for m in (exact, iterative))
    np.testing.assert_allclose(b["fit"], a["fit"], atol=2e-3)
    np.testing.assert_allclose(b["se"], a["se"], rtol=0.03)
    assert np.sqrt(np.mean((b["se"] / a["se"] - 1) ** 2)) < 0.005


def test_degrees_of_freedom_by_the_average_information():
    data = table(4000, (300, 40), 9)
    exact, iterative = few_and_many("y ~ x + z + (x | g) + (1 | h)", data, 16)
    a, b = (m.anova(ddf="satterthwaite") for m in (exact, iterative))
    np.testing.assert_allclose(b["den_df"], a["den_df"], rtol=0.05)
    np.testing.assert_allclose(b["f_value"], a["f_value"], rtol=2e-3)
    np.testing.assert_allclose(iterative.cov_params(), exact.cov_params(), rtol=5e-3)
    frame, again = (m.tidy(conf_int=True) for m in (exact, iterative))
    assert frame.shape == again.shape
    # a whole second model, where the average information is nearer to the observed one
    data = table(20_000, (2000, 70), 10)
    exact, iterative = few_and_many("y ~ x + z + (1 | g) + (1 | h)", data, 16)
    a, b = (m.anova(ddf="satterthwaite") for m in (exact, iterative))
    np.testing.assert_allclose(b["den_df"], a["den_df"], rtol=0.01)
