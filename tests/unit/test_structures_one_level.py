"""Random effects by position in one series, and as many as there are rows, against glmmTMB."""

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import DesignError, lmer, load_dataset

# AR(1) with correlation 0.8 and noise, drawn in R
Y = (
    "0.99 -0.21 -0.33 -0.37 0.61 0.59 0.11 0.5 3.08 0.25 1.78 1.67 0.85 0.32 0.42 0.36 1.61 -0.75 -1.69 -0.59 1.18 "
    "2.54 -0.36 -0.36 -1.9 -1.99 -0.92 0.17 1.05 1.37 0.19 1.38 0.73 2.94 4.57 1.77 3.31 3.69 4.38 1.76 1.25 3.3 1.73 "
    "5.1 2.51 3.26 -0.61 -0.28 0.62 1.04 1.22 -0.08 0.79 1.06 -0.92 -1.84 -1.42 -3.17 0.8 1.94"
)
T = np.arange(1, 61)
SERIES = pd.DataFrame(
    {"t": T, "x": np.round(np.cos(T**2), 3), "y": np.array(Y.split(), float), "one": pd.Categorical(["a"] * 60)}
)


@pytest.mark.parametrize("term", ["ar1(0 + factor(t) | one)", "exp(t + 0 | one)"])
@pytest.mark.parametrize(
    ("method", "objective", "sigma", "sd", "rho", "slope"),
    [
        ("ML", 179.07186477, 0.67086939, 1.27346694, 0.82876409, 1.145417),
        ("REML", 179.99128650, 0.69683512, 1.40009258, 0.86761224, 1.153244),
    ],
)
def test_one_series(term, method, objective, sigma, sd, rho, slope):
    """glmmTMB(y ~ x + ar1(0 + tf | one)) and exp(pos + 0 | one), rel.tol = 1e-14."""
    m = lmer(f"y ~ x + {term}", SERIES, method=method)
    assert m.objective == pytest.approx(objective, abs=2e-8)
    assert m.sigma == pytest.approx(sigma, rel=1e-5)
    assert m.varcorr["one"].sd[0] == pytest.approx(sd, rel=1e-5)
    assert m.fixef["x"] == pytest.approx(slope, abs=2e-6)
    v = sd**2 * rho ** np.abs(np.subtract.outer(T, T)) + sigma**2 * np.eye(60)
    x = np.column_stack([np.ones(60), SERIES["x"]])
    se = np.sqrt(np.diag(np.linalg.inv(x.T @ np.linalg.solve(v, x))))
    np.testing.assert_allclose(m.bse, se, rtol=2e-5)  # glmmTMB's standard errors are of all parameters jointly


def test_one_level_says_nothing_of_a_variance_between_levels():
    for term in ("(1 | one)", "ar1(0 + factor(t) | one, hom=False)", "cs(0 + factor(t) | one, hom=True)"):
        with pytest.raises(DesignError, match="one level only"):
            lmer(f"y ~ x + {term}", SERIES)


@pytest.mark.filterwarnings("ignore:the residual variance goes to zero:ranef.RanefWarning")
@pytest.mark.parametrize(
    ("structure", "objective", "sds"),
    [
        ("cs", 1750.763828, [21.277, 24.757, 20.106, 32.784, 36.919, 47.326, 58.751, 44.059, 55.520, 63.984]),
        ("toep", 1702.552890, [34.015, 37.092, 28.067, 35.400, 38.097, 53.114, 68.577, 52.758, 58.729, 63.867]),
    ],
)
def test_one_row_a_cell(structure, objective, sds):
    """Covariances outnumber the parameters: glmmTMB tells the effects from the residuals."""
    m = lmer(f"Reaction ~ Days + {structure}(0 + factor(Days) | Subject)", load_dataset("sleepstudy"), method="ML")
    assert objective - 1e-5 < m.objective < objective + 1e-6  # glmmTMB stops up to 4e-6 above
    np.testing.assert_allclose(m.varcorr["Subject"].sd, sds, rtol=3e-4)


@pytest.mark.parametrize("structure", ["cs", "toep", "ar1"])
def test_two_effects_with_one_row_each(structure):
    pairs = load_dataset("sleepstudy").query("Days < 2")
    with pytest.raises(DesignError, match="cannot be told apart from the residuals"):
        lmer(f"Reaction ~ Days + {structure}(0 + factor(Days) | Subject)", pairs)


def test_structures_are_a_name_of_the_package():
    assert ranef.structures.ar1("t", "one").structure == "ar1"
