"""n_quad="auto": nodes until two successive values agree."""

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
    more = glmer("y ~ 1 + (1 | g)", data, family="poisson", zi_formula="~ 1 + (1 | g)", n_quad=35)
    assert m.objective == pytest.approx(more.objective, abs=2e-3)


def test_where_there_is_no_quadrature() -> None:
    data = load_dataset("cbpp").assign(other=lambda d: d["period"].astype(str))
    with pytest.raises(OptionError, match="n_quad='auto' needs one grouping factor"):
        glmer(
            "cbind(incidence, size - incidence) ~ 1 + (1 | herd) + (1 | other)", data, family="binomial", n_quad="auto"
        )
    with pytest.raises(RanefError, match="number of quadrature nodes or 'auto', not 'all'"):
        glmer(CBPP, load_dataset("cbpp"), family="binomial", n_quad="all")
    with pytest.raises(RanefError, match="n_quad must be a whole number"):
        clmm("rating ~ temp + (1 | judge)", load_dataset("wine"), n_quad="auto")
