"""Families and links that lme4 does not have, or has without a likelihood:
against glmmTMB, and the inverse Gaussian against numerical integration in R.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import CustomFamily, glmer, load_dataset
from reference.store import load_data

FOLDER = Path(__file__).parents[1] / "reference"


def stored() -> dict[str, Any]:
    content = (FOLDER / "families.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "families.md5").read_text().strip()
    loaded: dict[str, Any] = json.loads(content)
    return loaded


STORED = stored()
GLMMTMB = [name for name, case in STORED.items() if "formula" in case]


def dispersion_of(case: dict[str, Any]) -> float:
    """The extra parameter as we define it, from the logarithm that glmmTMB estimates."""
    value = math.exp(case["betad"])
    return {"Gamma": 1 / math.sqrt(value), "gaussian": math.sqrt(value)}.get(case["family"], value)


@pytest.mark.parametrize("name", GLMMTMB)
def test_against_glmmtmb(name: str) -> None:
    case = STORED[name]
    m = glmer(case["formula"], load_data(case["data"]), family=f"{case['family']}({case['link']})")
    assert m.convergence.ok
    assert (m.nobs, m.npar) == (case["nobs"], case["npar"])
    assert m.objective == pytest.approx(case["objective"], rel=0, abs=1e-6)
    se = np.array(case["se"])
    np.testing.assert_array_less(np.abs(m.fixef.to_numpy() - case["beta"]) / se, 1e-4)
    np.testing.assert_allclose(m.bse, se, rtol=2e-4)
    sds = sorted(float(s) for block in m.varcorr.values() for s in block.sd)
    n_sd = len(sds)
    np.testing.assert_allclose(sds, np.sort(np.exp(case["theta"][:n_sd])), rtol=1e-4)
    if "betad" in case and case["betad"] is not None:
        assert m.dispersion == pytest.approx(dispersion_of(case), rel=1e-4)


@pytest.mark.parametrize("link", ["log", "identity"])
def test_inverse_gaussian_against_numerical_integration(link: str) -> None:
    case = STORED[f"inverse_gaussian_{link}"]
    m = glmer(
        "I(Reaction / 100) ~ Days + (1 | Subject)",
        load_dataset("sleepstudy"),
        family=f"inverse.gaussian({link})",
        n_quad=25,
    )
    assert m.objective == pytest.approx(case["objective"], rel=0, abs=1e-5)
    np.testing.assert_array_less(np.abs(m.fixef.to_numpy() - case["beta"]) / case["se"], 1e-3)
    np.testing.assert_allclose(m.bse, case["se"], rtol=2e-3)
    assert m.varcorr["Subject"].sd[0] == pytest.approx(case["sd"], rel=1e-3)
    assert m.sigma == pytest.approx(case["sigma"], rel=1e-3)


def test_loglog_is_cloglog_of_the_failures() -> None:
    cbpp = load_dataset("cbpp")
    a = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, family="binomial(cloglog)")
    b = glmer("cbind(size - incidence, incidence) ~ period + (1 | herd)", cbpp, family="binomial(loglog)")
    assert a.objective == pytest.approx(b.objective, abs=1e-8)
    np.testing.assert_allclose(a.fixef, -b.fixef, rtol=1e-6)
    np.testing.assert_allclose(a.bse, b.bse, rtol=1e-5)


def test_negative_binomial_with_a_large_size_is_poisson() -> None:
    ticks = load_dataset("grouseticks")
    formula = "TICKS ~ YEAR + (1 | LOCATION)"
    poisson = glmer(formula, ticks, family="poisson")
    large = glmer(formula, ticks, family=ranef.NegativeBinomial(size=1e9))
    assert large.objective == pytest.approx(poisson.objective, abs=1e-3)
    np.testing.assert_allclose(large.fixef, poisson.fixef, rtol=1e-5)
    assert large.npar == poisson.npar


def test_a_family_of_python_functions_gives_what_the_built_in_one_gives() -> None:
    from scipy import stats

    ticks = load_dataset("grouseticks")
    formula = "TICKS ~ YEAR + (1 | LOCATION)"
    builtin = glmer(formula, ticks, family="poisson")
    custom = glmer(
        formula, ticks, family=CustomFamily(lambda y, mu: stats.poisson.logpmf(y, mu), link="log", title="my counts")
    )
    assert custom.objective == pytest.approx(builtin.objective, abs=1e-6)
    np.testing.assert_allclose(custom.fixef, builtin.fixef, rtol=1e-5)
    np.testing.assert_allclose(custom.bse, builtin.bse, rtol=1e-4)
    assert "my counts  ( log )" in str(custom.summary())


def test_weights_multiply_the_likelihood_of_other_families() -> None:
    ticks = load_dataset("grouseticks")
    twice = pd.concat([ticks, ticks], ignore_index=True)
    formula = "TICKS ~ YEAR + (1 | LOCATION)"
    a = glmer(formula, ticks.assign(w=2.0), family="poisson", weights="w")
    b = glmer(formula, twice, family="poisson")
    assert a.objective == pytest.approx(b.objective, abs=1e-6)
    np.testing.assert_allclose(a.fixef, b.fixef, rtol=1e-6)
