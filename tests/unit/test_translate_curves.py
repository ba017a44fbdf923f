"""Nonlinear models as calls of R, and calls of R as models here. The numbers are those of R's nlme
3.1-162 and lme4 1.1-31 for the calls as written, at their own tolerances.
"""

import pytest

import ranef
from ranef import load_dataset, nlmer, translate
from ranef.errors import TranslationError

LOGISTIC = "circumference ~ SSlogis(age, Asym, xmid, scal)"
DOSE = "conc ~ SSfol(Dose, Time, lKe, lKa, lCl)"


@pytest.fixture(scope="module")
def orange():
    data = load_dataset("Orange")
    data["tall"] = (data["Tree"].astype(int) > 3).map({True: "y", False: "n"})
    return data


@pytest.fixture(scope="module")
def theoph():
    data = load_dataset("Theoph")
    data["late"] = (data["Subject"].astype(int) > 6).map({True: "y", False: "n"})
    return data


def test_a_curve_of_one_mean_is_written_for_nlmer(orange):
    m = nlmer(f"{LOGISTIC} ~ (Asym | Tree)", orange)
    text = m.to_syntax("r")
    assert text.split("\n")[-1] == (
        "nlmer(circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree), data = Orange, "
        "start = c(Asym = 192.1, xmid = 727.9, scal = 348.1))"
    )
    assert "curvature='gauss_newton' here" in text
    assert m.llf == pytest.approx(-131.5718774, abs=1e-4)


def test_an_expression_gets_its_derivatives_in_r(orange):
    start = {"Asym": 200, "xmid": 700, "scal": 350}
    m = nlmer("circumference ~ Asym/(1+exp((xmid-age)/scal)) ~ (Asym | Tree)", orange, start=start)
    assert m.to_syntax("lme4", notes=False).split("\n") == [
        'curve <- deriv(~ Asym/(1 + exp((xmid - age)/scal)), c("Asym", "xmid", "scal"), '
        "function(age, Asym, xmid, scal) NULL)",
        "nlmer(circumference ~ curve(age, Asym, xmid, scal) ~ (Asym | Tree), data = Orange, "
        "start = c(Asym = 192.1, xmid = 727.9, scal = 348.1))",
    ]


@pytest.mark.parametrize(
    ("params", "fixed", "random", "llf"),
    [
        ({"Asym": "~ tall + (1 | Tree)"}, "list(Asym ~ tall, xmid ~ 1, scal ~ 1)", "Asym ~ 1 | Tree", -131.0005358),
        (None, "Asym + xmid + scal ~ 1", "Asym ~ 1 | Tree", -131.0380314),
    ],
)
def test_curves_are_written_for_nlme_and_read_again(orange, params, fixed, random, llf):
    how = {"variance": "power(fitted)"} if params is None else {"params": params}
    formula = f"{LOGISTIC} ~ (Asym | Tree)" if params is None else LOGISTIC
    m = nlmer(formula, orange, method="linearized", **how)
    text = m.to_syntax("nlme", notes=False)
    assert f"fixed = {fixed}" in text
    assert f"random = {random}" in text
    assert m.llf == pytest.approx(llf, abs=2e-4)
    again = eval(translate(text).call, {"nlmer": nlmer, "Orange": orange})
    assert again.llf == pytest.approx(m.llf, abs=1e-6)


def test_blocks_of_parameters_in_nlme(theoph):
    effects = {"lKa": "~ 1 + (1 |p| Subject)", "lCl": "~ late + Wt + (1 |p| Subject)"}
    m = nlmer(DOSE, theoph, params=effects, method="linearized")
    text = m.to_syntax("nlme", notes=False)
    assert "random = lKa + lCl ~ 1 | Subject" in text
    assert m.llf == pytest.approx(-175.7087043, abs=2e-3)
    apart = m.update(params={"lKa": "~ 1 + (1 | Subject)", "lCl": "~ 1 + (1 | Subject)"})
    assert "random = list(Subject = pdDiag(lKa + lCl ~ 1))" in apart.to_syntax("nlme")
    assert apart.llf == pytest.approx(-177.0232798, abs=2e-3)


def test_brms_has_a_formula_for_each_parameter_and_no_function_that_stan_lacks(theoph):
    effects = {"lKa": "~ 1 + (1 |p| Subject)", "lCl": "~ late + (1 |p| Subject)"}
    text = nlmer(DOSE, theoph, params=effects).to_syntax("brms", notes=False)
    assert text == (
        "brm(bf(conc ~ Dose * exp(lKe + lKa - lCl) * (exp(-exp(lKe) * Time) - exp(-exp(lKa) * Time))/(exp(lKa) - "
        "exp(lKe)), lKe ~ 1, lKa ~ 1 + (1 |p1| Subject), lCl ~ late + (1 |p1| Subject), nl = TRUE), data = Theoph)"
    )


def test_what_a_package_does_not_have_is_named(orange):
    m = nlmer(LOGISTIC, orange, params={"Asym": "~ tall + (1 | Tree)"})
    with pytest.raises(TranslationError, match="the formula Asym ~ tall: parameters have one mean each in nlmer"):
        m.to_syntax("lme4")
    with pytest.raises(TranslationError, match="written for R's lme4, nlme and brms"):
        m.to_syntax("stata")
    with pytest.raises(TranslationError, match="no quadrature"):
        nlmer(f"{LOGISTIC} ~ (Asym | Tree)", orange, n_quad=5).to_syntax("nlme")


@pytest.mark.parametrize(
    ("text", "call"),
    [
        (
            "fm1 <- nlmer(circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym|Tree, Orange, "
            "start = c(Asym = 200, xmid = 725, scal = 350), nAGQ = 1L)",
            'nlmer("circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree", Orange, '
            'start={"Asym": 200, "xmid": 725, "scal": 350}, curvature="gauss_newton")',
        ),
        (
            "nlme(height ~ SSasymp(age, Asym, R0, lrc), data = d, fixed = list(Asym ~ trt, R0 + lrc ~ 1), "
            "random = Asym + R0 ~ 1 | Seed, correlation = corAR1(form = ~ 1 | Seed))",
            'nlmer("height ~ SSasymp(age, Asym, R0, lrc)", d, params={"Asym": "~ trt + (1 |p1| Seed)", '
            '"R0": "~ 1 + (1 |p1| Seed)"}, method="linearized", correlation="ar1(1 | Seed)")',
        ),
        (
            "nlme(y ~ SSlogis(t, a, b, c), d, fixed = a + b + c ~ 1, random = list(plot = a ~ 1, "
            "id = pdDiag(a + b ~ 1)), start = c(1, -2, 3), subset = z > 1)",
            'nlmer("y ~ SSlogis(t, a, b, c)", d, params={"a": "~ 1 + (1 | plot) + (1 | plot:id)", '
            '"b": "~ 1 + (1 | plot:id)"}, start={"a": 1, "b": -2, "c": 3}, method="linearized", subset="z > 1")',
        ),
        (
            "nlme(y ~ SSlogis(t, a, b, c), d, fixed = a + b + c ~ 1, random = a ~ 1 | plot/id)",
            'nlmer("y ~ SSlogis(t, a, b, c)", d, params={"a": "~ 1 + (1 | plot) + (1 | plot:id)"}, '
            'method="linearized")',
        ),
    ],
)
def test_calls_of_r_are_read(text, call):
    found = translate(text)
    assert found.call == call
    assert found.source == ("lme4" if "curvature" in call else "nlme")
    with pytest.raises(ranef.OptionError, match="no description"):
        found.describe()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nlme(y ~ SSlogis(t, a, b, c), d, random = a ~ 1 | g)", "fixed: it is missing"),
        ("nlme(y ~ SSlogis(t, a, b, c), d, fixed = a + b + c ~ 1, random = a ~ 1)", "the grouping factor"),
        ("nlme(y ~ SSlogis(t, a, b, c), d, fixed = a + b + c ~ 1, random = q ~ 1 | g)", "random effects of q"),
        ("nlme(y ~ SSlogis(t, a, b, c), d, fixed = a + b + c ~ 1, random = pdIdent(a + b ~ 1))", "pdIdent"),
        ("nlmer(d)", "the formula"),
    ],
)
def test_what_cannot_be_read_is_named(text, message):
    with pytest.raises(TranslationError, match=message):
        translate(text)
