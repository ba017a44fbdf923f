"""Profiles and priors of nonlinear models, against the exact likelihood."""

import math
import pickle

import numpy as np
import pytest
from scipy import optimize, stats

from ranef import OptionError, load_dataset, nlmer, priors
from unit.orange_trees import FORMULA, UNITS, normal_deviance

SCALE = np.array([*UNITS, 1.0, 1.0])


def minimum(objective, held=()):
    """The lowest value, some parameters held at numbers."""
    start = np.array([1.0, 1.0, 1.0, math.log(30), math.log(8)])
    for i, value in held:
        start[i] = value
    free = [i for i in range(5) if i not in dict(held)]

    def of(q):
        p = start.copy()
        p[free] = q
        return objective(p)

    found = optimize.minimize(of, start[free], method="BFGS", options={"gtol": 1e-7})
    found = optimize.minimize(of, found.x, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11})
    p = start.copy()
    p[free] = found.x
    return found.fun, p * SCALE


@pytest.fixture(scope="module")
def model():
    return nlmer(FORMULA, load_dataset("orange"))


def test_limits_of_profiles_are_where_the_deviance_rises_by_the_quantile(model):
    limits = model.conf_int("profile")
    assert limits.index.tolist() == ["sd_Asym|Tree", "sigma", "Asym", "xmid", "scal"]
    lowest = minimum(normal_deviance)[0]
    assert model.objective == pytest.approx(lowest, abs=1e-6)
    quantile = stats.chi2.ppf(0.95, 1)
    for name, place, log in [("sd_Asym|Tree", 3, True), ("sigma", 4, True), ("Asym", 0, False), ("scal", 2, False)]:
        for side in ("lower", "upper"):
            value = limits.loc[name, side]
            at = math.log(value) if log else value / SCALE[place]
            assert minimum(normal_deviance, [(place, at)])[0] - lowest == pytest.approx(quantile, abs=2e-5)


def test_profiles_of_nonlinear_models_have_values_in_the_unit_of_the_parameters(model):
    profile = pickle.loads(pickle.dumps(model)).profile(["sigma", "xmid"])
    frame = profile.to_frame()
    assert profile.zeta("sigma", [model.sigma])[0] == pytest.approx(0, abs=1e-6)
    of_xmid = frame[frame["parameter"] == "xmid"] if "parameter" in frame else frame.loc["xmid"]
    assert of_xmid["sigma"].between(6, 12).all()


def test_turns_have_no_likelihood_to_profile():
    with pytest.raises(OptionError, match="fit with method='laplace'"):
        nlmer(FORMULA, load_dataset("orange"), method="linearized").conf_int("profile")


def test_priors_of_a_nonlinear_model_join_its_likelihood():
    prior = {
        "fixef": priors.Normal((190, 700, 340), sd=(5.0, 20.0, 20.0)),
        "cov": priors.Gamma(2, 0.1),
        "resid": priors.HalfT(3, 2.0),
    }
    m = nlmer(FORMULA, load_dataset("orange"), prior=prior)

    def log_prior(p):
        asym, xmid, scal, sd, sigma = np.asarray(p) * SCALE
        total = stats.norm.logpdf([asym, xmid, scal], [190, 700, 340], [5, 20, 20]).sum()
        total += stats.gamma.logpdf(math.exp(sd), 2, scale=10) + math.log(2)
        return total + stats.t.logpdf(math.exp(sigma), 3, scale=2)

    value, p = minimum(lambda p: normal_deviance(p) - 2 * log_prior(p))
    assert m.objective == pytest.approx(value, abs=1e-6)
    assert m.fixef.to_numpy() == pytest.approx(p[:3], rel=1e-4)
    assert (m.theta.iloc[0] * m.sigma, m.sigma) == pytest.approx(tuple(np.exp(p[3:])), rel=1e-4)
    own = np.array([*m.fixef, math.log(m.theta.iloc[0] * m.sigma), math.log(m.sigma)]) / SCALE
    assert m.log_prior == pytest.approx(log_prior(own), abs=1e-9)
    assert -2 * m.llf == pytest.approx(normal_deviance(own), abs=1e-8)
    # standard errors are those of the penalised Hessian: narrower than the prior's
    assert m.bse["Asym"] < 5


def test_a_prior_of_log_sigma_holds_it():
    m = nlmer(FORMULA, load_dataset("orange"), prior={"resid": priors.Normal(math.log(9), 1e-3)})
    assert m.sigma == pytest.approx(9, abs=1e-3)
    assert -2 * m.llf == pytest.approx(minimum(normal_deviance, [(4, math.log(m.sigma))])[0], abs=1e-6)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"disp": priors.HalfT(3, 2.0)}, "a nonlinear model has 'fixef', 'cov' and 'resid'"),
        ({"cov": priors.Gamma(relative=True)}, "relative=True is for lmer"),
        ({"fixef:Asyn": priors.Normal(sd=1.0)}, "Did you mean 'Asym'?"),
    ],
)
def test_priors_of_what_a_nonlinear_model_has_not(prior, message):
    with pytest.raises(OptionError) as caught:
        nlmer(FORMULA, load_dataset("orange"), prior=prior)
    assert message in str(caught.value)


def test_turns_have_no_priors():
    with pytest.raises(OptionError, match="priors are for method='laplace'"):
        nlmer(FORMULA, load_dataset("orange"), prior={"cov": priors.Gamma()}, method="linearized")
