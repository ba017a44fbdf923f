"""Priors of models of ordered categories: the criterion, its optimum, and data that separate."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

import ranef
from ranef import OptionError, RanefError, clmm, load_dataset, priors
from ranef.status import FitStatus

WINE = load_dataset("wine")
FORMULA = "rating ~ temp + contact + (1 | judge)"

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


@pytest.fixture(scope="module")
def m() -> Any:
    prior = {"fixef": priors.Normal(sd=1.0), "cov": priors.Gamma(shape=2.5, rate=0)}
    return clmm(FORMULA, WINE, prior=prior, scale="~ (1 | judge)")


def test_the_criterion_has_the_densities(m: Any) -> None:
    """A gamma density of shape 2.5 and rate 0 is the standard deviation to the power of 1.5."""
    sds = [m.varcorr[key].sd[0] for key in ("judge", "scale:judge")]
    expected = norm.logpdf(m.fixef).sum() + 1.5 * np.log(sds).sum()
    assert m.log_prior == pytest.approx(expected, abs=1e-8)
    assert m.objective == pytest.approx(-2 * (m.llf + m.log_prior), abs=1e-8)
    fit, bare = m._fit, clmm(FORMULA, WINE, scale="~ (1 | judge)")._fit
    there = bare.system.get(1).evaluate(fit.whole_theta, fit.whole_beta, None, 1, "observed")
    assert m.llf == pytest.approx(-0.5 * there.objective, abs=1e-8)


def test_it_is_the_posterior_mode(m: Any) -> None:
    """The likelihood of the model without priors, and densities by SciPy, minimised by SciPy."""
    fit, bare = m._fit, clmm(FORMULA, WINE, scale="~ (1 | judge)")._fit
    system, t, p = bare.system.get(1), len(fit.whole_theta), len(fit.beta)

    def at(x: Any) -> tuple[float, Any]:
        got = system.evaluate(x[:t], x[t:], None, 1, "observed")
        gradient = got.gradient.copy()
        gradient[:t] -= 3.0 / x[:t]
        gradient[t : t + p] += 2 * x[t : t + p]
        return got.objective - 2 * norm.logpdf(x[t : t + p]).sum() - 3 * np.log(x[:t]).sum(), gradient

    x0 = np.concatenate([[0.8, 0.2], bare.whole_beta])
    bounds = [(1e-3, None)] * t + [(None, None)] * (len(x0) - t)
    best = minimize(at, x0, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-8})
    assert m.objective == pytest.approx(best.fun, abs=1e-6)
    assert m.objective <= best.fun + 1e-8


def test_priors_of_one_effect_or_term() -> None:
    plain = clmm(FORMULA, WINE)
    held = clmm(FORMULA, WINE, prior={"fixef:contact[T.yes]": priors.Normal(mean=1.0, sd=1e-4)})
    assert held.fixef["contact[T.yes]"] == pytest.approx(1.0, abs=1e-5)
    moved = WINE.assign(o=(WINE["contact"] == "yes").astype(float))
    fixed = clmm("rating ~ temp + (1 | judge)", moved, offset="o")
    assert held.fixef["temp[T.warm]"] == pytest.approx(fixed.fixef["temp[T.warm]"], abs=1e-4)
    assert held.llf == pytest.approx(fixed.llf, abs=1e-4)
    assert plain.log_prior == 0.0
    off_zero = clmm(FORMULA, WINE, scale="~ (1 | judge)", prior={"cov:scale:judge": priors.Gamma()})
    assert off_zero.varcorr["scale:judge"].sd[0] > 0.05
    assert off_zero.convergence.boundary == {}


def test_separated_categories_have_finite_estimates() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": rng.integers(0, 15, 200), "b": np.where(rng.random(200) < 0.3, "yes", "no")})
    latent = rng.normal(size=15)[data.g] + rng.logistic(size=200)
    data["y"] = np.where(data.b == "yes", 3, np.digitize(latent, [-1.0, 1.0]))
    data["y"] = pd.Categorical(data["y"], ordered=True)
    alone = clmm("y ~ b + (1 | g)", data)
    assert alone.convergence.status is FitStatus.SEPARATION
    m = clmm("y ~ b + (1 | g)", data, prior={"fixef": priors.Normal(sd=2.5)})
    assert m.convergence.ok
    assert 3 < m.fixef.iloc[0] < 12


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        ({"fixef:x": priors.Normal(sd=1.0)}, "no fixed effect 'x'"),
        ({"cov:bottle": priors.Gamma()}, "no grouping factor 'bottle'"),
        ({"disp": priors.Normal(sd=1.0)}, "no extra parameter"),
        ({"cov": priors.Gamma(relative=True)}, "relative=True is for lmer"),
    ],
)
def test_what_has_no_prior(prior: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        clmm(FORMULA, WINE, prior=prior)


def test_what_follows(m: Any, tmp_path: Any) -> None:
    assert "priors: fixef ~ Normal(sd=1)" in str(m.summary())
    m.save(tmp_path / "m")
    again = ranef.load(tmp_path / "m")
    assert again.log_prior == m.log_prior
    assert again.refit(WINE["rating"].cat.codes + 1).objective == pytest.approx(m.objective, abs=1e-6)
    with pytest.raises(RanefError, match="prior"):
        _ = m.profile()
    new = m.update(". ~ . - contact")
    assert new.fixef.index.tolist() == ["temp[T.warm]"]
