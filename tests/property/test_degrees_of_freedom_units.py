"""Degrees of freedom, standard errors and p-values do not depend on the origin
or the unit of a covariate, nor on the unit of weights or of the response.

Twenty random models each time; ``RANEF_CASES=300`` makes it three hundred.
"""

import os
import warnings
from typing import Any

import numpy as np
import pytest

import ranef

CASES = int(os.environ.get("RANEF_CASES", "20"))

Data = dict[str, Any]


def random_model(seed: int) -> tuple[str, Data]:
    """A model with random slopes of x, on one factor or crossed,
    with variances that are large enough for an interior optimum most of the time.
    """
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(8, 25))
    n = groups * int(rng.integers(6, 15))
    a, b = rng.integers(0, groups, n), rng.integers(0, 8, n)
    x, z, w = rng.normal(size=n), rng.normal(size=n), rng.uniform(0.4, 3.0, n)
    crossed = seed % 2 == 1
    y = 1 + 0.3 * x + rng.normal(size=groups)[a] + 0.8 * rng.normal(size=groups)[a] * x
    y = y + (0.7 * rng.normal(size=8)[b] if crossed else 0.0) + rng.normal(size=n) / np.sqrt(w)
    formula = "y ~ x + z + (x | a)" + (" + (1 | b)" if crossed else "")
    return formula, {"y": y, "x": x, "z": z, "a": a, "b": b, "w": w}


def table_of(formula: str, data: Data, at: float = 0.25, unit: float = 1.0, origin: float = 0.0) -> np.ndarray:
    """df, standard error, statistic and p-value, by both methods: of the slopes (that of x in its
    first unit), the mean at a value of x, the mean at its first origin, and both slopes together.
    Standard errors are in units of sigma.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = ranef.lmer(formula, data, weights="w")
    spread = m.sigma / np.sqrt(np.mean(data["w"]))
    out = []
    for ddf in ("satterthwaite", "kenward-roger"):
        t = m.test([[0, unit, 0], [0, 0, 1], [1, at, 0], [1, origin, 0]], ddf=ddf, joint=False)
        out.append(t["std_error"] / spread)
        out.append(t[["df", "statistic", "p_value"]].to_numpy().ravel())
        out.append(m.test([[0, unit, 0], [0, 0, 1]], ddf=ddf, joint=True).to_numpy().ravel())
    return np.concatenate(out)


@pytest.mark.parametrize("seed", range(CASES))
def test_origin_and_unit_do_not_matter(seed: int) -> None:
    formula, data = random_model(seed)
    at = 0.25
    plain = table_of(formula, data)

    def check(found: np.ndarray, expected: np.ndarray, what: str) -> None:
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12, err_msg=what)

    for shift in (20.0, 2000.0, 2e6):
        # the shifted numbers have lost digits, which the plain ones must lose, too
        moved = data["x"] + shift
        there = (at + shift) - shift
        expected = table_of(formula, {**data, "x": moved - shift}, there)
        check(table_of(formula, {**data, "x": moved}, there + shift, origin=shift), expected, f"x + {shift:g}")
    # the raw intercept, a long way from the data
    far = table_of(formula, {**data, "x": (data["x"] + 2e6) - 2e6}, origin=-2e6)
    check(table_of(formula, {**data, "x": data["x"] + 2e6}, at + 2e6), far, "intercept")
    for unit in (1e-6, 1e6):
        check(table_of(formula, {**data, "x": data["x"] * unit}, at * unit, unit), plain, f"x * {unit:g}")
    for unit in (1e-12, 1e12):
        check(table_of(formula, {**data, "w": data["w"] * unit}), plain, f"weights * {unit:g}")
    for unit in (1e-140, 1e140):
        check(table_of(formula, {**data, "y": data["y"] * unit}), plain, f"y * {unit:g}")
