"""Tests of random effects that several linear predictors share, and rows left out for the variables
of any of them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from ranef import clmm, glmer
from ranef.formula.random import shared_name

DATA = pd.read_parquet(Path(__file__).parents[1] / "reference" / "components" / "Salamanders.parquet")

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def test_a_shared_effect_takes_its_covariances_along() -> None:
    data = DATA.iloc[::2]
    m = glmer("count ~ mined + (1 |p| site)", data, family="nbinom2", zi_formula="~ mined + (1 |p| site)")
    table = m.ranova()
    alone = glmer("count ~ mined", data, family="nbinom2", zi_formula="~ mined + (1 | site)")
    row = table.iloc[1]
    assert row["npar"] == len(alone._fit.whole_theta) + len(alone._fit.whole_beta)
    # the variance and its covariance with that of the zeros
    assert row["df"] == 2
    assert row["chisq"] > 0.1
    assert row["chisq"] == pytest.approx(alone.objective - m.objective, abs=1e-5)
    expected = 0.5 * chi2.sf(row["chisq"], 1) + 0.5 * chi2.sf(row["chisq"], 2)
    assert row["p_value_boundary"] == pytest.approx(expected, abs=1e-8)


def ratings(seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 25, 500)
    d = pd.DataFrame({"g": g, "x": rng.normal(size=500)})
    u = rng.multivariate_normal(np.zeros(3), [[1.0, 0.4, 0.3], [0.4, 0.6, 0.2], [0.3, 0.2, 0.2]], size=25)
    latent = 0.5 * d.x + u[g, 0] + u[g, 1] * d.x + rng.logistic(size=500) * np.exp(u[g, 2])
    return d.assign(y=pd.Categorical(np.digitize(latent, [-1.0, 1.0]), ordered=True))


def test_a_slope_leaves_the_rest_shared() -> None:
    d = ratings()
    m = clmm("y ~ x + (1 + x |p| g)", d, scale="~ (1 |p| g)")
    table = m.ranova()
    smaller = clmm("y ~ x + (1 |p| g)", d, scale="~ (1 |p| g)")
    row = table.loc["x in (1 + x |p| g)"]
    assert row["df"] == 3
    assert row["chisq"] == pytest.approx(smaller.objective - m.objective, abs=1e-5)
    expected = 0.5 * chi2.sf(row["chisq"], 2) + 0.5 * chi2.sf(row["chisq"], 3)
    assert row["p_value_boundary"] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("text", "name"),
    [("1 |p| g", "p"), ("1 + x |a.b| g:h", "a.b"), ("1 | g", None), ("0 + x | g", None), ("1 + I(a | b) | g", None)],
)
def test_names(text: str, name: Any) -> None:
    assert shared_name(text) == name


def test_missing_values_of_other_formulas_are_counted() -> None:
    d = DATA.copy()
    d["cover"] = d["cover"].astype(float)
    d.loc[[1, 5, 9], "cover"] = np.nan
    d["DOP"] = d["DOP"].astype(float)
    d.loc[[5, 20], "DOP"] = np.nan
    m = glmer("count ~ DOP + (1 | site)", d, family="nbinom2", zi_formula="~ cover", disp_formula="~ cover")
    assert m.nobs == len(d) - 4
    assert dict(m._fit.design.missing_counts) == {"DOP": 2, "cover": 3}
    assert "4 missing: DOP 2, cover 3" in str(m.summary())
    only = glmer("count ~ mined + (1 | site)", d, family="poisson", zi_formula="~ cover")
    assert "3 missing: cover 3" in str(only.summary())
