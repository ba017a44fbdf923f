"""Bends: curves along covariates, their bands, and that correct models are not called bent."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from ranef import InverseGaussian, glmer, lmer
from ranef.diagnostics.bend import bend
from ranef.diagnostics.bend_sentence import bend_sentence
from ranef.diagnostics.check import check
from ranef.diagnostics.smooth_curve import Curve, band, spline_basis
from ranef.diagnostics.spread import fitted_apart


def weighted(seed: int = 1) -> tuple[Any, dict[str, Any]]:
    """A small fit with random slopes and weights, and its data."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), 6)
    x, w = rng.normal(size=72), rng.uniform(0.5, 2, 72)
    slope = 1 + 0.8 * rng.normal(size=12)[g]
    y = 1 + slope * x + 0.3 * x**2 + rng.normal(size=12)[g] + rng.normal(size=72) / np.sqrt(w)
    d = {"y": y, "x": x, "g": g, "w": w}
    return lmer("y ~ x + (x | g)", d, weights="w"), d


def dense(fit: Any, d: dict[str, Any]) -> np.ndarray:
    """Covariance of the rows divided by sigma²."""
    z = np.zeros((72, 24))
    z[np.arange(72), 2 * d["g"]] = 1
    z[np.arange(72), 2 * d["g"] + 1] = d["x"]
    factor = fit.relative_factors[0]
    return z @ np.kron(np.eye(12), factor @ factor.T) @ z.T + np.diag(1 / d["w"])


def test_score_of_added_columns_is_that_of_dense_least_squares() -> None:
    m, d = weighted()
    fit = m._fit
    columns = np.column_stack([d["x"] ** 2, d["x"] ** 3])
    added = fit.added_columns(fit.x, columns)
    inverse = np.linalg.inv(dense(fit, d))
    wide = np.column_stack([fit.x, columns])
    covariance = np.linalg.inv(wide.T @ inverse @ wide)
    estimate = covariance @ (wide.T @ inverse @ d["y"])
    rest = d["y"] - wide @ estimate
    # the residual variance by REML with all columns, at the theta of the fit
    variance = float(rest @ inverse @ rest) / (72 - 4)
    np.testing.assert_allclose(added.information, np.linalg.inv(variance * covariance[2:, 2:]), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.solve(added.information, added.score), estimate[2:], rtol=1e-6)
    # Satterthwaite's degrees of freedom of a single column: those of lmer with it, at another theta
    alone = fit.added_columns(fit.x, columns[:, :1])
    df = alone.degrees_of_freedom(np.array([0]), np.eye(1))[0]
    with_it = lmer("y ~ x + I(x^2) + (x | g)", d, weights="w").tidy()
    assert df == pytest.approx(float(with_it["df"].iloc[2]), rel=0.25)


def test_curve_alone_does_not_depend_on_other_columns() -> None:
    m, d = weighted()
    fit = m._fit
    columns = np.column_stack([d["x"] ** 2, d["x"] ** 3])
    both, alone = fit.added_columns(fit.x, columns), fit.added_columns(fit.x, columns[:, :1])
    first = np.array([0])
    # sigma is estimated with the column as well, which changes the unit of the information only
    estimate = both.score[0] / both.information[0, 0]
    assert estimate == pytest.approx(alone.score[0] / alone.information[0, 0], rel=1e-6)
    np.testing.assert_allclose(
        both.degrees_of_freedom(first, np.eye(1)), alone.degrees_of_freedom(first, np.eye(1)), rtol=0.1
    )


def test_fitted_values_apart_have_no_correlation_with_the_residual_of_their_row() -> None:
    m, d = weighted()
    fit = m._fit
    v = dense(fit, d)
    inverse = np.linalg.inv(v)
    x = fit.x
    p = inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)
    residual = np.diag(1 / d["w"]) @ p
    fitted = np.eye(72) - residual
    share = np.diag(fitted @ v @ residual.T) / np.diag(residual @ v @ residual.T)
    expected = fitted @ d["y"] - share * (residual @ d["y"])
    np.testing.assert_allclose(fitted_apart(fit, fit.hat_values()), expected, rtol=1e-6)


def test_splines_are_straight_beyond_their_knots() -> None:
    x = np.random.default_rng(1).normal(size=400)
    basis = spline_basis(x)
    assert basis is not None
    assert basis.curved.shape == (400, 3)
    far = np.sort(x)[-5:]
    rows = basis.curved[np.argsort(x)[-5:]]
    for column in rows.T:
        np.testing.assert_allclose(column, np.polyval(np.polyfit(far, column, 1), far), rtol=1e-8)
    # as many rows between neighbouring points
    shares = np.searchsorted(np.sort(x), basis.grid) / 400
    np.testing.assert_allclose(np.diff(shares), np.diff(shares).mean(), atol=0.004)
    assert spline_basis(np.repeat([1.0, 2.0, 3.0], 50)) is None


def test_band_of_one_point_is_a_t_test() -> None:
    one = Curve(np.array([0]), np.ones((1, 1)), np.array([7.0]))
    found = band(np.array([2.5]), np.array([[1.0]]), [one])
    assert found.p_value == pytest.approx(2 * stats.t.sf(2.5, 7), rel=0.15)
    assert found.limit[0] == pytest.approx(stats.t.isf(0.005, 7), rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_many_small_groups_are_not_called_bent(seed: int) -> None:
    """3,000 groups of 6 rows: residuals rise along conditional fitted values, as random effects are
    drawn towards zero, and a curve through them bends where the covariate is skewed.
    """
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(3000), 6)
    x = rng.exponential(size=18_000) + rng.exponential(size=3000)[g]
    y = 1 + 0.5 * x + rng.normal(size=3000)[g] + rng.normal(size=18_000)
    parts = check(lmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g})._fit, 1)
    assert [p.kind for p in parts if p.finding.concern] == []
    assert parts[0].sentence.startswith("No clear bend")


@pytest.mark.parametrize("between", [False, True])
def test_squares_are_found_within_and_between_groups(between: bool) -> None:
    """Also those that random effects take up, which conditional residuals do not show."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(150), 10)
    x = rng.normal(size=150)[g] if between else rng.normal(size=1500)
    z = rng.normal(size=1500)
    y = x + z + 0.4 * (x**2 - 1) + 0.7 * rng.normal(size=150)[g] + rng.normal(size=1500)
    fit = lmer("y ~ x + z + (1 | g)", {"y": y, "x": x, "z": z, "g": g})._fit
    found = bend(fit)
    assert found is not None
    assert found.name == "x"
    assert found.p_value < 0.001
    # a parabola without its straight part, where 98 % of the rows are
    assert found.size == pytest.approx(0.4 * (2.3**2 - 1), rel=0.4)
    assert np.any(np.abs(found.y) > found.limit)
    assert bend_sentence(fit, found).sentence.startswith("A bend: a curve along x moves predictions by at most")


def test_small_bends_of_large_data_are_called_small() -> None:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(2000), 50)
    x = rng.normal(size=100_000)
    y = x + 0.015 * x**2 + rng.normal(size=2000)[g] + rng.normal(size=100_000)
    fit = lmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g})._fit
    found = bend_sentence(fit, bend(fit))
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert not found.concern
    assert found.sentence.startswith(
        "A bend that is detectable but small: a curve along x moves predictions by at most"
    )


def test_a_curve_leaves_the_band_where_it_is_called() -> None:
    rng = np.random.default_rng(8)
    for i in range(12):
        g = np.repeat(np.arange(20), 8)
        x = rng.normal(size=160)
        y = x + 0.04 * i * x**2 + rng.normal(size=20)[g] + rng.normal(size=160)
        found = bend(lmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g})._fit)
        assert found is not None
        assert (found.p_value < 0.01) == bool(np.any(np.abs(found.y) > found.limit))


def test_sentences_have_the_unit_of_the_link() -> None:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(60), 20)
    x, u = rng.normal(size=1200), 0.4 * rng.normal(size=60)[g]
    d = {"x": x, "g": g, "c": rng.poisson(np.exp(0.4 * x**2 + u)), "b": rng.binomial(1, 1 / (1 + np.exp(2 - x**2 - u)))}
    fit = glmer("c ~ x + (1 | g)", d, family="poisson")._fit
    counts = check(fit, 1)[1]
    assert "a curve along x multiplies or divides predictions by at most" in counts.sentence
    assert counts.finding.concern
    assert counts.frame["residual"].notna().sum() == 40
    assert counts.frame["trend"].abs().max() == pytest.approx(np.abs(bend(fit).y).max())
    binary = check(glmer("b ~ x + (1 | g)", d, family="binomial")._fit, 1)[1]
    assert "a curve along x moves the log-odds by at most" in binary.sentence
    d["t"] = rng.wald(2, 3, 1200) * np.exp(u)
    positive = check(glmer("t ~ x + (1 | g)", d, family=InverseGaussian("log"))._fit, 1)[1]
    assert positive.sentence.startswith("No clear bend")


def test_curves_that_the_model_has_are_not_looked_for() -> None:
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(30), 10)
    x = rng.normal(size=300)
    d = {"x": x, "g": g, "y": x + x**2 + rng.normal(size=30)[g] + rng.normal(size=300)}
    fit = lmer("y ~ ns(x, 6) + (1 | g)", d)._fit
    assert bend_sentence(fit, bend(fit)).sentence.startswith(("No clear bend", "No covariate takes ten"))
    few = lmer("y ~ k + (1 | g)", {**d, "k": np.tile([0.0, 1.0, 2.0], 100)})._fit
    assert bend_sentence(few, bend(few)).sentence.startswith("No covariate takes ten different values")
