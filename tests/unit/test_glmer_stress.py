"""Data on which generalized models are known to fail:
every one ends in a fit or in one explanation, never in NaN or a hang.
"""

import functools
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import DataError, RanefWarning, glmer
from ranef.status import FitStatus
from unit.dense_glmm import DenseGlmm

REFERENCE = Path(__file__).parents[1] / "reference"


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


# The models of the stored reference, by name; of the others the name is the family.
FAMILIES = {
    "million_poisson": "poisson",
    "million_nbinom2": "nbinom2",
    "million_nbinom1": "nbinom1",
    "one_huge_count": "poisson",
    "alone_poisson": "poisson",
    "alone_binary": "binomial",
    "gamma_0.02": "Gamma(log)",
    "gamma_0.2": "Gamma(log)",
    "all_or_none": "binomial",
    "poisson(identity)": "poisson(identity)",
    "poisson(sqrt)": "poisson(sqrt)",
    "Gamma(inverse)": "Gamma(inverse)",
    "Gamma(identity)": "Gamma(identity)",
}


@functools.cache
def reference() -> dict[str, Any]:
    """Data and fits of glmmTMB, once their checksum is seen to be right.

    See ``generate/stress.R``.
    """
    content = (REFERENCE / "stress.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / "stress.md5").read_text().strip()
    stored: dict[str, Any] = json.loads(content)
    return stored


@pytest.mark.parametrize("name", FAMILIES)
def test_glmmtmb_has_the_same_optimum(name: str) -> None:
    """Counts of a million, one among ones, a row for each group, tiny shapes,
    groups of probability 0 and 1, links with impossible means.
    """
    want = reference()[name]
    m, _ = fit("y ~ x + (1 | g)", pd.DataFrame({c: want[c] for c in "gxy"}), family=FAMILIES[name])
    assert m.convergence.ok
    # Counts of a million have a criterion with fewer correct digits, there and here.
    assert m.objective == pytest.approx(want["objective"], rel=1e-9, abs=1e-6)
    np.testing.assert_allclose(m.fixef, want["fixef"], rtol=1e-4, atol=1e-5)
    if m.is_singular:  # glmmTMB searches on the logarithm, which does not reach zero
        assert m.varcorr["g"].sd[0] == 0.0
        assert want["sd"] < 0.01
    else:
        assert m.varcorr["g"].sd[0] == pytest.approx(want["sd"], rel=1e-4)
    if np.isfinite(m.dispersion):
        assert m.dispersion == pytest.approx(want["dispersion"], rel=1e-4)


def test_an_inverse_link_with_impossible_means() -> None:
    """Inverse Gaussian, whose link 1 / mu² needs a positive predictor:
    the criterion by dense algebra, and no lower one around the estimates.
    """
    frame, rng = groups()
    frame["y"] = rng.gamma(2, 2, 120)
    m, _ = fit("y ~ x + (1 | g)", frame, family="inverse.gaussian")
    x = np.column_stack([np.ones(120), frame["x"]])
    z = (np.asarray(frame["g"])[:, None] == np.arange(12)).astype(float)

    def objective(intercept: float, slope: float, theta: float, dispersion: float) -> float:
        eta = x @ [intercept, slope]
        return DenseGlmm(
            "inverse_gaussian", "inverse_squared", dispersion, np.ones(120), frame["y"].to_numpy(), eta, theta * z
        ).laplace()

    there = np.array([*m.fixef, *m.theta, m.dispersion])
    assert objective(*there) == pytest.approx(m.objective, abs=1e-5)
    for j, size in enumerate([*m.bse, 0.05, 0.05]):
        for side in (-0.05, 0.05):
            near = there.copy()
            near[j] = max(near[j] + side * size, 0.0)
            assert objective(*near) > m.objective - 1e-5


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
