"""A power beside a constant that has no finite estimate is told after a few hundred evaluations."""

import warnings

import numpy as np
import pandas as pd
import pytest

from ranef import gls, lmer, load_dataset


def test_the_youngest_alone_differ() -> None:
    """The criterion falls as the power goes to minus infinity, to that of two groups of rows."""
    d = load_dataset("orthodont").assign(youngest=lambda d: (d["age"] == 8).map({True: "yes", False: "no"}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        m = lmer("distance ~ age + (1 | Subject)", d, variance="const_power(age)")
    limit = lmer("distance ~ age + (1 | Subject)", d, variance="by_group(youngest)")
    assert not m.convergence.ok
    assert m.convergence.evaluations < 1000
    assert limit.objective < m.objective < limit.objective + 1e-3
    said = str(caught[0].message)
    assert "The power of const_power(age) has no finite estimate" in said
    assert "minus infinity, since only the rows with the smallest |age| differ" in said
    assert "no finite estimate" in str(m.convergence)
    assert "higher limit" not in str(m.convergence)
    np.testing.assert_allclose(m.fixef, limit.fixef, rtol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_powers_that_end_are_searched_as_before(seed: int) -> None:
    draw = np.random.default_rng(seed)
    x = draw.uniform(1, 10, 150)
    d = pd.DataFrame({"x": x, "y": 1 + x + draw.normal(size=150) * (1 + 0.05 * x**2)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        m = gls("y ~ x", d, variance="const_power(x)")
    assert m.convergence.ok
    assert not caught
