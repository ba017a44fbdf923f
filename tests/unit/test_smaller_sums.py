"""Tests of terms of models without rows: smaller models are fitted from sums of the larger one."""

import numpy as np
import pandas as pd
import pytest

from ranef import DataError, lmer, scale

pytestmark = pytest.mark.filterwarnings("ignore:singular fit", "ignore:.*REML", "ignore:.*ML")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 1_200
    d = pd.DataFrame(
        {
            "g": rng.integers(30, size=n),
            "h": rng.integers(13, size=n),
            "k": rng.integers(40, size=n),
            "x": 50 + 8 * rng.normal(size=n),
            "z": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "w": rng.uniform(0.5, 2, size=n),
        }
    )
    b = rng.normal(size=(30, 2))
    noise = rng.normal(size=n) / np.sqrt(d.w)
    d["y"] = 0.1 * d.x + b[d.g, 0] + 0.05 * b[d.g, 1] * (d.x - 50) + 0.6 * rng.normal(size=13)[d.h] + noise
    d["y"] += 0.4 * rng.normal(size=40)[d.k] + 0.3 * (d.f == "b") * d.z
    return d


FORMULAS = [
    "y ~ x + z + (1 | g)",
    "y ~ x + f * z + (x | g) + (1 | h)",
    "y ~ scale(x) + z + (x + z || g) + (1 | h) + (1 | k)",
    "y ~ f + z + (x + z | g) + (z | h)",
    "y ~ x + poly(z, 2) + (1 | h) + (x | g) + (1 | g:h)",
]


def without_rows(formula: str, data: pd.DataFrame, **arguments: object) -> object:
    recipe = scale.survey(formula, data, **arguments).freeze()
    sums = scale.Statistic(recipe)
    for i in range(3):
        sums.update(data[i::3])
    return sums.fit()


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("arguments", [{}, {"weights": "w", "offset": "z"}], ids=["plain", "weights"])
def test_terms_are_tested_as_with_rows(data, formula, arguments):
    whole, summed = lmer(formula, data, **arguments), without_rows(formula, data, **arguments)
    for verb in ("drop1", "ranova"):
        with_rows, without = getattr(whole, verb)(), getattr(summed, verb)()
        assert list(with_rows.index) == list(without.index)
        assert list(with_rows.columns) == list(without.columns)
        np.testing.assert_allclose(
            without.to_numpy(dtype=float), with_rows.to_numpy(dtype=float), rtol=1e-6, atol=2e-6, equal_nan=True
        )


def test_what_is_coded_anew_needs_the_rows(data):
    m = without_rows("y ~ x + (0 + f | g)", data)
    assert len(m.drop1()) == 2
    with pytest.raises(DataError, match="rows of the data"):
        m.ranova()
    again = m.with_data(data)
    np.testing.assert_allclose(
        again.ranova().to_numpy(dtype=float),
        lmer("y ~ x + (0 + f | g)", data).ranova().to_numpy(dtype=float),
        atol=1e-5,
    )


def test_elimination_says_where_it_needs_data(data):
    m = without_rows("y ~ x + z + (x | g) + (1 | h)", data)
    found = m.step(alpha_fixed=1.0)  # nothing goes
    whole = lmer("y ~ x + z + (x | g) + (1 | h)", data).step(alpha_fixed=1.0)
    np.testing.assert_allclose(found.fixed["p_value"], whole.fixed["p_value"], rtol=1e-5)
    np.testing.assert_allclose(found.random["p_value"], whole.random["p_value"], rtol=1e-5, atol=1e-12)
