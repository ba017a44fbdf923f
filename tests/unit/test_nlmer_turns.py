"""nlme's turns: where they end is a fixed point by dense algebra."""

from typing import Any

import numpy as np
import pytest

from ranef import DataError, load_dataset, nlmer
from reference.store import load_data

ORANGE, BEANS = load_dataset("Orange"), load_data("Soybean")


def logistic_slopes(t: Any, asym: Any, xmid: Any, scal: Any) -> tuple[np.ndarray, np.ndarray]:
    """A logistic curve (n,) and its slopes (n, 3)."""
    p = 1.0 / (1.0 + np.exp((xmid - t) / scal))
    inner = asym * p * (1.0 - p)
    return asym * p, np.column_stack([p, -inner / scal, -inner * (t - xmid) / scal**2])


def indicators(levels: Any) -> np.ndarray:
    codes = np.unique(np.asarray(levels, dtype=str), return_inverse=True)[1]
    return np.eye(codes.max() + 1)[codes]


#: Formula, data, time and response, and for each random term the parameters that vary, the levels.
CASES: dict[str, tuple[str, Any, str, str, list[tuple[list[int], Any]]]] = {
    "one": (
        "circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)",
        ORANGE, "age", "circumference", [([0], ORANGE["Tree"])],
    ),
    "two effects": (
        "weight ~ SSlogis(Time, Asym, xmid, scal) ~ (Asym + xmid | Plot)",
        BEANS, "Time", "weight", [([0, 1], BEANS["Plot"])],
    ),
    "two factors": (
        "weight ~ SSlogis(Time, Asym, xmid, scal) ~ (Asym | Plot) + (Asym | Year)",
        BEANS, "Time", "weight", [([0], BEANS["Plot"]), ([0], BEANS["Year"])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_end_is_a_fixed_point(name: str) -> None:
    """Effects solve the normal equations of penalised least squares at the theta that the criterion
    of the linear model there has its minimum at.
    """
    formula, data, time, response, terms = CASES[name]
    m = nlmer(formula, data, method="linearized")
    t, y = data[time].to_numpy(float), data[response].to_numpy(float)
    n, beta = len(y), m.fixef.to_numpy()
    parameters = np.tile(beta, (n, 1))
    groups, variances = list(m.varcorr.values()), []
    for (of, levels), group, (_, effects) in zip(terms, groups, m.ranef().items(), strict=True):
        level_codes = np.unique(np.asarray(levels, dtype=str), return_inverse=True)[1]
        labels = {str(v): i for i, v in enumerate(effects.index)}
        rows = np.array([labels[v] for v in np.asarray(levels, dtype=str)])
        assert len(labels) == level_codes.max() + 1
        parameters[:, of] += effects.to_numpy()[rows]
        variances.append((of, indicators(levels), np.atleast_2d(group.cov) / m.sigma**2))
    f, slopes = logistic_slopes(t, *parameters.T)

    def covariance(scales: np.ndarray) -> np.ndarray:
        v, at = np.eye(n), 0
        for of, z, relative in variances:
            k = len(of)
            d = np.diag(scales[at : at + k]) @ relative @ np.diag(scales[at : at + k])
            v += (z @ z.T) * (slopes[:, of] @ d @ slopes[:, of].T)
            at += k
        return v

    # the linear model's response is what the curve leaves, plus the slopes times all effects
    w = y - f + np.sum(slopes * parameters, axis=1)

    def criterion(scales: np.ndarray) -> float:
        v = covariance(scales)
        b = np.linalg.solve(slopes.T @ np.linalg.solve(v, slopes), slopes.T @ np.linalg.solve(v, w))
        r = w - slopes @ b
        return float(np.linalg.slogdet(v)[1] + n * (1 + np.log(2 * np.pi * (r @ np.linalg.solve(v, r)) / n)))

    ones = np.ones(sum(len(of) for of, _, _ in variances))
    v = covariance(ones)
    solved = np.linalg.solve(slopes.T @ np.linalg.solve(v, slopes), slopes.T @ np.linalg.solve(v, w))
    assert np.all(np.abs(solved - beta) < 1e-6 * m.bse.to_numpy())
    # V^-1 (w - X b) is what the conditional modes leave of the response
    assert np.allclose(np.linalg.solve(v, w - slopes @ beta), y - f, atol=1e-6 * m.sigma)
    assert m.objective == pytest.approx(criterion(ones), abs=1e-7)
    h = 1e-4
    for i in range(len(ones)):
        step = h * np.eye(len(ones))[i]
        slope = (criterion(ones + step) - criterion(ones - step)) / (2 * h)
        bend = (criterion(ones + step) - 2 * criterion(ones) + criterion(ones - step)) / h**2
        assert abs(slope) < 1e-5 * bend


def test_a_curve_that_leaves_the_numbers_is_said() -> None:
    with pytest.raises(DataError, match="finite"):
        nlmer("circumference ~ a * exp(b * age) ~ (a | Tree)", ORANGE, start={"a": 1.0, "b": 5.0}, method="linearized")
