"""Models without random terms are those of R's ``lm`` and ``glm`` (R 4.2.2, ``epsilon=1e-15``)."""

from dataclasses import replace

import numpy as np
import pytest

from ranef import Gaussian, glmer, lmer, load_dataset
from ranef.fit.refits.again import fit_again


def without_random_terms(model, **changed):
    fit = model._fit
    return fit_again(fit, replace(fit.design, random=()), **changed)


@pytest.mark.parametrize(("reml", "objective"), [(True, 1893.6636634721), (False, 1900.2930563564)])
def test_least_squares(reml, objective):
    found = without_random_terms(lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy")), reml=reml)
    assert found.objective == pytest.approx(objective, abs=1e-9)
    assert found.npar == 3
    assert found.beta == pytest.approx([251.4051048485, 10.4672859596], abs=1e-9)
    if reml:
        assert np.sqrt(np.diag(found.vcov)) == pytest.approx([6.6101540443, 1.2381952980], abs=1e-9)


def test_gaussian_responses_behind_a_log():
    model = glmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"), family=Gaussian(link="log"))
    found = without_random_terms(model)
    assert found.objective == pytest.approx(1899.9128270122, abs=1e-8)
    assert found.beta == pytest.approx([5.5350177384, 0.0352535240], abs=1e-7)
    assert found.npar == 3


@pytest.mark.parametrize("n_quad", [0, 1, 9])
def test_binomial_responses(n_quad):
    model = glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        load_dataset("cbpp"),
        family="binomial",
        n_quad=n_quad,
    )
    found = without_random_terms(model)
    assert found.objective == pytest.approx(198.0583989787, abs=1e-8)
    assert found.beta == pytest.approx([-1.2690234894, -1.1707627251, -1.3014053339, -1.7822786353], abs=1e-6)
    assert np.sqrt(np.diag(found.vcov)) == pytest.approx(
        [0.1449197625, 0.2914677891, 0.3128814310, 0.4130564576], abs=1e-6
    )
