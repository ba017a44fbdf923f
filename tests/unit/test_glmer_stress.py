"""Data on which generalized models are known to fail: every one ends in a fit or in one explanation, never in NaN or a hang."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import DataError, RanefError, RanefWarning, glmer
from ranef.status import FitStatus


def groups(n: int = 120, levels: int = 12, seed: int = 0) -> tuple[pd.DataFrame, np.random.Generator]:
    rng = np.random.default_rng(seed)
    g = np.arange(n) % levels
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=n), "b": rng.normal(size=levels)[g]})
    return frame, rng


def fit(formula: str, frame: pd.DataFrame, **arguments: Any) -> tuple[Any, list[str]]:
    """The fit, whose numbers are all finite, and its warnings, of which there is one at most."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        m = glmer(formula, frame, **arguments)
    assert len(caught) <= 1
    assert all(issubclass(w.category, RanefWarning) for w in caught)
    assert np.isfinite(m.objective)
    assert np.isfinite(m.fixef).all()
    assert np.isfinite(m.theta).all()
    assert np.isfinite(m.fittedvalues).all()
    assert m.convergence.ok or len(caught) == 1
    str(m.summary())
    return m, [str(w.message) for w in caught]


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_complete_separation(link: str) -> None:
    frame, _ = groups()
    frame["y"] = (frame["x"] > 0).astype(int)
    m, said = fit("y ~ x + (1 | g)", frame, family=f"binomial({link})")
    assert m.convergence.status is FitStatus.SEPARATION
    assert "x" in said[0]
    assert "separate" in said[0]


def test_a_cell_with_only_failures() -> None:
    frame, rng = groups(200)
    frame["f"] = np.resize(["a", "b", "c"], 200)
    frame["y"] = np.where(frame["f"] == "c", 0, rng.integers(0, 2, 200))
    m, said = fit("y ~ f + x + (1 | g)", frame, family="binomial")
    assert m.convergence.status is FitStatus.SEPARATION
    assert "f[T.c]" in said[0]
    assert "x " not in said[0].split(" no finite")[0]


def test_a_cell_with_only_zero_counts() -> None:
    frame, rng = groups(200)
    frame["f"] = np.resize(["a", "b", "c"], 200)
    frame["y"] = np.where(frame["f"] == "c", 0, rng.poisson(2, 200))
    m, said = fit("y ~ f + (1 | g)", frame, family="poisson")
    assert m.convergence.status is FitStatus.SEPARATION
    assert "f[T.c]" in said[0]


def test_large_effects_without_separation_raise_no_alarm() -> None:
    frame, rng = groups(2000, 40, seed=4)
    frame["y"] = (rng.random(2000) < 1 / (1 + np.exp(-(6 * frame["x"] + frame["b"])))).astype(int)
    m, said = fit("y ~ x + (1 | g)", frame, family="binomial")
    assert m.convergence.ok
    assert not said
    assert 4 < m.fixef["x"] < 9


@pytest.mark.parametrize("offset", [-30.0, 30.0, 300.0])
def test_huge_offsets(offset: float) -> None:
    frame, rng = groups()
    frame["o"], frame["y"] = offset, rng.poisson(np.exp(1 + frame["b"] / 2))
    plain, _ = fit("y ~ x + (1 | g)", frame, family="poisson")
    m, _ = fit("y ~ x + (1 | g)", frame, family="poisson", offset="o")
    assert m.objective == pytest.approx(plain.objective, abs=1e-5)
    assert m.fixef["(Intercept)"] == pytest.approx(plain.fixef["(Intercept)"] - offset, abs=1e-4)


@pytest.mark.parametrize("family", ["poisson", "nbinom2", "nbinom1"])
def test_counts_of_a_million(family: str) -> None:
    frame, rng = groups()
    mean = np.exp(13.8 + 0.5 * frame["x"] + 0.3 * frame["b"])
    frame["y"] = rng.poisson(mean if family == "poisson" else rng.gamma(3.0, mean / 3))
    m, _ = fit("y ~ x + (1 | g)", frame, family=family)
    # The criterion of such counts has fewer correct digits than the tolerance asks for.
    assert m.convergence.ok or m.convergence.decrement < 1e-4
    assert m.fixef["x"] == pytest.approx(0.5, abs=0.4)


def test_one_huge_count() -> None:
    frame, rng = groups()
    frame["y"] = rng.poisson(1, 120)
    frame.loc[7, "y"] = 10_000_000
    fit("y ~ x + (1 | g)", frame, family="poisson")


def test_one_observation_in_each_group() -> None:
    frame, rng = groups(80, 80)
    frame["y"] = rng.poisson(np.exp(1 + frame["b"]))
    m, _ = fit("y ~ x + (1 | g)", frame, family="poisson")
    assert m.convergence.ok
    assert 0.3 < m.varcorr["g"].sd[0] < 2


def test_binary_with_one_observation_in_each_group() -> None:
    frame, rng = groups(80, 80)
    frame["y"] = rng.integers(0, 2, 80)
    fit("y ~ x + (1 | g)", frame, family="binomial")


@pytest.mark.parametrize("shape", [0.02, 0.2])
def test_tiny_gamma_shapes(shape: float) -> None:
    frame, rng = groups()
    frame["y"] = np.maximum(rng.gamma(shape, np.exp(frame["b"]) / shape), 1e-300)
    fit("y ~ x + (1 | g)", frame, family="Gamma(log)")


def test_groups_of_probability_zero_and_one() -> None:
    frame, rng = groups(240, 24)
    frame["y"] = np.where(frame["g"] < 8, 0, np.where(frame["g"] < 16, 1, rng.integers(0, 2, 240)))
    m, _ = fit("y ~ x + (1 | g)", frame, family="binomial")
    assert m.varcorr["g"].sd[0] > 1


@pytest.mark.parametrize(
    "family", ["poisson(identity)", "poisson(sqrt)", "Gamma(inverse)", "Gamma(identity)", "inverse.gaussian"]
)
def test_links_with_impossible_means(family: str) -> None:
    frame, rng = groups()
    frame["y"] = rng.poisson(3, 120) if family.startswith("poisson") else rng.gamma(2, 2, 120)
    said = ""
    try:
        fit("y ~ x + (1 | g)", frame, family=family)
    except RanefError as problem:
        said = str(problem)
    assert not said or "link" in said


def test_a_variance_of_zero() -> None:
    frame, rng = groups()
    frame["y"] = rng.binomial(1, 0.5, 120)
    frame["g"] = np.resize([0, 1, 2, 3, 4, 5], 120)
    frame["y"] = np.where(np.arange(120) // 6 % 2 == 0, 1, 0)  # the same proportion in every group
    m, said = fit("y ~ 1 + (1 | g)", frame, family="binomial")
    assert m.is_singular
    assert m.theta.iloc[0] == 0.0
    assert "singular" in said[0]
    assert np.isfinite(m.bse).all()
    assert m.bse.iloc[0] == pytest.approx(2 / np.sqrt(120), rel=1e-4)


def test_dependent_columns_are_dropped() -> None:
    frame, rng = groups()
    frame["y"], frame["x2"] = rng.poisson(2, 120), 2 * frame["x"]
    m, said = fit("y ~ x + x2 + (1 | g)", frame, family="poisson")
    assert list(m.fixef.index) == ["(Intercept)", "x"]
    assert "x2" in said[0]


def test_scales_of_a_predictor() -> None:
    frame, rng = groups()
    frame["y"] = rng.poisson(np.exp(0.5 + 0.4 * frame["x"] + 0.3 * frame["b"]))
    plain, _ = fit("y ~ x + (1 | g)", frame, family="poisson")
    for scaled, factor in (("I(x * 1e8)", 1e8), ("I(x * 1e-8)", 1e-8)):
        m, _ = fit(f"y ~ {scaled} + (1 | g)", frame, family="poisson")
        assert m.objective == pytest.approx(plain.objective, abs=1e-6)
        assert m.fixef.iloc[1] * factor == pytest.approx(plain.fixef.iloc[1], rel=1e-5)
        assert m.bse.iloc[1] * factor == pytest.approx(plain.bse.iloc[1], rel=1e-3)


def test_limits_on_evaluations_are_kept() -> None:
    frame, rng = groups()
    frame["y"] = rng.poisson(np.exp(frame["b"] + frame["x"]))
    m, said = fit("y ~ x + (1 | g)", frame, family="poisson", control={"max_evaluations": 1})
    assert not m.convergence.ok
    assert "max_evaluations" in said[0]


def test_means_that_cannot_be() -> None:
    frame, rng = groups()
    frame["y"], frame["o"] = rng.poisson(2, 120), -1e6
    with pytest.raises(DataError, match="link"):
        glmer("y ~ 0 + x + (1 | g)", frame, family="poisson(identity)", offset="o")
