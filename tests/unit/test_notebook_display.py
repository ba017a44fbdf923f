"""What a notebook shows of every record: a table where there is one, and never a heap of arrays."""

import pickle
from html.parser import HTMLParser

import pandas as pd
import pytest

from ranef import anova, glmer, lmer, load_dataset, power, translate
from ranef.diagnostics.dispersion import DispersionTest, ZeroInflationTest

# How a notebook gets each record, and a piece of what it must show.
RECORDS = {
    "model": (lambda m, _: m, "<caption>Fixed effects</caption>"),
    "summary": (lambda m, _: m.summary(), "Pr(&gt;|t|)"),
    "varcorr": (lambda m, _: m.varcorr, ">Residual</th>"),
    "anova": (lambda m, _: m.anova(), "f_value"),
    "comparison": (lambda m, smaller: anova(smaller, m), "chisq"),
    "ranova": (lambda m, _: m.ranova(), "p_value_boundary"),
    "drop1": (lambda m, _: m.drop1(), "chisq"),
    "step": (lambda m, _: m.step(), "eliminated"),
    "test": (lambda m, _: m.test("Days"), "std_error"),
    "fixef": (lambda m, _: m.fixef, "Days"),
    "conf_int": (lambda m, _: m.conf_int(), "lower"),
    "tidy": (lambda m, _: m.tidy(), "estimate"),
    "glance": (lambda m, _: m.glance(), "nobs"),
    "augment": (lambda m, _: m.augment(), ".cooksd"),
    "ranef": (lambda m, _: m.ranef()["Subject"], "(Intercept)"),
    "convergence": (lambda m, _: m.convergence, "The fit converged after"),
    "influence": (lambda m, _: m.influence(), "cooks_distance"),
    "influence of groups": (lambda m, _: m.influence("Subject"), "level of Subject, 18 in all"),
    "refits": (lambda m, _: m.refit(m.simulate(30, rng=1)), "30 responses, 30 converged"),
    "icc": (lambda m, _: m.icc(), "adjusted"),
    "r2": (lambda m, _: m.r2(), "conditional"),
    "repca": (lambda m, _: m.repca(), "proportion"),
    "vif": (lambda m, _: m.vif(), "tolerance"),
    "simulated residuals": (lambda m, _: m.simulated_residuals(rng=1), "uniformity"),
    "profile": (lambda m, _: m.profile("theta_"), "95 % intervals"),
    "bootstrap": (lambda m, _: m.bootstrap(20, rng=1), "std_error"),
    "likelihood ratio by bootstrap": (lambda m, smaller: m.pb_lrt(smaller, 20, rng=1), "bartlett"),
    "power": (lambda m, _: power(m, m.fixef.index[-1], 20, test="lrt", rng=1), "20 simulations"),
    "equations": (lambda m, _: m.equations(), "Level 1"),
    "coef": (lambda m, _: m.coef(), "Coefficients of "),
    "all ranef": (lambda m, _: m.ranef(), "Random effects of "),
    "ranef with variances": (lambda m, _: m.ranef(condvar=True), "sd of (Intercept)"),
    "block of varcorr": (lambda m, _: next(iter(m.varcorr.values())), "standard deviations and correlations"),
    "pictures": (lambda m, _: m.plot, "caterpillar"),
    "valleys": (lambda m, _: m.convergence.valleys, "Valley of criterion"),
    "translation": (lambda m, _: translate("mixed y x || g: x", source="stata"), "lmer("),
    "family": (lambda m, _: m.family, "link="),
    "reference grid": (lambda m, _: m.reference_grid(), "frequency"),
    "effect sizes": (lambda m, _: m.effect_sizes(), "Std. coef."),
    "means": (lambda m, _: m.emmeans(m.fixef.index[-1]), "emmean"),
    "letters": (lambda m, _: m.emmeans(m.fixef.index[-1]).letters(), "letters"),
}


# The same of a generalized model, where the piece is another one or the record is of this kind
# only.
GENERALIZED = RECORDS | {
    "summary": (lambda m, _: m.summary(), "Pr(&gt;|z|)"),
    "varcorr": (lambda m, _: m.varcorr, ">BROOD</th>"),
    "anova": (lambda m, _: m.anova(), "chisq"),
    "test": (lambda m, _: m.test("cHEIGHT"), "std_error"),
    "fixef": (lambda m, _: m.fixef, "cHEIGHT"),
    "augment": (lambda m, _: m.augment(), ".pearson"),
    "ranef": (lambda m, _: m.ranef()["BROOD"], "(Intercept)"),
    "influence of groups": (lambda m, _: m.influence("YEAR"), "level of YEAR, 3 in all"),
    "overdispersion": (lambda m, _: m.overdispersion(20, rng=1), "ratio"),
    "zero inflation": (lambda m, _: m.zero_inflation(20, rng=1), "expected"),
}
# It takes a fit for each row.
del GENERALIZED["influence"]


class WellFormed(HTMLParser):
    """Sees that every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("br", "hr", "img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def models():
    study = load_dataset("sleepstudy")
    return lmer("Reaction ~ Days + (Days | Subject)", study), lmer("Reaction ~ Days + (1 | Subject)", study)


@pytest.fixture(scope="module")
def generalized():
    ticks = load_dataset("grouseticks")
    ticks = ticks[ticks["BROOD"].cat.codes % 3 == 0]
    larger = glmer("TICKS ~ cHEIGHT + (cHEIGHT | BROOD) + (1 | YEAR)", ticks, family="poisson")
    return larger, larger.update("TICKS ~ cHEIGHT + (1 | BROOD) + (1 | YEAR)")


@pytest.mark.parametrize("name", RECORDS)
def test_display(name, models):
    make, piece = RECORDS[name]
    shows(make(*models), piece)


@pytest.mark.parametrize("name", GENERALIZED)
def test_display_of_a_generalized_model(name, generalized):
    make, piece = GENERALIZED[name]
    shows(make(*generalized), piece)


def shows(record, piece):
    text = repr(record)
    assert "array(" not in text
    assert len(text) < 20_000
    html = getattr(record, "_repr_html_", lambda: None)()
    if html is None:
        assert piece in text
        assert " object at 0x" not in text
        assert len(text) < 3000
        return
    assert piece in html
    parser = WellFormed()
    parser.feed(html)
    assert not parser.open


def test_shares_of_variance_are_sentences(models):
    m, _ = models
    icc, r2 = m.icc(), m.r2()
    assert f"{100 * icc.adjusted:.1f} % of the variance that the fixed effects leave" in str(icc)
    assert f"{icc.unadjusted:.3f}" in str(icc)
    assert f"(marginal R² {r2.marginal:.3f})" in str(r2)
    assert str(r2) == repr(r2)
    for record in (icc, r2, m.convergence):
        assert record._repr_html_().startswith("<p>")
    assert "optimum" in repr(m.convergence)


def test_tests_of_counts_say_what_they_found(generalized):
    m = generalized[0]
    said = {
        DispersionTest(1.02, 408.0, 400, 0.4, 0.7, 250): "no sign of over- or underdispersion",
        DispersionTest(2.4, 960.0, 400, 1e-40, 0.01, 250): "more than the model allows (overdispersion)",
        DispersionTest(0.4, 160.0, 400, 1.0, 0.01, 250): "less than the model allows (underdispersion)",
        # All of few simulations lie on one side.
        DispersionTest(2.4, 960.0, 400, 1e-40, 2 / 21, 20): "overdispersion",
        ZeroInflationTest(30, 20.0, 1.5, 0.001, 250): "The data have more zeros than the model.",
        ZeroInflationTest(10, 20.0, 0.5, 0.001, 250): "The data have fewer zeros than the model.",
        ZeroInflationTest(21, 20.0, 1.05, 0.6, 250): "accounts for the number of zeros",
    }
    for test, words in said.items():
        assert words in str(test) == repr(test)
        assert words in test._repr_html_()
    assert str(m.overdispersion(20, rng=1)).startswith("Dispersion ratio ")


def test_random_effects_are_a_dictionary_that_prints(models):
    m, _ = models
    for found in (m.ranef(), m.coef(), m.ranef(condvar=True)):
        assert isinstance(found, dict)
        assert list(found) == ["Subject"]
        again = pickle.loads(pickle.dumps(found))
        assert repr(again) == repr(found)
        assert "(18 levels)" in str(found)
        assert "308" in found._repr_html_()
    assert type(m.ranef()["Subject"]) is pd.DataFrame


def test_variances_print_as_in_lme4(models):
    m, _ = models
    # print(VarCorr(m), comp = c("Variance", "Std.Dev.")), its digits where both optima agree.
    rows = [line.split() for line in repr(m.varcorr).splitlines()]
    assert rows[0] == ["Groups", "Name", "Variance", "Std.Dev.", "Corr"]
    assert rows[2] == ["Days", "35.072", "5.9221", "0.066"]
    assert rows[3] == ["Residual", "654.941", "25.5918"]


def test_tables_have_html():
    """What is a table is one in a notebook."""
    m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    for record in (m, m.summary(), m.varcorr, m.repca(), m.anova(), m.ranova(), m.drop1(), m.step(), m.tidy()):
        assert "<table" in record._repr_html_()


def test_html_of_a_model_escapes_what_users_wrote():
    data = load_dataset("sleepstudy").rename(columns={"Days": "<b>days</b>"})
    html = lmer("Reaction ~ `<b>days</b>` + (1 | Subject)", data)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;days&lt;/b&gt;" in html
    varcorr = lmer("Reaction ~ `<b>days</b>` + (`<b>days</b>` | Subject)", data).varcorr
    assert "<b>" not in varcorr._repr_html_()


def test_html_of_a_model_makes_no_tests():
    """Opening a notebook cell must not cost degrees of freedom of a large model."""
    m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    g = glmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"), family="Gamma(log)")
    for model in (m, g):
        assert "<td" in model._repr_html_()
        assert "Pr(" not in model._repr_html_()
        assert "_tests" not in vars(model)
    assert "Gamma" in g._repr_html_()
    assert "Residual" in g._repr_html_()
