"""Tests of columns that nearly depend on each other, in rows that come in batches to the iterative
solver.
"""

import numpy as np
import pandas as pd
import pytest

from ranef import DataError, lmer, scale

pytestmark = pytest.mark.filterwarnings("ignore:.*depend", "ignore:.*combination")

FORMULA = "y ~ x + w + v + (1 | g) + (1 | h)"
ITERATIVE = {"solver": "iterative"}


def rows(distance: float, n: int = 6_000) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    g, h = rng.integers(80, size=n), rng.integers(60, size=n)
    d = pd.DataFrame({"g": g, "h": h, "x": 5 + 3 * rng.normal(size=n), "w": rng.normal(size=n)})
    d["p"] = rng.uniform(0.5, 2, size=n)
    d["v"] = 2 * d.x + 0.5 * d.w + 6 * distance * rng.normal(size=n)
    d["y"] = 1 + d.x + rng.normal(size=80)[g] + rng.normal(size=60)[h] + rng.normal(size=n) / np.sqrt(d.p)
    return d


@pytest.mark.parametrize(("distance", "shared"), [(1e-3, 1e-8), (1e-5, 1e-7), (1e-6, 1e-4), (2e-8, 1e-8)])
@pytest.mark.parametrize("arguments", [{}, {"weights": "p"}], ids=["plain", "weights"])
@pytest.mark.parametrize("parts", [1, 3])
def test_columns_are_told_apart_as_in_memory(distance, shared, arguments, parts):
    """Against the same probes of rows in memory, and the exact solver."""
    d = rows(distance)
    m = scale.fit(FORMULA, [d[i::parts] for i in range(parts)], control=ITERATIVE, **arguments)
    near, exact = lmer(FORMULA, d, control=ITERATIVE, **arguments), lmer(FORMULA, d, **arguments)
    assert ("v" in exact.fixef.index) is (distance > 1e-7)
    assert m.convergence.solver == "iterative"
    for other, error in ((near, 100 * shared), (exact, 0.02)):
        assert list(m.fixef.index) == list(other.fixef.index)
        np.testing.assert_allclose(m.fixef / other.bse, other.fixef / other.bse, atol=error, rtol=error)
        np.testing.assert_allclose(m.bse, other.bse, rtol=max(error, 1e-5))
    assert m.objective == pytest.approx(near.objective, abs=max(100 * shared, 1e-5))
    np.testing.assert_allclose(m.df, near.df, rtol=1e-3)
    np.testing.assert_allclose(m.theta, near.theta, rtol=1e-4)


def test_what_first_rows_say_nothing_of():
    """Two columns that are apart in later rows only, and two that are nearly equal."""
    d = rows(1e-2)
    d["late"] = np.where(np.arange(len(d)) >= 3_000, d.w, 0.0)
    formula = "y ~ x + late + v + (1 | g) + (1 | h)"
    m = scale.fit(formula, [d[:3_000], d[3_000:]], control=ITERATIVE)
    near = lmer(formula, d, control=ITERATIVE)
    np.testing.assert_allclose(m.fixef / near.bse, near.fixef / near.bse, atol=1e-5)
    close = rows(1e-6).assign(late=d.late)
    with pytest.raises(DataError, match="nearly depend on each other"):
        scale.fit("y ~ x + w + v + late + (1 | g) + (1 | h)", [close[:3_000], close[3_000:]], control=ITERATIVE)


def test_first_rows_alone_are_nearly_dependent():
    d = rows(0.3)
    d.loc[:999, "v"] = rows(1e-6).v[:1_000]
    m = scale.fit(FORMULA, [d[:1_000], d[1_000:]], control=ITERATIVE)
    near = lmer(FORMULA, d, control=ITERATIVE)
    np.testing.assert_allclose(m.fixef / near.bse, near.fixef / near.bse, atol=1e-5)
    assert m.objective == pytest.approx(near.objective, abs=1e-5)
