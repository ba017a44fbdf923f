"""Simulated residuals: uniform and independent when the model is correct,
and not when it is wrong.
"""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from ranef import OptionError, RanefError, lmer, load_dataset
from ranef.diagnostics.rotation import rotated

GROUPS, ITEMS, ROWS = 40, 15, 320


def data(rng: np.random.Generator, errors: str = "normal") -> pd.DataFrame:
    g, h, x = np.repeat(np.arange(GROUPS), ROWS // GROUPS), rng.integers(0, ITEMS, ROWS), rng.normal(size=ROWS)
    noise = rng.normal(size=ROWS) if errors == "normal" else rng.exponential(size=ROWS) ** 2
    y = 1 + x + (1.5 * rng.normal(size=GROUPS))[g] + rng.normal(size=ITEMS)[h] + noise
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": h})


FORMULA = "y ~ x + (1 | g) + (1 | h)"


@pytest.mark.parametrize("re", ["new", "conditional"])
def test_under_the_model_no_test_rejects_too_often(re: str) -> None:
    rng = np.random.default_rng(11)
    rejected, pooled, replicates = np.zeros(3), [], 60
    for _ in range(replicates):
        found = lmer(FORMULA, data(rng)).simulated_residuals(100, re=re, rng=rng)
        tests = (found.uniformity, found.dispersion, found.outliers)
        rejected += [t.p_value < 0.05 for t in tests]
        pooled.append(found.values)
        assert found.rotated == (re == "new")
    # At most 5 % are expected; 8 or more of 60 at 5 % have probability 0.01.
    assert (rejected <= 8).all()
    values = np.concatenate(pooled)
    assert np.abs(np.histogram(values, 10, (0, 1))[0] / len(values) - 0.1).max() < 0.012
    assert values.min() > 0
    assert values.max() < 1


def test_rotation_takes_the_correlation_within_groups_away() -> None:
    rng = np.random.default_rng(5)
    within: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(20):
        m = lmer(FORMULA, data(rng))
        for rotate, values in within.items():
            scores = scipy.stats.norm.ppf(m.simulated_residuals(100, rotate=rotate, rng=rng).values).reshape(GROUPS, -1)
            values.append(float(np.mean([scores[:, i] * scores[:, j] for i in range(8) for j in range(i)])))
    assert abs(np.mean(within[True])) < 0.03
    assert np.mean(within[False]) > 0.3


def test_rotated_deviations_are_the_whitened_ones() -> None:
    """The squared length is the quadratic form of the inverse covariance, here in n × n algebra."""
    rng = np.random.default_rng(2)
    d = data(rng).assign(w=1.0 + np.arange(ROWS) % 4)
    d["y"] += rng.normal(size=GROUPS)[d["g"]] * d["x"]
    m = lmer("y ~ x + (x | g) + (1 | h)", d, weights="w")
    fit = m._fit
    v = np.diag(1 / fit.design.weights)
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        z = term.z @ factor
        v += (term.codes[:, None] == term.codes) * (z @ z.T)
    deviation = fit.design.y - fit.x @ fit.beta
    expected = deviation @ np.linalg.solve(v * fit.sigma**2, deviation)
    assert float(np.sum(rotated(fit, deviation[:, None]) ** 2)) == pytest.approx(expected, rel=1e-9)


def test_skewed_errors_are_seen() -> None:
    m = lmer(FORMULA, data(np.random.default_rng(4), "skewed"))
    for re in ("new", "conditional"):
        assert m.simulated_residuals(re=re, rng=1).uniformity.p_value < 0.01


def test_outliers_are_seen() -> None:
    d = data(np.random.default_rng(4))
    d.loc[::40, "y"] += 12
    found = lmer(FORMULA, d).simulated_residuals(rng=1)
    assert found.outliers.statistic >= 7  # of the eight
    assert found.outliers.p_value < 0.01


def test_record() -> None:
    d = load_dataset("sleepstudy")
    d.loc[3, "Reaction"] = np.nan
    m = lmer("Reaction ~ Days + (Days | Subject)", d, na_action="exclude")
    first, again = m.simulated_residuals(50, rng=7), m.simulated_residuals(50, rng=7)
    pd.testing.assert_series_equal(first.residuals, again.residuals)
    assert first.n_simulations == 50
    assert np.flatnonzero(first.residuals.isna()).tolist() == [3]
    assert list(first.to_frame().index) == ["uniformity", "dispersion", "outliers"]
    assert list(first.to_frame().columns) == ["statistic", "p_value", "meaning"]
    assert "uniformity" in repr(first)


def test_bad_arguments() -> None:
    m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    with pytest.raises(OptionError, match="at least 20"):
        m.simulated_residuals(5)
    with pytest.raises(OptionError, match="re must"):
        m.simulated_residuals(re="old")
    with pytest.raises(OptionError, match="rotate"):
        m.simulated_residuals(re="conditional", rotate=True)
    with pytest.raises(RanefError, match="rotate must"):
        m.simulated_residuals(rotate="yes")
    with pytest.raises(RanefError, match="n must"):
        m.simulated_residuals("many")
    large = lmer("y ~ service + (1 | s) + (1 | d)", load_dataset("insteval"))
    with pytest.raises(OptionError, match="rotate=False"):
        large.simulated_residuals(20)
