"""Models of glmmTMB, ordinal, pscl and Stata with zeros, dispersion or ordered categories: the call
that they are translated to, fitted, has R's log-likelihood, and what is written reads back.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ranef import LogNormal, clmm, glmer, glmer_nb, lmer, load_dataset, translate
from ranef.errors import TranslationError

Salamanders = pd.read_parquet(Path(__file__).parents[1] / "reference" / "components" / "Salamanders.parquet")
wine = load_dataset("wine")
shares = Salamanders.assign(y=(Salamanders["count"] + 0.5) / (Salamanders["count"].max() + 1))
NAMES: dict[str, Any] = {
    "glmer": glmer,
    "glmer_nb": glmer_nb,
    "lmer": lmer,
    "clmm": clmm,
    "LogNormal": LogNormal,
    "Salamanders": Salamanders,
    "wine": wine,
    "shares": shares,
}

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

#: R code with the log-likelihood of glmmTMB 1.1.5 or ordinal 2022.11.
OF_R = [
    ("glmmTMB(count ~ mined + (1|site), zi=~mined, family=nbinom2, data=Salamanders)", -864.71077083),
    ("glmmTMB(count ~ mined + (1|site), family=nbinom1, data=Salamanders)", -862.301787379),
    ("glmmTMB(count ~ mined + (1|site), ziformula=~., family=truncated_poisson, data=Salamanders)", -941.99708493),
    ("glmmTMB(y ~ mined + (1|site), family=beta_family(), data=shares)", 1276.01619963),
    ('glmmTMB(y ~ mined + (1|site), dispformula=~mined, family=Gamma(link="log"), data=shares)', 1489.67320531),
    ("glmmTMB(y ~ mined + (1|site), dispformula=~mined, data=shares)", 1072.74173447),
    ("clmm2(rating ~ temp, nominal = ~contact, random = judge, data = wine, Hess = TRUE, nAGQ = 10)", -81.2832008676),
    ('clmm2(rating ~ temp, scale=~contact, random=judge, data=wine, nAGQ=10, link="probit")', -88.0374686247),
]


@pytest.mark.parametrize(("code", "value"), OF_R, ids=[code for code, _ in OF_R])
def test_the_call_fits_the_model_of_r(code: str, value: float) -> None:
    m = eval(translate(code).call, NAMES)  # a call that the test itself has made
    assert m.llf == pytest.approx(value, abs=2e-5)
    # and what is written of it is the same call again
    if "nAGQ" not in code:
        again = translate(m.to_syntax("glmmtmb", notes=False)).call
        assert eval(again, {**NAMES, "data": m._request.data}).llf == pytest.approx(m.llf, abs=1e-6)
    else:
        again = translate(m.to_syntax("r", notes=False)).call
        assert eval(again, {**NAMES, "data": wine}).llf == pytest.approx(m.llf, abs=1e-6)


CALLS = [
    (
        "glmmTMB(count ~ spp * mined + (1|site), ziformula=~., dispformula = ~DOY, family=truncated_nbinom2, d)",
        'glmer("count ~ spp * mined + (1 | site)", d, family="truncated_nbinom2", zi_formula="~ .", '
        'disp_formula="~ DOY")',
    ),
    ("glmmTMB(y ~ x + (1|g), d)", 'lmer("y ~ x + (1 | g)", d, REML=False)'),
    ("glmmTMB(y ~ x + (1|g), d, family=nbinom1, offset=log(n))", None),
    (
        "glmmTMB(y ~ x + (1|g), d, family=poisson, ziformula=~., offset=log(n))",
        'glmer("y ~ x + (1 | g) + offset(log(n))", d, family="poisson", zi_formula="~ x + (1 | g)")',
    ),
    (
        "glmmTMB(y ~ x + (1|g), d, family=lognormal())",
        'glmer("y ~ x + (1 | g)", d, family=LogNormal(scale="response"))',
    ),
    (
        'glmmTMB(y ~ x + (1|g), d, family=ziGamma(link="log"), ziformula=~1)',
        'glmer("y ~ x + (1 | g)", d, family="Gamma(log)", zi_formula="~ 1")',
    ),
    (
        'clmm(rating ~ temp + contact + (1|judge), data = wine, link="probit", threshold="equidistant", nAGQ=10)',
        'clmm("rating ~ temp + contact + (1 | judge)", wine, link="probit", threshold="equidistant", n_quad=10)',
    ),
    (
        'zeroinfl(art ~ fem + mar | ment, data=papers, dist="negbin")',
        'glmer("art ~ fem + mar", papers, family="nbinom2", zi_formula="~ ment")',
    ),
    (
        "hurdle(art ~ fem, data=papers, offset = log(years))",
        'glmer("art ~ fem + offset(log(years))", papers, family="truncated_poisson", zi_formula="~ fem")',
    ),
    (
        "meologit rating i.temp || judge:, intpoints(10)",
        'clmm("rating ~ factor(temp) + (1 | judge)", data, n_quad=10)',
    ),
    ("meoprobit y x || g: x, cov(un)", 'clmm("y ~ x + (x | g)", data, link="probit", n_quad=7)'),
    (
        "meglm y x || g:, family(ordinal) link(cloglog) intmethod(laplace)",
        'clmm("y ~ x + (1 | g)", data, link="cloglog")',
    ),
    ("xtset g\nxtologit y x", 'clmm("y ~ x + (1 | g)", data, n_quad=12)'),
    ("meologit y x || h: || g:", 'clmm("y ~ x + (1 | h/g)", data, n_quad=7)'),
    ("menbreg y x || g:, dispersion(constant)", 'glmer("y ~ x + (1 | g)", data, family="nbinom1", n_quad=7)'),
    (
        "zinb cigs i.male, inflate(age i.race) exposure(t)",
        'glmer("cigs ~ factor(male) + offset(log(t))", data, family="nbinom2", zi_formula="~ age + factor(race)")',
    ),
    ("zip y x, inflate(_cons)", 'glmer("y ~ x", data, family="poisson", zi_formula="~ 1")'),
]


@pytest.mark.parametrize(("text", "call"), CALLS, ids=[text for text, _ in CALLS])
def test_calls(text: str, call: str | None) -> None:
    found = translate(text)
    if call is not None:
        assert found.call == call
    assert found.source in ("glmmtmb", "ordinal", "pscl", "stata")
    assert ("no random effects" in str(found)) == ("zi" in found.call and "|" not in found.formula + found.call)


def test_signs_are_said() -> None:
    assert any("other sign" in note for note in translate("hurdle(y ~ x, data = d)").notes)
    assert not any("other sign" in note for note in translate("zeroinfl(y ~ x, data = d)").notes)
    gamma = translate("glmmTMB(y ~ x + (1|g), d, family=Gamma, dispformula=~x)")
    assert any("-2 times" in note for note in gamma.notes)
    assert any("same sign" in note for note in translate("meologit y x || g:").notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("glmmTMB(y ~ x + (1|g), d, family=quasi)", "the family quasi"),
        ("glmmTMB(y ~ x + (1|g), d, dispformula=~0)", "fixed has no formula"),
        ("clmm2(y ~ x, data=d)", "grouping factor, is missing"),
        ('clmm2(y ~ x, random=g, data=d, link="log-gamma")', "log-gamma link"),
        ('hurdle(y ~ x, data=d, zero.dist="geometric")', "zero part here is binomial"),
        ('zeroinfl(y ~ x, data=d, dist="geometric")', "poisson and negbin"),
        ("zinb y x, exposure(t)", "inflate"),
        ("zip y x, inflate(z) probit", "logistic"),
    ],
)
def test_what_has_no_counterpart(text: str, says: str) -> None:
    with pytest.raises(TranslationError, match=says):
        translate(text)


def test_brms() -> None:
    def shown(m: Any) -> str:
        return str(m.to_syntax("brms", notes=False))

    zeros = glmer("count ~ mined + (1 |p| site)", Salamanders, family="poisson", zi_formula="~ mined + (1 |p| site)")
    assert shown(zeros) == (
        "brm(bf(count ~ mined + (1 |p| site), zi ~ mined + (1 |p| site)), data = data, family = "
        'zero_inflated_poisson(link = "log"))'
    )
    hurdle = glmer(
        "count ~ mined + (1 | site)",
        Salamanders,
        family="truncated_nbinom2",
        zi_formula="~ mined",
        disp_formula="~ DOY",
    )
    assert shown(hurdle) == (
        "brm(bf(count ~ mined + (1 | site), hu ~ mined, shape ~ DOY), data = data, family = "
        'hurdle_negbinomial(link = "log"))'
    )
    positive = Salamanders[Salamanders["count"] > 0]
    truncated = glmer("count ~ mined + (1 | site)", positive, family="truncated_poisson")
    assert "count | trunc(lb = 1) ~ mined" in shown(truncated)
    cbpp = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
    assert shown(cbpp).startswith("brm(incidence | trials(size) ~ period + (1 | herd), data = cbpp")
    rating = clmm("rating ~ temp + (1 | judge)", wine, link="probit", scale="~ contact")
    assert shown(rating) == (
        "brm(bf(rating ~ temp + (1 | judge)) + lf(disc ~ 0 + contact, cmc = FALSE), data = wine, family = "
        'cumulative(link = "probit"))'
    )
    assert "other sign" in rating.to_syntax("brms")
    sleep = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    assert shown(sleep) == "brm(Reaction ~ Days + (Days | Subject), data = sleepstudy, family = gaussian())"
    nominal = clmm("rating ~ temp + (1 | judge)", wine, nominal="~ contact")
    with pytest.raises(TranslationError, match="nominal effects"):
        shown(nominal)
    with pytest.raises(TranslationError, match="Negative Binomial"):
        shown(glmer("count ~ mined + (1 | site)", Salamanders, family="nbinom1"))
