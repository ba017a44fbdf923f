"""n_quad="auto": nodes until two successive values agree."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import OptionError, RanefError, clmm, glmer, load_dataset

CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def test_few_nodes_where_few_are_enough() -> None:
    m = glmer(CBPP, load_dataset("cbpp"), family="binomial", n_quad="auto")
    many = glmer(CBPP, load_dataset("cbpp"), family="binomial", n_quad=61)
    assert 5 <= m._fit.n_quad <= 15
    assert m.objective == pytest.approx(many.objective, abs=1e-3)
    assert np.allclose(m.fixef, many.fixef, atol=1e-3)
    assert f"{m._fit.n_quad} quadrature nodes were chosen" in str(m.convergence).replace("\n", " ")
    # asked for anew with another formula
    again = m.update("~ . - period")
    assert again.convergence.quadrature


def test_many_nodes_where_they_are_needed() -> None:
    """Few responses a group and a large variance: the integrand is far from normal."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(60), 4)
    x = rng.normal(size=240)
    eta = 0.5 * x + 6.0 * rng.normal(size=60)[g]
    data = pd.DataFrame({"g": g.astype(str), "x": x, "y": (rng.random(240) < 1 / (1 + np.exp(-eta))).astype(int)})
    m = glmer("y ~ x + (1 | g)", data, family="binomial", n_quad="auto")
    more = glmer("y ~ x + (1 | g)", data, family="binomial", n_quad=100)
    assert m._fit.n_quad > 7
    assert m.objective == pytest.approx(more.objective, abs=2e-3)


def test_with_zero_inflation() -> None:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(30), 8)
    mean = np.exp(1.0 + 0.8 * rng.normal(size=30)[g])
    data = pd.DataFrame({"g": g.astype(str), "y": np.where(rng.random(240) < 0.3, 0, rng.poisson(mean))})
    m = glmer("y ~ 1 + (1 | g)", data, family="poisson", zi_formula="~ 1 + (1 | g)", n_quad="auto")
    more = glmer("y ~ 1 + (1 | g)", data, family="poisson", zi_formula="~ 1 + (1 | g)", n_quad=23)
    assert m.objective == pytest.approx(more.objective, abs=2e-3)


def categories() -> pd.DataFrame:
    """Ratings in 40 groups of 8 with slopes and a scale that differ between groups; pairs of groups
    have something in common.
    """
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(40), 8)
    x = rng.normal(size=320)
    of_group = rng.normal(size=(3, 40)) * [[1.2], [0.9], [0.5]]
    latent = 1.2 * rng.normal(size=20)[g // 2] + of_group[0, g] + (0.5 + of_group[1, g]) * x
    latent += np.exp(of_group[2, g]) * rng.logistic(size=320)
    y = pd.Categorical(np.digitize(latent, [-1.5, 0.0, 1.5]), ordered=True)
    return pd.DataFrame({"h": (g // 2).astype(str), "g": g.astype(str), "x": x, "z": rng.normal(size=320), "y": y})


@pytest.mark.parametrize(
    "call",
    [
        {"formula": "y ~ x + (1 | g)"},
        {"formula": "y ~ x + (x | g)", "link": "probit"},
        {"formula": "y ~ z + (1 | g)", "nominal": "~ x"},
        {"formula": "y ~ x + (1 |p| g)", "scale": "~ (1 |p| g)", "threshold": "equidistant"},
        {"formula": "y ~ x + (1 | h/g)"},
    ],
    ids=str,
)
def test_with_ordered_categories(call: dict[str, Any]) -> None:
    data = categories()
    m = clmm(data=data, n_quad="auto", **call)
    # squared where a level has two random effects, of which slopes need fewer
    many = 25 if "x | g" in call["formula"] else 41
    more = clmm(data=data, n_quad=many, **call)
    assert 5 < m._fit.n_quad < many
    assert m.objective == pytest.approx(more.objective, abs=2e-3)
    assert np.allclose(m.thresholds, more.thresholds, atol=5e-3)
    assert f"{m._fit.n_quad} quadrature nodes were chosen" in str(m.convergence).replace("\n", " ")
    assert m.update(n_quad=1)._fit.n_quad == 1


def test_where_there_is_no_quadrature() -> None:
    data = load_dataset("cbpp").assign(other=lambda d: d["period"].astype(str))
    with pytest.raises(OptionError, match="n_quad='auto' needs one grouping factor"):
        glmer(
            "cbind(incidence, size - incidence) ~ 1 + (1 | herd) + (1 | other)", data, family="binomial", n_quad="auto"
        )
    with pytest.raises(RanefError, match="number of quadrature nodes or 'auto', not 'all'"):
        glmer(CBPP, load_dataset("cbpp"), family="binomial", n_quad="all")
    with pytest.raises(OptionError, match="n_quad='auto' needs one grouping factor"):
        clmm("rating ~ temp + (1 | judge) + (1 | bottle)", load_dataset("wine"), n_quad="auto")
