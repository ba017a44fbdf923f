"""Profiles of models whose variance has a covariate far from one, or from zero: those of the same
model with the covariate in another unit.
"""

import warnings

import numpy as np
import pandas as pd
import pytest

from ranef import lmer, load_dataset

FORMULA = "Reaction ~ Days + (Days | Subject)"


def data() -> pd.DataFrame:
    d = load_dataset("sleepstudy")
    fitted = lmer(FORMULA, d).fittedvalues
    return d.assign(far=fitted, near=fitted / np.exp(np.log(fitted).mean()), year=d["Days"] + 2000)


@pytest.mark.parametrize(("one", "other"), [("power(far)", "power(near)"), ("exponential(year)", "exponential(Days)")])
def test_intervals_do_not_depend_on_the_origin_of_a_covariate(one: str, other: str) -> None:
    d = data()
    a, b = (lmer(FORMULA, d, variance=v, REML=False) for v in (one, other))
    random = ["sd_(Intercept)|Subject", "cor_Days.(Intercept)|Subject", "sd_Days|Subject", "beta_"]
    ours = a.conf_int("profile", parm=[*a.structure.index, *random])
    wanted = b.conf_int("profile", parm=[*b.structure.index, *random])
    np.testing.assert_allclose(ours.to_numpy(), wanted.to_numpy(), rtol=1e-4)
    assert np.isfinite(ours.to_numpy()).all()


def test_sigma_is_that_of_the_covariate_as_given() -> None:
    """A power of a tenth of the covariate has ten to the power times sigma; far away there is no
    limit to speak of.
    """
    d = data().assign(tenth=lambda d: d["near"] / 10)
    a = lmer(FORMULA, d, variance="power(near)", REML=False).conf_int("profile", parm="sigma")
    m = lmer(FORMULA, d, variance="power(tenth)", REML=False)
    # the deviance of sigma's limits: with sigma held, the best of all others
    b = m.conf_int("profile", parm="sigma").to_numpy()[0]
    power = m.structure.iloc[0]
    assert b[0] < m.sigma < b[1]
    assert m.sigma == pytest.approx(10**power * lmer(FORMULA, d, variance="power(near)", REML=False).sigma, rel=1e-4)
    assert b[1] / b[0] > a.to_numpy()[0][1] / a.to_numpy()[0][0]
    far = lmer(FORMULA, d, variance="exponential(year)", REML=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        far.conf_int("profile", parm="sigma")
    assert any("so far from the data" in str(w.message) for w in caught)


def test_a_constant_beside_a_power() -> None:
    """In years of hundreds the constant is in other units, all else is the same."""
    d = data().assign(hundred=lambda d: 100.0 * (d["Days"] + 1), one=lambda d: d["Days"] + 1.0)
    a, b = (lmer(FORMULA, d, variance=f"const_power({v})", REML=False) for v in ("hundred", "one"))
    assert a.objective == pytest.approx(b.objective, abs=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, wanted = (m.conf_int("profile", parm=[m.structure.index[1], "beta_"]) for m in (a, b))
    np.testing.assert_allclose(ours.to_numpy(), wanted.to_numpy(), rtol=1e-3)
