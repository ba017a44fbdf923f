"""What both kinds of models answer,
and the sentences in which one kind refuses what is for the other.
"""

from typing import Any

import numpy as np
import pytest

from ranef import Gaussian, OptionError, RanefError, RanefWarning, glmer, lmer, load_dataset
from ranef.errors import ArgumentTypeError

TICKS = load_dataset("grouseticks")
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def cbpp() -> Any:
    return glmer(CBPP, load_dataset("cbpp"), family="binomial")


@pytest.fixture(scope="module")
def sleep() -> Any:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


# Calls of methods that take ddf.
TESTED = {
    "summary": {},
    "tidy": {},
    "cov_params": {},
    "anova": {},
    "drop1": {},
    "conf_int": {},
    "joint_tests": {},
    "test": {"L": "period[T.2]"},
    "emmeans": {"specs": "period"},
    "emtrends": {"specs": "~ 1", "var": "cHEIGHT"},
}


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "residual"])
@pytest.mark.parametrize("name", TESTED)
def test_generalized_models_refuse_ddf(cbpp: Any, name: str, ddf: str) -> None:
    m = glmer("TICKS ~ cHEIGHT + (1 | BROOD)", TICKS, family="poisson") if name == "emtrends" else cbpp
    with pytest.raises(OptionError, match="is for linear models"):
        getattr(m, name)(**TESTED[name], ddf=ddf)


@pytest.mark.parametrize("name", [n for n in TESTED if n != "emtrends"])
def test_generalized_models_take_the_ddf_that_they_have(cbpp: Any, name: str) -> None:
    same, usual = (getattr(cbpp, name)(**TESTED[name], **extra) for extra in ({"ddf": "none"}, {}))
    assert str(same) == str(usual)
    with pytest.raises(OptionError, match="ddf must be one of"):
        getattr(cbpp, name)(**TESTED[name], ddf="exact")
    with pytest.raises(ArgumentTypeError, match="ddf must be one of"):
        getattr(cbpp, name)(**TESTED[name], ddf=1)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("drop1", {"test": "f"}, "likelihood-ratio tests"),
        ("drop1", {"test": "t"}, "test must be 'chisq'"),
        ("step", {"test": "f"}, "likelihood-ratio tests"),
        ("step", {"ddf": "kenward-roger"}, "is for linear models"),
        ("anova", {"type": 1}, "type must be 2 or 3"),
        ("simulated_residuals", {"rotate": True}, "rotate=True is for linear models"),
        ("conf_int", {"method": "boot", "ddf": "residual"}, "for Wald intervals"),
        ("conf_int", {"parm": "sd_(Intercept)|herd"}, "use method='profile'"),
        ("update", {"REML": True}, "glmer has no argument 'REML'"),
    ],
)
def test_generalized_models_refuse(cbpp: Any, name: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(RanefError, match=says):
        getattr(cbpp, name)(**arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("influence", {"progress": True}, "progress= is for generalized models"),
        ("predict", {"new_levels": "marginal"}, "'error' or 'population'"),
        ("emmeans", {"specs": "Days", "bias_correct": True}, "type='response'"),
        ("emmeans", {"specs": "Days", "sigma": 1.0}, "bias_correct=True"),
        ("conf_int", {"parm": "sigma"}, "use method='profile'"),
        ("update", {"family": "poisson"}, "lmer has no argument 'family'"),
    ],
)
def test_linear_models_refuse(sleep: Any, name: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(RanefError, match=says):
        getattr(sleep, name)(**arguments)


def test_intervals_by_bootstrap_are_not_drawn_for_a_level_that_cannot_be(cbpp: Any, sleep: Any) -> None:
    for m in (cbpp, sleep):
        calls: list[int] = []
        with pytest.raises(OptionError, match="between 0 and 1"):
            m.conf_int("boot", level=95, n=200, progress=lambda done, total, calls=calls: calls.append(done))
        assert not calls


def test_intervals_by_bootstrap_are_those_of_bootstrap(cbpp: Any, sleep: Any) -> None:
    for m in (cbpp, sleep):
        assert m.conf_int("boot", n=60, rng=4).equals(m.bootstrap(60, rng=4).conf_int())


def test_degrees_of_freedom(cbpp: Any) -> None:
    assert cbpp.ddf == "none"
    assert list(cbpp.df.index) == list(cbpp.fixef.index)
    assert np.isinf(cbpp.df).all()


def test_family_and_criteria(cbpp: Any, sleep: Any) -> None:
    assert sleep.family == Gaussian()
    assert sleep.dispersion == sleep.sigma
    assert sleep.linear_predictor.to_list() == sleep.fittedvalues.to_list()
    assert sleep.linear_predictor.name == "linear_predictor"
    assert cbpp.ml_deviance == -2 * cbpp.llf


def test_principal_components_of_a_generalized_model() -> None:
    """Against ``rePCA`` of lme4 1.1-31."""
    m = glmer("TICKS ~ YEAR + cHEIGHT + (YEAR | LOCATION)", TICKS, family="poisson")
    found = m.repca()["LOCATION"]
    assert m.objective == pytest.approx(2219.415809, abs=1e-4)
    np.testing.assert_allclose(found.sd, [1.4719838366, 0.6079766827, 0.3577747352], rtol=2e-4)
    np.testing.assert_allclose(found.proportion, [0.81322507496, 0.13873260005, 0.04804232499], rtol=4e-4)
    loadings = [
        [0.7431438942, 0.2887232097, 0.6036357020],
        [0.2064391880, 0.7591823271, 0.6172722705],
        [0.6364903881, 0.5833361830, 0.5045779260],
    ]
    np.testing.assert_allclose(np.abs(found.loadings), loadings, atol=5e-4)


def test_variance_inflation_of_a_generalized_model() -> None:
    """Against performance 0.10.2 and the determinants themselves,
    of the covariance matrix of lme4 1.1-31.
    """
    found = glmer("TICKS ~ YEAR * cHEIGHT + (1 | BROOD)", TICKS, family="poisson").vif()
    assert found.index.to_list() == ["YEAR", "cHEIGHT", "YEAR:cHEIGHT"]
    assert found["df"].to_list() == [2, 1, 2]
    np.testing.assert_allclose(found["gvif"], [1.039147214, 3.451431338, 3.564230088], rtol=2e-4)
    np.testing.assert_allclose(found["gvif_root"], found["gvif"] ** (0.5 / found["df"]))


def test_means_of_a_linear_model_are_corrected_for_bias() -> None:
    """Against ``emmeans(..., bias.adjust = TRUE, sigma = 0.15)`` of emmeans 1.8.4.1."""
    m = lmer("log(Reaction) ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    found = m.emmeans("Days", at={"Days": [0, 5]}, type="response", bias_correct=True, sigma=0.15).to_frame()
    np.testing.assert_allclose(found["estimate"], [254.9970549, 301.7479828], rtol=1e-7)
    np.testing.assert_allclose(found["std_error"], [6.887056628, 9.763006773], rtol=1e-4)
    np.testing.assert_allclose(found["lower"], [240.8729088, 281.8372800], rtol=1e-5)
    np.testing.assert_allclose(found["upper"], [269.9494033, 323.0652990], rtol=1e-5)


@pytest.mark.parametrize("family", ["nbinom2", "Gamma(log)", "poisson"])
def test_refits_have_a_dispersion(family: str) -> None:
    data = TICKS.assign(y=TICKS["TICKS"] + (0.5 if family.startswith("Gamma") else 0))
    m = glmer("y ~ cHEIGHT + (1 | BROOD)", data, family=family)
    draws = m.simulate(2, rng=3)
    many = m.refit(draws)
    one = m.refit(draws.iloc[:, 0])
    np.testing.assert_allclose(many.dispersion[0], one.dispersion, rtol=1e-4)
    np.testing.assert_allclose(many.sigma[0], one.sigma, rtol=1e-4)
    assert many.to_frame().columns[-5:].to_list() == ["sigma", "dispersion", "nobs", "converged", "status"]


def test_refits_of_a_linear_model_have_sigma_once(sleep: Any) -> None:
    many = sleep.refit(sleep.simulate(2, rng=3))
    assert many.dispersion is many.sigma
    assert "dispersion" not in many.to_frame()


def test_backward_elimination_of_a_generalized_model() -> None:
    """Against the likelihood ratios of lme4 1.1-31, model by model."""
    data = TICKS.assign(half=np.resize([0, 1], 403), five=np.resize(list("abcde"), 403))
    m = glmer("TICKS ~ YEAR + cHEIGHT + half + (1 | BROOD) + (1 | five) + (1 | LOCATION)", data, family="poisson")
    found = m.step()
    random, fixed = found.random, found.fixed
    assert random["eliminated"].to_dict() == {"(1 | LOCATION)": 1, "(1 | BROOD)": 0, "(1 | five)": 0}
    np.testing.assert_allclose(random["chisq"], [2.461868869, 2395.26418514, 25.29098949], atol=1e-4)
    assert fixed["eliminated"].to_dict() == {"half": 1, "YEAR": 0, "cHEIGHT": 0}
    np.testing.assert_allclose(fixed["chisq"], [2.818111778, 59.93489739, 52.16604607], atol=1e-4)
    assert fixed["df"].to_list() == [1, 2, 1]
    assert type(found.model) is type(m)
    assert found.model.objective == pytest.approx(1952.383798, abs=1e-5)
    assert found.model.formula == "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | five)"


def test_the_last_random_effect_of_a_generalized_model_stays() -> None:
    data = TICKS.assign(half=np.resize([0, 1], 403), other=np.resize(list("abcdefg"), 403), y=np.resize([1, 2], 403))
    with pytest.warns(RanefWarning, match="singular"):
        m = glmer("y ~ half + (1 | other)", data, family="poisson")
    found = m.step(fixed=False)
    assert found.model is m
    assert "without it the model is a generalized linear model" in " ".join(found.notes)


def test_members_of_the_other_kind_are_missed_with_a_reason(cbpp: Any, sleep: Any) -> None:
    with pytest.raises(
        AttributeError, match=r"'GeneralizedLinearMixedModel' object has no attribute 'tvalues': .* zvalues"
    ):
        _ = cbpp.tvalues
    with pytest.raises(AttributeError, match=r"influence\(\)\.cooks_distance is by fits"):
        cbpp.cooks_distance()
    with pytest.raises(AttributeError, match="'LinearMixedModel' object has no attribute 'zero_inflation': "):
        sleep.zero_inflation()
    with pytest.raises(AttributeError, match=r"no attribute 'fixeff': did you mean fixef\.$"):
        _ = sleep.fixeff
    assert not hasattr(cbpp, "tvalues")


@pytest.mark.parametrize("name", ["residuals", "qq"])
def test_pictures_of_a_linear_model_refuse_what_is_for_simulations(sleep: Any, name: str) -> None:
    for arguments in ({"n": 100}, {"rng": 1}):
        with pytest.raises(OptionError, match="for generalized models"):
            getattr(sleep.plot, name)(**arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("caterpillar", {"effect": 1}),
        ("shrinkage", {"effects": 1}),
        ("shrinkage", {"effects": [1]}),
        ("correlation", {"group": ["x"]}),
        ("fitted", {"levels": 1}),
    ],
)
def test_pictures_refuse_what_is_no_name(cbpp: Any, sleep: Any, name: str, arguments: dict[str, Any]) -> None:
    slopes = glmer("TICKS ~ cHEIGHT + (cHEIGHT | LOCATION)", TICKS, family="poisson")
    for m in (slopes, sleep) if name == "fitted" else (cbpp, sleep):
        with pytest.raises(ArgumentTypeError, match=" must be "):
            getattr(m.plot, name)(**arguments)


@pytest.mark.parametrize("size", [5, "ab", (1,), (True, 2), (0, 3)])
def test_the_panel_refuses_what_is_no_size(cbpp: Any, sleep: Any, size: Any) -> None:
    for m in (cbpp, sleep):
        with pytest.raises(RanefError, match="figsize must be"):
            m.check(rng=1, figsize=size)
