"""Arguments as other programs spell them are answered with a sentence."""

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import ranef
from ranef import ArgumentTypeError
from ranef.results.linear import LinearMixedModel
from ranef.results.means import MarginalMeans
from unit.refusals import INTERCEPT, sleep


@pytest.fixture(scope="module")
def model() -> LinearMixedModel:
    return ranef.lmer(INTERCEPT, sleep())


VERBS = [
    ({"reml": False}, "it is called REML here, REML=False"),
    ({"family": "poisson"}, r"use glmer\("),
    ({"groups": "Subject"}, r"\(1 \+ x \| group\)"),
    ({"re_formula": "~Days"}, r"\(1 \+ x \| group\)"),
    ({"ziformula": "~1"}, "zi_formula"),
    ({"nAGQ": 5}, "no quadrature"),
    ({"na.action": "omit"}, "na_action"),
    ({"wieghts": "w"}, "did you mean weights"),
    ({"verbose": 1}, "it takes formula, data, REML"),
]


@pytest.mark.parametrize(("given", "answer"), VERBS, ids=[next(iter(g)) for g, _ in VERBS])
def test_lmer(given: dict[str, Any], answer: str) -> None:
    with pytest.raises(ArgumentTypeError, match=answer):
        ranef.lmer(INTERCEPT, sleep(), **given)


@pytest.mark.parametrize("verb", [ranef.glmer, ranef.glmer_nb])
@pytest.mark.parametrize("name", ["REML", "reml", "method"])
def test_glmer_has_no_reml(verb: Callable[..., Any], name: str) -> None:
    family = {} if verb is ranef.glmer_nb else {"family": "poisson"}
    with pytest.raises(ArgumentTypeError, match="maximum likelihood"):
        verb("y ~ x + (1 | g)", {}, **family, **{name: True})


def test_glmer_has_no_correlation() -> None:
    with pytest.raises(ArgumentTypeError, match="independent"):
        ranef.glmer("y ~ x + (1 | g)", {}, family="poisson", correlation="ar1(x | g)")


OTHER_VERBS = [
    (ranef.clmm, "family", "link='logit'"),
    (ranef.clmm, "REML", "maximum likelihood"),
    (ranef.clmm, "zi_formula", "threshold of its own"),
    (ranef.clmm, "disp_formula", "scale='~ x'"),
    (ranef.nlmer, "random", "params="),
    (ranef.nlmer, "disp_formula", "variance='by_group"),
    (ranef.nlmer, "family", "glmer"),
    (ranef.nlmer, "sampling_weights", "lmer, glmer and clmm"),
]


@pytest.mark.parametrize(("verb", "name", "answer"), OTHER_VERBS, ids=[f"{v.__name__}-{n}" for v, n, _ in OTHER_VERBS])
def test_what_other_verbs_have(verb: Callable[..., Any], name: str, answer: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"{verb.__name__} has no argument '{name}'.*{answer}"):
        verb("y ~ x + (1 | g)", {}, **{name: "x"})


METHODS: list[tuple[str, Callable[[Any], object], str]] = [
    ("conf_int", lambda m: m.conf_int(alpha=0.1), "level=0.9"),
    ("predict", lambda m: m.predict(re_formula=None), "it is called re here: 'population'"),
    ("ranova", lambda m: m.ranova(ddf="none"), "ranova has no argument 'ddf'"),
    ("emmeans", lambda m: m.emmeans("Days", conf_level=0.9), "it is called level here"),
    ("bootstrap", lambda m: m.bootstrap(nsim=3), "it is called n here"),
    ("contrast", lambda m: m.emmeans("Days").contrast(adjusted="holm"), "did you mean adjust"),
    ("anova", lambda m: ranef.anova(m, m, refitt=True), "did you mean refit"),
    ("vif", lambda m: m.vif(x=1), "it takes none"),
    ("influence", lambda m: m.influence(group="g"), "by='Subject' leaves out one level"),
    ("power", lambda m: ranef.power(m, "x", sd={"g": 1.0}), "are in varcorr"),
]


@pytest.mark.parametrize(("call", "answer"), [(c, a) for _, c, a in METHODS], ids=[n for n, *_ in METHODS])
def test_methods(model: LinearMixedModel, call: Callable[[Any], object], answer: str) -> None:
    with pytest.raises(ArgumentTypeError, match=answer):
        call(model)


def test_signatures_and_pickles_stay(model: LinearMixedModel) -> None:
    assert list(inspect.signature(ranef.lmer).parameters)[:3] == ["formula", "data", "REML"]
    assert "level" in inspect.signature(model.conf_int).parameters
    assert pickle.loads(pickle.dumps(ranef.lmer)) is ranef.lmer
    assert "level" in inspect.signature(MarginalMeans.conf_int).parameters


def test_contrasts_that_were_not_asked_for(model: LinearMixedModel) -> None:
    with pytest.raises(AttributeError, match=r"contrast\('pairwise'\)"):
        _ = model.emmeans("Days").contrasts


def test_public_names_only() -> None:
    assert set(dir(ranef)) == {*ranef.__all__, "__version__"}
