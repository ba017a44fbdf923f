"""Matrices that would be too large are refused before they are made."""

import numpy as np
import pandas as pd
import pytest

from ranef import DesignError, RanefWarning, lmer
from ranef.design import checks
from ranef.design.build import build_design


def frame(n, customers):
    rng = np.random.default_rng(1)
    g = np.arange(n) % customers
    return pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "customer": [f"c{i}" for i in g]})


@pytest.mark.parametrize(("n", "customers"), [(60_000, 20_000), (6_000, 6_000), (1_000, 1_000)])
def test_a_factor_of_thousands_of_levels_is_counted_first(n, customers):
    d = frame(n, customers).assign(shop=np.arange(n) % 7)
    with pytest.raises(DesignError, match=rf"'customer' has {customers} levels for {n} rows.*\(1 \| customer\)"):
        build_design("y ~ x + customer + (1 | shop)", d)


def test_the_dot_leaves_out_the_grouping_factor():
    with pytest.warns(RanefWarning, match="all other columns but the grouping factors customer"):
        m = lmer("y ~ . + (1 | customer)", frame(3000, 300))
    assert list(m.fixef.index) == ["(Intercept)", "x"]


def test_a_matrix_larger_than_the_free_memory_is_refused(monkeypatch):
    monkeypatch.setattr(checks, "available_memory", lambda: 5_000_000)
    d = frame(2000, 150).assign(shop=np.arange(2000) % 7)
    # levels are not written out, unless their coding is another
    assert build_design("y ~ x + customer + (1 | shop)", d).columns.rest.shape == (2000, 1)
    with pytest.raises(DesignError, match=r"151 columns of the fixed effects take 0.0024 GB"):
        build_design("y ~ x + customer + (1 | shop)", d, contrasts={"customer": "sum"})
    with pytest.raises(DesignError, match=r"151 columns, 149 of them for customer: 0.0024 GB"):
        build_design("y ~ x + customer + (1 | shop)", d, model="glmm")
    monkeypatch.setattr(checks, "available_memory", lambda: 1_000_000)
    with pytest.raises(DesignError, match=r"151 columns, 149 of them for customer: 0.00091 GB"):
        build_design("y ~ x + customer + (1 | shop)", d)
    monkeypatch.setattr(checks, "available_memory", lambda: None)
    assert build_design("y ~ x + customer + (1 | shop)", d).x.shape == (2000, 151)


def test_empty_cells_of_an_interaction_are_no_obstacle():
    rng = np.random.default_rng(2)
    d = pd.DataFrame(
        {
            "y": rng.normal(size=200),
            "a": rng.integers(0, 15, 200).astype(str),
            "b": rng.integers(0, 15, 200).astype(str),
            "g": np.arange(200) % 20,
        }
    )
    assert build_design("y ~ a * b + (1 | g)", d).x.shape == (200, 225)
